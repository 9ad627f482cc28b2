//! Writing a model as diffusers saves it: one folder per component, which diffusers, transformers and
//! [`open_folder`](super::open_folder) read.

use serde_json::{Map, Value, json};

use super::bundle_write::encode;
use super::folder::OPTIONS_JSON;
use super::parts::{ModelParts, SCHEDULER, TEXT_ENCODER, UNET, VAE, without_origin};
use crate::model::{ModelConfig, Networks};
use crate::weights::TensorSource;
use crate::{DiffusionError, Result};

/// Folder of the tokenizer's files.
const TOKENIZER: &str = "tokenizer";

/// Writes a model as a diffusers folder, in f16 or f32: configurations, tokenizer, licence and model
/// card, `anomalysd.json` with what diffusers' files do not say, one safetensors file per component.
///
/// Each call of `append` has a relative path and the next bytes of that file; of the weights, one
/// tensor at a time is in memory.
///
/// # Errors
/// What `append` reports; parts that do not fit each other; tensors that cannot be read or that f16
/// cannot hold.
pub fn write_folder(
    parts: &ModelParts,
    half: bool,
    append: &mut dyn FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    let configs = configs(parts)?;
    for (component, file) in [
        (UNET, "diffusion_pytorch_model.safetensors"),
        (VAE, "diffusion_pytorch_model.safetensors"),
        (TEXT_ENCODER, "model.safetensors"),
    ] {
        let config = text(&configs[component])?;
        append(&format!("{component}/config.json"), config.as_bytes())?;
        let path = format!("{component}/{file}");
        weights(component, parts.source(component)?, half, &mut |bytes| {
            append(&path, bytes)
        })?;
    }
    let own = ModelConfig {
        // Files of their own, as people look for them.
        licence: String::new(),
        model_card: String::new(),
        ..parts.config.clone()
    };
    let own = serde_json::to_value(own).map_err(|error| broken(OPTIONS_JSON, &error))?;
    let tokenizer = |name: &str| format!("{TOKENIZER}/{name}");
    for (path, content) in [
        (
            format!("{SCHEDULER}/scheduler_config.json"),
            text(&configs[SCHEDULER])?,
        ),
        (tokenizer("vocab.json"), parts.tokenizer.vocab_json()),
        (tokenizer("merges.txt"), parts.tokenizer.merges_txt()),
        (
            tokenizer("tokenizer_config.json"),
            text(&parts.tokenizer.config_json())?,
        ),
        (OPTIONS_JSON.to_owned(), text(&own)?),
        ("LICENSE".to_owned(), parts.config.licence.clone()),
        ("README.md".to_owned(), parts.config.model_card.clone()),
        ("model_index.json".to_owned(), text(&index(&configs))?),
    ] {
        if !content.is_empty() {
            append(&path, content.as_bytes())?;
        }
    }
    Ok(())
}

/// diffusers' JSON of each component: as the model came with it, and every option that we know where it
/// was left to a default.
fn configs(parts: &ModelParts) -> Result<Map<String, Value>> {
    let mut configs: Map<String, Value> = Networks::read(parts)?.to_json()?.into_iter().collect();
    for (component, config) in &mut configs {
        let given = parts.configs.get(component).cloned().map(without_origin);
        if let (Some(config), Some(Value::Object(given))) = (config.as_object_mut(), given) {
            config.extend(given);
        }
    }
    // diffusers' pipelines compare the size of the latents that the U-Net was trained on, and stop without.
    let unet = &mut configs[UNET];
    if unet["sample_size"].is_null() {
        let coder = &parts.configs[VAE];
        let levels = ["block_out_channels", "encoder_block_out_channels"]
            .iter()
            .find_map(|key| Some(coder.get(key)?.as_array()?.len()));
        let factor = parts.config.pixel_unshuffle << levels.unwrap_or(1).saturating_sub(1);
        unet["sample_size"] = json!(parts.config.image_size / factor);
    }
    let text = &mut configs[TEXT_ENCODER];
    // Which class of transformers it is, for loaders that do not ask for one.
    text["architectures"] = json!(["CLIPTextModel"]);
    // Where a loader asks for no precision, transformers takes what is stored and diffusers f32.
    text["dtype"] = json!("float32");
    Ok(configs)
}

/// `model_index.json`: the pipeline and the classes of its components.
fn index(configs: &Map<String, Value>) -> Value {
    let class = |component: &str| &configs[component]["_class_name"];
    json!({
        "_class_name": "StableDiffusionInpaintPipeline",
        // Asked for by diffusers' own loader: the version whose layout this is.
        "_diffusers_version": "0.42.0",
        UNET: ["diffusers", class(UNET)],
        VAE: ["diffusers", class(VAE)],
        SCHEDULER: ["diffusers", class(SCHEDULER)],
        TEXT_ENCODER: ["transformers", "CLIPTextModel"],
        TOKENIZER: ["transformers", "CLIPTokenizer"],
        "safety_checker": [null, null],
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "requires_safety_checker": false,
    })
}

/// A safetensors file, its header from the shapes alone.
fn weights(
    component: &str,
    source: &dyn TensorSource,
    half: bool,
    append: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (dtype, width) = if half { ("F16", 2) } else { ("F32", 4) };
    let names = source.names();
    // transformers wants to know whose layout it is.
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut end = 0;
    for name in &names {
        let shape = source.shape(name).unwrap_or_default();
        let start = end;
        end += width * shape.iter().product::<usize>();
        header.insert(
            name.clone(),
            json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Data begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    append(&(header.len() as u64).to_le_bytes())?;
    append(&header)?;
    for name in names {
        let full = format!("{component}.{name}");
        append(&encode(&full, &source.read(&name)?.values, half)?)?;
    }
    Ok(())
}

fn text(value: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n")
        .map_err(|error| broken("configuration", &error))
}

fn broken(what: &str, error: &serde_json::Error) -> DiffusionError {
    DiffusionError::Container {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}
