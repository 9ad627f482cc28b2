//! Fits of `detect --good`, kept by the hash of all that they depend on.
//!
//! A fit takes as long as judging several photos, and the same good photos come with every call. It is kept as a
//! profile of one class in the user's cache folder. Nothing here can fail a command: a cache that cannot be read,
//! trusted or written is a line in the log and a fit done again.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anomalysd_detect::features::Features;
use anomalysd_detect::ignore::Place;
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::ClassModel;
use anomalysd_detect::profile::Profile;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::report::hex;
use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::profile;

/// Fits that are kept; beyond these the longest unused go.
const MOST_FILES: usize = 64;
/// Bytes that are kept; beyond these the longest unused go.
const MOST_BYTES: u64 = 512 << 20;
/// Digits of a hash in a file's name.
const DIGITS: usize = 32;
/// End of the files' names.
const SUFFIX: &str = ".profile.safetensors";

/// Everything that a fit depends on, beside the photos.
pub struct Conditions<'a> {
    /// Model and device.
    pub engine: &'a Engine,
    /// The feature network.
    pub features: &'a Features<'a>,
    /// All constants.
    pub options: &'a DetectOptions,
    /// The class as the user named it.
    pub class: Option<&'a str>,
    /// Places that do not count.
    pub ignored: &'a [Place],
    /// What the model is told.
    pub prompts: &'a Prompts,
}

/// The place of one fit in the cache.
pub struct Slot {
    folder: PathBuf,
    key: String,
}

impl Slot {
    /// The place of the fit on photos of these bytes; `None` where the user has no cache folder.
    pub fn new(conditions: &Conditions<'_>, photos: &[Vec<u8>]) -> Option<Self> {
        let key = key(conditions, photos);
        let Some(folder) = folder() else {
            tracing::info!("no cache: neither XDG_CACHE_HOME nor a home folder is set");
            return None;
        };
        Some(Self { folder, key })
    }

    /// The file of the fit: its name is what it depends on, and what is in it.
    fn find(&self) -> Option<PathBuf> {
        let mut entries = std::fs::read_dir(&self.folder).ok()?.flatten();
        let own = |name: &str| name.starts_with(&self.key) && name.ends_with(SUFFIX);
        let found = entries.find(|entry| entry.file_name().to_str().is_some_and(own));
        Some(found?.path())
    }

    /// The kept fit, if there is one that fits. A damaged one is removed.
    pub fn read(&self, conditions: &Conditions<'_>) -> Option<ClassModel> {
        let Some(path) = self.find() else {
            tracing::info!(key = self.key, "cache miss");
            return None;
        };
        match kept(&path, conditions) {
            Ok(class) => {
                // The time of the last use: what is used stays. A cache on a disk that is full or read-only still serves.
                let _ = File::options()
                    .append(true)
                    .open(&path)
                    .and_then(|file| file.set_modified(SystemTime::now()));
                tracing::info!(path = %path.display(), "cache hit");
                Some(class)
            }
            Err(reason) => {
                tracing::warn!("the cached fit is not used: {reason}");
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps a fit, whole or not at all, and drops what is too much.
    pub fn write(&self, conditions: &Conditions<'_>, class: &ClassModel) {
        let (model, features) = profile::weights(conditions.engine, conditions.features);
        let made = Profile {
            model,
            features,
            options: conditions.options.clone(),
            classes: vec![class.clone()],
            tuned: None,
        };
        let written = made
            .to_bytes()
            .map_err(CliError::from)
            .and_then(|bytes| self.store(&bytes));
        match written {
            Ok(()) => prune(&self.folder, MOST_FILES, MOST_BYTES),
            Err(reason) => tracing::warn!("the fit is not kept in the cache: {reason}"),
        }
    }

    fn store(&self, bytes: &[u8]) -> Outcome {
        let failed = |error: std::io::Error| CliError::at(&self.folder, error);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        // Readable for the user alone: the good photos are in it.
        let mut file = tempfile::Builder::new()
            .prefix("part-")
            .suffix(SUFFIX)
            .tempfile_in(&self.folder)
            .map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        let content = hex(&Sha256::digest(bytes));
        let name = format!("{}-{}{SUFFIX}", self.key, &content[..DIGITS]);
        file.persist(self.folder.join(name))
            .map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn kept(path: &Path, conditions: &Conditions<'_>) -> Outcome<ClassModel> {
    let (mut read, sha256) = profile::read(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.ends_with(&format!("-{}{SUFFIX}", &sha256[..DIGITS])) {
        return Err(CliError::at(
            path,
            "its bytes are not those that were written",
        ));
    }
    profile::check(&read, conditions.engine, conditions.features)?;
    match (read.classes.pop(), read.classes.is_empty()) {
        (Some(class), true) if read.options == *conditions.options => Ok(class),
        _ => Err(CliError::at(path, "is a profile of something else")),
    }
}

/// Hash of everything that a fit depends on.
fn key(conditions: &Conditions<'_>, photos: &[Vec<u8>]) -> String {
    let (model, features) = profile::weights(conditions.engine, conditions.features);
    let prompts = conditions.prompts;
    let said = format!(
        "{:?}",
        (
            build(),
            model,
            features,
            &conditions.engine.chosen.name,
            conditions.options,
            conditions.class,
            conditions.ignored,
            (&prompts.name, prompts.both(), prompts.detail()),
        )
    );
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(said));
    for photo in photos {
        hash.update(Sha256::digest(photo));
    }
    hex(&hash.finalize())[..DIGITS].to_owned()
}

/// The version, and which build of it: two builds between releases may fit otherwise.
fn build() -> (&'static str, Option<(u64, SystemTime)>) {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let stamp = file.and_then(|file| Ok((file.len(), file.modified()?)));
    (env!("CARGO_PKG_VERSION"), stamp.ok())
}

/// `anomalysd/fits` in the user's cache folder: `XDG_CACHE_HOME`, else the platform's own place.
fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let platform = || {
        if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            Some(absolute("HOME")?.join("Library/Caches"))
        } else {
            Some(absolute("HOME")?.join(".cache"))
        }
    };
    Some(
        absolute("XDG_CACHE_HOME")
            .or_else(platform)?
            .join("anomalysd/fits"),
    )
}

/// Drops the files that were not used for the longest time, until the rest is within both bounds.
fn prune(folder: &Path, most_files: usize, most_bytes: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((about.modified().ok()?, about.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut count = files.len();
    for (_, own, path) in files {
        if count <= most_files && bytes <= most_bytes {
            break;
        }
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(
                "{}: cannot be dropped from the cache: {error}",
                path.display()
            );
        }
        count -= 1;
        bytes -= own;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longest_unused_files_go_first_and_foreign_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for age in 0..5u64 {
            let path = folder.path().join(format!("{age}{SUFFIX}"));
            std::fs::write(&path, [0; 100]).unwrap();
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(now - Duration::from_secs(60 * age))
                .unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), [0; 5000]).unwrap();
        let left = || {
            let entries = std::fs::read_dir(folder.path()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names.concat().replace(SUFFIX, " ")
        };
        prune(folder.path(), 4, u64::MAX);
        assert_eq!(left(), "0 1 2 3 notes.txt");
        prune(folder.path(), 64, 250);
        assert_eq!(left(), "0 1 notes.txt");
        prune(folder.path(), 64, 250);
        assert_eq!(left(), "0 1 notes.txt");
    }
}
