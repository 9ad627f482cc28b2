//! The loss of a batch: the weighted error of the prediction, each sample for itself.

use std::sync::Arc;

use anomalysd_detect::repaint::{Latents, fill, upload_latents};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::scheduler::{Ddim, PredictionType};
use anomalysd_diffusion::unet::{ReferenceOptions, ReferenceStates, UNet2DConditionModel};
use anomalysd_diffusion::{DiffusionError, Result as ModelResult};
use anomalysd_imaging::{Mask, Photo, max_pool_mask};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::super::cache::{LatentCache, Picture};
use super::super::options::UnetOptions;
use super::super::photos::{Classes, by_size, values};
use super::super::{cast, constant};
use super::samples::{Sample, Text};
use crate::measure::{mask_tensor, photos_tensor};
use crate::noise;
use crate::parallel::PartLoss;

/// Purpose of the noise that the network learns to remove.
const NOISE: &str = "tune unet noise";

/// What the loss needs besides the module.
pub(super) struct Setting<'a> {
    pub(super) model: &'a InpaintModel,
    pub(super) classes: Arc<Classes>,
    pub(super) options: &'a UnetOptions,
    pub(super) seed: u64,
    pub(super) autodiff: &'a Device,
    /// What the U-Net computes in.
    pub(super) dtype: DType,
    pub(super) cache: LatentCache,
    /// What both sides of a padded photo are multiples of.
    pub(super) multiple: usize,
}

impl Setting<'_> {
    /// Mean over the samples of `w_snr · Σ w·(target − prediction)² / Σ w`.
    pub(super) fn loss(
        &self,
        unet: &UNet2DConditionModel,
        samples: Vec<Sample>,
    ) -> ModelResult<PartLoss> {
        let count = samples.len().max(1);
        let mut sum = Tensor::zeros([1], self.autodiff);
        for group in by_size(samples, |one| (one.target.width, one.target.height)) {
            sum = sum + self.of_one_size(unet, &group)?;
        }
        Ok(PartLoss {
            loss: sum / count as f64,
            report: Vec::new(),
        })
    }

    /// The sum over samples of one size.
    fn of_one_size(
        &self,
        unet: &UNet2DConditionModel,
        samples: &[Sample],
    ) -> ModelResult<Tensor<1>> {
        let (model, plain) = (self.model, &self.model.device);
        let targets: Vec<Photo> = samples.iter().map(|sample| sample.target.clone()).collect();
        let targets = photos_tensor(&targets, plain);
        let factor = model.vae.factor();
        let masks = |of: &dyn Fn(&Sample) -> Mask| mask_tensor(samples.iter().map(of), plain);
        let hidden = masks(&|sample| sample.hidden.clone());
        let cells = masks(&|sample| max_pool_mask(&sample.hidden, factor));
        let pictures = samples.iter().map(|sample| Some(sample.picture));
        let clean = self.cache.encode(&model.vae, &targets, pictures)?;
        let visible = (targets * 2.0 - 1.0) * (hidden.neg() + 1.0);
        let masked = model.vae.enc_signed(visible)?;
        let [batch, channels, height, width] = clean.dims();
        let timesteps: Vec<usize> = samples.iter().map(|sample| sample.timestep).collect();
        let numbers: Vec<u64> = samples.iter().map(|sample| sample.number).collect();
        let shape = [channels, height, width];
        let noise = noise::of_samples(self.seed, NOISE, &numbers, shape, plain);
        let noised = model
            .scheduler
            .add_noise(clean.clone(), noise.clone(), &timesteps);
        let target = model.scheduler.target(clean.clone(), noise, &timesteps);
        let context = constant(self.contexts(samples), self.autodiff);
        let mut input = vec![noised, cells.clone(), masked];
        if model.config.reference_latents {
            let flags: Vec<f32> = samples
                .iter()
                .map(|sample| f32::from(u8::from(sample.present)))
                .collect();
            let flag = Tensor::<4>::from_data(TensorData::new(flags, [batch, 1, 1, 1]), plain)
                .expand([batch, 1, height, width]);
            let shown = if model.config.reference_residual {
                samples.first().map_or(1, |first| first.references.len())
            } else {
                1
            };
            let good = self
                .references(samples, shown, true, [height, width])?
                .reshape([batch, shown, channels, height, width]);
            let filled = fill(good, clean.clone(), &cells);
            input.extend([filled * flag.clone(), flag]);
        }
        let states = self.states(unet, samples, &context, [channels, height, width])?;
        let times: Vec<f32> = timesteps.iter().map(|&timestep| timestep as f32).collect();
        let input = constant(Tensor::cat(input, 1), self.autodiff);
        let input = cast(input, self.dtype);
        let output = unet.forward(input.clone(), &times, context, Some(&states))?;
        let velocity = model
            .config
            .velocity(output, &input, &model.scheduler, &timesteps);
        let output = cast(velocity, DType::F32);
        let outside = self.options.outside_weight;
        let weights = cells * (1.0 - outside) + outside;
        let total = weights.clone().reshape([batch as i32, -1]).sum_dim(1) * channels as f64; // [B, 1]
        let snr = self.snr_weights(&timesteps);
        let scale = Tensor::<2>::from_data(TensorData::new(snr, [batch, 1]), plain) / total;
        let weights = weights.expand([batch, channels, height, width]);
        let error = (output - constant(target, self.autodiff)).square();
        let error = (error * constant(weights, self.autodiff)).reshape([batch as i32, -1]);
        Ok((error.sum_dim(1) * constant::<2>(scale, self.autodiff)).sum())
    }

    /// Keys and values of the references, clean at timestep 0.
    fn states(
        &self,
        unet: &UNet2DConditionModel,
        samples: &[Sample],
        context: &Tensor<3>,
        [channels, height, width]: [usize; 3],
    ) -> ModelResult<ReferenceStates> {
        let config = &self.model.config;
        let plain = &self.model.device;
        let attended = samples.first().map_or(1, |first| first.references.len());
        let rows = samples.len() * attended;
        let good = self.references(samples, attended, false, [height, width])?;
        let zeros = |count| Tensor::zeros([rows, count, height, width], plain);
        let mut input = vec![good.clone(), zeros(1), good];
        if config.reference_latents {
            input.push(zeros(channels + 1));
        }
        let [_, tokens, inner] = context.dims();
        let contexts = context
            .clone()
            .reshape([samples.len(), 1, tokens, inner])
            .expand([samples.len(), attended, tokens, inner])
            .reshape([rows, tokens, inner]);
        let options = ReferenceOptions {
            max_tokens: config.reference_max_tokens,
            bias: config.reference_bias,
            per_photo: attended,
        };
        let input = cast(constant(Tensor::cat(input, 1), self.autodiff), self.dtype);
        let states = unet.reference_states(input, &[0.0], contexts, options)?;
        let present: Vec<bool> = samples.iter().map(|sample| sample.present).collect();
        Ok(states.with_present(&present, self.autodiff))
    }

    /// Latents of the first `count` references of every sample, laid over it or as they are, resized to the
    /// sample's own: `[samples·count, C, h, w]`.
    fn references(
        &self,
        samples: &[Sample],
        count: usize,
        laid: bool,
        size: [usize; 2],
    ) -> ModelResult<Tensor<4>> {
        let of_one = |sample: &Sample, photo: usize| {
            let target = sample.picture;
            let moved = self.classes.classes[target.class].laid[target.photo][photo].is_some();
            let picture = Picture {
                photo,
                over: (laid && moved).then_some(target.photo),
                ..target
            };
            self.reference(picture, size)
        };
        let all = samples.iter().flat_map(|sample| {
            let chosen = sample.references.iter().take(count);
            chosen.map(move |photo| of_one(sample, *photo))
        });
        Ok(Tensor::cat(all.collect::<ModelResult<_>>()?, 0))
    }

    /// The latents of a photo, resized where they are of another size: `[1, C, h, w]`.
    fn reference(&self, picture: Picture, [height, width]: [usize; 2]) -> ModelResult<Tensor<4>> {
        let (vae, plain) = (&self.model.vae, &self.model.device);
        let latents = self.cache.of(picture, || {
            let class = &self.classes.classes[picture.class];
            let photo = class.laid_picture(picture, self.multiple);
            vae.enc(photos_tensor(std::slice::from_ref(&photo), plain))
        })?;
        let [_, channels, from_height, from_width] = latents.dims();
        if (from_height, from_width) == (height, width) {
            return Ok(latents);
        }
        let latents = Latents {
            channels,
            height: from_height,
            width: from_width,
            data: values(latents).map_err(|error| DiffusionError::Container {
                what: "latents of a good photo".to_owned(),
                reason: error.to_string(),
            })?,
            picture: None,
        };
        Ok(upload_latents(&latents, width, height, plain))
    }

    /// `[samples, tokens, width]`.
    fn contexts(&self, samples: &[Sample]) -> Tensor<3> {
        let of_one = |sample: &Sample| -> &[f32] {
            match sample.text {
                Text::Empty => &self.classes.empty,
                Text::Of(level) => &self.classes.classes[sample.picture.class].contexts[level],
            }
        };
        let values: Vec<f32> = samples.iter().flat_map(of_one).copied().collect();
        let tokens = self.model.tokenizer.spec().max_length;
        let shape = [
            samples.len(),
            tokens,
            self.model.unet.config().context_width(),
        ];
        Tensor::from_data(TensorData::new(values, shape), &self.model.device)
    }

    fn snr_weights(&self, timesteps: &[usize]) -> Vec<f32> {
        let weight = |timestep: &usize| match self.options.snr_gamma {
            None => 1.0,
            Some(gamma) => min_snr(&self.model.scheduler, *timestep, gamma) as f32,
        };
        timesteps.iter().map(weight).collect()
    }
}

/// Min-SNR: min(SNR, γ)/SNR where ε is predicted, min(SNR, γ)/(SNR + 1) where v is, min(SNR, γ) where the
/// clean latents are.
///
/// Source: Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy", 2023.
fn min_snr(scheduler: &Ddim, timestep: usize, gamma: f64) -> f64 {
    let snr = scheduler.snr(timestep);
    let least = snr.min(gamma);
    match scheduler.config().prediction_type {
        // Without any signal both are 0: the limit is 1.
        PredictionType::Epsilon if snr <= 0.0 => 1.0,
        PredictionType::Epsilon => least / snr,
        PredictionType::VPrediction => least / (snr + 1.0),
        PredictionType::Sample => least,
    }
}

#[cfg(test)]
mod tests {
    use anomalysd_diffusion::scheduler::DdimConfig;

    use super::*;

    #[test]
    fn min_snr_is_one_where_little_signal_is_left_and_falls_where_much_is() {
        let scheduler = |prediction_type| {
            Ddim::new(DdimConfig {
                prediction_type,
                ..DdimConfig::default()
            })
            .unwrap()
        };
        let epsilon = scheduler(PredictionType::Epsilon);
        let snr = epsilon.snr(10);
        assert!(snr > 5.0);
        assert!((min_snr(&epsilon, 10, 5.0) - 5.0 / snr).abs() < 1e-12);
        assert_eq!(min_snr(&epsilon, 990, 5.0), 1.0);
        let v = scheduler(PredictionType::VPrediction);
        assert!((min_snr(&v, 10, 5.0) - 5.0 / (snr + 1.0)).abs() < 1e-12);
        let late = v.snr(990);
        assert!((min_snr(&v, 990, 5.0) - late / (late + 1.0)).abs() < 1e-12);
    }
}
