//! `eval`: the data set, the draws, and how the work is divided.

use std::path::PathBuf;

use clap::Args;

use super::{EngineArgs, MethodArgs};
use crate::shard::Shard;

/// `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Data set: CLASS/{train/good,test/good,test/DEFECT,ground_truth/DEFECT}, BTAD's or VisA's folder
    pub data: PathBuf,
    /// A profile, instead of fitting by draws; with --holes the model that was tuned for it, shown the
    /// good photos of the draws
    #[arg(long)]
    pub profile: Option<PathBuf>,
    /// Good photos per class, one or several numbers [default: 1]
    #[arg(long, value_delimiter = ',')]
    pub k_shot: Vec<usize>,
    /// Seeds of the draws [default: 0,1,2]
    #[arg(long, value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Given draws, instead of the seeds' own
    #[arg(long, value_name = "FILE")]
    pub draws: Option<PathBuf>,
    /// At most so many good and so many defective photos per class, evenly spaced
    #[arg(long)]
    pub subset: Option<usize>,
    /// Only these classes
    #[arg(long, value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Prompts and part lists (TOML: [class] name, parts)
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Measure the repair itself instead: normal test photos with every other of 4×4 cells hidden,
    /// filled by the model with 0, 1, 2, 4 good photos as references, by the mean colour and by the
    /// most alike good photo; writes holes.json and a sheet per class
    #[arg(long)]
    pub holes: bool,
    /// Folder for metrics.json, scores.csv, report.html; finished classes and draws in it are kept
    #[arg(long)]
    pub out: PathBuf,
    /// Measure only a share of the classes and draws, and write no tables: as for `detect`
    #[arg(long, value_name = "I/N", conflicts_with_all = ["merge", "holes"])]
    pub shard: Option<Shard>,
    /// Measure nothing: write the tables from what shards left in --out, under the same other flags
    #[arg(long, conflicts_with = "holes")]
    pub merge: bool,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Constants of the method.
    #[command(flatten)]
    pub method: MethodArgs,
}

impl EvalArgs {
    /// Good photos per class.
    pub fn k_shots(&self) -> &[usize] {
        match self.k_shot.as_slice() {
            [] => &[1],
            given => given,
        }
    }

    /// Seeds of the draws.
    pub fn draw_seeds(&self) -> &[u64] {
        match self.seeds.as_slice() {
            [] => &[0, 1, 2],
            given => given,
        }
    }
}
