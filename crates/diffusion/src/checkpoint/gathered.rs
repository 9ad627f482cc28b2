//! Tensors under names of their own, wherever they are stored.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use safetensors::Dtype;

use crate::weights::{HostTensor, SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

/// Where a tensor is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its name there, or that of the tensor that it is a part of.
    pub(super) name: String,
    /// Rows of the stored tensor; all of them by default.
    pub(super) rows: Option<Range<usize>>,
}

impl Stored {
    /// A tensor as it is stored.
    pub(super) fn whole(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rows: None,
        }
    }

    /// The rows, where a stored tensor of this shape has them.
    fn rows_of(&self, shape: &[usize]) -> Option<Range<usize>> {
        let rows = self.rows.clone()?;
        (rows.end <= *shape.first()?).then_some(rows)
    }

    /// The shape of the part, given the stored one.
    fn shape(&self, mut shape: Vec<usize>) -> Vec<usize> {
        if let Some(rows) = self.rows_of(&shape) {
            shape[0] = rows.len();
        }
        shape
    }

    /// The part of what is stored row by row.
    fn cut<T: Copy>(&self, stored: Vec<T>, shape: &[usize]) -> Vec<T> {
        match self.rows_of(shape) {
            Some(rows) => {
                let row = stored.len() / shape[0].max(1);
                stored[rows.start * row..rows.end * row].to_vec()
            }
            None => stored,
        }
    }
}

/// Tensors of one or several files.
#[derive(Default)]
pub(super) struct Gathered {
    places: BTreeMap<String, (Rc<SafetensorsSource>, Stored)>,
}

impl Gathered {
    /// The tensors of one file.
    pub(super) fn of(
        source: &Rc<SafetensorsSource>,
        places: impl IntoIterator<Item = (String, Stored)>,
    ) -> Self {
        let mut gathered = Self::default();
        for (name, stored) in places {
            gathered.add(name, source, stored);
        }
        gathered
    }

    /// Adds a tensor.
    pub(super) fn add(&mut self, name: String, source: &Rc<SafetensorsSource>, stored: Stored) {
        self.places.insert(name, (Rc::clone(source), stored));
    }
}

impl TensorSource for Gathered {
    fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (source, stored) = self.places.get(name)?;
        Some(stored.shape(source.shape(&stored.name)?))
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let Some((source, stored)) = self.places.get(name) else {
            return Err(DiffusionError::MissingTensor {
                name: name.to_owned(),
                expected: Vec::new(),
            });
        };
        let HostTensor { shape, values } = source.read(&stored.name)?;
        Ok(HostTensor {
            values: stored.cut(values, &shape),
            shape: stored.shape(shape),
        })
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((source, stored)) = self.places.get(name) else {
            return Ok(None);
        };
        let shape = source.shape(&stored.name).unwrap_or_default();
        let bytes = source.read_half(&stored.name)?;
        Ok(bytes.map(|bytes| stored.cut(bytes, &shape)))
    }

    fn stored_as(&self, name: &str) -> Option<Dtype> {
        let (source, stored) = self.places.get(name)?;
        source.stored_as(&stored.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_stored_tensor_are_not_taken() {
        let stored = Stored {
            name: "in_proj_weight".into(),
            rows: Some(8..12),
        };
        assert_eq!(stored.shape(vec![12, 4]), [4, 4]);
        assert_eq!(stored.shape(vec![11, 4]), [11, 4]);
        assert_eq!(stored.shape(Vec::new()), [0; 0]);
        let values: Vec<usize> = (0..48).collect();
        assert_eq!(stored.cut(values.clone(), &[12, 4]), values[32..]);
        let none = Stored {
            rows: Some(0..0),
            ..stored
        };
        assert_eq!(none.cut(Vec::<f32>::new(), &[0, 4]), [0.0; 0]);
    }
}
