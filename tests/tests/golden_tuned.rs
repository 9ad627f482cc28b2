//! What tuning leaves, in the files that other programs load, against diffusers and PEFT:
//! `tests/golden/tuned.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anomalysd_diffusion::checkpoint::native::{self, Changes};
use anomalysd_diffusion::checkpoint::{ExportOptions, ModelParts, UNET, VAE, fingerprint};
use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, train_vocabulary};
use anomalysd_diffusion::model::{InpaintModel, ModelConfig, ReferenceTime};
use anomalysd_diffusion::nn::{ATTENTION_MODULES, CONVOLUTION_MODULES, LoraConfig};
use anomalysd_diffusion::scheduler::{Ddim, DdimConfig};
use anomalysd_diffusion::tuning::{LoraNaming, Tensors, Tuning};
use anomalysd_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig, Vae, VaeNetwork};
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, TensorSource};
use anomalysd_tests::formula;
use anomalysd_tests::golden::{TOLERANCE, compare, values};
use anomalysd_train::tune::Tuned;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::json;

const PROMPT: &str = "A perfect bottle with an intact round mouth.";
/// Not the rank, so that both count.
const ALPHA: f64 = 6.0;
const RANK: usize = 2;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(path)
}

/// The model that LoRAs change: a diffusers folder.
fn base() -> ModelParts {
    native::open(&golden("checkpoints/folder")).unwrap()
}

/// Weights by the formula, under names of their own.
fn drawn(kind: &str, name: &str, shape: Vec<usize>, scale: f32) -> HostTensor {
    let values = formula::weight(&format!("{kind}.{name}"), &shape);
    let values = values.into_iter().map(|value| scale * value).collect();
    HostTensor { shape, values }
}

/// A LoRA of attentions and convolutions of every kind, of half the U-Net's blocks.
fn lora(parts: &ModelParts) -> Tuning {
    let modules = ATTENTION_MODULES.iter().chain(&CONVOLUTION_MODULES);
    let targets = LoraConfig {
        r: RANK,
        lora_alpha: ALPHA,
        target_modules: modules.map(|name| (*name).to_owned()).collect(),
        seed: 0,
    };
    let source = parts.source(UNET).unwrap();
    let mut lora = Tensors::new();
    for name in source.names() {
        let shape = source.shape(&name).unwrap();
        let repeated = ["up_blocks.1", "up_blocks.2", "down_blocks.0"];
        let module = name.strip_suffix(".weight").filter(|module| {
            targets.targets(module) && !repeated.iter().any(|block| module.starts_with(block))
        });
        let Some(module) = module else {
            continue;
        };
        let (mut down, mut up) = (shape.clone(), vec![1; shape.len()]);
        down[0] = RANK;
        (up[0], up[1]) = (shape[0], RANK);
        for (side, shape, scale) in [("lora_A", down, 1.0), ("lora_B", up, 0.125)] {
            let name = format!("unet.{module}.{side}.weight");
            let tensor = drawn("tuned", &name, shape, scale);
            lora.insert(name, tensor);
        }
    }
    let tuning = Tuning {
        lora: lora.into(),
        lora_alpha: ALPHA,
        ..Tuning::default()
    };
    tuning.rounded_to_half()
}

/// A model with all that `mini` has and Stable Diffusion has not, small, of the formula's weights.
fn small() -> ModelParts {
    let device = Device::flex();
    let tokenizer = train_vocabulary(&["a perfect bottle with an intact mouth"], 8, 20).unwrap();
    let text = ClipTextConfig {
        vocab_size: tokenizer.spec().vocab.len(),
        hidden_size: 8,
        intermediate_size: 16,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        max_position_embeddings: 20,
        ..ClipTextConfig::default()
    };
    let unet = json!({
        "in_channels": 14, "out_channels": 4, "cross_attention_dim": 8, "attention_head_dim": 2,
        "block_out_channels": [4, 8], "layers_per_block": 1, "norm_num_groups": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    });
    let vae = json!({
        "in_channels": 12, "out_channels": 12, "block_out_channels": [8], "layers_per_block": 1,
        "norm_num_groups": 4, "latent_channels": 4, "scaling_factor": 0.5,
        "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
    });
    let unet = UNet2DConditionConfig::from_json(&unet.to_string()).unwrap();
    let vae = AutoencoderKlConfig::from_json(&vae.to_string()).unwrap();
    let model = InpaintModel::from_networks(
        UNet2DConditionModel::init(&unet, 0, &device).unwrap(),
        Vae::kl(AutoencoderKl::init(&vae, 0, &device).unwrap(), 2).unwrap(),
        ClipTextModel::init(&text, 0, &device).unwrap(),
        tokenizer,
        Ddim::new(DdimConfig::default()).unwrap(),
        ModelConfig {
            name: "small".into(),
            licence: "CC0".into(),
            image_size: 64,
            pixel_unshuffle: 2,
            reference_latents: true,
            inference_steps: Some(1),
            scales: Some(vec![2]),
            ..ModelConfig::default()
        },
        &device,
    )
    .unwrap();
    let mut parts = model.parts().unwrap();
    for (component, source) in &mut parts.tensors {
        let tensors = source.names().into_iter().map(|name| {
            let shape = source.shape(&name).unwrap();
            let tensor = drawn(component, &name, shape, 1.0);
            (name, tensor)
        });
        *source = Box::new(tensors.collect::<Tensors>());
    }
    parts
}

/// What `--tune full` makes of it: another U-Net, and differences of the decoder.
fn full() -> ModelParts {
    let parts = small();
    let all = |component: &str, scale: f32, keep: &dyn Fn(&str) -> bool| -> Tensors {
        let source = parts.source(component).unwrap();
        let names = source.names().into_iter().filter(|name| keep(name));
        let tensors = names.map(|name| {
            let tensor = drawn("full", &name, source.shape(&name).unwrap(), scale);
            (name, tensor)
        });
        tensors.collect()
    };
    let tuning = Tuning {
        decoder: all(VAE, 0.25, &|name| name.starts_with("decoder.")).into(),
        ..Tuning::default()
    };
    let tuned = Tuned {
        tuning: tuning.rounded_to_half(),
        unet: Some(all(UNET, 1.0, &|_| true)),
    };
    tuned.merge_into(parts).unwrap()
}

/// The exports, by their places below `tests/golden/tuned`.
fn exported(scratch: &Path) -> BTreeMap<String, Vec<u8>> {
    let tuning = lora(&base());
    let mut files = BTreeMap::from([
        (
            "peft.safetensors".to_owned(),
            tuning.lora_file(LoraNaming::Peft).unwrap(),
        ),
        (
            "kohya.safetensors".to_owned(),
            tuning.lora_file(LoraNaming::Kohya).unwrap(),
        ),
    ]);
    let folder = scratch.join("full");
    native::save_folder(&full(), &folder, true).unwrap();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(scratch).unwrap().to_str().unwrap();
            files.insert(name.replace('\\', "/"), fs::read(&path).unwrap());
        }
    }
    files
}

/// The files that the golden outputs were made from are those that are written today. They are
/// written anew with ANOMALYSD_WRITE_GOLDEN set.
#[test]
fn what_is_exported_is_what_the_references_read() {
    let scratch = tempfile::tempdir().unwrap();
    let files = exported(scratch.path());
    assert_eq!(files.len(), 15, "{:?}", files.keys());
    for (name, bytes) in files {
        let path = golden("tuned").join(&name);
        if std::env::var_os("ANOMALYSD_WRITE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let committed = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Our own options may grow; that they are read as they were is compared below.
        if name != "full/anomalysd.json" {
            assert!(committed == bytes, "{name} is another file");
        }
    }
}

/// Inputs and outputs of the reference.
struct Outputs(SafetensorsSource);

impl Outputs {
    fn open(name: &str) -> Self {
        Self(
            native::open_safetensors(&golden(&format!("tuned/{name}.golden.safetensors"))).unwrap(),
        )
    }

    fn host(&self, name: &str) -> Vec<f32> {
        self.0.read(name).unwrap().values
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let HostTensor { shape, values } = self.0.read(name).unwrap();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn check<const D: usize>(&self, name: &str, got: &Tensor<D>) {
        let expected = self.0.read(name).unwrap();
        assert_eq!(got.dims().to_vec(), expected.shape, "{name}");
        compare(name, &values(got), &expected.values, TOLERANCE);
    }

    /// Token ids, text encoder and U-Net of a model.
    fn check_prediction(&self, model: &InpaintModel) {
        let ids = model.tokenizer.encode(PROMPT).unwrap();
        let ids: Vec<f32> = ids.iter().map(|id| *id as f32).collect();
        assert_eq!(ids, self.host("ids"), "token ids");
        let context = model.encode_text(&[PROMPT]).unwrap();
        self.check("context", &context);
        let timestep = self.host("timestep");
        let prediction = model
            .unet
            .forward(self.tensor("sample"), &timestep, context, None)
            .unwrap();
        self.check("prediction", &prediction);
    }
}

fn assembled(parts: &ModelParts) -> InpaintModel {
    InpaintModel::assemble(parts, &Device::flex()).unwrap()
}

#[test]
fn a_lora_predicts_here_what_it_predicts_in_diffusers() {
    let outputs = Outputs::open("lora");
    outputs.check_prediction(&assembled(&lora(&base()).merge_into(base()).unwrap()));
    for name in ["peft", "kohya"] {
        let changes = Changes {
            vae: None,
            loras: vec![(golden(&format!("tuned/{name}.safetensors")), 1.0)],
        };
        outputs.check_prediction(&assembled(&changes.apply(base()).unwrap()));
    }
    // What the files change is seen in what is compared.
    let untuned = assembled(&base());
    let prediction = untuned
        .unet
        .forward(
            outputs.tensor("sample"),
            &outputs.host("timestep"),
            outputs.tensor("context"),
            None,
        )
        .unwrap();
    let tuned = outputs.host("prediction");
    let pairs = values(&prediction).into_iter().zip(&tuned);
    let difference = pairs.fold(0.0f32, |most, (one, two)| most.max((one - two).abs()));
    let largest = tuned.iter().fold(0.0f32, |most, one| most.max(one.abs()));
    assert!(difference > 0.05 * largest, "{difference} of {largest}");
}

#[test]
fn a_model_that_was_tuned_whole_is_the_same_in_diffusers() {
    let parts = native::open(&golden("tuned/full")).unwrap();
    let written = full();
    assert_eq!(parts.config, written.config);
    assert!(parts.config.reference_trained);
    assert_eq!(parts.config.reference_time, ReferenceTime::Zero);
    assert_eq!(fingerprint(&parts).unwrap(), fingerprint(&written).unwrap());
    let outputs = Outputs::open("full");
    let model = assembled(&parts);
    outputs.check_prediction(&model);
    let VaeNetwork::Kl(vae) = &model.vae.network else {
        panic!("an AutoencoderKL")
    };
    let scale = vae.config().scaling_factor;
    let latents = model.vae.enc(outputs.tensor("photo")).unwrap();
    outputs.check("mean", &(latents / scale));
    let latents = outputs.tensor::<4>("latents") * scale;
    outputs.check("decoded", &model.vae.dec_signed(latents).unwrap());

    // The bundle for the page is the same model.
    let scratch = tempfile::tempdir().unwrap();
    let bundle = scratch.path().join("bundle");
    native::save_bundle(&parts, &bundle, &ExportOptions::default()).unwrap();
    let bundle = native::open(&bundle).unwrap();
    assert_eq!(bundle.config, written.config);
    assert_eq!(assembled(&bundle).fingerprint, model.fingerprint);
}
