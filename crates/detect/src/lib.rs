//! AnomalySD: prompts, masks, repair, features, prototypes, scores, calibration, profiles.

pub mod control;
pub mod error;
pub mod masks;
pub mod options;
pub mod repaint;

pub use error::DetectError;
