//! A file of weights: its tensors, its fingerprint, and which network it holds.

use anomalysd_diffusion::checkpoint::refuse_pickle;
use anomalysd_diffusion::weights::{Loader, ReadAt, SafetensorsSource, TensorSource};
use sha2::{Digest, Sha256};

use super::{alexnet, dinov2, efficientnet};
use crate::DetectError;
use crate::report::hex;

/// Bytes that are hashed at a time: a file may be larger than a browser's memory.
const HASHED: u64 = 1 << 22;

/// A safetensors file.
pub(super) struct WeightsFile {
    /// How it is called in errors.
    pub what: String,
    /// Its tensors.
    pub source: SafetensorsSource,
    /// SHA-256 of its bytes.
    pub fingerprint: String,
}

/// What the names of the tensors say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    EfficientNetLite0,
    Dinov2,
    AlexNet,
}

impl WeightsFile {
    pub fn open(what: &str, bytes: impl ReadAt + 'static) -> Result<Self, DetectError> {
        refuse_pickle(what, &bytes)?;
        let fingerprint = fingerprint(what, &bytes)?;
        Ok(Self {
            what: what.to_owned(),
            source: SafetensorsSource::new(what, bytes)?,
            fingerprint,
        })
    }

    pub fn architecture(&self) -> Result<Architecture, DetectError> {
        let has = |name: &str| self.source.shape(name).is_some();
        if has(efficientnet::STEM) {
            Ok(Architecture::EfficientNetLite0)
        } else if dinov2::prefix(&self.source).is_some() {
            Ok(Architecture::Dinov2)
        } else if has(alexnet::STEM) {
            Ok(Architecture::AlexNet)
        } else {
            Err(self.refused(format!(
                "holds none of the networks that are known by their tensors: EfficientNet-Lite0 (`{}`), \
                 DINOv2 as transformers names it (`{}`), AlexNet as torchvision names it (`{}`)",
                efficientnet::STEM,
                dinov2::STEM,
                alexnet::STEM
            )))
        }
    }

    /// Refuses tensors that nothing asked for, but for those that `ignored` knows as parts of the
    /// checkpoint that features do not need.
    pub fn refuse_unknown(
        &self,
        loader: &Loader,
        ignored: impl Fn(&str) -> bool,
    ) -> Result<(), DetectError> {
        match loader.unused().iter().find(|name| !ignored(name)) {
            Some(name) => Err(self.refused(format!("holds an unknown tensor `{name}`"))),
            None => Ok(()),
        }
    }

    pub fn refused(&self, reason: impl std::fmt::Display) -> DetectError {
        DetectError::FeatureWeights {
            reason: format!("{} {reason}", self.what),
        }
    }
}

fn fingerprint(what: &str, bytes: &impl ReadAt) -> Result<String, DetectError> {
    let mut digest = Sha256::new();
    let mut start = 0;
    while start < bytes.len() {
        let length = HASHED.min(bytes.len() - start);
        let part = bytes.read_at(start, length as usize);
        digest.update(part.map_err(|reason| DetectError::FeatureWeights {
            reason: format!("{what}: {reason}"),
        })?);
        start += length;
    }
    Ok(hex(&digest.finalize()))
}
