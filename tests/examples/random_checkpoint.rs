//! Writes a diffusers folder with the sizes of Stable Diffusion 1.5 inpainting and random f16 weights:
//! 860 million in the U-Net, 84 in the autoencoder, 123 in the text encoder, 2.1 GB on disk.
//!
//! For whoever wants to know what a checkpoint of the real size costs in memory and time on a
//! machine, before downloading one: `cargo build --release --workspace --examples`, then
//! `target/release/examples/random_checkpoint FOLDER`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, TokenizerSpec};
use anomalysd_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig};
use anomalysd_diffusion::weights::{NamedTensor, save_state};
use burn::tensor::Device;
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

const SEED: u64 = 15;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("the folder to write is missing")?;
    if folder.exists() {
        return Err(format!("{} exists already", folder.display()).into());
    }
    let device = Device::flex();
    write_json(
        &folder.join("model_index.json"),
        &json!({"_class_name": "StableDiffusionInpaintPipeline"}),
    )?;

    let json = unet();
    let config = UNet2DConditionConfig::from_json(&json.to_string())?;
    let state = save_state(&UNet2DConditionModel::init(&config, SEED, &device)?)?;
    write(
        &folder.join("unet"),
        "diffusion_pytorch_model.fp16",
        &json,
        state,
    )?;

    let json = vae();
    let config = AutoencoderKlConfig::from_json(&json.to_string())?;
    let state = save_state(&AutoencoderKl::init(&config, SEED, &device)?)?;
    write(
        &folder.join("vae"),
        "diffusion_pytorch_model.fp16",
        &json,
        state,
    )?;

    let json = text_encoder();
    let config = ClipTextConfig::from_json(&json.to_string())?;
    let state = save_state(&ClipTextModel::init(&config, SEED, &device)?)?;
    write(&folder.join("text_encoder"), "model.fp16", &json, state)?;

    write_json(
        &folder.join("scheduler/scheduler_config.json"),
        &scheduler(),
    )?;
    let tokenizer = TokenizerSpec::clip(77);
    fs::create_dir_all(folder.join("tokenizer"))?;
    fs::write(folder.join("tokenizer/vocab.json"), tokenizer.vocab_json())?;
    fs::write(folder.join("tokenizer/merges.txt"), tokenizer.merges_txt())?;
    fs::write(
        folder.join("LICENSE"),
        "Random numbers; no rights are reserved.\n",
    )?;
    Ok(())
}

fn unet() -> Value {
    json!({
        "_class_name": "UNet2DConditionModel",
        "in_channels": 9,
        "out_channels": 4,
        "sample_size": 64,
        "block_out_channels": [320, 640, 1280, 1280],
        "layers_per_block": 2,
        "attention_head_dim": 8,
        "cross_attention_dim": 768,
        "down_block_types": [
            "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D",
        ],
        "up_block_types": [
            "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
        ],
    })
}

fn vae() -> Value {
    json!({
        "_class_name": "AutoencoderKL",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": vec!["DownEncoderBlock2D"; 4],
        "up_block_types": vec!["UpDecoderBlock2D"; 4],
        "layers_per_block": 2,
        "latent_channels": 4,
        "scaling_factor": 0.18215,
    })
}

fn text_encoder() -> Value {
    json!({
        "model_type": "clip_text_model",
        "vocab_size": 49_408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
    })
}

fn scheduler() -> Value {
    json!({
        "_class_name": "PNDMScheduler",
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "num_train_timesteps": 1000,
        "set_alpha_to_one": false,
        "skip_prk_steps": true,
        "steps_offset": 1,
        "clip_sample": false,
    })
}

fn write_json(path: &Path, value: &Value) -> Outcome {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// One component: its configuration and its weights as f16.
fn write(folder: &Path, name: &str, config: &Value, state: Vec<NamedTensor>) -> Outcome {
    write_json(&folder.join("config.json"), config)?;
    let count: usize = state.iter().map(|(_, _, values)| values.len()).sum();
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .into_iter()
        .map(|(name, shape, values)| {
            let bytes = values
                .iter()
                .flat_map(|value| f16::from_f32(*value).to_le_bytes());
            (name, shape, bytes.collect())
        })
        .collect();
    let views = halves
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((
                name.as_str(),
                TensorView::new(Dtype::F16, shape.clone(), bytes)?,
            ))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let path = folder.join(format!("{name}.safetensors"));
    safetensors::serialize_to_file(views, None, &path)?;
    println!("{count:>11} values: {}", path.display());
    Ok(())
}
