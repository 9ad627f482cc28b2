//! The log of a run: one JSON object per line, and to the caller's progress function.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Result;
use crate::checkpoint::write_atomic;
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
    /// Opens the file for appending; its folder must exist. Half a line that a killed process left is
    /// dropped, and lines of `stage` after `last_step`, which will be written again.
    ///
    /// # Errors
    /// A file that cannot be read or opened.
    pub fn open(path: &Path, stage: &str, last_step: u64) -> Result<Self> {
        keep_lines(path, stage, last_step)?;
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
        // In one piece, so that what else is appended to the file does not fall into it.
        let line = format!("{}\n", serde_json::Value::Object(line));
        let written = self.file.write_all(line.as_bytes());
        written.map_err(io("write", &self.path))
    }
}

fn keep_lines(path: &Path, stage: &str, last_step: u64) -> Result<()> {
    let all = match std::fs::read(path) {
        Ok(all) => all,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("read", path)(error)),
    };
    let keeps = |line: &&[u8]| {
        let parsed = serde_json::from_slice::<serde_json::Value>(line);
        line.ends_with(b"\n")
            && parsed.is_ok_and(|line| {
                line["stage"] != stage
                    || line["step"].as_u64().is_some_and(|step| step <= last_step)
            })
    };
    let lines = all.split_inclusive(|byte| *byte == b'\n');
    let kept: Vec<u8> = lines.filter(keeps).flatten().copied().collect();
    if kept.len() == all.len() {
        return Ok(());
    }
    write_atomic(path, &kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_log_reads_as_one_that_was_never_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let progress = |stage, step| Progress {
            stage,
            step,
            steps: 4,
            first: 0,
            loss: 0.5,
            numbers: vec![("rate", 1e-3)],
            seconds: 0.0,
        };
        let write = |last_step, stage, steps: &[u64]| {
            let mut log = Log::open(&path, stage, last_step).unwrap();
            let steps = steps.iter();
            steps.for_each(|step| log.write(&progress(stage, *step)).unwrap());
        };
        write(u64::MAX, "a", &[1, 2, 3, 4]);
        write(0, "b", &[1, 2, 3]);
        let whole = std::fs::read(&path).unwrap();
        // Killed within the third line of `b`, whose newest checkpoint is of its first step.
        std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        write(1, "b", &[2, 3]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        write(u64::MAX, "a", &[]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}
