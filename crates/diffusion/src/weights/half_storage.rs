//! Weights that are stored as f16, on devices that have f16 and on those that do not.
//!
//! A bundle stores f16. Widened on the host, a model takes twice the memory on its way to the
//! device, and twice on the device. Where a device has f16 the weights stay as they are and each
//! layer widens its own while it computes, so that arithmetic is f32 everywhere. Without f16 (a
//! browser whose adapter lacks `shader-f16` has no such type at all) they travel as they are, two to
//! a word, and are widened there.

use std::cell::OnceCell;
use std::rc::Rc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use half::f16;

use super::{HostTensor, TensorSource};
use crate::{DiffusionError, Result};

/// Bytes of the largest tensor that every device takes: the smallest storage binding that WebGPU
/// promises.
const MAX_BINDING_BYTES: usize = 128 << 20;

/// How weights that are stored as f16 are held. Their values are the same in all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfStorage {
    /// f32, widened on the host.
    #[default]
    Widened,
    /// f16; layers widen them while they compute.
    Kept,
    /// f32, widened on the device.
    WidenedOnDevice,
}

impl HalfStorage {
    /// What suits a graphics processor: f16 where it has it.
    pub fn on_gpu(device: &Device) -> Self {
        if device.supports_dtype(DType::F16) {
            Self::Kept
        } else {
            Self::WidenedOnDevice
        }
    }

    /// A tensor from the bytes of its f16 values.
    pub(crate) fn upload<const D: usize>(
        self,
        bytes: Vec<u8>,
        shape: [usize; D],
        device: &Device,
    ) -> Tensor<D> {
        Halves::new(self).upload(bytes, shape, device)
    }
}

/// Brings f16 to a device.
#[derive(Clone, Default)]
pub(super) struct Halves {
    storage: HalfStorage,
    /// The value of each of the 65,536 bit patterns.
    values: Rc<OnceCell<Tensor<1>>>,
}

impl Halves {
    pub(super) fn new(storage: HalfStorage) -> Self {
        Self {
            storage,
            values: Rc::default(),
        }
    }

    pub(super) fn storage(&self) -> HalfStorage {
        self.storage
    }

    /// A tensor from the bytes of its f16 values.
    pub(super) fn upload<const D: usize>(
        &self,
        bytes: Vec<u8>,
        shape: [usize; D],
        device: &Device,
    ) -> Tensor<D> {
        match self.storage {
            HalfStorage::Kept => {
                let data = TensorData::from_bytes_vec(bytes, shape, DType::F16);
                Tensor::from_data(data, (device, DType::F16))
            }
            HalfStorage::Widened | HalfStorage::WidenedOnDevice => {
                self.widen(&bytes, device).reshape(shape)
            }
        }
    }

    /// A table by rows, in as many tensors as it takes to keep each within every device's limit.
    pub(super) fn upload_rows(
        &self,
        bytes: Vec<u8>,
        shape: [usize; 2],
        device: &Device,
    ) -> Vec<Tensor<2>> {
        self.upload_rows_within(bytes, shape, MAX_BINDING_BYTES, device)
    }

    fn upload_rows_within(
        &self,
        bytes: Vec<u8>,
        [count, width]: [usize; 2],
        limit: usize,
        device: &Device,
    ) -> Vec<Tensor<2>> {
        let value = match self.storage {
            HalfStorage::Kept => size_of::<f16>(),
            HalfStorage::Widened | HalfStorage::WidenedOnDevice => size_of::<f32>(),
        };
        let rows = rows_within(width * value, limit);
        if rows >= count {
            return vec![self.upload(bytes, [count, width], device)];
        }
        let row_bytes = width * size_of::<f16>();
        bytes
            .chunks(rows * row_bytes)
            .map(|part| {
                let shape = [part.len() / row_bytes, width];
                match self.storage {
                    HalfStorage::Kept => self.upload(part.to_vec(), shape, device),
                    HalfStorage::Widened | HalfStorage::WidenedOnDevice => {
                        self.widen(part, device).reshape(shape)
                    }
                }
            })
            .collect()
    }

    /// f32 on the device from bytes of f16: each bit pattern is looked up, which is exact, and needs
    /// no type that the device lacks.
    fn widen(&self, bytes: &[u8], device: &Device) -> Tensor<1> {
        let count = bytes.len() / size_of::<f16>();
        let words: Vec<i32> = bytes
            .chunks(4)
            .map(|word| {
                let mut whole = [0; 4];
                whole[..word.len()].copy_from_slice(word);
                i32::from_le_bytes(whole)
            })
            .collect();
        let pairs = words.len();
        let words: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(words, [pairs]), (device, DType::I32));
        let values = self.values.get_or_init(|| {
            let values: Vec<f32> = (0..=u16::MAX)
                .map(|bits| {
                    // Weights are finite; what is looked up never is one of these.
                    let value = f16::from_bits(bits).to_f32();
                    if value.is_finite() { value } else { 0.0 }
                })
                .collect();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), device)
        });
        let low = words.clone().bitwise_and_scalar(0xFFFF);
        // The shift keeps the sign: the mask takes it off.
        let high = words
            .bitwise_right_shift_scalar(16)
            .bitwise_and_scalar(0xFFFF);
        let halves = [low, high].map(|bits| values.clone().select(0, bits));
        let pairs: Tensor<2> = Tensor::stack(halves.to_vec(), 1);
        pairs.flatten(0, 1).narrow(0, 0, count)
    }
}

/// Rows of `row_bytes` each within so many bytes; 1 at least.
fn rows_within(row_bytes: usize, bytes: usize) -> usize {
    (bytes / row_bytes.max(1)).max(1)
}

/// A source that gives every tensor as f16, rounded where it is stored otherwise.
pub(crate) struct Rounded(pub(crate) Box<dyn TensorSource>);

impl TensorSource for Rounded {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.0.shape(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        self.0.read(name)
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.0.read_half(name)? {
            return Ok(Some(bytes));
        }
        let values = self.0.read(name)?.values;
        let bytes = values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes());
        Ok(Some(bytes.collect()))
    }

    fn stored_as(&self, name: &str) -> Option<::safetensors::Dtype> {
        self.0.stored_as(name)
    }
}

/// Refuses NaN and infinities, as the loader does for all other formats.
pub(super) fn check_finite(name: &str, bytes: &[u8]) -> Result<()> {
    let values = bytes
        .chunks_exact(2)
        .map(|pair| f16::from_le_bytes([pair[0], pair[1]]));
    match values.enumerate().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, value)) => Err(DiffusionError::NotFinite {
            name: name.to_owned(),
            index,
            value: value.to_f32(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every finite f16, an odd number of them.
    fn all() -> Vec<f16> {
        (0..=u16::MAX)
            .map(f16::from_bits)
            .filter(|value| value.is_finite())
            .skip(1)
            .collect()
    }

    fn bytes(values: &[f16]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    #[test]
    fn every_f16_is_the_same_number_on_the_device() {
        let device = Device::flex();
        let values = all();
        assert_eq!(values.len() % 2, 1);
        for storage in [HalfStorage::Kept, HalfStorage::WidenedOnDevice] {
            let tensor: Tensor<1> =
                Halves::new(storage).upload(bytes(&values), [values.len()], &device);
            let got = tensor.cast(DType::F32).into_data().try_to_vec::<f32>();
            let wanted: Vec<f32> = values.iter().map(|value| value.to_f32()).collect();
            assert_eq!(got.unwrap(), wanted, "{storage:?}");
        }
    }

    #[test]
    fn a_table_beyond_the_limit_is_cut_by_rows() {
        // The table of Stable Diffusion's text encoder, 152 MB as f32.
        assert_eq!(rows_within(768 * 4, MAX_BINDING_BYTES), 43_690);
        assert_eq!(rows_within(1 << 40, 1), 1);
        let device = Device::flex();
        let table: Vec<f16> = (0..7 * 3)
            .map(|index| f16::from_f32(index as f32 - 9.5))
            .collect();
        let wanted: Vec<f32> = table.iter().map(|value| value.to_f32()).collect();
        // Two rows of f32, four of f16.
        for (storage, rows) in [
            (HalfStorage::WidenedOnDevice, vec![2, 2, 2, 1]),
            (HalfStorage::Kept, vec![4, 3]),
        ] {
            let parts =
                Halves::new(storage).upload_rows_within(bytes(&table), [7, 3], 2 * 3 * 4, &device);
            let counts: Vec<usize> = parts.iter().map(|part| part.dims()[0]).collect();
            assert_eq!(counts, rows, "{storage:?}");
            let whole = Tensor::cat(parts, 0).cast(DType::F32).into_data();
            assert_eq!(whole.try_to_vec::<f32>().unwrap(), wanted, "{storage:?}");
        }
    }

    #[test]
    fn other_formats_are_rounded_to_f16() {
        let tensor = HostTensor {
            shape: vec![1, 2],
            values: vec![1.0 / 3.0, 1e6],
        };
        let source = std::collections::BTreeMap::from([("a".to_owned(), tensor)]);
        let rounded = Rounded(Box::new(source)).read_half("a").unwrap().unwrap();
        assert_eq!(rounded[..2], f16::from_f32(1.0 / 3.0).to_le_bytes());
        // Beyond what f16 holds: refused by name when it is loaded.
        assert!(check_finite("a", &rounded).is_err());
    }

    #[test]
    fn nan_and_infinity_are_refused_by_place() {
        for bad in [f16::NAN, f16::INFINITY, f16::NEG_INFINITY] {
            let values = bytes(&[f16::ONE, bad]);
            let error = check_finite("a.weight", &values).unwrap_err();
            assert!(matches!(error, DiffusionError::NotFinite { index: 1, .. }));
        }
        check_finite("a.weight", &bytes(&all())).unwrap();
    }
}
