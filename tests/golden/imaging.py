"""Golden maps of resizing and blurring: tests/golden/imaging/.

Pillow's LANCZOS on 8-bit RGB and on f32 planes, torch's bilinear interpolation (f32,
align_corners=False, no antialiasing), its bicubic one with and without antialiasing, and scipy's gaussian_filter (mode="mirror", the kernel cut at
4 sigma). Run it without arguments.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter

OUT = Path(__file__).parent / "imaging"
WIDTH, HEIGHT = 37, 29


def picture():
    """Steep edges, gradients and noise, `[3, H, W]` in whole levels of 255."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    planes = np.stack([x / WIDTH, (x + 2 * y) % 11 / 11, ((x // 6 + y // 5) % 2)])
    noise = np.random.default_rng(5).normal(0, 0.05, planes.shape)
    return np.round(np.clip(planes + noise, 0, 1) * 255).astype(np.uint8)


def main():
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    pixels = picture()
    values = pixels.astype(np.float32) / 255
    tensors = {"photo": values}
    image = Image.fromarray(pixels.transpose(1, 2, 0))
    # Smaller, larger, one side each, odd, one pixel.
    sizes = [(16, 16), (18, 14), (74, 58), (53, 41), (80, 9), (7, 64), (37, 15), (23, 29), (1, 1)]
    for width, height in sizes:
        size = f"{width}x{height}"
        # In two calls, since one call begins with whichever direction Pillow finds cheaper.
        narrow = image.resize((width, HEIGHT), Image.Resampling.LANCZOS)
        levels = np.asarray(narrow.resize((width, height), Image.Resampling.LANCZOS))
        tensors[f"lanczos.levels.{size}"] = levels.transpose(2, 0, 1).astype(np.float32)
        planes = [Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS) for plane in values]
        tensors[f"lanczos.{size}"] = np.stack([np.asarray(plane) for plane in planes])
        resized = torch.nn.functional.interpolate(torch.from_numpy(values)[None], (height, width), mode="bilinear", align_corners=False)
        tensors[f"bilinear.{size}"] = resized[0].numpy()
    for width, height in [(18, 14), (53, 41), (7, 64), (23, 29)]:
        for name, antialias in [("bicubic", False), ("antialiased", True)]:
            # f64 inside, as the reference's own rounding is none of ours.
            planes = torch.from_numpy(values)[None].double()
            resized = torch.nn.functional.interpolate(
                planes, (height, width), mode="bicubic", align_corners=False, antialias=antialias
            )
            tensors[f"{name}.{width}x{height}"] = resized[0].float().numpy()
    for sigma in [0.4, 1.0, 2.3, 12.0]:
        # In f64, too; 12 reaches over the borders twice.
        blurred = [gaussian_filter(plane.astype(np.float64), sigma, mode="mirror", truncate=4.0) for plane in values]
        tensors[f"gaussian.{sigma}"] = np.stack(blurred).astype(np.float32)
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, OUT / "imaging.safetensors")


main()
