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
use self::families::{
    Design, biscuit, board, bolt, brush, brushed, cable, cap, cast, connector, fastener, felt,
    gear, knit, lathe, leather, lettering, mesh, pill, print, rack, seed, tile, weave, wood,
};
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
    /// Bolts and screws, lying or seen onto the head.
    Bolt,
    /// Gear wheels and ring gears.
    Gear,
    /// Crown corks and screw caps from above.
    Cap,
    /// Biscuits, crackers and cookies.
    Biscuit,
    /// Beans, almonds, hazelnuts, coffee and sunflower seeds.
    Seed,
    /// Plugs and sockets from the front.
    Connector,
    /// Circuit boards with components.
    Board,
    /// Cables in section.
    Cable,
    /// Racks of tubes and vials, trays of cells.
    Rack,
    /// Toothbrushes, scrubbing brushes, disc brushes.
    Brush,
    /// Boards and planks.
    Wood,
    /// Ground and brushed sheet metal.
    Brushed,
    /// Castings, blasted and hammered metal, concrete, plaster.
    Cast,
    /// Felt, needle fleece and pile carpet.
    Felt,
    /// Perforated sheet, expanded metal, woven and welded wire.
    Mesh,
    /// Tiles with joints and slabs: glaze, stoneware, marble, terrazzo.
    Tile,
    /// Printed repeats on paper and cloth.
    Print,
    /// Jersey, purl side and rib.
    Knit,
    /// Printed labels and name plates.
    Lettering,
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
        Self::Bolt,
        Self::Gear,
        Self::Cap,
        Self::Biscuit,
        Self::Seed,
        Self::Connector,
        Self::Board,
        Self::Cable,
        Self::Rack,
        Self::Brush,
        Self::Wood,
        Self::Brushed,
        Self::Cast,
        Self::Felt,
        Self::Mesh,
        Self::Tile,
        Self::Print,
        Self::Knit,
        Self::Lettering,
    ];

    /// Its name on the command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The family of this name, as [`Self::name`] says it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.name() == name)
    }

    fn design(self, rng: &mut Rng) -> Arc<dyn Design> {
        match self {
            Self::Nut => Arc::new(fastener::Nut::draw(rng)),
            Self::Washer => Arc::new(fastener::Washer::draw(rng)),
            Self::Bottle => Arc::new(lathe::Bottle::draw(rng)),
            Self::Pill => Arc::new(pill::Pill::draw(rng)),
            Self::Weave => Arc::new(weave::Weave::draw(rng)),
            Self::Leather => Arc::new(leather::Leather::draw(rng)),
            Self::Bolt => Arc::new(bolt::Bolt::draw(rng)),
            Self::Gear => Arc::new(gear::Gear::draw(rng)),
            Self::Cap => Arc::new(cap::Cap::draw(rng)),
            Self::Biscuit => Arc::new(biscuit::Biscuit::draw(rng)),
            Self::Seed => Arc::new(seed::Seed::draw(rng)),
            Self::Connector => Arc::new(connector::Connector::draw(rng)),
            Self::Board => Arc::new(board::Board::draw(rng)),
            Self::Cable => Arc::new(cable::Cable::draw(rng)),
            Self::Rack => Arc::new(rack::Rack::draw(rng)),
            Self::Brush => Arc::new(brush::Brush::draw(rng)),
            Self::Wood => Arc::new(wood::Wood::draw(rng)),
            Self::Brushed => Arc::new(brushed::Brushed::draw(rng)),
            Self::Cast => Arc::new(cast::Cast::draw(rng)),
            Self::Felt => Arc::new(felt::Felt::draw(rng)),
            Self::Mesh => Arc::new(mesh::Mesh::draw(rng)),
            Self::Tile => Arc::new(tile::Tile::draw(rng)),
            Self::Print => Arc::new(print::Print::draw(rng)),
            Self::Knit => Arc::new(knit::Knit::draw(rng)),
            Self::Lettering => Arc::new(lettering::Lettering::draw(rng)),
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
        Self::random_of(Family::ALL, seed)
    }

    /// The same, of one of these families; there has to be one.
    pub fn random_of(families: &[Family], seed: u64) -> Self {
        let family = Rng::new(seed, 0).pick(families);
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

    /// The same instance lying off the place, turn and size of its product by `looseness` times as much,
    /// 0 to 1: near 0 as in a fixture. Surfaces and products that lie any way round are as they were.
    pub fn aligned_instance(&self, seed: u64, size: usize, looseness: f32) -> Photo {
        self.paint_in(seed, size, None, looseness).0
    }

    fn paint(&self, seed: u64, size: usize, fault: Option<Fault>) -> (Photo, Scene) {
        self.paint_in(seed, size, fault, 1.0)
    }

    fn paint_in(
        &self,
        seed: u64,
        size: usize,
        fault: Option<Fault>,
        looseness: f32,
    ) -> (Photo, Scene) {
        let mut rng = Rng::new(seed, 1000);
        let mut scene = self.setup.scene(&mut rng, size, looseness);
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
    fn instances_in_a_fixture_lie_alike_and_those_of_full_looseness_as_ever() {
        let apart = |a: &Photo, b: &Photo| -> f32 {
            let pairs = a.data.iter().zip(&b.data);
            pairs.map(|(a, b)| (a - b).powi(2)).sum()
        };
        let (mut fixed, mut loose) = (0.0, 0.0);
        for seed in 0..40 {
            let product = Product::draw(Family::Bottle, seed);
            let [one, other] = [1, 2].map(|instance| product.instance(instance, 64));
            assert_eq!(one, product.aligned_instance(1, 64, 1.0));
            if product.oriented() {
                loose += apart(&one, &other);
                let [one, other] = [1, 2].map(|seed| product.aligned_instance(seed, 64, 0.0));
                fixed += apart(&one, &other);
            }
        }
        assert!(fixed > 0.0 && fixed < 0.8 * loose, "{fixed} {loose}");
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
        // Enough that products with parts, which are few, are among them.
        for seed in 0..80 {
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
    const EXPECTED: [&str; 45] = [
        "Nut 1f2d3be886361533",
        "Washer ddfb62a05b8a730f",
        "Bottle c871fe688b265140",
        "Pill ac527bcb62038493",
        "Weave 7a83107326c7ab78",
        "Leather c8ad2fed0a5b89be",
        "Bolt f0ca78df0a2400d5",
        "Gear 7d3d134a3787b3e5",
        "Cap dcfbdef6052e084e",
        "Biscuit 162d7a456fdee2a0",
        "Seed 2c60d09497deaca2",
        "Connector cfeccbdfcf80f22e",
        "Board 9bb1ebf542ae3ae6",
        "Cable c773e8b03c62d264",
        "Rack ec03f426d1598efa",
        "Brush 7a7be3f3a4cdeed5",
        "Wood b754cf35667f2f59",
        "Brushed cbe8cb3993f50a0c",
        "Cast cd7f2b0e26082857",
        "Felt 9c81755dde6831d7",
        "Mesh faabd7baafffdf88",
        "Tile e9566065a6616f19",
        "Print e695dcfa21dae235",
        "Knit a7b01253aceb44f4",
        "Lettering fe3e12bc1d27b3f2",
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
            // The first product that can have it, of the families that were there first: the rows stay when one is added.
            let first = |seed| Rng::new(seed, 0).pick(&Family::ALL[..6]);
            let (photo, mask) = (0..)
                .find_map(|seed| Product::draw(first(seed), seed).defective(seed, 64, kind))
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
