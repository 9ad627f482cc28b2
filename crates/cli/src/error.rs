//! What ends a command, and with which exit code.

use std::path::Path;

use anomalysd_dataset::DatasetError;
use anomalysd_detect::DetectError;
use anomalysd_diffusion::DiffusionError;
use anomalysd_train::TrainError;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Input or usage: the user can mend it. Exit code 2.
    #[error("{0}")]
    Input(String),
    /// Our own fault, or the machine's. Exit code 1.
    #[error("{0}")]
    Internal(String),
    /// `--fail-on` was met. Exit code 3.
    #[error("{0}")]
    FailOn(String),
    /// Ctrl-C. Exit code 130.
    #[error("interrupted")]
    Interrupted,
}

/// Result of a command.
pub type Outcome<T = ()> = Result<T, CliError>;

impl CliError {
    /// An error of the input at `path`.
    pub fn at(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Input(format!("{}: {reason}", path.display()))
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Internal(_) => 1,
            Self::Input(_) => 2,
            Self::FailOn(_) => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<DetectError> for CliError {
    fn from(error: DetectError) -> Self {
        match error {
            DetectError::Cancelled => Self::Interrupted,
            DetectError::Diffusion(error) => error.into(),
            DetectError::Device { .. }
            | DetectError::NotFinite { .. }
            | DetectError::Shape { .. } => Self::Internal(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<DiffusionError> for CliError {
    fn from(error: DiffusionError) -> Self {
        match error {
            DiffusionError::InputShape { .. } => Self::Internal(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<DatasetError> for CliError {
    fn from(error: DatasetError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Stopped { .. } => Self::Interrupted,
            TrainError::Worker { .. } => Self::Internal(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}
