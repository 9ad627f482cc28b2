//! Readers for inspection data sets, k-shot draws, and synthetic parts with defects.

pub mod rng;
pub mod synth;
