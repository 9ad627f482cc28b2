"""Stable Diffusion 1.5's networks by diffusers on a GPU: time and memory, for a table beside `anomalysd bench --device gpu`.

Usage: gpu.py MODEL_FOLDER [--compile]. Weights are random, of the folder's sizes (what random_checkpoint writes). 512×512:
a U-Net step, a VAE decode and a training step with a LoRA of rank 8, f32 and f16, batch 1 and 16, eager; with --compile
the U-Net step in f16 by torch.compile, too. One JSON object a line: what, milliseconds (median of five after two),
GiB allocated at most.
"""

import json
import sys
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def measured(what, work, runs=5):
    torch.cuda.reset_peak_memory_stats()
    try:
        spent = []
        for run in range(runs + 2):
            torch.cuda.synchronize()
            began = time.perf_counter()
            work()
            torch.cuda.synchronize()
            spent.append(1000 * (time.perf_counter() - began))
        row = {"what": what, "ms": round(sorted(spent[2:])[runs // 2], 2)}
    except torch.cuda.OutOfMemoryError:
        row = {"what": what, "ms": None}
    row["gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    print(json.dumps(row), flush=True)


def main():
    folder = sys.argv[1]
    torch.manual_seed(0)
    with torch.device("cuda"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder, subfolder="unet"))
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder, subfolder="vae"))
    unet.requires_grad_(False).eval()
    vae.requires_grad_(False).eval()
    width = unet.config.cross_attention_dim
    for dtype in (torch.float32, torch.float16):
        name = "f32" if dtype == torch.float32 else "f16"
        unet.to(dtype)
        vae.to(dtype)
        for batch in (1, 16):
            draw = lambda *shape: torch.randn(batch, *shape, device="cuda", dtype=dtype)
            sample, context = draw(unet.config.in_channels, 64, 64), draw(77, width)
            latents = draw(4, 64, 64)
            timestep = torch.full((batch,), 501, device="cuda")
            step = lambda: unet(sample, timestep, context).sample
            with torch.inference_mode():
                measured(f"U-Net step, {name}, {batch}", step)
                if dtype == torch.float16 and "--compile" in sys.argv:
                    compiled = torch.compile(unet)
                    measured(f"U-Net step, {name}, {batch}, compiled", lambda: compiled(sample, timestep, context).sample)
                measured(f"VAE decode, {name}, {batch}", lambda: vae.decode(latents).sample)
    unet.to(torch.float32)
    unet.add_adapter(LoraConfig(r=8, lora_alpha=8, target_modules=ATTENTION))
    unet.train()
    for name, batch, checkpointing in (("f32", 1, False), ("f16", 1, False), ("f16", 1, True)):
        if checkpointing:
            unet.enable_gradient_checkpointing()
        sample = torch.randn(batch, unet.config.in_channels, 64, 64, device="cuda")
        context = torch.randn(batch, 77, width, device="cuda")
        target = torch.randn(batch, 4, 64, 64, device="cuda")
        timestep = torch.full((batch,), 501, device="cuda")

        def step():
            with torch.autocast("cuda", torch.float16, enabled=name == "f16"):
                loss = (unet(sample, timestep, context).sample.float() - target).square().mean()
            loss.backward()
            unet.zero_grad(set_to_none=True)

        what = f"training step, LoRA, {name}, {batch}" + (", gradient checkpointing" if checkpointing else "")
        measured(what, step)


if __name__ == "__main__":
    main()
