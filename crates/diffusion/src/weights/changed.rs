//! A component's tensors, some of them changed as they are read: never a second copy of a model.

use std::collections::BTreeMap;

use ::safetensors::Dtype;

use super::{HostTensor, TensorSource};
use crate::Result;

/// A change of one weight.
pub(crate) trait Change {
    /// Adds it to the weight's values, row-major.
    ///
    /// # Errors
    /// Those of reading what is added.
    fn add_to(&self, values: &mut [f32]) -> Result<()>;
}

/// A source with changes, whose tensors are f32 where they are changed.
pub(crate) struct Changed<C> {
    /// Where the unchanged tensors are.
    pub(crate) base: Box<dyn TensorSource>,
    /// Changes by the name of the weight.
    pub(crate) changes: BTreeMap<String, C>,
}

impl<C: Change> TensorSource for Changed<C> {
    fn names(&self) -> Vec<String> {
        self.base.names()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.base.shape(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let mut tensor = self.base.read(name)?;
        if let Some(change) = self.changes.get(name) {
            change.add_to(&mut tensor.values)?;
        }
        Ok(tensor)
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if self.changes.contains_key(name) {
            return Ok(None);
        }
        self.base.read_half(name)
    }

    fn stored_as(&self, name: &str) -> Option<Dtype> {
        if self.changes.contains_key(name) {
            return Some(Dtype::F32);
        }
        self.base.stored_as(name)
    }
}
