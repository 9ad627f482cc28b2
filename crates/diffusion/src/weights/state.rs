//! A module's tensors under their checkpoint names.

use std::any::Any;
use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::{HostTensor, TensorSource, read_checked};
use crate::{DiffusionError, Result};

/// A parameter's name, shape and row-major values.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

/// All parameters of a module, in module order. Names are the paths of the fields, which are
/// diffusers' and transformers' keys. Reads tensors back, so native or flex devices only.
///
/// # Errors
/// Where the device cannot hand a tensor's values back.
pub fn save_state(module: &impl Module) -> Result<Vec<NamedTensor>> {
    collect(module, false)
}

/// The parameters that are trained: those that [`train_only`] left a gradient.
///
/// # Errors
/// As [`save_state`].
pub fn save_trained(module: &impl Module) -> Result<Vec<NamedTensor>> {
    collect(module, true)
}

fn collect(module: &impl Module, trained_only: bool) -> Result<Vec<NamedTensor>> {
    let mut visitor = Collector {
        trained_only,
        ..Collector::default()
    };
    module.visit(&mut visitor);
    match visitor.failed {
        None => Ok(visitor.tensors),
        Some(error) => Err(error),
    }
}

/// The module with every parameter replaced by the tensor of its name in `source`; parameter ids
/// and the training state stay.
///
/// # Errors
/// Missing, misshapen or damaged tensors, as the loader reports them.
pub fn load_state<M: Module>(module: M, source: &dyn TensorSource) -> Result<M> {
    load_picked(module, source, |_| true)
}

/// As [`load_state`] for the parameters that are trained; all others stay as they are.
///
/// # Errors
/// As [`load_state`].
pub fn load_trained<M: Module>(module: M, source: &dyn TensorSource) -> Result<M> {
    load_picked(module, source, |parameter| parameter.trained)
}

/// As [`load_state`] for the parameters that `source` has; all others stay as they are.
///
/// # Errors
/// Misshapen or damaged tensors.
pub fn replace_state<M: Module>(module: M, source: &dyn TensorSource) -> Result<M> {
    load_picked(module, source, |parameter| {
        source.shape(&parameter.name).is_some()
    })
}

/// The module on an autodiff device with gradients for the parameters that `trained` names, and for
/// no other: their values cannot change, and no work is spent on them.
pub fn train_only<M: Module>(module: M, trained: impl Fn(&str) -> bool) -> M {
    module.map(&mut Freezer {
        path: Path::default(),
        trained,
    })
}

fn load_picked<M: Module>(
    module: M,
    source: &dyn TensorSource,
    pick: impl Fn(&Parameter) -> bool,
) -> Result<M> {
    let mut values = BTreeMap::new();
    for parameter in parameters(&module).into_iter().filter(pick) {
        let Parameter { name, shape, .. } = parameter;
        let read = read_checked(source, &name, &shape)?;
        let tensor = HostTensor {
            shape,
            values: read,
        };
        values.insert(name, tensor);
    }
    Ok(module.map(&mut Replacer {
        path: Path::default(),
        values,
    }))
}

fn parameters(module: &impl Module) -> Vec<Parameter> {
    let mut visitor = Parameters::default();
    module.visit(&mut visitor);
    visitor.found
}

/// The tensors of a loaded module by name, for another module that shares them: nothing is copied until one of
/// the two changes.
pub struct SharedTensors(BTreeMap<String, Box<dyn Any>>);

impl SharedTensors {
    /// All parameters of a module.
    pub fn of(module: &impl Module) -> Self {
        let mut visitor = Sharer::default();
        module.visit(&mut visitor);
        Self(visitor.found)
    }

    pub(super) fn get<const D: usize>(&self, name: &str) -> Option<Tensor<D>> {
        self.0.get(name)?.downcast_ref::<Tensor<D>>().cloned()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

#[derive(Default)]
struct Sharer {
    path: Path,
    found: BTreeMap<String, Box<dyn Any>>,
}

impl ModuleVisitor for Sharer {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.key(), Box::new(param.val()));
    }
}

/// The path of the module being visited. The names of enum variants are not part of a key.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.push(name.to_owned());
        }
    }

    fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }

    fn key(&self) -> String {
        self.0.join(".")
    }
}

#[derive(Default)]
struct Collector {
    path: Path,
    trained_only: bool,
    tensors: Vec<NamedTensor>,
    failed: Option<DiffusionError>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.key();
        let tensor = param.val();
        if self.trained_only && !tensor.is_require_grad() {
            return;
        }
        let shape = tensor.dims().to_vec();
        match tensor.into_data().convert::<f32>().try_to_vec::<f32>() {
            Ok(values) => self.tensors.push((name, shape, values)),
            Err(error) => {
                self.failed = Some(DiffusionError::Container {
                    what: name,
                    reason: format!("{error:?}"),
                });
            }
        }
    }
}

/// What is known of a parameter without reading it.
struct Parameter {
    name: String,
    shape: Vec<usize>,
    trained: bool,
}

#[derive(Default)]
struct Parameters {
    path: Path,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        self.found.push(Parameter {
            name: self.path.key(),
            shape: tensor.dims().to_vec(),
            trained: tensor.is_require_grad(),
        });
    }
}

struct Freezer<F> {
    path: Path,
    trained: F,
}

impl<F: Fn(&str) -> bool> ModuleMapper for Freezer<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trained = (self.trained)(&self.path.key());
        param.set_require_grad(trained)
    }
}

struct Replacer {
    path: Path,
    values: BTreeMap<String, HostTensor>,
}

impl ModuleMapper for Replacer {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(found) = self.values.remove(&self.path.key()) else {
            return param;
        };
        param.map(|old| {
            let require_grad = old.is_require_grad();
            let data = TensorData::new(found.values, found.shape);
            let new = Tensor::from_data(data, &old.device());
            if require_grad {
                new.require_grad()
            } else {
                new
            }
        })
    }
}
