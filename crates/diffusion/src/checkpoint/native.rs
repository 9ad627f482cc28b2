//! The file system: the only place in this crate that knows one.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use super::bundle_write::{ExportOptions, write_bundle, write_single_file};
use super::folder_write::write_folder;
use super::inspect::{Kind, Summary, inspect_file, inspect_folder};
use super::{
    BUNDLE_JSON, Files, ModelParts, VaeParts, files, open_bundle, open_folder, open_ldm,
    open_single_file, open_vae_file, open_vae_folder, refuse_pickle,
};
use crate::lora::Lora;
use crate::weights::{ReadAt, SafetensorsSource};
use crate::{DiffusionError, Result};

fn file_error(path: &Path, reason: impl ToString) -> DiffusionError {
    DiffusionError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// A file that is read by ranges, never whole.
#[derive(Debug)]
pub struct FileBytes {
    file: Mutex<File>,
    length: u64,
}

impl FileBytes {
    /// Opens a file.
    ///
    /// # Errors
    /// [`DiffusionError::File`] where it cannot be opened or is no file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| file_error(path, error))?;
        let metadata = file.metadata().map_err(|error| file_error(path, error))?;
        if !metadata.is_file() {
            return Err(file_error(path, "is not a file"));
        }
        Ok(Self {
            file: Mutex::new(file),
            length: metadata.len(),
        })
    }
}

impl ReadAt for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, length: usize) -> std::result::Result<Vec<u8>, String> {
        if offset
            .checked_add(length as u64)
            .is_none_or(|end| end > self.length)
        {
            return Err(format!("{length} bytes at {offset} are beyond the end"));
        }
        // A position left behind by a panic elsewhere does not matter: it is set anew.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| error.to_string())?;
        file.read_exact(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

/// A folder on disk.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn describe(&self, path: &str) -> String {
        self.0.join(path).display().to_string()
    }

    fn size(&self, path: &str) -> Option<u64> {
        fs::metadata(self.0.join(path))
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|metadata| metadata.len())
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>> {
        Ok(Box::new(FileBytes::open(&self.0.join(path))?))
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }
}

/// Opens a model: a bundle's folder or its `bundle.json`, a diffusers folder, or a single file.
///
/// # Errors
/// [`DiffusionError::File`], [`DiffusionError::Pickle`], [`DiffusionError::Unsupported`] or
/// [`DiffusionError::Container`], each naming the path.
pub fn open(path: &Path) -> Result<ModelParts> {
    let name = path.file_stem().map_or_else(
        || "model".into(),
        |name| name.to_string_lossy().into_owned(),
    );
    if path.file_name().is_some_and(|name| name == BUNDLE_JSON) {
        let folder = path.parent().unwrap_or(Path::new("."));
        return open_bundle(Rc::new(Folder(folder.to_path_buf())));
    }
    if path.is_dir() {
        let folder = Folder(path.to_path_buf());
        return if folder.size(BUNDLE_JSON).is_some() {
            open_bundle(Rc::new(folder))
        } else {
            open_folder(&folder, &name)
        };
    }
    let shown = path.display().to_string();
    let source = open_safetensors(path)?;
    if source
        .user_metadata()
        .contains_key(super::single_file::METADATA_KEY)
    {
        return open_single_file(&shown, source);
    }
    match super::inspect::kind_of(&source) {
        // SDXL too: it is refused by name there.
        Kind::LdmCheckpoint | Kind::SdxlCheckpoint => open_ldm(&shown, source, &name),
        kind => Err(DiffusionError::Unsupported {
            what: shown,
            reason: format!(
                "is {kind}; a bundle, a diffusers folder or a whole checkpoint in one file is read"
            ),
        }),
    }
}

/// What stands in place of parts of a model, or is added to it, as it is opened.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Another autoencoder: a folder or a file.
    pub vae: Option<PathBuf>,
    /// LoRAs with their strengths, merged in this order.
    pub loras: Vec<(PathBuf, f32)>,
}

impl Changes {
    /// The model with these changes.
    ///
    /// # Errors
    /// As [`open_vae`] and [`Lora::merge_into`].
    pub fn apply(&self, mut parts: ModelParts) -> Result<ModelParts> {
        if let Some(path) = &self.vae {
            parts = parts.with_vae(open_vae(path)?);
        }
        for (path, scale) in &self.loras {
            parts = open_lora(path)?.merge_into(parts, *scale)?;
        }
        Ok(parts)
    }
}

/// Opens an autoencoder alone: a folder as diffusers or TAESD's author lay it out, or a file.
///
/// # Errors
/// As [`open_vae_folder`] and [`open_vae_file`].
pub fn open_vae(path: &Path) -> Result<VaeParts> {
    if path.is_dir() {
        return open_vae_folder(&Folder(path.to_path_buf()));
    }
    open_vae_file(&path.display().to_string(), open_safetensors(path)?)
}

/// Opens a LoRA: a file, with PEFT's `adapter_config.json` beside it where it is PEFT's own
/// `adapter_model.safetensors`, or the folder of both.
///
/// # Errors
/// As [`open_safetensors`] and [`Lora::new`].
pub fn open_lora(path: &Path) -> Result<Lora> {
    let file = if path.is_dir() {
        [PEFT_WEIGHTS, "pytorch_lora_weights.safetensors"]
            .map(|name| path.join(name))
            .into_iter()
            .find(|file| file.is_file())
            .ok_or_else(|| file_error(path, format!("holds no {PEFT_WEIGHTS}")))?
    } else {
        path.to_path_buf()
    };
    let is_peft = file.file_name().is_some_and(|name| name == PEFT_WEIGHTS);
    let beside = Folder(file.parent().unwrap_or(Path::new("")).to_path_buf());
    let config = if is_peft {
        files::text(&beside, "adapter_config.json")?
    } else {
        None
    };
    let source = open_safetensors(&file)?;
    Lora::new(file.display().to_string(), source, config.as_deref())
}

/// The file that PEFT writes.
const PEFT_WEIGHTS: &str = "adapter_model.safetensors";

/// Opens a safetensors file; refuses pickles.
///
/// # Errors
/// As [`open`].
pub fn open_safetensors(path: &Path) -> Result<SafetensorsSource> {
    let shown = path.display().to_string();
    let bytes = FileBytes::open(path)?;
    refuse_pickle(&shown, &bytes)?;
    SafetensorsSource::new(shown, bytes)
}

/// Summary of a file or folder, whatever it is.
///
/// # Errors
/// As [`open`]; a model that is readable but does not fit is described, not refused.
pub fn inspect(path: &Path) -> Result<Summary> {
    if path.is_dir() {
        return inspect_folder(Rc::new(Folder(path.to_path_buf())));
    }
    if path.file_name().is_some_and(|name| name == BUNDLE_JSON) {
        return inspect_folder(Rc::new(Folder(
            path.parent().unwrap_or(Path::new(".")).to_path_buf(),
        )));
    }
    inspect_file(&path.display().to_string(), open_safetensors(path)?)
}

/// Writes a model as one safetensors file. An existing file is replaced whole or not at all.
///
/// # Errors
/// [`DiffusionError::File`] where `path` cannot be written, and as [`write_single_file`].
pub fn save_single_file(parts: &ModelParts, path: &Path) -> Result<()> {
    let bytes = write_single_file(parts)?;
    let partial = partial_name(path);
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
        file_error(path, error)
    })
}

/// The name that an output has until it is complete.
fn partial_name(path: &Path) -> PathBuf {
    // Without a slash at the end, which would put it inside the folder that does not exist yet.
    let path: PathBuf = path.components().collect();
    let mut partial = path.into_os_string();
    partial.push(".partial");
    PathBuf::from(partial)
}

/// Writes a bundle as a new folder. It appears complete or not at all.
///
/// # Errors
/// [`DiffusionError::File`] where `folder` exists or cannot be written, and as [`write_bundle`].
pub fn save_bundle(parts: &ModelParts, folder: &Path, options: &ExportOptions) -> Result<()> {
    save(folder, |append| write_bundle(parts, options, append))
}

/// Writes a model as diffusers does, as a new folder. It appears complete or not at all.
///
/// # Errors
/// [`DiffusionError::File`] where `folder` exists or cannot be written, and as [`write_folder`].
pub fn save_folder(parts: &ModelParts, folder: &Path, half: bool) -> Result<()> {
    save(folder, |append| write_folder(parts, half, append))
}

/// Appends bytes to the file of a relative path.
type Append<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<()>;

fn save(folder: &Path, write: impl FnOnce(Append<'_>) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Err(file_error(
            folder,
            "exists already; choose another name or remove it",
        ));
    }
    let partial = partial_name(folder);
    // What an interrupted run left behind; where there is nothing, nothing is to be done.
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(|error| file_error(&partial, error))?;
    let mut append = |path: &str, bytes: &[u8]| {
        let path = partial.join(path);
        append_to(&path, bytes).map_err(|error| file_error(&path, error))
    };
    let written = write(&mut append)
        .and_then(|()| fs::rename(&partial, folder).map_err(|error| file_error(folder, error)));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

fn append_to(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(bytes)
}
