//! A bundle's files as Blobs: from OPFS, a cache, a folder that the user picked, or memory.
//!
//! Blobs are read by ranges with `FileReaderSync`, which a worker has: only the shard at hand is ever
//! in the module's memory.

use std::collections::BTreeMap;

use anomalysd_diffusion::DiffusionError;
use anomalysd_diffusion::checkpoint::Files;
use anomalysd_diffusion::weights::ReadAt;
use js_sys::{Array, Map, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, FileReaderSync};

use crate::error::{Outcome, WebError};
use crate::one_thread::OneThread;

fn range(blob: &Blob, start: f64, end: f64) -> Result<Vec<u8>, String> {
    let said = |what: &str, error: &JsValue| {
        let error: Option<&js_sys::Error> = error.dyn_ref();
        let reason = error.map_or_else(|| "no reason given".into(), |error| error.message());
        format!("{what}: {}", String::from(reason))
    };
    let reader = FileReaderSync::new().map_err(|error| said("no FileReaderSync", &error))?;
    let slice = blob
        .slice_with_f64_and_f64(start, end)
        .map_err(|error| said("cannot be sliced", &error))?;
    let buffer = reader
        .read_as_array_buffer(&slice)
        .map_err(|error| said("cannot be read", &error))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

impl ReadAt for OneThread<Blob> {
    fn len(&self) -> u64 {
        self.get().size() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, String> {
        let end = offset + length as u64;
        if end > self.len() {
            return Err(format!("{length} bytes at {offset} are beyond the end"));
        }
        range(self.get(), offset as f64, end as f64)
    }
}

/// Blobs by relative path.
pub struct BlobFiles(BTreeMap<String, Blob>);

impl BlobFiles {
    /// From a `Map<string, Blob>`.
    pub fn new(map: &Map) -> Outcome<Self> {
        let mut files = BTreeMap::new();
        for entry in Array::from(map.as_ref()).iter() {
            let pair = Array::from(&entry);
            let blob = pair.get(1).dyn_into();
            match (pair.get(0).as_string(), blob) {
                (Some(path), Ok(blob)) => files.insert(path, blob),
                _ => return Err(WebError::argument("files is no Map of Blobs by path")),
            };
        }
        Ok(Self(files))
    }
}

impl Files for BlobFiles {
    fn describe(&self, path: &str) -> String {
        path.to_owned()
    }

    fn size(&self, path: &str) -> Option<u64> {
        self.0.get(path).map(|blob| blob.size() as u64)
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>, DiffusionError> {
        match self.0.get(path) {
            Some(blob) => Ok(Box::new(OneThread::new(blob.clone()))),
            None => Err(DiffusionError::File {
                path: path.to_owned(),
                reason: "no such file".into(),
            }),
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
        let mut names: Vec<String> = self.0.keys().filter_map(inside).collect();
        names.dedup();
        names
    }
}
