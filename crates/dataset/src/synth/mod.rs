//! Synthetic products with exact defect masks, for training and for tests.
//!
//! A [`Product`] is a draw of all parameters of a [`Family`]; an instance of it varies what varies
//! in life: pose, light, vignetting, noise, focus, the exact grain. Everything is drawn from a
//! seed and is the same on every platform: no platform mathematics is called (see `math`), and the
//! photo is rounded to 8 bits.

mod canvas;
mod defect;
mod defective;
mod families;
mod finish;
mod glyphs;
mod math;
mod noise;
mod scene;
mod shade;
mod shape;

use std::sync::Arc;

use anomalysd_imaging::Photo;

pub use self::defect::{DEFECT_SHARES, DefectKind};
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
        let mut seen = [0; DefectKind::ALL.len()];
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

    /// Levels of 255, whole.
    fn levels(photo: &Photo) -> Vec<u8> {
        let level = |value: &f32| (value * 255.0).round() as u8;
        photo.data.iter().map(level).collect()
    }

    /// FNV-1a.
    fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// Names and hashes of `pictures_and_masks_are_the_same_bytes_everywhere`.
    const EXPECTED: [&str; 26] = [
        "Nut 1f2d3be886361533",
        "Washer ddfb62a05b8a730f",
        "Bottle c871fe688b265140",
        "Pill ac527bcb62038493",
        "Weave 7a83107326c7ab78",
        "Leather c8ad2fed0a5b89be",
        "Scratch dfe290e283595e84",
        "Scratch mask 91003662a25cd024",
        "Stain d9ba139387ba35a6",
        "Stain mask 254b197cdcf5cc7f",
        "Hole debd7ca0e6dd3882",
        "Hole mask 09449aa9c888ebba",
        "Part 16569b9f1f16ef04",
        "Part mask 07c201b0de771ad1",
        "Dent 1b3d075adf3406a8",
        "Dent mask eb2d110ffbf2fcf3",
        "Crack 955fb3f393d0c8bd",
        "Crack mask 92aa7ac18da07fc1",
        "Fold 510fbd3feb05bd50",
        "Fold mask ece46d11a8e45890",
        "Contamination ae09b31ecfea3d30",
        "Contamination mask dce5151f72877821",
        "Misprint a5d92aebc1a2c235",
        "Misprint mask b7316c48f1c52426",
        "Colour 48ed75c3220101cb",
        "Colour mask eca54ac9828c599d",
    ];

    /// Trained weights, margins and reports of this project stand on these pictures: when they change on purpose,
    /// say so in the changelog and replace the table; when another platform differs, it has a fault.
    #[test]
    fn pictures_and_masks_are_the_same_bytes_everywhere() {
        let mut seen = Vec::new();
        for &family in Family::ALL {
            let product = Product::draw(family, 3);
            seen.push((
                format!("{family:?}"),
                hash(levels(&product.instance(1, 64))),
            ));
        }
        for &kind in DefectKind::ALL {
            // The first product that can have it.
            let (photo, mask) = (0..)
                .find_map(|seed| Product::random(seed).defective(seed, 64, kind))
                .unwrap();
            seen.push((format!("{kind:?}"), hash(levels(&photo))));
            let mask = mask.data.iter().map(|&set| u8::from(set));
            seen.push((format!("{kind:?} mask"), hash(mask)));
        }
        let seen: Vec<String> = seen
            .iter()
            .map(|(name, hash)| format!("{name} {hash:016x}"))
            .collect();
        assert_eq!(seen, EXPECTED);
    }

    #[test]
    fn a_mask_holds_every_pixel_that_differs_by_five_levels_and_no_other() {
        for seed in 0..30 {
            let product = Product::random(seed);
            let good = levels(&product.instance(seed, 128));
            for &kind in DefectKind::ALL {
                let Some((photo, mask)) = product.defective(seed, 128, kind) else {
                    continue;
                };
                assert_eq!((photo.width, photo.height), (128, 128));
                assert_eq!((mask.width, mask.height), (128, 128));
                let (area, photo) = (128 * 128, levels(&photo));
                for (at, &set) in mask.data.iter().enumerate() {
                    let largest = (0..3)
                        .map(|channel| {
                            photo[channel * area + at].abs_diff(good[channel * area + at])
                        })
                        .max();
                    assert_eq!(set, largest >= Some(5), "{kind:?} {seed}: {largest:?}");
                }
            }
        }
    }

    #[test]
    fn a_defect_is_small_but_never_too_small_to_see() {
        let (mut all, mut none) = (0, [0; DefectKind::ALL.len()]);
        for seed in 0..300 {
            let product = Product::random(seed);
            for &kind in DefectKind::ALL {
                let Some((_, mask)) = product.defective(seed, 128, kind) else {
                    none[kind as usize] += 1;
                    continue;
                };
                let share = mask.count() as f32 / (128.0 * 128.0);
                assert!(DEFECT_SHARES.contains(&share), "{kind:?} {seed}: {share}");
                all += 1;
            }
        }
        // Few draws of a kind that every product can have are hidden; many products have no part to
        // miss and no print to smear.
        let limited = [DefectKind::Part, DefectKind::Misprint];
        let general = DefectKind::ALL
            .iter()
            .filter(|kind| !limited.contains(kind));
        let hidden: Vec<usize> = general.map(|&kind| none[kind as usize]).collect();
        assert!(
            all > 2400 && hidden.iter().all(|&n| n <= 6),
            "{all} {none:?}"
        );
    }
}
