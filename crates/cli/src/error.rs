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

    /// What the system answered at `path`, after `what`: the machine's fault where another try may go better, else the
    /// user's to mend, such as a file that is missing, forbidden or without room.
    pub fn io(path: &Path, what: &str, error: &std::io::Error) -> Self {
        let text = format!("{}: {what}{error}", path.display());
        if is_passing(error) {
            Self::Internal(text)
        } else {
            Self::Input(text)
        }
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

/// Whether another try may find what a file system answered in a better state; all else a person got wrong, or can
/// make room for.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, NotConnected, OutOfMemory, ResourceBusy, StaleNetworkFileHandle,
        TimedOut, WouldBlock,
    };
    /// EIO of Linux and macOS: a disk or a network's share that failed.
    const INPUT_OUTPUT: i32 = 5;
    let failed = cfg!(unix) && error.raw_os_error() == Some(INPUT_OUTPUT);
    failed
        || matches!(
            error.kind(),
            ConnectionAborted
                | ConnectionReset
                | HostUnreachable
                | Interrupted
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | OutOfMemory
                | ResourceBusy
                | StaleNetworkFileHandle
                | TimedOut
                | WouldBlock
        )
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
        match &error {
            DatasetError::Io { source, .. } if is_passing(source) => {
                Self::Internal(error.to_string())
            }
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Stopped { .. } => Self::Interrupted,
            TrainError::Worker { .. } => Self::Internal(error.to_string()),
            TrainError::Io { ref source, .. } if is_passing(source) => {
                Self::Internal(error.to_string())
            }
            _ => Self::Input(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn what_another_try_may_mend_is_not_the_users_mistake() {
        let code = |kind| CliError::io(Path::new("a"), "", &Error::from(kind)).exit_code();
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::StorageFull,
        ] {
            assert_eq!(code(kind), 2, "{kind:?}");
        }
        for kind in [ErrorKind::TimedOut, ErrorKind::StaleNetworkFileHandle] {
            assert_eq!(code(kind), 1, "{kind:?}");
        }
        #[cfg(unix)]
        {
            let failed = Error::from_raw_os_error(5);
            assert_eq!(CliError::io(Path::new("a"), "", &failed).exit_code(), 1);
        }
        let source = Error::from(ErrorKind::TimedOut);
        let path = "photos".into();
        let error = CliError::from(DatasetError::Io { path, source });
        assert_eq!(error.exit_code(), 1, "{error}");
    }
}
