//! Defects of a wanted size: the same draw, larger or smaller until its mask has the area.

use std::ops::RangeInclusive;

use anomalysd_imaging::{Mask, Photo};

/// Shares of the picture's area that a defect covers: less nobody sees, more is another product.
pub const DEFECT_SHARES: RangeInclusive<f32> = 0.0002..=0.05;

/// Sizes tried for one draw. The area grows about with the square of the scale, so three or four
/// usually do.
const TRIES: usize = 8;

/// The areas that are accepted, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    low: f32,
    high: f32,
}

impl Aim {
    /// Areas within `factor` of `share` of a picture of `pixels`, and within [`DEFECT_SHARES`].
    pub(crate) fn new(share: f32, factor: f32, pixels: usize) -> Self {
        let (smallest, largest) = (*DEFECT_SHARES.start(), *DEFECT_SHARES.end());
        Self {
            low: (share / factor).max(smallest) * pixels as f32,
            high: (share * factor).min(largest) * pixels as f32,
        }
    }

    /// The area to try for.
    pub(crate) fn middle(&self) -> f32 {
        (self.low * self.high).sqrt()
    }

    /// True if the mask has an accepted area.
    pub(crate) fn holds(&self, mask: &Mask) -> bool {
        (self.low..=self.high).contains(&(mask.count() as f32))
    }
}

/// Draws at the scale `scale`, then at scales corrected by the area that became visible, until the
/// area is accepted. `None` where it never is: the product is too small, or hides it.
pub(crate) fn fit(
    aim: &Aim,
    mut scale: f32,
    mut draw: impl FnMut(f32) -> Option<(Photo, Mask)>,
) -> Option<(Photo, Mask)> {
    for _ in 0..TRIES {
        let (photo, mask) = draw(scale)?;
        if aim.holds(&mask) {
            return Some((photo, mask));
        }
        let missing = aim.middle() / (mask.count() as f32).max(0.5);
        scale *= missing.sqrt().clamp(0.4, 2.0);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of about `scale` pixels a side that stops growing at `limit`.
    fn square(scale: f32, limit: usize) -> Option<(Photo, Mask)> {
        let side = (scale as usize).min(limit);
        let mask = Mask::from_fn(100, 100, |x, y| x < side && y < side);
        Some((Photo::new(100, 100), mask))
    }

    #[test]
    fn the_area_is_met_from_above_and_below_or_not_at_all() {
        let aim = Aim::new(0.02, 1.2, 10_000);
        for start in [1.0, 14.0, 90.0] {
            let (_, mask) = fit(&aim, start, |scale| square(scale, 100)).unwrap();
            assert!((167..=240).contains(&mask.count()), "{}", mask.count());
        }
        assert!(fit(&aim, 3.0, |scale| square(scale, 5)).is_none());
    }

    #[test]
    fn no_aim_lies_outside_of_what_a_defect_may_cover() {
        let pixels = 1_000_000;
        let (least, most) = (Aim::new(0.0002, 1.5, pixels), Aim::new(0.05, 1.5, pixels));
        assert!((least.low - 200.0).abs() < 0.1 && (least.high - 300.0).abs() < 0.1);
        assert!((most.low - 33_333.3).abs() < 1.0 && (most.high - 50_000.0).abs() < 1.0);
    }
}
