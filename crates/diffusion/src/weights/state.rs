//! A module's tensors under their checkpoint names.

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
    let mut visitor = Collector::default();
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
    let mut values = BTreeMap::new();
    for (name, shape) in shapes(&module) {
        let read = read_checked(source, &name, &shape)?;
        values.insert(
            name,
            HostTensor {
                shape,
                values: read,
            },
        );
    }
    Ok(module.map(&mut Replacer {
        path: Path::default(),
        values,
    }))
}

fn shapes(module: &impl Module) -> Vec<(String, Vec<usize>)> {
    let mut visitor = Shapes::default();
    module.visit(&mut visitor);
    visitor.shapes
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

#[derive(Default)]
struct Shapes {
    path: Path,
    shapes: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.shapes
            .push((self.path.key(), param.val().dims().to_vec()));
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
