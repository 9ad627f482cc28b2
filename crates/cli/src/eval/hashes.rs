//! What a part was made from, by content: a second call keeps a part where nothing of it changed.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anomalysd_detect::report::hex;
use sha2::{Digest, Sha256};

/// Hashes of files, each computed once a run.
#[derive(Default)]
pub struct Hashes {
    program: OnceCell<String>,
    files: RefCell<BTreeMap<PathBuf, Option<String>>>,
}

impl Hashes {
    /// Hash of the running program, so that other code measures anew; where its file cannot be read,
    /// its version.
    pub fn program(&self) -> &str {
        self.program.get_or_init(|| {
            let bytes = std::env::current_exe().and_then(std::fs::read);
            bytes.map_or_else(
                |_| env!("CARGO_PKG_VERSION").to_owned(),
                |bytes| hex(&Sha256::digest(bytes)),
            )
        })
    }

    /// A file's path with the hash of its content; none where it cannot be read, which whoever
    /// measures says.
    pub fn file(&self, path: &Path) -> (PathBuf, Option<String>) {
        let mut files = self.files.borrow_mut();
        let hash = files.entry(path.to_owned()).or_insert_with(|| {
            let bytes = std::fs::read(path).ok()?;
            Some(hex(&Sha256::digest(bytes)))
        });
        (path.to_owned(), hash.clone())
    }
}
