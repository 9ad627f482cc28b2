//! Readers for inspection data sets, k-shot draws, and synthetic parts with defects.

pub mod draws;
mod error;
pub mod folder;
pub mod rng;
pub mod synth;
pub mod visa;

pub use error::DatasetError;
