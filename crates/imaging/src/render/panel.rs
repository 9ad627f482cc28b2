use super::font;
use crate::{Photo, resize_lanczos};

/// One picture of a panel, with the words above it.
pub struct Cell {
    /// Printable ASCII; other characters are shown as `?`.
    pub caption: String,
    /// Any size.
    pub picture: Photo,
}

const GAP: usize = 8;
const PAPER: [f32; 3] = [1.0; 3];
const INK: [f32; 3] = [0.1; 3];

/// Rows of captioned pictures on white, each scaled to `height` pixels with its aspect kept.
pub fn panel(rows: &[Vec<Cell>], height: usize) -> Photo {
    let scaled: Vec<Vec<(&str, Photo)>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| (cell.caption.as_str(), to_height(&cell.picture, height)))
                .collect()
        })
        .collect();
    let widths = scaled.iter().map(|row| {
        row.iter()
            .map(|(_, picture)| picture.width + GAP)
            .sum::<usize>()
            + GAP
    });
    let width = widths.max().unwrap_or(GAP);
    let step = font::HEIGHT + 3 + height + GAP;
    let mut sheet = Photo::from_fn(width, step * rows.len() + GAP, |_, _| PAPER);
    for (index, row) in scaled.iter().enumerate() {
        let (mut left, top) = (GAP, GAP + index * step);
        for (caption, picture) in row {
            let fitting: String = caption
                .chars()
                .take(picture.width / font::ADVANCE)
                .collect();
            font::draw(&mut sheet, left, top, &fitting, INK);
            paste(&mut sheet, picture, left, top + font::HEIGHT + 3);
            left += picture.width + GAP;
        }
    }
    sheet
}

fn to_height(picture: &Photo, height: usize) -> Photo {
    let width = (picture.width * height)
        .div_ceil(picture.height.max(1))
        .max(1);
    resize_lanczos(picture, width, height)
}

fn paste(sheet: &mut Photo, picture: &Photo, left: usize, top: usize) {
    for y in 0..picture.height {
        for x in 0..picture.width {
            sheet.set_pixel(left + x, top + y, picture.pixel(x, y));
        }
    }
}
