"""Golden outputs of the feature networks whose weights a user brings: tests/golden/features/.

DINOv2 small by transformers' own classes, with and without registers, and LPIPS on AlexNet by the package lpips on
torchvision's network. The networks have their real sizes, so their weights are numbers by a formula that
tests/src/formula.rs computes as well, exactly: nothing but outputs is stored. The positions are those of 5×5 patches, so
that they are reduced, enlarged and taken as they are. Run it without arguments, after features.py.
"""

from pathlib import Path

import lpips
import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

OUT = Path(__file__).parent / "features"
# Width and height of the photos that DINOv2 sees, cut from wide.png: 5×5, 6×4 and 3×5 patches.
SIZES = [(70, 70), (84, 56), (42, 70)]
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
SCALE = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def numbers(name, count):
    """Multiples of 2^-15 in -1..1: splitmix64 over the FNV-1a hash of a name and the index, from 1."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(48)).astype(np.int64) - 2**15).astype(np.float32) / 2**15


def weight(name, shape):
    """A tensor by its name in a checkpoint and its shape; each value is exact in f32."""
    values = numbers(name, int(np.prod(shape)))
    if "norm" in name and name.endswith("weight"):
        values = 1 + values / 4
    elif name.endswith("lambda1"):
        values = 0.5 + values / 4
    elif name.endswith("bias"):
        values = values / 8
    elif name.endswith("weight"):
        # The largest 2^-n whose square is at most 6 through the inputs: what keeps variances through a rectifier.
        inputs, bound = int(np.prod(shape[1:])), 1.0
        while bound * bound * inputs > 6:
            bound /= 2
        values = values * np.float32(bound)
    return torch.from_numpy(values.reshape(shape))


def stored_name(name):
    """The name in a checkpoint of what transformers 5 holds."""
    for held, stored in [
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
    ]:
        name = name.replace(held, stored)
    return name


def by_formula(state):
    return {name: weight(stored_name(name), tuple(tensor.shape)) for name, tensor in state.items()}


def photo():
    pixels = np.asarray(Image.open(OUT / "wide.png"), dtype=np.float32)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()) / 255


def dinov2():
    sizes = {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12, "image_size": 70, "patch_size": 14}
    models = {
        "plain": Dinov2Model(Dinov2Config(**sizes)),
        "registers": Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, num_register_tokens=4)),
    }
    tensors = {}
    for name, model in models.items():
        model.load_state_dict(by_formula(model.state_dict()))
        model.eval()
        for width, height in SIZES:
            x = (photo()[:, :height, :width] - MEAN) / SCALE
            with torch.no_grad():
                tokens = model(x[None]).last_hidden_state[0]
            patches = tokens[-(width // 14) * (height // 14) :].T
            tensors[f"{name}.{width}x{height}"] = patches.reshape(384, height // 14, width // 14).contiguous()
    save_file(tensors, OUT / "dinov2.safetensors")


def alexnet():
    network = torchvision.models.alexnet().features
    weights = by_formula({f"features.{name}": tensor for name, tensor in network.state_dict().items()})
    network.load_state_dict({name.removeprefix("features."): tensor for name, tensor in weights.items()})
    # The package's own linear weights; its trunk is a torchvision network whose layers kept their indices.
    whole = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, spatial=True, verbose=False).eval()
    for part in [whole.net.slice1, whole.net.slice2, whole.net.slice3, whole.net.slice4, whole.net.slice5]:
        for index, layer in part.named_children():
            layer.load_state_dict(network[int(index)].state_dict())
    first = photo()[None]
    second = first.flip(3)
    with torch.no_grad():
        total, layers = whole(first, second, retPerLayer=True, normalize=True)
        taps = whole.net(whole.scaling_layer(2 * first - 1))
    tensors = {f"tap.{n}": tap[0].contiguous() for n, tap in enumerate(taps)}
    # Every 37th value: the first tap alone has 28,000.
    tensors = {name: tap.flatten()[::37].contiguous() for name, tap in tensors.items()}
    tensors |= {f"distance.{n}": layer[0, 0].contiguous() for n, layer in enumerate(layers)}
    tensors["distance"] = total[0, 0].contiguous()
    save_file(tensors, OUT / "alexnet-lpips.safetensors")


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dinov2()
    alexnet()
