use crate::colour::srgb_to_lab;
use crate::{Mask, Photo};

/// How the part is told from its background (METHOD § 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ForegroundMode {
    /// [`ForegroundMode::Otsu`], or the whole photo where that fits no part on a background.
    #[default]
    Auto,
    /// Otsu's threshold on the distance to the border's colour.
    Otsu,
    /// The whole photo.
    Full,
}

/// Otsu's threshold: of 256 levels between the smallest and the largest value, the one that parts them best.
pub fn otsu(values: &[f32]) -> f32 {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if values.is_empty() || high - low <= 0.0 || !(high - low).is_finite() {
        return high.max(0.0);
    }
    let mut histogram = [0u64; 256];
    for value in values {
        histogram[(((value - low) / (high - low) * 255.0) as usize).min(255)] += 1;
    }
    let total = values.len() as f64;
    let whole: f64 = histogram
        .iter()
        .enumerate()
        .map(|(level, &count)| level as f64 * count as f64)
        .sum();
    let (mut below, mut sum_below, mut best, mut best_level) = (0.0, 0.0, -1.0, 0);
    for (level, &count) in histogram.iter().enumerate() {
        below += count as f64;
        sum_below += level as f64 * count as f64;
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let gap = sum_below / below - (whole - sum_below) / above;
        let variance = below * above * gap * gap;
        if variance > best {
            (best, best_level) = (variance, level);
        }
    }
    low + (best_level as f32 + 1.0) / 256.0 * (high - low)
}

/// The pixels of the part.
pub fn foreground(photo: &Photo, mode: ForegroundMode) -> Mask {
    let full = Mask {
        width: photo.width,
        height: photo.height,
        data: vec![true; photo.width * photo.height],
    };
    if mode == ForegroundMode::Full || full.data.is_empty() {
        return full;
    }
    let distance = distance_to_border(photo);
    let threshold = otsu(&distance);
    let mask = Mask {
        data: distance.iter().map(|&d| d > threshold).collect(),
        ..full
    };
    if mode == ForegroundMode::Auto && !fits_a_part(&mask) {
        return Mask {
            data: vec![true; mask.data.len()],
            ..mask
        };
    }
    mask
}

fn border(width: usize, height: usize) -> impl Iterator<Item = usize> {
    (0..width * height).filter(move |at| {
        let (x, y) = (at % width, at / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    })
}

/// CIELAB distance to the border's median colour.
fn distance_to_border(photo: &Photo) -> Vec<f32> {
    let lab = srgb_to_lab(photo);
    let area = photo.width * photo.height;
    let median = |channel: usize| {
        let mut values: Vec<f32> = border(photo.width, photo.height)
            .map(|at| lab[channel * area + at])
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        values[values.len() / 2]
    };
    let colour = [median(0), median(1), median(2)];
    (0..area)
        .map(|at| {
            (0..3)
                .map(|channel| (lab[channel * area + at] - colour[channel]).powi(2))
                .sum::<f32>()
                .sqrt()
        })
        .collect()
}

/// 5 to 90 % of the photo, and on at most half of its border.
fn fits_a_part(mask: &Mask) -> bool {
    let share = mask.count() as f32 / mask.data.len() as f32;
    let (touching, length) = border(mask.width, mask.height).fold((0, 0), |(hit, all), at| {
        (hit + usize::from(mask.data[at]), all + 1)
    });
    (0.05..=0.9).contains(&share) && 2 * touching <= length
}
