//! Which good photos a k-shot run fits on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::DatasetError;
use crate::folder::Class;
use crate::rng::Rng;

/// Schema of a file of draws.
const SCHEMA: &str = "anomalysd.draws.v1";

/// Given draws: class → k → seed → names of photos in `train/good`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Draws {
    schema: String,
    draws: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>>,
}

impl Draws {
    /// Reads a file of draws.
    ///
    /// # Errors
    /// A file that cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let bytes = std::fs::read(path).map_err(|source| DatasetError::Io {
            path: path.to_owned(),
            source,
        })?;
        let damaged = |reason: String| DatasetError::Draws {
            path: path.to_owned(),
            reason,
        };
        let draws: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if draws.schema != SCHEMA {
            return Err(damaged(format!(
                "schema is {}, expected {SCHEMA}",
                draws.schema
            )));
        }
        Ok(draws)
    }

    /// The photos of one draw; `None` where the file has no such draw.
    pub fn get(&self, class: &Class, k: usize, seed: u64) -> Option<Vec<PathBuf>> {
        let names = self
            .draws
            .get(&class.name)?
            .get(&k.to_string())?
            .get(&seed.to_string())?;
        let path = |name: &String| {
            let ends = |path: &&PathBuf| {
                path.file_name()
                    .is_some_and(|n| n.to_string_lossy() == *name)
            };
            class.train_good.iter().find(ends).cloned()
        };
        names.iter().map(path).collect()
    }
}

/// The first `k` good photos of a class after a shuffle by the seed: draws of one seed are nested.
///
/// # Errors
/// Fewer than `k` good photos.
pub fn draw(class: &Class, k: usize, seed: u64) -> Result<Vec<PathBuf>, DatasetError> {
    let mut photos = class.train_good.clone();
    if photos.len() < k {
        return Err(DatasetError::TooFew {
            class: class.name.clone(),
            found: photos.len(),
            wanted: k,
        });
    }
    Rng::new(seed, 0x6472_6177).shuffle(&mut photos);
    photos.truncate(k);
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_nested_and_depend_on_the_seed() {
        let class = Class {
            name: "nut".into(),
            train_good: (0..9).map(|i| PathBuf::from(format!("{i}.png"))).collect(),
            test: Vec::new(),
        };
        let four = draw(&class, 4, 1).unwrap();
        assert_eq!(draw(&class, 1, 1).unwrap(), four[..1]);
        assert!((0..8).any(|seed| draw(&class, 4, seed).unwrap() != four));
        assert!(draw(&class, 10, 1).is_err());
    }
}
