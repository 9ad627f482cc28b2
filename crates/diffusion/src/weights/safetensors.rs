//! The safetensors container, read tensor by tensor.

use std::sync::Arc;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{HostTensor, TensorSource};
use crate::{DiffusionError, Result};

/// Random access to a container's bytes: memory, or a file that is not read whole.
pub trait ReadAt: Send + Sync {
    /// Total number of bytes.
    fn len(&self) -> u64;
    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// `length` bytes from `offset`.
    ///
    /// # Errors
    /// A sentence, where the bytes cannot be read.
    fn read_at(&self, offset: u64, length: usize) -> std::result::Result<Vec<u8>, String>;
}

impl<T: AsRef<[u8]> + Send + Sync> ReadAt for T {
    fn len(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> std::result::Result<Vec<u8>, String> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.as_ref().get(start..start.checked_add(length)?))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("{length} bytes at {offset} are beyond the end"))
    }
}

/// Tensors of one safetensors container.
#[derive(Clone)]
pub struct SafetensorsSource {
    what: String,
    metadata: Arc<Metadata>,
    data_start: u64,
    bytes: Arc<dyn ReadAt>,
}

/// A header larger than this is a lie or an attack.
const MAX_HEADER: u64 = 100 << 20;

impl SafetensorsSource {
    /// Reads and checks the header: sizes, offsets, order and coverage of the whole container.
    ///
    /// `what` names the container in errors, for example the file.
    ///
    /// # Errors
    /// A container that is cut, has a lying header or is no safetensors at all.
    pub fn new(what: impl Into<String>, bytes: impl ReadAt + 'static) -> Result<Self> {
        let what = what.into();
        let error = |reason: String| DiffusionError::Container {
            what: what.clone(),
            reason,
        };
        let (metadata, data_start) = read_header(&bytes).map_err(error)?;
        Ok(Self {
            what,
            metadata: Arc::new(metadata),
            data_start,
            bytes: Arc::new(bytes),
        })
    }

    /// The header's `__metadata__`: free text by key.
    pub fn user_metadata(&self) -> std::collections::BTreeMap<String, String> {
        self.metadata
            .metadata()
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    /// Number format of a tensor, as the container calls it.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.metadata.info(name).map(|info| info.dtype)
    }

    /// The stored bytes of a tensor.
    ///
    /// # Errors
    /// Where there is no such tensor or its bytes cannot be read.
    pub fn raw(&self, name: &str) -> Result<Vec<u8>> {
        let info = self.info(name)?;
        let (start, end) = info.data_offsets;
        self.bytes
            .read_at(self.data_start + start as u64, end - start)
            .map_err(|reason| DiffusionError::Container {
                what: self.what.clone(),
                reason: format!("tensor `{name}`: {reason}"),
            })
    }

    /// Shape and values of a tensor of bytes; `None` where it holds something else.
    ///
    /// # Errors
    /// A missing tensor; bytes that cannot be read.
    pub fn read_bytes(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<u8>)>> {
        let info = self.info(name)?;
        match info.dtype {
            Dtype::U8 => Ok(Some((info.shape.clone(), self.raw(name)?))),
            _ => Ok(None),
        }
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.metadata
            .info(name)
            .ok_or_else(|| DiffusionError::MissingTensor {
                name: name.to_owned(),
                expected: Vec::new(),
            })
    }
}

impl TensorSource for SafetensorsSource {
    fn stored_as(&self, name: &str) -> Option<Dtype> {
        self.dtype(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.metadata.tensors().into_keys().collect();
        names.sort();
        names
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.metadata.info(name).map(|info| info.shape.clone())
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let info = self.info(name)?;
        let values =
            decode(info.dtype, &self.raw(name)?).ok_or_else(|| DiffusionError::TensorDtype {
                name: name.to_owned(),
                got: format!("{:?}", info.dtype),
            })?;
        Ok(HostTensor {
            shape: info.shape.clone(),
            values,
        })
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.dtype(name) {
            Some(Dtype::F16) => self.raw(name).map(Some),
            _ => Ok(None),
        }
    }
}

fn read_header(bytes: &dyn ReadAt) -> std::result::Result<(Metadata, u64), String> {
    let total = bytes.len();
    let size: [u8; 8] = bytes
        .read_at(0, 8)
        .ok()
        .and_then(|head| head.try_into().ok())
        .ok_or("not a safetensors container: shorter than 8 bytes")?;
    let header = u64::from_le_bytes(size);
    if header > MAX_HEADER || header.saturating_add(8) > total {
        return Err(format!(
            "not a safetensors container, or cut: a header of {header} bytes in {total} bytes"
        ));
    }
    let text = bytes.read_at(8, header as usize)?;
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|error| format!("header: {error}"))?;
    check_offsets(&metadata, total - 8 - header)?;
    Ok((metadata, 8 + header))
}

/// The container's own rule: tensors in order of their offsets cover the data without a gap.
fn check_offsets(metadata: &Metadata, data: u64) -> std::result::Result<(), String> {
    let mut end_so_far = 0;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        let (start, end) = info.data_offsets;
        let bits = info
            .shape
            .iter()
            .try_fold(info.dtype.bitsize(), |bits, side| bits.checked_mul(*side));
        if start != end_so_far || end < start || bits != (end - start).checked_mul(8) {
            return Err(format!(
                "header: tensor `{name}` of shape {:?} claims bytes {start}..{end}",
                info.shape
            ));
        }
        end_so_far = end;
    }
    if end_so_far as u64 != data {
        return Err(format!(
            "cut or lying: {data} bytes of data, the header speaks of {end_so_far}"
        ));
    }
    Ok(())
}

/// Stored numbers as f32; `None` for formats that no supported checkpoint uses.
fn decode(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::F16 => bytes
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::BF16 => bytes
            .chunks_exact(2)
            .map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        Dtype::I64 => bytes
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32)
            .collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn container() -> Vec<u8> {
        let numbers: Vec<u8> = [1.0f32, -2.5]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let halves: Vec<u8> = [0.5f32, 3.0]
            .iter()
            .flat_map(|v| f16::from_f32(*v).to_le_bytes())
            .collect();
        let views = [
            (
                "full",
                TensorView::new(Dtype::F32, vec![2], &numbers).unwrap(),
            ),
            (
                "half",
                TensorView::new(Dtype::F16, vec![1, 2], &halves).unwrap(),
            ),
        ];
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn values_are_read_in_both_formats() {
        let source = SafetensorsSource::new("test", container()).unwrap();
        assert_eq!(source.names(), ["full", "half"]);
        assert_eq!(source.read("full").unwrap().values, [1.0, -2.5]);
        assert_eq!(
            source.read("half").unwrap(),
            HostTensor {
                shape: vec![1, 2],
                values: vec![0.5, 3.0]
            }
        );
    }

    #[test]
    fn a_container_cut_anywhere_is_an_error() {
        let whole = container();
        for length in 0..whole.len() {
            assert!(
                SafetensorsSource::new("cut", whole[..length].to_vec()).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_lying_header_is_an_error() {
        let text = String::from_utf8_lossy(&container()[8..]).into_owned();
        for (from, to) in [("[2]", "[9]"), ("\"F32\"", "\"F64\""), ("[0,8]", "[4,8]")] {
            assert!(text.contains(from), "{text}");
            let mut bytes = container();
            let at = bytes
                .windows(from.len())
                .position(|w| w == from.as_bytes())
                .unwrap();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            assert!(
                SafetensorsSource::new("lie", bytes).is_err(),
                "{from} -> {to}"
            );
        }
        let mut huge = container();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(SafetensorsSource::new("huge", huge).is_err());
    }
}
