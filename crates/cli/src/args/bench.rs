//! `bench`: stages, the peer, and growth.

use std::path::PathBuf;

use clap::Args;

use super::{EngineArgs, MethodArgs};

/// `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Runs; medians are printed
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// Time loading and each network alone: for models with which a whole detection takes long
    #[arg(long)]
    pub networks_only: bool,
    /// In turns with diffusers: networks, training steps and whole detections, results compared first
    #[arg(long)]
    pub peer: bool,
    /// The Python that has the packages of tests/peer/requirements.txt
    #[arg(
        long,
        value_name = "PATH",
        default_value = "python3",
        requires = "peer"
    )]
    pub python: PathBuf,
    /// Photos that are judged by both, good ones first [default: drawn]
    #[arg(long, value_name = "DIR", requires = "peer")]
    pub photos: Option<PathBuf>,
    /// So many photos are judged by both
    #[arg(long, value_name = "N", default_value_t = 3, requires = "peer")]
    pub photo_count: usize,
    /// How time and memory grow with size, batch, number of photos and good photos, beside how the work does
    #[arg(long, conflicts_with = "peer")]
    pub scaling: bool,
    /// HTML report with plots of the growth
    #[arg(long, value_name = "FILE", requires = "scaling")]
    pub report: Option<PathBuf>,
    /// Largest photo, pixels a side; above 512 it is judged in tiles
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 2048,
        requires = "scaling"
    )]
    pub largest: usize,
    /// Most photos in a row
    #[arg(long, value_name = "N", default_value_t = 8, requires = "scaling")]
    pub in_a_row: usize,
    /// Most good photos whose prototypes are searched
    #[arg(long, value_name = "N", default_value_t = 40, requires = "scaling")]
    pub most_good: usize,
    /// Only rows of the peer whose name holds this
    #[arg(long, value_name = "WORDS", requires = "peer")]
    pub only: Option<String>,
    /// Where bench.json goes
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Keep rows that are in --out already under other names
    #[arg(long, requires = "out", conflicts_with = "scaling")]
    pub merge: bool,
    /// Said before the name of each row
    #[arg(long, value_name = "WORDS", conflicts_with = "scaling")]
    pub label: Option<String>,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Constants of the method.
    #[command(flatten)]
    pub method: MethodArgs,
}
