"""Small random checkpoints in every layout that is read, with the reference's outputs: tests/golden/checkpoints/.

`folder/` is what diffusers saves (U-Net in three precisions, one of them sharded; the VAE under the old
attention names), `ldm-sd1.safetensors` and `ldm-sd2.safetensors` are single files in the layout of the
original code, `lora/` holds the same low-rank changes to the folder's model as PEFT, diffusers (today's and
before PEFT) and kohya write them. `*.golden.safetensors` holds inputs and outputs. That diffusers itself
reads the single files as the models they were made from is asserted here.

All weights are multiples of 1/64 below 2, so that f32, f16 and bf16 hold the same numbers and the files
compress well.
"""

import json
import pathlib
import shutil

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from diffusers.loaders import single_file_utils
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
OUT = HERE / "checkpoints"
MERGES = HERE.parent.parent / "crates/diffusion/assets/clip-merges.txt"
PROMPT = "A perfect bottle with an intact round mouth."
LDM_UNET, LDM_VAE = "model.diffusion_model.", "first_stage_model."


def randomise(model, seed):
    """Weights of the usual spread, rounded to multiples of 1/64; norms away from identity."""
    generator = torch.Generator().manual_seed(seed)
    norms = (torch.nn.GroupNorm, torch.nn.LayerNorm)
    of_norms = {id(m.weight) for m in model.modules() if isinstance(m, norms)}
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        spread = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.1
        value = (noise * spread * 64).round().clamp(-127, 127) / 64
        parameter.data = value + 1 if id(parameter) in of_norms else value
    return model.eval()


def unet(cross, channels, **more):
    levels = len(channels)
    config = {
        "in_channels": 9,
        "out_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D"] * (levels - 1) + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * (levels - 1),
        "block_out_channels": channels,
        "cross_attention_dim": cross,
        "sample_size": 64,
    } | more
    return UNet2DConditionModel(**config)


def vae(channels, **more):
    levels = len(channels)
    config = {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": channels,
        "layers_per_block": 1,
        "scaling_factor": 0.18215,
    } | more
    return AutoencoderKL(**config)


def text(vocabulary, width, layers, act):
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=1,
            max_position_embeddings=77,
            hidden_act=act,
        )
    )


def scheduler():
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def outputs(unet, vae, text, tokenizer, seed):
    """Every network on given inputs; the context is that of a prompt."""
    generator = torch.Generator().manual_seed(seed)
    randn = lambda *shape: torch.randn(*shape, generator=generator)
    coarse = torch.rand(1, 3, 6, 7, generator=generator)
    photo = torch.nn.functional.interpolate(coarse, (64, 48), mode="bicubic").clamp(0, 1)
    ids = tokenizer(PROMPT, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        context = text(ids).last_hidden_state
        tensors = {
            "ids": ids.to(torch.float32),
            "context": context,
            "sample": randn(1, 9, 16, 8),
            "timestep": torch.tensor([631.0]),
            "photo": photo,
            "latents": randn(1, 4, 8, 6),
        }
        tensors["prediction"] = unet(tensors["sample"], tensors["timestep"], context).sample
        tensors["mean"] = vae.encode(photo * 2 - 1).latent_dist.mode()
        tensors["decoded"] = vae.decode(tensors["latents"]).sample
    return {key: value.contiguous() for key, value in tensors.items()}


def half(state):
    return {key: value.half().contiguous() for key, value in state.items()}


def folder():
    """The model of `folder/` and of the LoRAs, saved as a repository of the hub would have it."""
    vocabulary, merges = HERE / "clip/vocab.json", HERE / "clip/merges.txt"
    tokenizer = CLIPTokenizer(vocab=str(vocabulary), merges=str(merges), model_max_length=77)
    parts = {
        "unet": randomise(unet(16, [8, 16, 16, 16], layers_per_block=1, norm_num_groups=4, attention_head_dim=4), 1),
        "vae": randomise(vae([8, 8, 16, 16], norm_num_groups=4), 2),
        "text_encoder": randomise(text(len(tokenizer), 16, 2, "quick_gelu"), 3),
    }
    root = OUT / "folder"
    pipeline = StableDiffusionInpaintPipeline(
        parts["vae"],
        parts["text_encoder"],
        tokenizer,
        parts["unet"],
        scheduler(),
        None,
        None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(root)
    for path in root.rglob("*.safetensors"):
        path.unlink()
    parts["unet"].save_pretrained(root / "unet", max_shard_size="400KB")
    parts["unet"].half().save_pretrained(root / "unet", variant="fp16")
    parts["unet"].bfloat16().save_pretrained(root / "unet", variant="bf16")
    parts["unet"].float()
    # Checkpoints before diffusers 0.15 name the attention of the VAE so, as convolutions.
    old = {}
    for key, value in half(parts["vae"].state_dict()).items():
        for new, before in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]:
            if f"attentions.0.{new}.weight" in key:
                value = value[:, :, None, None]
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        old[key] = value.contiguous()
    save_file(old, root / "vae/diffusion_pytorch_model.fp16.safetensors")
    save_file(half(parts["text_encoder"].state_dict()), root / "text_encoder/model.fp16.safetensors")
    (root / "LICENSE").write_text("CreativeML Open RAIL-M, stands here for the text of a licence.\n")
    save_file(outputs(*parts.values(), tokenizer, 10), OUT / "folder.golden.safetensors")
    return parts, tokenizer


def ldm_unet_names(state, config):
    """diffusers' name → LDM's, for a U-Net with the same layers on every level."""
    levels, layers = len(config.block_out_channels), config.layers_per_block
    modules = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    for level in range(levels):
        for layer in range(layers):
            block = 1 + level * (layers + 1) + layer
            modules[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{block}.0"
            modules[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{block}.1"
        modules[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{(level + 1) * (layers + 1)}.0.op"
        for layer in range(layers + 1):
            block = level * (layers + 1) + layer
            modules[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{block}.0"
            modules[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{block}.1"
        attention = config.up_block_types[level].startswith("CrossAttn")
        modules[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{block}.{2 if attention else 1}.conv"
    inside = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    }
    return {name: rename(name, modules, inside) for name in state}


def ldm_vae_names(state, config):
    levels = len(config.block_out_channels)
    modules = {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv"}
    for coder in ("encoder", "decoder"):
        modules |= {
            f"{coder}.conv_in": f"{coder}.conv_in",
            f"{coder}.conv_out": f"{coder}.conv_out",
            f"{coder}.conv_norm_out": f"{coder}.norm_out",
            f"{coder}.mid_block.resnets.0": f"{coder}.mid.block_1",
            f"{coder}.mid_block.resnets.1": f"{coder}.mid.block_2",
            f"{coder}.mid_block.attentions.0.group_norm": f"{coder}.mid.attn_1.norm",
            f"{coder}.mid_block.attentions.0.to_q": f"{coder}.mid.attn_1.q",
            f"{coder}.mid_block.attentions.0.to_k": f"{coder}.mid.attn_1.k",
            f"{coder}.mid_block.attentions.0.to_v": f"{coder}.mid.attn_1.v",
            f"{coder}.mid_block.attentions.0.to_out.0": f"{coder}.mid.attn_1.proj_out",
        }
    for level in range(levels):
        for block in range(config.layers_per_block + 1):
            modules[f"encoder.down_blocks.{level}.resnets.{block}"] = f"encoder.down.{level}.block.{block}"
            modules[f"decoder.up_blocks.{level}.resnets.{block}"] = f"decoder.up.{levels - 1 - level}.block.{block}"
        modules[f"encoder.down_blocks.{level}.downsamplers.0.conv"] = f"encoder.down.{level}.downsample.conv"
        modules[f"decoder.up_blocks.{level}.upsamplers.0.conv"] = f"decoder.up.{levels - 1 - level}.upsample.conv"
    return {name: rename(name, modules, {"conv_shortcut": "nin_shortcut"}) for name in state}


def rename(name, modules, inside):
    module = max((m for m in modules if name.startswith(m + ".")), key=len)
    rest = name[len(module) + 1 :]
    if "resnets" in module:
        part, _, parameter = rest.partition(".")
        rest = f"{inside.get(part, part)}.{parameter}"
    return f"{modules[module]}.{rest}"


def open_clip_state(state, layers, width):
    """transformers' text encoder as OpenCLIP's, with one layer more, which SD 2 does not use."""
    out = {}
    prefix = "text_model." if any(name.startswith("text_model.") for name in state) else ""
    outside = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    for name, ldm in outside.items():
        out[ldm] = state[prefix + name]
    inside = {
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "self_attn.out_proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    for layer in range(layers + 1):
        source = f"{prefix}encoder.layers.{min(layer, layers - 1)}"
        target = f"transformer.resblocks.{layer}"
        for parameter in ("weight", "bias"):
            for name, ldm in inside.items():
                out[f"{target}.{ldm}.{parameter}"] = state[f"{source}.{name}.{parameter}"]
            rows = [state[f"{source}.self_attn.{part}_proj.{parameter}"] for part in "qkv"]
            out[f"{target}.attn.in_proj_{parameter}"] = torch.cat(rows)
    # Not used by Stable Diffusion, but there.
    out["text_projection"] = torch.eye(width)
    out["logit_scale"] = torch.tensor(4.6)
    return out


def clip_tokenizer(**special):
    """CLIP's own vocabulary, from its merges."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in shown]
    alphabet = [chr(byte) for byte in shown] + [chr(256 + n) for n in range(len(moved))]
    merges = [tuple(line.split()) for line in MERGES.read_text(encoding="utf-8").splitlines()[1:]]
    tokens = alphabet + [c + "</w>" for c in alphabet] + ["".join(pair) for pair in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: n for n, token in enumerate(tokens)}
    assert len(vocabulary) == 49_408
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77, **special)


def ldm(name, seed, unet_model, text_model, tokenizer, open_clip):
    models = (randomise(unet_model, seed), randomise(vae([32, 32], latent_channels=4), seed + 1))
    unet_model, vae_model = models
    text_model = randomise(text_model, seed + 2)
    state = {}
    unet_state, vae_state = unet_model.state_dict(), vae_model.state_dict()
    for ours, theirs in ldm_unet_names(unet_state, unet_model.config).items():
        state[LDM_UNET + theirs] = unet_state[ours]
    for ours, theirs in ldm_vae_names(vae_state, vae_model.config).items():
        value = vae_state[ours]
        if ".attn_1." in theirs and theirs.endswith("weight") and value.dim() == 2:
            value = value[:, :, None, None]
        state[LDM_VAE + theirs] = value
    text_state = text_model.state_dict()
    config = text_model.config
    if open_clip:
        prefix = "cond_stage_model.model."
        state |= {
            prefix + key: value
            for key, value in open_clip_state(text_state, config.num_hidden_layers, config.hidden_size).items()
        }
    else:
        prefix = "cond_stage_model.transformer.text_model."
        state |= {prefix + key.removeprefix("text_model."): value for key, value in text_state.items()}
        state[prefix + "embeddings.position_ids"] = torch.arange(77)[None].float()
    # What else such files hold.
    state["alphas_cumprod"] = scheduler().alphas_cumprod
    state["betas"] = scheduler().betas
    state["model_ema.decay"] = torch.tensor(0.9999)
    state["model_ema.num_updates"] = torch.tensor(0)
    state = {key: value.half().contiguous() if value.is_floating_point() else value for key, value in state.items()}
    verify(state, models, text_model, open_clip)
    metadata = {"modelspec.title": f"Random {name}", "modelspec.license": "CreativeML Open RAIL++-M"}
    save_file(state, OUT / f"{name}.safetensors", metadata)
    save_file(outputs(*models, text_model, tokenizer, seed + 3), OUT / f"{name}.golden.safetensors")


def verify(state, models, text_model, open_clip):
    """diffusers converts the file back to the models that it was made from."""
    unet_model, vae_model = models
    unet_config, vae_config = dict(unet_model.config), dict(vae_model.config)
    pairs = [
        (single_file_utils.convert_ldm_unet_checkpoint(dict(state), unet_config), unet_model),
        (single_file_utils.convert_ldm_vae_checkpoint(dict(state), vae_config), vae_model),
    ]
    if open_clip:
        converted = single_file_utils.convert_open_clip_checkpoint(
            text_model, dict(state), prefix="cond_stage_model.model."
        )
        pairs.append((converted, text_model))
    for converted, model in pairs:
        strip = lambda key: key.removeprefix("text_model.")
        expected = {strip(key): value for key, value in model.state_dict().items()}
        converted = {strip(key): value for key, value in converted.items()}
        missing = [key for key in expected if key not in converted]
        assert not missing, missing[:5]
        for key, value in expected.items():
            got = converted[key].float().reshape(value.shape)
            assert torch.equal(got, value), key


def lora(parts, tokenizer):
    """Changes of rank 2 and 3 to attentions, convolutions and the text encoder."""
    root = OUT / "lora"
    root.mkdir()
    networks = {"unet": parts["unet"], "text_encoder": parts["text_encoder"]}
    configs = {
        "unet": LoraConfig(
            r=3,
            lora_alpha=6,
            target_modules=["to_q", "to_k", "to_v", "to_out.0", "proj_in", "conv1", "conv_shortcut", "ff.net.2"],
            alpha_pattern={"to_k": 1.5},
            rank_pattern={"conv1": 2},
        ),
        "text_encoder": LoraConfig(r=2, lora_alpha=1, target_modules=["q_proj", "out_proj", "fc1"]),
    }
    states, peft_configs = {}, {}
    generator = torch.Generator().manual_seed(77)
    for name, network in networks.items():
        network.add_adapter(configs[name])
        for key, parameter in network.named_parameters():
            if "lora_" in key:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.data = (noise * 0.3 * 64).round() / 64
        states[name] = half(get_peft_model_state_dict(network))
        peft_configs[name] = configs[name].to_dict()
    golden = outputs(parts["unet"], parts["vae"], parts["text_encoder"], tokenizer, 10)
    golden = {key: golden[key] for key in ("ids", "context", "sample", "timestep", "prediction")}
    save_file(golden, OUT / "lora.golden.safetensors")

    # PEFT's own folders, one per network.
    for name in networks:
        target = root / f"peft-{name}"
        target.mkdir()
        save_file({f"base_model.model.{key}": value for key, value in states[name].items()}, target / "adapter_model.safetensors")
        plain = {key: value for key, value in peft_configs[name].items() if not isinstance(value, (set, dict)) or key.endswith("pattern")}
        plain["target_modules"] = sorted(configs[name].target_modules)
        (target / "adapter_config.json").write_text(json.dumps(plain, indent=1, default=str, sort_keys=True) + "\n")

    # diffusers today: both networks in one file, PEFT's configurations in its metadata.
    StableDiffusionInpaintPipeline.save_lora_weights(
        str(root / "diffusers"),
        unet_lora_layers=states["unet"],
        text_encoder_lora_layers=states["text_encoder"],
        unet_lora_adapter_metadata=jsonable(peft_configs["unet"]),
        text_encoder_lora_adapter_metadata=jsonable(peft_configs["text_encoder"]),
    )

    # kohya: underscores, alpha beside each pair.
    kohya, before_peft = {}, {}
    for name, network in networks.items():
        spelled = {f"base_model.model.{key}": value for key, value in states[name].items()}
        prefix = {"unet": "lora_unet", "text_encoder": "lora_te"}[name]
        for key, value in spelled.items():
            module = key.removeprefix("base_model.model.").rsplit(".lora_", 1)[0]
            side = "lora_down" if ".lora_A." in key else "lora_up"
            alpha = network.get_submodule(module).lora_alpha["default"]
            flat = f"{prefix}_{module.replace('.', '_')}"
            if name == "text_encoder" and "text_model" not in flat:
                flat = flat.replace("lora_te_", "lora_te_text_model_")
            kohya[f"{flat}.{side}.weight"] = value
            kohya[f"{flat}.alpha"] = torch.tensor(float(alpha)).half()
            # diffusers before PEFT had no alpha: it is multiplied into the upper matrix, where that is exact.
            factor = network.get_submodule(module).scaling["default"] if side == "lora_up" else 1.0
            side = {"lora_down": "down", "lora_up": "up"}[side]
            infix = "lora" if name == "unet" else "lora_linear_layer"
            spelling = module if name == "unet" or module.startswith("text_model.") else f"text_model.{module}"
            before_peft[f"{name}.{spelling}.{infix}.{side}.weight"] = (value.float() * factor).half()
    save_file(kohya, root / "kohya.safetensors")
    save_file(before_peft, root / "before-peft.safetensors")


def jsonable(config):
    return {key: (sorted(value) if isinstance(value, set) else value) for key, value in config.items()}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    parts, tokenizer = folder()
    # As small as 32 groups per norm and 49,408 tokens allow.
    sd1 = unet(4, [32, 32], layers_per_block=1, attention_head_dim=8)
    ldm("ldm-sd1", 20, sd1, text(49_408, 4, 2, "quick_gelu"), clip_tokenizer(), open_clip=False)
    sd2 = unet(4, [32, 32], layers_per_block=1, attention_head_dim=[1, 1], use_linear_projection=True)
    ldm("ldm-sd2", 30, sd2, text(49_408, 4, 2, "gelu"), clip_tokenizer(pad_token="!"), open_clip=True)
    lora(parts, tokenizer)
    for path in sorted(OUT.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>9} {path.relative_to(OUT)}")


if __name__ == "__main__":
    main()
