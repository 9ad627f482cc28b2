//! A folder of files, wherever it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::weights::{ReadAt, SafetensorsSource};
use crate::{DiffusionError, Result};

/// Configuration and licence files above this size are not read.
pub(super) const MAX_TEXT_BYTES: u64 = 64 << 20;

/// A folder of files by relative path with forward slashes: on disk, in memory, dropped on a page.
pub trait Files {
    /// A path as it is shown in messages.
    fn describe(&self, path: &str) -> String;
    /// Size in bytes; `None` where there is no such file.
    fn size(&self, path: &str) -> Option<u64>;
    /// Opens a file for reading by ranges.
    ///
    /// # Errors
    /// [`DiffusionError::File`] where it cannot be opened.
    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>>;
    /// Names of the files and folders in a folder (`""` for the root), sorted; empty where there is none.
    fn list(&self, folder: &str) -> Vec<String>;
}

/// Files held in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    /// Contents by relative path.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

impl Files for MemoryFiles {
    fn describe(&self, path: &str) -> String {
        path.to_owned()
    }

    fn size(&self, path: &str) -> Option<u64> {
        self.files.get(path).map(ReadAt::len)
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>> {
        match self.files.get(path) {
            Some(bytes) => Ok(Box::new(Arc::clone(bytes))),
            None => Err(missing(self, path)),
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &String| {
            let rest = if folder.is_empty() {
                path
            } else {
                path.strip_prefix(folder)?.strip_prefix('/')?
            };
            rest.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<String> = self.files.keys().filter_map(inside).collect();
        names.dedup();
        names
    }
}

/// An opened file as a source of bytes for [`SafetensorsSource`].
struct Opened(Box<dyn ReadAt>);

impl ReadAt for Opened {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, length: usize) -> std::result::Result<Vec<u8>, String> {
        self.0.read_at(offset, length)
    }
}

/// The tensors of a safetensors file.
pub(super) fn safetensors(files: &dyn Files, path: &str) -> Result<SafetensorsSource> {
    SafetensorsSource::new(files.describe(path), Opened(files.open(path)?))
}

/// A whole file; `None` where there is none.
pub(super) fn bytes(files: &dyn Files, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
    let Some(size) = files.size(path) else {
        return Ok(None);
    };
    if size > most {
        return Err(DiffusionError::Container {
            what: files.describe(path),
            reason: format!("has {size} bytes, at most {most} are read"),
        });
    }
    let file = files.open(path)?;
    let error = |reason| DiffusionError::File {
        path: files.describe(path),
        reason,
    };
    file.read_at(0, size as usize).map(Some).map_err(error)
}

/// A whole text file; `None` where there is none.
pub(super) fn text(files: &dyn Files, path: &str) -> Result<Option<String>> {
    let Some(bytes) = bytes(files, path, MAX_TEXT_BYTES)? else {
        return Ok(None);
    };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| DiffusionError::Container {
            what: files.describe(path),
            reason: "is not UTF-8 text".into(),
        })
}

/// A JSON file; `None` where there is none.
pub(super) fn json(files: &dyn Files, path: &str) -> Result<Option<serde_json::Value>> {
    let Some(text) = text(files, path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| DiffusionError::Container {
            what: files.describe(path),
            reason: error.to_string(),
        })
}

/// A path inside a folder, `""` being the root.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The error for a file that is not there.
pub(super) fn missing(files: &dyn Files, path: &str) -> DiffusionError {
    DiffusionError::File {
        path: files.describe(path),
        reason: "no such file".into(),
    }
}

/// Checks that a path from a file stays inside its folder on every system.
pub(super) fn check_relative(what: &str, path: &str) -> Result<()> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if path.len() <= 255 && path.chars().all(allowed) && path.split('/').all(plain) {
        return Ok(());
    }
    Err(DiffusionError::Container {
        what: what.to_owned(),
        reason: format!("{path:?} is not a plain path inside the folder"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_out_of_the_folder_are_refused() {
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "C:\\x",
            "a\\b",
            "a\0b",
            "a/",
            "con:",
        ] {
            assert!(check_relative("bundle", path).is_err(), "{path:?}");
        }
        for path in ["000.safetensors", "shards/a-b_c.1"] {
            assert!(check_relative("bundle", path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn folders_in_memory_are_listed() {
        let file = |path: &str| (path.to_owned(), Arc::from(&b"x"[..]));
        let files = MemoryFiles {
            files: [file("a/b"), file("a/c/d"), file("a/c/e"), file("f")].into(),
        };
        assert_eq!(files.list(""), ["a", "f"]);
        assert_eq!(files.list("a"), ["b", "c"]);
        assert_eq!(files.list("g"), Vec::<String>::new());
    }
}
