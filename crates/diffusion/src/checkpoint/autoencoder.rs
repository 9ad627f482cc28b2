//! An autoencoder alone, to stand in place of a model's own: a tuned decoder, TAESD.

use std::rc::Rc;

use serde_json::{Value, json};

use super::canonical::Canonical;
use super::files::{self, Files, missing};
use super::folder::{config, weights};
use super::gathered::{Gathered, Stored};
use super::ldm;
use super::parts::{ModelParts, VAE};
use crate::weights::{SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

/// The two files of TAESD, as its author publishes them.
const TAESD: [(&str, &str); 2] = [
    ("encoder", "taesd_encoder.safetensors"),
    ("decoder", "taesd_decoder.safetensors"),
];

/// Configuration and tensors of an autoencoder, the tensors not yet read.
pub struct VaeParts {
    /// diffusers' JSON of an `AutoencoderKL` or `AutoencoderTiny`.
    pub config: Value,
    /// Tensors under diffusers' names.
    pub tensors: Box<dyn TensorSource>,
}

impl std::fmt::Debug for VaeParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaeParts")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl ModelParts {
    /// The model with another autoencoder. Whether it fits the U-Net shows when the model is
    /// assembled.
    #[must_use]
    pub fn with_vae(mut self, vae: VaeParts) -> Self {
        self.configs.insert(VAE.to_owned(), vae.config);
        self.tensors.insert(VAE.to_owned(), vae.tensors);
        self
    }
}

/// Opens the autoencoder of a folder: diffusers' `config.json` with weights, a whole model's `vae/`,
/// or `taesd_encoder.safetensors` with `taesd_decoder.safetensors`.
///
/// # Errors
/// Files that are missing or of another form; pickles.
pub fn open_vae_folder(files: &dyn Files) -> Result<VaeParts> {
    if TAESD.iter().all(|(_, file)| files.size(file).is_some()) {
        return taesd(files);
    }
    for folder in ["", VAE] {
        let path = files::join(folder, "config.json");
        if files.size(&path).is_some() {
            let config = config(files, &path)?;
            let tensors = Box::new(Canonical::new(VAE, weights(files, folder)?));
            return Ok(VaeParts { config, tensors });
        }
    }
    Err(missing(files, "config.json"))
}

/// Opens the autoencoder of one file: LDM or diffusers names; the configuration is read off the
/// shapes, as [`super::open_ldm`] does.
///
/// # Errors
/// [`DiffusionError::Unsupported`] where the file holds no `AutoencoderKL`.
pub fn open_vae_file(what: &str, source: SafetensorsSource) -> Result<VaeParts> {
    let tensors = ldm::autoencoder_alone(source);
    let config = ldm::autoencoder_config(what, tensors.as_ref())?;
    Ok(VaeParts { config, tensors })
}

/// TAESD under the names of its author: places in a `torch.nn.Sequential` each, the decoder's first
/// being a clamp, which diffusers does not count.
fn taesd(files: &dyn Files) -> Result<VaeParts> {
    let mut tensors = Gathered::default();
    for (part, file) in TAESD {
        let source = Rc::new(files::safetensors(files, file)?);
        for stored in source.names() {
            let renamed = stored.split_once('.').and_then(|(place, rest)| {
                let place: usize = place.parse().ok()?;
                let place = if part == "decoder" {
                    place.checked_sub(1)?
                } else {
                    place
                };
                Some(format!("{part}.layers.{place}.{rest}"))
            });
            let renamed = renamed.ok_or_else(|| DiffusionError::Unsupported {
                what: files.describe(file),
                reason: format!("holds `{stored}`, which TAESD does not have"),
            })?;
            tensors.add(renamed, &source, Stored::whole(&stored));
        }
    }
    let width = |name: &str, dimension: usize| {
        tensors
            .shape(name)
            .and_then(|shape| shape.get(dimension).copied())
            .ok_or_else(|| missing(files, name))
    };
    let encoder = width("encoder.layers.0.weight", 0)?;
    let decoder = width("decoder.layers.0.weight", 0)?;
    let config = json!({
        "_class_name": "AutoencoderTiny",
        "latent_channels": width("decoder.layers.0.weight", 1)?,
        "encoder_block_out_channels": vec![encoder; 4],
        "decoder_block_out_channels": vec![decoder; 4],
    });
    Ok(VaeParts {
        config,
        tensors: Box::new(tensors),
    })
}
