//! The log of a run: one JSON object per line, and to the caller's progress function.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Result;
use crate::error::io;

/// What is known after a step.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// Name of the stage.
    pub stage: &'static str,
    /// Steps done.
    pub step: u64,
    /// Steps of the stage.
    pub steps: u64,
    /// Steps that were done when the stage began or was resumed.
    pub first: u64,
    /// Loss of this step.
    pub loss: f32,
    /// Named further numbers.
    pub numbers: Vec<(&'static str, f64)>,
    /// Seconds since the stage began or was resumed.
    pub seconds: f64,
}

impl Progress {
    /// Seconds until the stage ends, by the pace of its steps until now.
    pub fn left(&self) -> Option<f64> {
        let done = self.step.checked_sub(self.first)?.max(1);
        let rest = self.steps.checked_sub(self.step)?;
        Some(self.seconds / done as f64 * rest as f64)
    }
}

/// Appends progress to a JSON-lines file.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the file for appending; its folder must exist.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(io("open", path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, progress: &Progress) -> Result<()> {
        let mut line = serde_json::Map::new();
        line.insert("stage".into(), progress.stage.into());
        line.insert("step".into(), progress.step.into());
        line.insert("loss".into(), f64::from(progress.loss).into());
        line.insert(
            "seconds".into(),
            ((progress.seconds * 10.0).round() / 10.0).into(),
        );
        for (name, value) in &progress.numbers {
            line.insert((*name).into(), (*value).into());
        }
        writeln!(self.file, "{}", serde_json::Value::Object(line)).map_err(io("write", &self.path))
    }
}
