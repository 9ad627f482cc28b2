//! Where a model's tensors come from and how they leave it again.
//!
//! A layer asks a [`Loader`] for each of its tensors by name and shape. The loader reads them from
//! a [`TensorSource`] or, for a model to be trained from scratch, draws them; so every module has
//! one constructor. [`save_state`] lists a module's tensors under the same names.

mod changed;
mod half_storage;
mod safetensors;
mod state;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

pub(crate) use self::changed::{Change, Changed};
pub use self::half_storage::HalfStorage;
use self::half_storage::Halves;
pub(crate) use self::half_storage::Rounded;
pub use self::safetensors::{ReadAt, SafetensorsSource};
pub use self::state::{
    NamedTensor, SharedTensors, load_state, load_trained, replace_state, save_state, save_trained,
    train_only,
};
use crate::nn::LoraConfig;
use crate::{DiffusionError, Result, noise};

/// A tensor in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// A set of named tensors: a safetensors file, a bundle's shards, a map in memory.
pub trait TensorSource {
    /// Names of all tensors, sorted.
    fn names(&self) -> Vec<String>;
    /// Shape of a tensor, `None` where there is none of this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// Reads a tensor, converted to f32.
    ///
    /// # Errors
    /// Where there is no such tensor or its bytes cannot be read.
    fn read(&self, name: &str) -> Result<HostTensor>;
    /// The stored bytes of a tensor, little-endian, where it is stored as f16: so that whoever can
    /// use them as they are need not widen them first. `None` where it is stored otherwise, or only
    /// [`Self::read`] knows it.
    ///
    /// # Errors
    /// Where its bytes cannot be read.
    fn read_half(&self, _name: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// Number format that a tensor is stored in, where the source knows one.
    fn stored_as(&self, _name: &str) -> Option<::safetensors::Dtype> {
        None
    }
}

impl TensorSource for std::collections::BTreeMap<String, HostTensor> {
    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.get(name).map(|tensor| tensor.shape.clone())
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        self.get(name)
            .cloned()
            .ok_or_else(|| DiffusionError::MissingTensor {
                name: name.to_owned(),
                expected: Vec::new(),
            })
    }
}

impl<T: TensorSource> TensorSource for std::sync::Arc<T> {
    fn names(&self) -> Vec<String> {
        self.as_ref().names()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.as_ref().shape(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        self.as_ref().read(name)
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.as_ref().read_half(name)
    }

    fn stored_as(&self, name: &str) -> Option<::safetensors::Dtype> {
        self.as_ref().stored_as(name)
    }
}

/// The distribution of a fresh tensor; a tensor that is read ignores it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Uniform in ±bound.
    Uniform(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

impl Init {
    /// PyTorch's default for weight and bias of a linear map or a convolution.
    pub fn fan_in(fan_in: usize) -> Self {
        Init::Uniform(1.0 / (fan_in.max(1) as f64).sqrt())
    }
}

#[derive(Clone)]
enum Origin<'a> {
    Source(&'a dyn TensorSource),
    Shared(&'a SharedTensors),
    Random(u64),
}

/// Hands out the tensors below a prefix and remembers which ones were taken.
#[derive(Clone)]
pub struct Loader<'a> {
    origin: Origin<'a>,
    path: String,
    device: Device,
    halves: Halves,
    lora: Option<Rc<LoraConfig>>,
    used: Rc<RefCell<BTreeSet<String>>>,
}

impl<'a> Loader<'a> {
    /// A loader over all tensors of `source`.
    pub fn new(source: &'a dyn TensorSource, device: &Device) -> Self {
        Self::with_origin(Origin::Source(source), device)
    }

    /// A loader over the tensors of a module on this device, which the new one shares.
    pub fn sharing(tensors: &'a SharedTensors, device: &Device) -> Self {
        Self::with_origin(Origin::Shared(tensors), device)
    }

    /// A loader that draws every tensor. A tensor depends on `seed` and its own full name alone.
    pub fn random(seed: u64, device: &Device) -> Loader<'static> {
        Loader::with_origin(Origin::Random(seed), device)
    }

    fn with_origin(origin: Origin<'a>, device: &Device) -> Self {
        Self {
            origin,
            path: String::new(),
            device: device.clone(),
            halves: Halves::default(),
            lora: None,
            used: Rc::default(),
        }
    }

    /// The same loader, which holds weights that are stored as f16 as `storage` says.
    #[must_use]
    pub fn holding(mut self, storage: HalfStorage) -> Self {
        self.halves = Halves::new(storage);
        self
    }

    /// The same loader, which gives the layers that `config` means a low-rank branch.
    #[must_use]
    pub fn with_lora(mut self, config: LoraConfig) -> Self {
        self.lora = Some(Rc::new(config));
        self
    }

    /// What a layer below this prefix has to know of its branch; `None` where it has none.
    pub(crate) fn lora(&self) -> Option<&LoraConfig> {
        self.lora
            .as_deref()
            .filter(|config| config.targets(&self.path))
    }

    /// A parameter that is drawn whatever the others come from.
    pub(crate) fn fresh<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        init: Init,
        seed: u64,
    ) -> Param<Tensor<D>> {
        let values = draw(seed, &self.name(name), shape.iter().product(), init);
        let tensor = Tensor::from_data(TensorData::new(values, shape), &self.device);
        self.named(name, tensor)
    }

    /// The same loader one level deeper: `prefix("down_blocks").prefix(0)`.
    pub fn prefix(&self, name: impl std::fmt::Display) -> Self {
        let mut deeper = self.clone();
        deeper.path = self.name(name);
        deeper
    }

    /// Full name of a tensor below this prefix.
    pub fn name(&self, name: impl std::fmt::Display) -> String {
        if self.path.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Where the tensors are put.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the source has a tensor of this name below the prefix. A drawing loader has none.
    pub fn has(&self, name: &str) -> bool {
        match &self.origin {
            Origin::Source(source) => source.shape(&self.name(name)).is_some(),
            Origin::Shared(tensors) => {
                let name = self.name(name);
                tensors.names().any(|own| *own == name)
            }
            Origin::Random(_) => false,
        }
    }

    /// A tensor of exactly this shape.
    ///
    /// # Errors
    /// Missing or misshapen tensors (name, expected and found shape), NaN or infinite values.
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Tensor<D>> {
        let name = self.name(name);
        let values = match &self.origin {
            Origin::Source(source) => read_checked(*source, &name, &shape)?,
            Origin::Random(seed) => draw(*seed, &name, shape.iter().product(), init),
            Origin::Shared(tensors) => {
                let shared = tensors.get::<D>(&name);
                let fitting = shared.filter(|tensor| tensor.dims() == shape);
                let tensor = fitting.ok_or_else(|| DiffusionError::MissingTensor {
                    name: name.clone(),
                    expected: shape.to_vec(),
                })?;
                self.used.borrow_mut().insert(name);
                return Ok(tensor);
            }
        };
        self.used.borrow_mut().insert(name);
        Ok(Tensor::from_data(
            TensorData::new(values, shape),
            &self.device,
        ))
    }

    /// A parameter of exactly this shape, as [`Self::tensor`], but for weights of two and more
    /// dimensions that are stored as f16: these are held as [`Self::holding`] says. Its id is a hash of its full name,
    /// so that an optimiser's saved state finds it again in the next run.
    ///
    /// # Errors
    /// As [`Self::tensor`].
    pub fn param<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Param<Tensor<D>>> {
        let tensor = match self.stored_halves(name, &shape)? {
            Some(bytes) => self.halves.upload(bytes, shape, &self.device),
            None => self.tensor(name, shape, init)?,
        };
        Ok(self.named(name, tensor))
    }

    /// The rows of a table of exactly this shape: its parameter, and what is beyond the largest
    /// tensor that every device takes. Only tables that are widened on the device are cut.
    ///
    /// # Errors
    /// As [`Self::tensor`].
    pub fn table(
        &self,
        name: &str,
        shape: [usize; 2],
        init: Init,
    ) -> Result<(Param<Tensor<2>>, Vec<Tensor<2>>)> {
        let Some(bytes) = self.stored_halves(name, &shape)? else {
            return Ok((self.param(name, shape, init)?, Vec::new()));
        };
        let mut parts = self.halves.upload_rows(bytes, shape, &self.device);
        let rest = parts.split_off(1);
        // The split left the first part; a table has at least one.
        let first = parts.swap_remove(0);
        Ok((self.named(name, first), rest))
    }

    fn named<const D: usize>(&self, name: &str, tensor: Tensor<D>) -> Param<Tensor<D>> {
        let mut param = Param::from_tensor(tensor);
        param.id = ParamId::from(noise::stream_of(&self.name(name)));
        param
    }

    /// The bytes of a weight that the device takes as f16; `None` for all others.
    fn stored_halves(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<u8>>> {
        let Origin::Source(source) = &self.origin else {
            return Ok(None);
        };
        if self.halves.storage() == HalfStorage::Widened || shape.len() < 2 {
            return Ok(None);
        }
        let name = self.name(name);
        check_shape(*source, &name, shape)?;
        let Some(bytes) = source.read_half(&name)? else {
            return Ok(None);
        };
        half_storage::check_finite(&name, &bytes)?;
        self.used.borrow_mut().insert(name);
        Ok(Some(bytes))
    }

    /// Names below this prefix that nothing asked for: tensors of another architecture.
    pub fn unused(&self) -> Vec<String> {
        let names = match &self.origin {
            Origin::Source(source) => source.names(),
            Origin::Shared(tensors) => tensors.names().cloned().collect(),
            Origin::Random(_) => Vec::new(),
        };
        let used = self.used.borrow();
        let below = |name: &String| {
            self.path.is_empty()
                || name
                    .strip_prefix(&self.path)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        names
            .into_iter()
            .filter(|name| below(name) && !used.contains(name))
            .collect()
    }
}

fn check_shape(source: &dyn TensorSource, name: &str, shape: &[usize]) -> Result<()> {
    let found = source
        .shape(name)
        .ok_or_else(|| DiffusionError::MissingTensor {
            name: name.to_owned(),
            expected: shape.to_vec(),
        })?;
    if found != shape {
        return Err(DiffusionError::TensorShape {
            name: name.to_owned(),
            expected: shape.to_vec(),
            got: found,
        });
    }
    Ok(())
}

fn read_checked(source: &dyn TensorSource, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    check_shape(source, name, shape)?;
    let values = source.read(name)?.values;
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(index) => Err(DiffusionError::NotFinite {
            name: name.to_owned(),
            index,
            value: values[index],
        }),
    }
}

fn draw(seed: u64, name: &str, count: usize, init: Init) -> Vec<f32> {
    let stream = noise::stream_of(name);
    let indices = 0..count as u64;
    match init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Uniform(bound) => indices
            .map(|i| (bound * (2.0 * noise::unit(seed, stream, i) - 1.0)) as f32)
            .collect(),
        Init::Normal(std) => indices
            .map(|i| (std * noise::normal(seed, stream, i)) as f32)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::nn::Linear;

    fn source(values: Vec<f32>, shape: Vec<usize>) -> BTreeMap<String, HostTensor> {
        BTreeMap::from([("a.b.weight".to_owned(), HostTensor { shape, values })])
    }

    #[test]
    fn errors_name_the_tensor_and_both_shapes() {
        let device = Device::flex();
        let source = source(vec![1.0, 2.0], vec![2]);
        let loader = Loader::new(&source, &device).prefix("a").prefix("b");
        assert!(loader.has("weight"));
        let missing = loader
            .tensor("bias", [3], Init::Zeros)
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("a.b.bias") && missing.contains("[3]"),
            "{missing}"
        );
        let shape = loader
            .tensor("weight", [1, 2], Init::Zeros)
            .unwrap_err()
            .to_string();
        assert!(shape.contains("[1, 2]") && shape.contains("[2]"), "{shape}");
    }

    #[test]
    fn nan_and_infinity_are_refused() {
        let device = Device::flex();
        for bad in [f32::NAN, f32::INFINITY] {
            let source = source(vec![1.0, bad], vec![2]);
            let error = Loader::new(&source, &device).tensor("a.b.weight", [2], Init::Zeros);
            assert!(matches!(
                error,
                Err(DiffusionError::NotFinite { index: 1, .. })
            ));
        }
    }

    #[test]
    fn unused_tensors_are_reported() {
        let device = Device::flex();
        let mut source = source(vec![1.0, 2.0], vec![2]);
        source.insert(
            "a.extra".into(),
            HostTensor {
                shape: vec![1],
                values: vec![0.0],
            },
        );
        source.insert(
            "ab".into(),
            HostTensor {
                shape: vec![1],
                values: vec![0.0],
            },
        );
        let loader = Loader::new(&source, &device);
        loader.tensor("a.b.weight", [2], Init::Zeros).unwrap();
        assert_eq!(loader.unused(), ["a.extra", "ab"]);
        assert_eq!(loader.prefix("a").unused(), ["a.extra"]);
    }

    #[test]
    fn a_module_that_shares_has_the_others_values_and_nothing_else() {
        let device = Device::flex();
        let first = Linear::load(&Loader::random(5, &device), 3, 2, true).unwrap();
        let shared = SharedTensors::of(&first);
        let loader = Loader::sharing(&shared, &device);
        assert!(loader.has("weight") && !loader.has("scale"));
        assert_eq!(loader.unused(), ["bias", "weight"]);
        let second = Linear::load(&loader, 3, 2, true).unwrap();
        assert!(loader.unused().is_empty());
        assert_eq!(save_state(&first).unwrap(), save_state(&second).unwrap());
        // A map of another shape, and one with more tensors.
        assert!(Linear::load(&loader, 2, 2, true).is_err());
        assert!(loader.tensor("scale", [2], Init::Ones).is_err());
    }

    #[test]
    fn drawn_tensors_depend_on_seed_and_name_alone() {
        let device = Device::flex();
        let read = |seed, name: &str| {
            let tensor = Loader::random(seed, &device)
                .tensor(name, [40], Init::Uniform(0.5))
                .unwrap();
            tensor.into_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(read(1, "x"), read(1, "x"));
        assert_ne!(read(1, "x"), read(2, "x"));
        assert_ne!(read(1, "x"), read(1, "y"));
        assert!(read(1, "x").iter().all(|v| v.abs() <= 0.5));
    }
}
