//! Defective instances of a product, as the draw makes them or of a wanted size.

use anomalysd_imaging::{Mask, Photo};

use super::Product;
use super::defect::{self, Aim, DefectKind};
use super::scene::{Fault, Scene};
use crate::rng::Rng;

/// Streams of the seed of an instance from here on draw its defects.
const STREAM: u64 = 2000;

impl Product {
    /// The instance number `seed` with a defect, and its exact mask: every pixel that differs
    /// visibly from the good instance, a share of the picture within [`DEFECT_SHARES`](super::DEFECT_SHARES). `None`
    /// where the product cannot have such a defect (no part that could be missing, no print that
    /// could be smeared) or the draw hid it.
    pub fn defective(&self, seed: u64, size: usize, kind: DefectKind) -> Option<(Photo, Mask)> {
        let mut rng = Rng::new(seed, STREAM + kind as u64);
        let (good, scene) = self.paint(seed, size, None);
        if kind == DefectKind::Part {
            let fault = self.fault(&mut rng)?;
            return defect::seen(&good, self.paint(seed, size, Some(fault)).0);
        }
        if kind.is_overlay() {
            let photo = defect::draw(kind, &good, &scene, 1.0, &mut rng)?;
            return defect::seen(&good, photo);
        }
        // Small ones are the more frequent and the harder ones.
        let share = 0.0008 + 0.03 * rng.unit() * rng.unit();
        let aim = Aim::new(share, 2.0, size * size);
        sized(kind, &good, &scene, &aim, &rng)
    }

    /// A part that is missing or misplaced, where there is one.
    fn fault(&self, rng: &mut Rng) -> Option<Fault> {
        let parts = self.design.parts();
        let part = rng.int(0, parts.len().max(1) - 1);
        let reach = *parts.get(part)?;
        Some(if rng.chance(0.5) {
            Fault::Missing(part)
        } else {
            let by = [rng.jitter(2.0 * reach), reach * rng.range(0.8, 2.0)];
            Fault::Moved(part, by, rng.jitter(0.6))
        })
    }
}

/// The defect that `rng` draws, at the scale at which its area is accepted.
fn sized(
    kind: DefectKind,
    good: &Photo,
    scene: &Scene,
    aim: &Aim,
    rng: &Rng,
) -> Option<(Photo, Mask)> {
    let start = if kind.is_overlay() {
        1.0
    } else {
        aim.middle().sqrt()
    };
    defect::fit(aim, start, |scale| {
        let photo = defect::draw(kind, good, scene, scale, &mut rng.clone())?;
        let mask = defect::difference(good, &photo);
        Some((photo, mask))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{DEFECT_SHARES, Family};

    const SIDE: usize = 128;

    /// Two products of each family.
    fn products() -> impl Iterator<Item = Product> {
        let each = |&family: &Family| [1, 2].map(|seed| Product::draw(family, seed));
        Family::ALL.iter().flat_map(each)
    }

    fn share(mask: &Mask) -> f32 {
        mask.count() as f32 / (mask.width * mask.height) as f32
    }

    /// True if nearly every product can have a defect of this kind, at nearly any size.
    fn is_general(kind: DefectKind) -> bool {
        !matches!(kind, DefectKind::Part | DefectKind::Misprint)
    }

    #[test]
    fn a_draw_is_the_same_again() {
        for (seed, product) in products().enumerate() {
            for &kind in DefectKind::ALL {
                let draw = || product.defective(seed as u64, 64, kind);
                assert_eq!(draw(), draw(), "{kind:?} {seed}");
            }
        }
    }

    #[test]
    fn every_family_can_have_every_general_kind() {
        for product in products() {
            let family = product.family();
            for &kind in DefectKind::ALL.iter().filter(|&&kind| is_general(kind)) {
                let found = (0..3).find_map(|seed| product.defective(seed, SIDE, kind));
                let Some((photo, mask)) = found else {
                    panic!("{family:?} {kind:?}");
                };
                assert!(DEFECT_SHARES.contains(&share(&mask)), "{family:?} {kind:?}");
                assert_eq!((photo.width, mask.width), (SIDE, SIDE));
            }
        }
    }

    #[test]
    fn a_misprint_needs_a_print() {
        let draws = |product: &Product| {
            let drawn = |&seed: &u64| {
                product
                    .defective(seed, SIDE, DefectKind::Misprint)
                    .is_some()
            };
            (0..4).filter(drawn).count()
        };
        let of = |family| {
            (0..8)
                .map(move |seed| draws(&Product::draw(family, seed)))
                .sum::<usize>()
        };
        assert_eq!((of(Family::Nut), of(Family::Washer)), (0, 0));
        assert!(of(Family::Pill) >= 8, "{}", of(Family::Pill));
    }
}
