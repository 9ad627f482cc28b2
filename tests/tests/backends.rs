//! The same networks on the CPU and on the GPU: one body, every backend.
//!
//! Software Vulkan (lavapipe) counts as a GPU. Without any adapter the tests say so and end, unless
//! `ANOMALYSD_REQUIRE_GPU` is set: then they fail.

use anomalysd_detect::features::{FeatureNetwork, Features};
use anomalysd_diffusion::checkpoint::{UNET, open_single_file};
use anomalysd_diffusion::model::{InpaintModel, embedded_bytes};
use anomalysd_diffusion::unet::{ReferenceOptions, UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{
    AutoencoderKl, AutoencoderKlConfig, AutoencoderTiny, AutoencoderTinyConfig, Vae,
};
use anomalysd_diffusion::weights::{HalfStorage, Init, Loader, SafetensorsSource};
use anomalysd_imaging::Photo;
use anomalysd_tests::formula;
use anomalysd_tests::golden::{Case, compare, values};
use anomalysd_tests::gpu;
use burn::tensor::Device;

/// Difference of two backends, as a part of the largest value.
const BACKEND_TOLERANCE: f32 = 1e-4;

/// Runs `body` on both backends and compares each named result.
fn on_both(body: impl Fn(&Device) -> Vec<(String, Vec<f32>)>) {
    let Some(gpu) = gpu() else { return };
    let expected = body(&Device::flex());
    let got = body(&gpu);
    assert_eq!(got.len(), expected.len());
    for ((name, got), (_, expected)) in got.iter().zip(&expected) {
        compare(name, got, expected, BACKEND_TOLERANCE);
    }
}

fn unet_outputs(name: &str, device: &Device) -> Vec<(String, Vec<f32>)> {
    let case = Case::open(name);
    let config = UNet2DConditionConfig::from_json(&case.component("unet")).unwrap();
    let weights = case.weights();
    let unet =
        UNet2DConditionModel::load(&config, &Loader::new(&weights, device).prefix("unet")).unwrap();
    let options = ReferenceOptions {
        max_tokens: 40,
        bias: 0.5,
        per_photo: 2,
    };
    let sample = case.tensor("reference.sample", device);
    let context = case.tensor("reference.context", device);
    let states = unet
        .reference_states(sample, &[0.0], context, options)
        .unwrap();
    let forward = |states| {
        let timesteps = case.host("unet.timesteps").values;
        let sample = case.tensor("unet.sample", device);
        unet.forward(
            sample,
            &timesteps,
            case.tensor("unet.context", device),
            states,
        )
        .unwrap()
    };
    vec![
        (format!("{name}: prediction"), values(&forward(None))),
        (
            format!("{name}: prediction with references"),
            values(&forward(Some(&states))),
        ),
    ]
}

fn vae_outputs(name: &str, vae: &Vae, device: &Device) -> Vec<(String, Vec<f32>)> {
    let latents = vae.enc(Case::open(name).tensor("photos", device)).unwrap();
    let decoded = vae.dec_signed(latents.clone()).unwrap();
    vec![
        (format!("{name}: latents"), values(&latents)),
        (format!("{name}: decoded"), values(&decoded)),
    ]
}

fn kl(name: &str, pixel_unshuffle: usize, device: &Device) -> Vae {
    let case = Case::open(name);
    let config = AutoencoderKlConfig::from_json(&case.component("vae")).unwrap();
    let weights = case.weights();
    let vae = AutoencoderKl::load(&config, &Loader::new(&weights, device).prefix("vae")).unwrap();
    Vae::kl(vae, pixel_unshuffle).unwrap()
}

/// What each network of `mini` makes of drawn numbers, its f16 weights held as `storage` says.
fn mini_outputs(device: &Device, storage: HalfStorage) -> Vec<(String, Vec<f32>)> {
    let bytes = embedded_bytes().expect("the tests are built with mini");
    let source = SafetensorsSource::new("mini", bytes).unwrap();
    let parts = open_single_file("mini", source).unwrap();
    let halves = parts.source(UNET).unwrap().read_half("conv_in.weight");
    assert!(halves.unwrap().is_some(), "mini is stored as f16");
    let model = InpaintModel::assemble_holding(&parts, device, storage).unwrap();
    let context = model.encode_text(&["a photo of a metal nut"]).unwrap();
    let random = Loader::random(5, device);
    let drawn = |name, shape| random.tensor(name, shape, Init::Normal(1.0)).unwrap();
    let photo = random
        .tensor("photo", [1, 3, 64, 48], Init::Uniform(0.5))
        .unwrap();
    let latents = model.vae.enc_signed(photo).unwrap();
    let channels = model.unet.config().in_channels;
    let prediction = model
        .unet
        .forward(
            drawn("sample", [1, channels, 8, 8]),
            &[500.0],
            context.clone(),
            None,
        )
        .unwrap();
    vec![
        ("text context".into(), values(&context)),
        ("latents".into(), values(&latents)),
        ("prediction".into(), values(&prediction)),
        (
            "fingerprint".into(),
            model.fingerprint.bytes().map(f32::from).collect(),
        ),
    ]
}

#[test]
fn weights_that_travel_as_f16_compute_the_same() {
    let expected = mini_outputs(&Device::flex(), HalfStorage::Widened);
    for storage in [HalfStorage::Kept, HalfStorage::WidenedOnDevice] {
        // The same numbers in the same arithmetic.
        assert_eq!(
            mini_outputs(&Device::flex(), storage),
            expected,
            "{storage:?}"
        );
    }
    let Some(gpu) = gpu() else { return };
    let mut storages = vec![HalfStorage::WidenedOnDevice];
    if HalfStorage::on_gpu(&gpu) == HalfStorage::Kept {
        storages.push(HalfStorage::Kept);
    }
    println!("on the GPU: {storages:?}");
    for storage in storages {
        let got = mini_outputs(&gpu, storage);
        for ((name, got), (_, expected)) in got.iter().zip(&expected) {
            compare(
                &format!("{storage:?}: {name}"),
                got,
                expected,
                BACKEND_TOLERANCE,
            );
        }
    }
}

#[test]
fn unets_agree() {
    on_both(|device| {
        ["sd2", "odd"]
            .iter()
            .flat_map(|name| unet_outputs(name, device))
            .collect()
    });
}

#[test]
fn autoencoders_agree() {
    on_both(|device| {
        let tiny = Case::open("tiny");
        let config = AutoencoderTinyConfig::from_json(&tiny.component("vae")).unwrap();
        let weights = tiny.weights();
        let loader = Loader::new(&weights, device).prefix("vae");
        let tiny = Vae::tiny(AutoencoderTiny::load(&config, &loader).unwrap());
        [
            vae_outputs("sd1", &kl("sd1", 1, device), device),
            vae_outputs("unshuffled", &kl("unshuffled", 4, device), device),
            vae_outputs("tiny", &tiny, device),
        ]
        .concat()
    });
}

#[test]
fn feature_networks_agree() {
    let photo = Photo::from_vec(
        84,
        56,
        (0..3 * 84 * 56)
            .map(|index| 0.5 + 0.5 * ((index * index % 977) as f32 * 0.11).sin())
            .collect(),
    )
    .unwrap();
    on_both(|device| {
        let dinov2 = formula::file(&formula::dinov2(384, 12, 5, Some(4)));
        let alexnet = formula::file(&formula::alexnet());
        [dinov2, alexnet]
            .into_iter()
            .flat_map(|bytes| {
                let network = Features::load("weights", bytes, device).unwrap();
                let features = pollster::block_on(network.extract(&photo)).unwrap();
                let name = network.name().to_owned();
                let layers = features.layers.into_iter().enumerate();
                layers.map(move |(index, layer)| (format!("{name}: {index}"), layer.data))
            })
            .collect()
    });
}
