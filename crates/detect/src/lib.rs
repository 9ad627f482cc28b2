//! AnomalySD: prompts, masks, repair, features, prototypes, scores, calibration, profiles.

pub mod control;
pub mod cost;
pub mod error;
pub mod features;
pub mod ignore;
pub mod masks;
pub mod options;
pub mod pipeline;
pub mod profile;
pub mod prompts;
pub mod prototypes;
pub mod repaint;
pub mod report;
pub mod score;
pub mod verdict;

pub use error::DetectError;
