//! Photos from files and folders.

use std::path::{Path, PathBuf};

use anomalysd_imaging::{DecodeLimits, Mask, Photo, decode, decode_labels, decode_mask};

use crate::error::{CliError, Outcome};

/// A photo; an error names its path.
pub fn read(path: &Path) -> Outcome<Photo> {
    Ok(read_with_bytes(path)?.0)
}

/// A photo and the bytes of its file; an error names its path.
pub fn read_with_bytes(path: &Path) -> Outcome<(Photo, Vec<u8>)> {
    let bytes = bytes(path)?;
    let photo = decode(&bytes, &DecodeLimits::default());
    let photo = photo.map_err(|error| CliError::at(path, error))?;
    Ok((photo, bytes))
}

/// The mask of a photo, of its size; an error names its path. `labels`: every pixel but 0 is set.
pub fn read_mask(path: &Path, labels: bool, photo: &Photo) -> Outcome<Mask> {
    let read = if labels { decode_labels } else { decode_mask };
    let mask =
        read(&bytes(path)?, &DecodeLimits::default()).map_err(|error| CliError::at(path, error))?;
    if (mask.width, mask.height) != (photo.width, photo.height) {
        return Err(CliError::at(
            path,
            format!(
                "the mask is {}x{}, the photo {}x{}",
                mask.width, mask.height, photo.width, photo.height
            ),
        ));
    }
    Ok(mask)
}

fn bytes(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| CliError::io(path, "", &error))
}

/// Files as they are, folders as the photos in them.
pub fn listed(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut photos = Vec::new();
    for path in paths {
        if path.is_dir() {
            photos.extend(anomalysd_dataset::folder::photos(path)?);
        } else {
            photos.push(path.clone());
        }
    }
    Ok(photos)
}

/// One name per path that no other has: the file's stem, with a number where stems repeat.
pub fn unique_stems(paths: &[PathBuf]) -> Vec<String> {
    let mut taken = std::collections::BTreeSet::new();
    paths
        .iter()
        .map(|path| {
            let stem = path.file_stem().map_or_else(
                || "photo".into(),
                |stem| stem.to_string_lossy().into_owned(),
            );
            let candidates =
                std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}-{n}")));
            // The chain is endless, so that a free name is always found.
            let name = candidates
                .into_iter()
                .find(|name| !taken.contains(&name.to_lowercase()))
                .unwrap_or(stem);
            taken.insert(name.to_lowercase());
            name
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_told_apart_even_where_case_is_ignored() {
        let paths = ["a/x.png", "b/X.jpg", "x-2.png", "c/x.webp"].map(PathBuf::from);
        let stems = unique_stems(&paths);
        assert_eq!(stems, ["x", "X-2", "x-2-2", "x-3"]);
    }
}
