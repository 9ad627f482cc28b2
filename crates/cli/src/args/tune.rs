//! How `fit` tunes weights before it fits.

use std::path::PathBuf;
use std::str::FromStr;

use anomalysd_imaging::ForegroundMode;
use anomalysd_train::tune::{Method, MixedPrecision, Options};
use clap::{Args, ValueEnum};

use super::{EngineArgs, MethodArgs};
use crate::error::{CliError, Outcome};

/// Which weights `fit` tunes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Tune {
    /// None: prototypes, references, normalisers and threshold.
    #[default]
    None,
    /// Low-rank factors of the U-Net and the decoder; the profile holds them.
    Lora,
    /// The whole U-Net and the decoder, written as a model beside the profile.
    Full,
}

impl Tune {
    /// What the library calls it; `None` where nothing is tuned.
    pub fn method(self) -> Option<Method> {
        match self {
            Self::None => None,
            Self::Lora => Some(Method::Lora),
            Self::Full => Some(Method::Full),
        }
    }
}

/// In what type the networks compute while they are tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// f32.
    No,
    /// f16, with a loss that is scaled.
    Fp16,
    /// bf16.
    Bf16,
}

impl From<Precision> for MixedPrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::No => Self::No,
            Precision::Fp16 => Self::Fp16,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// Where the part is on a good photo.
#[derive(Debug, Clone, PartialEq)]
pub enum ForegroundChoice {
    /// Found on the photo itself.
    Mode(ForegroundMode),
    /// A folder of masks.
    Masks(PathBuf),
}

impl FromStr for ForegroundChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Mode(ForegroundMode::Auto),
            "otsu" => Self::Mode(ForegroundMode::Otsu),
            "full" => Self::Mode(ForegroundMode::Full),
            folder => Self::Masks(PathBuf::from(folder)),
        })
    }
}

/// The text of a flag with the default that the library holds.
fn tuning<T: std::fmt::Display>(text: &str, pick: fn(Options) -> T) -> String {
    format!("{text} [default: {}]", pick(Options::default()))
}

/// How weights are tuned; what is not given keeps its default.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tuning")]
pub struct TuneArgs {
    /// Which weights are tuned on the good photos
    #[arg(long, value_enum, default_value_t)]
    pub tune: Tune,
    #[arg(long, visible_alias = "max-train-steps", value_name = "N", help = tuning("Training steps of the U-Net", |own| own.unet.max_train_steps))]
    pub steps: Option<u64>,
    /// Training steps of the decoder [default: half of --steps]
    #[arg(long, value_name = "N")]
    pub decoder_steps: Option<u64>,
    /// Highest learning rate of the U-Net [default: 0.0001 for lora, 0.00001 for full]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    #[arg(long, value_name = "N", help = tuning("Samples whose gradients are computed at once", |own| own.unet.train_batch_size))]
    pub train_batch_size: Option<usize>,
    #[arg(long, value_name = "N", help = tuning("Batches whose gradients make one step", |own| own.unet.gradient_accumulation_steps))]
    pub gradient_accumulation_steps: Option<usize>,
    /// Compute cheap results again in the backward pass instead of keeping them: less memory, a little slower
    #[arg(long)]
    pub gradient_checkpointing: bool,
    #[arg(long, value_name = "N", help = tuning("Steps of the linear warm-up before the cosine", |own| own.unet.lr_warmup_steps))]
    pub lr_warmup_steps: Option<u64>,
    #[arg(long, value_name = "NORM", help = tuning("Norm that gradients are clipped to", |own| own.unet.max_grad_norm))]
    pub max_grad_norm: Option<f64>,
    /// γ of min-SNR weighting [default: no weighting]
    #[arg(long, value_name = "GAMMA")]
    pub snr_gamma: Option<f64>,
    #[arg(long, value_name = "N", help = tuning("Rank of the LoRA", |own| own.unet.rank))]
    pub rank: Option<usize>,
    /// A LoRA of the convolutions, too
    #[arg(long)]
    pub lora_convolutions: bool,
    /// What the networks compute in, where the device does; weights stay f32 [default: no]
    #[arg(long, value_enum, value_name = "no|fp16|bf16")]
    pub mixed_precision: Option<Precision>,
    /// Where rectangles are hidden: on the part as `auto` or `otsu` finds it, on the `full` photo, or on
    /// masks DIR/CLASS/PHOTO.png, white on the part [default: auto]
    #[arg(long, value_name = "auto|otsu|full|DIR")]
    pub foreground: Option<ForegroundChoice>,
    /// All options of the tuning as JSON; flags win [default: the library's]
    #[arg(long, value_name = "FILE")]
    pub tune_options: Option<PathBuf>,
    /// Folder of checkpoints and log.jsonl [default: beside --out, line3.work for line3.profile.safetensors]
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    #[arg(long, visible_alias = "checkpointing-steps", value_name = "N", help = tuning("Steps between checkpoints; 0: one at the end of each stage", |own| own.checkpoint_every))]
    pub checkpoint_every: Option<u64>,
    #[arg(long, value_name = "N", help = tuning("Checkpoints kept of each stage", |own| own.checkpoints_total_limit))]
    pub checkpoints_total_limit: Option<usize>,
    #[arg(long, value_name = "N", help = tuning("Steps between sheets of pictures beside the checkpoints; 0: none", |own| own.validation_steps))]
    pub validation_steps: Option<u64>,
    /// Curves on the whole terminal instead of a line now and then; q and then s stops after a checkpoint, Ctrl-C does not
    #[arg(long)]
    pub dashboard: bool,
    /// Continue from the newest checkpoints in DIR; options and photos are those of the run that wrote them
    #[arg(long, value_name = "DIR", conflicts_with = "work")]
    pub resume: Option<PathBuf>,
}

impl TuneArgs {
    /// A flag that says how to tune where nothing is tuned.
    pub fn idle(&self) -> Option<&'static str> {
        let given = [
            ("--steps", self.steps.is_some()),
            ("--decoder-steps", self.decoder_steps.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--train-batch-size", self.train_batch_size.is_some()),
            (
                "--gradient-accumulation-steps",
                self.gradient_accumulation_steps.is_some(),
            ),
            ("--gradient-checkpointing", self.gradient_checkpointing),
            ("--lr-warmup-steps", self.lr_warmup_steps.is_some()),
            ("--max-grad-norm", self.max_grad_norm.is_some()),
            ("--snr-gamma", self.snr_gamma.is_some()),
            (
                "--checkpoints-total-limit",
                self.checkpoints_total_limit.is_some(),
            ),
            ("--validation-steps", self.validation_steps.is_some()),
            ("--rank", self.rank.is_some()),
            ("--lora-convolutions", self.lora_convolutions),
            ("--mixed-precision", self.mixed_precision.is_some()),
            ("--foreground", self.foreground.is_some()),
            ("--tune-options", self.tune_options.is_some()),
            ("--work", self.work.is_some()),
            ("--checkpoint-every", self.checkpoint_every.is_some()),
            ("--dashboard", self.dashboard),
            ("--resume", self.resume.is_some()),
        ];
        let idle = given.iter().find(|(_, given)| *given);
        idle.filter(|_| self.tune == Tune::None)
            .map(|(name, _)| *name)
    }

    /// The options of a tuning with this seed, checked; `None` where nothing is tuned.
    pub fn checked(
        &self,
        engine: &EngineArgs,
        method: &MethodArgs,
        seed: u64,
    ) -> Outcome<Option<Options>> {
        let refuse = |reason: String| Err(CliError::Input(reason));
        if let Some(flag) = self.idle() {
            return refuse(format!("{flag} says how to tune: add --tune lora or full"));
        }
        let Some(tuned) = self.tune.method() else {
            return Ok(None);
        };
        if engine.f16 {
            return refuse("--f16: weights are tuned as f32; leave it out".into());
        }
        if method.options().tile.is_some() {
            return refuse(
                "--tile: photos are tuned on as a whole; fit in tiles without --tune, or tune on photos of parts".into(),
            );
        }
        let mut options = self.options()?;
        (options.method, options.seed) = (tuned, seed);
        options.validate()?;
        Ok(Some(options))
    }

    /// The options of the file, or the library's, with everything that was given.
    fn options(&self) -> Outcome<Options> {
        let options = match &self.tune_options {
            None => Options::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
                serde_json::from_str(&text).map_err(|error| CliError::at(path, error))?
            }
        };
        Ok(self.over(options))
    }

    /// `options` with everything that was given.
    fn over(&self, mut options: Options) -> Options {
        fn set<T: Copy>(slot: &mut T, value: Option<T>) {
            *slot = value.unwrap_or(*slot);
        }
        set(&mut options.unet.max_train_steps, self.steps);
        let half = self.steps.map(|steps| steps / 2);
        set(
            &mut options.decoder.max_train_steps,
            self.decoder_steps.or(half),
        );
        options.unet.learning_rate = self.learning_rate.or(options.unet.learning_rate);
        set(&mut options.unet.train_batch_size, self.train_batch_size);
        set(&mut options.decoder.train_batch_size, self.train_batch_size);
        for (slot, value) in [
            (
                &mut options.unet.gradient_accumulation_steps,
                self.gradient_accumulation_steps,
            ),
            (
                &mut options.decoder.gradient_accumulation_steps,
                self.gradient_accumulation_steps,
            ),
            (&mut options.unet.rank, self.rank),
            (
                &mut options.checkpoints_total_limit,
                self.checkpoints_total_limit,
            ),
        ] {
            set(slot, value);
        }
        set(&mut options.unet.lr_warmup_steps, self.lr_warmup_steps);
        set(&mut options.decoder.lr_warmup_steps, self.lr_warmup_steps);
        set(&mut options.unet.max_grad_norm, self.max_grad_norm);
        set(&mut options.decoder.max_grad_norm, self.max_grad_norm);
        let precision = self.mixed_precision.map(MixedPrecision::from);
        set(&mut options.mixed_precision, precision);
        set(&mut options.validation_steps, self.validation_steps);
        options.unet.snr_gamma = self.snr_gamma.or(options.unet.snr_gamma);
        options.unet.gradient_checkpointing |= self.gradient_checkpointing;
        options.decoder.gradient_checkpointing |= self.gradient_checkpointing;
        options.unet.lora_convolutions |= self.lora_convolutions;
        set(&mut options.checkpoint_every, self.checkpoint_every);
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_and_half_of_the_steps_are_the_decoders() {
        let args = TuneArgs {
            tune: Tune::Lora,
            steps: Some(60),
            rank: Some(2),
            ..TuneArgs::default()
        };
        let options = args.over(Options::default());
        assert_eq!(options.unet.max_train_steps, 60);
        assert_eq!(options.decoder.max_train_steps, 30);
        assert_eq!(options.unet.rank, 2);
        let none = TuneArgs {
            steps: None,
            decoder_steps: Some(7),
            ..args
        };
        let options = none.over(Options::default());
        assert_eq!(
            options.unet.max_train_steps,
            Options::default().unet.max_train_steps
        );
        assert_eq!(options.decoder.max_train_steps, 7);
        assert_eq!(none.idle(), None);
        let idle = TuneArgs {
            tune: Tune::None,
            ..none
        };
        assert_eq!(idle.idle(), Some("--decoder-steps"));
    }

    #[test]
    fn a_foreground_is_a_mode_or_a_folder() {
        let parse = |text: &str| text.parse::<ForegroundChoice>().unwrap();
        assert_eq!(parse("otsu"), ForegroundChoice::Mode(ForegroundMode::Otsu));
        assert_eq!(parse("masks"), ForegroundChoice::Masks("masks".into()));
    }
}
