//! What the user may type. Defaults are not written here: they live in the library, and `--help`
//! shows them from there. One file for each command, and one for what several share: the model and device
//! (`engine`), the constants of the method (`method`), places that do not count (`places`).

mod ablate;
mod bench;
mod detect;
mod engine;
mod eval;
mod export;
mod fit;
mod inpaint;
mod inspect;
mod lora;
mod method;
mod places;
mod pretrain;
mod serve;
mod synth;
mod tune;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use ablate::AblateArgs;
pub use bench::BenchArgs;
pub use detect::{DetectArgs, FailOn, Format};
pub use engine::{EngineArgs, FeatureName, ModelArgs};
pub use eval::EvalArgs;
pub use export::{ExportArgs, ExportFormat};
pub use fit::{CalibrateArgs, FitArgs, MOST_FITTED};
pub use inpaint::InpaintArgs;
pub use inspect::{DoctorArgs, InspectArgs, InspectFormat};
pub use method::MethodArgs;
pub use places::IgnoreArgs;
pub use pretrain::PretrainArgs;
pub use serve::ServeArgs;
pub use synth::SynthArgs;
pub use tune::{ForegroundChoice, TuneArgs};

/// Visual inspection from one to four photos of a good part.
#[derive(Debug, Parser)]
#[command(
    name = "anomalysd",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logging.
    #[command(flatten)]
    pub logging: LogArgs,
}

/// Verbosity.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Errors only, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// More on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of the log on stderr
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge photos: score, verdict, heat map, and each photo as it should look
    Detect(DetectArgs),
    /// Fit one profile for all classes of a data set
    Fit(FitArgs),
    /// Set a profile's threshold from more good photos, without fitting again
    Calibrate(CalibrateArgs),
    /// Measure on a data set with known defects: metrics.json, scores.csv, report.html
    Eval(EvalArgs),
    /// Measure what each part of the method is worth, and whether its rates hold: tables and plots
    Ablate(AblateArgs),
    /// Repaint a masked part of a photo, as diffusers' inpainting pipeline does
    Inpaint(InpaintArgs),
    /// Write a model as a bundle or a diffusers folder, or the LoRA of a tuned profile
    Export(ExportArgs),
    /// Say what is in a checkpoint, profile or bundle, and whether it fits
    Inspect(InspectArgs),
    /// Train the small model, from nothing or from its weights
    Pretrain(PretrainArgs),
    /// Draw products and defects with exact masks
    Synth(SynthArgs),
    /// Time every stage of a detection
    Bench(BenchArgs),
    /// Show the page, with model bundles and profiles, in a browser on this machine
    Serve(ServeArgs),
    /// Say what this build and this machine can do
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Threads that are asked for.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Self::Detect(args) => args.engine.threads,
            Self::Fit(args) => args.engine.threads,
            Self::Calibrate(args) => args.engine.threads,
            Self::Eval(args) => args.engine.threads,
            Self::Ablate(args) => args.engine.threads,
            Self::Inpaint(args) => args.engine.threads,
            Self::Bench(args) => args.engine.threads,
            _ => None,
        }
    }
}
