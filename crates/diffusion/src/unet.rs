//! diffusers' `UNet2DConditionModel`, with the good photos as additional context.
//!
//! Implemented is what Stable Diffusion 1.x and 2.x inpainting and this project's own models use;
//! [`UNet2DConditionConfig::from_json`] refuses everything else by name. Reference attention
//! ([`ReferenceStates`]) is the one addition: without references the network is diffusers'.

mod attention_blocks;
mod blocks;
mod config;
mod embedding;
mod model;
mod reference;

pub use config::UNet2DConditionConfig;
pub use model::UNet2DConditionModel;
pub use reference::{ReferenceOptions, ReferenceStates};
