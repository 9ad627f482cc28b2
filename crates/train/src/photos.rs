//! Free photographs as training pictures: random crops at random scales.

use std::path::Path;

use anomalysd_imaging::{DecodeLimits, Photo, decode, resize_lanczos};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::error::io;
use crate::{Result, TrainError};

/// A generator for one sample: depends on the seed, the purpose and the sample's number alone.
pub fn sample_rng(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ anomalysd_diffusion::noise::stream_of(purpose));
    rng.set_stream(index);
    rng
}

/// Uniform in [0, 1).
pub fn unit(rng: &mut impl RngCore) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Uniform in [low, high).
pub fn between(rng: &mut impl RngCore, low: f32, high: f32) -> f32 {
    low + (high - low) * unit(rng)
}

/// Uniform below `count`, which is at least 1.
pub fn below(rng: &mut impl RngCore, count: usize) -> usize {
    (rng.next_u64() % count.max(1) as u64) as usize
}

/// All PNG, JPEG and WebP files of a folder, by name.
///
/// # Errors
/// A folder that cannot be listed, or without any photograph that can be decoded.
pub fn read_folder(folder: &Path) -> Result<Vec<Photo>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .map_err(io("list", folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or("")
                .to_ascii_lowercase();
            ["png", "jpg", "jpeg", "webp"].contains(&extension.as_str())
        })
        .collect();
    paths.sort();
    let mut photos = Vec::new();
    for path in &paths {
        let bytes = std::fs::read(path).map_err(io("read", path))?;
        if let Ok(photo) = decode(&bytes, &DecodeLimits::default()) {
            photos.push(photo);
        }
    }
    if photos.is_empty() {
        return Err(TrainError::NoPhotos {
            path: folder.to_owned(),
        });
    }
    Ok(photos)
}

/// A square part of `photo`.
pub fn crop(photo: &Photo, x: usize, y: usize, width: usize, height: usize) -> Photo {
    let mut part = Photo::new(width, height);
    for channel in 0..3 {
        for row in 0..height {
            let from = (channel * photo.height + y + row) * photo.width + x;
            let to = (channel * height + row) * width;
            part.data[to..to + width].copy_from_slice(&photo.data[from..from + width]);
        }
    }
    part
}

/// A `size`×`size` picture from a random place of a random photo, reduced by a random factor of
/// up to 4, with random turns and colours.
pub fn random_crop(photos: &[Photo], size: usize, rng: &mut ChaCha8Rng) -> Photo {
    let photo = &photos[below(rng, photos.len())];
    let largest = photo.width.min(photo.height);
    let factor = between(rng, 0.0, 1.0).powi(2) * 3.0 + 1.0;
    let side = ((size as f32 * factor) as usize).clamp(1, largest);
    let (x, y) = (
        below(rng, photo.width - side + 1),
        below(rng, photo.height - side + 1),
    );
    let part = crop(photo, x, y, side, side);
    let part = if side == size {
        part
    } else {
        resize_lanczos(&part, size, size)
    };
    recolour(turn(part, below(rng, 8)), rng)
}

/// One of the eight symmetries of the square.
pub fn turn(photo: Photo, which: usize) -> Photo {
    if which == 0 {
        return photo;
    }
    let side = photo.width;
    let mut turned = Photo::new(side, side);
    for channel in 0..3 {
        let plane = channel * side * side;
        for y in 0..side {
            for x in 0..side {
                let (mut u, mut v) = if which & 4 == 0 { (x, y) } else { (y, x) };
                if which & 1 != 0 {
                    u = side - 1 - u;
                }
                if which & 2 != 0 {
                    v = side - 1 - v;
                }
                turned.data[plane + y * side + x] = photo.data[plane + v * side + u];
            }
        }
    }
    turned
}

/// Random contrast, brightness, saturation and order of the channels.
fn recolour(mut photo: Photo, rng: &mut ChaCha8Rng) -> Photo {
    let plane = photo.width * photo.height;
    let contrast = between(rng, 0.5, 1.3);
    let brightness = between(rng, -0.15, 0.15);
    let saturation = if unit(rng) < 0.3 {
        0.0
    } else {
        between(rng, 0.3, 1.2)
    };
    let order = below(rng, 3);
    for i in 0..plane {
        let pixel: [f32; 3] = std::array::from_fn(|c| photo.data[c * plane + i]);
        let grey = (pixel[0] + pixel[1] + pixel[2]) / 3.0;
        for c in 0..3 {
            let value = grey + (pixel[(c + order) % 3] - grey) * saturation;
            photo.data[c * plane + i] =
                ((value - 0.5) * contrast + 0.5 + brightness).clamp(0.0, 1.0);
        }
    }
    photo
}
