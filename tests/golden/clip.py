"""Golden files of the CLIP text encoder and tokenizer: tests/golden/clip/.

Two small random CLIPTextModel (quick_gelu as in SD 1, gelu as in SD 2) with their last hidden
state, and a small byte-pair vocabulary with the ids of 300 strings under the special tokens of
SD 1, of SD 2 and of a folder without any configuration.
"""

import json
import random
import tempfile
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

OUT = Path(__file__).parent / "clip"
CORPUS = """
A perfect metal nut. A metal nut with intact edges, flat faces and a clean round hole.
A bottle with an intact round mouth, smooth rim and clean dark inside. A perfect bottle.
The quick brown fox jumps over the lazy dog; it's what they've said, we'll see, I'd say, I'm sure you're right.
A photograph of an astronaut riding a horse on mars, highly detailed, 4k, trending, cinematic lighting.
Die Größe der Flasche ist überall gleich. Une bouteille abîmée à côté de la fenêtre. El niño comió piñas.
Красивая бутылка без дефектов. Ένα τέλειο μπουκάλι. 完美的瓶子 没有缺陷 瓶子 日本語の瓶 傷なし 완벽한 병
""".split("\n")


def byte_alphabet():
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in shown]
    table = {byte: chr(byte) for byte in shown}
    table.update({byte: chr(256 + n) for n, byte in enumerate(moved)})
    return table


def train(merges):
    """Plain byte-pair merging; ties go to the smaller pair."""
    table = byte_alphabet()
    splitter = CLIPTokenizer().backend_tokenizer
    counts = Counter()
    for line in CORPUS:
        text = splitter.normalizer.normalize_str(line)
        counts.update(word for word, _ in splitter.pre_tokenizer.pre_tokenize_str(text))
    words = [([*word[:-1], word[-1] + "</w>"], count) for word, count in sorted(counts.items())]
    learned = []
    for _ in range(merges):
        pairs = Counter()
        for symbols, count in words:
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learned.append((left, right))
        for symbols, _ in words:
            at = 0
            while at + 1 < len(symbols):
                if (symbols[at], symbols[at + 1]) == (left, right):
                    symbols[at : at + 2] = [left + right]
                at += 1
    alphabet = list(table.values())
    joined = ["".join(pair) for pair in learned]
    tokens = alphabet + [c + "</w>" for c in alphabet] + joined + ["<|startoftext|>", "<|endoftext|>"]
    return {token: n for n, token in enumerate(dict.fromkeys(tokens))}, learned


def texts():
    """300 strings: chosen ones, and random ones over blocks of Unicode."""
    lines = [line for line in CORPUS if line]
    chosen = [
        "", " ", "\n", "\t\r\n \u3000\u00a0\u2003", "a", "A", "!", "!!!", "hello!", "a!b !c! d", "é", "e\u0301", "\u1e9b\u0323",
        "ﬁ ligature", "Ⅷ ½ ² ① ٣ ३ 10 1234567890 3.14 1e-5", "it's IT'S It’s we'll WE'LL they'd i'm 're 've 'x ''s", "don't can't o'clock",
        "&amp; &lt;b&gt; &quot;x&quot; &#39; &nbsp; &eacute; &amp;amp;", "<b>bold</b> <br/> <!-- x -->", "http://example.com/?a=1&b=2#c",
        "name@example.com", "C:\\path\\file.txt", "\\n \\u0041", "a_b-c+d=e/f*g^h%i$j#k@l~m`n|o", "“quotes” ‘single’ «guillemets» „low“",
        "dash – em — minus − hyphen-", "…ellipsis...", "tab\tseparated\tvalues", "line\nbreak\r\nwindows\rmac", "nul\x00in\x00side", "\x01\x02\x03\x1f\x7f",
        "\x80\x85\x9f", "bell\x07 escape\x1b[31mred\x1b[0m", "zero\u200bwidth\u200cjoin\u200der", "soft\u00adhyphen", "bom\ufeffinside", "\ufffd\ufffe",
        "rtl \u202eoverride\u202c", "line\u2028sep\u2029para", "🙂", "🙂🙂🙂 🚀", "👩‍👩‍👧‍👦 family", "👍🏽 skin 🏳️‍🌈 flag 🇩🇪", "1️⃣ keycap ©️ ™", "emoji🙂inside🚀words",
        "中文字符", "日本語テキスト カタカナ ひらがな", "한국어 텍스트", "한국", "中 文 with English 混合 text", "㍿ ㊙ 全角ＡＢＣ１２３！", "𠜎𠜱𠝹", "𝕳𝖊𝖑𝖑𝖔 𝓌𝑜𝓇𝓁𝒹",
        "عربي نص", "עברית", "हिन्दी पाठ", "ภาษาไทย", "தமிழ்", "ქართული", "Հայերեն", "Ελληνικά ΣΊΣΥΦΟΣ ς", "Русский ТЕКСТ", "Türkçe İstanbul ıİ", "ẞ ß STRASSE Straße",
        "Ǆ ǅ ǆ Ω Ω K K Å Å", "ñ Ñ ñ", "Z̸̢̛a̵l̷g̴o̸", "a\u0300\u0301\u0302\u0303", "\u0301leading mark", "x\u20dd", "math ∑∫√∞≈≠≤≥ x² + y² = z²", "arrows ←↑→↓ boxes ┌┐└┘█",
        "currency € £ ¥ ₹ ₿ $", "degrees 20°C 45′ 30″", "<|startoftext|>", "<|endoftext|>", "<|endoftext|> after", "before <|startoftext|> after", "x<|endoftext|>y", "<|ENDOFTEXT|>",
        "<|StartOfText|> mixed", "<|endoftext", "|endoftext|>", "<| endoftext |>", "</w>", "a</w> b</w>", "Ġ ĠĠ Ċ ĉ", "#version: 0.2", "word" * 40, "a" * 500, "!" * 100, "! " * 100,
        "a " * 74, "a " * 75, "a " * 76, "a " * 77, "a " * 200, "bottle " * 75, "bottle " * 76, "中" * 30, "🙂" * 40, "x" * 5000, " " * 3000 + "end", "perfect " * 73 + "bottle!", "perfect bottle " * 37 + "🙂🙂",
        "A perfect metal nut.", "a metal nut with intact edges, flat faces and a clean round hole.", "A  perfect   bottle", " leading", "trailing ", "UPPER lower MiXeD", "camelCaseWord snake_case_word",
    ]
    draw = random.Random(20240804)
    blocks = [(0x20, 0x7E)] * 4 + [
        (0xA0, 0x17F), (0x370, 0x373), (0x391, 0x3A1), (0x3A3, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x64A), (0x905, 0x939), (0xE01, 0xE30),
        (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x2030, 0x205E), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2460, 0x24FF), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5),
        (0xAC00, 0xD7A3), (0x1100, 0x1112), (0x1161, 0x1175), (0x300, 0x344), (0xFF01, 0xFF5E), (0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1D400, 0x1D454), (0x20000, 0x2A6D6), (0x00, 0x20), (0x7F, 0xA0),
    ]
    vocabulary = " ".join(lines).split()
    while len(chosen) + len(lines) < 300:
        kind = draw.randrange(3)
        if kind == 0:
            text = " ".join(draw.choice(vocabulary) for _ in range(draw.randrange(1, 90)))
        elif kind == 1:
            text = "".join(chr(draw.randint(*draw.choice(blocks))) for _ in range(draw.randrange(1, 60)))
        else:
            parts = []
            for _ in range(draw.randrange(1, 30)):
                block = draw.choice(blocks)
                parts.append("".join(chr(draw.randint(*block)) for _ in range(draw.randrange(1, 6))))
                parts.append(draw.choice(["", " ", "  ", ", ", draw.choice(vocabulary), "\n", "'s ", "!"]))
            text = "".join(parts)
        chosen.append(text)
    return lines + chosen


def folders(vocab, merges):
    """File name → content of the tokenizer folders of SD 1, SD 2, and one without configuration."""
    bare = {
        "vocab.json": json.dumps(vocab, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges),
    }
    token = lambda content: {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special = {"bos_token": token("<|startoftext|>"), "eos_token": token("<|endoftext|>"), "unk_token": token("<|endoftext|>")}
    config = {key: {"__type": "AddedToken", **value} for key, value in special.items()}
    config |= {"pad_token": "<|endoftext|>", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    folder = lambda pad: bare | {
        "tokenizer_config.json": json.dumps(config),
        "special_tokens_map.json": json.dumps({**special, "pad_token": pad}),
    }
    return {"bare": bare, "sd1": folder("<|endoftext|>"), "sd2": folder("!")}


def tokenizer_golden():
    vocab, merges = train(700)
    strings = texts()
    assert len(strings) == 300
    (OUT / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, indent=0))
    (OUT / "merges.txt").write_text(folders(vocab, merges)["bare"]["merges.txt"])
    golden = {"strings": strings, "folders": {}}
    for name, files in folders(vocab, merges).items():
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                (Path(folder) / file).write_text(content)
            tokenizer = CLIPTokenizer.from_pretrained(folder)
            # The call of diffusers' StableDiffusionPipeline.encode_prompt.
            ids = tokenizer(strings, padding="max_length", max_length=77, truncation=True).input_ids
            kept = {file: content for file, content in files.items() if file not in ("vocab.json", "merges.txt")}
            # Runs of padding make most of the ids: written as the ids up to the last that differs.
            pad = tokenizer.pad_token_id
            golden["folders"][name] = {"files": kept, "pad": pad, "ids": [strip(row, pad) for row in ids]}
            if name == "sd2":
                saved = Path(folder) / "saved"
                tokenizer.save_pretrained(saved)
                again = CLIPTokenizer.from_pretrained(saved)
                assert again(strings, padding="max_length", max_length=77, truncation=True).input_ids == ids
                whole = json.loads((saved / "tokenizer.json").read_text())
                (OUT / "tokenizer.json").write_text(json.dumps(whole, separators=(",", ":")))
    (OUT / "strings.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")))
    return vocab, strings


def strip(row, pad):
    assert len(row) == 77
    while row and row[-1] == pad:
        row = row[:-1]
    return row


def model_golden(name, vocab_size, ids, **sizes):
    torch.manual_seed(6)
    config = CLIPTextConfig(vocab_size=vocab_size, max_position_embeddings=77, bos_token_id=vocab_size - 2, eos_token_id=vocab_size - 1, pad_token_id=vocab_size - 1, **sizes)
    model = CLIPTextModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    for key, parameter in model.named_parameters():
        if "layer_norm" in key and key.endswith("weight"):
            torch.nn.init.normal_(parameter, mean=1.0, std=0.2)
    # f16 values, so that the file is small and exact.
    state = {}
    for key, parameter in model.named_parameters():
        parameter.data = parameter.data.half().float()
        key = key if key.startswith("text_model.") else f"text_model.{key}"
        state[f"weights.{key}"] = parameter.detach().half().contiguous()
    with torch.no_grad():
        state["context"] = model(ids).last_hidden_state.contiguous()
    state["ids"] = ids.int()
    save_file(state, OUT / f"{name}.safetensors", metadata={"config": config.to_json_string(use_diff=False)})


def main():
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    vocab, strings = tokenizer_golden()
    rows = json.loads((OUT / "strings.json").read_text())["folders"]["sd1"]
    picked = [0, 1, 60, 150, 299]
    ids = torch.tensor([rows["ids"][n] + [rows["pad"]] * (77 - len(rows["ids"][n])) for n in picked])
    model_golden("quick_gelu", len(vocab), ids, hidden_act="quick_gelu", hidden_size=32, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4)
    model_golden("gelu", len(vocab), ids, hidden_act="gelu", hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=3)


main()
