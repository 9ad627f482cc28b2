//! What a run begins with instead of fresh weights, always under a fresh optimiser.

use std::collections::BTreeMap;
use std::path::Path;

use anomalysd_diffusion::checkpoint::native::{open, open_safetensors};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig, Vae, VaeNetwork};
use anomalysd_diffusion::weights::{HostTensor, load_state, save_state};
use burn::module::Module;
use burn::tensor::Device;

use super::unet::{self, Denoiser};
use super::{Options, option};
use crate::checkpoint::{Checkpoint, is_checkpoint};
use crate::stage::best_weights;
use crate::{Result, TrainError};

/// Tensors by name.
pub type Weights = BTreeMap<String, HostTensor>;

/// The tensors of a module by name.
///
/// # Errors
/// A device that cannot hand values back.
pub fn weights(module: &impl Module) -> Result<Weights> {
    let named = save_state(module)?.into_iter();
    Ok(named
        .map(|(name, shape, values)| (name, HostTensor { shape, values }))
        .collect())
}

/// Weights to begin with.
pub enum Given {
    /// None: networks are drawn, the VAE is the linear projection.
    Nothing,
    /// U-Net and text encoder of a checkpoint, with the sizes of the options.
    Denoiser {
        /// Both networks' tensors.
        weights: Weights,
        /// Whether the U-Net predicts what the paste of the good photo lacks.
        reference_residual: bool,
    },
    /// A whole model; its sizes and tokenizer replace those of the options.
    Model(Box<GivenModel>),
}

/// A model to begin with, on the plain device.
pub struct GivenModel {
    /// All of it.
    pub networks: InpaintModel,
    /// The configuration of its VAE.
    pub vae_config: AutoencoderKlConfig,
}

impl GivenModel {
    /// Its VAE as a module of its own on another device.
    ///
    /// # Errors
    /// A device that cannot hand values back.
    pub fn vae(&self, device: &Device) -> Result<Vae> {
        let given = &self.networks.vae;
        let fresh = AutoencoderKl::init(&self.vae_config, 0, device)?;
        let fresh = Vae::kl(fresh, given.pixel_unshuffle())?;
        Ok(load_state(fresh, &weights(given)?)?)
    }
}

impl Given {
    /// Opens what the options name: a checkpoint of the U-Net stage or a model of mini's kind.
    ///
    /// # Errors
    /// Neither of both; sizes of the options that the model's factors do not divide.
    pub fn open(options: &Options, device: &Device) -> Result<Self> {
        let Some(path) = &options.from else {
            return Ok(Self::Nothing);
        };
        if path.is_file() && is_checkpoint(&open_safetensors(path)?) {
            let checkpoint = Checkpoint::read(path)?;
            let stage = &checkpoint.description.stage;
            if stage != unet::STAGE {
                let reason = format!("is of stage {stage}, not {}", unet::STAGE);
                return Err(refused(path, reason));
            }
            let residual = &checkpoint.description.options["unet"]["reference_residual"];
            return Ok(Self::Denoiser {
                weights: best_weights(&checkpoint),
                reference_residual: residual.as_bool().unwrap_or(false),
            });
        }
        let networks = InpaintModel::assemble(&open(path)?, device)?;
        if !networks.config.reference_latents || networks.scheduler.config() != &unet::schedule() {
            let reason = "is no model of mini's kind: reference latents and mini's schedule";
            return Err(refused(path, reason));
        }
        let VaeNetwork::Kl(vae) = &networks.vae.network else {
            return Err(refused(
                path,
                "has an AutoencoderTiny, not an AutoencoderKL",
            ));
        };
        let vae_config = vae.config().clone();
        check_sizes(options, &networks)?;
        Ok(Self::Model(Box::new(GivenModel {
            networks,
            vae_config,
        })))
    }

    /// The whole model, where there is one.
    pub fn model(&self) -> Option<&GivenModel> {
        match self {
            Self::Model(model) => Some(model),
            Self::Nothing | Self::Denoiser { .. } => None,
        }
    }

    /// Whether the given U-Net predicts what the paste of the good photo lacks.
    pub fn reference_residual(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Denoiser {
                reference_residual, ..
            } => *reference_residual,
            Self::Model(model) => model.networks.config.reference_residual,
        }
    }

    /// Weights of a [`Denoiser`], where some are given.
    ///
    /// # Errors
    /// A device that cannot hand values back.
    pub fn denoiser(&self) -> Result<Option<Weights>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Denoiser { weights, .. } => Ok(Some(weights.clone())),
            Self::Model(model) => weights(&Denoiser {
                unet: model.networks.unet.clone(),
                text: model.networks.text.clone(),
            })
            .map(Some),
        }
    }
}

/// Checks the sides of crops and pictures against the model.
fn check_sizes(options: &Options, model: &InpaintModel) -> Result<()> {
    let factor = model.vae.factor();
    let multiple = factor << (model.unet.config().block_out_channels.len() - 1);
    let multiple_of = |multiple| format!("a multiple of {multiple} for the model of `from`");
    if !options.vae.crop.is_multiple_of(factor) {
        return Err(option("vae.crop", options.vae.crop, multiple_of(factor)));
    }
    if !options.unet.size.is_multiple_of(multiple) {
        return Err(option(
            "unet.size",
            options.unet.size,
            multiple_of(multiple),
        ));
    }
    Ok(())
}

fn refused(path: &Path, reason: impl Into<String>) -> TrainError {
    TrainError::Format {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
