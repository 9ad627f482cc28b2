//! `export`: what of a model or a profile is written, and as what.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ModelArgs;

/// `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// A profile that was tuned: its LoRA is written, or the whole tuned model
    #[arg(long)]
    pub profile: Option<PathBuf>,
    /// What is written [default: bundle; with --profile peft]
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// The new folder of a bundle or for diffusers; the new file of a LoRA
    #[arg(long)]
    pub out: PathBuf,
    /// The model's licence, for checkpoints that come without its text
    #[arg(long, value_name = "FILE")]
    pub licence: Option<PathBuf>,
    /// Store f16 (the default)
    #[arg(long, conflicts_with = "f32")]
    pub f16: bool,
    /// Store f32
    #[arg(long)]
    pub f32: bool,
    /// Largest size of a bundle's shard in MiB [default: 32]
    #[arg(long)]
    pub shard_mib: Option<u64>,
}

impl ExportArgs {
    /// A flag that says something of a model, where only its LoRA is written.
    pub fn idle_beside_lora(&self) -> Option<&'static str> {
        let given = [
            ("--model", self.model.model.is_some()),
            ("--vae", self.model.vae.is_some()),
            ("--lora", !self.model.lora.is_empty()),
            ("--licence", self.licence.is_some()),
            ("--f16", self.f16),
            ("--f32", self.f32),
            ("--shard-mib", self.shard_mib.is_some()),
        ];
        given
            .into_iter()
            .find_map(|(flag, given)| given.then_some(flag))
    }
}

/// What `export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A model as the page and `--model` load it.
    Bundle,
    /// A model as diffusers and transformers load it, and `--model`.
    Diffusers,
    /// A LoRA for PEFT and diffusers.
    Peft,
    /// A LoRA under kohya-ss's names, with an alpha beside each pair.
    Kohya,
}
