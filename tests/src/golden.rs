//! Golden files and the comparison with them.

use std::path::PathBuf;

use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, TensorSource};
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;

/// Largest error of a computed tensor, as a part of the largest value of the reference's.
pub const TOLERANCE: f32 = 2e-4;

/// A case of `tests/golden/diffusion`: configuration, weights, inputs with the reference's outputs.
pub struct Case {
    /// The configuration file.
    pub config: Value,
    tensors: SafetensorsSource,
    name: String,
}

impl Case {
    /// Opens a case by name.
    pub fn open(name: &str) -> Self {
        let text = String::from_utf8(read(&format!("{name}.json"))).unwrap();
        Self {
            config: serde_json::from_str(&text).unwrap(),
            tensors: SafetensorsSource::new(name, read(&format!("{name}.safetensors"))).unwrap(),
            name: name.to_owned(),
        }
    }

    /// The random weights of the case.
    pub fn weights(&self) -> SafetensorsSource {
        let file = format!("{}.weights.safetensors", self.name);
        SafetensorsSource::new(file.clone(), read(&file)).unwrap()
    }

    /// The JSON text of a component's configuration.
    pub fn component(&self, name: &str) -> String {
        self.config[name].to_string()
    }

    /// A number of the `run` section.
    pub fn run(&self, name: &str) -> f64 {
        self.config["run"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("run.{name} of {}", self.name))
    }

    /// A stored tensor, on the host.
    pub fn host(&self, name: &str) -> HostTensor {
        self.tensors
            .read(name)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// A stored tensor, on a device.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let HostTensor { shape, values } = self.host(name);
        assert_eq!(shape.len(), D, "{name}");
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Panics where `got` is further from the stored tensor than [`TOLERANCE`].
    pub fn compare<const D: usize>(&self, name: &str, got: &Tensor<D>) {
        let expected = self.host(name);
        assert_eq!(got.dims().to_vec(), expected.shape, "{}: {name}", self.name);
        compare(
            &format!("{}: {name}", self.name),
            &values(got),
            &expected.values,
            TOLERANCE,
        );
    }
}

/// The values of a tensor, row-major.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec::<f32>().unwrap()
}

/// Panics where two lists differ by more than `tolerance` of the largest expected value.
pub fn compare(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    assert!(largest > 1e-3, "{what}: the reference is zero");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs() / largest;
        assert!(
            error <= tolerance,
            "{what}: element {index} is {got}, expected {expected} ({error:e})"
        );
    }
}

fn read(file: &str) -> Vec<u8> {
    let path = golden().join("diffusion").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.ancestors()
        .map(|folder| folder.join("tests/golden"))
        .find(|folder| folder.is_dir())
        .expect("tests/golden of the checkout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_fails_on_what_is_no_number() {
        compare("equal", &[1.0, -2.0], &[1.0, -2.0], TOLERANCE);
        for wrong in [f32::NAN, f32::INFINITY, 1.001] {
            let compared = || compare("wrong", &[wrong, -2.0], &[1.0, -2.0], TOLERANCE);
            assert!(std::panic::catch_unwind(compared).is_err(), "{wrong}");
        }
    }
}
