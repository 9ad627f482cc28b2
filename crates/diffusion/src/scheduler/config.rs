//! diffusers' configuration of the scheduler.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Result;
use crate::config::{parse, value_error};

const DDIM: &str = "DDIMScheduler";

/// How β grows from its first to its last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Linearly.
    Linear,
    /// Linearly in √β: Stable Diffusion's own.
    ScaledLinear,
    /// ᾱ follows a squared cosine; β is capped at 0.999.
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredcosCapV2,
}

/// What the U-Net predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise ε.
    Epsilon,
    /// The velocity √ᾱ·ε − √(1 − ᾱ)·z.
    VPrediction,
    /// The clean sample.
    Sample,
}

/// Which of the training timesteps are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Multiples of ⌊T/S⌋ from 0, plus `steps_offset`.
    Leading,
    /// Evenly from 0 to T − 1.
    Linspace,
    /// From T − 1 down in steps of T/S.
    Trailing,
}

/// `scheduler_config.json` of a `DDIMScheduler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DdimConfig {
    /// T, the number of noise levels in training.
    pub num_train_timesteps: usize,
    /// First β.
    pub beta_start: f64,
    /// Last β.
    pub beta_end: f64,
    /// What lies between.
    pub beta_schedule: BetaSchedule,
    /// Whether the predicted clean sample is clamped to ±`clip_sample_range`.
    pub clip_sample: bool,
    /// Bound of this clamp.
    pub clip_sample_range: f64,
    /// Whether the last step goes to ᾱ = 1 or to the ᾱ of timestep 0.
    pub set_alpha_to_one: bool,
    /// Added to the timesteps of the leading spacing.
    pub steps_offset: usize,
    /// What the U-Net predicts.
    pub prediction_type: PredictionType,
    /// Which timesteps are visited.
    pub timestep_spacing: TimestepSpacing,
    /// Whether β is rescaled so that the last noise level holds no signal at all.
    pub rescale_betas_zero_snr: bool,
}

impl Default for DdimConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            clip_sample: true,
            clip_sample_range: 1.0,
            set_alpha_to_one: true,
            steps_offset: 0,
            prediction_type: PredictionType::Epsilon,
            timestep_spacing: TimestepSpacing::Leading,
            rescale_betas_zero_snr: false,
        }
    }
}

impl DdimConfig {
    /// Parses diffusers' JSON and checks it. `_class_name` is not looked at: checkpoints come with
    /// the configuration of the sampler that was in fashion, and all of these share one schedule.
    ///
    /// # Errors
    /// No JSON of this form, or an option with a value that is not implemented.
    pub fn from_json(json: &str) -> Result<Self> {
        let fixed: [(&str, &[Value]); 5] = [
            ("trained_betas", &[]),
            ("thresholding", &[json!(false)]),
            (
                "beta_schedule",
                &[
                    json!("linear"),
                    json!("scaled_linear"),
                    json!("squaredcos_cap_v2"),
                ],
            ),
            (
                "prediction_type",
                &[json!("epsilon"), json!("v_prediction"), json!("sample")],
            ),
            (
                "timestep_spacing",
                &[json!("leading"), json!("linspace"), json!("trailing")],
            ),
        ];
        let config: Self = parse(DDIM, json, &fixed)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the options fit each other.
    ///
    /// # Errors
    /// The first option that does not, by name.
    pub fn validate(&self) -> Result<()> {
        if !(2..=1_000_000).contains(&self.num_train_timesteps) {
            return Err(value_error(
                DDIM,
                "num_train_timesteps",
                self.num_train_timesteps,
                "2 to 1,000,000",
            ));
        }
        for (option, beta) in [("beta_start", self.beta_start), ("beta_end", self.beta_end)] {
            if !(beta > 0.0 && beta < 1.0) {
                return Err(value_error(DDIM, option, beta, "between 0 and 1"));
            }
        }
        if self.clip_sample_range.is_nan() || self.clip_sample_range <= 0.0 {
            return Err(value_error(
                DDIM,
                "clip_sample_range",
                self.clip_sample_range,
                "a positive number",
            ));
        }
        if self.rescale_betas_zero_snr && self.prediction_type == PredictionType::Epsilon {
            let supported = "false with prediction_type epsilon: noise without signal says nothing of the sample";
            return Err(value_error(DDIM, "rescale_betas_zero_snr", true, supported));
        }
        Ok(())
    }
}
