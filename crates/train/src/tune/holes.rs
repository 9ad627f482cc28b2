//! Hidden sets to tune on (METHOD § 3): rectangles on the part, passes as a detection makes them, blobs.

use anomalysd_detect::masks::{Frame, MaskPlan};
use anomalysd_detect::options::{MaskOptions, Mode};
use anomalysd_imaging::Mask;
use rand_chacha::rand_core::RngCore;

use crate::photos::{below, unit};
use crate::pretrain::holes::{SMALLEST, blob, rectangles};

/// Share of passes that hide one cell alone, as faithful mode does; the others are complete passes of
/// fast mode.
const SINGLE_CELLS: f32 = 0.25;
/// Draws before a hole that is always large enough is taken.
const TRIES: usize = 16;

/// What holes are drawn by.
#[derive(Debug, Clone)]
pub(super) struct Holes {
    /// Cells per side of the scales of a detection.
    pub(super) scales: Vec<usize>,
    pub(super) masks: MaskOptions,
    pub(super) factor: usize,
    pub(super) multiple: usize,
    pub(super) rectangle_share: f32,
    pub(super) pass_share: f32,
}

impl Holes {
    /// A hidden set of a photo whose part, dilated, is `near`; of the size of that mask.
    pub(super) fn draw(&self, near: &Mask, rng: &mut impl RngCore) -> Mask {
        let (width, height) = (near.width, near.height);
        let smallest = SMALLEST * (width * height) as f32;
        for _ in 0..TRIES {
            let kind = unit(rng);
            let mask = if kind < self.rectangle_share {
                Some(rectangles(near, rng))
            } else if kind < self.rectangle_share + self.pass_share {
                self.pass(width, height, rng)
            } else {
                Some(blob(width, height, rng))
            };
            if let Some(mask) = mask.filter(|mask| mask.count() as f32 >= smallest) {
                return mask;
            }
        }
        Mask::from_fn(width, height, |x, _| 2 * x < width)
    }

    /// A pass of one of the scales; `None` where its cells are too small on this photo.
    fn pass(&self, width: usize, height: usize, rng: &mut impl RngCore) -> Option<Mask> {
        let frame = Frame {
            width,
            height,
            factor: self.factor,
            multiple: self.multiple,
        };
        let scale = *self.scales.get(below(rng, self.scales.len()))?;
        let mode = if unit(rng) < SINGLE_CELLS {
            Mode::Faithful
        } else {
            Mode::Fast
        };
        let mut plan = MaskPlan::new(&frame, &[scale], mode, &self.masks);
        let passes = &mut plan.scales.first_mut()?.passes;
        let chosen = below(rng, passes.len());
        Some(passes.swap_remove(chosen).hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photos::sample_rng;

    fn holes(rectangle_share: f32, pass_share: f32) -> Holes {
        Holes {
            scales: vec![2, 4, 8],
            masks: MaskOptions::default(),
            factor: 8,
            multiple: 16,
            rectangle_share,
            pass_share,
        }
    }

    #[test]
    fn every_hole_hides_enough_and_leaves_something() {
        for (width, height) in [(128, 128), (96, 40), (33, 64)] {
            let near = Mask::from_fn(width, height, |x, y| x > width / 4 && y > height / 4);
            for index in 0..100 {
                let mut rng = sample_rng(1, "holes", index);
                let mask = holes(0.4, 0.4).draw(&near, &mut rng);
                assert_eq!((mask.width, mask.height), (width, height));
                let share = mask.count() as f32 / (width * height) as f32;
                assert!(
                    (SMALLEST..1.0).contains(&share),
                    "{width}x{height} {index}: {share}"
                );
            }
        }
    }

    #[test]
    fn rectangles_stay_on_the_part_and_passes_are_those_of_a_detection() {
        let near = Mask::from_fn(128, 128, |x, y| (32..96).contains(&x) && y < 64);
        let frame = Frame {
            width: 128,
            height: 128,
            factor: 8,
            multiple: 16,
        };
        let all: Vec<Mask> = [Mode::Fast, Mode::Faithful]
            .into_iter()
            .flat_map(|mode| {
                MaskPlan::new(&frame, &[2, 4, 8], mode, &MaskOptions::default()).scales
            })
            .flat_map(|scale| scale.passes)
            .map(|pass| pass.hidden)
            .collect();
        for index in 0..60 {
            let mut rng = sample_rng(2, "holes", index);
            let rectangle = holes(1.0, 0.0).draw(&near, &mut rng);
            let outside = rectangle.data.iter().zip(&near.data);
            assert!(
                outside.clone().all(|(hidden, near)| !hidden || *near),
                "{index}"
            );
            let pass = holes(0.0, 1.0).draw(&near, &mut rng);
            assert!(all.contains(&pass), "{index}");
        }
    }
}
