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
    /// Where it was read, for what is wrong with it.
    #[serde(skip)]
    path: PathBuf,
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
        let mut draws: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if draws.schema != SCHEMA {
            return Err(damaged(format!(
                "schema is {}, expected {SCHEMA}",
                draws.schema
            )));
        }
        path.clone_into(&mut draws.path);
        Ok(draws)
    }

    /// The photos of one draw.
    ///
    /// # Errors
    /// A draw that the file does not have, is empty, or names a photo that is not there.
    pub fn get(&self, class: &Class, k: usize, seed: u64) -> Result<Vec<PathBuf>, DatasetError> {
        let damaged = |reason: String| DatasetError::Draws {
            path: self.path.clone(),
            reason,
        };
        let named = || {
            self.draws
                .get(&class.name)?
                .get(&k.to_string())?
                .get(&seed.to_string())
        };
        let names = named().filter(|names| !names.is_empty()).ok_or_else(|| {
            damaged(format!(
                "no draw of {k} photos with seed {seed} for class `{}`",
                class.name
            ))
        })?;
        let photo = |name: &String| {
            let is_named = |path: &&PathBuf| {
                path.file_name()
                    .is_some_and(|n| n.to_string_lossy() == *name)
            };
            let found = class.train_good.iter().find(is_named).cloned();
            found.ok_or_else(|| {
                damaged(format!(
                    "`{name}`, drawn with seed {seed}, is no good photo of class `{}`",
                    class.name
                ))
            })
        };
        names.iter().map(photo).collect()
    }
}

/// The first `k` good photos of a class after a shuffle by the seed: draws of one seed are nested.
///
/// # Errors
/// Fewer than `k` good photos, or none asked for.
pub fn draw(class: &Class, k: usize, seed: u64) -> Result<Vec<PathBuf>, DatasetError> {
    let mut photos = class.train_good.clone();
    if k == 0 || photos.len() < k {
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
        let none = draw(&class, 0, 1).unwrap_err().to_string();
        assert!(none.contains("nut"), "{none}");
    }

    #[test]
    fn a_draw_that_is_not_there_is_named_with_its_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("draws.json");
        let text = r#"{"schema": "anomalysd.draws.v1", "draws": {"nut": {"1": {"0": ["a.png"], "1": ["b.png"], "2": []}}}}"#;
        std::fs::write(&path, text).unwrap();
        let class = Class {
            name: "nut".into(),
            train_good: vec![PathBuf::from("nut/train/good/a.png")],
            test: Vec::new(),
        };
        let draws = Draws::read(&path).unwrap();
        assert_eq!(draws.get(&class, 1, 0).unwrap(), class.train_good);
        for (k, seed, said) in [
            (1, 1, "`b.png`, drawn with seed 1, is no good photo"),
            (1, 2, "no draw of 1 photos with seed 2 for class `nut`"),
            (4, 0, "no draw of 4 photos"),
        ] {
            let error = draws.get(&class, k, seed).unwrap_err().to_string();
            assert!(
                error.contains(said) && error.contains("draws.json"),
                "{error}"
            );
        }
    }
}
