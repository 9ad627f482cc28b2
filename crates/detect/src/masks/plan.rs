//! The plan of a photo: for each scale, passes whose cores partition it.

use anomalysd_imaging::Mask;

use super::{Frame, Pass, Scale};
use crate::options::{MaskOptions, Mode};

/// The passes of all scales of one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPlan {
    /// In the order of the options.
    pub scales: Vec<ScalePlan>,
}

/// The passes of one scale; their cores partition the unpadded photo.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalePlan {
    /// Cells per side.
    pub n_cells: usize,
    /// One per cell (faithful) or one per parity of row and column (fast).
    pub passes: Vec<Pass>,
}

impl MaskPlan {
    /// Plans `scales` (cells per side each), leaving out those whose cells are too small.
    pub fn new(frame: &Frame, scales: &[usize], mode: Mode, options: &MaskOptions) -> Self {
        let smallest = options.min_cell * frame.factor;
        let fits = |&&n: &&usize| n > 0 && frame.width.min(frame.height) / n >= smallest;
        let halo = options.halo * frame.factor;
        let plan = |&n_cells| ScalePlan::new(frame, n_cells, mode, halo);
        Self {
            scales: scales.iter().filter(fits).map(plan).collect(),
        }
    }

    /// Number of passes over all scales.
    pub fn n_passes(&self) -> usize {
        self.scales.iter().map(|scale| scale.passes.len()).sum()
    }
}

impl ScalePlan {
    /// Passes of `n_cells` × `n_cells` cells with a halo in pixels.
    fn new(frame: &Frame, n_cells: usize, mode: Mode, halo: usize) -> Self {
        let cells = || (0..n_cells).flat_map(|row| (0..n_cells).map(move |column| (row, column)));
        let groups: Vec<Vec<(usize, usize)>> = match mode {
            Mode::Faithful => cells().map(|cell| vec![cell]).collect(),
            Mode::Fast => [(0, 0), (0, 1), (1, 0), (1, 1)]
                .map(|parity| {
                    cells()
                        .filter(|(row, column)| (row % 2, column % 2) == parity)
                        .collect()
                })
                .into_iter()
                .filter(|group: &Vec<_>| !group.is_empty())
                .collect(),
        };
        let passes = groups
            .iter()
            .enumerate()
            .map(|(index, group)| Pass {
                scale: Scale::Grid(n_cells),
                index,
                cores: fill_cells(frame, n_cells, group, 0),
                hidden: fill_cells(frame, n_cells, group, halo),
            })
            .collect();
        Self { n_cells, passes }
    }
}

/// First pixel and one past the last of cell `index` of `n_cells` over `length` pixels.
/// Cells differ by at most one pixel and cover everything once.
pub fn cell_bounds(length: usize, n_cells: usize, index: usize) -> (usize, usize) {
    (length * index / n_cells, length * (index + 1) / n_cells)
}

/// The pixels of some cells, each grown by `halo` pixels within the photo.
fn fill_cells(frame: &Frame, n_cells: usize, cells: &[(usize, usize)], halo: usize) -> Mask {
    let mut mask = Mask::new(frame.width, frame.height);
    for &(row, column) in cells {
        let (top, bottom) = cell_bounds(frame.height, n_cells, row);
        let (left, right) = cell_bounds(frame.width, n_cells, column);
        let (left, right) = (left.saturating_sub(halo), (right + halo).min(frame.width));
        for y in top.saturating_sub(halo)..(bottom + halo).min(frame.height) {
            mask.data[y * frame.width + left..y * frame.width + right].fill(true);
        }
    }
    mask
}
