//! Defects that are painted over the finished photograph.

use anomalysd_imaging::Photo;

use super::{DefectKind, blob, scratch};
use crate::rng::Rng;
use crate::synth::canvas::Canvas;
use crate::synth::math::P;

/// A photograph, the pixels of the product in it, and the place of a defect.
pub(super) struct Overlay<'a> {
    photo: Photo,
    product: &'a [bool],
    centre: P,
    /// Pixels of the shorter side, times `scale`.
    pub(super) side: f32,
    /// The wanted scale of the defect.
    pub(super) scale: f32,
}

/// Draws a defect on a picture, centred on a pixel of the product, its lengths multiplied by
/// `scale`. `None` where there is no such pixel.
pub(super) fn mark(
    kind: DefectKind,
    good: &Photo,
    canvas: &Canvas,
    scale: f32,
    rng: &mut Rng,
) -> Option<Photo> {
    let product: Vec<bool> = canvas.pixels.iter().map(|s| s.cover > 0.5).collect();
    let places: Vec<usize> = (0..product.len()).filter(|&pixel| product[pixel]).collect();
    let place = places.get(rng.int(0, places.len().max(1) - 1)).copied()?;
    let mut overlay = Overlay {
        photo: good.clone(),
        product: &product,
        centre: [
            (place % good.width) as f32 + 0.5,
            (place / good.width) as f32 + 0.5,
        ],
        side: good.width.min(good.height) as f32 * scale,
        scale,
    };
    match kind {
        DefectKind::Scratch => scratch::scratch(&mut overlay, rng),
        DefectKind::Stain => blob::blob(&mut overlay, rng, false),
        DefectKind::Hole => blob::blob(&mut overlay, rng, true),
        _ => return None,
    }
    Some(overlay.photo)
}

impl Overlay<'_> {
    /// Blends `stroke(dx, dy)` = (share, colour) over the product's pixels within `reach` of the
    /// place, in whole 8-bit levels.
    pub(super) fn paint(&mut self, reach: f32, stroke: impl Fn(f32, f32) -> (f32, [f32; 3])) {
        for y in 0..self.photo.height {
            for x in 0..self.photo.width {
                let (dx, dy) = (
                    x as f32 + 0.5 - self.centre[0],
                    y as f32 + 0.5 - self.centre[1],
                );
                if dx * dx + dy * dy > reach * reach || !self.product[y * self.photo.width + x] {
                    continue;
                }
                let (share, colour) = stroke(dx, dy);
                if share > 0.0 {
                    let below = self.photo.pixel(x, y);
                    let mixed = std::array::from_fn(|channel| {
                        let level = below[channel] + (colour[channel] - below[channel]) * share;
                        (level.clamp(0.0, 1.0) * 255.0).round() / 255.0
                    });
                    self.photo.set_pixel(x, y, mixed);
                }
            }
        }
    }
}
