//! The one error type of the crate.

use std::path::{Path, PathBuf};

use anomalysd_diffusion::DiffusionError;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An option is out of its range.
    #[error("option `{option}` is {got}, expected {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Its value.
        got: String,
        /// The accepted range, in words.
        expected: String,
    },
    /// A file operation failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The loss stopped being a number, or rose without end: a lower learning rate or another seed is
    /// needed.
    #[error(
        "the loss is {value} at step {step} of stage {stage}{}: training has diverged; {}",
        beginning(*first),
        last_state(checkpoint.as_deref())
    )]
    Diverged {
        /// Name of the stage.
        stage: &'static str,
        /// Optimiser step at which it happened.
        step: u64,
        /// The loss.
        value: f32,
        /// Mean loss of the first steps, where the loss is a number that is far above it.
        first: Option<f32>,
        /// The newest checkpoint from before the rise.
        checkpoint: Option<PathBuf>,
    },
    /// There is nothing to train on.
    #[error("no photographs that can be read in {}", path.display())]
    NoPhotos {
        /// The folder.
        path: PathBuf,
    },
    /// A worker thread ended early.
    #[error("a worker thread of stage {stage} panicked")]
    Worker {
        /// Name of the stage.
        stage: &'static str,
    },
    /// The caller asked for the end; a checkpoint was written.
    #[error("stopped by request after step {step} of stage {stage}")]
    Stopped {
        /// Name of the stage.
        stage: &'static str,
        /// Last finished step.
        step: u64,
    },
    /// Repainting for a measurement.
    #[error(transparent)]
    Detect(#[from] anomalysd_detect::DetectError),
    /// The model or its weights.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, TrainError>;

fn beginning(first: Option<f32>) -> String {
    first.map_or_else(String::new, |first| {
        format!(" and was {first} over the first steps")
    })
}

fn last_state(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!("the last good state is {}", path.display()),
        None => "no checkpoint was written before".to_owned(),
    }
}

/// Turns a system error into one that names what was tried and on which file.
pub(crate) fn io(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> TrainError {
    let path = path.into();
    move |source| TrainError::Io {
        action,
        path,
        source,
    }
}
