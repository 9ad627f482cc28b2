//! `export`: any checkpoint as a bundle, or the LoRA of a profile as a file of its own.

use std::path::Path;

use anomalysd_diffusion::checkpoint::{ExportOptions, native};

use crate::args::ExportArgs;
use crate::error::{CliError, Outcome};
use crate::{model, output, profile};

/// Writes the bundle; its folder appears complete or not at all.
pub fn run(args: &ExportArgs) -> Outcome {
    if let Some(path) = &args.profile {
        return lora(path, &args.out);
    }
    let mut parts = model::open(&args.model)?
        .ok_or_else(|| CliError::Input("--model none: there is nothing to export".into()))?;
    if let Some(path) = &args.licence {
        parts.config.licence =
            std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
    }
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

/// Writes what a profile changes in the U-Net.
fn lora(profile_path: &Path, out: &Path) -> Outcome {
    let (read, _) = profile::read(profile_path)?;
    let tuned = read
        .tuned
        .ok_or_else(|| CliError::at(profile_path, "was not tuned: it holds no LoRA"))?;
    output::write(out, &tuned.tuning.lora_file()?)?;
    output::print(&out.display().to_string())
}
