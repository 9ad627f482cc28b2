//! A model as diffusers saves it: one folder per component.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use super::canonical::Canonical;
use super::files::{self, Files, check_relative, missing};
use super::gathered::{Gathered, Stored};
use super::parts::{ModelParts, SCHEDULER, TEXT_ENCODER, UNET, VAE};
use super::pickle;
use crate::clip::{ClipTextConfig, TokenizerFiles};
use crate::model::ModelConfig;
use crate::weights::{SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

/// Our own options beside diffusers' files; a folder from elsewhere has none.
pub(super) const OPTIONS_JSON: &str = "anomalysd.json";
/// Precisions by file name, the most exact first.
const VARIANTS: [&str; 3] = ["", ".fp16", ".bf16"];

/// Opens a diffusers folder of a Stable Diffusion 1.x or 2.x inpainting model.
///
/// Weights are taken from safetensors files, whole or sharded; of several precisions the most
/// exact. `name` is the model's name where the folder does not say one.
///
/// # Errors
/// Files that are missing or of another form; pickles without a safetensors file beside them;
/// SDXL and other families, by name.
pub fn open_folder(files: &dyn Files, name: &str) -> Result<ModelParts> {
    refuse_other_pipelines(files)?;
    let mut configs = BTreeMap::new();
    let mut tensors: BTreeMap<String, Box<dyn TensorSource>> = BTreeMap::new();
    for component in [UNET, VAE, TEXT_ENCODER] {
        let config = config(files, &format!("{component}/config.json"))?;
        if component == UNET {
            refuse_sdxl(&files.describe(UNET), &config)?;
        }
        configs.insert(component.to_owned(), config);
        let source = Canonical::new(component, weights(files, component)?);
        tensors.insert(component.to_owned(), Box::new(source));
    }
    configs.insert(
        SCHEDULER.to_owned(),
        config(files, &format!("{SCHEDULER}/scheduler_config.json"))?,
    );
    let text = ClipTextConfig::from_json(&configs[TEXT_ENCODER].to_string())?;
    let tokenizer = tokenizer_files(files)?.tokenizer(text.max_position_embeddings)?;
    Ok(ModelParts {
        config: options(files, name)?,
        configs,
        tokenizer: tokenizer.spec().clone(),
        tensors,
    })
}

pub(super) fn config(files: &dyn Files, path: &str) -> Result<Value> {
    files::json(files, path)?.ok_or_else(|| missing(files, path))
}

fn unsupported(what: String, reason: String) -> DiffusionError {
    DiffusionError::Unsupported { what, reason }
}

/// The pipeline's class, where `model_index.json` is there, and what betrays another family.
fn refuse_other_pipelines(files: &dyn Files) -> Result<()> {
    let index = files::json(files, "model_index.json")?.unwrap_or(json!({}));
    let class = index
        .get("_class_name")
        .and_then(Value::as_str)
        .unwrap_or("StableDiffusionInpaintPipeline");
    let two_encoders = files.size("text_encoder_2/config.json").is_some();
    let family = if two_encoders || class.contains("XL") {
        "SDXL"
    } else {
        class
    };
    if family == "SDXL"
        || !class.starts_with("StableDiffusion")
        || class.starts_with("StableDiffusion3")
    {
        let what = files.describe("model_index.json");
        return Err(unsupported(
            what,
            format!(
                "is {family} ({class}); Stable Diffusion 1.x and 2.x inpainting models are read"
            ),
        ));
    }
    Ok(())
}

/// SDXL by its U-Net, for folders without `model_index.json`.
pub(crate) fn refuse_sdxl(what: &str, unet: &Value) -> Result<()> {
    if unet.get("addition_embed_type").and_then(Value::as_str) == Some("text_time") {
        let reason = "is a U-Net of SDXL; Stable Diffusion 1.x and 2.x inpainting models are read";
        return Err(unsupported(what.to_owned(), reason.into()));
    }
    Ok(())
}

/// Our own options, licence and model card, as far as the folder has them.
fn options(files: &dyn Files, name: &str) -> Result<ModelConfig> {
    let mut options: ModelConfig = match files::json(files, OPTIONS_JSON)? {
        None => ModelConfig {
            name: name.to_owned(),
            ..ModelConfig::default()
        },
        Some(value) => {
            serde_json::from_value(value).map_err(|error| DiffusionError::Container {
                what: files.describe(OPTIONS_JSON),
                reason: error.to_string(),
            })?
        }
    };
    options.validate()?;
    let first = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| files::text(files, name).transpose())
            .transpose()
            .map(Option::unwrap_or_default)
    };
    if options.licence.is_empty() {
        options.licence = first(&["LICENSE", "LICENSE.md", "LICENSE.txt"])?;
    }
    if options.model_card.is_empty() {
        options.model_card = first(&["README.md", "MODEL_CARD.md"])?;
    }
    Ok(options)
}

fn tokenizer_files(files: &dyn Files) -> Result<TokenizerFiles> {
    let text = |name: &str| files::text(files, &format!("tokenizer/{name}"));
    Ok(TokenizerFiles {
        vocab: text("vocab.json")?,
        merges: text("merges.txt")?,
        tokenizer: text("tokenizer.json")?,
        config: text("tokenizer_config.json")?,
        special_tokens: text("special_tokens_map.json")?,
    })
}

/// The weights of a component: one file, or the shards that an index lists.
pub(super) fn weights(files: &dyn Files, folder: &str) -> Result<Box<dyn TensorSource>> {
    for variant in VARIANTS {
        for base in ["diffusion_pytorch_model", "model"] {
            let whole = files::join(folder, &format!("{base}{variant}.safetensors"));
            if files.size(&whole).is_some() {
                return Ok(Box::new(files::safetensors(files, &whole)?));
            }
            let index = files::join(folder, &format!("{base}.safetensors.index{variant}.json"));
            if let Some(value) = files::json(files, &index)? {
                return Ok(Box::new(sharded(files, folder, &index, &value)?));
            }
        }
    }
    let pickled = files
        .list(folder)
        .into_iter()
        .find(|name| pickle::has_pickle_name(name));
    match pickled {
        Some(name) => Err(pickle::error(&files.describe(&files::join(folder, &name)))),
        None => Err(missing(
            files,
            &files::join(folder, "diffusion_pytorch_model.safetensors"),
        )),
    }
}

/// Weights over several files, as `…safetensors.index.json` lists them.
fn sharded(files: &dyn Files, folder: &str, index: &str, value: &Value) -> Result<Gathered> {
    let broken = |reason: String| DiffusionError::Container {
        what: files.describe(index),
        reason,
    };
    let map = value.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| broken("has no `weight_map`".into()))?;
    let mut opened: BTreeMap<&str, Rc<SafetensorsSource>> = BTreeMap::new();
    let mut gathered = Gathered::default();
    for (name, file) in map {
        let file = file
            .as_str()
            .ok_or_else(|| broken(format!("tensor `{name}` has no file")))?;
        check_relative(&files.describe(index), file)?;
        let shard = match opened.get(file) {
            Some(shard) => Rc::clone(shard),
            None => {
                let shard = Rc::new(files::safetensors(files, &files::join(folder, file))?);
                opened.insert(file, Rc::clone(&shard));
                shard
            }
        };
        if shard.shape(name).is_none() {
            return Err(broken(format!("tensor `{name}` is not in {file}")));
        }
        gathered.add(name.clone(), &shard, Stored::whole(name));
    }
    Ok(gathered)
}
