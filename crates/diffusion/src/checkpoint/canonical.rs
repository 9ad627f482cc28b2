//! Checkpoints of different ages under one set of tensor names.

use std::collections::BTreeMap;

use safetensors::Dtype;

use super::parts::{TEXT_ENCODER, VAE};
use crate::weights::{HostTensor, TensorSource};
use crate::{DiffusionError, Result};

/// A source whose tensors have the names that current diffusers and the usual text encoders use:
///
/// | component | stored | canonical |
/// | --- | --- | --- |
/// | `vae` | `attentions.0.query` `key` `value` `proj_attn` | `to_q` `to_k` `to_v` `to_out.0` |
/// | `vae` | these as 1×1 convolutions `[o, i, 1, 1]` | `[o, i]` |
/// | `text_encoder` | `embeddings.…` (transformers 5) | `text_model.embeddings.…` |
/// | `text_encoder` | `position_ids`, projections, image tower | left out |
pub(super) struct Canonical {
    source: Box<dyn TensorSource>,
    /// Canonical → stored name.
    names: BTreeMap<String, String>,
}

impl Canonical {
    pub(super) fn new(component: &str, source: Box<dyn TensorSource>) -> Self {
        let rename = |stored: String| canonical_name(component, &stored).map(|name| (name, stored));
        let names = source.names().into_iter().filter_map(rename).collect();
        Self { source, names }
    }
}

impl TensorSource for Canonical {
    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let stored = self.names.get(name)?;
        self.source
            .shape(stored)
            .map(|shape| canonical_shape(name, shape))
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let stored = self
            .names
            .get(name)
            .ok_or_else(|| DiffusionError::MissingTensor {
                name: name.to_owned(),
                expected: Vec::new(),
            })?;
        let mut tensor = self.source.read(stored)?;
        tensor.shape = canonical_shape(name, tensor.shape);
        Ok(tensor)
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.names.get(name) {
            Some(stored) => self.source.read_half(stored),
            None => Ok(None),
        }
    }

    fn stored_as(&self, name: &str) -> Option<Dtype> {
        self.source.stored_as(self.names.get(name)?)
    }
}

fn canonical_name(component: &str, stored: &str) -> Option<String> {
    match component {
        VAE if stored.contains("attentions.") => {
            let parts = stored.split('.').map(|part| match part {
                "query" => "to_q",
                "key" => "to_k",
                "value" => "to_v",
                "proj_attn" => "to_out.0",
                other => other,
            });
            Some(parts.collect::<Vec<_>>().join("."))
        }
        TEXT_ENCODER => {
            let foreign = ["text_projection.", "visual_projection.", "vision_model."];
            if stored.ends_with("position_ids")
                || stored == "logit_scale"
                || foreign.iter().any(|f| stored.starts_with(f))
            {
                None
            } else if stored.starts_with("text_model.") {
                Some(stored.to_owned())
            } else {
                Some(format!("text_model.{stored}"))
            }
        }
        _ => Some(stored.to_owned()),
    }
}

fn canonical_shape(name: &str, shape: Vec<usize>) -> Vec<usize> {
    let linear = name.contains("attentions.")
        && (name.contains(".to_q.")
            || name.contains(".to_k.")
            || name.contains(".to_v.")
            || name.contains(".to_out."));
    match shape[..] {
        [outputs, inputs, 1, 1] if linear => vec![outputs, inputs],
        _ => shape,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_become_canonical() {
        let cases = [
            (
                VAE,
                "encoder.mid_block.attentions.0.query.weight",
                Some("encoder.mid_block.attentions.0.to_q.weight"),
            ),
            (
                VAE,
                "decoder.mid_block.attentions.0.proj_attn.bias",
                Some("decoder.mid_block.attentions.0.to_out.0.bias"),
            ),
            (
                VAE,
                "encoder.conv_in.weight",
                Some("encoder.conv_in.weight"),
            ),
            (
                TEXT_ENCODER,
                "embeddings.token_embedding.weight",
                Some("text_model.embeddings.token_embedding.weight"),
            ),
            (
                TEXT_ENCODER,
                "text_model.final_layer_norm.bias",
                Some("text_model.final_layer_norm.bias"),
            ),
            (TEXT_ENCODER, "text_model.embeddings.position_ids", None),
            (TEXT_ENCODER, "text_projection.weight", None),
            (
                "unet",
                "mid_block.attentions.0.norm.weight",
                Some("mid_block.attentions.0.norm.weight"),
            ),
        ];
        for (component, stored, expected) in cases {
            assert_eq!(
                canonical_name(component, stored).as_deref(),
                expected,
                "{stored}"
            );
        }
    }

    #[test]
    fn convolutions_of_old_attentions_become_linear() {
        let tensor = HostTensor {
            shape: vec![2, 2, 1, 1],
            values: vec![1.0, 2.0, 3.0, 4.0],
        };
        let stored = "encoder.mid_block.attentions.0.query.weight";
        let source = Canonical::new(VAE, Box::new(BTreeMap::from([(stored.to_owned(), tensor)])));
        let name = "encoder.mid_block.attentions.0.to_q.weight";
        assert_eq!(source.shape(name).unwrap(), [2, 2]);
        assert_eq!(source.read(name).unwrap().shape, [2, 2]);
        assert!(source.read(stored).is_err());
    }
}
