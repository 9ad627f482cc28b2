//! What can be wrong with a data set on disk.

use std::path::PathBuf;

/// Errors of the readers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file or folder that cannot be read.
    #[error("read {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A folder without anything to read.
    #[error("{}: {expected}", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What was expected there, in words.
        expected: &'static str,
    },
    /// A file of draws that does not fit.
    #[error("{}: {reason}", path.display())]
    Draws {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A split that does not say which photo is for what.
    #[error("{}: {reason}", path.display())]
    Split {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// More good photos were asked for than there are.
    #[error("class {class} has {found} good photos to draw from, {wanted} were asked for")]
    TooFew {
        /// The class.
        class: String,
        /// How many there are.
        found: usize,
        /// How many were asked for.
        wanted: usize,
    },
}
