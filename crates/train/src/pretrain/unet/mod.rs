//! Second stage: U-Net and text encoder together, on the latents of the trained VAE.
//!
//! [`samples`] draws what a step sees, [`loss`] says how wrong the networks are on it; here are the
//! options, the networks, and the loop.

mod loss;
mod samples;

use std::path::Path;
use std::time::Duration;

use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_diffusion::PerLevel;
use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, Tokenizer};
use anomalysd_diffusion::model::{InpaintModel, ModelConfig, ReferenceTime};
use anomalysd_diffusion::scheduler::{
    BetaSchedule, Ddim, DdimConfig, PredictionType, TimestepSpacing,
};
use anomalysd_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::Vae;
use anomalysd_diffusion::weights::load_state;
use anomalysd_imaging::Photo;
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use self::loss::Setting;
use self::samples::{Source, held_out, tokenizer};
use super::given::Given;
use super::repaired::{Repaired, measure};
use super::{Options, Pictures, check, option};
use crate::Result;
use crate::log::Progress;
use crate::measure::read_probe;
use crate::optimise::OptimiserOptions;
use crate::schedule::WarmupCosine;
use crate::stage::{Control, Stage, Start};

/// Name of the stage.
pub const STAGE: &str = "unet";

/// Tokens of a prompt.
const TOKENS: usize = 77;
/// Groups of the U-Net's norms.
const GROUPS: usize = 16;
/// Heads of the text encoder.
const TEXT_HEADS: usize = 4;
/// Self-attentions over more tokens than this do without references.
const REFERENCE_TOKENS: usize = 256;

/// Sizes and schedule of the U-Net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetOptions {
    /// Channels per level; attention on all but the first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks per level.
    pub layers: usize,
    /// Heads of every attention.
    pub heads: usize,
    /// Width of the text context.
    pub text_width: usize,
    /// Steps; 0 takes the newest checkpoint as it is.
    pub steps: u64,
    /// Minutes after which the stage ends, its schedule stretched to them; 0 for no limit. Such a
    /// run depends on the speed of the machine.
    pub minutes: f64,
    /// Samples per step.
    pub batch: usize,
    /// Side of a picture in pixels.
    pub size: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Share of crops of free photographs, which have no reference.
    pub photo_share: f32,
    /// Share of samples whose reference goes to the input channels.
    pub channel_share: f32,
    /// Share of parts of a batch whose references go to the attentions.
    pub attention_share: f32,
    /// Share of samples at the noisiest timestep, where a few-step sampler begins.
    pub pure_noise_share: f32,
    /// Weight of the loss outside the hole.
    pub outside_weight: f64,
    /// Weight of the feature distance between photo and repair in the hole, of samples at the
    /// noisiest timestep alone: there the output is the repair.
    pub feature_weight: f64,
    /// Samples of a part of the batch, at most, whose feature distance is taken.
    pub feature_samples: usize,
    /// The U-Net predicts what the good photo in its channels lacks, and begins with nothing: the paste. On
    /// from such a U-Net it is on.
    pub reference_residual: bool,
    /// Share of products whose instances lie nearly alike, as parts in a fixture do.
    pub aligned_share: f32,
    /// Constants of the optimiser.
    pub optimiser: OptimiserOptions,
}

impl Default for UnetOptions {
    fn default() -> Self {
        Self {
            block_out_channels: vec![64, 96, 96],
            layers: 1,
            heads: 4,
            text_width: 64,
            steps: 4000,
            minutes: 0.0,
            batch: 12,
            size: 128,
            rate: 4e-4,
            photo_share: 0.1,
            channel_share: 0.8,
            attention_share: 0.25,
            pure_noise_share: 0.2,
            outside_weight: 0.1,
            feature_weight: 0.0,
            feature_samples: 8,
            reference_residual: false,
            aligned_share: 0.0,
            optimiser: OptimiserOptions::default(),
        }
    }
}

impl UnetOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let levels = self.block_out_channels.len();
        if levels < 2 {
            return Err(option(
                "unet.block_out_channels",
                levels,
                "at least two levels",
            ));
        }
        let multiple = 8 << (levels - 1);
        if self.size == 0 || !self.size.is_multiple_of(multiple) {
            return Err(option(
                "unet.size",
                self.size,
                format!("a multiple of {multiple}"),
            ));
        }
        for channels in &self.block_out_channels {
            let divides = |divisor: usize| channels.is_multiple_of(divisor.max(1));
            if *channels == 0 || !divides(GROUPS) || !divides(self.heads) {
                let expected = format!("multiples of {GROUPS} and of unet.heads");
                return Err(option("unet.block_out_channels", channels, expected));
            }
        }
        if self.text_width == 0 || !self.text_width.is_multiple_of(TEXT_HEADS) {
            let expected = format!("a multiple of {TEXT_HEADS}");
            return Err(option("unet.text_width", self.text_width, expected));
        }
        check(&[
            ("unet.layers", self.layers as f64, 1.0..=16.0),
            ("unet.heads", self.heads as f64, 1.0..=256.0),
            ("unet.batch", self.batch as f64, 1.0..=65_536.0),
            ("unet.minutes", self.minutes, 0.0..=1e5),
            ("unet.rate", self.rate, 0.0..=1.0),
            ("unet.photo_share", f64::from(self.photo_share), 0.0..=1.0),
            (
                "unet.channel_share",
                f64::from(self.channel_share),
                0.0..=1.0,
            ),
            (
                "unet.attention_share",
                f64::from(self.attention_share),
                0.0..=1.0,
            ),
            (
                "unet.pure_noise_share",
                f64::from(self.pure_noise_share),
                0.0..=1.0,
            ),
            (
                "unet.aligned_share",
                f64::from(self.aligned_share),
                0.0..=1.0,
            ),
            ("unet.outside_weight", self.outside_weight, 0.0..=1e4),
            ("unet.feature_weight", self.feature_weight, 0.0..=1e4),
            (
                "unet.feature_samples",
                self.feature_samples as f64,
                1.0..=65_536.0,
            ),
        ])
    }

    fn time(&self) -> Option<Duration> {
        (self.minutes > 0.0).then(|| Duration::from_secs_f64(60.0 * self.minutes))
    }

    fn unet_config(&self, channels: usize) -> UNet2DConditionConfig {
        let levels = self.block_out_channels.len();
        let types = |plain: &str, cross: &str| -> Vec<String> {
            let mut types = vec![cross.to_owned(); levels];
            types[0] = plain.to_owned();
            types
        };
        let mut up = types("UpBlock2D", "CrossAttnUpBlock2D");
        up.reverse();
        UNet2DConditionConfig {
            in_channels: 3 * channels + 2,
            out_channels: channels,
            down_block_types: types("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types: up,
            block_out_channels: self.block_out_channels.clone(),
            layers_per_block: PerLevel::One(self.layers),
            norm_num_groups: GROUPS,
            cross_attention_dim: PerLevel::One(self.text_width),
            attention_head_dim: PerLevel::One(self.heads),
            use_linear_projection: true,
            ..UNet2DConditionConfig::default()
        }
    }

    fn text_config(&self, tokenizer: &Tokenizer) -> ClipTextConfig {
        ClipTextConfig {
            vocab_size: tokenizer.spec().max_id() as usize + 1,
            hidden_size: self.text_width,
            intermediate_size: 4 * self.text_width,
            num_hidden_layers: 2,
            num_attention_heads: TEXT_HEADS,
            max_position_embeddings: TOKENS,
            ..ClipTextConfig::default()
        }
    }
}

/// What this stage trains.
#[derive(Module, Debug)]
pub struct Denoiser {
    pub(super) unet: UNet2DConditionModel,
    pub(super) text: ClipTextModel,
}

/// The schedule of `mini`: v prediction, so that the noisiest level may hold no signal at all.
pub(super) fn schedule() -> DdimConfig {
    DdimConfig {
        beta_start: 0.00085,
        beta_end: 0.012,
        beta_schedule: BetaSchedule::ScaledLinear,
        clip_sample: false,
        prediction_type: PredictionType::VPrediction,
        timestep_spacing: TimestepSpacing::Trailing,
        rescale_betas_zero_snr: true,
        ..DdimConfig::default()
    }
}

/// What diffusers' files do not say about such a model.
fn model_config(vae: &Vae, reference_residual: bool) -> ModelConfig {
    ModelConfig {
        name: "mini".into(),
        licence: "MIT OR Apache-2.0".into(),
        model_card: "A small inpainting model of Stable Diffusion's architecture, trained from nothing on drawn products and free photographs.".into(),
        image_size: 256,
        pixel_unshuffle: vae.pixel_unshuffle(),
        reference_trained: true,
        reference_time: ReferenceTime::Zero,
        reference_bias: 0.0,
        reference_latents: true,
        reference_residual,
        reference_max_tokens: REFERENCE_TOKENS,
        // ARCHITECTURE, "mini": one step leaves no rest of the noise, and each scale then passes.
        inference_steps: Some(1),
        scales: Some(vec![2, 4, 8]),
    }
}

/// The whole model around trained networks, on the plain device.
fn model(
    denoiser: &Denoiser,
    vae: &Vae,
    tokenizer: &Tokenizer,
    config: &ModelConfig,
    device: &Device,
) -> Result<InpaintModel> {
    Ok(InpaintModel::from_networks(
        denoiser.unet.clone(),
        vae.clone(),
        denoiser.text.clone(),
        tokenizer.clone(),
        Ddim::new(schedule())?,
        config.clone(),
        device,
    )?)
}

/// Trains U-Net and text encoder and returns the whole model, on the plain device.
///
/// # Errors
/// Files, divergence, a stop by `progress`.
pub fn train(
    options: &Options,
    given: &Given,
    pictures: &Pictures,
    vae: &Vae,
    device: &Device,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<InpaintModel> {
    let settings = &options.unet;
    let scheduler = Ddim::new(schedule())?;
    let autodiff = device.clone().autodiff();
    let (tokenizer, unet_config, text_config) = match given.model() {
        Some(model) => (
            model.networks.tokenizer.clone(),
            model.networks.unet.config().clone(),
            model.networks.text.config().clone(),
        ),
        None => {
            let tokenizer = tokenizer(pictures)?;
            let text = settings.text_config(&tokenizer);
            let unet = settings.unet_config(vae.latent_channels());
            (tokenizer, unet, text)
        }
    };
    let mut module = Denoiser {
        unet: UNet2DConditionModel::init(&unet_config, options.seed, &autodiff)?,
        text: ClipTextModel::init(&text_config, options.seed, &autodiff)?,
    };
    // What the given weights mean stays what it is.
    let residual = settings.reference_residual || given.reference_residual();
    let config = model_config(vae, residual);
    if let Some(mut weights) = given.denoiser()? {
        if residual && !given.reference_residual() {
            // What it predicted so far was something else: it begins with the paste.
            for (name, tensor) in &mut weights {
                if name.starts_with("unet.conv_out.") {
                    tensor.values.fill(0.0);
                }
            }
        }
        module = load_state(module, &weights)?;
    }
    let stage = Stage {
        name: STAGE,
        folder: &options.out,
        schedule: WarmupCosine {
            peak: settings.rate,
            warmup: 100,
            total: settings.steps,
            floor: 0.02,
        },
        time: settings.time(),
        batch: settings.batch,
        accumulation: 1,
        workers: options.workers,
        loaders: options.loader_threads(),
        checkpoint_every: options.checkpoint_every,
        keep: options.keep,
        sheet_every: options.sheet_every,
        log_every: options.log_every,
        optimiser: settings.optimiser.clone(),
        loss_is_error: true,
        loss_scaling: false,
        reports: &[],
        model: serde_json::json!({ "unet": unet_config, "text": text_config }),
        options: {
            let mut own = options.clone();
            own.unet.reference_residual = residual;
            serde_json::to_value(own).unwrap_or_default()
        },
    };
    let source = Source {
        pictures: pictures.clone(),
        tokenizer: tokenizer.clone(),
        options: settings.clone(),
        seed: options.seed,
        cell: vae.factor(),
    };
    let features = match settings.feature_weight {
        0.0 => None,
        _ => Some(feature_network(&autodiff)?),
    };
    let setting = Setting {
        vae,
        scheduler: &scheduler,
        config: &config,
        options: settings,
        features: features.as_ref(),
        seed: options.seed,
        plain: device,
        autodiff: &autodiff,
    };
    let held_out = held_out(pictures, options.seed);
    let probe = match &options.probe {
        Some(folder) => read_probe(folder, 256)?,
        None => Vec::new(),
    };
    let probe: Vec<(Photo, Photo)> = probe
        .chunks_exact(2)
        .flat_map(|pair| {
            [
                (pair[0].clone(), pair[1].clone()),
                (pair[1].clone(), pair[0].clone()),
            ]
        })
        .collect();
    let evaluate = |denoiser: &Denoiser, path: &Path| {
        let model = model(denoiser, vae, &tokenizer, &config, device)?;
        let Repaired { psnr, mean_colour } = measure(&model, &held_out, Some(path))?;
        let mut numbers = vec![
            ("held_out_psnr", psnr),
            ("held_out_mean_colour", mean_colour),
        ];
        if !probe.is_empty() {
            let measured = measure(&model, &probe, None)?;
            numbers.extend([
                ("probe_psnr", measured.psnr),
                ("probe_mean_colour", measured.mean_colour),
            ]);
        }
        Ok(numbers)
    };
    let begin = if options.resume {
        Start::Resume
    } else {
        Start::Fresh
    };
    let trained = stage.train(
        module,
        &autodiff,
        &begin,
        move |index| source.sample(index),
        |denoiser: &Denoiser, samples| setting.loss(denoiser, samples),
        evaluate,
        progress,
    )?;
    model(&trained, vae, &tokenizer, &config, device)
}

/// The network of the feature distance.
fn feature_network(device: &Device) -> Result<EfficientNetLite0> {
    let network = EfficientNetLite0::embedded(device)?;
    network.ok_or_else(|| {
        option(
            "unet.feature_weight",
            "above 0",
            "0 in a build without the feature network",
        )
    })
}
