//! A model taken apart: what folders, bundles and single files are read into and written from.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clip::TokenizerSpec;
use crate::model::ModelConfig;
use crate::weights::{Rounded, TensorSource};
use crate::{DiffusionError, Result};

/// Name of the U-Net among the components.
pub const UNET: &str = "unet";
/// Name of the autoencoder among the components.
pub const VAE: &str = "vae";
/// Name of the text encoder among the components.
pub const TEXT_ENCODER: &str = "text_encoder";
/// Name of the scheduler among the components; it has a configuration and no tensors.
pub const SCHEDULER: &str = "scheduler";

/// Configurations, tokenizer and tensors of a model, the tensors not yet read.
pub struct ModelParts {
    /// What diffusers' own files do not say.
    pub config: ModelConfig,
    /// diffusers' JSON by component; components beyond the four of a model travel along.
    pub configs: BTreeMap<String, Value>,
    /// The tokenizer.
    pub tokenizer: TokenizerSpec,
    /// Tensors by component, under canonical names.
    pub tensors: BTreeMap<String, Box<dyn TensorSource>>,
}

impl std::fmt::Debug for ModelParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelParts")
            .field("config", &self.config)
            .field("components", &self.configs.keys())
            .finish_non_exhaustive()
    }
}

impl ModelParts {
    /// The model with every tensor given as f16, also where it is stored otherwise: with
    /// [`HalfStorage::Kept`](crate::weights::HalfStorage::Kept) all weights then take two bytes a value.
    #[must_use]
    pub fn rounded_to_half(mut self) -> Self {
        let rounded = |(name, source)| (name, Box::new(Rounded(source)) as Box<dyn TensorSource>);
        self.tensors = self.tensors.into_iter().map(rounded).collect();
        self
    }

    /// The JSON text of a component's configuration.
    ///
    /// # Errors
    /// [`DiffusionError::Unsupported`] for a component that the model lacks.
    pub fn config_json(&self, component: &str) -> Result<String> {
        self.configs
            .get(component)
            .map(Value::to_string)
            .ok_or_else(|| self.lacks(component))
    }

    /// The tensors of a component.
    ///
    /// # Errors
    /// [`DiffusionError::Unsupported`] for a component that the model lacks.
    pub fn source(&self, component: &str) -> Result<&dyn TensorSource> {
        self.tensors
            .get(component)
            .map(Box::as_ref)
            .ok_or_else(|| self.lacks(component))
    }

    fn lacks(&self, component: &str) -> DiffusionError {
        DiffusionError::Unsupported {
            what: self.config.name.clone(),
            reason: format!(
                "has no `{component}`; an inpainting model has unet, vae, text_encoder and scheduler"
            ),
        }
    }
}

/// A configuration without the keys that only say where and by what it was written.
pub(super) fn without_origin(mut config: Value) -> Value {
    if let Some(object) = config.as_object_mut() {
        object.retain(|key, _| {
            let origin = [
                "transformers_version",
                "torch_dtype",
                "dtype",
                "architectures",
            ]
            .contains(&key.as_str());
            !origin && (!key.starts_with('_') || key == "_class_name")
        });
    }
    config
}
