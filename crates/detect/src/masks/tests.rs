//! Properties 4 and 6 of the method's list.

use anomalysd_imaging::{Map, Mask};
use proptest::prelude::*;

use super::*;
use crate::options::{MaskOptions, Mode};

fn frame(width: usize, height: usize) -> Frame {
    Frame {
        width,
        height,
        factor: 8,
        multiple: 32,
    }
}

fn plan(frame: &Frame, mode: Mode) -> MaskPlan {
    MaskPlan::new(frame, &[1, 2, 3, 4, 8], mode, &MaskOptions::default())
}

/// Cells of a pass by flooding its cores from their bounds.
fn cells_of(frame: &Frame, n_cells: usize, cores: &Mask) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for row in 0..n_cells {
        for column in 0..n_cells {
            let (top, _) = cell_bounds(frame.height, n_cells, row);
            let (left, _) = cell_bounds(frame.width, n_cells, column);
            if cores.data[top * frame.width + left] {
                found.push((row, column));
            }
        }
    }
    found
}

/// The latent mask of a pass has the frame's size and covers every hidden pixel and its mirror images.
fn covers(frame: &Frame, pass: &Pass) -> Result<(), TestCaseError> {
    let latent = pass.latent_mask(frame);
    let expected = (frame.latent_width(), frame.latent_height());
    prop_assert_eq!((latent.width, latent.height), expected);
    let mirror = |i: usize, length: usize| {
        if i < length { i } else { 2 * (length - 1) - i }
    };
    for y in 0..frame.padded_height() {
        for x in 0..frame.padded_width() {
            let source = mirror(y, frame.height) * frame.width + mirror(x, frame.width);
            let cell = (y / frame.factor) * latent.width + x / frame.factor;
            prop_assert!(!pass.hidden.data[source] || latent.data[cell]);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cores_of_each_scale_partition_the_photo(
        width in 64usize..300, height in 64usize..300, fast: bool,
    ) {
        let frame = frame(width, height);
        let mode = if fast { Mode::Fast } else { Mode::Faithful };
        let plan = plan(&frame, mode);
        prop_assert!(!plan.scales.is_empty());
        for scale in &plan.scales {
            let mut seen = vec![0u32; width * height];
            for pass in &scale.passes {
                for (count, &core) in seen.iter_mut().zip(&pass.cores.data) {
                    *count += u32::from(core);
                }
            }
            prop_assert!(seen.iter().all(|&count| count == 1), "scale {}", scale.n_cells);
        }
    }

    #[test]
    fn no_two_cells_of_a_fast_pass_touch(width in 64usize..300, height in 64usize..300) {
        let frame = frame(width, height);
        for scale in &plan(&frame, Mode::Fast).scales {
            for pass in &scale.passes {
                let cells = cells_of(&frame, scale.n_cells, &pass.cores);
                for (i, a) in cells.iter().enumerate() {
                    for b in &cells[..i] {
                        prop_assert!(a.0.abs_diff(b.0) > 1 || a.1.abs_diff(b.1) > 1);
                    }
                }
            }
        }
    }

    #[test]
    fn the_latent_mask_covers_every_hidden_pixel_and_its_mirror(
        width in 64usize..300, height in 64usize..300, fast: bool,
    ) {
        let frame = frame(width, height);
        let mode = if fast { Mode::Fast } else { Mode::Faithful };
        for pass in plan(&frame, mode).scales.iter().flat_map(|scale| &scale.passes) {
            covers(&frame, pass)?;
        }
    }

    #[test]
    fn the_latent_mask_of_a_guided_pass_covers_its_hidden_pixels_their_mirrors_and_the_halo(
        width in 64usize..300, height in 64usize..300, cells in prop::collection::vec(any::<bool>(), 6), at in any::<usize>(),
    ) {
        let frame = frame(width, height);
        let columns = 32 * width / width.max(height);
        let rows = 32 * height / width.max(height);
        let mut suspicious = Mask::new(columns, rows);
        for (index, &set) in cells.iter().enumerate() {
            let cell = (at % 1_000_003 + 97 * index) % suspicious.data.len();
            suspicious.data[cell] |= set;
        }
        let pass = guided_pass(&frame, &suspicious, 1);
        prop_assert_eq!(pass.is_some(), cells.contains(&true));
        let Some(pass) = pass else { return Ok(()) };
        covers(&frame, &pass)?;
        for (pixel, _) in pass.cores.data.iter().enumerate().filter(|(_, core)| **core) {
            let (x, y) = (pixel % width, pixel / width);
            for (dx, dy) in [(-8, -8), (8, -8), (-8, 8), (8, 8)] {
                let clamp = |value: usize, by: isize, length: usize| {
                    value.saturating_add_signed(by).min(length - 1)
                };
                let (x, y) = (clamp(x, dx, width), clamp(y, dy, height));
                prop_assert!(pass.hidden.data[y * width + x]);
            }
        }
    }

    #[test]
    fn a_core_keeps_one_latent_cell_between_itself_and_what_stays_visible(
        width in 64usize..200, height in 64usize..200,
    ) {
        let frame = frame(width, height);
        for pass in plan(&frame, Mode::Fast).scales.iter().flat_map(|scale| &scale.passes) {
            for y in 0..height {
                for x in (0..width).filter(|x| pass.cores.data[y * width + x]) {
                    let (top, bottom) = (y.saturating_sub(8), (y + 8).min(height - 1));
                    let (left, right) = (x.saturating_sub(8), (x + 8).min(width - 1));
                    for corner in [(top, left), (top, right), (bottom, left), (bottom, right)] {
                        prop_assert!(pass.hidden.data[corner.0 * width + corner.1]);
                    }
                }
            }
        }
    }
}

#[test]
fn a_fast_plan_takes_four_passes_a_scale_and_a_faithful_one_a_pass_per_cell() {
    let frame = frame(256, 256);
    let options = MaskOptions::default();
    let fast = MaskPlan::new(&frame, &[2, 4, 8], Mode::Fast, &options);
    assert_eq!(fast.n_passes(), 12);
    let faithful = MaskPlan::new(&frame, &[1, 2, 4, 8], Mode::Faithful, &options);
    assert_eq!(faithful.n_passes(), 1 + 4 + 16 + 64);
    assert_eq!(
        MaskPlan::new(&frame, &[1], Mode::Fast, &options).n_passes(),
        1
    );
}

#[test]
fn a_scale_with_cells_under_four_latent_cells_is_skipped() {
    let options = MaskOptions::default();
    let scales = |width, height| {
        let plan = MaskPlan::new(&frame(width, height), &[2, 4, 8], Mode::Fast, &options);
        plan.scales
            .iter()
            .map(|scale| scale.n_cells)
            .collect::<Vec<_>>()
    };
    assert_eq!(scales(256, 256), [2, 4, 8]);
    assert_eq!(scales(256, 255), [2, 4]);
    assert_eq!(scales(64, 256), [2]);
    assert_eq!(scales(63, 256), [] as [usize; 0]);
}

#[test]
fn a_guided_pass_covers_its_cells_and_is_absent_without_any() {
    let frame = frame(100, 70);
    let mut cells = Mask::new(32, 22);
    assert!(guided_pass(&frame, &cells, 1).is_none());
    cells.data[32 * 21 + 31] = true;
    let pass = guided_pass(&frame, &cells, 1).unwrap();
    assert!(pass.cores.data[70 * 100 - 1]);
    assert!(pass.hidden.data[61 * 100 + 90]);
    assert!(!pass.cores.data[0]);
    assert_eq!(
        top_cores(&[0.1, 0.3, 0.3, 0.2], 2, 2, 0.25).data,
        [false, true, false, false]
    );
}

/// § 5.2: seeds above the first quantile grow to the second; cells that reach only the second are none.
#[test]
fn suspicious_cells_grow_from_seeds_and_stay_alone_without_one() {
    let mut q = Map::new(8, 4);
    for (cell, value) in [
        (0, 0.95),
        (1, 0.9),
        (2, 0.89),
        (12, 0.9),
        (31, 0.92),
        (30, 0.1),
        (22, 0.9),
    ] {
        q.data[cell] = value;
    }
    let set = |guide| {
        let cells = guided_cells(&q, guide, 1.0);
        let numbers = cells.data.iter().enumerate().filter(|(_, set)| **set);
        numbers.map(|(cell, _)| cell).collect::<Vec<_>>()
    };
    // 22 is a diagonal neighbour of 31; 12 is as high, but touches no seed.
    assert_eq!(set((0.91, 0.9)), [0, 1, 22, 31]);
    assert_eq!(set((0.94, 0.9)), [0, 1]);
    assert_eq!(
        set((0.95, 0.9)),
        [0; 0],
        "a seed is above the quantile, not at it"
    );
}

#[test]
fn more_than_60_per_cent_of_suspicious_cells_are_the_60_per_cent_with_the_highest_q() {
    let max_share = MaskOptions::default().max_share;
    assert_eq!(max_share, 0.6);
    let of = |suspicious: usize| {
        let q = Map::from_fn(10, 10, |x, y| {
            let rank = 10 * y + x;
            if rank < suspicious {
                2.0 + ((rank * 37) % 100) as f32
            } else {
                0.0
            }
        });
        (guided_cells(&q, (1.5, 1.0), max_share), q)
    };
    for (suspicious, expected) in [(59, 59), (60, 60), (61, 60), (100, 60)] {
        let (cells, q) = of(suspicious);
        assert_eq!(cells.count(), expected, "{suspicious}");
        let pairs = || cells.data.iter().zip(&q.data);
        let lowest_in = pairs()
            .filter(|(set, _)| **set)
            .map(|(_, q)| *q)
            .fold(f32::MAX, f32::min);
        let highest_out = pairs()
            .filter(|(set, _)| !**set)
            .map(|(_, q)| *q)
            .fold(0.0, f32::max);
        assert!(lowest_in > highest_out, "{suspicious}");
    }
}
