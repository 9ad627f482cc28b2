use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::{Map, Mask, Photo};

/// 0..1 as a level of 0..255.
pub(crate) fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn png(bytes: &[u8], width: usize, height: usize, colour: ExtendedColorType) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = PngEncoder::new(&mut out).write_image(bytes, width as u32, height as u32, colour);
    debug_assert!(
        encoded.is_ok(),
        "writing to memory fails only for mismatched sizes"
    );
    out
}

/// An 8-bit RGB PNG; empty for a photo without pixels.
pub fn encode_png(photo: &Photo) -> Vec<u8> {
    let area = photo.width * photo.height;
    let bytes: Vec<u8> = (0..area)
        .flat_map(|at| [0, 1, 2].map(|channel| byte(photo.data[channel * area + at])))
        .collect();
    png(&bytes, photo.width, photo.height, ExtendedColorType::Rgb8)
}

/// A grey PNG: 255 in the set, 0 outside.
pub fn encode_png_mask(mask: &Mask) -> Vec<u8> {
    let bytes: Vec<u8> = mask
        .data
        .iter()
        .map(|&set| if set { 255 } else { 0 })
        .collect();
    png(&bytes, mask.width, mask.height, ExtendedColorType::L8)
}

/// A grey PNG of a map in 0..1.
pub fn encode_png_map(map: &Map) -> Vec<u8> {
    let bytes: Vec<u8> = map.data.iter().map(|&value| byte(value)).collect();
    png(&bytes, map.width, map.height, ExtendedColorType::L8)
}

/// A 16-bit grey PNG: `value / max` in 0..1 becomes 0..65,535. What is above `max` is white, what
/// is negative or no number black; with a `max` that is not positive, all of it is black.
pub fn encode_png_map16(map: &Map, max: f32) -> Vec<u8> {
    let level = |value: f32| {
        if max > 0.0 {
            ((value / max).clamp(0.0, 1.0) * 65535.0).round() as u16
        } else {
            0
        }
    };
    let bytes: Vec<u8> = map
        .data
        .iter()
        .flat_map(|&value| level(value).to_ne_bytes())
        .collect();
    png(&bytes, map.width, map.height, ExtendedColorType::L16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_16_bit_map_comes_back_to_half_a_level() {
        let (width, height, max) = (7, 3, 0.31);
        let map = Map::from_fn(width, height, |x, y| (y * width + x) as f32 * 0.0155);
        let read = image::load_from_memory(&encode_png_map16(&map, max)).unwrap();
        assert_eq!(read.color(), image::ColorType::L16);
        let read = read.into_luma16();
        assert_eq!(read.dimensions(), (width as u32, height as u32));
        for (level, value) in read.iter().zip(&map.data) {
            let back = f32::from(*level) / 65535.0 * max;
            assert!(
                (back - value).abs() <= 0.51 / 65535.0 * max,
                "{back} {value}"
            );
        }
    }

    #[test]
    fn values_beyond_the_range_end_at_its_borders() {
        let values = [-1.0, 0.0, 2.0, 5.0, f32::INFINITY, f32::NAN];
        let map = Map::from_fn(values.len(), 1, |x, _| values[x]);
        let levels = |max| {
            let read = image::load_from_memory(&encode_png_map16(&map, max)).unwrap();
            read.into_luma16().into_raw()
        };
        assert_eq!(levels(2.0), [0, 0, 65535, 65535, 65535, 0]);
        assert_eq!(levels(0.0), [0; 6]);
        assert_eq!(levels(f32::NAN), [0; 6]);
    }
}
