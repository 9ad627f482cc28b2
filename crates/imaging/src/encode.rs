use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::{Map, Mask, Photo};

fn byte(value: f32) -> u8 {
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
