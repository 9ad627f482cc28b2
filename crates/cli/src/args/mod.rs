//! What the user may type. Defaults are not written here: they live in the library, and `--help`
//! shows them from there.

mod ablate;
mod lora;
mod method;
mod places;
mod serve;
mod tune;

use std::path::PathBuf;

use anomalysd_dataset::synth::{DefectKind, Family};
use anomalysd_detect::ignore::MinArea;
use anomalysd_train::pretrain::Options as Pretraining;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use ablate::AblateArgs;
pub use lora::LoraChoice;
pub use method::MethodArgs;
pub use places::IgnoreArgs;
pub use serve::ServeArgs;
pub use tune::{ForegroundChoice, TuneArgs};

use crate::device::DeviceChoice;
use crate::shard::Shard;

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
    /// Write a diffusers folder or single file as a bundle
    Export(ExportArgs),
    /// Say what is in a checkpoint, profile or bundle, and whether it fits
    Inspect(InspectArgs),
    /// Train the small model from nothing
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

/// A model, and what is changed in it as it is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Bundle, diffusers folder or single file; `none` compares features alone [default: the embedded mini]
    #[arg(long, value_name = "BUNDLE|DIR|FILE")]
    pub model: Option<PathBuf>,
    /// Another autoencoder for the model: a diffusers folder, TAESD's two files in a folder, or one file
    #[arg(long, value_name = "DIR|FILE")]
    pub vae: Option<PathBuf>,
    /// A LoRA to merge, with its strength (1 by default); may be repeated
    #[arg(long, value_name = "FILE[=SCALE]")]
    pub lora: Vec<LoraChoice>,
}

/// Model, features, device.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct EngineArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Hold the weights as f16: half the memory; arithmetic stays f32
    #[arg(long)]
    pub f16: bool,
    /// Feature network [default: that of --features-weights, else efficientnet-lite0 where this build has it, else vae]
    #[arg(long, value_enum)]
    pub features: Option<FeatureName>,
    /// Weights of the feature network (safetensors), which say by their tensors which one it is
    #[arg(long, value_name = "FILE")]
    pub features_weights: Option<PathBuf>,
    /// auto, cpu, gpu or gpu:N
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
    /// Threads on the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Feature networks by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FeatureName {
    /// EfficientNet-Lite0, ImageNet weights.
    EfficientnetLite0,
    /// DINOv2 small, with or without registers; needs --features-weights.
    #[value(name = "dinov2-s")]
    Dinov2Small,
    /// DINOv2 base, likewise.
    #[value(name = "dinov2-b")]
    Dinov2Base,
    /// DINOv2 large, likewise.
    #[value(name = "dinov2-l")]
    Dinov2Large,
    /// AlexNet compared as LPIPS does; needs --features-weights.
    AlexnetLpips,
    /// The encoder of the loaded model.
    Vae,
}

impl std::fmt::Display for FeatureName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No name is hidden, so each has a value.
        self.to_possible_value()
            .map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

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

/// `fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// Data set (CLASS/train/good), one class of it, or a folder of good photos
    pub data: PathBuf,
    /// The profile to write
    #[arg(long)]
    pub out: PathBuf,
    #[arg(long, help = k_shot_help())]
    pub k_shot: Option<usize>,
    /// Name of the only class, where DATA is a folder of good photos
    #[arg(long)]
    pub class: Option<String>,
    /// Prompts and part lists (TOML: [class] name, parts)
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Leave the good photos' latents out: nothing in the profile decodes to them
    #[arg(long)]
    pub no_references: bool,
    /// Say what would be done, and stop; with --tune, try a few steps and say what all will cost
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub ignore: IgnoreArgs,
    #[command(flatten)]
    pub tuning: TuneArgs,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Constants of the method.
    #[command(flatten)]
    pub method: MethodArgs,
}

/// Good photos of a class that `fit` takes unless `--k-shot` says otherwise: as many as the bank of an
/// aligned class holds (`anomalysd_detect::prototypes::MOST_PROTOTYPES`).
pub const MOST_FITTED: usize = 64;

fn k_shot_help() -> String {
    format!(
        "Good photos per class, drawn by --seed [default: all, at most {MOST_FITTED} at even distances]"
    )
}

/// `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The profile
    #[arg(long)]
    pub profile: PathBuf,
    /// More good photos, or folders of them, that were not fitted on
    #[arg(required = true)]
    pub good: Vec<PathBuf>,
    /// Class in the profile, where there are several
    #[arg(long)]
    pub class: Option<String>,
    /// Where the new profile goes [default: in place]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
}

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

/// `inpaint`.
#[derive(Debug, Args)]
pub struct InpaintArgs {
    /// The photo
    pub image: PathBuf,
    /// The mask, white where to repaint
    #[arg(long)]
    pub mask: PathBuf,
    /// The picture to write
    #[arg(long)]
    pub out: PathBuf,
    /// What to paint
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// What not to paint
    #[arg(long, default_value = "")]
    pub negative_prompt: String,
    /// Denoising steps at full strength
    #[arg(long, default_value_t = anomalysd_diffusion::inpaint::InpaintOptions::default().num_inference_steps)]
    pub inference_steps: usize,
    /// How much of what is under the mask is forgotten, 0..1
    #[arg(long, default_value_t = anomalysd_diffusion::inpaint::InpaintOptions::default().strength)]
    pub strength: f64,
    /// Classifier-free guidance; up to 1 the negative prompt is not used
    #[arg(long, default_value_t = anomalysd_diffusion::inpaint::InpaintOptions::default().guidance_scale)]
    pub guidance_scale: f64,
    /// Longer side in pixels [default: the model's]
    #[arg(long)]
    pub size: Option<usize>,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
}

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

/// `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Any checkpoint, profile or bundle
    pub path: PathBuf,
    /// What stdout gets
    #[arg(long, value_enum, default_value_t)]
    pub format: InspectFormat,
}

/// What `inspect` and `doctor` print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// For people.
    #[default]
    Table,
    /// One object.
    Json,
}

/// The text of a flag of `pretrain` with the default that the library holds.
fn pretraining<T: std::fmt::Display>(text: &str, pick: fn(Pretraining) -> T) -> String {
    format!("{text} [default: {}]", pick(Pretraining::default()))
}

/// `pretrain`.
#[derive(Debug, Args)]
pub struct PretrainArgs {
    /// Options as JSON; flags win [default: the library's]
    pub options: Option<PathBuf>,
    /// Folder of checkpoints, log, sheets and the result
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Folder of free photographs to crop from, beside drawn pictures
    #[arg(long)]
    pub photos: Option<PathBuf>,
    /// Photos to measure on, never to train on
    #[arg(long)]
    pub probe: Option<PathBuf>,
    #[arg(long, help = pretraining("Seed of weights, pictures, crops and noise", |own| own.seed))]
    pub seed: Option<u64>,
    /// Continue from the newest checkpoints in the folder
    #[arg(long)]
    pub resume: bool,
    /// Begin with these weights, under a fresh optimiser
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "resume")]
    pub from: Option<PathBuf>,
    #[arg(long, help = pretraining("Steps of the VAE", |own| own.vae.steps))]
    pub vae_steps: Option<u64>,
    #[arg(long, help = pretraining("Steps of U-Net and text encoder", |own| own.unet.steps))]
    pub unet_steps: Option<u64>,
    #[arg(long, help = pretraining("Steps between checkpoints", |own| own.checkpoint_every))]
    pub checkpoint_every: Option<u64>,
    #[arg(long, help = pretraining("Steps between sheets of pictures", |own| own.sheet_every))]
    pub sheet_every: Option<u64>,
    #[arg(long, help = pretraining("Threads that each compute a part of a batch; 1 on a GPU", |own| own.workers))]
    pub workers: Option<usize>,
    /// Print all options as JSON, and stop
    #[arg(long)]
    pub print_options: bool,
    /// Curves on the whole terminal instead of a line now and then; q and then s stops after a checkpoint, Ctrl-C does not
    #[arg(long)]
    pub dashboard: bool,
    /// auto, cpu, gpu or gpu:N
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    pub device: DeviceChoice,
}

fn family(name: &str) -> Result<Family, String> {
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

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// What stdout gets
    #[arg(long, value_enum, default_value_t)]
    pub format: InspectFormat,
}
