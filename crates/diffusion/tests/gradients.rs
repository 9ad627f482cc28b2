//! Gradients of whole networks against central differences, one direction per parameter.
//!
//! The networks are tiny and the loss is a fixed linear functional of the output, so that f32
//! leaves three digits of a difference quotient. What the test cannot see: an operator that no
//! parameter's path leads through.

use std::collections::BTreeMap;

use anomalysd_diffusion::nn::{ATTENTION_MODULES, CONVOLUTION_MODULES, LoraConfig};
use anomalysd_diffusion::noise;
use anomalysd_diffusion::unet::{ReferenceOptions, UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig};
use anomalysd_diffusion::weights::{HostTensor, Loader, NamedTensor, load_state, save_state};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// Step of the difference quotient along a direction of unit length.
const STEP: f32 = 1e-2;
/// Largest disagreement, as a part of the parameter's gradient norm.
const TOLERANCE: f32 = 2e-2;

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(11, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Gradients in module order.
struct Collect<'a> {
    gradients: &'a Gradients,
    found: Vec<Option<Vec<f32>>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients);
        self.found
            .push(gradient.map(|g| g.into_data().try_to_vec::<f32>().unwrap()));
    }
}

fn value(loss: Tensor<1>) -> f32 {
    loss.into_scalar::<f32>()
}

fn moved<M: Module>(
    module: &M,
    state: &[NamedTensor],
    which: usize,
    direction: &[f32],
    step: f32,
) -> M {
    let source: BTreeMap<String, HostTensor> = state
        .iter()
        .enumerate()
        .map(|(i, (name, shape, values))| {
            let mut values = values.clone();
            if i == which {
                values
                    .iter_mut()
                    .zip(direction)
                    .for_each(|(value, d)| *value += step * d);
            }
            (
                name.clone(),
                HostTensor {
                    shape: shape.clone(),
                    values,
                },
            )
        })
        .collect();
    load_state(module.clone(), &source).unwrap()
}

fn check<M: Module>(module: &M, loss: impl Fn(&M, &Device) -> Tensor<1>) {
    let training = module.clone().train();
    let gradients = loss(&training, &Device::flex().autodiff()).backward();
    let mut collect = Collect {
        gradients: &gradients,
        found: Vec::new(),
    };
    training.visit(&mut collect);
    let state = save_state(module).unwrap();
    assert_eq!(state.len(), collect.found.len());
    let device = Device::flex();
    for (which, ((name, _, values), gradient)) in state.iter().zip(collect.found).enumerate() {
        let gradient = gradient.unwrap_or_else(|| panic!("no gradient for {name}"));
        let noise = noise::field(3, which as u64, [1, 1, values.len()]);
        let length = noise.iter().map(|v| v * v).sum::<f32>().sqrt();
        let direction: Vec<f32> = noise.iter().map(|v| v / length).collect();
        let at = |step| {
            value(loss(
                &moved(module, &state, which, &direction, step),
                &device,
            ))
        };
        let quotient = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let slope: f32 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let error = (quotient - slope).abs();
        assert!(
            error <= TOLERANCE * norm + 2e-3,
            "{name}: quotient {quotient}, slope {slope}, norm {norm}"
        );
    }
}

/// A U-Net with one level that attends and one that does not.
const UNET: &str = r#"{"in_channels": 3, "out_channels": 2, "block_out_channels": [4, 8],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1, "norm_num_groups": 2, "cross_attention_dim": 6,
    "attention_head_dim": 2}"#;

#[test]
fn unet_with_references() {
    let config = UNet2DConditionConfig::from_json(UNET).unwrap();
    let unet = UNet2DConditionModel::init(&config, 5, &Device::flex()).unwrap();
    check(&unet, |unet, device| {
        let options = ReferenceOptions {
            max_tokens: 16,
            bias: 1.0,
            per_photo: 2,
        };
        let good = field(1, [2, 3, 5, 6], device);
        let states = unet
            .reference_states(good, &[0.0], field(2, [2, 3, 6], device), options)
            .unwrap();
        let sample = field(3, [2, 3, 5, 6], device);
        let context = field(4, [2, 3, 6], device);
        let output = unet
            .forward(sample, &[20.0, 600.0], context, Some(&states))
            .unwrap();
        (output * field(5, [2, 2, 5, 6], device)).sum()
    });
}

#[test]
fn autoencoder() {
    let config = AutoencoderKlConfig::from_json(
        r#"{"in_channels": 3, "out_channels": 3, "block_out_channels": [4, 8], "latent_channels": 2,
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "norm_num_groups": 2}"#,
    )
    .unwrap();
    let vae = AutoencoderKl::init(&config, 5, &Device::flex()).unwrap();
    check(&vae, |vae, device| {
        let (mean, variance) = vae.encode_moments(field(1, [1, 3, 6, 8], device));
        let output = vae.decode(mean + variance * 0.1);
        (output * field(2, [1, 3, 6, 8], device)).sum()
    });
}

#[test]
fn unet_with_low_rank_branches() {
    let config = UNet2DConditionConfig::from_json(UNET).unwrap();
    let lora = LoraConfig {
        r: 2,
        lora_alpha: 3.0,
        target_modules: ATTENTION_MODULES
            .iter()
            .chain(&CONVOLUTION_MODULES)
            .map(|name| (*name).to_owned())
            .collect(),
        seed: 1,
    };
    let loader = Loader::random(5, &Device::flex()).with_lora(lora.clone());
    let unet = UNet2DConditionModel::load(&config, &loader).unwrap();
    // B starts as zero, where A has no gradient.
    let state: BTreeMap<String, HostTensor> = save_state(&unet)
        .unwrap()
        .into_iter()
        .map(|(name, shape, mut values)| {
            if name.ends_with(".lora.up") {
                let stream = noise::stream_of(&name);
                values = noise::field(2, stream, [1, 1, values.len()]);
                values.iter_mut().for_each(|value| *value *= 0.3);
            }
            (name, HostTensor { shape, values })
        })
        .collect();
    let targets = |name: &&String| {
        let module = name.strip_suffix(".weight");
        module.is_some_and(|module| lora.targets(module))
    };
    let branches = state.keys().filter(|name| name.ends_with(".lora.down"));
    assert_eq!(branches.count(), state.keys().filter(targets).count());
    let unet = load_state(unet, &state).unwrap();
    check(&unet, |unet, device| {
        let sample = field(3, [2, 3, 5, 6], device);
        let context = field(4, [2, 3, 6], device);
        let output = unet.forward(sample, &[20.0, 600.0], context, None).unwrap();
        (output * field(5, [2, 2, 5, 6], device)).sum()
    });
}
