//! Fine-tuning of an inpainting model on the few good photos of all classes of a data set
//! (METHOD §§ 3, 4): first the U-Net, then the decoder.
//!
//! Both stages are [`Stage`](crate::stage::Stage)s: the loop, the optimiser, checkpoints and the log are
//! those of pre-training. What is tuned is one model for all classes. Nothing here knows files of
//! photos, profiles or the command line: [`run`] gets photos of the detection's own size and returns
//! what changed.

mod augment;
mod cache;
mod decoder;
mod holes;
pub mod look;
mod memory;
mod options;
mod perceptual;
mod photos;
mod resume;
pub mod step;
mod trial;
mod unet;

use std::path::Path;

use anomalysd_detect::options::DetectOptions;
use anomalysd_diffusion::checkpoint::{ModelParts, UNET};
use anomalysd_diffusion::model::{InpaintModel, ReferenceTime};
use anomalysd_diffusion::tuning::{Tensors, Tuning};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, GradientCheckpointingStrategy, Tensor};

pub use augment::Augmentation;
pub use memory::{MemoryQuestion, unet_step_bytes};
pub use options::{DecoderOptions, Method, MixedPrecision, Options, UnetOptions};
pub use photos::{GoodPhoto, TuneClass, multiple};
pub use trial::{Cost, costs};
pub use unet::{lora_config, trained_parameters};

use crate::error::io;
use crate::log::Progress;
use crate::stage::{Control, Start};
use crate::{Result, TrainError};

/// What is tuned, on what.
pub struct Task<'a> {
    /// The model to begin with, on a plain device.
    pub model: &'a InpaintModel,
    /// The same, taken apart: where the U-Net that is trained is read from.
    pub parts: &'a ModelParts,
    /// The classes with their good photos.
    pub classes: &'a [TuneClass],
    /// Cells per side of the scales that a detection paints.
    pub scales: &'a [usize],
    /// Those of the detections that the model is tuned for: halo and smallest cell of their passes, and how
    /// the pictures of the sheets are painted.
    pub detection: &'a DetectOptions,
    /// Folder of checkpoints and log.
    pub work: &'a Path,
    /// Continue from the newest checkpoints in it.
    pub resume: bool,
    /// Whether the caller wants the end, asked where no step is taken: while photos are encoded and the
    /// terms of the decoder's loss are weighed.
    pub stops: &'a dyn Fn() -> bool,
}

impl Task<'_> {
    fn start(&self) -> Start {
        if self.resume {
            Start::Resume
        } else {
            Start::Fresh
        }
    }

    /// Ends a stage before its first step where the caller wants that.
    fn go_on(&self, stage: &'static str) -> Result<()> {
        if (self.stops)() {
            return Err(TrainError::Stopped { stage, step: 0 });
        }
        Ok(())
    }
}

/// What tuning changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Low-rank factors and differences of the decoder, rounded as they are stored.
    pub tuning: Tuning,
    /// The whole U-Net, where all of it was trained.
    pub unet: Option<Tensors>,
}

impl Tuned {
    /// The tuned model. It knows references, clean at timestep 0, where its U-Net was tuned.
    ///
    /// # Errors
    /// Parts of another model.
    pub fn merge_into(&self, parts: ModelParts) -> Result<ModelParts> {
        let mut parts = self.tuning.merge_into(parts)?;
        if let Some(unet) = &self.unet {
            parts
                .tensors
                .insert(UNET.to_owned(), Box::new(unet.clone()));
            parts.config.reference_trained = true;
            parts.config.reference_time = ReferenceTime::Zero;
        }
        Ok(parts)
    }
}

/// Tunes the U-Net, then the decoder, as far as the options want steps of them.
///
/// # Errors
/// Options, files, checkpoints of another run, divergence, a stop by `progress`.
pub fn run(
    task: &Task<'_>,
    options: &Options,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Tuned> {
    options.validate()?;
    options.mixed_precision.check(&task.model.device)?;
    photos::check(task)?;
    if task.resume && !task.work.is_dir() {
        return Err(TrainError::Format {
            path: task.work.to_owned(),
            reason: "is no folder of a run that could be continued".to_owned(),
        });
    }
    std::fs::create_dir_all(task.work).map_err(io("create", task.work))?;
    if !task.resume {
        resume::refuse_used(task.work, &[unet::STAGE, decoder::STAGE])?;
        // Of a run that was stopped before its first checkpoint.
        let log = task.work.join("log.jsonl");
        if log.exists() {
            std::fs::remove_file(&log).map_err(io("remove", &log))?;
        }
    }
    let mut tuned = Tuned {
        tuning: Tuning::default(),
        unet: None,
    };
    if options.unet.max_train_steps > 0 {
        unet::train(task, options, &mut tuned, progress)?;
    }
    if options.decoder.max_train_steps > 0 {
        decoder::train(task, options, &mut tuned, progress)?;
    }
    tuned.tuning = tuned.tuning.rounded_to_half();
    Ok(tuned)
}

/// A tensor that a loss needs and nothing is derived by, on the device of the module that is trained.
fn constant<const D: usize>(tensor: Tensor<D>, device: &Device) -> Tensor<D> {
    crate::optimise::on_autodiff(tensor, device.gradient_checkpointing_strategy())
}

/// A tensor in another type, itself where it is in that type.
fn cast<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype {
        tensor
    } else {
        tensor.cast(dtype)
    }
}

/// A module of a plain device as one that is trained on an autodiff device: its weights are shared until
/// they change.
fn on_device<M: Module>(module: &M, device: &Device) -> M {
    struct Moved(Option<GradientCheckpointingStrategy>);
    impl ModuleMapper for Moved {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| crate::optimise::on_autodiff(tensor.inner(), self.0).require_grad())
        }
    }
    let strategy = device.gradient_checkpointing_strategy();
    module.clone().train().map(&mut Moved(strategy))
}

/// The device that a stage trains on.
fn autodiff(device: &Device, gradient_checkpointing: bool) -> Device {
    let autodiff = device.clone().autodiff();
    if gradient_checkpointing {
        autodiff.gradient_checkpointing()
    } else {
        autodiff
    }
}
