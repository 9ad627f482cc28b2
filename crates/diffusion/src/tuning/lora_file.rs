//! The low-rank factors as a file that other programs load, f16.

use std::collections::{BTreeMap, HashMap};

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;

use super::{DOWN, PREFIX, Tuning, UP};
use crate::lora::{METADATA, kohya_module};
use crate::weights::HostTensor;
use crate::{DiffusionError, Result};

/// How the tensors of a LoRA file are named, and where its α stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoraNaming {
    /// As PEFT and diffusers: `unet.MODULE.lora_A.weight`. α is in the metadata, where diffusers looks
    /// for PEFT's configuration.
    #[default]
    Peft,
    /// As kohya-ss: `lora_unet_MODULE.lora_down.weight`, dots of the module as underscores, and
    /// `lora_unet_MODULE.alpha` (f32) beside each pair.
    Kohya,
}

/// Number format, shape and bytes of a tensor.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

impl Tuning {
    /// The factors as a LoRA file, linear maps and convolutions alike. The same tuning gives the same
    /// bytes.
    ///
    /// # Errors
    /// [`DiffusionError::Unsupported`] where there are none.
    pub fn lora_file(&self, naming: LoraNaming) -> Result<Vec<u8>> {
        let failed = |reason: String| DiffusionError::Unsupported {
            what: "the tuning".into(),
            reason,
        };
        if self.lora.is_empty() {
            return Err(failed("changes no weight of the U-Net by a LoRA".into()));
        }
        let (tensors, metadata) = match naming {
            LoraNaming::Peft => {
                let tensors = self.lora.iter();
                let tensors = tensors.map(|(name, tensor)| (name.clone(), halves(tensor)));
                // One key: a map with several has no order.
                let metadata = HashMap::from([(METADATA.to_owned(), self.peft_config())]);
                (tensors.collect(), Some(metadata))
            }
            LoraNaming::Kohya => (self.kohya_tensors(), None),
        };
        let views = tensors
            .iter()
            .map(|(name, (dtype, shape, bytes)): (&String, &Stored)| {
                let view = TensorView::new(*dtype, shape.clone(), bytes);
                view.map(|view| (name, view))
            })
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        safetensors::serialize(views, metadata).map_err(|error| failed(error.to_string()))
    }

    /// The changed modules with the ranks of their pairs.
    fn ranks(&self) -> BTreeMap<&str, usize> {
        let ranks = self.lora.iter().filter_map(|(name, down)| {
            let module = name.strip_prefix(PREFIX)?.strip_suffix(DOWN.1)?;
            Some((module, down.shape.first().copied().unwrap_or(0)))
        });
        ranks.collect()
    }

    /// PEFT's options under the component's name, as diffusers keeps them.
    fn peft_config(&self) -> String {
        let ranks = self.ranks();
        let rank = ranks.values().next().copied().unwrap_or(0);
        let modules: Vec<&str> = ranks.keys().copied().collect();
        let others: BTreeMap<&str, usize> = ranks
            .into_iter()
            .filter(|(_, other)| *other != rank)
            .collect();
        let mut config = json!({
            "unet.r": rank,
            "unet.lora_alpha": self.lora_alpha,
            "unet.target_modules": modules,
        });
        if !others.is_empty() {
            config["unet.rank_pattern"] = json!(others);
        }
        config.to_string()
    }

    fn kohya_tensors(&self) -> BTreeMap<String, Stored> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.lora.iter() {
            let own = name.strip_prefix(PREFIX).unwrap_or(name);
            let ends = [(DOWN.1, "lora_down"), (UP.1, "lora_up")];
            for (end, side) in ends {
                let Some(module) = own.strip_suffix(end).map(kohya_module) else {
                    continue;
                };
                let alpha = (self.lora_alpha as f32).to_le_bytes().to_vec();
                tensors.insert(format!("{module}.alpha"), (Dtype::F32, Vec::new(), alpha));
                tensors.insert(format!("{module}.{side}.weight"), halves(tensor));
            }
        }
        tensors
    }
}

fn halves(tensor: &HostTensor) -> Stored {
    let halves = tensor.values.iter().map(|value| f16::from_f32(*value));
    let bytes = halves.flat_map(f16::to_le_bytes).collect();
    (Dtype::F16, tensor.shape.clone(), bytes)
}
