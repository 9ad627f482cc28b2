//! First stage: the VAE.

use std::collections::BTreeMap;
use std::path::Path;

use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig, Vae};
use anomalysd_diffusion::weights::{HostTensor, load_state, save_state};
use anomalysd_imaging::Photo;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::given::GivenModel;
use super::vae_init::start_linear;
use super::{Options, Pictures, check, option};
use crate::checkpoint::Checkpoint;
use crate::log::Progress;
use crate::measure::{Psnr, photo_of, photos_tensor, read_probe, vae_psnr};
use crate::noise;
use crate::optimise::OptimiserOptions;
use crate::parallel::PartLoss;
use crate::pca::PatchPca;
use crate::schedule::WarmupCosine;
use crate::sheet::write_sheet;
use crate::stage::{Control, Stage, Start, best_weights};
use crate::{Result, TrainError};

/// Name of the stage.
pub const STAGE: &str = "vae";

/// Purpose of the noise on the latents.
const NOISE: &str = "pretrain vae noise";

/// Sizes and schedule of the VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaeOptions {
    /// Side of the squares that become channels: the whole downsampling.
    pub pixel_unshuffle: usize,
    /// C.
    pub latent_channels: usize,
    /// Channels of the trunk.
    pub channels: usize,
    /// Groups of the norms; at least C, each of at least four channels.
    pub groups: usize,
    /// Residual blocks of the encoder's level; the decoder has one more, the middle two.
    pub layers: usize,
    /// Steps; 0 takes the newest checkpoint as it is.
    pub steps: u64,
    /// Crops per step.
    pub batch: usize,
    /// Side of a crop in pixels.
    pub crop: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Share of crops of free photographs.
    pub photo_share: f32,
    /// Standard deviation of noise on the latents: the decoder must bear the U-Net's errors.
    pub latent_noise: f64,
    /// Pictures on which the projection is fitted.
    pub pca_pictures: usize,
    /// Constants of the optimiser.
    pub optimiser: OptimiserOptions,
}

impl Default for VaeOptions {
    fn default() -> Self {
        Self {
            pixel_unshuffle: 8,
            latent_channels: 12,
            channels: 96,
            groups: 12,
            layers: 1,
            steps: 2000,
            batch: 16,
            crop: 128,
            rate: 1e-3,
            photo_share: 0.4,
            latent_noise: 0.02,
            pca_pictures: 300,
            optimiser: OptimiserOptions::default(),
        }
    }
}

impl VaeOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.groups < self.latent_channels
            || !self.channels.is_multiple_of(self.groups.max(1))
            || self.channels < 4 * self.groups
        {
            return Err(option(
                "vae.groups",
                self.groups,
                "at least latent_channels, a divisor of channels that leaves four per group",
            ));
        }
        if self.crop == 0 || !self.crop.is_multiple_of(self.pixel_unshuffle.max(1)) {
            return Err(option(
                "vae.crop",
                self.crop,
                "a multiple of pixel_unshuffle",
            ));
        }
        check(&[
            (
                "vae.pixel_unshuffle",
                self.pixel_unshuffle as f64,
                1.0..=64.0,
            ),
            (
                "vae.latent_channels",
                self.latent_channels as f64,
                1.0..=1024.0,
            ),
            ("vae.layers", self.layers as f64, 1.0..=16.0),
            ("vae.batch", self.batch as f64, 1.0..=65_536.0),
            ("vae.rate", self.rate, 0.0..=1.0),
            ("vae.photo_share", f64::from(self.photo_share), 0.0..=1.0),
            ("vae.latent_noise", self.latent_noise, 0.0..=1e3),
            ("vae.pca_pictures", self.pca_pictures as f64, 1.0..=1e6),
        ])
    }
}

/// The configuration of the network in diffusers' terms.
pub fn vae_config(options: &VaeOptions) -> AutoencoderKlConfig {
    let pixels = 3 * options.pixel_unshuffle * options.pixel_unshuffle;
    AutoencoderKlConfig {
        in_channels: pixels,
        out_channels: pixels,
        block_out_channels: vec![options.channels],
        layers_per_block: options.layers,
        latent_channels: options.latent_channels,
        norm_num_groups: options.groups,
        scaling_factor: 1.0,
        use_quant_conv: false,
        use_post_quant_conv: false,
        mid_block_add_attention: false,
        ..AutoencoderKlConfig::default()
    }
}

/// Trains the VAE and returns it on the plain device, latents scaled to unit standard deviation.
///
/// # Errors
/// Files, divergence, a stop by `progress`.
pub fn train(
    options: &Options,
    given: Option<&GivenModel>,
    pictures: &Pictures,
    device: &Device,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<()> {
    let settings = &options.vae;
    let fitting: Vec<Photo> = (0..settings.pca_pictures as u64)
        .map(|index| pictures.crop(u64::MAX / 2 + index, settings.crop, 0.0))
        .collect();
    let (factor, latents) = match given {
        Some(model) => (
            model.networks.vae.factor(),
            model.networks.vae.latent_channels(),
        ),
        None => (settings.pixel_unshuffle, settings.latent_channels),
    };
    let pca = PatchPca::fit(&fitting, factor, latents);
    let autodiff = device.clone().autodiff();
    let (module, config) = match given {
        Some(model) => (model.vae(&autodiff)?, model.vae_config.clone()),
        None => {
            let config = vae_config(settings);
            let module = start(&config, settings, &pca, options.seed, &autodiff)?;
            (module, config)
        }
    };
    let held_out = pictures.held_out(12, 256);
    let probe = options
        .probe
        .as_deref()
        .map(|folder| read_probe(folder, 256))
        .transpose()?
        .unwrap_or_default();
    let bar = Psnr::of_pca(&pca, &held_out).mean;
    let probe_bar = Psnr::of_pca(&pca, &probe).mean;
    let stage = Stage {
        name: STAGE,
        folder: &options.out,
        schedule: WarmupCosine {
            peak: settings.rate,
            warmup: 50,
            total: settings.steps,
            floor: 0.02,
        },
        time: None,
        batch: settings.batch,
        accumulation: 1,
        workers: options.workers,
        loaders: options.loader_threads(),
        checkpoint_every: options.checkpoint_every,
        keep: options.keep,
        sheet_every: options.sheet_every,
        log_every: options.log_every,
        optimiser: settings.optimiser.clone(),
        loss_is_error: false,
        loss_scaling: false,
        reports: &["psnr", "latent_std"],
        model: serde_json::json!({ "vae": config, "pixel_unshuffle": module.pixel_unshuffle() }),
        options: serde_json::to_value(options).unwrap_or_default(),
    };
    let sample = {
        let (pictures, crop, share) = (pictures.clone(), settings.crop, settings.photo_share);
        move |index| (index, pictures.crop(index, crop, share))
    };
    let (seed, level) = (options.seed, settings.latent_noise);
    let loss = |vae: &Vae, samples: Vec<(u64, Photo)>| {
        let (numbers, crops): (Vec<u64>, Vec<Photo>) = samples.into_iter().unzip();
        let noise = |shape| noise::of_samples(seed, NOISE, &numbers, shape, &autodiff) * level;
        loss(vae, &crops, noise, &autodiff)
    };
    let evaluate = |vae: &Vae, path: &Path| {
        let mut rows = Vec::new();
        for photo in held_out.iter().chain(&probe).step_by(5).take(8) {
            rows.push(row(vae, photo, device)?);
        }
        write_sheet(path, &rows)?;
        let mut numbers = vec![
            ("held_out_psnr", vae_psnr(vae, &held_out, device)?.mean),
            ("held_out_pca", bar),
        ];
        if !probe.is_empty() {
            numbers.extend([
                ("probe_psnr", vae_psnr(vae, &probe, device)?.mean),
                ("probe_pca", probe_bar),
            ]);
        }
        Ok(numbers)
    };
    let begin = if options.resume {
        Start::Resume
    } else {
        Start::Fresh
    };
    stage.train(module, &autodiff, &begin, sample, loss, evaluate, progress)?;
    Ok(())
}

/// A network that computes the projection.
fn start(
    config: &AutoencoderKlConfig,
    settings: &VaeOptions,
    pca: &PatchPca,
    seed: u64,
    device: &Device,
) -> Result<Vae> {
    let vae = Vae::kl(
        AutoencoderKl::init(config, seed, device)?,
        settings.pixel_unshuffle,
    )?;
    let mut tensors: BTreeMap<String, HostTensor> = save_state(&vae)?
        .into_iter()
        .map(|(name, shape, values)| (name, HostTensor { shape, values }))
        .collect();
    let total: f32 = pca.variance.iter().sum();
    let scale = (total / settings.latent_channels as f32).sqrt().max(1e-6);
    start_linear(&mut tensors, "network.", config, pca, scale);
    Ok(load_state(vae, &tensors)?)
}

/// Mean over the crops of the logarithm of the squared error: what the mean PSNR asks for; the
/// latents' overall variance is held near one. `noise` draws what the latents are shaken by.
fn loss(
    vae: &Vae,
    crops: &[Photo],
    noise: impl Fn([usize; 3]) -> Tensor<4>,
    device: &Device,
) -> ModelResult<PartLoss> {
    let photos = photos_tensor(crops, device);
    let latents = vae.enc(photos.clone())?;
    let spread = latents.clone().square().mean();
    let [_, channels, height, width] = latents.dims();
    let shaken = latents + noise([channels, height, width]);
    let error = (vae.dec_signed(shaken)? - (photos * 2.0 - 1.0)) * 0.5;
    let [batch, ..] = error.dims();
    let squares = error.square().reshape([batch as i32, -1]).mean_dim(1); // [B, 1]
    let logarithm = (squares + 1e-5).log().mean();
    let psnr = value(&logarithm) * -10.0 / std::f32::consts::LN_10;
    let latent_std = value(&spread).sqrt();
    let loss = logarithm + (spread - 1.0).square() * 0.05;
    Ok(PartLoss {
        loss,
        report: vec![psnr, latent_std],
    })
}

fn value(tensor: &Tensor<1>) -> f32 {
    tensor
        .clone()
        .into_data()
        .try_to_vec::<f32>()
        .ok()
        .and_then(|v| v.first().copied())
        .unwrap_or(f32::NAN)
}

/// Photo, reconstruction, four times the difference around grey.
fn row(vae: &Vae, photo: &Photo, device: &Device) -> Result<Vec<Photo>> {
    let output = vae.dec(vae.enc(photos_tensor(std::slice::from_ref(photo), device))?)?;
    let back = photo_of(output, 0);
    let mut difference = photo.clone();
    for (value, other) in difference.data.iter_mut().zip(&back.data) {
        *value = (0.5 + 4.0 * (other - *value)).clamp(0.0, 1.0);
    }
    Ok(vec![photo.clone(), back, difference])
}

/// The trained VAE of the newest checkpoint in `folder`.
///
/// # Errors
/// No checkpoint, or one that does not fit.
pub fn load_vae(folder: &Path, device: &Device) -> Result<(Vae, AutoencoderKlConfig, usize)> {
    let checkpoint = Checkpoint::newest(folder, STAGE)?.ok_or_else(|| TrainError::Format {
        path: folder.to_owned(),
        reason: "no checkpoint of the VAE stage".to_owned(),
    })?;
    let damaged = |error: serde_json::Error| TrainError::Format {
        path: folder.to_owned(),
        reason: error.to_string(),
    };
    let model = &checkpoint.description.model;
    let config: AutoencoderKlConfig =
        serde_json::from_value(model["vae"].clone()).map_err(damaged)?;
    let unshuffle: usize =
        serde_json::from_value(model["pixel_unshuffle"].clone()).map_err(damaged)?;
    let vae = Vae::kl(AutoencoderKl::init(&config, 0, device)?, unshuffle)?;
    Ok((
        load_state(vae, &best_weights(&checkpoint))?,
        config,
        unshuffle,
    ))
}
