use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::{DecodeLimits, Map, Mask, Photo, decode};

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

/// 8-bit RGB, `[height, width, 3]`.
fn rgb(photo: &Photo) -> Vec<u8> {
    let area = photo.width * photo.height;
    (0..area)
        .flat_map(|at| [0, 1, 2].map(|channel| byte(photo.data[channel * area + at])))
        .collect()
}

/// An 8-bit RGB PNG; empty for a photo without pixels.
pub fn encode_png(photo: &Photo) -> Vec<u8> {
    let bytes = rgb(photo);
    png(&bytes, photo.width, photo.height, ExtendedColorType::Rgb8)
}

/// The photo after it was stored as a JPEG of a quality from 1 to 100: its blocks, blurred colours and ringing.
/// A photo that JPEG cannot hold (without pixels, a side above 65,535) stays as it is.
pub fn through_jpeg(photo: &Photo, quality: u8) -> Photo {
    let (Ok(width), Ok(height)) = (u16::try_from(photo.width), u16::try_from(photo.height)) else {
        return photo.clone();
    };
    let mut bytes = Vec::new();
    let written = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100)).write_image(
        &rgb(photo),
        u32::from(width),
        u32::from(height),
        ExtendedColorType::Rgb8,
    );
    let limits = DecodeLimits {
        max_side: u32::from(u16::MAX),
        max_pixels: u64::MAX,
    };
    match written.map(|()| decode(&bytes, &limits)) {
        Ok(Ok(read)) => read,
        _ => photo.clone(),
    }
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
    fn jpeg_noise_grows_as_quality_falls_and_an_empty_photo_stays() {
        let photo = Photo::from_fn(37, 21, |x, y| {
            let wave = 0.5 + 0.4 * ((x * 3 + y * 5) as f32 * 0.3).sin();
            [wave, 0.5, 1.0 - wave]
        });
        let error = |quality| {
            let read = through_jpeg(&photo, quality);
            assert_eq!((read.width, read.height), (37, 21));
            let pairs = read.data.iter().zip(&photo.data);
            pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / photo.data.len() as f32
        };
        let errors = [95, 75, 30].map(error);
        assert!(
            errors[0] > 0.0 && errors[0] < errors[1] && errors[1] < errors[2] && errors[2] < 0.2,
            "{errors:?}"
        );
        assert_eq!(through_jpeg(&photo, 75), through_jpeg(&photo, 75));
        let empty = Photo::new(0, 0);
        assert_eq!(through_jpeg(&empty, 75), empty);
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
