//! Pre-training of `mini` from nothing: first the VAE, then U-Net and text encoder on its latents.
//!
//! Pictures are drawn by `synth` and cropped from free photographs while training goes on. The
//! VAE begins as the linear projection of its own width (its residual branches are zero), so
//! every step is one beyond principal components.

mod given;
pub mod holes;
mod pictures;
pub mod repaired;
mod unet;
mod vae;
mod vae_init;

use std::path::PathBuf;

use anomalysd_dataset::synth::Family;
use anomalysd_diffusion::checkpoint::native::save_single_file;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use pictures::Pictures;
pub use unet::{Denoiser, UnetOptions};
pub use vae::{VaeOptions, load_vae, vae_config};

use self::given::Given;
use crate::error::io;
use crate::log::Progress;
use crate::stage::Control;
use crate::{Result, TrainError};

/// What to train, on what and how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Folder of checkpoints, log, sheets and the result.
    pub out: PathBuf,
    /// Folder of free photographs; drawn pictures alone without one.
    pub photos: Option<PathBuf>,
    /// Families of `synth` that are drawn, by name; all where none is named.
    pub families: Vec<String>,
    /// Photos to measure on, never to train on.
    pub probe: Option<PathBuf>,
    /// Seed of weights, pictures, crops and noise.
    pub seed: u64,
    /// Continue from the newest checkpoints in `out`.
    pub resume: bool,
    /// Threads that each compute a part of a batch; 1 on a GPU.
    pub workers: usize,
    /// Threads that draw pictures ahead; 0 takes the cores that the workers leave, at least one.
    pub loaders: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints kept per stage.
    pub keep: usize,
    /// Steps between sheets of pictures, and one at the end; 0 for none.
    pub sheet_every: u64,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// What to begin with, under a fresh optimiser: a model of mini's kind (VAE, U-Net, text
    /// encoder and tokenizer, whose sizes replace those of the options), or a checkpoint of the
    /// U-Net stage.
    pub from: Option<PathBuf>,
    /// The VAE.
    pub vae: VaeOptions,
    /// U-Net and text encoder.
    pub unet: UnetOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            out: PathBuf::from("pretrain"),
            photos: None,
            families: Vec::new(),
            probe: None,
            seed: 0,
            resume: false,
            workers: 2,
            loaders: 0,
            checkpoint_every: 200,
            keep: 3,
            sheet_every: 400,
            log_every: 20,
            from: None,
            vae: VaeOptions::default(),
            unet: UnetOptions::default(),
        }
    }
}

impl Options {
    /// Threads that draw pictures.
    fn loader_threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.loaders {
            0 => cores.saturating_sub(self.workers).max(1),
            threads => threads,
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1024).contains(&self.workers) {
            return Err(option("workers", self.workers, "1 to 1024"));
        }
        self.families()?;
        self.vae.validate()?;
        self.unet.validate()
    }

    /// The families that are drawn.
    fn families(&self) -> Result<Vec<Family>> {
        if self.families.is_empty() {
            return Ok(Family::ALL.to_vec());
        }
        let named = |name: &String| {
            let known = Family::ALL.iter().map(|family| family.name());
            Family::named(name)
                .ok_or_else(|| option("families", name, known.collect::<Vec<_>>().join(", ")))
        };
        self.families.iter().map(named).collect()
    }
}

/// An error for an option's value.
pub(crate) fn option(
    option: &'static str,
    got: impl ToString,
    expected: impl Into<String>,
) -> TrainError {
    TrainError::Option {
        option,
        got: got.to_string(),
        expected: expected.into(),
    }
}

/// Refuses the first option that is out of its range.
pub(crate) fn check(ranges: &[(&'static str, f64, std::ops::RangeInclusive<f64>)]) -> Result<()> {
    for (name, value, range) in ranges {
        if !range.contains(value) {
            let expected = format!("{} to {}", range.start(), range.end());
            return Err(option(name, value, expected));
        }
    }
    Ok(())
}

/// Trains all stages on `device` (a plain one; automatic differentiation is added here).
///
/// # Errors
/// Options, files, divergence, a stop by `progress`.
pub fn run(
    options: &Options,
    device: &Device,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<()> {
    options.validate()?;
    std::fs::create_dir_all(&options.out).map_err(io("create", &options.out))?;
    let pictures = Pictures::open(options.photos.as_deref(), options.families()?, options.seed)?;
    let given = Given::open(options, device)?;
    if options.vae.steps > 0 {
        vae::train(options, given.model(), &pictures, device, progress)?;
    }
    let vae = match given.model() {
        Some(model) if options.vae.steps == 0 => model.networks.vae.clone(),
        _ => load_vae(&options.out, device)?.0,
    };
    let model = unet::train(options, &given, &pictures, &vae, device, progress)?;
    let path = options.out.join("mini.safetensors");
    Ok(save_single_file(&model.parts()?, &path)?)
}
