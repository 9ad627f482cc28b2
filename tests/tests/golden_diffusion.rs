//! U-Net, VAEs, scheduler and plain inpainting against diffusers: `tests/golden/diffusion.py`.

use std::collections::BTreeMap;

use anomalysd_diffusion::inpaint::{Inpaint, InpaintInputs, InpaintOptions};
use anomalysd_diffusion::model::ModelConfig;
use anomalysd_diffusion::scheduler::{Ddim, DdimConfig};
use anomalysd_diffusion::unet::{ReferenceOptions, UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{
    AutoencoderKl, AutoencoderKlConfig, AutoencoderTiny, AutoencoderTinyConfig, Vae,
};
use anomalysd_diffusion::weights::{HostTensor, Loader, TensorSource, save_state};
use anomalysd_tests::golden::{Case, compare, values};
use burn::tensor::Device;

const SHAPES: [&str; 3] = ["sd1", "sd2", "odd"];

fn unet(case: &Case, device: &Device) -> UNet2DConditionModel {
    let config = UNet2DConditionConfig::from_json(&case.component("unet")).unwrap();
    let weights = case.weights();
    let loader = Loader::new(&weights, device).prefix("unet");
    let unet = UNet2DConditionModel::load(&config, &loader).unwrap();
    assert_eq!(loader.unused(), [""; 0]);
    unet
}

fn kl(case: &Case, device: &Device, pixel_unshuffle: usize) -> Vae {
    let config = AutoencoderKlConfig::from_json(&case.component("vae")).unwrap();
    let weights = case.weights();
    let loader = Loader::new(&weights, device).prefix("vae");
    let vae = AutoencoderKl::load(&config, &loader).unwrap();
    assert_eq!(loader.unused(), [""; 0]);
    Vae::kl(vae, pixel_unshuffle).unwrap()
}

fn scheduler(case: &Case, name: &str) -> Ddim {
    Ddim::new(DdimConfig::from_json(&case.component(name)).unwrap()).unwrap()
}

#[test]
fn every_unet_block_equals_diffusers() {
    let device = Device::flex();
    for name in SHAPES {
        let case = Case::open(name);
        let mut seen = Vec::new();
        let prediction = unet(&case, &device)
            .forward_observed(
                case.tensor("unet.sample", &device),
                &case.host("unet.timesteps").values,
                case.tensor("unet.context", &device),
                None,
                &mut |block, output| {
                    case.compare(&format!("unet.{block}"), output);
                    seen.push(block.to_owned());
                },
            )
            .unwrap();
        case.compare("unet.prediction", &prediction);
        let levels = case.config["unet"]["block_out_channels"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(seen.len(), 2 * levels + 2, "{seen:?}");
    }
}

#[test]
fn reference_attention_equals_its_torch_rendering() {
    let device = Device::flex();
    for name in SHAPES {
        let case = Case::open(name);
        let unet = unet(&case, &device);
        let options = ReferenceOptions {
            max_tokens: case.run("reference_max_tokens") as usize,
            bias: case.run("reference_bias") as f32,
            per_photo: 2,
        };
        let sample = case.tensor("reference.sample", &device);
        let context = case.tensor("reference.context", &device);
        let states = unet
            .reference_states(sample, &[0.0], context, options)
            .unwrap();
        assert!(states.attentions() > 0);
        let prediction = unet
            .forward(
                case.tensor("unet.sample", &device),
                &case.host("unet.timesteps").values,
                case.tensor("unet.context", &device),
                Some(&states),
            )
            .unwrap();
        case.compare("reference.prediction", &prediction);
    }
}

#[test]
fn the_kl_encoder_equals_diffusers() {
    let device = Device::flex();
    for name in SHAPES {
        let case = Case::open(name);
        let scaling_factor = case.config["vae"]["scaling_factor"].as_f64().unwrap();
        let latents = kl(&case, &device, 1)
            .enc(case.tensor("photos", &device))
            .unwrap();
        case.compare("vae.mean", &(latents / scaling_factor));
    }
}

/// The network of a case with input channels for a good photo's latents and a flag, whose weights
/// are anything but zero.
fn unet_with_reference(case: &Case, device: &Device) -> UNet2DConditionModel {
    let mut config = UNet2DConditionConfig::from_json(&case.component("unet")).unwrap();
    let weights = case.weights();
    let mut tensors: BTreeMap<String, HostTensor> = TensorSource::names(&weights)
        .into_iter()
        .filter(|name| name.starts_with("unet."))
        .map(|name| (name.clone(), weights.read(&name).unwrap()))
        .collect();
    let conv = tensors.get_mut("unet.conv_in.weight").unwrap();
    let latent_channels = config.out_channels;
    let (before, after) = (config.in_channels, 3 * latent_channels + 2);
    assert_eq!(before, 2 * latent_channels + 1);
    let area = conv.shape[2] * conv.shape[3];
    conv.values = conv
        .values
        .chunks_exact(before * area)
        .flat_map(|filter| {
            let more = (before * area..after * area).map(|at| 1.0 + at as f32);
            filter.iter().copied().chain(more)
        })
        .collect();
    conv.shape[1] = after;
    config.in_channels = after;
    let loader = Loader::new(&tensors, device).prefix("unet");
    UNet2DConditionModel::load(&config, &loader).unwrap()
}

#[test]
fn inpainting_equals_the_pipeline() {
    let device = Device::flex();
    for name in SHAPES {
        let case = Case::open(name);
        inpainted(&case, &unet(&case, &device), &device);
    }
}

#[test]
fn a_network_for_good_photos_inpaints_without_one_as_the_pipeline_does() {
    let device = Device::flex();
    let case = Case::open("odd");
    inpainted(&case, &unet_with_reference(&case, &device), &device);
}

/// Runs a case's inpainting with a network, and compares what comes of it.
fn inpainted(case: &Case, unet: &UNet2DConditionModel, device: &Device) {
    let vae = kl(case, device, 1);
    let scheduler = scheduler(case, "scheduler");
    let inpaint = Inpaint {
        unet,
        vae: &vae,
        scheduler: &scheduler,
        config: &ModelConfig::default(),
    };
    let inputs = InpaintInputs {
        photos: case.tensor("photos", device),
        mask: case.tensor("mask", device),
        prompt_embeds: case.tensor("prompt", device),
        negative_prompt_embeds: Some(case.tensor("negative", device)),
        noise: case.tensor("noise", device),
    };
    let options = InpaintOptions {
        num_inference_steps: case.run("num_inference_steps") as usize,
        strength: case.run("strength"),
        guidance_scale: case.run("guidance_scale"),
    };
    let mut steps = 0;
    let result = inpaint
        .run_observed(inputs, options, &mut |_, prediction, _| {
            if steps == 0 {
                case.compare("first_prediction", prediction);
            }
            steps += 1;
            Ok(())
        })
        .unwrap();
    case.compare("latents", &result.latents);
    compare_photo(case, &result.photos.to_data().try_to_vec::<f32>().unwrap());
    case.compare(
        "decoded",
        &vae.dec_signed(case.tensor("latents", device)).unwrap(),
    );
}

/// The photo as bytes, within one grey level of the reference's.
fn compare_photo(case: &Case, got: &[f32]) {
    let level = |value: f32| (value * 255.0).round() as i32;
    let expected = case.host("decoded").values;
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        let expected = level((expected / 2.0 + 0.5).clamp(0.0, 1.0));
        assert!((level(*got) - expected).abs() <= 1, "{got}: {expected}");
    }
}

#[test]
fn the_unshuffled_autoencoder_equals_torch() {
    let device = Device::flex();
    let case = Case::open("unshuffled");
    let vae = kl(&case, &device, 4);
    assert_eq!((vae.factor(), vae.latent_channels()), (8, 6));
    case.compare("latents", &vae.enc(case.tensor("photos", &device)).unwrap());
    case.compare(
        "decoded",
        &vae.dec_signed(case.tensor("latents", &device)).unwrap(),
    );
}

#[test]
fn the_tiny_autoencoder_equals_diffusers() {
    let device = Device::flex();
    let case = Case::open("tiny");
    let config = AutoencoderTinyConfig::from_json(&case.component("vae")).unwrap();
    let weights = case.weights();
    let loader = Loader::new(&weights, &device).prefix("vae");
    let vae = Vae::tiny(AutoencoderTiny::load(&config, &loader).unwrap());
    assert_eq!(loader.unused(), [""; 0]);
    case.compare("latents", &vae.enc(case.tensor("photos", &device)).unwrap());
    case.compare(
        "decoded",
        &vae.dec_signed(case.tensor("latents", &device)).unwrap(),
    );
}

#[test]
fn noise_levels_timesteps_and_steps_equal_diffusers() {
    let device = Device::flex();
    let case = Case::open("schedules");
    for name in ["linear", "sd", "cosine", "zero", "short"] {
        let ddim = scheduler(&case, name);
        let alphas = case.host(&format!("{name}.alphas_cumprod")).values;
        compare(name, ddim.alphas_cumprod(), &alphas, 1e-6);
        for steps in [1, 3, 7, 20, 50] {
            let expected = case.host(&format!("{name}.timesteps.{steps}")).values;
            let got: Vec<f32> = ddim
                .timesteps(steps)
                .unwrap()
                .iter()
                .map(|t| *t as f32)
                .collect();
            assert_eq!(got, expected, "{name}: {steps} steps");
        }
        let timesteps = ddim.timesteps(7).unwrap();
        for place in [0, 3, timesteps.len() - 1] {
            let timestep = timesteps[place];
            let (output, sample) = (
                case.tensor("output", &device),
                case.tensor("sample", &device),
            );
            let previous = ddim.alpha_prod(ddim.previous_timestep(timestep, 7));
            let got = ddim.step(output, sample, ddim.alpha_prod(Some(timestep)), previous);
            case.compare(&format!("{name}.step.{place}"), &got);
        }
        let (noise, sample) = (
            case.tensor("output", &device),
            case.tensor("sample", &device),
        );
        case.compare(
            &format!("{name}.noised"),
            &ddim.add_noise(sample, noise, &[5, 77]),
        );
    }
    let ddim = scheduler(&case, "zero");
    let (noise, sample) = (
        case.tensor("output", &device),
        case.tensor("sample", &device),
    );
    case.compare("zero.velocity", &ddim.target(sample, noise, &[5, 77]));
}

#[test]
fn saved_state_has_diffusers_keys_and_values() {
    let device = Device::flex();
    let case = Case::open("odd");
    let mut state = save_state(&unet(&case, &device)).unwrap();
    state.sort_by(|a, b| a.0.cmp(&b.0));
    let weights = case.weights();
    let names = anomalysd_diffusion::weights::TensorSource::names(&weights);
    let expected: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix("unet."))
        .collect();
    let got: Vec<&str> = state.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(got, expected);
}

#[test]
fn one_photo_of_a_batch_is_computed_as_if_alone() {
    let device = Device::flex();
    let case = Case::open("odd");
    let unet = unet(&case, &device);
    let sample = case.tensor::<4>("unet.sample", &device);
    let context = case.tensor::<3>("unet.context", &device);
    let alone = unet
        .forward(
            sample.narrow(0, 1, 1),
            &case.host("unet.timesteps").values[1..],
            context.narrow(0, 1, 1),
            None,
        )
        .unwrap();
    let both = case.tensor::<4>("unet.prediction", &device).narrow(0, 1, 1);
    compare("second photo", &values(&alone), &values(&both), 2e-4);
}
