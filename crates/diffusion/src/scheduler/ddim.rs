//! diffusers' `DDIMScheduler` with η = 0 (Song et al., 2020, arXiv 2010.02502, equation 12).

use burn::tensor::{Tensor, TensorData};

use super::{BetaSchedule, DdimConfig, PredictionType, TimestepSpacing};
use crate::{DiffusionError, Result};

/// A noise schedule and its deterministic sampler. Holds no state: timesteps are passed along.
#[derive(Debug, Clone, PartialEq)]
pub struct Ddim {
    config: DdimConfig,
    alphas_cumprod: Vec<f32>,
}

impl Ddim {
    /// Computes the schedule.
    ///
    /// # Errors
    /// A configuration that makes no sense.
    pub fn new(config: DdimConfig) -> Result<Self> {
        config.validate()?;
        let mut betas = betas(&config);
        if config.rescale_betas_zero_snr {
            rescale_zero_terminal_snr(&mut betas);
        }
        Ok(Self {
            alphas_cumprod: cumulative_product(&betas),
            config,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &DdimConfig {
        &self.config
    }

    /// ᾱ of every training timestep, falling.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// ᾱ at `timestep`; before the first one, the value that the last step goes to.
    pub fn alpha_prod(&self, timestep: Option<usize>) -> f64 {
        let last = self.alphas_cumprod.len() - 1;
        match timestep {
            Some(timestep) => f64::from(self.alphas_cumprod[timestep.min(last)]),
            None if self.config.set_alpha_to_one => 1.0,
            None => f64::from(self.alphas_cumprod[0]),
        }
    }

    /// The timesteps that `num_inference_steps` steps visit, falling.
    ///
    /// # Errors
    /// No steps, more than training had, or an offset that leaves the schedule.
    pub fn timesteps(&self, num_inference_steps: usize) -> Result<Vec<usize>> {
        let total = self.config.num_train_timesteps;
        if num_inference_steps == 0 || num_inference_steps > total {
            return Err(steps_error(num_inference_steps, format!("1 to {total}")));
        }
        let (t, s) = (total as f64, num_inference_steps as f64);
        let timesteps: Vec<usize> = match self.config.timestep_spacing {
            TimestepSpacing::Leading => {
                let ratio = total / num_inference_steps;
                (0..num_inference_steps)
                    .rev()
                    .map(|i| i * ratio + self.config.steps_offset)
                    .collect()
            }
            TimestepSpacing::Linspace => {
                let step = (t - 1.0) / (s - 1.0).max(1.0);
                (0..num_inference_steps)
                    .rev()
                    .map(|i| (i as f64 * step).round_ties_even() as usize)
                    .collect()
            }
            TimestepSpacing::Trailing => {
                let ratio = t / s;
                let count = (t / ratio).ceil() as usize;
                (0..count)
                    .map(|i| (t - i as f64 * ratio).round_ties_even().max(1.0) as usize - 1)
                    .collect()
            }
        };
        match timesteps.first() {
            Some(first) if *first >= total => {
                let expected =
                    format!("fewer, so that steps_offset leaves timesteps below {total}");
                Err(steps_error(num_inference_steps, expected))
            }
            _ => Ok(timesteps),
        }
    }

    /// The timestep after `timestep` when `num_inference_steps` are made; `None` after the last.
    pub fn previous_timestep(&self, timestep: usize, num_inference_steps: usize) -> Option<usize> {
        timestep.checked_sub(self.config.num_train_timesteps / num_inference_steps.max(1))
    }

    /// One step from noise level `alpha_prod_t` to the lower one `alpha_prod_t_prev`, both ᾱ.
    ///
    /// # Shapes
    /// `model_output` and `sample` have the same shape, and so has the result.
    pub fn step(
        &self,
        model_output: Tensor<4>,
        sample: Tensor<4>,
        alpha_prod_t: f64,
        alpha_prod_t_prev: f64,
    ) -> Tensor<4> {
        let (original, epsilon) = self.predictions(model_output, sample, alpha_prod_t);
        let range = self.config.clip_sample_range;
        let original = if self.config.clip_sample {
            original.clamp(-range, range)
        } else {
            original
        };
        original * alpha_prod_t_prev.sqrt() + epsilon * (1.0 - alpha_prod_t_prev).max(0.0).sqrt()
    }

    /// The clean sample that the model's output speaks of, not clamped.
    ///
    /// # Shapes
    /// As [`Self::step`].
    pub fn pred_original_sample(
        &self,
        model_output: Tensor<4>,
        sample: Tensor<4>,
        alpha_prod_t: f64,
    ) -> Tensor<4> {
        self.predictions(model_output, sample, alpha_prod_t).0
    }

    /// Clean sample and noise that the model's output speaks of.
    fn predictions(
        &self,
        output: Tensor<4>,
        sample: Tensor<4>,
        alpha_prod_t: f64,
    ) -> (Tensor<4>, Tensor<4>) {
        let signal = alpha_prod_t.sqrt();
        let noise = (1.0 - alpha_prod_t).sqrt();
        match self.config.prediction_type {
            PredictionType::Epsilon => ((sample - output.clone() * noise) / signal, output),
            PredictionType::Sample => (output.clone(), (sample - output * signal) / noise),
            PredictionType::VPrediction => (
                sample.clone() * signal - output.clone() * noise,
                output * signal + sample * noise,
            ),
        }
    }

    /// `√ᾱ·z + √(1 − ᾱ)·ε` at one timestep per photo (or one for all).
    ///
    /// # Shapes
    /// `original` and `noise` `[batch, C, h, w]`; `timesteps` `[1]` or `[batch]`.
    pub fn add_noise(
        &self,
        original: Tensor<4>,
        noise: Tensor<4>,
        timesteps: &[usize],
    ) -> Tensor<4> {
        let (signal, sigma) = self.weights(timesteps, &original);
        original * signal + noise * sigma
    }

    /// What the model should predict at these timesteps, by the prediction type.
    ///
    /// # Shapes
    /// As [`Self::add_noise`].
    pub fn target(&self, original: Tensor<4>, noise: Tensor<4>, timesteps: &[usize]) -> Tensor<4> {
        match self.config.prediction_type {
            PredictionType::Epsilon => noise,
            PredictionType::Sample => original,
            PredictionType::VPrediction => {
                let (signal, sigma) = self.weights(timesteps, &original);
                noise * signal - original * sigma
            }
        }
    }

    /// Signal-to-noise ratio ᾱ/(1 − ᾱ) at a timestep.
    pub fn snr(&self, timestep: usize) -> f64 {
        let alpha = self.alpha_prod(Some(timestep));
        alpha / (1.0 - alpha)
    }

    /// √ᾱ and √(1 − ᾱ) as `[batch or 1, 1, 1, 1]`.
    fn weights(&self, timesteps: &[usize], like: &Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let column = |weight: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = timesteps
                .iter()
                .map(|t| weight(self.alpha_prod(Some(*t))).sqrt() as f32)
                .collect();
            Tensor::from_data(
                TensorData::new(values, [timesteps.len(), 1, 1, 1]),
                &like.device(),
            )
        };
        (column(&|alpha| alpha), column(&|alpha| 1.0 - alpha))
    }
}

fn steps_error(got: usize, expected: String) -> DiffusionError {
    DiffusionError::Argument {
        op: "Ddim::timesteps",
        what: "num_inference_steps",
        got: got.to_string(),
        expected,
    }
}

/// β per timestep, rounded to f32 where diffusers rounds.
fn betas(config: &DdimConfig) -> Vec<f32> {
    let steps = config.num_train_timesteps;
    match config.beta_schedule {
        BetaSchedule::Linear => linspace(config.beta_start as f32, config.beta_end as f32, steps),
        BetaSchedule::ScaledLinear => {
            let roots = linspace(
                config.beta_start.sqrt() as f32,
                config.beta_end.sqrt() as f32,
                steps,
            );
            roots.into_iter().map(|root| root * root).collect()
        }
        BetaSchedule::SquaredcosCapV2 => {
            let alpha_bar = |i: usize| {
                let t = i as f64 / steps as f64;
                ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2)
                    .cos()
                    .powi(2)
            };
            (0..steps)
                .map(|i| (1.0 - alpha_bar(i + 1) / alpha_bar(i)).min(0.999) as f32)
                .collect()
        }
    }
}

/// `torch.linspace` in f32, which counts from the nearer end.
fn linspace(start: f32, end: f32, steps: usize) -> Vec<f32> {
    let step = (end - start) / (steps - 1) as f32;
    (0..steps)
        .map(|i| {
            if i < steps / 2 {
                start + step * i as f32
            } else {
                end - step * (steps - 1 - i) as f32
            }
        })
        .collect()
}

/// Products of 1 − β, accumulated in f64 as PyTorch does.
fn cumulative_product(betas: &[f32]) -> Vec<f32> {
    let product = |total: &mut f64, beta: &f32| {
        *total *= f64::from(1.0 - beta);
        Some(*total as f32)
    };
    betas.iter().scan(1.0, product).collect()
}

/// Shifts and scales √ᾱ so that it starts as before and ends at 0 (Lin et al., 2023,
/// arXiv 2305.08891, algorithm 1).
fn rescale_zero_terminal_snr(betas: &mut [f32]) {
    let roots: Vec<f32> = cumulative_product(betas)
        .iter()
        .map(|alpha| alpha.sqrt())
        .collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let scale = first / (first - last);
    let mut before = 1.0;
    for (beta, root) in betas.iter_mut().zip(roots) {
        let alpha_bar = ((root - last) * scale).powi(2);
        *beta = 1.0 - alpha_bar / before;
        before = alpha_bar;
    }
}
