//! The prototype-guided pass: cores where the good photos have no likeness of what is seen.

use anomalysd_imaging::{Map, Mask, dilate, hysteresis};

use super::{Frame, Pass, Scale, cell_bounds};

/// The guided pass for cores given on the grid of feature locations, row-major.
/// `None` where no cell is set: the photo itself is then its own repair.
pub fn guided_pass(frame: &Frame, cells: &Mask, halo: usize) -> Option<Pass> {
    if !cells.data.iter().any(|&set| set) {
        return None;
    }
    let mut cores = Mask::new(frame.width, frame.height);
    for row in 0..cells.height {
        let (top, bottom) = cell_bounds(frame.height, cells.height, row);
        for column in (0..cells.width).filter(|&column| cells.data[row * cells.width + column]) {
            let (left, right) = cell_bounds(frame.width, cells.width, column);
            for y in top..bottom {
                cores.data[y * frame.width + left..y * frame.width + right].fill(true);
            }
        }
    }
    let radius = halo * frame.factor;
    let hidden = dilate(&cores, radius, radius);
    Some(Pass {
        scale: Scale::Guided,
        index: 0,
        cores,
        hidden,
    })
}

/// The suspicious cells of a photo: seeds where q exceeds the first of `guide`, two quantiles of good photos' q, grown
/// to where it reaches the second. Where that is more than `max_share` of all cells, those with the highest q alone.
pub fn guided_cells(q: &Map, guide: (f32, f32), max_share: f32) -> Mask {
    let cells = hysteresis(q, guide.0, guide.1);
    if cells.count() as f32 > max_share * cells.data.len() as f32 {
        top_cores(&q.data, q.width, q.height, max_share)
    } else {
        cells
    }
}

/// The share of cells with the highest `values`, at least one; ties by index.
///
/// # Shapes
/// `values`: `[height, width]`, row-major; the mask has the same.
pub fn top_cores(values: &[f32], width: usize, height: usize, share: f32) -> Mask {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let count = ((values.len() as f32 * share).round() as usize).clamp(1, values.len().max(1));
    let mut mask = Mask::new(width, height);
    for &cell in order.iter().take(count) {
        mask.data[cell] = true;
    }
    mask
}
