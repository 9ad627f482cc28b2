//! `export`: any checkpoint as a bundle or a diffusers folder, or the LoRA of a profile as a file of its own.

use std::path::Path;

use anomalysd_detect::profile::{Tuned, Weights};
use anomalysd_diffusion::checkpoint::{ExportOptions, ModelParts, fingerprint, native};
use anomalysd_diffusion::tuning::LoraNaming;

use crate::args::{ExportArgs, ExportFormat};
use crate::error::{CliError, Outcome};
use crate::{model, output, profile};

/// Largest shard of a bundle where none is asked for, MiB: what a browser keeps and asks for at once.
const SHARD_MIB: u64 = 32;

/// Writes what the format says; a folder appears complete or not at all.
pub fn run(args: &ExportArgs) -> Outcome {
    let tuned = args.profile.as_deref().map(tuned).transpose()?;
    let of_model = if tuned.is_some() {
        ExportFormat::Peft
    } else {
        ExportFormat::Bundle
    };
    match (args.format.unwrap_or(of_model), tuned) {
        (ExportFormat::Peft, Some(tuned)) => lora(args, &tuned, LoraNaming::Peft),
        (ExportFormat::Kohya, Some(tuned)) => lora(args, &tuned, LoraNaming::Kohya),
        (ExportFormat::Peft | ExportFormat::Kohya, None) => Err(CliError::Input(
            "--format peft and kohya write the LoRA of a profile: name it with --profile".into(),
        )),
        (ExportFormat::Bundle, tuned) => bundle(args, tuned),
        (ExportFormat::Diffusers, _) if args.shard_mib.is_some() => Err(CliError::Input(
            "--shard-mib cuts a bundle: diffusers' folders have one file for each part".into(),
        )),
        (ExportFormat::Diffusers, tuned) => {
            let parts = parts(args, tuned)?;
            native::save_folder(&parts, &args.out, !args.f32)?;
            output::print(&args.out.display().to_string())
        }
    }
}

fn tuned(path: &Path) -> Outcome<Tuned> {
    let (read, _) = profile::read(path)?;
    read.tuned
        .ok_or_else(|| CliError::at(path, "was not tuned: it holds no LoRA"))
}

/// The model that the arguments name, tuned where a profile says how.
fn parts(args: &ExportArgs, tuned: Option<Tuned>) -> Outcome<ModelParts> {
    let mut parts = model::open(&args.model)?
        .ok_or_else(|| CliError::Input("--model none: there is nothing to export".into()))?;
    if let Some(tuned) = tuned {
        tuned.check_base(&Weights {
            name: parts.config.name.clone(),
            fingerprint: fingerprint(&parts)?,
        })?;
        parts = tuned.tuning.merge_into(parts)?;
        parts.config.name = format!("{} tuned", parts.config.name);
    }
    if let Some(path) = &args.licence {
        parts.config.licence =
            std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
    }
    Ok(parts)
}

fn bundle(args: &ExportArgs, tuned: Option<Tuned>) -> Outcome {
    let parts = parts(args, tuned)?;
    let shard_mib = args.shard_mib.unwrap_or(SHARD_MIB);
    let shard_bytes = shard_mib
        .checked_mul(1 << 20)
        .ok_or_else(|| CliError::Input(format!("--shard-mib is {shard_mib}, expected 1 to 64")))?;
    let options = ExportOptions {
        half: !args.f32,
        shard_bytes,
    };
    native::save_bundle(&parts, &args.out, &options)?;
    output::print(&format!("{}", args.out.join("bundle.json").display()))
}

/// Writes what a profile changes in the U-Net.
fn lora(args: &ExportArgs, tuned: &Tuned, naming: LoraNaming) -> Outcome {
    if let Some(flag) = args.idle_beside_lora() {
        return Err(CliError::Input(format!(
            "{flag} says something of a whole model, and a LoRA is written: add --format bundle or diffusers"
        )));
    }
    output::write(&args.out, &tuned.tuning.lora_file(naming)?)?;
    output::print(&args.out.display().to_string())
}
