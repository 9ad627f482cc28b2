//! Defective instances of a product, as the draw makes them or of a wanted size.

use anomalysd_imaging::{Mask, Photo};

use super::Product;
use super::defect::{self, Aim, DEFECT_SHARES, DefectKind};
use super::scene::{Fault, Scene};
use crate::rng::Rng;

/// Streams of the seed of an instance from here on draw its defects.
const STREAM: u64 = 2000;

/// How far the area of a defect of a wanted size may be off.
const FACTOR: f32 = 1.5;

/// Draws of one seed that may fail to have the wanted size.
const TRIES: u64 = 6;

impl Product {
    /// The instance number `seed` with a defect, and its exact mask: every pixel that differs
    /// visibly from the good instance, a share of the picture within [`DEFECT_SHARES`]. `None`
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

    /// Like [`Product::defective`], with a mask that covers `share` of the picture within a factor
    /// of 1.5, and within [`DEFECT_SHARES`]: the same draw made larger or smaller, then other
    /// draws of the seed. `None` where none of them has that size, e.g. for a `share` outside of
    /// [`DEFECT_SHARES`] or a part that is larger. A scratch or a stain of a wanted size need not be
    /// the one that [`Product::defective`] draws.
    pub fn defective_sized(
        &self,
        seed: u64,
        size: usize,
        kind: DefectKind,
        share: f32,
    ) -> Option<(Photo, Mask)> {
        if !DEFECT_SHARES.contains(&share) {
            return None;
        }
        let (good, scene) = self.paint(seed, size, None);
        let aim = Aim::new(share, FACTOR, size * size);
        (0..TRIES).find_map(|attempt| {
            let mut rng = Rng::new(seed, STREAM + kind as u64 + 100 * attempt);
            if kind != DefectKind::Part {
                return sized(kind, &good, &scene, &aim, &rng);
            }
            let photo = self.paint(seed, size, Some(self.fault(&mut rng)?)).0;
            defect::seen(&good, photo).filter(|(_, mask)| aim.holds(mask))
        })
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
    use crate::synth::Family;

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
                let draw = || product.defective_sized(seed as u64, 64, kind, 0.01);
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

    /// Of the draws at these sizes, 9 of 10 of a general kind succeed; a part has the size that it
    /// has, and a print limits the size of its faults.
    #[test]
    fn a_wanted_size_is_met_within_the_factor() {
        for &kind in DefectKind::ALL {
            let (mut met, mut all) = (0, 0);
            for (seed, product) in products().enumerate() {
                let good = product.instance(seed as u64, SIDE);
                for wanted in [0.0002, 0.001, 0.005, 0.02] {
                    all += 1;
                    let drawn = product.defective_sized(seed as u64, SIDE, kind, wanted);
                    let Some((photo, mask)) = drawn else {
                        continue;
                    };
                    met += 1;
                    assert_eq!(mask, defect::difference(&good, &photo));
                    let off = share(&mask) / wanted;
                    let within = (0.999 / FACTOR..=1.001 * FACTOR).contains(&off);
                    assert!(within, "{kind:?} {seed} {wanted}: {off}");
                    assert!(DEFECT_SHARES.contains(&share(&mask)), "{kind:?} {seed}");
                }
            }
            let least = if is_general(kind) { 9 * all } else { 10 };
            assert!(10 * met >= least, "{kind:?}: {met} of {all}");
        }
    }

    #[test]
    fn no_defect_is_drawn_at_a_size_that_none_has() {
        let product = Product::draw(Family::Leather, 1);
        for wanted in [0.0, 0.0001, 0.051, 1.0, f32::NAN] {
            let drawn = product.defective_sized(1, 64, DefectKind::Stain, wanted);
            assert!(drawn.is_none(), "{wanted}");
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
