//! VisA as it is published: photos by product, and which is for what in `split_csv/1cls.csv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::DatasetError;
use crate::folder::{Class, TestPhoto};

/// Where the split stands below the data set's folder.
pub const SPLIT: &str = "split_csv/1cls.csv";

/// One photo of the split; paths are below the data set's folder, with `/`.
#[derive(Debug, Deserialize)]
struct Record {
    object: String,
    split: String,
    label: String,
    image: String,
    mask: Option<String>,
}

/// Reads all classes of the split, sorted by name.
///
/// # Errors
/// A split that cannot be read, or says something else than train or test, normal or anomaly.
pub fn read(root: &Path) -> Result<Vec<Class>, DatasetError> {
    let path = root.join(SPLIT);
    let damaged = |reason: String| DatasetError::Split {
        path: path.clone(),
        reason,
    };
    let file = std::fs::File::open(&path).map_err(|source| DatasetError::Io {
        path: path.clone(),
        source,
    })?;
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for record in csv::Reader::from_reader(file).deserialize() {
        let record: Record = record.map_err(|error| damaged(error.to_string()))?;
        let defect = match record.label.as_str() {
            "normal" => None,
            "anomaly" => Some("anomaly".to_owned()),
            other => return Err(damaged(format!("label `{other}` of {}", record.image))),
        };
        if record.object.contains('/') || inside(root, &record.object).is_none() {
            return Err(damaged(format!(
                "`{}` is no name of a product: a plain word is needed",
                record.object
            )));
        }
        let photo = inside(root, &record.image).ok_or_else(|| outside(&damaged, &record.image))?;
        let class = classes
            .entry(record.object)
            .or_insert_with_key(|name| Class {
                name: name.clone(),
                train_good: Vec::new(),
                test: Vec::new(),
            });
        match (record.split.as_str(), &defect) {
            ("train", None) => class.train_good.push(photo),
            ("train", Some(_)) => {}
            ("test", _) => {
                let named = record
                    .mask
                    .filter(|mask| defect.is_some() && !mask.is_empty());
                let mask = named
                    .map(|mask| inside(root, &mask).ok_or_else(|| outside(&damaged, &mask)))
                    .transpose()?;
                class.test.push(TestPhoto {
                    path: photo,
                    defect,
                    mask,
                    labels: true,
                });
            }
            (other, _) => return Err(damaged(format!("split `{other}` of {}", record.image))),
        }
    }
    let mut classes: Vec<Class> = classes.into_values().collect();
    for class in &mut classes {
        class.train_good.sort();
        class.test.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(classes)
}

/// A path of the split below the data set's folder; `None` where it leads out of it.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let parts = || path.split('/');
    let plain = parts().all(|part| !part.is_empty() && part != ".." && !part.contains(['\\', ':']));
    plain.then(|| parts().fold(root.to_owned(), |path, part| path.join(part)))
}

fn outside(damaged: &impl Fn(String) -> DatasetError, path: &str) -> DatasetError {
    damaged(format!("`{path}` is no path below the data set"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Dataset;

    fn split(lines: &str) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("split_csv")).unwrap();
        let text = format!("object,split,label,image,mask\n{lines}");
        std::fs::write(place.path().join(SPLIT), text).unwrap();
        place
    }

    #[test]
    fn the_split_says_what_is_for_what() {
        let place = split(
            "pcb1,test,anomaly,pcb1/Data/Images/Anomaly/000.JPG,pcb1/Data/Masks/Anomaly/000.png\n\
             candle,train,normal,candle/Data/Images/Normal/0002.JPG,\n\
             candle,train,normal,candle/Data/Images/Normal/0001.JPG,\n\
             candle,test,normal,candle/Data/Images/Normal/0000.JPG,\n\
             candle,test,anomaly,candle/Data/Images/Anomaly/001.JPG,candle/Data/Masks/Anomaly/001.png\n",
        );
        let classes = Dataset::read(place.path()).unwrap().classes;
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["candle", "pcb1"]);
        let candle = &classes[0];
        assert_eq!(candle.train_good.len(), 2);
        assert!(candle.train_good[0].ends_with("candle/Data/Images/Normal/0001.JPG"));
        let defects: Vec<_> = candle
            .test
            .iter()
            .map(|photo| photo.defect.as_deref())
            .collect();
        assert_eq!(defects, [Some("anomaly"), None]);
        let mask = candle.test[0].mask.as_ref().unwrap();
        assert!(mask.ends_with("candle/Data/Masks/Anomaly/001.png") && candle.test[0].labels);
        assert!(candle.test[1].mask.is_none());
    }

    #[test]
    fn a_split_that_is_none_is_named() {
        for (line, said) in [
            ("a,train,fine,a/0.JPG,\n", "label `fine`"),
            ("a,later,normal,a/0.JPG,\n", "split `later`"),
            ("a,train,normal,../0.JPG,\n", "`../0.JPG` is no path below"),
            ("a,train,normal,/0.JPG,\n", "`/0.JPG` is no path below"),
            (
                "../../x,train,normal,a/0.JPG,\n",
                "`../../x` is no name of a product",
            ),
            ("a/b,train,normal,a/0.JPG,\n", "`a/b` is no name"),
            (",train,normal,a/0.JPG,\n", "`` is no name"),
            ("a,train,normal\n", "record"),
        ] {
            let error = read(split(line).path()).unwrap_err().to_string();
            assert!(
                error.contains(said) && error.contains("1cls.csv"),
                "{error}"
            );
        }
    }
}
