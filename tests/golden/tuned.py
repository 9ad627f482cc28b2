"""What `fit --tune` and `export` write, loaded by diffusers and PEFT: tests/golden/tuned/.

`peft.safetensors` and `kohya.safetensors` hold one LoRA of all attentions and convolutions of `checkpoints/folder`,
`full/` is a diffusers folder of a small model of `mini`'s kind. All three are written by `golden_tuned.rs`
(ANOMALYSD_WRITE_GOLDEN=1 cargo test --test golden_tuned), which also checks that today's exports are these files.
Here the references read them; inputs and outputs go into `*.golden.safetensors`.
"""

import json
import pathlib

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
OUT = HERE / "tuned"
PROMPT = "A perfect bottle with an intact round mouth."


def base():
    """The model that the LoRA changes; its most exact weights."""
    root = HERE / "checkpoints/folder"
    # The autoencoder is stored under names of another age, and not asked for anything here.
    return StableDiffusionInpaintPipeline(
        vae=AutoencoderKL.from_config(AutoencoderKL.load_config(root, subfolder="vae")),
        text_encoder=CLIPTextModel.from_pretrained(root, subfolder="text_encoder", variant="fp16").float(),
        tokenizer=CLIPTokenizer.from_pretrained(root, subfolder="tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(root, subfolder="unet"),
        scheduler=DDIMScheduler.from_pretrained(root, subfolder="scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def inputs(pipeline, seed):
    """Token ids, their context, and what the U-Net gets."""
    generator = torch.Generator().manual_seed(seed)
    length = pipeline.tokenizer.model_max_length
    ids = pipeline.tokenizer(PROMPT, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    channels = pipeline.unet.config.in_channels
    return {
        "ids": ids.to(torch.float32),
        "context": pipeline.text_encoder(ids).last_hidden_state,
        "sample": torch.randn(1, channels, 16, 8, generator=generator),
        "timestep": torch.tensor([631.0]),
    }


def predict(unet, given):
    return unet(given["sample"], given["timestep"], given["context"]).sample


def lora():
    """The LoRA by every way in: as a pipeline loads it, and by PEFT alone from its own configuration."""
    given = inputs(base(), 10)
    untouched = predict(base().unet, given)
    predictions = {}
    for name in ("peft", "kohya"):
        pipeline = base()
        pipeline.load_lora_weights(OUT, weight_name=f"{name}.safetensors")
        pairs = len(load_file(OUT / f"{name}.safetensors")) // {"peft": 2, "kohya": 3}[name]
        loaded = [key for key in pipeline.unet.state_dict() if "lora_A" in key]
        assert len(loaded) == pairs, (len(loaded), pairs)
        predictions[name] = predict(pipeline.unet, given)

    with safe_open(OUT / "peft.safetensors", "pt") as file:
        options = json.loads(file.metadata()["lora_adapter_metadata"])
    config = LoraConfig(**{key.removeprefix("unet."): value for key, value in options.items()})
    assert config.lora_alpha != config.r
    unet = inject_adapter_in_model(config, base().unet)
    state = {key.removeprefix("unet."): value for key, value in load_file(OUT / "peft.safetensors").items()}
    told = set_peft_model_state_dict(unet, state)
    assert not told.unexpected_keys and not [key for key in told.missing_keys if "lora" in key]
    predictions["alone"] = predict(unet, given)

    largest = untouched.abs().max()
    for name, prediction in predictions.items():
        assert (prediction - predictions["alone"]).abs().max() < 1e-5 * largest, name
    assert (predictions["alone"] - untouched).abs().max() > 0.05 * largest
    return given | {"prediction": predictions["peft"]}


def full():
    """The folder as a pipeline; pixels are unshuffled around the autoencoder as `anomalysd.json` says."""
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(OUT / "full")
    for name in ("unet", "vae", "text_encoder"):
        stored = next((OUT / "full" / name).glob("*.safetensors"))
        state = {key.removeprefix("text_model."): value for key, value in load_file(stored).items()}
        own = {key.removeprefix("text_model."): value for key, value in getattr(pipeline, name).state_dict().items()}
        assert state.keys() == {key for key in own if "position_ids" not in key}, name
        for key, value in state.items():
            assert torch.equal(own[key], value.to(own[key].dtype)), key
    factor = json.loads((OUT / "full/anomalysd.json").read_text())["pixel_unshuffle"]
    given = inputs(pipeline, 11)
    generator = torch.Generator().manual_seed(12)
    coarse = torch.rand(1, 3, 3, 4, generator=generator)
    photo = torch.nn.functional.interpolate(coarse, (16, 24), mode="bicubic").clamp(0, 1)
    latents = torch.randn(1, pipeline.vae.config.latent_channels, 6, 8, generator=generator)
    signed = torch.nn.functional.pixel_unshuffle(photo * 2 - 1, factor)
    decoded = pipeline.vae.decode(latents).sample
    return given | {
        "prediction": predict(pipeline.unet, given),
        "photo": photo,
        "mean": pipeline.vae.encode(signed).latent_dist.mode(),
        "latents": latents,
        "decoded": torch.nn.functional.pixel_shuffle(decoded, factor),
    }


def main():
    torch.set_num_threads(1)
    with torch.no_grad():
        for name, outputs in (("lora", lora()), ("full", full())):
            tensors = {key: value.float().contiguous() for key, value in outputs.items()}
            save_file(tensors, OUT / f"{name}.golden.safetensors")
    for path in sorted(OUT.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>9} {path.relative_to(OUT)}")


if __name__ == "__main__":
    main()
