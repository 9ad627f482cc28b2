//! All constants of tuning with their defaults. Names are those of diffusers' training scripts where
//! there is one.

use anomalysd_diffusion::nn::{ATTENTION_MODULES, CONVOLUTION_MODULES};
use burn::tensor::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::optimise::OptimiserOptions;
use crate::pretrain::{check, option};

/// How the U-Net is tuned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Low-rank factors beside frozen weights.
    #[default]
    Lora,
    /// All its weights.
    Full,
}

/// In what type the networks compute while they are tuned. Weights, optimiser, norms, softmax and loss are
/// f32 in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MixedPrecision {
    /// f32.
    #[default]
    No,
    /// f16, with a loss that is scaled.
    Fp16,
    /// bf16, which has the range of f32.
    Bf16,
}

impl MixedPrecision {
    /// The type of activations and their gradients.
    pub fn dtype(self) -> DType {
        match self {
            Self::No => DType::F32,
            Self::Fp16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Whether gradients could leave the range of the type.
    pub fn scales_loss(self) -> bool {
        self == Self::Fp16
    }

    /// Refuses a device that does not compute in this type.
    ///
    /// # Errors
    /// Such a device.
    pub fn check(self, device: &Device) -> Result<()> {
        if device.supports_dtype(self.dtype()) {
            return Ok(());
        }
        let name = match self {
            Self::No => "no",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        };
        Err(option(
            "mixed_precision",
            name,
            "a type that the device computes in; `no` is always one",
        ))
    }
}

/// Both stages, and what they share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How the U-Net is tuned.
    pub method: Method,
    /// Seed of factors, holes, augmentation and noise.
    pub seed: u64,
    /// In what type the networks compute.
    pub mixed_precision: MixedPrecision,
    /// Threads that each compute a part of a batch; 1 on a GPU.
    pub workers: usize,
    /// Threads that make samples ahead.
    pub loaders: usize,
    /// Steps between checkpoints; 0 for one at the end.
    pub checkpoint_every: u64,
    /// Checkpoints kept per stage.
    pub checkpoints_total_limit: usize,
    /// Steps between sheets of pictures in the folder of the run, and one at the end of each stage; 0 for none.
    pub validation_steps: u64,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// Memory for latents of pictures that come again, in MiB: in the U-Net's stage all do, in the decoder's
    /// whole photos without augmentation. No number depends on it.
    pub cache_latents_mib: usize,
    /// The U-Net.
    pub unet: UnetOptions,
    /// The decoder.
    pub decoder: DecoderOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::default(),
            seed: 0,
            mixed_precision: MixedPrecision::default(),
            workers: 2,
            loaders: 1,
            checkpoint_every: 100,
            checkpoints_total_limit: 2,
            validation_steps: 100,
            log_every: 10,
            cache_latents_mib: 256,
            unet: UnetOptions::default(),
            decoder: DecoderOptions::default(),
        }
    }
}

/// Stage A: the U-Net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetOptions {
    /// Steps; 0 leaves the U-Net as it is.
    pub max_train_steps: u64,
    /// Samples whose gradients are computed at once.
    pub train_batch_size: usize,
    /// Batches whose gradients make one step.
    pub gradient_accumulation_steps: usize,
    /// Recompute cheap results in the backward pass instead of keeping them.
    pub gradient_checkpointing: bool,
    /// Highest learning rate; 1e-4 for a LoRA and 1e-5 for all weights where it is not given.
    pub learning_rate: Option<f64>,
    /// Steps of the linear warm-up before the cosine.
    pub lr_warmup_steps: u64,
    /// Last rate, as a fraction of the highest.
    pub lr_floor: f64,
    /// Gradients of all tensors together are scaled down to this norm.
    pub max_grad_norm: f64,
    /// Decay of the mean of the gradients.
    pub adam_beta1: f32,
    /// Decay of the mean of their squares.
    pub adam_beta2: f32,
    /// Decoupled weight decay of tensors with two and more dimensions.
    pub adam_weight_decay: f32,
    /// Added to the root of the second moment.
    pub adam_epsilon: f32,
    /// Decay of the averaged weights, which are the result; the first steps average over fewer.
    pub ema_decay: f64,
    /// r of a LoRA.
    pub rank: usize,
    /// α of a LoRA; r where it is not given.
    pub lora_alpha: Option<f64>,
    /// A LoRA of the convolutions, too.
    pub lora_convolutions: bool,
    /// γ of min-SNR weighting; none where it is not given.
    pub snr_gamma: Option<f64>,
    /// Weight of visible cells in the loss; hidden ones have 1.
    pub outside_weight: f64,
    /// Share of samples at the noisiest timestep, where a complete repaint begins.
    pub noisiest_share: f32,
    /// Share of holes that are rectangles on the part.
    pub rectangle_share: f32,
    /// Share of holes that are passes of a detection; the others are blobs.
    pub pass_share: f32,
    /// Share of samples with the empty text.
    pub empty_share: f32,
    /// Largest shift and change of scale and of brightness, of a photo and its references alike; each class
    /// has 32 such changes.
    pub augmentation: f32,
}

impl Default for UnetOptions {
    fn default() -> Self {
        Self {
            max_train_steps: 1000,
            train_batch_size: 4,
            gradient_accumulation_steps: 1,
            gradient_checkpointing: false,
            learning_rate: None,
            lr_warmup_steps: 50,
            lr_floor: 0.02,
            max_grad_norm: 1.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_weight_decay: 1e-2,
            adam_epsilon: 1e-8,
            ema_decay: 0.998,
            rank: 8,
            lora_alpha: None,
            lora_convolutions: false,
            snr_gamma: None,
            outside_weight: 0.1,
            noisiest_share: 0.2,
            rectangle_share: 0.4,
            pass_share: 0.4,
            empty_share: 0.1,
            augmentation: 0.05,
        }
    }
}

/// Stage B: the decoder, with the encoder frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecoderOptions {
    /// Steps; 0 leaves the decoder as it is.
    pub max_train_steps: u64,
    /// Crops whose gradients are computed at once.
    pub train_batch_size: usize,
    /// Batches whose gradients make one step.
    pub gradient_accumulation_steps: usize,
    /// Recompute cheap results in the backward pass instead of keeping them.
    pub gradient_checkpointing: bool,
    /// Longer side of a crop in pixels, rounded down to whole latent cells.
    pub crop: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Steps of the linear warm-up before the cosine.
    pub lr_warmup_steps: u64,
    /// Last rate, as a fraction of the highest.
    pub lr_floor: f64,
    /// Gradients of all tensors together are scaled down to this norm.
    pub max_grad_norm: f64,
    /// Decay of the averaged weights, which are the result.
    pub ema_decay: f64,
    /// Steps over whose batches the squared error and the feature distance are made equal.
    pub balance_steps: u64,
    /// What the feature distance then counts against the squared error; 0: not at all. Less of it keeps colours and
    /// PSNR, more of it grain.
    pub perceptual_weight: f32,
    /// Largest shift and change of scale and of brightness.
    pub augmentation: f32,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self {
            max_train_steps: 500,
            train_batch_size: 4,
            gradient_accumulation_steps: 1,
            gradient_checkpointing: false,
            crop: 256,
            learning_rate: 1e-4,
            lr_warmup_steps: 50,
            lr_floor: 0.02,
            max_grad_norm: 1.0,
            ema_decay: 0.998,
            balance_steps: 50,
            perceptual_weight: 1.0,
            augmentation: 0.05,
        }
    }
}

impl Options {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1024).contains(&self.workers) {
            return Err(option("workers", self.workers, "1 to 1024"));
        }
        if self.checkpoints_total_limit == 0 {
            return Err(option(
                "checkpoints_total_limit",
                self.checkpoints_total_limit,
                "at least 1",
            ));
        }
        if self.unet.max_train_steps == 0 && self.decoder.max_train_steps == 0 {
            return Err(option("max_train_steps", 0, "at least 1 of one stage"));
        }
        self.unet.validate()?;
        self.decoder.validate()
    }

    /// The learning rate of the U-Net.
    pub fn unet_rate(&self) -> f64 {
        let by_method = match self.method {
            Method::Lora => 1e-4,
            Method::Full => 1e-5,
        };
        self.unet.learning_rate.unwrap_or(by_method)
    }
}

impl UnetOptions {
    fn validate(&self) -> Result<()> {
        check(&[
            (
                "unet.train_batch_size",
                self.train_batch_size as f64,
                1.0..=4096.0,
            ),
            (
                "unet.gradient_accumulation_steps",
                self.gradient_accumulation_steps as f64,
                1.0..=4096.0,
            ),
            (
                "unet.learning_rate",
                self.learning_rate.unwrap_or(0.0),
                0.0..=1.0,
            ),
            ("unet.lr_floor", self.lr_floor, 0.0..=1.0),
            ("unet.max_grad_norm", self.max_grad_norm, 1e-6..=1e6),
            ("unet.ema_decay", self.ema_decay, 0.0..=0.999_999),
            (
                "unet.adam_beta1",
                f64::from(self.adam_beta1),
                0.0..=0.999_999,
            ),
            (
                "unet.adam_beta2",
                f64::from(self.adam_beta2),
                0.0..=0.999_999,
            ),
            (
                "unet.adam_epsilon",
                f64::from(self.adam_epsilon),
                1e-12..=1.0,
            ),
            (
                "unet.adam_weight_decay",
                f64::from(self.adam_weight_decay),
                0.0..=1.0,
            ),
            ("unet.rank", self.rank as f64, 1.0..=1024.0),
            ("unet.lora_alpha", self.lora_alpha(), 1e-3..=1e4),
            ("unet.snr_gamma", self.snr_gamma.unwrap_or(5.0), 1e-3..=1e4),
            ("unet.outside_weight", self.outside_weight, 0.0..=1.0),
            (
                "unet.noisiest_share",
                f64::from(self.noisiest_share),
                0.0..=1.0,
            ),
            (
                "unet.rectangle_share",
                f64::from(self.rectangle_share),
                0.0..=1.0,
            ),
            ("unet.pass_share", f64::from(self.pass_share), 0.0..=1.0),
            ("unet.empty_share", f64::from(self.empty_share), 0.0..=1.0),
            ("unet.augmentation", f64::from(self.augmentation), 0.0..=0.2),
        ])
    }

    /// α.
    pub fn lora_alpha(&self) -> f64 {
        self.lora_alpha.unwrap_or(self.rank as f64)
    }

    /// Ends of the names of the layers that a LoRA changes.
    pub fn target_modules(&self) -> Vec<String> {
        let convolutions = CONVOLUTION_MODULES
            .iter()
            .filter(|_| self.lora_convolutions);
        ATTENTION_MODULES
            .iter()
            .chain(convolutions)
            .map(|name| (*name).to_owned())
            .collect()
    }

    pub(super) fn optimiser(&self) -> OptimiserOptions {
        OptimiserOptions {
            beta_1: self.adam_beta1,
            beta_2: self.adam_beta2,
            epsilon: self.adam_epsilon,
            weight_decay: self.adam_weight_decay,
            max_norm: self.max_grad_norm,
            ema_decay: self.ema_decay,
        }
    }
}

impl DecoderOptions {
    fn validate(&self) -> Result<()> {
        check(&[
            (
                "decoder.train_batch_size",
                self.train_batch_size as f64,
                1.0..=4096.0,
            ),
            (
                "decoder.gradient_accumulation_steps",
                self.gradient_accumulation_steps as f64,
                1.0..=4096.0,
            ),
            ("decoder.crop", self.crop as f64, 32.0..=4096.0),
            ("decoder.learning_rate", self.learning_rate, 0.0..=1.0),
            ("decoder.lr_floor", self.lr_floor, 0.0..=1.0),
            ("decoder.max_grad_norm", self.max_grad_norm, 1e-6..=1e6),
            ("decoder.ema_decay", self.ema_decay, 0.0..=0.999_999),
            (
                "decoder.perceptual_weight",
                f64::from(self.perceptual_weight),
                0.0..=1e6,
            ),
            (
                "decoder.balance_steps",
                self.balance_steps as f64,
                1.0..=1e6,
            ),
            (
                "decoder.augmentation",
                f64::from(self.augmentation),
                0.0..=0.2,
            ),
        ])
    }

    pub(super) fn optimiser(&self) -> OptimiserOptions {
        OptimiserOptions {
            max_norm: self.max_grad_norm,
            ema_decay: self.ema_decay,
            // A decoder that is right needs no pull towards zero.
            weight_decay: 0.0,
            ..OptimiserOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_numbers_out_of_range_are_named() {
        Options::default().validate().unwrap();
        let refused = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options.validate().unwrap_err().to_string()
        };
        for (change, name) in [
            ((|o| o.unet.rank = 0) as fn(&mut Options), "unet.rank"),
            (|o| o.unet.max_grad_norm = 0.0, "unet.max_grad_norm"),
            (
                |o| o.unet.learning_rate = Some(f64::NAN),
                "unet.learning_rate",
            ),
            (|o| o.unet.snr_gamma = Some(-1.0), "unet.snr_gamma"),
            (|o| o.decoder.crop = 8, "decoder.crop"),
            (|o| o.workers = 0, "workers"),
            (
                |o| (o.unet.max_train_steps, o.decoder.max_train_steps) = (0, 0),
                "max_train_steps",
            ),
        ] {
            let said = refused(change);
            assert!(said.contains(name), "{said}");
        }
        let json = serde_json::to_string(&Options::default()).unwrap();
        assert_eq!(
            serde_json::from_str::<Options>(&json).unwrap(),
            Options::default()
        );
        assert!(serde_json::from_str::<Options>(r#"{"stepz": 1}"#).is_err());
    }
}
