//! `detect`: photos, the good ones or a profile, and what stdout gets.

use std::path::PathBuf;

use anomalysd_detect::ignore::MinArea;
use clap::{Args, ValueEnum};

use super::{EngineArgs, IgnoreArgs, MethodArgs};
use crate::shard::Shard;

/// `detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// Photos, or folders of photos
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Photos of good parts, or folders of them: fits on the fly, and keeps the fit for the next time
    #[arg(long, num_args = 1.., value_name = "DIR|FILE", required_unless_present = "profile", conflicts_with = "profile")]
    pub good: Vec<PathBuf>,
    /// Neither use nor keep fits in the user's cache folder
    #[arg(long)]
    pub no_cache: bool,
    /// A profile that `fit` wrote
    #[arg(long)]
    pub profile: Option<PathBuf>,
    /// Class in the profile, or name of the product for the prompts
    #[arg(long)]
    pub class: Option<String>,
    /// Prompts and part lists (TOML: [class] name, parts)
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Folder for results and pictures
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// What stdout gets
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Folder for every intermediate as a picture, with an index.html that tells the story
    #[arg(long, value_name = "DIR")]
    pub explain: Option<PathBuf>,
    /// Exit with 3 where any photo has this verdict or a worse one
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,
    /// Only a share of the photos: 2/8 is the second of eight; auto/8 takes its number from a SLURM array or a Kubernetes indexed job
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    #[command(flatten)]
    pub ignore: IgnoreArgs,
    /// Smallest defect that counts: pixels of the photo, or per cent of it (0.1%)
    #[arg(long, value_name = "AREA")]
    pub min_area: Option<MinArea>,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Constants of the method.
    #[command(flatten)]
    pub method: MethodArgs,
}

/// What stdout gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One array; without --out it carries the maps, 350 kB for 256×256 pixels.
    Json,
    /// One object per line, as soon as a photo is judged; maps as in json.
    Jsonl,
    /// One line per photo.
    Csv,
}

/// From which verdict on `--fail-on` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Above the threshold.
    Suspect,
    /// Well above the threshold.
    Anomalous,
}
