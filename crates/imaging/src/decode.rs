use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::{ImagingError, Mask, Photo, complete};

/// What is refused before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Longest side, in pixels.
    pub max_side: u32,
    /// Largest area, in pixels.
    pub max_pixels: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_side: 16_384,
            max_pixels: 100_000_000,
        }
    }
}

/// Decodes PNG, JPEG (CMYK too), WebP or BMP of any colour type, turned upright by EXIF; transparency is laid over white.
///
/// JPEG has no checksum: where its data are damaged or end early, but the end marker is there, the missing part of the
/// photo is grey, as in a browser.
///
/// # Errors
/// Formats that are not read, damaged or cut bytes, and photos beyond the limits.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Photo, ImagingError> {
    let picture = open(bytes, limits)?.into_rgba16();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let area = width * height;
    let mut photo = Photo::new(width, height);
    for (at, pixel) in picture.pixels().enumerate() {
        let alpha = f32::from(pixel[3]) / 65_535.0;
        for channel in 0..3 {
            photo.data[channel * area + at] =
                f32::from(pixel[channel]) / 65_535.0 * alpha + (1.0 - alpha);
        }
    }
    Ok(photo)
}

/// Decodes a mask: the set holds the pixels brighter than 127 of 255.
///
/// # Errors
/// As [`decode`].
pub fn decode_mask(bytes: &[u8], limits: &DecodeLimits) -> Result<Mask, ImagingError> {
    brighter_than(127, bytes, limits)
}

/// Decodes a mask of numbered defects, as VisA has: the set holds the pixels that are not 0.
///
/// # Errors
/// As [`decode`].
pub fn decode_labels(bytes: &[u8], limits: &DecodeLimits) -> Result<Mask, ImagingError> {
    brighter_than(0, bytes, limits)
}

fn brighter_than(level: u8, bytes: &[u8], limits: &DecodeLimits) -> Result<Mask, ImagingError> {
    let grey = open(bytes, limits)?.into_luma8();
    let data = grey.pixels().map(|pixel| pixel[0] > level).collect();
    Ok(Mask {
        width: grey.width() as usize,
        height: grey.height() as usize,
        data,
    })
}

fn open(bytes: &[u8], limits: &DecodeLimits) -> Result<DynamicImage, ImagingError> {
    let format = format_of(bytes)?;
    let damaged = |error: image::ImageError| ImagingError::Damaged {
        reason: error.to_string(),
    };
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > limits.max_side
        || height > limits.max_side
        || pixels > limits.max_pixels
        || pixels == 0
    {
        let DecodeLimits {
            max_side,
            max_pixels,
        } = *limits;
        return Err(ImagingError::TooLarge {
            width,
            height,
            max_side,
            max_pixels,
        });
    }
    let mut memory = Limits::default();
    // Four channels of 16 bits, twice: the decoder's buffer and the converted picture.
    memory.max_alloc = Some(limits.max_pixels.saturating_mul(16));
    decoder.set_limits(memory).map_err(damaged)?;
    let orientation = orientation_of(bytes)
        .or_else(|| decoder.orientation().ok())
        .unwrap_or(Orientation::NoTransforms);
    let whole = match format {
        ImageFormat::Jpeg => complete::jpeg(bytes),
        ImageFormat::WebP => complete::webp(bytes),
        _ => true,
    };
    if !whole {
        return Err(ImagingError::Damaged {
            reason: "the file ends early".into(),
        });
    }
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn orientation_of(bytes: &[u8]) -> Option<Orientation> {
    let exif = exif::Reader::new()
        .read_from_container(&mut Cursor::new(bytes))
        .ok()?;
    let value = exif
        .get_field(exif::Tag::Orientation, exif::In::PRIMARY)?
        .value
        .get_uint(0)?;
    Orientation::from_exif(u8::try_from(value).ok()?)
}

fn format_of(bytes: &[u8]) -> Result<ImageFormat, ImagingError> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Ok(ImageFormat::Png),
        [0xff, 0xd8, ..] => Ok(ImageFormat::Jpeg),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Ok(ImageFormat::WebP),
        [a, b, c, d, b'f', b't', b'y', b'p', brands @ ..] => Err(ImagingError::UnsupportedFormat {
            // The main brand, a version, then all that the file is compatible with.
            format: if brands
                .chunks_exact(4)
                .take(u32::from_be_bytes([*a, *b, *c, *d]) as usize / 4)
                .any(|brand| brand == b"avif" || brand == b"avis")
            {
                "AVIF"
            } else {
                "HEIC"
            },
        }),
        [b'G', b'I', b'F', ..] => Err(ImagingError::UnsupportedFormat { format: "GIF" }),
        [b'B', b'M', ..] => Ok(ImageFormat::Bmp),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => {
            Err(ImagingError::UnsupportedFormat { format: "TIFF" })
        }
        [] => Err(ImagingError::Damaged {
            reason: "the file is empty".into(),
        }),
        _ => Err(ImagingError::Damaged {
            reason: "its first bytes are those of no known format".into(),
        }),
    }
}
