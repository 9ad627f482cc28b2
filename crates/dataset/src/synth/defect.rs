//! Defects: what is done to a good instance, and the exact mask of it.
//!
//! The picture is changed after the photograph was taken; the mask is every pixel that shows a
//! visibly different colour, so it cannot disagree with the picture.

use anomalysd_imaging::{Mask, Photo};

use super::math::P;
use super::noise::value;
use crate::rng::Rng;

/// What can be wrong with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefectKind {
    /// A thin bright or dark line.
    Scratch,
    /// A spot or smear of another colour.
    Stain,
    /// A chip: dark inside, bright at the edge that faces the light.
    Hole,
    /// A part that is missing or lies elsewhere.
    Part,
}

impl DefectKind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Scratch, Self::Stain, Self::Hole, Self::Part];

    /// Its name in folders and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Stain => "stain",
            Self::Hole => "hole",
            Self::Part => "part",
        }
    }
}

/// Smallest difference of a channel that counts as visible, in 0..1.
const VISIBLE: f32 = 4.5 / 255.0;

/// Smallest share of the picture that counts as a defect: less is a pixel or two that nobody sees.
const SMALLEST: f32 = 0.0002;

/// A defective picture and its mask, if the mask is large enough to be called a defect.
pub(crate) fn seen(good: &Photo, photo: Photo) -> Option<(Photo, Mask)> {
    let mask = difference(good, &photo);
    let smallest = SMALLEST * (mask.width * mask.height) as f32;
    (mask.count() > 0 && mask.count() as f32 >= smallest).then_some((photo, mask))
}

/// Pixels where two pictures of one size differ visibly.
pub(crate) fn difference(a: &Photo, b: &Photo) -> Mask {
    Mask::from_fn(a.width, a.height, |x, y| {
        let (p, q) = (a.pixel(x, y), b.pixel(x, y));
        (0..3).any(|channel| (p[channel] - q[channel]).abs() > VISIBLE)
    })
}

/// Draws a defect of the surface on a picture, centred on a pixel for which `product` holds.
/// `None` where there is no such pixel or hardly anything became visible.
pub(crate) fn mark(
    kind: DefectKind,
    good: &Photo,
    product: &[bool],
    rng: &mut Rng,
) -> Option<(Photo, Mask)> {
    let places: Vec<usize> = (0..product.len()).filter(|&pixel| product[pixel]).collect();
    let place = places.get(rng.int(0, places.len().max(1) - 1)).copied()?;
    let centre = [
        (place % good.width) as f32 + 0.5,
        (place / good.width) as f32 + 0.5,
    ];
    let side = good.width.min(good.height) as f32;
    let mut photo = good.clone();
    match kind {
        DefectKind::Scratch => scratch(&mut photo, product, centre, side, rng),
        DefectKind::Stain => blob(&mut photo, product, centre, side, rng, false),
        DefectKind::Hole => blob(&mut photo, product, centre, side, rng, true),
        DefectKind::Part => return None,
    }
    seen(good, photo)
}

fn scratch(photo: &mut Photo, product: &[bool], centre: P, side: f32, rng: &mut Rng) {
    let direction = rng.range(0.0, super::math::TURN);
    let (step_x, step_y) = (super::math::cos(direction), super::math::sin(direction));
    let length = side * rng.range(0.06, 0.3);
    let width = side * rng.range(0.004, 0.012);
    let bend = rng.jitter(0.15);
    let dark = rng.chance(0.5);
    let depth = rng.range(0.25, 0.7);
    paint(photo, product, centre, length, |dx, dy| {
        let along = dx * step_x + dy * step_y;
        let across = dy * step_x - dx * step_y - bend * along * along / length;
        let end = 1.0 - (along.abs() * 2.0 / length).powi(8);
        let share = (1.0 - across.abs() / width).clamp(0.0, 1.0) * end.max(0.0);
        (share * depth, [if dark { 0.02 } else { 0.97 }; 3])
    });
}

fn blob(photo: &mut Photo, product: &[bool], centre: P, side: f32, rng: &mut Rng, hole: bool) {
    let radius = side * rng.range(0.02, 0.09);
    let seed = rng.bits();
    let stretch = rng.range(0.6, 1.6);
    let colour: [f32; 3] = std::array::from_fn(|_| rng.unit());
    let colour = if hole { [0.06; 3] } else { colour };
    let opacity = if hole { 0.92 } else { rng.range(0.3, 0.95) };
    paint(photo, product, centre, 4.0 * radius, |dx, dy| {
        let ragged = 1.0 + 0.35 * value([dx * 1.6 / radius, dy * 1.6 / radius], seed);
        let distance = (dx * dx * stretch + dy * dy / stretch).sqrt() / (radius * ragged);
        let share = ((1.0 - distance) * radius * 0.7).clamp(0.0, 1.0) * opacity;
        // The far edge of a chip catches the light.
        let bright = hole && distance > 0.7 && dx + dy > 0.0;
        (share, if bright { [0.85; 3] } else { colour })
    });
}

/// Blends `stroke(dx, dy)` = (share, colour) over the product's pixels within `reach` of `centre`,
/// in whole 8-bit levels.
fn paint(
    photo: &mut Photo,
    product: &[bool],
    centre: P,
    reach: f32,
    stroke: impl Fn(f32, f32) -> (f32, [f32; 3]),
) {
    for y in 0..photo.height {
        for x in 0..photo.width {
            let (dx, dy) = (x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]);
            if dx * dx + dy * dy > reach * reach || !product[y * photo.width + x] {
                continue;
            }
            let (share, colour) = stroke(dx, dy);
            if share > 0.0 {
                let below = photo.pixel(x, y);
                let mixed = std::array::from_fn(|channel| {
                    let level = below[channel] + (colour[channel] - below[channel]) * share;
                    (level.clamp(0.0, 1.0) * 255.0).round() / 255.0
                });
                photo.set_pixel(x, y, mixed);
            }
        }
    }
}
