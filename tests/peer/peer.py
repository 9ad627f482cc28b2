"""What a user would run instead: the detection of `anomalysd --mode faithful --references 0` by diffusers' own classes.

Started by `anomalysd bench --peer`, which says one JSON object a line on standard input and reads one a line from
standard output. Numbers travel in safetensors files. What is timed is between files: tensors are in memory before the
clock starts, and results are written after it has stopped. Whatever is geometry (masks, weights of the halo) is given;
this program has it for nothing.

Eager mode, f32, no gradients but in training; U-Net, scheduler and autoencoder are diffusers', a LoRA is PEFT's, and the
passes of one scale are one batch, as there.
"""

import importlib.util
import json
import sys
import time

NEEDED = ["torch", "diffusers", "transformers", "peft", "safetensors"]

missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if missing:
    print(json.dumps({"missing": missing}), flush=True)
    sys.exit(0)

import diffusers
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file

# Photos that the feature network sees at once.
FEATURE_BATCH = 8
# ε of EfficientNet's batch norms, mean and scale of its input, blocks after which features are taken.
NORM_EPS, MEAN, SCALE, TAPS = 1e-3, 0.498, 0.502, (2, 4, 10)
# Kernel, stride, expansion, channels in and out of its blocks 0 to 10.
BLOCKS = [
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24),
    (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40),
    (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80),
    (3, 1, 6, 80, 80),
    (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112),
    (5, 1, 6, 112, 112),
    (5, 1, 6, 112, 112),
]


class EfficientNet:
    """EfficientNet-Lite0 to block 10, batch norms folded into the convolutions."""

    def __init__(self, weights):
        self.weights = {name: value.float() for name, value in weights.items()}
        self.stem = self.folded("_conv_stem", "_bn0")
        self.blocks = []
        for index, (kernel, stride, expansion, inputs, outputs) in enumerate(BLOCKS):
            block = f"_blocks.{index}."
            expand = self.folded(f"{block}_expand_conv", f"{block}_bn0") if expansion > 1 else None
            depthwise = self.folded(f"{block}_depthwise_conv", f"{block}_bn1")
            project = self.folded(f"{block}_project_conv", f"{block}_bn2")
            self.blocks.append((expand, depthwise, project, kernel, stride, stride == 1 and inputs == outputs))

    def folded(self, convolution, norm):
        part = lambda name: self.weights[f"{norm}.{name}"]
        scale = part("weight") / (part("running_var") + NORM_EPS).sqrt()
        weight = self.weights[f"{convolution}.weight"] * scale[:, None, None, None]
        return weight, part("bias") - part("running_mean") * scale

    def taps(self, photos):
        x = F.relu6(strided((photos - MEAN) / SCALE, self.stem, 3, 2, 1))
        taps = []
        for index, (expand, depthwise, project, kernel, stride, skip) in enumerate(self.blocks):
            y = F.relu6(F.conv2d(x, *expand)) if expand else x
            y = F.relu6(strided(y, depthwise, kernel, stride, y.shape[1]))
            y = F.conv2d(y, *project)
            x = x + y if skip else y
            if index in TAPS:
                taps.append(x)
        return taps


def strided(x, weights, kernel, stride, groups):
    """A convolution whose padding is that of an input of 224×224."""
    total = kernel - min(stride, kernel)
    before, after = total // 2, total - total // 2
    if before == after:
        return F.conv2d(x, *weights, stride=stride, padding=before, groups=groups)
    return F.conv2d(F.pad(x, (before, after, before, after)), *weights, stride=stride, groups=groups)


def scaled(layer, floor):
    return layer / (layer.square().sum(1, keepdim=True) + floor).sqrt()


def lab(photos):
    """sRGB to CIELAB under D65."""
    linear = torch.where(photos <= 0.04045, photos / 12.92, ((photos + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    white = torch.tensor([0.95047, 1.0, 1.08883])[:, None, None]
    t = torch.einsum("ij,bjhw->bihw", matrix, linear) / white
    f = torch.where(t > 0.008856452, t.clamp(min=1e-9) ** (1 / 3), t * 7.787037 + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def box_mean(photos, radius):
    """Means over squares, mirrored at the borders."""
    return F.avg_pool2d(F.pad(photos, [radius] * 4, mode="reflect"), 2 * radius + 1, 1)


class Peer:
    """The networks, once loaded."""

    def load(self, request):
        torch.set_num_threads(request["threads"])
        folder = request["model"]
        self.unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", variant=request["variant"]).float()
        self.unet.eval()
        self.scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
        self.factor = request["pixel_unshuffle"]
        if request["unet_alone"]:
            return {}
        self.vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", variant=request["variant"]).float().eval()
        if request["features"]:
            self.network = EfficientNet(load_file(request["features"]))
        return {}

    # The model of `mini` has pixels unshuffled around diffusers' autoencoder.

    def encode(self, signed):
        pixels = F.pixel_unshuffle(signed, self.factor) if self.factor > 1 else signed
        return self.vae.encode(pixels).latent_dist.mode() * self.vae.config.scaling_factor

    def decode_signed(self, latents):
        pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        return F.pixel_shuffle(pixels, self.factor) if self.factor > 1 else pixels

    def decode(self, latents):
        return (self.decode_signed(latents) * 0.5 + 0.5).clamp(0, 1)

    def features(self, photos):
        parts = [self.network.taps(part) for part in photos.split(FEATURE_BATCH)]
        return [torch.cat(layers) for layers in zip(*parts)]

    @torch.inference_mode()
    def network_alone(self, request):
        given = load_file(request["in"])
        work = {
            "unet": lambda: [self.unet(given["sample"], given["timestep"], given["context"]).sample],
            "encode": lambda: [self.encode(given["photo"] * 2 - 1)],
            "decode": lambda: [self.decode(given["latents"])],
            "features": lambda: self.network.taps(given["photo"]),
        }[request["network"]]
        for _ in range(1 + request.get("warm_up", 0)):
            began = time.perf_counter()
            outputs = work()
            spent = time.perf_counter() - began
        self.write(request, {f"{index}": output for index, output in enumerate(outputs)})
        return {"ms": spent * 1000}

    def training_step(self, request):
        """Forward pass, mean squared error, backward pass; of the U-Net with a LoRA, or of the decoder."""
        given = load_file(request["in"])
        if request["network"] == "unet":
            trained, output = self.lora(request, given)
        else:
            parts = [("decoder", self.vae.decoder), ("post_quant_conv", self.vae.post_quant_conv)]
            module = {f"{part}.{name}": value for part, one in parts if one for name, value in one.named_parameters()}
            self.vae.requires_grad_(False)
            trained = {name: value.requires_grad_() for name, value in module.items()}
            output = lambda: self.decode_signed(given["latents"])
        for _ in range(1 + request.get("warm_up", 0)):
            for value in trained.values():
                value.grad = None
            began = time.perf_counter()
            loss = (output() - given["target"]).square().mean()
            loss.backward()
            spent = time.perf_counter() - began
        self.write(request, {name: value.grad for name, value in trained.items()} | {"loss": loss.detach()[None]})
        return {"ms": spent * 1000}

    def lora(self, request, given):
        """The U-Net with the factors that were given, which alone are trained."""
        if not getattr(self, "branched", None):
            from peft import LoraConfig

            self.branched = UNet2DConditionModel.from_config(self.unet.config)
            self.branched.load_state_dict(self.unet.state_dict())
            self.branched.requires_grad_(False)
            rank, alpha = request["rank"], request["alpha"]
            self.branched.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=request["targets"]))
            names = {".lora_A.default.weight": ".lora.down", ".lora_B.default.weight": ".lora.up"}
            self.factors = {}
            for name, value in self.branched.named_parameters():
                for theirs, ours in names.items():
                    if name.endswith(theirs):
                        self.factors[name.removesuffix(theirs) + ours] = value
            with torch.no_grad():
                for name, value in self.factors.items():
                    value.copy_(given[name])
            assert set(self.factors) == {name for name in given if ".lora." in name}
        return self.factors, lambda: self.branched(given["sample"], given["timestep"], given["context"]).sample

    @torch.inference_mode()
    def detect(self, request):
        given = load_file(request["in"])
        began = time.perf_counter()
        outputs = self.detection(given, request)
        spent = time.perf_counter() - began
        self.write(request, outputs)
        return {"ms": spent * 1000}

    def detection(self, given, request):
        photo = given["photo"]
        height, width = request["height"], request["width"]
        signed = photo * 2 - 1
        latents = self.encode(signed)
        original = self.decode(latents)[..., :height, :width]
        original_layers = self.features(original)
        floors = [
            request["energy_floor"] * layer.square().sum(1).mean() + 1e-10 for layer in original_layers
        ]
        original_lab = lab(box_mean(original, request["colour_radius"]))
        self.scheduler.set_timesteps(request["inference_steps"])
        outputs = {}
        for group in request["groups"]:
            part = lambda name: given[f"{group['name']}.{name}"]
            painted = self.paint(signed, latents, part, group, request["reference_residual"])[..., :height, :width]
            repaired = composite(original, painted, part, request["drift_min_pixels"])
            distance = 0
            hidden = part("hidden")[..., :height, :width] > 0
            for own, layer, floor in zip(original_layers, self.features(repaired), floors):
                alike = nearest(scaled(own, floor), scaled(layer, floor), hidden, request["displacement"])
                distance = distance + F.interpolate(alike, (height, width), mode="bilinear") / len(floors)
            colour = (lab(box_mean(repaired, request["colour_radius"])) - original_lab).square().sum(1, keepdim=True).sqrt()
            distance = distance + request["colour_weight"] * colour / 100
            outputs[group["name"]] = (distance * part("cores")).sum((0, 1))
        return outputs

    def paint(self, signed, latents, part, group, residual):
        """All passes of a scale in one batch. With `residual` the U-Net says what is missing to v of the visible
        latents, and of good photos, which there are none of."""
        hidden, noise = part("hidden"), part("noise")
        passes, (_, channels, height, width) = hidden.shape[0], latents.shape
        hints = [part("latent_mask"), self.encode(signed * (1 - hidden))]
        pasted = hints[1] * (1 - hints[0])
        if self.unet.config.in_channels == 3 * channels + 2:
            hints.append(torch.zeros(passes, channels + 1, height, width))
        hints = torch.cat(hints, 1)
        timesteps = self.scheduler.timesteps[-group["steps"] :]
        start = noise if group["pure"] else self.scheduler.add_noise(latents, noise, timesteps[:1])
        sample = start.expand(passes, -1, -1, -1)
        context = part("context").expand(passes, -1, -1)
        for timestep in timesteps:
            output = self.unet(torch.cat([sample, hints], 1), timestep, context).sample
            if residual:
                output = output - (1 - self.scheduler.alphas_cumprod[timestep]).sqrt() * pasted
            sample = self.scheduler.step(output, timestep, sample).prev_sample
        return self.decode(sample)

    def write(self, request, outputs):
        save_file({name: value.detach().float().contiguous() for name, value in outputs.items()}, request["out"])


def nearest(own, repaired, hidden, pixels):
    """Half the squared distance of each place to the same place of the repair, or to a painted one up to `pixels` away."""
    least = (own - repaired).square().sum(1, keepdim=True) * 0.5
    sides, cells = hidden.shape[-2:], own.shape[-2:]
    rows, columns = ((2 * pixels * count + side) // (2 * side) for count, side in zip(cells, sides))
    if rows + columns == 0:
        return least
    down, across = ((2 * torch.arange(count) + 1) * side // (2 * count) for count, side in zip(cells, sides))
    painted = hidden[..., down[:, None], across]
    slices = lambda offset, count: (slice(max(-offset, 0), count - max(offset, 0)), slice(max(offset, 0), count + min(offset, 0)))
    for dy in range(-rows, rows + 1):
        for dx in range(-columns, columns + 1):
            (top, below), (left, right) = slices(dy, cells[0]), slices(dx, cells[1])
            here, there = (..., top, left), (..., below, right)
            other = (own[here] - repaired[there]).square().sum(1, keepdim=True) * 0.5
            least[here] = torch.where(painted[there], torch.minimum(least[here], other), least[here])
    return least


def composite(original, painted, part, drift_min_pixels):
    """Painted pixels over the photo, corrected by the median colour error of what is visible around them."""
    near, weights = part("near"), part("weights")
    repaired = []
    for index in range(painted.shape[0]):
        visible = near[index, 0] > 0
        count = int(visible.sum())
        new = painted[index]
        if count >= max(drift_min_pixels, 1):
            differences = (original[0] - new)[:, visible]
            new = new + differences.kthvalue(count // 2 + 1, dim=1).values[:, None, None]
        new = new.clamp(0, 1)
        repaired.append(torch.where(weights[index] >= 1, new, original[0] + weights[index] * (new - original[0])))
    return torch.stack(repaired)


def main():
    peer = Peer()
    handlers = {
        "load": peer.load,
        "network": peer.network_alone,
        "train": peer.training_step,
        "detect": peer.detect,
    }
    name = f"diffusers {diffusers.__version__}, torch {torch.__version__}"
    # Libraries may print what they like: not where the answers go.
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"name": name}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = handlers[request["op"]](request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
