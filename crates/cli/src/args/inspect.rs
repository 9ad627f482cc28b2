//! `inspect` and `doctor`: what they print.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Any checkpoint, profile or bundle
    pub path: PathBuf,
    /// What stdout gets
    #[arg(long, value_enum, default_value_t)]
    pub format: InspectFormat,
}

/// What `inspect` and `doctor` print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// For people.
    #[default]
    Table,
    /// One object.
    Json,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// What stdout gets
    #[arg(long, value_enum, default_value_t)]
    pub format: InspectFormat,
}
