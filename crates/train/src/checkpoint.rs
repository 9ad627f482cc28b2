//! Checkpoints: weights, moments, averaged weights and the step, in one safetensors file each.
//!
//! A file appears under its name only when it is complete, and the last few are kept, so a run
//! that is killed at any moment continues from the newest one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anomalysd_diffusion::checkpoint::native::open_safetensors;
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource};
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::error::io;
use crate::trend::Trend;
use crate::{Result, TrainError};

/// Key of the description in the file's metadata.
const KEY: &str = "anomalysd.train";

/// End of the name of a file that is being written.
const PARTIAL: &str = ".partial";
/// Start of the same.
const OWN: &str = ".anomalysd-";

/// That of files that do not say it.
fn first_version() -> u32 {
    1
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Version of the format: [`Self::VERSION`], or the file is refused.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Name of the stage.
    pub stage: String,
    /// Steps done.
    pub step: u64,
    /// The stage's own description: configurations, scaling.
    pub model: serde_json::Value,
    /// The options of the run.
    pub options: serde_json::Value,
}

impl Description {
    /// Version of the format that is written and read.
    pub const VERSION: u32 = 1;

    fn parse(json: &str, path: &Path) -> Result<Self> {
        let own: Self = serde_json::from_str(json).map_err(|error| format_error(path, &error))?;
        if own.version == Self::VERSION {
            return Ok(own);
        }
        Err(TrainError::Format {
            path: path.to_owned(),
            reason: format!(
                "is a checkpoint of version {}, and this program reads version {}",
                own.version,
                Self::VERSION
            ),
        })
    }
}

/// A training state on disk.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// What it is.
    pub description: Description,
    /// `weights.*` and the optimiser's own tensors.
    pub tensors: BTreeMap<String, HostTensor>,
}

impl Checkpoint {
    /// The tensors below `prefix`, without it.
    pub fn below(&self, prefix: &str) -> BTreeMap<String, HostTensor> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| {
                Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
            })
            .collect()
    }

    /// Writes `STAGE-STEP.safetensors` to `folder` and removes all but the `keep` newest of the
    /// stage.
    ///
    /// # Errors
    /// Files that cannot be written or removed.
    pub fn write(&self, folder: &Path, keep: usize) -> Result<PathBuf> {
        let Description { stage, step, .. } = &self.description;
        let path = folder.join(format!("{stage}-{step:08}.safetensors"));
        let description = serde_json::to_string(&self.description)
            .map_err(|error| format_error(&path, &error))?;
        let metadata = std::collections::HashMap::from([(KEY.to_owned(), description)]);
        let views = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), F32(tensor)));
        let bytes = safetensors::serialize(views, Some(metadata))
            .map_err(|error| format_error(&path, &error))?;
        write_atomic(&path, &bytes)?;
        let all = list(folder, stage)?;
        for old in &all[..all.len().saturating_sub(keep.max(1))] {
            std::fs::remove_file(old).map_err(io("remove", old))?;
        }
        Ok(path)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read or is no checkpoint.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(io("read", path))?;
        let (_, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, &error))?;
        let description = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(KEY))
            .ok_or_else(|| not_a_checkpoint(path))?;
        let description = Description::parse(description, path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, &error))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(TrainError::Format {
                    path: path.to_owned(),
                    reason: format!("`{name}` is not F32"),
                });
            }
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            tensors.insert(
                name.to_owned(),
                HostTensor {
                    shape: view.shape().to_vec(),
                    values,
                },
            );
        }
        Ok(Self {
            description,
            tensors,
        })
    }

    /// The newest checkpoint of a stage and what it says of itself, without its tensors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn newest_description(
        folder: &Path,
        stage: &str,
    ) -> Result<Option<(PathBuf, Description)>> {
        let Some(path) = list(folder, stage)?.pop() else {
            return Ok(None);
        };
        let file = open_safetensors(&path).map_err(|error| damaged(&path, &error))?;
        let json = file
            .user_metadata()
            .remove(KEY)
            .ok_or_else(|| not_a_checkpoint(&path))?;
        let description = Description::parse(&json, &path)?;
        Ok(Some((path, description)))
    }

    /// The newest checkpoint of a stage whose loss had not risen; `None` where none is left. Files that
    /// cannot be read are passed over.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn newest_good(folder: &Path, stage: &str) -> Result<Option<PathBuf>> {
        let good = |path: &PathBuf| {
            Self::read(path).is_ok_and(|read| Trend::restored(&read.tensors).is_good())
        };
        Ok(list(folder, stage)?.into_iter().rev().find(good))
    }

    /// The newest checkpoint of a stage in `folder`, if there is one.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn newest(folder: &Path, stage: &str) -> Result<Option<Self>> {
        match list(folder, stage)?.last() {
            Some(path) => Self::read(path).map(Some),
            None => Ok(None),
        }
    }
}

/// Whether a file says of itself that it is a training checkpoint.
pub fn is_checkpoint(file: &SafetensorsSource) -> bool {
    file.user_metadata().contains_key(KEY)
}

/// The checkpoints of a stage, oldest first.
fn list(folder: &Path, stage: &str) -> Result<Vec<PathBuf>> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .map_err(io("list", folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            name.strip_prefix(stage)
                .and_then(|rest| rest.strip_prefix('-'))
                .and_then(|rest| rest.strip_suffix(".safetensors"))
                .is_some_and(|number| {
                    number.len() == 8 && number.bytes().all(|b| b.is_ascii_digit())
                })
        })
        .collect();
    all.sort();
    Ok(all)
}

fn not_a_checkpoint(path: &Path) -> TrainError {
    TrainError::Format {
        path: path.to_owned(),
        reason: "not a training checkpoint".to_owned(),
    }
}

/// A file that is cut or changed: written by another program, or lost with its disk.
fn damaged(path: &Path, error: &impl std::fmt::Display) -> TrainError {
    TrainError::Format {
        path: path.to_owned(),
        reason: format!("is damaged ({error}): remove it to continue from the one before"),
    }
}

fn format_error(path: &Path, error: &impl std::fmt::Display) -> TrainError {
    TrainError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Writes a file so that it is either whole or not there.
///
/// # Errors
/// A file that cannot be written.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(OWN)
        .suffix(PARTIAL)
        .tempfile_in(folder)
        .map_err(io("write in", folder))?;
    file.write_all(bytes).map_err(io("write", path))?;
    // A temporary file is private; what a person asked for has the usual permissions.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let usual = std::fs::Permissions::from_mode(0o644);
        file.as_file()
            .set_permissions(usual)
            .map_err(io("write", path))?;
    }
    file.as_file().sync_all().map_err(io("write", path))?;
    file.persist(path)
        .map_err(|error| io("rename to", path)(error.error))?;
    // The name, too, is on the disk before anything older is removed.
    #[cfg(unix)]
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io("write in", folder))?;
    Ok(())
}

/// Removes what a killed process left half-written.
///
/// # Errors
/// A folder that cannot be listed, a file that cannot be removed.
pub fn remove_partial(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(io("list", folder))? {
        let path = entry.map_err(io("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(OWN) && name.ends_with(PARTIAL) && path.is_file() {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
        }
    }
    Ok(())
}

struct F32<'a>(&'a HostTensor);

impl View for F32<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(
            self.0
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    fn data_len(&self) -> usize {
        4 * self.0.values.len()
    }
}
