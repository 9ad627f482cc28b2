//! Pictures for people: heat maps, overlays, contours, legends and captioned panels.

mod font;
mod palette;
mod panel;

pub use palette::{colour_of, legend};
pub use panel::{Cell, panel};

use crate::encode::byte;
use crate::{Map, Mask, Photo, resize_bilinear_map};

/// Colour of an outline.
const OUTLINE: [f32; 3] = [1.0, 0.25, 0.1];

/// A map as colours, on a scale tied to the threshold and never to the picture: 0 is the dark end, the threshold the
/// middle, twice the threshold and above the bright end.
pub fn heat_map(map: &Map, threshold: f32) -> Photo {
    let scale = 0.5 / threshold.max(f32::MIN_POSITIVE);
    Photo::from_fn(map.width, map.height, |x, y| {
        colour_of(map.at(x, y) * scale)
    })
}

/// How much of the photo a heat map covers at a value, 0..1: calm places stay clear.
fn cover(value: f32, threshold: f32) -> f32 {
    (value / threshold.max(f32::MIN_POSITIVE) * 0.8).clamp(0.0, 1.0)
}

/// The colours of [`heat_map`] as 8-bit RGBA whose opacity says how much of the photo they cover, for
/// laying over a photo elsewhere: `[H, W, 4]`.
pub fn heat_map_rgba(map: &Map, threshold: f32) -> Vec<u8> {
    let mut rgba = heat_map(map, threshold).to_rgba8();
    for (pixel, value) in rgba.chunks_exact_mut(4).zip(&map.data) {
        pixel[3] = byte(cover(*value, threshold));
    }
    rgba
}

/// The outline of all places above the threshold as 8-bit RGBA, transparent elsewhere: `[H, W, 4]`.
pub fn contour_rgba(map: &Map, threshold: f32) -> Vec<u8> {
    let above = Mask {
        width: map.width,
        height: map.height,
        data: map.data.iter().map(|value| *value > threshold).collect(),
    };
    let on_outline = outline(&above);
    let colour = OUTLINE.map(byte);
    let pixel = |&drawn: &bool| [colour[0], colour[1], colour[2], if drawn { 255 } else { 0 }];
    on_outline.data.iter().flat_map(pixel).collect()
}

/// The heat map over the photo; `opacity` 0..1 is that of the brightest places, calm places stay clear.
pub fn overlay(photo: &Photo, map: &Map, threshold: f32, opacity: f32) -> Photo {
    let map = resize_bilinear_map(map, photo.width, photo.height);
    let heat = heat_map(&map, threshold);
    Photo::from_fn(photo.width, photo.height, |x, y| {
        let weight = opacity * cover(map.at(x, y), threshold);
        let (under, over) = (photo.pixel(x, y), heat.pixel(x, y));
        [0, 1, 2].map(|channel| under[channel] * (1.0 - weight) + over[channel] * weight)
    })
}

/// The photo with the outline of a mask of the same size, two pixels wide.
pub fn contour(photo: &Photo, mask: &Mask, colour: [f32; 3]) -> Photo {
    let drawn = outline(mask);
    let mut out = photo.clone();
    for y in 0..photo.height.min(mask.height) {
        for x in 0..photo.width.min(mask.width) {
            if drawn.at(x, y) {
                out.set_pixel(x, y, colour);
            }
        }
    }
    out
}

/// The border of a mask, two pixels wide.
fn outline(mask: &Mask) -> Mask {
    let (outer, inner) = (crate::dilate(mask, 1, 1), crate::erode(mask, 1, 1));
    Mask::from_fn(mask.width, mask.height, |x, y| {
        outer.at(x, y) && !inner.at(x, y)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heat_map_covers_nothing_where_it_is_calm_and_all_above_the_threshold() {
        let map = Map::from_fn(3, 1, |x, _| [0.0, 1.0, 4.0][x]);
        let rgba = heat_map_rgba(&map, 2.0);
        assert_eq!([rgba[3], rgba[7], rgba[11]], [0, 102, 255]);
        let bright = colour_of(1.0).map(byte);
        assert_eq!(rgba[8..11], bright);
    }

    #[test]
    fn a_contour_goes_around_what_is_above_the_threshold() {
        let map = Map::from_fn(9, 9, |x, y| {
            if (2..7).contains(&x) && (2..7).contains(&y) {
                3.0
            } else {
                1.0
            }
        });
        let rgba = contour_rgba(&map, 2.0);
        let opaque = |x: usize, y: usize| rgba[4 * (y * 9 + x) + 3] == 255;
        assert!(opaque(1, 4) && opaque(2, 4) && opaque(7, 4));
        assert!(!opaque(4, 4) && !opaque(0, 0));
    }
}
