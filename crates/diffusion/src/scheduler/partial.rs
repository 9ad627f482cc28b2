//! Partial noising: a photo's latents are noised to a strength λ and denoised from there.
//!
//! λ = 0 changes nothing, λ = 1 starts from pure noise and never reads the latents. The timesteps
//! are trailing and end at ᾱ = 1 whatever the scheduler's configuration says of its own steps.

use burn::tensor::Tensor;

use super::Ddim;
use crate::{DiffusionError, Result};

/// The steps of one partial noising.
#[derive(Debug, Clone, PartialEq)]
pub struct PartialNoising {
    timesteps: Vec<usize>,
    pure_noise: bool,
}

impl PartialNoising {
    /// Steps for noise strength λ in 0..=1 where `num_inference_steps` are made at λ = 1.
    ///
    /// `S_λ = max(1, round(λS))` steps at `t_j = round(λT·(S_λ − j)/S_λ) − 1`; none at λ = 0.
    /// Where λT is below S_λ, timesteps that would repeat are left out.
    ///
    /// # Errors
    /// λ outside 0..=1, no steps, or more than training had.
    pub fn new(ddim: &Ddim, strength: f64, num_inference_steps: usize) -> Result<Self> {
        let total = ddim.config().num_train_timesteps;
        let error = |what, got: String, expected: String| DiffusionError::Argument {
            op: "PartialNoising",
            what,
            got,
            expected,
        };
        if !(0.0..=1.0).contains(&strength) {
            return Err(error("strength", strength.to_string(), "0 to 1".to_owned()));
        }
        if num_inference_steps == 0 || num_inference_steps > total {
            let got = num_inference_steps.to_string();
            return Err(error("num_inference_steps", got, format!("1 to {total}")));
        }
        let steps = (strength * num_inference_steps as f64).round().max(1.0);
        let range = strength * total as f64;
        let count = if strength == 0.0 { 0 } else { steps as usize };
        let mut timesteps: Vec<usize> = (0..count)
            .map(|j| (range * (steps - j as f64) / steps).round().max(1.0) as usize - 1)
            .collect();
        timesteps.dedup();
        Ok(Self {
            timesteps,
            pure_noise: strength == 1.0,
        })
    }

    /// The timesteps to visit, falling.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// The latents to start from: `√ᾱ·z + √(1 − ᾱ)·ε`; ε itself at λ = 1, z itself at λ = 0.
    ///
    /// # Shapes
    /// `latents` and `noise` `[batch, C, h, w]`.
    pub fn start(&self, ddim: &Ddim, latents: Tensor<4>, noise: Tensor<4>) -> Tensor<4> {
        match self.timesteps.first() {
            None => latents,
            Some(_) if self.pure_noise => noise,
            Some(first) => ddim.add_noise(latents, noise, &[*first]),
        }
    }

    /// Step `index`, from its timestep to the next one's noise level; the last one goes to ᾱ = 1.
    ///
    /// # Shapes
    /// `model_output` and `sample` `[batch, C, h, w]`.
    pub fn step(
        &self,
        ddim: &Ddim,
        index: usize,
        model_output: Tensor<4>,
        sample: Tensor<4>,
    ) -> Tensor<4> {
        let alpha = ddim.alpha_prod(self.timesteps.get(index).copied());
        let previous = match self.timesteps.get(index + 1) {
            Some(timestep) => ddim.alpha_prod(Some(*timestep)),
            None => 1.0,
        };
        ddim.step(model_output, sample, alpha, previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{DdimConfig, PredictionType};
    use burn::tensor::{Device, TensorData};

    fn ddim() -> Ddim {
        Ddim::new(DdimConfig {
            clip_sample: false,
            prediction_type: PredictionType::VPrediction,
            rescale_betas_zero_snr: true,
            ..DdimConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn timesteps_follow_the_formula() {
        let timesteps = |strength, steps| {
            PartialNoising::new(&ddim(), strength, steps)
                .unwrap()
                .timesteps()
                .to_vec()
        };
        assert_eq!(timesteps(1.0, 4), [999, 749, 499, 249]);
        assert_eq!(timesteps(0.4, 8), [399, 266, 132]);
        assert_eq!(timesteps(0.6, 20)[..3], [599, 549, 499]);
        assert_eq!(timesteps(0.01, 4), [9]);
        assert_eq!(timesteps(0.0, 8), [0usize; 0]);
        assert_eq!(timesteps(0.0001, 8), [0]);
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        for (strength, steps) in [(-0.1, 4), (1.1, 4), (f64::NAN, 4), (0.5, 0), (0.5, 1001)] {
            assert!(PartialNoising::new(&ddim(), strength, steps).is_err());
        }
    }

    #[test]
    fn a_model_that_knows_the_answer_arrives_at_it() {
        let device = Device::flex();
        let tensor = |values: [f32; 4]| {
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 2, 2]), &device)
        };
        let (clean, noise) = (tensor([0.1, -2.0, 0.7, 1.5]), tensor([1.0, 0.3, -0.2, 0.9]));
        for strength in [0.3, 1.0] {
            let ddim = ddim();
            let plan = PartialNoising::new(&ddim, strength, 5).unwrap();
            let mut sample = plan.start(&ddim, clean.clone(), noise.clone());
            if strength == 1.0 {
                assert_eq!(sample.to_data(), noise.to_data());
            }
            for (index, timestep) in plan.timesteps().iter().enumerate() {
                let target = ddim.target(clean.clone(), noise.clone(), &[*timestep]);
                sample = plan.step(&ddim, index, target, sample);
            }
            let error = (sample - clean.clone()).abs().max().into_scalar::<f32>();
            assert!(error < 1e-5, "{strength}: {error}");
        }
    }
}
