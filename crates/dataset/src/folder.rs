//! Folders in the layout of MVTec-AD, `CLASS/{train/good,test/good,test/DEFECT,ground_truth/DEFECT}`,
//! and of BTAD, where good is called `ok`. VisA has a file that says which photo is for what ([`visa`]).

use std::path::{Path, PathBuf};

use crate::{DatasetError, visa};

/// Extensions of photos, in lower case. The last six are of formats that are not decoded: such a
/// file is listed all the same, so that whoever opens it says so instead of passing over it.
const PHOTOS: [&str; 11] = [
    "png", "jpg", "jpeg", "webp", "bmp", "heic", "heif", "avif", "tif", "tiff", "gif",
];

/// What the folders of good photos are called: by MVTec-AD and by BTAD.
const GOOD: [&str; 2] = ["good", "ok"];

/// One photo of the test set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPhoto {
    /// Where it is.
    pub path: PathBuf,
    /// Kind of defect; `None` for a good one.
    pub defect: Option<String>,
    /// Its mask. A defect without one counts for photo scores only.
    pub mask: Option<PathBuf>,
    /// The mask holds numbers of defects: every pixel but 0 is set, not the bright ones alone.
    pub labels: bool,
}

/// One product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Name of its folder.
    pub name: String,
    /// Good photos to fit on, sorted by name.
    pub train_good: Vec<PathBuf>,
    /// Good and defective photos, sorted by path.
    pub test: Vec<TestPhoto>,
}

/// A data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its folder.
    pub root: PathBuf,
    /// Its classes, sorted by name.
    pub classes: Vec<Class>,
}

impl Dataset {
    /// Reads a data set: a folder of classes, the folder of one class, or VisA's folder.
    ///
    /// # Errors
    /// A folder that cannot be listed or has no class with `train/good`.
    pub fn read(root: &Path) -> Result<Self, DatasetError> {
        if root.join(visa::SPLIT).is_file() {
            return Ok(Self {
                root: root.to_owned(),
                classes: visa::read(root)?,
            });
        }
        let folders = if good_folder(root).is_some() {
            vec![root.to_owned()]
        } else {
            list(root)?
        };
        let mut classes = Vec::new();
        for folder in &folders {
            if let Some(good) = good_folder(folder) {
                classes.push(Class::read(folder, &good)?);
            }
        }
        if classes.is_empty() {
            return Err(DatasetError::Empty {
                path: root.to_owned(),
                expected: "no class here: expected CLASS/train/good with photos",
            });
        }
        Ok(Self {
            root: root.to_owned(),
            classes,
        })
    }
}

impl Class {
    fn read(folder: &Path, good: &Path) -> Result<Self, DatasetError> {
        let train_good = photos(good)?;
        let mut test = Vec::new();
        let kinds = folder.join("test");
        for kind in if kinds.is_dir() {
            list(&kinds)?
        } else {
            Vec::new()
        } {
            if !kind.is_dir() {
                continue;
            }
            let name = file_name(&kind);
            for path in photos(&kind)? {
                let good = GOOD.contains(&name.as_str());
                let mask = (!good).then(|| mask_of(folder, &name, &path)).flatten();
                test.push(TestPhoto {
                    path,
                    defect: (!good).then(|| name.clone()),
                    mask,
                    labels: false,
                });
            }
        }
        Ok(Self {
            name: file_name(folder),
            train_good,
            test,
        })
    }

    /// The class with at most `count` good and `count` defective test photos, evenly spaced.
    #[must_use]
    pub fn subset(&self, count: usize) -> Self {
        let (good, defective): (Vec<TestPhoto>, Vec<TestPhoto>) = self
            .test
            .iter()
            .cloned()
            .partition(|photo| photo.defect.is_none());
        let mut test = evenly(good, count);
        test.extend(evenly(defective, count));
        Self {
            test,
            ..self.clone()
        }
    }
}

/// The folder of a class's good photos to fit on.
fn good_folder(class: &Path) -> Option<PathBuf> {
    let folders = GOOD.map(|name| class.join("train").join(name));
    folders.into_iter().find(|folder| folder.is_dir())
}

/// `count` of the items at even distances, the first included; all where there are no more.
pub fn evenly<T: Clone>(items: Vec<T>, count: usize) -> Vec<T> {
    if items.len() <= count {
        return items;
    }
    (0..count)
        .map(|index| items[index * items.len() / count].clone())
        .collect()
}

/// `ground_truth/KIND/STEM_mask.png`, `STEM.png` or a file of the photo's own name.
fn mask_of(class: &Path, kind: &str, photo: &Path) -> Option<PathBuf> {
    let folder = class.join("ground_truth").join(kind);
    let stem = photo.file_stem()?.to_string_lossy().into_owned();
    [
        format!("{stem}_mask.png"),
        format!("{stem}.png"),
        file_name(photo),
    ]
    .iter()
    .map(|name| folder.join(name))
    .find(|path| path.is_file())
}

/// The photos of a folder, sorted by name: whatever has a photo's extension and is no folder, links
/// that lead nowhere and formats that are not read included.
///
/// # Errors
/// A folder that cannot be listed or holds no photo.
pub fn photos(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let is_photo = |path: &PathBuf| {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        extension.is_some_and(|e| PHOTOS.contains(&e.as_str())) && !path.is_dir()
    };
    let photos: Vec<PathBuf> = list(folder)?.into_iter().filter(is_photo).collect();
    if photos.is_empty() {
        return Err(DatasetError::Empty {
            path: folder.to_owned(),
            expected: "no photo here: expected PNG, JPEG, WebP or BMP files",
        });
    }
    Ok(photos)
}

/// What a folder holds, sorted.
fn list(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let failed = |source| DatasetError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, path: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }

    #[test]
    fn a_folder_of_classes_and_the_folder_of_one_class_are_read() {
        let place = tempfile::tempdir().unwrap();
        for path in [
            "nut/train/good/001.png",
            "nut/train/good/000.JPG",
            "nut/train/good/notes.txt",
            "nut/test/good/000.png",
            "nut/test/scratch/000.png",
            "nut/test/scratch/001.png",
            "nut/ground_truth/scratch/001_mask.png",
            "other/readme.txt",
        ] {
            touch(place.path(), path);
        }
        let dataset = Dataset::read(place.path()).unwrap();
        assert_eq!(dataset.classes.len(), 1);
        let class = &dataset.classes[0];
        assert_eq!(class.train_good.len(), 2);
        assert!(class.train_good[0].ends_with("000.JPG"));
        let kinds: Vec<_> = class
            .test
            .iter()
            .map(|photo| photo.defect.as_deref())
            .collect();
        assert_eq!(kinds, [None, Some("scratch"), Some("scratch")]);
        assert!(class.test[1].mask.is_none());
        assert!(
            class.test[2]
                .mask
                .as_ref()
                .unwrap()
                .ends_with("001_mask.png")
        );
        assert_eq!(class.subset(1).test.len(), 2);
        assert_eq!(
            Dataset::read(&place.path().join("nut")).unwrap().classes,
            dataset.classes
        );
    }

    #[test]
    fn good_is_called_ok_in_btad() {
        let place = tempfile::tempdir().unwrap();
        for path in [
            "01/train/ok/0000.bmp",
            "01/test/ok/0001.bmp",
            "01/test/ko/0000.bmp",
            "01/ground_truth/ko/0000.png",
        ] {
            touch(place.path(), path);
        }
        let dataset = Dataset::read(place.path()).unwrap();
        let class = &dataset.classes[0];
        assert_eq!((class.name.as_str(), class.train_good.len()), ("01", 1));
        let defects: Vec<_> = class.test.iter().map(|p| p.defect.as_deref()).collect();
        assert_eq!(defects, [Some("ko"), None]);
        assert!(
            class.test[0]
                .mask
                .as_ref()
                .unwrap()
                .ends_with("ko/0000.png")
        );
    }

    #[test]
    fn no_photo_is_passed_over_in_silence() {
        let place = tempfile::tempdir().unwrap();
        for name in [
            "a.PNG",
            "b.heic",
            "c.HEIF",
            "d.avif",
            "e.tif",
            "f.TIFF",
            "g.bmp",
            "h.gif",
            "notes.txt",
        ] {
            touch(place.path(), name);
        }
        std::fs::create_dir(place.path().join("folder.png")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("i.png", place.path().join("i.png")).unwrap();
        let names: Vec<String> = photos(place.path())
            .unwrap()
            .iter()
            .map(|path| file_name(path))
            .collect();
        let expected = [
            "a.PNG", "b.heic", "c.HEIF", "d.avif", "e.tif", "f.TIFF", "g.bmp", "h.gif",
        ];
        let looped = if cfg!(unix) { &["i.png"][..] } else { &[] };
        assert_eq!(names, [&expected[..], looped].concat());
    }

    #[test]
    fn a_folder_without_photos_is_named() {
        let place = tempfile::tempdir().unwrap();
        let error = Dataset::read(place.path()).unwrap_err().to_string();
        assert!(error.contains("no class here"), "{error}");
        assert!(
            photos(place.path())
                .unwrap_err()
                .to_string()
                .contains("no photo here")
        );
        let error = Dataset::read(&place.path().join("gone"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("gone"), "{error}");
    }
}
