"""Golden tensors of the U-Net, the VAEs, the scheduler and plain inpainting, made by diffusers.

Writes tests/golden/diffusion/: for each case a configuration (JSON), random weights (f16) and
inputs with the reference's outputs (f32). Run it without arguments, on a CPU.
"""

import json
import pathlib

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_inpaint as pipeline_module
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "diffusion"
TOKENS = 7

# The mean of the latent distribution instead of a sample.
DiagonalGaussianDistribution.sample = lambda self, generator=None: self.mode()


def randomise(model, seed):
    """Weights that exercise every term: norms away from identity, biases away from zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
            value = noise / fan_in**0.5
        else:
            value = 0.1 * noise
        parameter.data = value
    for module in model.modules():
        if isinstance(module, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            module.weight.data += 1
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    return model.eval()


def weights(prefix, model):
    return {f"{prefix}.{name}": value.half().contiguous() for name, value in model.state_dict().items()}


def save(name, config, tensors, state=None):
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({key: value.detach().contiguous() for key, value in tensors.items()}, OUT / f"{name}.safetensors")
    if state:
        save_file(state, OUT / f"{name}.weights.safetensors")


def picture(generator, batch, height, width):
    """Smooth pictures whose values are whole grey levels."""
    coarse = torch.rand(batch, 3, 6, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round() / 255


def rectangle(batch, height, width):
    mask = torch.zeros(batch, 1, height, width)
    for i in range(batch):
        mask[i, :, height // 4 + i : height // 2 + 5, width // 3 : width // 3 * 2 + 3 * i] = 1
    return mask


def block_outputs(unet, sample, timesteps, context):
    outputs, hooks = {}, []

    def keep(name):
        def hook(_module, _inputs, output):
            outputs[name] = (output[0] if isinstance(output, tuple) else output).clone()

        return hook

    named = {"conv_in": unet.conv_in, "mid_block": unet.mid_block}
    named |= {f"down_blocks.{i}": block for i, block in enumerate(unet.down_blocks)}
    named |= {f"up_blocks.{i}": block for i, block in enumerate(unet.up_blocks)}
    for name, module in named.items():
        hooks.append(module.register_forward_hook(keep(name)))
    outputs["prediction"] = unet(sample, timesteps, context).sample
    for hook in hooks:
        hook.remove()
    return outputs


class ReferenceProcessor:
    """Self-attention that appends keys and values of reference photos, an independent rendering of
    what the crate computes: softmax over own and reference logits, the latter biased by b - ln k."""

    def __init__(self, bias, count, max_tokens):
        self.bias, self.count, self.max_tokens = bias, count, max_tokens
        self.collecting, self.stored = True, []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        own = encoder_hidden_states is None
        source = hidden_states if own else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(source), attn.to_v(source)
        extra = 0
        if own and source.shape[1] <= self.max_tokens:
            if self.collecting:
                flat = lambda t: t.reshape(1, -1, t.shape[2])
                self.stored.append((flat(key), flat(value)))
            else:
                key_reference, value_reference = self.stored.pop(0)
                batch, extra = key.shape[0], key_reference.shape[1]
                key = torch.cat([key, key_reference.repeat(batch, 1, 1)], 1)
                value = torch.cat([value, value_reference.repeat(batch, 1, 1)], 1)
        split = lambda t: t.unflatten(2, (attn.heads, -1)).transpose(1, 2)
        query, key, value = split(query), split(key), split(value)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        if extra:
            scores[..., -extra:] += self.bias - np.log(self.count)
        output = scores.softmax(-1) @ value
        return attn.to_out[0](output.transpose(1, 2).flatten(2))


def inpaint_loop(unet, vae, scheduler, photos, mask, prompt, negative, noise, steps, strength, guidance):
    """The pipeline's own steps 4 to 10, for any number of latent channels."""
    guided = guidance > 1
    context = torch.cat([negative, prompt]) if guided else prompt
    scheduler.set_timesteps(steps)
    start = max(steps - min(int(steps * strength), steps), 0)
    timesteps = scheduler.timesteps[start:]
    image = photos * 2 - 1
    scale = vae.config.scaling_factor
    encode = lambda x: scale * vae.encode(x).latent_dist.mode()
    masked = encode(image * (mask < 0.5))
    latents = noise
    if strength != 1.0:
        latents = scheduler.add_noise(encode(image), noise, timesteps[:1])
    hint = torch.cat([torch.nn.functional.interpolate(mask, size=noise.shape[2:]), masked], 1)
    predictions = []
    for timestep in timesteps:
        sample = torch.cat([latents, hint], 1)
        output = unet(torch.cat([sample] * 2) if guided else sample, timestep, context).sample
        if guided:
            uncond, text = output.chunk(2)
            output = uncond + guidance * (text - uncond)
        predictions.append(output)
        latents = scheduler.step(output, timestep, latents).prev_sample
    decoded = vae.decode(latents / scale).sample
    return predictions[0], latents, decoded


def check_against_pipeline(unet, vae, scheduler, photos, mask, prompt, negative, noise, run, latents):
    """The loop above gives what the pipeline itself gives."""
    pipeline = StableDiffusionInpaintPipeline(
        vae, None, None, unet, scheduler, None, None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline_module.randn_tensor = lambda *args, **kwargs: noise
    result = pipeline(
        image=photos * 2 - 1,
        mask_image=mask,
        height=photos.shape[2],
        width=photos.shape[3],
        prompt_embeds=prompt,
        negative_prompt_embeds=negative,
        num_inference_steps=run["num_inference_steps"],
        strength=run["strength"],
        guidance_scale=run["guidance_scale"],
        output_type="latent",
    ).images
    difference = (result - latents).abs().max() / latents.abs().max()
    assert difference < 1e-5, difference


def stable_diffusion(name, seed, unet_config, vae_config, scheduler_config, size, run, batch, pipeline):
    generator = torch.Generator().manual_seed(seed)
    unet = randomise(UNet2DConditionModel(**unet_config), seed + 1)
    vae = randomise(AutoencoderKL(**vae_config), seed + 2)
    scheduler = DDIMScheduler(**scheduler_config)
    height, width = size
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    cells = (height // factor, width // factor)
    channels, dimension = vae.config.latent_channels, unet.config.cross_attention_dim
    randn = lambda *shape: torch.randn(*shape, generator=generator)
    tensors = {
        "unet.sample": randn(2, unet.config.in_channels, *cells),
        "unet.timesteps": torch.tensor([3.0, 871.0]),
        "unet.context": randn(2, TOKENS, dimension),
        "photos": picture(generator, batch, height, width),
        "mask": rectangle(batch, height, width),
        "prompt": randn(batch, TOKENS, dimension),
        "negative": randn(batch, TOKENS, dimension),
        "noise": randn(batch, channels, *cells),
    }
    with torch.no_grad():
        given = (tensors["unet.sample"], tensors["unet.timesteps"], tensors["unet.context"])
        for key, value in block_outputs(unet, *given).items():
            tensors[f"unet.{key}"] = value
        tensors["vae.mean"] = vae.encode(tensors["photos"] * 2 - 1).latent_dist.mode()
        parts = [tensors[key] for key in ("photos", "mask", "prompt", "negative", "noise")]
        options = (run["num_inference_steps"], run["strength"], run["guidance_scale"])
        first, latents, decoded = inpaint_loop(unet, vae, scheduler, *parts, *options)
        tensors |= {"first_prediction": first, "latents": latents, "decoded": decoded}
        if pipeline:
            check_against_pipeline(unet, vae, scheduler, *parts, run, latents)
        references(unet, tensors, randn, cells, run)
    config = {
        "unet": dict(unet.config),
        "vae": dict(vae.config),
        "scheduler": dict(scheduler.config),
        "run": run,
    }
    save(name, config, tensors, weights("unet", unet) | weights("vae", vae))


def references(unet, tensors, randn, cells, run):
    processor = ReferenceProcessor(run["reference_bias"], 2, run["reference_max_tokens"])
    unet.set_attn_processor(processor)
    tensors["reference.sample"] = randn(2, unet.config.in_channels, *cells)
    tensors["reference.context"] = randn(2, TOKENS, unet.config.cross_attention_dim)
    unet(tensors["reference.sample"], torch.tensor([0.0]), tensors["reference.context"])
    processor.collecting = False
    given = (tensors["unet.sample"], tensors["unet.timesteps"], tensors["unet.context"])
    tensors["reference.prediction"] = unet(*given).sample
    assert not processor.stored
    difference = (tensors["reference.prediction"] - tensors["unet.prediction"]).abs().max()
    assert difference > 0.01, difference


def vae_config(channels, latents, groups, **more):
    levels = len(channels)
    return {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": channels,
        "layers_per_block": 2,
        "latent_channels": latents,
        "norm_num_groups": groups,
        "scaling_factor": 0.18215,
    } | more


def unet_config(channels, latents, **more):
    levels = len(channels)
    return {
        "in_channels": 2 * latents + 1,
        "out_channels": latents,
        "down_block_types": ["CrossAttnDownBlock2D"] * (levels - 1) + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * (levels - 1),
        "block_out_channels": channels,
        "norm_num_groups": 4,
        "cross_attention_dim": 24,
        "sample_size": 64,
    } | more


def cases():
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False}
    run = {"reference_bias": 0.5, "reference_max_tokens": 30}
    stable_diffusion(
        "sd1",
        100,
        unet_config([8, 16, 16, 16], 4, layers_per_block=2, attention_head_dim=4),
        vae_config([8, 16, 16, 16], 4, 4),
        schedule | {"set_alpha_to_one": False, "steps_offset": 1},
        (64, 96),
        run | {"num_inference_steps": 5, "strength": 1.0, "guidance_scale": 7.5},
        batch=1,
        pipeline=True,
    )
    stable_diffusion(
        "sd2",
        200,
        unet_config(
            [8, 16, 24, 24],
            4,
            layers_per_block=1,
            attention_head_dim=[1, 2, 4, 4],
            use_linear_projection=True,
            upcast_attention=True,
        ),
        vae_config([8, 16, 16, 16], 4, 8),
        schedule | {"prediction_type": "v_prediction", "set_alpha_to_one": False, "steps_offset": 1},
        (96, 64),
        run | {"num_inference_steps": 7, "strength": 0.6, "guidance_scale": 3.0},
        batch=2,
        pipeline=True,
    )
    stable_diffusion(
        "odd",
        300,
        unet_config(
            [12, 16, 24],
            8,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            layers_per_block=[1, 2, 1],
            attention_head_dim=2,
            transformer_layers_per_block=[1, 2, 1],
            use_linear_projection=True,
            flip_sin_to_cos=False,
            freq_shift=1,
            act_fn="gelu",
        ),
        vae_config([8, 12, 16, 16], 8, 4, layers_per_block=1, scaling_factor=0.7, mid_block_add_attention=False),
        {
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": "v_prediction",
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
            "clip_sample": True,
            "clip_sample_range": 2.5,
        },
        (72, 104),
        run | {"reference_max_tokens": 40, "num_inference_steps": 4, "strength": 1.0, "guidance_scale": 1.0},
        batch=2,
        pipeline=False,
    )
    unshuffled()
    tiny()
    schedules()


def unshuffled():
    """An AutoencoderKL between PixelUnshuffle and PixelShuffle, with statistics of its latents."""
    generator = torch.Generator().manual_seed(400)
    config = vae_config(
        [16, 24],
        6,
        4,
        in_channels=48,
        out_channels=48,
        layers_per_block=1,
        scaling_factor=0.9,
        latents_mean=[0.1, -0.2, 0.3, 0.0, 0.5, -0.4],
        latents_std=[0.9, 1.1, 0.7, 1.3, 1.0, 0.8],
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    vae = randomise(AutoencoderKL(**config), 401)
    photos = picture(generator, 2, 40, 56)
    mean = torch.tensor(config["latents_mean"]).view(1, -1, 1, 1)
    std = torch.tensor(config["latents_std"]).view(1, -1, 1, 1)
    with torch.no_grad():
        moments = vae.encode(torch.nn.PixelUnshuffle(4)(photos * 2 - 1)).latent_dist.mode()
        latents = (moments - mean) / std * config["scaling_factor"]
        output = vae.decode(latents / config["scaling_factor"] * std + mean).sample
        decoded = torch.nn.PixelShuffle(4)(output)
    tensors = {"photos": photos, "latents": latents, "decoded": decoded}
    save("unshuffled", {"vae": dict(vae.config), "pixel_unshuffle": 4}, tensors, weights("vae", vae))


def tiny():
    generator = torch.Generator().manual_seed(500)
    vae = randomise(
        AutoencoderTiny(
            encoder_block_out_channels=(12, 12, 12, 12),
            decoder_block_out_channels=(12, 12, 12, 12),
            num_encoder_blocks=(1, 2, 1, 2),
            num_decoder_blocks=(2, 1, 2, 1),
        ),
        501,
    )
    photos = picture(generator, 2, 40, 56)
    with torch.no_grad():
        latents = vae.encode(photos * 2 - 1).latents
        decoded = vae.decode(latents).sample
    tensors = {"photos": photos, "latents": latents, "decoded": decoded}
    save("tiny", {"vae": dict(vae.config)}, tensors, weights("vae", vae))


def schedules():
    """Noise levels, timesteps and single steps of every option."""
    generator = torch.Generator().manual_seed(600)
    sd = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False}
    configs = {
        "linear": {},
        "sd": sd | {"steps_offset": 1, "set_alpha_to_one": False},
        "cosine": {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "linspace", "prediction_type": "sample"},
        "zero": sd
        | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"},
        "short": {"num_train_timesteps": 100, "timestep_spacing": "trailing", "clip_sample_range": 0.8},
    }
    sample = torch.randn(2, 3, 4, 5, generator=generator)
    output = torch.randn(2, 3, 4, 5, generator=generator)
    tensors = {"sample": sample, "output": output}
    for name, config in configs.items():
        scheduler = DDIMScheduler(**config)
        tensors[f"{name}.alphas_cumprod"] = scheduler.alphas_cumprod.clone()
        for steps in (1, 3, 7, 20, 50):
            scheduler.set_timesteps(steps)
            tensors[f"{name}.timesteps.{steps}"] = scheduler.timesteps.to(torch.float32)
        scheduler.set_timesteps(7)
        for place in (0, 3, len(scheduler.timesteps) - 1):
            timestep = scheduler.timesteps[place]
            tensors[f"{name}.step.{place}"] = scheduler.step(output, timestep, sample).prev_sample
        times = torch.tensor([5, 77])
        tensors[f"{name}.noised"] = scheduler.add_noise(sample, output, times)
        tensors[f"{name}.velocity"] = scheduler.get_velocity(sample, output, times) if hasattr(
            scheduler, "get_velocity"
        ) else sample
    save("schedules", {name: dict(DDIMScheduler(**config).config) for name, config in configs.items()}, tensors)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cases()
    for path in sorted(OUT.iterdir()):
        print(f"{path.stat().st_size:>9} {path.name}")
