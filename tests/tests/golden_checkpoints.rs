//! Every layout of a checkpoint against diffusers: `tests/golden/checkpoints.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::native::{self, Changes};
use anomalysd_diffusion::checkpoint::{
    ExportOptions, Kind, MemoryFiles, ModelParts, open_folder, open_ldm, open_vae_folder,
};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::vae::VaeNetwork;
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, TensorSource};
use anomalysd_imaging::{DecodeLimits, decode, resize_lanczos};
use anomalysd_tests::golden::{TOLERANCE, compare, values};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};

/// Peak signal-to-noise ratio of photos of 192×192 after diffusers' AutoencoderTiny (0.42.0) with
/// TAESD's weights has encoded and decoded them, in dB.
const TAESD_PSNR: [(&str, f64); 2] = [
    ("bottle/test/good/000.jpg", 29.234),
    ("pill/test/good/000.jpg", 35.840),
];
const PROMPT: &str = "A perfect bottle with an intact round mouth.";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/checkpoints")
}

fn golden(name: &str) -> SafetensorsSource {
    let path = folder().join(format!("{name}.golden.safetensors"));
    native::open_safetensors(&path).unwrap()
}

fn tensor<const D: usize>(golden: &SafetensorsSource, name: &str) -> Tensor<D> {
    let HostTensor { shape, values } = golden.read(name).unwrap();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn check<const D: usize>(golden: &SafetensorsSource, name: &str, got: &Tensor<D>) {
    let expected = golden.read(name).unwrap();
    assert_eq!(got.dims().to_vec(), expected.shape, "{name}");
    compare(name, &values(got), &expected.values, TOLERANCE);
}

/// Token ids, text encoder and U-Net of a model against the reference.
fn check_prediction(parts: &ModelParts, name: &str) -> InpaintModel {
    let model = InpaintModel::assemble(parts, &Device::flex()).unwrap();
    let golden = golden(name);
    let ids: Vec<f32> = model
        .tokenizer
        .encode(PROMPT)
        .unwrap()
        .iter()
        .map(|id| *id as f32)
        .collect();
    assert_eq!(ids, golden.read("ids").unwrap().values, "token ids");
    let context = model.encode_text(&[PROMPT]).unwrap();
    check(&golden, "context", &context);
    let timestep = golden.read("timestep").unwrap().values;
    let prediction = model
        .unet
        .forward(tensor(&golden, "sample"), &timestep, context, None)
        .unwrap();
    check(&golden, "prediction", &prediction);
    model
}

/// The whole model against the reference, autoencoder included.
fn check_model(parts: &ModelParts, name: &str) {
    let model = check_prediction(parts, name);
    let golden = golden(name);
    let VaeNetwork::Kl(vae) = &model.vae.network else {
        panic!("an AutoencoderKL")
    };
    let scale = vae.config().scaling_factor;
    let photo: Tensor<4> = tensor(&golden, "photo");
    let latents = model.vae.enc(photo).unwrap();
    check(&golden, "mean", &(latents / scale));
    let latents = tensor::<4>(&golden, "latents") * scale;
    let decoded = model.vae.dec_signed(latents).unwrap();
    check(&golden, "decoded", &decoded);
}

/// The golden folder, with the files that `keep` says.
fn files(keep: impl Fn(&str) -> bool) -> MemoryFiles {
    fn walk(at: &Path, root: &Path, files: &mut MemoryFiles) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                let bytes = Arc::from(fs::read(&path).unwrap());
                files.files.insert(name.replace('\\', "/"), bytes);
            }
        }
    }
    let root = folder().join("folder");
    let mut files = MemoryFiles::default();
    walk(&root, &root, &mut files);
    files.files.retain(|name, _| keep(name));
    files
}

#[test]
fn every_precision_of_a_folder_equals_diffusers() {
    let unet = |name: &str| name.starts_with("unet/diffusion_pytorch_model");
    // Of all three, the most exact is read: the one that is sharded.
    for (what, variant) in [("f32 in shards", ""), ("f16", ".fp16."), ("bf16", ".bf16.")] {
        let files = files(|name| !unet(name) || name.contains(variant));
        let parts = open_folder(&files, "folder").unwrap_or_else(|error| panic!("{what}: {error}"));
        check_model(&parts, "folder");
    }
}

#[test]
fn single_files_of_both_generations_equal_diffusers() {
    for name in ["ldm-sd1", "ldm-sd2"] {
        let path = folder().join(format!("{name}.safetensors"));
        let parts = native::open(&path).unwrap();
        assert_eq!(parts.config.name, format!("Random {name}"));
        assert_eq!(parts.config.licence, "CreativeML Open RAIL++-M");
        check_model(&parts, name);
        let summary = native::inspect(&path).unwrap();
        assert_eq!(summary.kind, Kind::LdmCheckpoint);
        assert!(summary.fits, "{}", summary.reason);
    }
}

/// A U-Net without the channels for mask and masked photo paints whole pictures, and nothing else.
#[test]
fn a_single_file_of_a_text_to_image_model_is_refused() {
    let path = folder().join("ldm-sd1.safetensors");
    let source = native::open_safetensors(&path).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = source
        .names()
        .into_iter()
        .filter(|name| !name.starts_with("model_ema"))
        .map(|name| {
            let HostTensor {
                mut shape,
                mut values,
            } = source.read(&name).unwrap();
            if name == "model.diffusion_model.input_blocks.0.0.weight" {
                let (filter, kept) = (9 * 9, 4 * 9);
                values = values
                    .chunks(filter)
                    .flat_map(|one| &one[..kept])
                    .copied()
                    .collect();
                shape[1] = 4;
            }
            let bytes = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let source = SafetensorsSource::new("sd-v1-5.safetensors", bytes).unwrap();
    let parts = open_ldm("sd-v1-5.safetensors", source, "sd").unwrap();
    let error = InpaintModel::assemble(&parts, &Device::flex()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("a text-to-image U-Net"), "{error}");
}

#[test]
fn loras_of_every_trainer_give_the_same_model() {
    let lora = |name: &str| folder().join("lora").join(name);
    let cases: [&[PathBuf]; 4] = [
        &[
            lora("peft-unet"),
            lora("peft-text_encoder/adapter_model.safetensors"),
        ],
        &[lora("diffusers/pytorch_lora_weights.safetensors")],
        &[lora("kohya.safetensors")],
        &[lora("before-peft.safetensors")],
    ];
    for paths in cases {
        let changes = Changes {
            vae: None,
            loras: paths.iter().map(|path| (path.clone(), 1.0)).collect(),
        };
        let parts = native::open(&folder().join("folder")).unwrap();
        check_prediction(&changes.apply(parts).unwrap(), "lora");
    }
}

#[test]
fn a_lora_added_and_taken_away_leaves_the_model() {
    let path = folder().join("lora/kohya.safetensors");
    let changes = Changes {
        vae: None,
        loras: vec![(path.clone(), 0.5), (path, -0.5)],
    };
    let parts = native::open(&folder().join("folder")).unwrap();
    check_prediction(&changes.apply(parts).unwrap(), "folder");
}

#[test]
fn a_lora_of_another_architecture_is_refused() {
    let path = folder().join("lora/kohya.safetensors");
    let changes = Changes {
        vae: None,
        loras: vec![(path, 1.0)],
    };
    let parts = native::open(&folder().join("ldm-sd1.safetensors")).unwrap();
    let error = changes.apply(parts).unwrap_err().to_string();
    assert!(
        error.contains("kohya.safetensors") && error.contains("another architecture"),
        "{error}"
    );
}

/// Every container of the same model has its tensors to the bit, and its fingerprint.
#[test]
fn folders_single_files_and_bundles_hold_the_same_tensors() {
    let scratch = std::env::temp_dir().join(format!("anomalysd-layouts-{}", std::process::id()));
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).unwrap();
    for name in ["folder", "ldm-sd1.safetensors", "ldm-sd2.safetensors"] {
        let source = native::open(&folder().join(name)).unwrap();
        let options = ExportOptions {
            half: true,
            // So that tensors are cut over shards.
            shard_bytes: 200_000,
        };
        let bundle = scratch.join(name);
        native::save_bundle(&source, &bundle, &options).unwrap();
        let read = native::open(&bundle).unwrap();
        let mut compared = 0;
        for (component, tensors) in &source.tensors {
            let again = read.source(component).unwrap();
            assert_eq!(tensors.names(), again.names(), "{name}: {component}");
            for tensor in tensors.names() {
                assert_eq!(
                    tensors.read(&tensor).unwrap(),
                    again.read(&tensor).unwrap(),
                    "{name}: {component}.{tensor}"
                );
                compared += 1;
            }
        }
        assert!(compared > 200, "{name}: {compared} tensors");
        let device = Device::flex();
        let (one, two) = (
            InpaintModel::assemble(&source, &device).unwrap(),
            InpaintModel::assemble(&read, &device).unwrap(),
        );
        assert_eq!(one.fingerprint, two.fingerprint, "{name}");
    }
    fs::remove_dir_all(&scratch).unwrap();
}

/// Files that are measured and not part of the repository, in `shared/` beside the checkout.
fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let path = root.join("shared").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// TAESD's trained weights: a photo comes back about as the reference brings it back.
#[test]
fn taesd_decodes_photos_as_its_reference_does() {
    let (Some(weights), Some(data)) = (shared("weights/taesd"), shared("data")) else {
        return;
    };
    let parts = native::open(&folder().join("ldm-sd1.safetensors")).unwrap();
    let vae = open_vae_folder(&native::Folder(weights)).unwrap();
    let model = InpaintModel::assemble(&parts.with_vae(vae), &Device::flex()).unwrap();
    for (name, expected) in TAESD_PSNR {
        let bytes = fs::read(data.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let photo = decode(&bytes, &DecodeLimits::default()).unwrap();
        let mut photo = resize_lanczos(&photo, 192, 192);
        // The reference measured a photo of whole grey levels.
        for value in &mut photo.data {
            *value = (*value * 255.0).round() / 255.0;
        }
        let shape = [1, 3, photo.height, photo.width];
        let pixels =
            Tensor::<4>::from_data(TensorData::new(photo.data.clone(), shape), &Device::flex());
        let decoded = model.vae.dec(model.vae.enc(pixels).unwrap()).unwrap();
        let squares: f64 = values(&decoded.clamp(0.0, 1.0))
            .iter()
            .zip(&photo.data)
            .map(|(one, two)| f64::from(one - two).powi(2))
            .sum();
        let psnr = -10.0 * (squares / photo.data.len() as f64).log10();
        assert!(
            (psnr - expected).abs() <= 0.1,
            "{name}: {psnr:.3} dB, the reference has {expected} dB"
        );
    }
}
