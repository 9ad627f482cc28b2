//! What is in a file or folder, and whether it is a model that runs here.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;

use super::bundle::{BUNDLE_JSON, open_bundle};
use super::files::Files;
use super::folder::{open_folder, weights};
use super::ldm::open_ldm;
use super::parts::{ModelParts, TEXT_ENCODER, UNET, VAE};
use super::single_file::{METADATA_KEY, open_single_file};
use crate::model::check_parts;
use crate::weights::{SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

/// What a file or folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A folder with `bundle.json`.
    Bundle,
    /// A folder as diffusers saves it.
    DiffusersFolder,
    /// A whole model in one safetensors file.
    SingleFile,
    /// What `fit` writes.
    Profile,
    /// One file in the layout of the original Stable Diffusion code.
    LdmCheckpoint,
    /// The same, of SDXL.
    SdxlCheckpoint,
    /// Low-rank changes to a model.
    Lora,
    /// A U-Net alone.
    Unet,
    /// An autoencoder alone.
    Vae,
    /// A CLIP text encoder alone.
    TextEncoder,
    /// Any other safetensors file.
    Tensors,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "a bundle",
            Self::DiffusersFolder => "a diffusers folder",
            Self::SingleFile => "a model in one file",
            Self::Profile => "a profile",
            Self::LdmCheckpoint => "a Stable Diffusion checkpoint in LDM layout",
            Self::SdxlCheckpoint => "an SDXL checkpoint",
            Self::Lora => "a LoRA",
            Self::Unet => "a U-Net without the rest of a model",
            Self::Vae => "an autoencoder without the rest of a model",
            Self::TextEncoder => "a text encoder without the rest of a model",
            Self::Tensors => "a safetensors file of no known model",
        })
    }
}

/// What [`inspect_file`] and [`inspect_folder`] found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What it is.
    pub kind: Kind,
    /// Name of the model, where it has one.
    pub name: Option<String>,
    /// Licence text, where there is one.
    pub licence: Option<String>,
    /// Model card, where there is one.
    pub model_card: Option<String>,
    /// Parts, by name.
    pub components: Vec<ComponentSummary>,
    /// Whether this version runs it.
    pub fits: bool,
    /// Why not, in one sentence; empty where it fits.
    pub reason: String,
}

/// One part of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentSummary {
    /// Its folder's name.
    pub name: String,
    /// diffusers' or transformers' class, where the configuration says it.
    pub class: Option<String>,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of values in them.
    pub parameters: u64,
    /// Number formats they are stored in.
    pub dtypes: Vec<String>,
}

/// Summary of one safetensors file.
///
/// # Errors
/// A file that claims to be a model and is damaged; see [`open_single_file`].
pub fn inspect_file(what: &str, source: SafetensorsSource) -> Result<Summary> {
    let kind = kind_of(&source);
    let tensors = |reason: String| Summary {
        kind,
        name: None,
        licence: None,
        model_card: None,
        components: vec![component("tensors", None, &source)],
        fits: false,
        reason,
    };
    match kind {
        Kind::SingleFile => Ok(summarise(kind, &open_single_file(what, source)?)),
        Kind::LdmCheckpoint | Kind::SdxlCheckpoint => {
            Ok(match open_ldm(what, source.clone(), "") {
                Ok(parts) => summarise(kind, &parts),
                // Another family, or a part that is not there: say what there is, and why not.
                Err(error) => tensors(error.to_string()),
            })
        }
        _ => Ok(tensors(format!(
            "this is {kind}; a bundle, a diffusers folder or a checkpoint in one file is a whole model"
        ))),
    }
}

/// Summary of a folder: a bundle, or what diffusers saved.
///
/// # Errors
/// [`DiffusionError::Unsupported`] for a folder that holds no model, and damaged files.
pub fn inspect_folder(files: Rc<dyn Files>) -> Result<Summary> {
    if files.size(BUNDLE_JSON).is_some() {
        return Ok(summarise(Kind::Bundle, &open_bundle(files)?));
    }
    let present =
        [UNET, VAE, TEXT_ENCODER].map(|name| files.size(&format!("{name}/config.json")).is_some());
    if !present.contains(&true) {
        return Err(DiffusionError::Unsupported {
            what: files.describe(""),
            reason: "holds neither bundle.json nor the folders of a diffusers model".into(),
        });
    }
    match open_folder(files.as_ref(), "") {
        Ok(parts) => Ok(summarise(Kind::DiffusersFolder, &parts)),
        // Another family, or a part that is not there: say what there is, and why it does not fit.
        Err(error) => Ok(Summary {
            kind: Kind::DiffusersFolder,
            name: None,
            licence: None,
            model_card: None,
            components: folders(files.as_ref()),
            fits: false,
            reason: error.to_string(),
        }),
    }
}

/// The components of a folder that cannot be opened as a model, as far as they can be read.
fn folders(files: &dyn Files) -> Vec<ComponentSummary> {
    let readable = |name: String| {
        let source = weights(files, &name).ok()?;
        Some(component(&name, None, source.as_ref()))
    };
    files.list("").into_iter().filter_map(readable).collect()
}

fn summarise(kind: Kind, parts: &ModelParts) -> Summary {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let checked = check_parts(parts);
    let class = |name: &str| {
        let config = parts.configs.get(name)?;
        config
            .get("_class_name")
            .or(config.get("model_type"))?
            .as_str()
            .map(str::to_owned)
    };
    Summary {
        kind,
        name: text(&parts.config.name),
        licence: text(&parts.config.licence),
        model_card: text(&parts.config.model_card),
        components: parts
            .tensors
            .iter()
            .map(|(name, source)| component(name, class(name), source.as_ref()))
            // A bundle lists the scheduler, too, which has no weights.
            .filter(|component| component.tensors > 0)
            .collect(),
        fits: checked.is_ok(),
        reason: checked
            .err()
            .map_or_else(String::new, |error| error.to_string()),
    }
}

fn component(name: &str, class: Option<String>, source: &dyn TensorSource) -> ComponentSummary {
    let names = source.names();
    let values = |name: &String| {
        source
            .shape(name)
            .map_or(0, |shape| shape.iter().map(|side| *side as u64).product())
    };
    let dtypes: BTreeSet<String> = names
        .iter()
        .filter_map(|name| source.stored_as(name))
        .map(|d| format!("{d:?}"))
        .collect();
    ComponentSummary {
        name: name.to_owned(),
        class,
        tensors: names.len(),
        parameters: names.iter().map(values).sum(),
        dtypes: dtypes.into_iter().collect(),
    }
}

/// What a safetensors file is, by its metadata and the names of its tensors.
pub(super) fn kind_of(source: &SafetensorsSource) -> Kind {
    if let Some(ours) = source.user_metadata().get(METADATA_KEY) {
        let schema = serde_json::from_str::<serde_json::Value>(ours).ok();
        let schema = schema
            .as_ref()
            .and_then(|json| json.get("schema")?.as_str());
        return if schema.is_some_and(|schema| schema.starts_with("anomalysd.profile")) {
            Kind::Profile
        } else {
            Kind::SingleFile
        };
    }
    let names = source.names();
    let has = |part: &str| names.iter().any(|name| name.contains(part));
    if has("lora_A") || has("lora_down") || has("lora.down") {
        Kind::Lora
    } else if has("conditioner.embedders.") {
        Kind::SdxlCheckpoint
    } else if has("model.diffusion_model.") {
        Kind::LdmCheckpoint
    } else if has("down_blocks.0.resnets.0.time_emb_proj.weight") {
        Kind::Unet
    } else if has("encoder.down_blocks.0.") && has("decoder.up_blocks.0.") {
        Kind::Vae
    } else if has("embeddings.token_embedding.weight") {
        Kind::TextEncoder
    } else {
        Kind::Tensors
    }
}
