//! Property 5 of the method's list, and the parts of compositing.

use anomalysd_imaging::{Mask, Photo};
use proptest::prelude::*;

use super::*;
use crate::masks::{Frame, MaskPlan, guided_pass};
use crate::options::{MaskOptions, Mode, RepairOptions};

fn noise(width: usize, height: usize, seed: u32) -> Photo {
    let value = |i: usize| {
        let hash = (i as u32 ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
        (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35) as f32 / u32::MAX as f32
    };
    let data = (0..3 * width * height).map(value).collect();
    Photo {
        width,
        height,
        data,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Property 5, for multi-scale and guided passes, with and without drift correction.
    #[test]
    fn outside_the_hidden_set_the_repair_is_the_photo_and_in_the_cores_what_was_painted(
        width in 64usize..160, height in 64usize..160, seed in 0u32..1000, fast: bool, drift_correction: bool,
        suspicious in prop::collection::vec(any::<bool>(), 12),
    ) {
        let frame = Frame { width, height, factor: 8, multiple: 16 };
        let mode = if fast { Mode::Fast } else { Mode::Faithful };
        let (photo, painted) = (noise(width, height, seed), noise(width, height, seed + 1));
        let cells = Mask { width: 4, height: 3, data: suspicious };
        let plan = MaskPlan::new(&frame, &[1, 2, 4], mode, &MaskOptions::default());
        let guided = guided_pass(&frame, &cells, 1);
        let options = RepairOptions { drift_correction, ..RepairOptions::default() };
        for pass in plan.scales.iter().flat_map(|scale| &scale.passes).chain(&guided) {
            let drift = colour_drift(&photo, &painted, &pass.hidden, &options);
            // Two fields of noise: unless too little is visible, their medians differ.
            let visible = pass.hidden.data.len() - pass.hidden.count();
            prop_assert_eq!(drift != [0.0; 3], drift_correction && visible >= 64);
            let repaired = composite(&photo, &painted, &blend_weights(pass, 8), drift);
            for (channel, shift) in drift.into_iter().enumerate() {
                for pixel in 0..width * height {
                    let at = channel * width * height + pixel;
                    let new = (painted.data[at] + shift).clamp(0.0, 1.0);
                    if pass.cores.data[pixel] {
                        prop_assert_eq!(repaired.data[at].to_bits(), new.to_bits());
                    } else if !pass.hidden.data[pixel] {
                        prop_assert_eq!(repaired.data[at].to_bits(), photo.data[at].to_bits());
                    } else {
                        let between = photo.data[at].min(new) - 1e-6..=photo.data[at].max(new) + 1e-6;
                        prop_assert!(between.contains(&repaired.data[at]));
                    }
                }
            }
        }
    }
}

#[test]
fn a_repair_that_paints_the_photo_leaves_it_bit_for_bit() {
    let frame = Frame {
        width: 96,
        height: 80,
        factor: 8,
        multiple: 8,
    };
    let photo = noise(96, 80, 7);
    for pass in &MaskPlan::new(&frame, &[2], Mode::Fast, &MaskOptions::default()).scales[0].passes {
        assert_eq!(
            composite(&photo, &photo, &blend_weights(pass, 8), [0.0; 3]),
            photo
        );
    }
}

#[test]
fn the_halo_falls_from_the_core_to_its_outer_edge() {
    let frame = Frame {
        width: 64,
        height: 64,
        factor: 8,
        multiple: 8,
    };
    let mut cells = Mask::new(8, 8);
    cells.data[8 * 3 + 3] = true;
    let pass = guided_pass(&frame, &cells, 1).unwrap();
    let weights = blend_weights(&pass, 8);
    let row = &weights[28 * 64..29 * 64];
    assert_eq!(row[15], 0.0);
    assert!((row[16] - 0.0625).abs() < 1e-6 && (row[23] - 0.9375).abs() < 1e-6);
    assert!(row[24..32].iter().all(|&weight| weight == 1.0));
    assert!(row[16..=24].windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn drift_is_the_median_of_what_is_visible_nearby() {
    let frame = Frame {
        width: 64,
        height: 64,
        factor: 8,
        multiple: 8,
    };
    let photo = Photo {
        width: 64,
        height: 64,
        data: vec![0.5; 3 * 64 * 64],
    };
    let mut painted = photo.clone();
    painted.data[..64 * 64].fill(0.4);
    let mut cells = Mask::new(8, 8);
    cells.data[8 * 3 + 3] = true;
    let pass = guided_pass(&frame, &cells, 1).unwrap();
    let drift = |options: &RepairOptions| colour_drift(&photo, &painted, &pass.hidden, options);
    let options = RepairOptions::default();
    assert!((drift(&options)[0] - 0.1).abs() < 1e-6);
    assert_eq!(drift(&options)[1..], [0.0, 0.0]);
    assert_eq!(
        drift(&RepairOptions {
            drift_correction: false,
            ..options.clone()
        }),
        [0.0; 3]
    );
    assert_eq!(
        drift(&RepairOptions {
            drift_min_pixels: 64 * 64,
            ..options.clone()
        }),
        [0.0; 3]
    );
    let all = Mask {
        width: 64,
        height: 64,
        data: vec![true; 64 * 64],
    };
    assert_eq!(colour_drift(&photo, &painted, &all, &options), [0.0; 3]);
}
