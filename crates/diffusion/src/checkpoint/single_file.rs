//! A model in one safetensors file, as `mini` is compiled into the binary.

use std::collections::BTreeMap;
use std::rc::Rc;

use safetensors::Dtype;

use super::canonical::Canonical;
use super::manifest::Manifest;
use super::parts::ModelParts;
use crate::weights::{HostTensor, SafetensorsSource, TensorSource};
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
    let tensors = manifest.components.keys().map(|component| {
        let prefixed = Prefixed {
            source: Rc::clone(&source),
            prefix: format!("{component}."),
        };
        (
            component.clone(),
            Box::new(Canonical::new(component, Box::new(prefixed))) as Box<dyn TensorSource>,
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

/// The tensors of a source that begin with a prefix, without it.
struct Prefixed {
    source: Rc<SafetensorsSource>,
    prefix: String,
}

impl TensorSource for Prefixed {
    fn names(&self) -> Vec<String> {
        let names = self.source.names().into_iter();
        names
            .filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned))
            .collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.source.shape(&format!("{}{name}", self.prefix))
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        self.source.read(&format!("{}{name}", self.prefix))
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.source.read_half(&format!("{}{name}", self.prefix))
    }

    fn stored_as(&self, name: &str) -> Option<Dtype> {
        self.source.stored_as(&format!("{}{name}", self.prefix))
    }
}
