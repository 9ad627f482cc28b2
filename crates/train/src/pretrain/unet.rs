//! Second stage: U-Net and text encoder together, on the latents of the trained VAE.

use std::path::Path;
use std::time::Duration;

use anomalysd_dataset::synth::Product;
use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_diffusion::PerLevel;
use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, Tokenizer, train_vocabulary};
use anomalysd_diffusion::model::{InpaintModel, ModelConfig, ReferenceTime};
use anomalysd_diffusion::scheduler::{
    BetaSchedule, Ddim, DdimConfig, PredictionType, TimestepSpacing,
};
use anomalysd_diffusion::unet::{ReferenceOptions, UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::Vae;
use anomalysd_diffusion::weights::load_state;
use anomalysd_imaging::{Mask, Photo, max_pool_mask};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};

use super::given::Given;
use super::repaired::{Repaired, measure};
use super::{Options, Pictures, holes, option};
use crate::Result;
use crate::log::Progress;
use crate::measure::{photos_tensor, read_probe};
use crate::noise;
use crate::optimise::OptimiserOptions;
use crate::parallel::PartLoss;
use crate::photos::{below, sample_rng, unit};
use crate::schedule::WarmupCosine;
use crate::stage::{Control, Stage, Start};

/// Name of the stage.
pub const STAGE: &str = "unet";

/// Purpose of the noise that the network learns to remove.
const NOISE: &str = "pretrain unet noise";

/// Tokens of a prompt.
const TOKENS: usize = 77;
/// Byte-pair merges learnt from the prompts of drawn products.
const MERGES: usize = 400;
/// The timestep at which no signal is left.
const NOISIEST: usize = 999;
/// Feature layers of the loss: after blocks 2 and 4.
const FEATURE_TAPS: usize = 2;
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
        if self.batch == 0 {
            return Err(option("unet.batch", self.batch, "at least 1"));
        }
        if !(0.0..=1e5).contains(&self.minutes) {
            return Err(option("unet.minutes", self.minutes, "0 to 100000"));
        }
        Ok(())
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
            norm_num_groups: 16,
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
            num_attention_heads: 4,
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

/// Both levels of METHOD § 2 for a drawn product.
fn prompts(product: &Product) -> [String; 2] {
    let name = product.name();
    [
        format!("A perfect {name}."),
        format!("A {name} with {}.", product.parts()),
    ]
}

/// The tokenizer: learnt from the prompts that training uses, so it is the same for every run.
fn tokenizer(pictures: &Pictures) -> Result<Tokenizer> {
    let texts: Vec<String> = (0..400)
        .flat_map(|seed| prompts(&pictures.product(seed)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(train_vocabulary(&texts, MERGES, TOKENS)?)
}

/// One training sample.
struct Sample {
    number: u64,
    target: Photo,
    /// Good photos, as many in every sample of a step; the first goes to the input channels.
    references: Vec<Photo>,
    hidden: Mask,
    in_channels: bool,
    /// How many of the references the attentions see.
    attended: usize,
    has_reference: bool,
    timestep: usize,
    ids: Vec<u32>,
}

struct Source {
    pictures: Pictures,
    tokenizer: Tokenizer,
    options: UnetOptions,
    seed: u64,
    cell: usize,
}

impl Source {
    fn sample(&self, index: u64) -> Sample {
        let options = &self.options;
        let mut rng = sample_rng(self.seed, "pretrain unet", index);
        let photo = self
            .pictures
            .photograph(options.size, options.photo_share, &mut rng);
        let attended = self.attended(index / options.batch as u64);
        let count = attended.max(1);
        let (target, references, text, has_reference) = match photo {
            Some(photo) => (photo.clone(), vec![photo; count], String::new(), false),
            None => {
                let product = self.pictures.product(rng.next_u64());
                let mut drawn = instances(&product, 1 + count, options.size, &mut rng);
                let target = drawn.swap_remove(count);
                (target, drawn, text(&product, &mut rng), true)
            }
        };
        let hidden = holes::draw(&target, self.cell, &mut rng);
        let timestep = if unit(&mut rng) < options.pure_noise_share {
            NOISIEST
        } else {
            below(&mut rng, 1000)
        };
        Sample {
            number: index,
            in_channels: has_reference && unit(&mut rng) < options.channel_share,
            has_reference,
            timestep,
            // A prompt that the tokenizer refuses cannot occur: every byte is in its alphabet.
            ids: self.tokenizer.encode(&text).unwrap_or_default(),
            target,
            references,
            attended,
            hidden,
        }
    }

    /// How many good photos the attentions of a step see: none, or one to four.
    fn attended(&self, step: u64) -> usize {
        let mut rng = sample_rng(self.seed, "pretrain unet references", step);
        if unit(&mut rng) >= self.options.attention_share {
            return 0;
        }
        [1, 1, 2, 4][below(&mut rng, 4)]
    }
}

/// Instances of a product: whole, or the same part of all at twice the resolution.
fn instances(product: &Product, count: usize, size: usize, rng: &mut impl RngCore) -> Vec<Photo> {
    let seeds: Vec<u64> = (0..count).map(|_| rng.next_u64()).collect();
    if unit(rng) < 0.5 {
        let whole = |seed| product.instance(seed, size);
        return seeds.into_iter().map(whole).collect();
    }
    let (x, y) = (below(rng, size + 1), below(rng, size + 1));
    let part = |seed| product.instance(seed, 2 * size).crop(x, y, size, size);
    seeds.into_iter().map(part).collect()
}

/// Level 1, level 2 or both; the empty text in one of ten.
fn text(product: &Product, rng: &mut impl RngCore) -> String {
    let [object, detail] = prompts(product);
    match unit(rng) {
        share if share < 0.1 => String::new(),
        share if share < 0.325 => object,
        share if share < 0.55 => detail,
        _ => format!("{object} {detail}"),
    }
}

/// What the loss needs besides the module.
struct Setting<'a> {
    vae: &'a Vae,
    scheduler: &'a Ddim,
    options: &'a UnetOptions,
    features: Option<&'a EfficientNetLite0>,
    seed: u64,
    plain: &'a Device,
    autodiff: &'a Device,
}

impl Setting<'_> {
    fn loss(&self, model: &Denoiser, samples: Vec<Sample>) -> ModelResult<PartLoss> {
        let photos = |pick: fn(&Sample) -> &Photo| {
            let photos: Vec<Photo> = samples.iter().map(|sample| pick(sample).clone()).collect();
            photos_tensor(&photos, self.plain)
        };
        let targets = photos(|sample| &sample.target);
        let whole = targets.clone();
        let factor = self.vae.factor();
        let hidden = mask_tensor(
            samples.iter().map(|sample| sample.hidden.clone()),
            self.plain,
        );
        let cells = mask_tensor(
            samples
                .iter()
                .map(|sample| max_pool_mask(&sample.hidden, factor)),
            self.plain,
        );
        let clean = self.vae.enc(targets.clone())?;
        let visible = (targets * 2.0 - 1.0) * (hidden.clone().neg() + 1.0);
        let masked = self.vae.enc_signed(visible)?;
        let reference = self.vae.enc(photos(|sample| &sample.references[0]))?;
        let [batch, channels, height, width] = clean.dims();
        let flag = |on: &dyn Fn(&Sample) -> bool| -> Tensor<4> {
            let values: Vec<f32> = samples.iter().map(|s| f32::from(u8::from(on(s)))).collect();
            Tensor::from_data(TensorData::new(values, [batch, 1, 1, 1]), self.plain)
        };
        let in_channels = flag(&|sample| sample.in_channels).expand([batch, 1, height, width]);
        let timesteps: Vec<usize> = samples.iter().map(|sample| sample.timestep).collect();
        let numbers: Vec<u64> = samples.iter().map(|sample| sample.number).collect();
        let shape = [channels, height, width];
        let noise = noise::of_samples(self.seed, NOISE, &numbers, shape, self.plain);
        let noised = self
            .scheduler
            .add_noise(clean.clone(), noise.clone(), &timesteps);
        let target = self.scheduler.target(clean, noise, &timesteps);
        let sample = Tensor::cat(
            vec![
                noised,
                cells.clone(),
                masked,
                reference.clone() * in_channels.clone(),
                in_channels,
            ],
            1,
        );
        let ids: Vec<Vec<u32>> = samples.iter().map(|sample| sample.ids.clone()).collect();
        let context = model.text.encode(&ids, self.autodiff)?;
        let present: Vec<bool> = samples.iter().map(|sample| sample.has_reference).collect();
        let attended = samples.first().map_or(0, |first| first.attended);
        let states = if attended > 0 {
            let all: Vec<Photo> = samples
                .iter()
                .flat_map(|sample| sample.references[..attended].iter().cloned())
                .collect();
            let good = if attended == 1 {
                reference
            } else {
                self.vae.enc(photos_tensor(&all, self.plain))?
            };
            let rows = batch * attended;
            let zeros = |count| Tensor::zeros([rows, count, height, width], self.plain);
            let input = Tensor::cat(vec![good.clone(), zeros(1), good, zeros(channels + 1)], 1);
            let options = ReferenceOptions {
                max_tokens: REFERENCE_TOKENS,
                bias: 0.0,
                per_photo: attended,
            };
            let input = Tensor::from_inner(input);
            let [_, tokens, width] = context.dims();
            let contexts = context
                .clone()
                .reshape([batch, 1, tokens, width])
                .expand([batch, attended, tokens, width])
                .reshape([rows, tokens, width]);
            let states = model
                .unet
                .reference_states(input, &[0.0], contexts, options)?;
            Some(states.with_present(&present, self.autodiff))
        } else {
            None
        };
        let times: Vec<f32> = timesteps.iter().map(|&timestep| timestep as f32).collect();
        let output =
            model
                .unet
                .forward(Tensor::from_inner(sample), &times, context, states.as_ref())?;
        let outside = self.options.outside_weight;
        let weights = (cells * (1.0 - outside) + outside).expand([batch, channels, height, width]);
        let weights: Tensor<4> = Tensor::from_inner(weights);
        let error = (output.clone() - Tensor::from_inner(target)).square();
        let total = weights.clone().sum();
        let mut loss = (error * weights).sum() / total;
        if let Some(features) = self.features {
            let noisiest: Vec<i32> = (0..batch)
                .filter(|&at| timesteps[at] == NOISIEST)
                .map(|at| at as i32)
                .take(self.options.feature_samples)
                .collect();
            if !noisiest.is_empty() {
                let chosen = TensorData::new(noisiest.clone(), [noisiest.len()]);
                let chosen = Tensor::<1, Int>::from_data(chosen, self.plain);
                let photo = whole.select(0, chosen.clone());
                let hidden = hidden.select(0, chosen.clone());
                // At the noisiest timestep nothing is left of the photo, and v is −x₀.
                let clean = output.select(0, Tensor::from_inner(chosen)).neg();
                let distance = self.feature_distance(features, clean, photo, hidden)?;
                loss = loss + distance * self.options.feature_weight;
            }
        }
        Ok(PartLoss {
            loss,
            report: Vec::new(),
        })
    }

    /// Mean of ½‖a − b‖² over the hidden places, a and b unit features of photo and repair, of the
    /// two finest taps: what scores compare, in a form that can be differentiated.
    fn feature_distance(
        &self,
        features: &EfficientNetLite0,
        clean: Tensor<4>,
        photo: Tensor<4>,
        hidden: Tensor<4>,
    ) -> ModelResult<Tensor<1>> {
        let painted = self.vae.dec_signed(clean)? * 0.5 + 0.5;
        let inside: Tensor<4> = Tensor::from_inner(hidden.clone());
        let kept = Tensor::from_inner(photo.clone() * (hidden.clone().neg() + 1.0));
        let repaired = painted * inside + kept;
        let mut sum = Tensor::zeros([1], self.autodiff);
        for (is, should) in features
            .taps(repaired, FEATURE_TAPS)
            .into_iter()
            .zip(features.taps(photo, FEATURE_TAPS))
        {
            let [_, _, height, width] = is.dims();
            let [_, _, rows, columns] = hidden.dims();
            let unit = |x: Tensor<4>| {
                let norm = (x.clone().square().sum_dim(1) + 1e-6).sqrt();
                x / norm
            };
            let difference = unit(is) - Tensor::from_inner(unit(should));
            let distance = difference.square().sum_dim(1) * 0.5;
            let (high, wide) = (rows / height, columns / width);
            let share = hidden
                .clone()
                .reshape([-1, height as i32, high as i32, width as i32, wide as i32])
                .mean_dim(4)
                .mean_dim(2);
            let [batch, ..] = hidden.dims();
            let share: Tensor<5> = share;
            let share: Tensor<4> = Tensor::from_inner(share.reshape([batch, 1, height, width]));
            sum = sum + (distance * share.clone()).sum() / (share.sum() + 1e-6);
        }
        Ok(sum / FEATURE_TAPS as f64)
    }
}

fn mask_tensor(masks: impl Iterator<Item = Mask>, device: &Device) -> Tensor<4> {
    let (mut values, mut shape) = (Vec::new(), [0, 1, 0, 0]);
    for mask in masks {
        values.extend(mask.data.iter().map(|&set| f32::from(u8::from(set))));
        shape = [shape[0] + 1, 1, mask.height, mask.width];
    }
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The whole model around trained networks, on the plain device.
fn model(
    denoiser: &Denoiser,
    vae: &Vae,
    tokenizer: &Tokenizer,
    device: &Device,
) -> Result<InpaintModel> {
    let config = ModelConfig {
        name: "mini".into(),
        licence: "MIT OR Apache-2.0".into(),
        model_card: "A small inpainting model of Stable Diffusion's architecture, trained from nothing on drawn products and free photographs.".into(),
        image_size: 256,
        pixel_unshuffle: vae.pixel_unshuffle(),
        reference_trained: true,
        reference_time: ReferenceTime::Zero,
        reference_bias: 0.0,
        reference_latents: true,
        reference_max_tokens: REFERENCE_TOKENS,
        // ARCHITECTURE, "mini": one step leaves no rest of the noise, and each scale then passes.
        inference_steps: Some(1),
        scales: Some(vec![2, 4, 8]),
    };
    Ok(InpaintModel::from_networks(
        denoiser.unet.clone(),
        vae.clone(),
        denoiser.text.clone(),
        tokenizer.clone(),
        Ddim::new(schedule())?,
        config,
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
    if let Some(weights) = given.denoiser()? {
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
        workers: options.workers,
        loaders: options.loader_threads(),
        checkpoint_every: options.checkpoint_every,
        keep: options.keep,
        sheet_every: options.sheet_every,
        log_every: options.log_every,
        optimiser: settings.optimiser.clone(),
        reports: &[],
        model: serde_json::json!({ "unet": unet_config, "text": text_config }),
        options: serde_json::to_value(options).unwrap_or_default(),
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
        let model = model(denoiser, vae, &tokenizer, device)?;
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
    model(&trained, vae, &tokenizer, device)
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

/// Pairs of instances that training never sees: photo and reference.
fn held_out(pictures: &Pictures, seed: u64) -> Vec<(Photo, Photo)> {
    (0..8)
        .map(|index| {
            let mut rng = sample_rng(seed, "pretrain unet held out", index);
            let product = pictures.product(rng.next_u64());
            let mut draw = || product.instance(rng.next_u64(), 256);
            (draw(), draw())
        })
        .collect()
}
