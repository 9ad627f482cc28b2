//! Both networks train under autodiff, and their tensors leave under diffusers' names.

use std::collections::BTreeMap;

use anomalysd_diffusion::noise;
use anomalysd_diffusion::unet::{ReferenceOptions, UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig};
use anomalysd_diffusion::weights::{HostTensor, load_state, save_state};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(1, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn unet_config() -> UNet2DConditionConfig {
    UNet2DConditionConfig::from_json(
        r#"{"in_channels": 5, "out_channels": 2, "block_out_channels": [8, 16],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 6,
            "attention_head_dim": 2, "use_linear_projection": true}"#,
    )
    .unwrap()
}

#[test]
fn the_unet_learns_and_references_carry_gradients() {
    let device = Device::flex().autodiff();
    let mut unet = UNet2DConditionModel::init(&unet_config(), 1, &device).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    let sample = field(1, [2, 5, 6, 7], &device);
    let context = field(2, [2, 3, 6], &device);
    let target = field(3, [2, 2, 6, 7], &device);
    let options = ReferenceOptions {
        max_tokens: 16,
        bias: 0.0,
        per_photo: 2,
    };
    let mut losses = Vec::new();
    for _ in 0..30 {
        let good = field(4, [4, 5, 6, 7], &device);
        let text = field(5, [4, 3, 6], &device);
        let states = unet.reference_states(good, &[0.0], text, options).unwrap();
        assert_eq!(states.attentions(), 4);
        let states = states.with_present(&[true, false], &device);
        let output = unet
            .forward(
                sample.clone(),
                &[10.0, 500.0],
                context.clone(),
                Some(&states),
            )
            .unwrap();
        let loss = (output - target.clone()).square().mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &unet);
        unet = optimizer.step(3e-3, unet, gradients);
    }
    assert!(losses[29] < 0.7 * losses[0], "{losses:?}");
}

#[test]
fn the_vae_learns() {
    let device = Device::flex().autodiff();
    let config = AutoencoderKlConfig::from_json(
        r#"{"in_channels": 3, "out_channels": 3, "block_out_channels": [8, 16], "latent_channels": 2,
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "norm_num_groups": 4}"#,
    )
    .unwrap();
    let mut vae = AutoencoderKl::init(&config, 1, &device).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    let photos = field(1, [2, 3, 8, 12], &device) * 0.3;
    let mut losses = Vec::new();
    for _ in 0..20 {
        let output = vae.decode(vae.encode_mean(photos.clone()));
        let loss = (output - photos.clone()).square().mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &vae);
        vae = optimizer.step(3e-3, vae, gradients);
    }
    assert!(losses[19] < 0.7 * losses[0], "{losses:?}");
}

#[test]
fn state_leaves_under_diffusers_names_and_comes_back() {
    let device = Device::flex();
    let config = unet_config();
    let unet = UNet2DConditionModel::init(&config, 1, &device).unwrap();
    let state = save_state(&unet).unwrap();
    let shapes: BTreeMap<&str, &[usize]> = state
        .iter()
        .map(|(n, s, _)| (n.as_str(), s.as_slice()))
        .collect();
    assert_eq!(shapes.len(), state.len());
    for (name, shape) in [
        ("time_embedding.linear_1.weight", &[32usize, 8][..]),
        ("down_blocks.0.downsamplers.0.conv.weight", &[8, 8, 3, 3]),
        ("down_blocks.1.attentions.0.proj_in.weight", &[16, 16]),
        (
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0.bias",
            &[16],
        ),
        (
            "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
            &[128, 16],
        ),
        (
            "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight",
            &[16, 64],
        ),
        ("up_blocks.1.resnets.1.conv_shortcut.weight", &[8, 16, 1, 1]),
    ] {
        assert_eq!(shapes.get(name), Some(&shape), "{name}");
    }
    let source: BTreeMap<String, HostTensor> = state
        .into_iter()
        .map(|(name, shape, values)| (name, HostTensor { shape, values }))
        .collect();
    let other = UNet2DConditionModel::init(&config, 2, &device).unwrap();
    let copy = load_state(other.clone(), &source).unwrap();
    let run = |unet: &UNet2DConditionModel| {
        let sample = field(1, [2, 5, 6, 7], &device);
        let output = unet
            .forward(sample, &[3.0], field(2, [2, 3, 6], &device), None)
            .unwrap();
        output.into_data().try_to_vec::<f32>().unwrap()
    };
    assert_eq!(run(&copy), run(&unet));
    assert_ne!(run(&other), run(&unet));
}

#[test]
fn a_frozen_model_moves_between_plain_and_autodiff_devices() {
    let plain = UNet2DConditionModel::init(&unet_config(), 1, &Device::flex()).unwrap();
    let training = plain.clone().train();
    let device = Device::flex().autodiff();
    let sample = field(1, [1, 5, 4, 4], &device);
    let output = training
        .forward(sample, &[3.0], field(2, [1, 3, 6], &device), None)
        .unwrap();
    let gradients = GradientsParams::from_grads(output.square().mean().backward(), &training);
    assert_eq!(gradients.len(), save_state(&plain).unwrap().len());
    let valid = training.valid();
    assert!(!valid.devices()[0].is_autodiff());
}
