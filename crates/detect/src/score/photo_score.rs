//! One number for a photo: the mean of its highest cells.

use anomalysd_imaging::Map;

use crate::masks::cell_bounds;
use crate::options::ScoreOptions;

/// The map averaged over the pixels of `columns` × `rows` cells.
pub fn cell_means(map: &Map, columns: usize, rows: usize) -> Map {
    let mut means = Map::new(columns, rows);
    for row in 0..rows {
        let (top, bottom) = at_least_one(cell_bounds(map.height, rows, row));
        for column in 0..columns {
            let (left, right) = at_least_one(cell_bounds(map.width, columns, column));
            let mut sum = 0.0f64;
            for y in top..bottom {
                let line = &map.data[y * map.width + left..y * map.width + right];
                sum += line.iter().map(|&value| f64::from(value)).sum::<f64>();
            }
            means.data[row * columns + column] =
                (sum / ((bottom - top) * (right - left)) as f64) as f32;
        }
    }
    means
}

/// A cell of a map smaller than the grid is the pixel it starts at.
fn at_least_one((start, end): (usize, usize)) -> (usize, usize) {
    (start, end.max(start + 1))
}

/// Mean of the `count` highest values; 0 for none.
pub fn top_mean(values: &[f32], count: usize) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let top = &sorted[..count.min(sorted.len())];
    if top.is_empty() {
        return 0.0;
    }
    (top.iter().map(|&value| f64::from(value)).sum::<f64>() / top.len() as f64) as f32
}

/// The photo's score: mean over the top max(`top_cells`, `top_fraction`) of S averaged over feature cells.
pub fn photo_score(map: &Map, columns: usize, rows: usize, options: &ScoreOptions) -> f32 {
    let cells = cell_means(map, columns, rows);
    let share = (cells.data.len() as f32 * options.top_fraction).round() as usize;
    top_mean(&cells.data, share.max(options.top_cells))
}
