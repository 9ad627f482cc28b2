//! A small random model, and the diffusers folder of a model in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{
    MemoryFiles, ModelParts, SCHEDULER, TEXT_ENCODER, UNET, VAE,
};
use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, train_vocabulary};
use anomalysd_diffusion::model::{InpaintModel, ModelConfig};
use anomalysd_diffusion::scheduler::{Ddim, DdimConfig};
use anomalysd_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig, Vae};
use anomalysd_diffusion::weights::HostTensor;
use burn::tensor::Device;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

/// Tensors of a component by name.
pub type Tensors = BTreeMap<String, HostTensor>;

/// A model of two levels with some 100,000 weights, all drawn from `seed`.
pub fn small_model(seed: u64, device: &Device) -> InpaintModel {
    let tokenizer = train_vocabulary(&["a perfect nut with intact edges"], 20, 12).unwrap();
    let text = ClipTextConfig {
        vocab_size: tokenizer.spec().vocab.len(),
        hidden_size: 24,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        max_position_embeddings: 12,
        ..ClipTextConfig::default()
    };
    let unet = json!({
        "in_channels": 9, "out_channels": 4, "cross_attention_dim": 24, "attention_head_dim": 2,
        "block_out_channels": [16, 32], "layers_per_block": 1, "norm_num_groups": 4,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    });
    let vae = json!({
        "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "latent_channels": 4,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
    });
    let unet = UNet2DConditionConfig::from_json(&unet.to_string()).unwrap();
    let vae = AutoencoderKlConfig::from_json(&vae.to_string()).unwrap();
    InpaintModel::from_networks(
        UNet2DConditionModel::init(&unet, seed, device).unwrap(),
        Vae::kl(AutoencoderKl::init(&vae, seed, device).unwrap(), 1).unwrap(),
        ClipTextModel::init(&text, seed, device).unwrap(),
        tokenizer,
        Ddim::new(DdimConfig::default()).unwrap(),
        ModelConfig {
            name: "small".into(),
            licence: "CC0".into(),
            ..ModelConfig::default()
        },
        device,
    )
    .unwrap()
}

/// All tensors of a component.
pub fn tensors(parts: &ModelParts, component: &str) -> Tensors {
    let source = parts.source(component).unwrap();
    source
        .names()
        .into_iter()
        .map(|name| (name.clone(), source.read(&name).unwrap()))
        .collect()
}

/// A safetensors file in f32.
pub fn serialize(tensors: &Tensors) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|tensor| {
            tensor
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        (
            name,
            TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).unwrap(),
        )
    });
    safetensors::serialize(views, None).unwrap()
}

/// The model as diffusers would save it.
pub fn diffusers_folder(parts: &ModelParts) -> MemoryFiles {
    let mut files = MemoryFiles::default();
    let mut write =
        |path: &str, bytes: Vec<u8>| files.files.insert(path.to_owned(), Arc::from(bytes));
    write(
        "model_index.json",
        br#"{"_class_name": "StableDiffusionInpaintPipeline"}"#.to_vec(),
    );
    for component in [UNET, VAE, TEXT_ENCODER] {
        write(
            &format!("{component}/config.json"),
            parts.config_json(component).unwrap().into_bytes(),
        );
        let base = if component == TEXT_ENCODER {
            "model"
        } else {
            "diffusion_pytorch_model"
        };
        write(
            &format!("{component}/{base}.safetensors"),
            serialize(&tensors(parts, component)),
        );
    }
    write(
        "scheduler/scheduler_config.json",
        parts.config_json(SCHEDULER).unwrap().into_bytes(),
    );
    write(
        "tokenizer/vocab.json",
        parts.tokenizer.vocab_json().into_bytes(),
    );
    write(
        "tokenizer/merges.txt",
        parts.tokenizer.merges_txt().into_bytes(),
    );
    files
}
