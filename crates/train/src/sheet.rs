//! A sheet of pictures: what the model can do now, for the eye.

use std::path::Path;

use anomalysd_imaging::{Photo, encode_png};

use crate::Result;
use crate::checkpoint::write_atomic;

/// Rows of pictures side by side with a white line between them; pictures of a row share a height.
pub fn sheet(rows: &[Vec<Photo>]) -> Photo {
    const GAP: usize = 4;
    let width = rows
        .iter()
        .map(|row| row.iter().map(|p| p.width + GAP).sum::<usize>())
        .max()
        .unwrap_or(0)
        .max(1);
    let heights: Vec<usize> = rows
        .iter()
        .map(|row| row.iter().map(|p| p.height + GAP).max().unwrap_or(0))
        .collect();
    let mut sheet = Photo::new(width, heights.iter().sum::<usize>().max(1));
    sheet.data.fill(1.0);
    let mut top = 0;
    for (row, height) in rows.iter().zip(heights) {
        let mut left = 0;
        for picture in row {
            paste(&mut sheet, picture, left, top);
            left += picture.width + GAP;
        }
        top += height;
    }
    sheet
}

fn paste(sheet: &mut Photo, picture: &Photo, left: usize, top: usize) {
    for channel in 0..3 {
        for y in 0..picture.height {
            let from = (channel * picture.height + y) * picture.width;
            let to = (channel * sheet.height + top + y) * sheet.width + left;
            sheet.data[to..to + picture.width]
                .copy_from_slice(&picture.data[from..from + picture.width]);
        }
    }
}

/// Writes the sheet as a PNG.
///
/// # Errors
/// A file that cannot be written.
pub fn write_sheet(path: &Path, rows: &[Vec<Photo>]) -> Result<()> {
    write_atomic(path, &encode_png(&sheet(rows)))
}
