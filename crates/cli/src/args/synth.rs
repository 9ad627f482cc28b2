//! `synth`: which products and defects are drawn, and how many.

use std::path::PathBuf;

use anomalysd_dataset::synth::{DefectKind, Family};
use clap::Args;

pub(super) fn family(name: &str) -> Result<Family, String> {
    let names = || Family::ALL.iter().map(|family| family.name());
    Family::named(name)
        .ok_or_else(|| format!("expected {}", names().collect::<Vec<_>>().join(", ")))
}

fn defect(name: &str) -> Result<DefectKind, String> {
    let mut kinds = DefectKind::ALL.iter().copied();
    kinds.find(|kind| kind.name() == name).ok_or_else(|| {
        let names = DefectKind::ALL.iter().map(|kind| kind.name());
        format!("expected {}", names.collect::<Vec<_>>().join(", "))
    })
}

/// `synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// The data set's new folder
    #[arg(long, required_unless_present = "sheet")]
    pub out: Option<PathBuf>,
    /// A picture of what is drawn: two photos of a product of each family, then each kind of defect with its mask
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Products, one class each; the families take turns [default: one of each family]
    #[arg(long)]
    pub products: Option<u64>,
    /// Families that are drawn [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = family)]
    pub families: Vec<Family>,
    /// Kinds of defect that are drawn [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = defect)]
    pub defects: Vec<DefectKind>,
    /// Good photos to fit on, per product
    #[arg(long, default_value_t = 8)]
    pub train: u64,
    /// Good photos to test on, per product
    #[arg(long, default_value_t = 20)]
    pub good: u64,
    /// Defective photos per product and kind of defect
    #[arg(long, default_value_t = 8)]
    pub defective: u64,
    /// Side in pixels
    #[arg(long, default_value_t = 256)]
    pub size: usize,
    /// Seed of products and photos
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}
