//! `fit` and `calibrate`: what makes a profile and what sets its threshold anew.

use std::path::PathBuf;

use clap::Args;

use super::{EngineArgs, IgnoreArgs, MethodArgs, TuneArgs};

/// `fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// Data set (CLASS/train/good), one class of it, or a folder of good photos
    pub data: PathBuf,
    /// The profile to write
    #[arg(long)]
    pub out: PathBuf,
    #[arg(long, help = k_shot_help())]
    pub k_shot: Option<usize>,
    /// Name of the only class, where DATA is a folder of good photos
    #[arg(long)]
    pub class: Option<String>,
    /// Prompts and part lists (TOML: [class] name, parts)
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Leave the good photos and their latents out: the profile shows nothing of them
    #[arg(long)]
    pub no_references: bool,
    /// Say what would be done, and stop; with --tune, try a few steps and say what all will cost
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub ignore: IgnoreArgs,
    #[command(flatten)]
    pub tuning: TuneArgs,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Constants of the method.
    #[command(flatten)]
    pub method: MethodArgs,
}

/// Good photos of a class that `fit` takes unless `--k-shot` says otherwise: as many as the bank of an
/// aligned class holds (`anomalysd_detect::prototypes::MOST_PROTOTYPES`).
pub const MOST_FITTED: usize = 64;

fn k_shot_help() -> String {
    format!(
        "Good photos per class, drawn by --seed [default: all, at most {MOST_FITTED} at even distances]"
    )
}

/// `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The profile
    #[arg(long)]
    pub profile: PathBuf,
    /// More good photos, or folders of them, that were not fitted on
    #[arg(required = true)]
    pub good: Vec<PathBuf>,
    /// Class in the profile, where there are several
    #[arg(long)]
    pub class: Option<String>,
    /// Where the new profile goes [default: in place]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
}
