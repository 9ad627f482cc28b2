//! Numbers on their way to the peer and back: safetensors files.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Tensor;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{CliError, Outcome};

/// Tensors by name: shape and values.
#[derive(Debug, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors {
    /// Adds a tensor.
    pub fn put(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f32>) {
        self.0.insert(name.into(), (shape.to_vec(), values));
    }

    /// Adds a tensor of a device.
    pub fn put_tensor<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) -> Outcome {
        let shape = tensor.dims();
        self.put(name, &shape, values(tensor.clone())?);
        Ok(())
    }

    /// Names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The values of a tensor.
    pub fn get(&self, name: &str) -> Outcome<&[f32]> {
        let missing = || CliError::Internal(format!("the peer did not answer with `{name}`"));
        self.0
            .get(name)
            .map(|(_, values)| &values[..])
            .ok_or_else(missing)
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Outcome {
        let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, (shape, values))| {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                (name, shape, bytes.collect())
            })
            .collect();
        let internal = |error| CliError::Internal(format!("{}: {error}", path.display()));
        let views = bytes
            .iter()
            .map(|(name, shape, bytes)| {
                let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
                Ok((*name, view.map_err(internal)?))
            })
            .collect::<Outcome<Vec<_>>>()?;
        let file = safetensors::serialize(views, None).map_err(internal)?;
        std::fs::write(path, file).map_err(|error| CliError::at(path, error))
    }

    /// Reads a file of f32 tensors.
    pub fn read(path: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(path).map_err(|error| CliError::at(path, error))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| CliError::at(path, error))?;
        let mut tensors = Self::default();
        for (name, view) in file.tensors() {
            let chunks = view.data().chunks_exact(4);
            let values = chunks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            tensors.put(name, view.shape(), values.collect());
        }
        Ok(tensors)
    }
}

/// A tensor's values.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Outcome<Vec<f32>> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_to_vec()
        .map_err(|error| CliError::Internal(format!("reading back: {error:?}")))
}

/// The largest difference over the largest value; infinite where lengths differ or something is no number.
pub fn difference(ours: &[f32], theirs: &[f32]) -> f64 {
    let pairs = || ours.iter().zip(theirs);
    if ours.len() != theirs.len() || pairs().any(|(a, b)| !(a - b).is_finite()) {
        return f64::INFINITY;
    }
    let largest = ours
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    let apart = pairs().fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    f64::from(apart) / f64::from(largest.max(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let mut tensors = Tensors::default();
        tensors.put("a", &[2, 1], vec![1.5, -2.0]);
        tensors.put("b", &[1], vec![3.0]);
        tensors.write(&path).unwrap();
        let read = Tensors::read(&path).unwrap();
        assert_eq!(read, tensors);
        assert!(read.get("c").unwrap_err().to_string().contains("`c`"));
    }

    #[test]
    fn differences_are_relative_and_never_hide_what_is_no_number() {
        assert_eq!(difference(&[1.0, -4.0], &[1.0, -3.0]), 0.25);
        assert_eq!(difference(&[0.0], &[0.0]), 0.0);
        assert!(difference(&[1.0], &[f32::NAN]).is_infinite());
        assert!(difference(&[1.0], &[1.0, 1.0]).is_infinite());
    }
}
