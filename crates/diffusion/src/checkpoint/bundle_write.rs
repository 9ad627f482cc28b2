//! Writing a model as a bundle, or as the single file of `mini`.

use std::collections::{BTreeMap, HashMap};

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::bundle::BUNDLE_JSON;
use super::fingerprint::{fingerprint, hex};
use super::manifest::{BUNDLE_SCHEMA, MAX_SHARD_BYTES, Manifest, Part, Shard, StoredTensor};
use super::parts::{ModelParts, without_origin};
use super::single_file::METADATA_KEY;
use crate::{DiffusionError, Result};

/// How a bundle is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// Store f16 instead of f32.
    pub half: bool,
    /// Largest size of a shard in bytes, 64 KiB to 64 MiB.
    pub shard_bytes: u64,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            half: true,
            shard_bytes: 32 << 20,
        }
    }
}

/// Room for a shard's header: this for the file and each tensor, and the tensors' names.
const ENTRY_BYTES: u64 = 160;

/// Writes a bundle: shards `000.safetensors` and on, licence and model card, `bundle.json` last.
///
/// Each file is handed to `write` with its relative path. At most one shard is held in memory.
///
/// # Errors
/// What `write` reports; tensors that cannot be read, that f16 cannot hold, or of which one row
/// alone exceeds a shard; a shard size out of range.
pub fn write_bundle(
    parts: &ModelParts,
    options: &ExportOptions,
    write: &mut dyn FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    if !(1 << 16..=MAX_SHARD_BYTES).contains(&options.shard_bytes) {
        return Err(DiffusionError::Argument {
            op: "export",
            what: "shard size",
            got: format!("{} bytes", options.shard_bytes),
            expected: "64 KiB to 64 MiB".into(),
        });
    }
    let mut shards = ShardWriter::new(options.shard_bytes, write);
    for (component, source) in &parts.tensors {
        for name in source.names() {
            let full = format!("{component}.{name}");
            let tensor = source.read(&name)?;
            let bytes = encode(&full, &tensor.values, options.half)?;
            shards.add(full, dtype(options.half), tensor.shape, bytes)?;
        }
    }
    shards.flush()?;
    let mut manifest = manifest(parts)?;
    manifest.shards = shards.shards;
    manifest.tensors = shards.tensors;
    for (path, text) in [
        ("LICENSE", &parts.config.licence),
        ("MODEL_CARD.md", &parts.config.model_card),
    ] {
        if !text.is_empty() {
            write(path, text.as_bytes())?;
        }
    }
    write(BUNDLE_JSON, json(&manifest)?.as_bytes())
}

/// Writes a model as one safetensors file: tensors in f16 as `component.name`, and the table of
/// contents of a bundle, without shards, in `__metadata__["anomalysd"]`.
///
/// # Errors
/// Tensors that cannot be read or that f16 cannot hold.
pub fn write_single_file(parts: &ModelParts) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for (component, source) in &parts.tensors {
        for name in source.names() {
            let full = format!("{component}.{name}");
            let tensor = source.read(&name)?;
            let bytes = encode(&full, &tensor.values, true)?;
            tensors.push(Piece {
                name: full,
                dtype: dtype(true),
                shape: tensor.shape,
                bytes,
                rows: 0,
            });
        }
    }
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), json(&manifest(parts)?)?)]);
    serialize(&tensors, Some(metadata))
}

fn manifest(parts: &ModelParts) -> Result<Manifest> {
    let plain = |(name, config): (&String, &Value)| (name.clone(), without_origin(config.clone()));
    Ok(Manifest {
        schema: BUNDLE_SCHEMA.to_owned(),
        fingerprint: fingerprint(parts)?,
        config: parts.config.clone(),
        components: parts.configs.iter().map(plain).collect(),
        tokenizer: parts.tokenizer.clone(),
        shards: Vec::new(),
        tensors: BTreeMap::new(),
    })
}

fn json(manifest: &Manifest) -> Result<String> {
    serde_json::to_string(manifest).map_err(|error| container(BUNDLE_JSON, error.to_string()))
}

fn container(what: &str, reason: String) -> DiffusionError {
    DiffusionError::Container {
        what: what.to_owned(),
        reason,
    }
}

fn dtype(half: bool) -> Dtype {
    if half { Dtype::F16 } else { Dtype::F32 }
}

/// Little-endian bytes of a tensor.
pub(super) fn encode(name: &str, values: &[f32], half: bool) -> Result<Vec<u8>> {
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(DiffusionError::NotFinite {
            name: name.to_owned(),
            index,
            value: values[index],
        });
    }
    if !half {
        return Ok(values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect());
    }
    if let Some(value) = values
        .iter()
        .find(|value| f16::from_f32(**value).is_infinite())
    {
        return Err(container(
            name,
            format!("holds {value}, which is beyond the range of f16; export as f32"),
        ));
    }
    Ok(values
        .iter()
        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
        .collect())
}

/// A tensor, or rows of one, on its way into a file.
struct Piece {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
    rows: usize,
}

fn serialize(pieces: &[Piece], metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
    let mut views = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let view = TensorView::new(piece.dtype, piece.shape.clone(), &piece.bytes);
        views.push((
            piece.name.as_str(),
            view.map_err(|error| container(&piece.name, error.to_string()))?,
        ));
    }
    safetensors::serialize(views, metadata)
        .map_err(|error| container("safetensors", error.to_string()))
}

/// Collects tensors until a shard is full.
struct ShardWriter<'a> {
    limit: u64,
    write: &'a mut dyn FnMut(&str, &[u8]) -> Result<()>,
    pending: Vec<Piece>,
    size: u64,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, StoredTensor>,
}

impl<'a> ShardWriter<'a> {
    fn new(limit: u64, write: &'a mut dyn FnMut(&str, &[u8]) -> Result<()>) -> Self {
        Self {
            limit,
            write,
            pending: Vec::new(),
            size: ENTRY_BYTES,
            shards: Vec::new(),
            tensors: BTreeMap::new(),
        }
    }

    /// Adds a tensor, cut by rows where it does not fit a shard of its own.
    fn add(&mut self, name: String, dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Result<()> {
        let entry = ENTRY_BYTES + name.len() as u64;
        let room = self.limit - ENTRY_BYTES - entry.min(self.limit / 2);
        let rows = shape.first().copied().unwrap_or(1);
        let stored = StoredTensor {
            dtype,
            shape: shape.clone(),
            parts: Vec::new(),
        };
        self.tensors.insert(name.clone(), stored);
        if bytes.len() as u64 <= room {
            return self.push(
                Piece {
                    name,
                    dtype,
                    shape,
                    bytes,
                    rows,
                },
                entry,
            );
        }
        let row_bytes = bytes.len() / rows;
        let rows_at_once = room as usize / row_bytes;
        if rows_at_once == 0 {
            return Err(container(
                &name,
                format!("has rows of {row_bytes} bytes, more than a shard holds"),
            ));
        }
        for piece in bytes.chunks(rows_at_once * row_bytes) {
            let rows = piece.len() / row_bytes;
            let mut shape = shape.clone();
            shape[0] = rows;
            self.push(
                Piece {
                    name: name.clone(),
                    dtype,
                    shape,
                    bytes: piece.to_vec(),
                    rows,
                },
                entry,
            )?;
        }
        Ok(())
    }

    fn push(&mut self, piece: Piece, entry: u64) -> Result<()> {
        let size = entry + piece.bytes.len() as u64;
        // Two pieces of one tensor never share a shard: their names in it would be the same.
        let same = self
            .pending
            .last()
            .is_some_and(|last| last.name == piece.name);
        if same || (!self.pending.is_empty() && self.size + size > self.limit) {
            self.flush()?;
        }
        self.size += size;
        self.pending.push(piece);
        Ok(())
    }

    /// Writes the collected tensors as the next shard.
    fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pieces = std::mem::take(&mut self.pending);
        self.size = ENTRY_BYTES;
        let bytes = serialize(&pieces, None)?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| container("shard", error.to_string()))?;
        let shard = self.shards.len();
        for piece in pieces {
            let (Some(info), Some(stored)) = (
                metadata.info(&piece.name),
                self.tensors.get_mut(&piece.name),
            ) else {
                continue;
            };
            let offset = (8 + header + info.data_offsets.0) as u64;
            stored.parts.push(Part {
                shard,
                offset,
                rows: piece.rows,
            });
        }
        let path = format!("{shard:03}.safetensors");
        (self.write)(&path, &bytes)?;
        self.shards.push(Shard {
            path,
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
        });
        Ok(())
    }
}
