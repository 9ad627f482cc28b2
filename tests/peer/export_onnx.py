"""The U-Net of a diffusers folder as an ONNX graph, for `cargo xtask bench-web`.

Usage: export_onnx.py MODEL FOLDER. Writes unet.onnx and shapes.json into FOLDER; neither is kept. One photo, sizes fixed:
what a page would run in fast mode, batch 1, so that onnxruntime may plan its memory.
"""

import importlib.util
import json
import sys
from pathlib import Path

missing = [name for name in ("torch", "diffusers", "onnx") if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(f"the Python package(s) {', '.join(missing)} are missing: pip install -r tests/peer/requirements.txt")

import torch
from diffusers import UNet2DConditionModel


class Plain(torch.nn.Module):
    """Tensors in, one tensor out."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, context):
        return self.unet(sample, timestep, context, return_dict=False)[0]


def main():
    model, folder = map(Path, sys.argv[1:])
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet").float().eval()
    tokens = json.loads((model / "text_encoder/config.json").read_text())["max_position_embeddings"]
    side = unet.config.sample_size
    shapes = {
        "sample": [1, unet.config.in_channels, side, side],
        "timestep": [1],
        "context": [1, tokens, unet.config.cross_attention_dim],
    }
    given = {name: torch.zeros(shape) for name, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(
            Plain(unet),
            tuple(given.values()),
            folder / "unet.onnx",
            input_names=list(given),
            output_names=["prediction"],
            opset_version=17,
            dynamo=False,
        )
    (folder / "shapes.json").write_text(json.dumps(shapes))


if __name__ == "__main__":
    main()
