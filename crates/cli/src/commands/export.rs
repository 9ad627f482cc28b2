//! `export`: any checkpoint as a bundle.

use anomalysd_diffusion::checkpoint::{ExportOptions, native, open_single_file};
use anomalysd_diffusion::model::embedded_bytes;
use anomalysd_diffusion::weights::SafetensorsSource;

use crate::args::ExportArgs;
use crate::error::{CliError, Outcome};
use crate::output;

/// Writes the bundle; its folder appears complete or not at all.
pub fn run(args: &ExportArgs) -> Outcome {
    let parts = match &args.model {
        Some(path) => native::open(path)?,
        None => {
            let bytes = embedded_bytes().ok_or_else(|| {
                CliError::Input("--model: this build carries no model of its own".into())
            })?;
            open_single_file("mini", SafetensorsSource::new("mini", bytes)?)?
        }
    };
    let shard_bytes = args.shard_mib.checked_mul(1 << 20).ok_or_else(|| {
        CliError::Input(format!(
            "--shard-mib is {}, expected 1 to 64",
            args.shard_mib
        ))
    })?;
    let options = ExportOptions {
        half: !args.f32,
        shard_bytes,
    };
    native::save_bundle(&parts, &args.out, &options)?;
    output::print(&format!("{}", args.out.join("bundle.json").display()))
}
