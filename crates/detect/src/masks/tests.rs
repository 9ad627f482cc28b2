//! Properties 4 and 6 of the method's list.

use anomalysd_imaging::Mask;
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
            let latent = pass.latent_mask(&frame);
            prop_assert_eq!((latent.width, latent.height), (frame.latent_width(), frame.latent_height()));
            let mirror = |i: usize, length: usize| if i < length { i } else { 2 * (length - 1) - i };
            for y in 0..frame.padded_height() {
                for x in 0..frame.padded_width() {
                    let source = mirror(y, height) * width + mirror(x, width);
                    let cell = (y / 8) * latent.width + x / 8;
                    prop_assert!(!pass.hidden.data[source] || latent.data[cell]);
                }
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
