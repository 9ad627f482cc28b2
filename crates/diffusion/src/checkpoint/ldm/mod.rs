//! Single files in the layout of the original Stable Diffusion code (LDM): what model pages offer
//! as one `.safetensors`.
//!
//! Such a file holds tensors and nothing else. [`names`] says which tensor is which of diffusers'
//! by walking the numbered blocks, [`configs`] reads the configurations off the shapes, and the
//! tokenizer is CLIP's own, which this crate carries. The result is the same [`ModelParts`] that a
//! diffusers folder gives, tensors not yet read.

mod configs;
mod names;

use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) use self::configs::autoencoder as autoencoder_config;
use self::names::Places;
use super::canonical::Canonical;
use super::gathered::Gathered;
use super::parts::{ModelParts, SCHEDULER, TEXT_ENCODER, UNET, VAE};
use crate::clip::TokenizerSpec;
use crate::model::ModelConfig;
use crate::weights::{SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

const U_NET: &str = "model.diffusion_model.";
const AUTOENCODER: &str = "first_stage_model.";
/// The text encoder of SD 1: CLIP by OpenAI, as transformers names it.
const CLIP: &str = "cond_stage_model.transformer.";
/// The text encoder of SD 2: OpenCLIP.
const OPEN_CLIP: &str = "cond_stage_model.model.";

/// Which text encoder a file has, and with it which generation of Stable Diffusion it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    /// SD 1.x.
    One,
    /// SD 2.x.
    Two,
}

/// Opens a Stable Diffusion 1.x or 2.x checkpoint in LDM layout. `name` is the model's name where
/// the file does not say one.
///
/// Name, licence and description are taken from the metadata of Stability AI's ModelSpec
/// (`modelspec.title`, `.license`, `.description`), where the file has them.
///
/// # Errors
/// SDXL and other families by name; a file without U-Net, autoencoder or text encoder; shapes from
/// which no configuration can be read.
pub fn open_ldm(what: &str, source: SafetensorsSource, name: &str) -> Result<ModelParts> {
    let source = Rc::new(source);
    let found = source.names();
    refuse_other_families(what, &found)?;
    let generation = generation(what, &found)?;
    let lists = [
        (UNET, names::unet(&below(&found, U_NET))),
        (VAE, names::autoencoder(&below(&found, AUTOENCODER))),
        (TEXT_ENCODER, text_names(generation, &found, &source)),
    ];
    let mut tensors: BTreeMap<String, Box<dyn TensorSource>> = BTreeMap::new();
    for (component, places) in lists {
        if places.is_empty() {
            return Err(unsupported(
                what,
                format!(
                    "has no {component}; a whole checkpoint has U-Net, autoencoder and text encoder"
                ),
            ));
        }
        let renamed = Gathered::of(&source, places);
        let canonical = Canonical::new(component, Box::new(renamed));
        tensors.insert(component.to_owned(), Box::new(canonical));
    }
    let part = |component: &str| tensors[component].as_ref();
    let text = configs::text_encoder(what, generation, part(TEXT_ENCODER))?;
    // A marker that trainers of v-prediction models leave; without it a 9-channel model predicts ε,
    // as diffusers takes it, too.
    let velocity = source.shape("v_pred").is_some();
    let configs = BTreeMap::from([
        (
            UNET.to_owned(),
            configs::unet(what, generation, part(UNET))?,
        ),
        (VAE.to_owned(), configs::autoencoder(what, part(VAE))?),
        (SCHEDULER.to_owned(), configs::scheduler(velocity)),
        (TEXT_ENCODER.to_owned(), text),
    ]);
    let positions = configs[TEXT_ENCODER]["max_position_embeddings"].as_u64();
    Ok(ModelParts {
        config: model_config(&source.user_metadata(), name),
        tokenizer: tokenizer(generation, positions.unwrap_or(0) as usize),
        configs,
        tensors,
    })
}

/// The autoencoder of a file that holds nothing else: LDM names with or without their prefix, else
/// diffusers' own, old or new.
pub(super) fn autoencoder_alone(source: SafetensorsSource) -> Box<dyn TensorSource> {
    let found = source.names();
    for prefix in [AUTOENCODER, ""] {
        let places = names::autoencoder(&below(&found, prefix));
        // diffusers has a few names in common with LDM, but not this one.
        if places.contains_key("encoder.down_blocks.0.resnets.0.conv1.weight") {
            let renamed = Gathered::of(&Rc::new(source), places);
            return Box::new(Canonical::new(VAE, Box::new(renamed)));
        }
    }
    Box::new(Canonical::new(VAE, Box::new(source)))
}

/// The names that begin with `prefix`, and what follows it.
fn below<'a>(names: &'a [String], prefix: &str) -> Vec<(&'a str, &'a str)> {
    names
        .iter()
        .filter_map(|name| Some((name.as_str(), name.strip_prefix(prefix)?)))
        .collect()
}

fn unsupported(what: &str, reason: String) -> DiffusionError {
    DiffusionError::Unsupported {
        what: what.to_owned(),
        reason,
    }
}

/// SDXL, SD 3 and Flux by tensors that only they have.
fn refuse_other_families(what: &str, names: &[String]) -> Result<()> {
    let marks = [
        ("conditioner.embedders.", "SDXL"),
        ("model.diffusion_model.label_emb.", "SDXL"),
        ("model.diffusion_model.joint_blocks.", "Stable Diffusion 3"),
        ("model.diffusion_model.double_blocks.", "Flux"),
    ];
    let family = marks
        .iter()
        .find(|(mark, _)| names.iter().any(|name| name.starts_with(mark)));
    match family {
        None => Ok(()),
        Some((_, family)) => Err(unsupported(
            what,
            format!("is {family}; Stable Diffusion 1.x and 2.x inpainting models are read"),
        )),
    }
}

fn generation(what: &str, names: &[String]) -> Result<Generation> {
    let has = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    if has(OPEN_CLIP) {
        Ok(Generation::Two)
    } else if has(CLIP) {
        Ok(Generation::One)
    } else {
        Err(unsupported(
            what,
            format!(
                "has no text encoder (`{CLIP}…` or `{OPEN_CLIP}…`): it is not a whole checkpoint"
            ),
        ))
    }
}

fn text_names(generation: Generation, found: &[String], source: &SafetensorsSource) -> Places {
    match generation {
        Generation::One => names::clip(&below(found, CLIP)),
        Generation::Two => {
            let width = source.shape(&format!("{OPEN_CLIP}ln_final.weight"));
            let width = width.and_then(|shape| shape.first().copied()).unwrap_or(0);
            names::open_clip(&below(found, OPEN_CLIP), width)
        }
    }
}

fn model_config(metadata: &BTreeMap<String, String>, name: &str) -> ModelConfig {
    let said = |key: &str| {
        metadata
            .get(&format!("modelspec.{key}"))
            .cloned()
            .unwrap_or_default()
    };
    let title = said("title");
    ModelConfig {
        name: if title.is_empty() {
            name.to_owned()
        } else {
            title
        },
        licence: said("license"),
        model_card: said("description"),
        ..ModelConfig::default()
    }
}

/// CLIP's tokenizer. SD 2 pads with `!`, whose id is 0: what OpenCLIP fills up with.
fn tokenizer(generation: Generation, max_length: usize) -> TokenizerSpec {
    let mut spec = TokenizerSpec::clip(max_length);
    if generation == Generation::Two {
        spec.pad_token.content = "!".into();
    }
    spec
}
