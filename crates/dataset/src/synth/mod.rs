//! Synthetic products with exact defect masks, for training and for tests.
//!
//! A [`Product`] is a draw of all parameters of a [`Family`]; an instance of it varies what varies
//! in life: pose, light, vignetting, noise, focus, the exact grain. Everything is drawn from a
//! seed and is the same on every platform: no platform mathematics is called (see `math`), and the
//! photo is rounded to 8 bits.

mod canvas;
mod defect;
mod families;
mod finish;
mod glyphs;
mod math;
mod noise;
mod scene;
mod shade;
mod shape;

use std::sync::Arc;

use anomalysd_imaging::{Mask, Photo};

pub use self::defect::DefectKind;
use self::families::{Design, fastener, lathe, leather, pill, weave};
use self::scene::{Fault, Scene, Setup};
use crate::rng::Rng;

/// A kind of product that can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Hexagonal, square and lobed nuts.
    Nut,
    /// Flat, spring and toothed washers.
    Washer,
    /// Bottles from above.
    Bottle,
    /// Tablets and capsules with print.
    Pill,
    /// Plain weave, twill, basket.
    Weave,
    /// Leather and moulded grain.
    Leather,
}

impl Family {
    /// Every family.
    pub const ALL: &[Self] = &[
        Self::Nut,
        Self::Washer,
        Self::Bottle,
        Self::Pill,
        Self::Weave,
        Self::Leather,
    ];

    fn design(self, rng: &mut Rng) -> Arc<dyn Design> {
        match self {
            Self::Nut => Arc::new(fastener::Nut::draw(rng)),
            Self::Washer => Arc::new(fastener::Washer::draw(rng)),
            Self::Bottle => Arc::new(lathe::Bottle::draw(rng)),
            Self::Pill => Arc::new(pill::Pill::draw(rng)),
            Self::Weave => Arc::new(weave::Weave::draw(rng)),
            Self::Leather => Arc::new(leather::Leather::draw(rng)),
        }
    }
}

/// A product: every parameter of its family drawn, camera and light set up.
#[derive(Clone, Debug)]
pub struct Product {
    family: Family,
    design: Arc<dyn Design>,
    setup: Setup,
}

impl Product {
    /// The product number `seed` of a family.
    pub fn draw(family: Family, seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1 + family as u64);
        let design = family.design(&mut rng);
        let setup = Setup::draw(design.habit(), &mut rng);
        Self {
            family,
            design,
            setup,
        }
    }

    /// The product number `seed` of a family that the seed draws, too.
    pub fn random(seed: u64) -> Self {
        let family = Rng::new(seed, 0).pick(Family::ALL);
        Self::draw(family, seed)
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Words for the prompt, e.g. "metal nut".
    pub fn name(&self) -> String {
        self.design.name()
    }

    /// The parts and surfaces that an inspector would name, e.g. "an even edge and a clear imprint".
    pub fn parts(&self) -> String {
        self.design.features()
    }

    /// True if all instances lie the same way round.
    pub fn oriented(&self) -> bool {
        self.setup.oriented()
    }

    /// The good instance number `seed`: RGB, `size` × `size`, whole 8-bit levels in `0..1`.
    pub fn instance(&self, seed: u64, size: usize) -> Photo {
        self.paint(seed, size, None).0
    }

    /// The instance number `seed` with a defect, and its exact mask: every pixel that differs
    /// visibly from the good instance. `None` where the product cannot have such a defect (no part
    /// that could be missing) or the draw hid it.
    pub fn defective(&self, seed: u64, size: usize, kind: DefectKind) -> Option<(Photo, Mask)> {
        let mut rng = Rng::new(seed, 2000 + kind as u64);
        let (good, scene) = self.paint(seed, size, None);
        if kind != DefectKind::Part {
            let pixels = &scene.canvas.pixels;
            let product: Vec<bool> = pixels.iter().map(|surface| surface.cover > 0.5).collect();
            return defect::mark(kind, &good, &product, &mut rng);
        }
        let parts = self.design.parts();
        let part = rng.int(0, parts.len().max(1) - 1);
        let reach = *parts.get(part)?;
        let fault = if rng.chance(0.5) {
            Fault::Missing(part)
        } else {
            let by = [rng.jitter(2.0 * reach), reach * rng.range(0.8, 2.0)];
            Fault::Moved(part, by, rng.jitter(0.6))
        };
        let (photo, _) = self.paint(seed, size, Some(fault));
        let mask = defect::difference(&good, &photo);
        (mask.count() > 0).then_some((photo, mask))
    }

    fn paint(&self, seed: u64, size: usize, fault: Option<Fault>) -> (Photo, Scene) {
        let mut rng = Rng::new(seed, 1000);
        let mut scene = self.setup.scene(&mut rng, size);
        scene.fault = fault;
        self.design.paint(&mut scene);
        let photo = shade::photograph(&scene.canvas, scene.frame.unit, &scene.exposure);
        (photo, scene)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_picture_and_another_seed_another() {
        for &family in Family::ALL {
            let product = Product::draw(family, 3);
            assert_eq!(
                product.instance(1, 64),
                Product::draw(family, 3).instance(1, 64)
            );
            assert_ne!(
                product.instance(1, 64),
                product.instance(2, 64),
                "{family:?}"
            );
            assert_ne!(
                product.instance(1, 64),
                Product::draw(family, 4).instance(1, 64),
                "{family:?}"
            );
        }
    }

    #[test]
    fn a_photo_holds_whole_levels_in_range() {
        for seed in 0..12 {
            let photo = Product::random(seed).instance(seed, 64);
            for value in photo.data {
                let level = value * 255.0;
                assert!((0.0..=1.0).contains(&value) && (level - level.round()).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn a_defect_changes_exactly_the_pixels_of_its_mask() {
        let mut seen = [0; 4];
        for seed in 0..40 {
            let product = Product::random(seed);
            for &kind in DefectKind::ALL {
                let Some((photo, mask)) = product.defective(seed, 96, kind) else {
                    continue;
                };
                seen[kind as usize] += 1;
                let good = product.instance(seed, 96);
                assert_eq!(mask, defect::difference(&good, &photo));
                assert!(mask.count() < 96 * 96 / 2, "{kind:?} {seed}");
            }
        }
        assert!(seen.iter().all(|&count| count >= 3), "{seen:?}");
    }
}
