//! Noise schedules and the deterministic sampler.
//!
//! [`Ddim`] is diffusers' `DDIMScheduler` with η = 0. [`partial`] holds the timesteps of partial
//! noising, which differ from diffusers' own.

mod config;
mod ddim;
pub mod partial;

pub use config::{BetaSchedule, DdimConfig, PredictionType, TimestepSpacing};
pub use ddim::Ddim;
