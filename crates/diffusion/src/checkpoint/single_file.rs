//! A model in one safetensors file, as `mini` is compiled into the binary.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::canonical::Canonical;
use super::gathered::{Gathered, Stored};
use super::manifest::Manifest;
use super::parts::ModelParts;
use crate::weights::{SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

/// Key of the table of contents in the file's `__metadata__`.
pub(super) const METADATA_KEY: &str = "anomalysd";

/// Opens a model in one file, as [`super::write_single_file`] writes it.
///
/// # Errors
/// [`DiffusionError::Container`] where the file has no table of contents or it does not hold.
pub fn open_single_file(what: &str, source: SafetensorsSource) -> Result<ModelParts> {
    let metadata = source.user_metadata();
    let json = metadata
        .get(METADATA_KEY)
        .ok_or_else(|| DiffusionError::Container {
            what: what.to_owned(),
            reason: format!("has no `{METADATA_KEY}` metadata: it is not a model in one file"),
        })?;
    let manifest = Manifest::parse(what, json.as_bytes())?;
    let source = Rc::new(source);
    let names = source.names();
    let tensors = manifest.components.keys().map(|component| {
        let of_component = names.iter().filter_map(|stored| {
            let name = stored.strip_prefix(component)?.strip_prefix('.')?;
            Some((name.to_owned(), Stored::whole(stored)))
        });
        let tensors = Gathered::of(&source, of_component);
        (
            component.clone(),
            Box::new(Canonical::new(component, Box::new(tensors))) as Box<dyn TensorSource>,
        )
    });
    let tensors: BTreeMap<_, _> = tensors.collect();
    Ok(ModelParts {
        config: manifest.config,
        configs: manifest.components,
        tokenizer: manifest.tokenizer,
        tensors,
    })
}
