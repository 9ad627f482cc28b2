use crate::parallel::for_each_chunk;
use crate::{Map, Photo};

/// The size with the longer side at `longer` pixels and the aspect kept, each side at least 1.
pub fn fit_longer_side(width: usize, height: usize, longer: usize) -> (usize, usize) {
    let scale = longer as f64 / width.max(height).max(1) as f64;
    let side = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    (side(width), side(height))
}

/// The weights of the source pixels that make one pixel: their first index, and a weight for each.
struct Tap {
    start: usize,
    weights: Vec<f32>,
}

/// Pillow's `precompute_coeffs`: the kernel is widened by the reduction, so that reducing averages.
fn taps(size: usize, out: usize, support: f64, kernel: impl Fn(f64) -> f64) -> Vec<Tap> {
    let scale = size as f64 / out as f64;
    let widen = scale.max(1.0);
    let reach = support * widen;
    (0..out)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let start = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize)
                .min(size)
                .max(start + 1)
                .min(size.max(1));
            let start = start.min(end - 1);
            let raw: Vec<f64> = (start..end)
                .map(|i| kernel((i as f64 - centre + 0.5) / widen))
                .collect();
            let sum: f64 = raw.iter().sum();
            Tap {
                start,
                weights: raw.iter().map(|weight| (weight / sum) as f32).collect(),
            }
        })
        .collect()
}

fn lanczos3(x: f64) -> f64 {
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI)
        }
    };
    if x.abs() < 3.0 {
        sinc(x) * sinc(x / 3.0)
    } else {
        0.0
    }
}

fn resample(
    planes: &[f32],
    [width, height]: [usize; 2],
    columns: &[Tap],
    rows: &[Tap],
) -> Vec<f32> {
    let (out_width, out_height) = (columns.len(), rows.len());
    let channels = planes.len() / (width * height).max(1);
    let mut narrow = vec![0.0f32; channels * height * out_width];
    for_each_chunk(&mut narrow, out_width, |row, out| {
        let source = &planes[row * width..(row + 1) * width];
        for (value, tap) in out.iter_mut().zip(columns) {
            *value = tap
                .weights
                .iter()
                .zip(&source[tap.start..])
                .map(|(weight, pixel)| weight * pixel)
                .sum();
        }
    });
    let mut result = vec![0.0f32; channels * out_height * out_width];
    for_each_chunk(&mut result, out_width, |index, out| {
        let (channel, row) = (index / out_height, index % out_height);
        let tap = &rows[row];
        for (offset, weight) in tap.weights.iter().enumerate() {
            let from = (channel * height + tap.start + offset) * out_width;
            for (value, pixel) in out.iter_mut().zip(&narrow[from..from + out_width]) {
                *value += weight * pixel;
            }
        }
    });
    result
}

/// Resizes as Pillow's `LANCZOS` does on f32 planes (antialiased when reducing), clamped to 0..1 at the end. On 8-bit
/// photos Pillow clamps and rounds after each direction, which differs at edges between black and white.
///
/// # Shapes
/// `[3, H, W]` to `[3, height, width]`; sizes of 0 count as 1.
pub fn resize_lanczos(photo: &Photo, width: usize, height: usize) -> Photo {
    let (width, height) = (width.max(1), height.max(1));
    if (width, height) == (photo.width, photo.height) {
        return photo.clone();
    }
    let columns = taps(photo.width, width, 3.0, lanczos3);
    let rows = taps(photo.height, height, 3.0, lanczos3);
    let mut data = resample(&photo.data, [photo.width, photo.height], &columns, &rows);
    data.iter_mut()
        .for_each(|value| *value = value.clamp(0.0, 1.0));
    Photo {
        width,
        height,
        data,
    }
}

/// The two source pixels and the second's weight, as `torch.nn.functional.interpolate(mode="bilinear",
/// align_corners=False)` picks them: no antialiasing.
fn bilinear_taps(size: usize, out: usize) -> Vec<Tap> {
    let scale = size as f32 / out as f32;
    (0..out)
        .map(|index| {
            let place = ((index as f32 + 0.5) * scale - 0.5).max(0.0);
            let start = (place as usize).min(size - 1);
            if start + 1 >= size {
                return Tap {
                    start,
                    weights: vec![1.0],
                };
            }
            let weight = place - start as f32;
            Tap {
                start,
                weights: vec![1.0 - weight, weight],
            }
        })
        .collect()
}

/// Resizes planes as torch's bilinear interpolation does (`align_corners=False`, no antialiasing).
///
/// # Shapes
/// `[c, h, w]` to `[c, out_height, out_width]`; no size may be 0.
pub fn resize_bilinear_planes(
    planes: &[f32],
    channels: usize,
    height: usize,
    width: usize,
    out_height: usize,
    out_width: usize,
) -> Vec<f32> {
    debug_assert_eq!(planes.len(), channels * height * width);
    if (height, width) == (out_height, out_width) {
        return planes.to_vec();
    }
    resample(
        planes,
        [width, height],
        &bilinear_taps(width, out_width),
        &bilinear_taps(height, out_height),
    )
}

/// Keys' cubic convolution kernel with the parameter `a`.
fn cubic(a: f64) -> impl Fn(f64) -> f64 {
    move |x| {
        let x = x.abs();
        if x < 1.0 {
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
        } else {
            0.0
        }
    }
}

/// The four source pixels around a place and their weights, as `torch.nn.functional.interpolate(mode="bicubic",
/// align_corners=False)` picks them: those beyond the border are the border's, no antialiasing.
fn bicubic_taps(size: usize, out: usize) -> Vec<Tap> {
    let kernel = cubic(-0.75);
    let scale = size as f64 / out as f64;
    let last = size as i64 - 1;
    (0..out)
        .map(|index| {
            let place = (index as f64 + 0.5) * scale - 0.5;
            let before = place.floor() as i64;
            let inside = |pixel: i64| pixel.clamp(0, last);
            let start = inside(before - 1);
            let mut weights = vec![0.0; (inside(before + 2) - start + 1) as usize];
            for pixel in before - 1..=before + 2 {
                weights[(inside(pixel) - start) as usize] += kernel(pixel as f64 - place);
            }
            Tap {
                start: start as usize,
                weights: weights.iter().map(|weight| *weight as f32).collect(),
            }
        })
        .collect()
}

/// Resizes planes as torch's bicubic interpolation does (`align_corners=False`). With `antialias` its
/// kernel is Pillow's: another parameter (−0.5 instead of −0.75), widened where it reduces, and cut at the border.
///
/// # Shapes
/// `[c, h, w]` to `[c, out_height, out_width]`; no size may be 0.
pub fn resize_bicubic_planes(
    planes: &[f32],
    channels: usize,
    [height, width]: [usize; 2],
    [out_height, out_width]: [usize; 2],
    antialias: bool,
) -> Vec<f32> {
    debug_assert_eq!(planes.len(), channels * height * width);
    if (height, width) == (out_height, out_width) {
        return planes.to_vec();
    }
    let weights = |size, out| {
        if antialias {
            taps(size, out, 2.0, cubic(-0.5))
        } else {
            bicubic_taps(size, out)
        }
    };
    resample(
        planes,
        [width, height],
        &weights(width, out_width),
        &weights(height, out_height),
    )
}

/// [`resize_bilinear_planes`] of a map.
pub fn resize_bilinear_map(map: &Map, width: usize, height: usize) -> Map {
    let data = resize_bilinear_planes(&map.data, 1, map.height, map.width, height, width);
    Map {
        width,
        height,
        data,
    }
}
