//! Reading a bundle: `bundle.json` and its shards, each verified by its hash before use.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use half::{bf16, f16};
use safetensors::Dtype;
use sha2::{Digest, Sha256};

use super::canonical::Canonical;
use super::files::{self, Files, missing};
use super::fingerprint::hex;
use super::manifest::{Manifest, Part, Shard, StoredTensor};
use super::parts::ModelParts;
use crate::weights::{HostTensor, TensorSource};
use crate::{DiffusionError, Result};

/// Name of a bundle's table of contents.
pub const BUNDLE_JSON: &str = "bundle.json";

/// Opens the bundle in a folder. Shards are read and verified when a tensor is first asked for.
///
/// # Errors
/// [`DiffusionError::File`] where there is no `bundle.json`, [`DiffusionError::Container`] where it
/// is not one, or a shard has another size than it states.
pub fn open_bundle(files: Rc<dyn Files>) -> Result<ModelParts> {
    let what = files.describe(BUNDLE_JSON);
    let json = files::text(files.as_ref(), BUNDLE_JSON)?
        .ok_or_else(|| missing(files.as_ref(), BUNDLE_JSON))?;
    let manifest = Manifest::parse(&what, json.as_bytes())?;
    for shard in &manifest.shards {
        match files.size(&shard.path) {
            Some(bytes) if bytes == shard.bytes => {}
            Some(bytes) => {
                return Err(DiffusionError::Container {
                    what: files.describe(&shard.path),
                    reason: format!("has {bytes} bytes, {BUNDLE_JSON} says {}", shard.bytes),
                });
            }
            None => return Err(missing(files.as_ref(), &shard.path)),
        }
    }
    let shards = Rc::new(Shards {
        files,
        manifest,
        verified: RefCell::default(),
        last: RefCell::default(),
    });
    let manifest = &shards.manifest;
    let tensors = manifest.components.keys().map(|component| {
        let source = Component {
            shards: Rc::clone(&shards),
            prefix: format!("{component}."),
        };
        (
            component.clone(),
            Box::new(Canonical::new(component, Box::new(source))) as Box<dyn TensorSource>,
        )
    });
    Ok(ModelParts {
        config: manifest.config.clone(),
        configs: manifest.components.clone(),
        tokenizer: manifest.tokenizer.clone(),
        tensors: tensors.collect(),
    })
}

/// The files of a bundle. The last shard is kept: neighbours in a model are mostly neighbours there.
struct Shards {
    files: Rc<dyn Files>,
    manifest: Manifest,
    verified: RefCell<BTreeSet<usize>>,
    last: RefCell<Option<(usize, Rc<Vec<u8>>)>>,
}

impl Shards {
    /// Bytes of a shard, of which the whole has had the stated hash.
    fn range(&self, index: usize, offset: u64, length: usize) -> Result<Vec<u8>> {
        let shard = &self.manifest.shards[index];
        let kept = self
            .last
            .borrow()
            .as_ref()
            .filter(|(last, _)| *last == index)
            .map(|(_, bytes)| Rc::clone(bytes));
        if let Some(bytes) = kept {
            return self.cut(shard, &bytes[..], offset, length);
        }
        let file = self.files.open(&shard.path)?;
        if self.verified.borrow().contains(&index) {
            return file
                .read_at(offset, length)
                .map_err(|reason| self.unreadable(shard, reason));
        }
        // The size was checked against the table, and the table's against a cap.
        let bytes = file
            .read_at(0, shard.bytes as usize)
            .map_err(|reason| self.unreadable(shard, reason))?;
        let found = hex(&Sha256::digest(&bytes));
        if found != shard.sha256 {
            return Err(self.unreadable(
                shard,
                format!("has SHA-256 {found}, {BUNDLE_JSON} says {}", shard.sha256),
            ));
        }
        self.verified.borrow_mut().insert(index);
        let range = self.cut(shard, &bytes, offset, length);
        *self.last.borrow_mut() = Some((index, Rc::new(bytes)));
        range
    }

    fn cut(&self, shard: &Shard, bytes: &[u8], offset: u64, length: usize) -> Result<Vec<u8>> {
        let start = offset as usize;
        let range = start
            .checked_add(length)
            .and_then(|end| bytes.get(start..end));
        range
            .map(<[u8]>::to_vec)
            .ok_or_else(|| self.unreadable(shard, "is shorter than its table says".into()))
    }

    fn unreadable(&self, shard: &Shard, reason: String) -> DiffusionError {
        DiffusionError::Container {
            what: self.files.describe(&shard.path),
            reason,
        }
    }
}

/// The tensors of one component of a bundle.
struct Component {
    shards: Rc<Shards>,
    prefix: String,
}

impl Component {
    fn tensor(&self, name: &str) -> Result<&StoredTensor> {
        let full = format!("{}{name}", self.prefix);
        let tensor = self.shards.manifest.tensors.get(&full);
        tensor.ok_or(DiffusionError::MissingTensor {
            name: full,
            expected: Vec::new(),
        })
    }

    /// The bytes of a tensor, part by part.
    fn each_part(&self, tensor: &StoredTensor, mut take: impl FnMut(Vec<u8>)) -> Result<()> {
        let row_bytes = tensor.row_bytes().unwrap_or(0);
        for Part {
            shard,
            offset,
            rows,
        } in &tensor.parts
        {
            let length = (row_bytes * *rows as u64) as usize;
            take(self.shards.range(*shard, *offset, length)?);
        }
        Ok(())
    }
}

impl TensorSource for Component {
    fn names(&self) -> Vec<String> {
        let names = self.shards.manifest.tensors.keys();
        names
            .filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned))
            .collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let tensor = self
            .shards
            .manifest
            .tensors
            .get(&format!("{}{name}", self.prefix))?;
        Some(tensor.shape.clone())
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let tensor = self.tensor(name)?;
        // The table was checked: shape and parts agree with the shards' sizes.
        let mut values = Vec::with_capacity(tensor.shape.iter().product());
        self.each_part(tensor, |bytes| append(tensor.dtype, &bytes, &mut values))?;
        Ok(HostTensor {
            shape: tensor.shape.clone(),
            values,
        })
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let tensor = self.tensor(name)?;
        if tensor.dtype != Dtype::F16 {
            return Ok(None);
        }
        let mut whole = Vec::new();
        // Mostly there is one part, which is taken as it is; else they are joined in one allocation, for
        // a vector that grows holds up to three times its bytes, and a browser's memory never shrinks.
        if tensor.parts.len() > 1 {
            let values: usize = tensor.shape.iter().product();
            whole.reserve_exact(values * size_of::<f16>());
        }
        self.each_part(tensor, |bytes| {
            if whole.capacity() == 0 {
                whole = bytes;
            } else {
                whole.extend_from_slice(&bytes);
            }
        })?;
        Ok(Some(whole))
    }

    fn stored_as(&self, name: &str) -> Option<Dtype> {
        self.shards
            .manifest
            .tensors
            .get(&format!("{}{name}", self.prefix))
            .map(|tensor| tensor.dtype)
    }
}

/// Decodes the formats that [`Manifest::parse`] lets through.
fn append(dtype: Dtype, bytes: &[u8], values: &mut Vec<f32>) {
    let pairs = bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        Dtype::F16 => values.extend(pairs.map(|b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => values.extend(pairs.map(|b| bf16::from_le_bytes(b).to_f32())),
        _ => values.extend(
            bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        ),
    }
}
