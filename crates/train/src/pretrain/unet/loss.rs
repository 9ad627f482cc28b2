//! The loss of a batch: the error of the prediction, and how far the features of what it paints are from
//! those of the photo.

use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_detect::repaint::fill;
use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::model::ModelConfig;
use anomalysd_diffusion::scheduler::Ddim;
use anomalysd_diffusion::unet::ReferenceOptions;
use anomalysd_diffusion::vae::Vae;
use anomalysd_imaging::{Photo, max_pool_mask};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::samples::{NOISIEST, Sample};
use super::{Denoiser, REFERENCE_TOKENS, UnetOptions};
use crate::measure::{mask_tensor, photos_tensor};
use crate::noise;
use crate::parallel::PartLoss;

/// Purpose of the noise that the network learns to remove.
const NOISE: &str = "pretrain unet noise";

/// Feature layers of the loss: after blocks 2 and 4.
const FEATURE_TAPS: usize = 2;

/// What the loss needs besides the module.
pub(super) struct Setting<'a> {
    pub(super) vae: &'a Vae,
    pub(super) scheduler: &'a Ddim,
    pub(super) config: &'a ModelConfig,
    pub(super) options: &'a UnetOptions,
    pub(super) features: Option<&'a EfficientNetLite0>,
    pub(super) seed: u64,
    pub(super) plain: &'a Device,
    pub(super) autodiff: &'a Device,
}

impl Setting<'_> {
    pub(super) fn loss(&self, model: &Denoiser, samples: Vec<Sample>) -> ModelResult<PartLoss> {
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
        let [batch, channels, height, width] = clean.dims();
        let attended = samples.first().map_or(0, |first| first.attended);
        let shown = attended.max(1);
        let good: Vec<Photo> = samples
            .iter()
            .flat_map(|sample| sample.references[..shown].iter().cloned())
            .collect();
        let good = self.vae.enc(photos_tensor(&good, self.plain))?;
        let reference = fill(
            good.clone()
                .reshape([batch, shown, channels, height, width]),
            clean.clone(),
            &cells,
        );
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
                reference * in_channels.clone(),
                in_channels,
            ],
            1,
        );
        let ids: Vec<Vec<u32>> = samples.iter().map(|sample| sample.ids.clone()).collect();
        let context = model.text.encode(&ids, self.autodiff)?;
        let present: Vec<bool> = samples.iter().map(|sample| sample.has_reference).collect();
        let states = if attended > 0 {
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
        let input = Tensor::from_inner(sample);
        let output = model
            .unet
            .forward(input.clone(), &times, context, states.as_ref())?;
        let output = self
            .config
            .velocity(output, &input, self.scheduler, &timesteps);
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
