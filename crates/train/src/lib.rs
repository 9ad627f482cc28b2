//! Fine-tuning of the U-Net and the VAE decoder, and pre-training of mini.
//!
//! What both share is here: the optimiser, gradients by several threads, batches made ahead,
//! checkpoints that a stopped run continues from, the log, holes that are filled to see how far a model
//! has come, and the sheets of pictures. What is
//! trained on what is in [`pretrain`] and [`tune`]. Nothing here knows the command line.

pub mod checkpoint;
pub mod error;
pub mod fill;
pub mod log;
pub mod measure;
pub mod noise;
pub mod optimise;
pub mod parallel;
pub mod pca;
pub mod photos;
pub mod prefetch;
pub mod pretrain;
pub mod scaler;
pub mod schedule;
pub mod sheet;
pub mod stage;
pub mod trend;
pub mod tune;

pub use error::{Result, TrainError};
