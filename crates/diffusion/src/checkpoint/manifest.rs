//! `bundle.json`: what is in a bundle and where.

use std::collections::BTreeMap;

use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::check_relative;
use crate::clip::TokenizerSpec;
use crate::model::ModelConfig;
use crate::{DiffusionError, Result};

/// The schema that is written and read.
pub const BUNDLE_SCHEMA: &str = "anomalysd.bundle.v1";
/// Shards are written with at most 32 MiB; twice that is read.
pub(super) const MAX_SHARD_BYTES: u64 = 64 << 20;
/// 10,000 shards of 32 MiB are 312 GiB, far beyond any Stable Diffusion.
const MAX_SHARDS: usize = 10_000;

/// Contents of `bundle.json`; in a single file, without shards and tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`BUNDLE_SCHEMA`].
    pub schema: String,
    /// Fingerprint of the model, for display; it is computed anew when the model is loaded.
    #[serde(default)]
    pub fingerprint: String,
    /// Name, licence, and the options that diffusers' files do not have.
    #[serde(flatten)]
    pub config: ModelConfig,
    /// diffusers' configuration of each component.
    pub components: BTreeMap<String, Value>,
    /// The tokenizer.
    pub tokenizer: TokenizerSpec,
    /// Files that hold the tensors.
    #[serde(default)]
    pub shards: Vec<Shard>,
    /// Tensors as `component.name`.
    #[serde(default)]
    pub tensors: BTreeMap<String, StoredTensor>,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Relative path.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// A tensor of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTensor {
    /// Number format: F16, BF16 or F32.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Where its rows are, in order.
    pub parts: Vec<Part>,
}

/// Rows of a tensor in one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Index into the shards.
    pub shard: usize,
    /// First byte, counted from the start of the shard's file.
    pub offset: u64,
    /// How many of the outermost dimension's entries; 1 for a scalar.
    pub rows: usize,
}

impl StoredTensor {
    /// Bytes of one row; `None` where they overflow or the format is no float that is read here.
    pub(super) fn row_bytes(&self) -> Option<u64> {
        let size = match self.dtype {
            Dtype::F16 | Dtype::BF16 => 2,
            Dtype::F32 => 4,
            _ => return None,
        };
        let inner = self.shape.get(1..).unwrap_or_default();
        inner
            .iter()
            .try_fold(size, |bytes: u64, side| bytes.checked_mul(*side as u64))
    }

    fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }
}

impl Manifest {
    /// Reads `bundle.json` and checks every number and path in it.
    ///
    /// # Errors
    /// [`DiffusionError::Container`] that names what is wrong with `what`.
    pub fn parse(what: &str, json: &[u8]) -> Result<Self> {
        let error = |reason: String| DiffusionError::Container {
            what: what.to_owned(),
            reason,
        };
        let value: Value = serde_json::from_slice(json).map_err(|e| error(e.to_string()))?;
        let schema = value
            .get("schema")
            .and_then(Value::as_str)
            .unwrap_or("none");
        if schema != BUNDLE_SCHEMA {
            return Err(error(format!(
                "has schema {schema:?}, {BUNDLE_SCHEMA:?} is read"
            )));
        }
        let manifest: Self = serde_json::from_value(value).map_err(|e| error(e.to_string()))?;
        manifest.config.validate()?;
        manifest.check_shards(what)?;
        for (name, tensor) in &manifest.tensors {
            manifest
                .check_tensor(tensor)
                .map_err(|reason| error(format!("tensor `{name}`: {reason}")))?;
        }
        Ok(manifest)
    }

    fn check_shards(&self, what: &str) -> Result<()> {
        let error = |reason: String| DiffusionError::Container {
            what: what.to_owned(),
            reason,
        };
        if self.shards.len() > MAX_SHARDS {
            return Err(error(format!(
                "{} shards, at most {MAX_SHARDS} are read",
                self.shards.len()
            )));
        }
        for shard in &self.shards {
            check_relative(what, &shard.path)?;
            if shard.bytes > MAX_SHARD_BYTES {
                return Err(error(format!(
                    "shard {:?} has {} bytes, at most {MAX_SHARD_BYTES} are read",
                    shard.path, shard.bytes
                )));
            }
            let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if shard.sha256.len() != 64 || !shard.sha256.chars().all(digit) {
                return Err(error(format!("shard {:?} has no SHA-256", shard.path)));
            }
        }
        Ok(())
    }

    fn check_tensor(&self, tensor: &StoredTensor) -> std::result::Result<(), String> {
        let Some(row_bytes) = tensor.row_bytes() else {
            return Err(format!(
                "shape {:?} of {:?} is not one that is read",
                tensor.shape, tensor.dtype
            ));
        };
        let mut rows = 0_usize;
        for part in &tensor.parts {
            let shard = self
                .shards
                .get(part.shard)
                .ok_or_else(|| format!("no shard {}", part.shard))?;
            let end = row_bytes
                .checked_mul(part.rows as u64)
                .and_then(|bytes| bytes.checked_add(part.offset));
            if end.is_none_or(|end| end > shard.bytes) {
                return Err(format!(
                    "{} rows at byte {} are beyond shard {:?}",
                    part.rows, part.offset, shard.path
                ));
            }
            rows = rows.saturating_add(part.rows);
        }
        if rows != tensor.rows() {
            return Err(format!(
                "{rows} rows are listed, shape {:?} has {}",
                tensor.shape,
                tensor.rows()
            ));
        }
        Ok(())
    }
}
