//! Pictures for people: heat maps, overlays, contours, legends and captioned panels.

mod font;
mod palette;
mod panel;

pub use palette::{colour_of, legend};
pub use panel::{Cell, panel};

use crate::{Map, Mask, Photo, resize_bilinear_map};

/// A map as colours, on a scale tied to the threshold and never to the picture: 0 is the dark end, the threshold the
/// middle, twice the threshold and above the bright end.
pub fn heat_map(map: &Map, threshold: f32) -> Photo {
    let scale = 0.5 / threshold.max(f32::MIN_POSITIVE);
    Photo::from_fn(map.width, map.height, |x, y| {
        colour_of(map.at(x, y) * scale)
    })
}

/// The heat map over the photo; `opacity` 0..1 is that of the brightest places, calm places stay clear.
pub fn overlay(photo: &Photo, map: &Map, threshold: f32, opacity: f32) -> Photo {
    let map = resize_bilinear_map(map, photo.width, photo.height);
    let heat = heat_map(&map, threshold);
    Photo::from_fn(photo.width, photo.height, |x, y| {
        let weight =
            opacity * (map.at(x, y) / threshold.max(f32::MIN_POSITIVE) * 0.8).clamp(0.0, 1.0);
        let (under, over) = (photo.pixel(x, y), heat.pixel(x, y));
        [0, 1, 2].map(|channel| under[channel] * (1.0 - weight) + over[channel] * weight)
    })
}

/// The photo with the outline of a mask of the same size, two pixels wide.
pub fn contour(photo: &Photo, mask: &Mask, colour: [f32; 3]) -> Photo {
    let outer = crate::dilate(mask, 1, 1);
    let inner = crate::erode(mask, 1, 1);
    let mut out = photo.clone();
    for y in 0..photo.height.min(mask.height) {
        for x in 0..photo.width.min(mask.width) {
            if outer.at(x, y) && !inner.at(x, y) {
                out.set_pixel(x, y, colour);
            }
        }
    }
    out
}
