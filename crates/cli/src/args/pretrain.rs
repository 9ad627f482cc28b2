//! `pretrain`: a file of options, and flags that win over it.

use std::path::PathBuf;

use anomalysd_train::pretrain::Options as Pretraining;
use clap::Args;

use crate::device::DeviceChoice;

/// The text of a flag of `pretrain` with the default that the library holds.
fn pretraining<T: std::fmt::Display>(text: &str, pick: fn(Pretraining) -> T) -> String {
    format!("{text} [default: {}]", pick(Pretraining::default()))
}

/// `pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// Options as JSON; flags win [default: the library's]
    pub options: Option<PathBuf>,
    /// Folder of checkpoints, log, sheets and the result
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Folder of free photographs to crop from, beside drawn pictures
    #[arg(long)]
    pub photos: Option<PathBuf>,
    /// Photos to measure on, never to train on
    #[arg(long)]
    pub probe: Option<PathBuf>,
    #[arg(long, help = pretraining("Seed of weights, pictures, crops and noise", |own| own.seed))]
    pub seed: Option<u64>,
    /// Continue from the newest checkpoints in the folder
    #[arg(long)]
    pub resume: bool,
    /// Begin with these weights, under a fresh optimiser
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "resume")]
    pub from: Option<PathBuf>,
    #[arg(long, help = pretraining("Steps of the VAE", |own| own.vae.steps))]
    pub vae_steps: Option<u64>,
    #[arg(long, help = pretraining("Steps of U-Net and text encoder", |own| own.unet.steps))]
    pub unet_steps: Option<u64>,
    #[arg(long, help = pretraining("Steps between checkpoints", |own| own.checkpoint_every))]
    pub checkpoint_every: Option<u64>,
    #[arg(long, help = pretraining("Steps between sheets of pictures", |own| own.sheet_every))]
    pub sheet_every: Option<u64>,
    #[arg(long, help = pretraining("Threads that each compute a part of a batch; 1 on a GPU", |own| own.workers))]
    pub workers: Option<usize>,
    /// Print all options as JSON, and stop
    #[arg(long)]
    pub print_options: bool,
    /// Curves on the whole terminal instead of a line now and then; q and then s stops after a checkpoint, Ctrl-C does not
    #[arg(long)]
    pub dashboard: bool,
    /// auto, cpu, gpu or gpu:N; cuda or cuda:N in builds that have it
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    pub device: DeviceChoice,
}
