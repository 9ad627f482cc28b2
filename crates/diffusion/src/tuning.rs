//! What fine-tuning changed in a model: low-rank factors of the U-Net, differences of the decoder.
//!
//! It is small enough to travel in a profile, and is added to the weights as they are read: no
//! second copy of the model is ever in memory, and whoever loads the model that was tuned gets the
//! tuned one. Stored as f16: a factor then is off by one part in 2,048 at most, a difference by that
//! or by 3·10⁻⁸, which is less than the last digit that the weights themselves keep as f16. Tuning
//! rounds before anything is fitted with the result, so that nothing is lost on the way.

mod lora_file;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use half::f16;

pub use self::lora_file::LoraNaming;
use crate::checkpoint::{ModelParts, VAE};
use crate::lora::Lora;
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

/// The changes of one model. Its copies share their tensors, and so does a model that is being read
/// with them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tuning {
    /// Factors of the U-Net under the names that diffusers gives them: `unet.MODULE.lora_A.weight`
    /// `[r, inputs…]` and `unet.MODULE.lora_B.weight` `[outputs, r]`, for convolutions `[outputs, r, 1, 1]`.
    pub lora: Arc<Tensors>,
    /// α of all pairs: a product counts α/r.
    pub lora_alpha: f64,
    /// What is added to weights of the autoencoder, by their names.
    pub decoder: Arc<Tensors>,
}

impl Tuning {
    /// The factors among the tensors of a U-Net whose layers have low-rank branches.
    #[must_use]
    pub fn with_branches(mut self, state: Vec<NamedTensor>, lora_alpha: f64) -> Self {
        let lora = Arc::make_mut(&mut self.lora);
        for (name, shape, values) in state {
            let peft = [DOWN, UP]
                .iter()
                .find_map(|(own, peft)| Some(format!("{PREFIX}{}{peft}", name.strip_suffix(own)?)));
            if let Some(peft) = peft {
                lora.insert(peft, HostTensor { shape, values });
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
        let decoder = Arc::make_mut(&mut self.decoder);
        for (name, mut tensor) in tuned {
            check(base, &name, &tensor)?;
            let before = base.read(&name)?.values;
            (tensor.values.iter_mut().zip(before)).for_each(|(value, before)| *value -= before);
            decoder.insert(name, tensor);
        }
        Ok(self)
    }

    /// The same as it is stored.
    #[must_use]
    pub fn rounded_to_half(mut self) -> Self {
        for tensors in [&mut self.lora, &mut self.decoder] {
            let tensors = Arc::make_mut(tensors).values_mut();
            for value in tensors.flat_map(|tensor| &mut tensor.values) {
                *value = f16::from_f32(*value).to_f32();
            }
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
            let lora = Lora::from_tensors(what, Rc::new(Arc::clone(&self.lora)), self.lora_alpha);
            parts = lora.merge_into(parts, 1.0)?;
            parts.config.reference_trained = true;
            parts.config.reference_time = ReferenceTime::Zero;
        }
        if !self.decoder.is_empty() {
            let base = parts.source(VAE)?;
            for (name, change) in self.decoder.iter() {
                check(base, name, change)?;
            }
            if let Some(base) = parts.tensors.remove(VAE) {
                let difference = |name: &String| {
                    let all = Arc::clone(&self.decoder);
                    (
                        name.clone(),
                        Difference {
                            all,
                            name: name.clone(),
                        },
                    )
                };
                let changes = self.decoder.keys().map(difference).collect();
                let changed = Box::new(Changed { base, changes });
                parts.tensors.insert(VAE.to_owned(), changed);
            }
        }
        Ok(parts)
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

/// One of the differences of the decoder.
struct Difference {
    all: Arc<Tensors>,
    name: String,
}

impl Change for Difference {
    fn add_to(&self, values: &mut [f32]) -> Result<()> {
        let pairs = values.iter_mut().zip(&self.all[&self.name].values);
        pairs.for_each(|(value, change)| *value += change);
        Ok(())
    }
}
