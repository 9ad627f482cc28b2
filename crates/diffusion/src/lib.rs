//! Stable Diffusion inpainting on burn: text encoder, U-Net, VAE, scheduler, checkpoints.
//!
//! Knows tensors and checkpoints; nothing of anomalies, classes or photos' files. Configurations
//! are diffusers' own JSON, checkpoint keys are diffusers' own names (the path of a field is the
//! key of its tensor), and the numbers are diffusers' numbers: golden tests compare every block.
//! No backend is chosen here: every entry takes a `burn` [`Device`](burn::tensor::Device).

mod config;
mod error;

pub mod checkpoint;
pub mod clip;
pub mod inpaint;
pub mod kernels;
pub mod known_answers;
pub mod lora;
pub mod model;
pub mod nn;
pub mod noise;
pub mod scheduler;
pub mod tuning;
pub mod unet;
pub mod vae;
pub mod weights;

pub use config::PerLevel;
pub use error::{DiffusionError, Result};
