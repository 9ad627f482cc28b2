//! Flags of `ablate`.

use std::path::PathBuf;

use anomalysd_dataset::synth::Family;
use clap::Args;

use super::synth::family;
use super::{EngineArgs, MethodArgs, TuneArgs};

/// `ablate`.
#[derive(Debug, Args)]
pub struct AblateArgs {
    /// Data set with known defects, as `eval` takes it; --calibration alone pools its good photos instead of drawn ones
    #[arg(required_unless_present_any = ["recall_by_area", "calibration"])]
    pub data: Option<PathBuf>,
    /// Folder for the table, the plots and their JSON; what is measured already is kept in it
    #[arg(long)]
    pub out: PathBuf,
    /// Good photos per class or drawn product that are fitted on
    #[arg(long, default_value_t = 4)]
    pub k_shot: usize,
    /// Seeds of the draws; the first one is also that of the first drawn product
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    pub seeds: Vec<u64>,
    /// Given draws, instead of the seeds' own
    #[arg(long, value_name = "FILE")]
    pub draws: Option<PathBuf>,
    /// At most so many good and so many defective photos per class, evenly spaced
    #[arg(long, default_value_t = 6)]
    pub subset: usize,
    /// Only these classes
    #[arg(long, value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Prompts and part lists (TOML: [class] name, parts)
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Only these configurations; `default` holds all rows that need no painting of their own [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub trials: Vec<String>,
    /// Seeds of the configurations that have to be painted anew [default: all of --seeds]
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    pub trial_seeds: Option<Vec<u64>>,
    /// Instead: recall at 5 % false alarms by area of the defect, on drawn products
    #[arg(long, conflicts_with = "data")]
    pub recall_by_area: bool,
    /// Instead: how often good photos have low p-values when others were held out for them
    #[arg(long)]
    pub calibration: bool,
    /// Drawn products; the families take turns [default: one of each family]
    #[arg(long)]
    pub products: Option<u64>,
    /// Families that are drawn [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = family)]
    pub families: Vec<Family>,
    /// Good photos per drawn product that are judged
    #[arg(long, default_value_t = 60)]
    pub good: u64,
    /// Defective photos per drawn product and area that are judged
    #[arg(long, default_value_t = 6)]
    pub defective: u64,
    /// Good photos held out for a calibration, one or several numbers
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "19,40"
    )]
    pub held_out: Vec<usize>,
    /// Rows for tuned weights.
    #[command(flatten)]
    pub tuning: TuneArgs,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Constants of the method.
    #[command(flatten)]
    pub method: MethodArgs,
}
