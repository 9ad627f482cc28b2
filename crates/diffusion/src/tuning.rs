//! What fine-tuning changed in a model: low-rank factors of the U-Net, differences of the decoder.
//!
//! It is small enough to travel in a profile, and is added to the weights as they are read: no
//! second copy of the model is ever in memory, and whoever loads the model that was tuned gets the
//! tuned one. Stored as f16: a factor then is off by one part in 2,048 at most, a difference by that
//! or by 3·10⁻⁸, which is less than the last digit that the weights themselves keep as f16. Tuning
//! rounds before anything is fitted with the result, so that nothing is lost on the way.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;

use crate::checkpoint::{ModelParts, VAE};
use crate::lora::{Lora, METADATA};
use crate::model::ReferenceTime;
use crate::weights::{Change, Changed, HostTensor, NamedTensor, TensorSource};
use crate::{DiffusionError, Result};

/// Tensors by name.
pub type Tensors = BTreeMap<String, HostTensor>;

/// Ends of the names of a branch's tensors in a module, and in PEFT.
const DOWN: (&str, &str) = (".lora.down", ".lora_A.weight");
const UP: (&str, &str) = (".lora.up", ".lora_B.weight");
/// Component in the names of PEFT's tensors, as diffusers writes them.
const PREFIX: &str = "unet.";

/// The changes of one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tuning {
    /// Factors of the U-Net under the names that diffusers gives them: `unet.MODULE.lora_A.weight`
    /// `[r, inputs…]` and `unet.MODULE.lora_B.weight` `[outputs, r]`, for convolutions `[outputs, r, 1, 1]`.
    pub lora: Tensors,
    /// α of all pairs: a product counts α/r.
    pub lora_alpha: f64,
    /// What is added to weights of the autoencoder, by their names.
    pub decoder: Tensors,
}

impl Tuning {
    /// The factors among the tensors of a U-Net whose layers have low-rank branches.
    #[must_use]
    pub fn with_branches(mut self, state: Vec<NamedTensor>, lora_alpha: f64) -> Self {
        for (name, shape, values) in state {
            let peft = [DOWN, UP]
                .iter()
                .find_map(|(own, peft)| Some(format!("{PREFIX}{}{peft}", name.strip_suffix(own)?)));
            if let Some(peft) = peft {
                self.lora.insert(peft, HostTensor { shape, values });
            }
        }
        self.lora_alpha = lora_alpha;
        self
    }

    /// The differences between tuned weights of the autoencoder and those that it had.
    ///
    /// # Errors
    /// A tensor that the autoencoder does not have, or has in another shape.
    pub fn with_decoder(mut self, tuned: Tensors, base: &dyn TensorSource) -> Result<Self> {
        for (name, mut tensor) in tuned {
            check(base, &name, &tensor)?;
            let before = base.read(&name)?.values;
            (tensor.values.iter_mut().zip(before)).for_each(|(value, before)| *value -= before);
            self.decoder.insert(name, tensor);
        }
        Ok(self)
    }

    /// The same as it is stored.
    #[must_use]
    pub fn rounded_to_half(mut self) -> Self {
        let all = self.lora.values_mut().chain(self.decoder.values_mut());
        for value in all.flat_map(|tensor| &mut tensor.values) {
            *value = f16::from_f32(*value).to_f32();
        }
        self
    }

    /// The tuned model. It knows references, clean at timestep 0, where its U-Net was tuned.
    ///
    /// # Errors
    /// Changes of another architecture.
    pub fn merge_into(&self, mut parts: ModelParts) -> Result<ModelParts> {
        if !self.lora.is_empty() {
            let what = "the profile's tuning";
            let lora = Lora::from_tensors(what, Rc::new(self.lora.clone()), self.lora_alpha);
            parts = lora.merge_into(parts, 1.0)?;
            parts.config.reference_trained = true;
            parts.config.reference_time = ReferenceTime::Zero;
        }
        if !self.decoder.is_empty() {
            let base = parts.source(VAE)?;
            for (name, change) in &self.decoder {
                check(base, name, change)?;
            }
            if let Some(base) = parts.tensors.remove(VAE) {
                let changes = self.decoder.clone();
                let changed = Box::new(Changed { base, changes });
                parts.tensors.insert(VAE.to_owned(), changed);
            }
        }
        Ok(parts)
    }

    /// The factors as a LoRA file of diffusers and PEFT, f16: α is in the metadata, where diffusers
    /// looks for PEFT's configuration.
    ///
    /// # Errors
    /// [`DiffusionError::Unsupported`] where there are none.
    pub fn lora_file(&self) -> Result<Vec<u8>> {
        let failed = |reason: String| DiffusionError::Unsupported {
            what: "the tuning".into(),
            reason,
        };
        let modules: Vec<&str> = self
            .lora
            .keys()
            .filter_map(|name| name.strip_prefix(PREFIX)?.strip_suffix(DOWN.1))
            .collect();
        let first = modules
            .first()
            .and_then(|module| self.lora.get(&format!("{PREFIX}{module}{}", DOWN.1)));
        let rank = first
            .and_then(|down| down.shape.first().copied())
            .ok_or_else(|| failed("changes no weight of the U-Net by a LoRA".into()))?;
        let config = json!({
            "unet.r": rank,
            "unet.lora_alpha": self.lora_alpha,
            "unet.target_modules": modules,
        });
        // One key: a map with several has no order, and the same tuning has to give the same bytes.
        let metadata = HashMap::from([(METADATA.to_owned(), config.to_string())]);
        let halves: Vec<Vec<u8>> = self
            .lora
            .values()
            .map(|tensor| {
                let halves = tensor.values.iter().map(|value| f16::from_f32(*value));
                halves.flat_map(f16::to_le_bytes).collect()
            })
            .collect();
        let views = self
            .lora
            .iter()
            .zip(&halves)
            .map(|((name, tensor), bytes)| {
                let view = TensorView::new(Dtype::F16, tensor.shape.clone(), bytes);
                view.map(|view| (name, view))
            })
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))
    }
}

fn check(base: &dyn TensorSource, name: &str, change: &HostTensor) -> Result<()> {
    let expected = base
        .shape(name)
        .ok_or_else(|| DiffusionError::MissingTensor {
            name: format!("{VAE}.{name}"),
            expected: change.shape.clone(),
        })?;
    if expected != change.shape {
        return Err(DiffusionError::TensorShape {
            name: format!("{VAE}.{name}"),
            expected,
            got: change.shape.clone(),
        });
    }
    Ok(())
}

impl Change for HostTensor {
    fn add_to(&self, values: &mut [f32]) -> Result<()> {
        let pairs = values.iter_mut().zip(&self.values);
        pairs.for_each(|(value, change)| *value += change);
        Ok(())
    }
}
