//! From what was painted to a repaired photo: colour drift, halo, compositing.

use anomalysd_imaging::{Mask, Photo, dilate};

use crate::masks::Pass;
use crate::options::RepairOptions;

/// Share of the painted pixel in the repaired photo: 1 in the cores, falling linearly through the halo,
/// 0 outside the hidden set.
///
/// # Shapes
/// `[H, W]` of the unpadded photo, row-major; `halo` in pixels.
pub fn blend_weights(pass: &Pass, halo: usize) -> Vec<f32> {
    let distances = distance_to(&pass.cores);
    let weight = |(&distance, &hidden): (&u32, &bool)| match (distance, hidden) {
        (0, _) => 1.0,
        (_, false) => 0.0,
        // The distance is to a pixel's centre; the outer edge of the halo is half a pixel further.
        (distance, true) => (1.0 - (distance as f32 - 0.5) / halo.max(1) as f32).clamp(0.0, 1.0),
    };
    distances
        .iter()
        .zip(&pass.hidden.data)
        .map(weight)
        .collect()
}

/// Chessboard distance of each pixel to the nearest set one, 0 in the mask.
fn distance_to(mask: &Mask) -> Vec<u32> {
    let (width, height) = (mask.width, mask.height);
    let far = (width + height) as u32;
    let mut distances: Vec<u32> = mask
        .data
        .iter()
        .map(|&set| if set { 0 } else { far })
        .collect();
    let mut relax = |at: (usize, usize), neighbours: [(isize, isize); 4]| {
        for (dx, dy) in neighbours {
            let (x, y) = (at.0 as isize + dx, at.1 as isize + dy);
            if (0..width as isize).contains(&x) && (0..height as isize).contains(&y) {
                let through = distances[y as usize * width + x as usize] + 1;
                let slot = &mut distances[at.1 * width + at.0];
                *slot = (*slot).min(through);
            }
        }
    };
    for y in 0..height {
        for x in 0..width {
            relax((x, y), [(-1, 0), (-1, -1), (0, -1), (1, -1)]);
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            relax((x, y), [(1, 0), (1, 1), (0, 1), (-1, 1)]);
        }
    }
    distances
}

/// Colour drift per channel: the median of `original − painted` over visible pixels near the hidden set;
/// 0 where too few are visible or the correction is off.
pub fn colour_drift(
    original: &Photo,
    painted: &Photo,
    hidden: &Mask,
    options: &RepairOptions,
) -> [f32; 3] {
    if !options.drift_correction {
        return [0.0; 3];
    }
    let near = dilate(hidden, options.drift_radius, options.drift_radius);
    let visible: Vec<usize> = (0..near.data.len())
        .filter(|&pixel| near.data[pixel] && !hidden.data[pixel])
        .collect();
    if visible.is_empty() || visible.len() < options.drift_min_pixels {
        return [0.0; 3];
    }
    let plane = original.width * original.height;
    [0, 1, 2].map(|channel| {
        let difference = |&pixel: &usize| {
            original.data[channel * plane + pixel] - painted.data[channel * plane + pixel]
        };
        let mut differences: Vec<f32> = visible.iter().map(difference).collect();
        let middle = differences.len() / 2;
        *differences.select_nth_unstable_by(middle, f32::total_cmp).1
    })
}

/// What was painted, with details of the same size (below and above 0) that are added to it; within 0..1.
pub fn with_details(painted: &Photo, details: &Photo) -> Photo {
    let pairs = painted.data.iter().zip(&details.data);
    Photo {
        data: pairs
            .map(|(painted, detail)| (painted + detail).clamp(0.0, 1.0))
            .collect(),
        ..*painted
    }
}

/// The repaired photo: painted pixels, corrected for drift, blended over the original by `weights`.
/// Where a weight is 0 the original stays bit for bit; where it is 1 nothing of it is left.
///
/// # Shapes
/// `original`, `painted`: unpadded, `[3, H, W]`, 0..1; `weights`: `[H, W]`, 0..1.
pub fn composite(original: &Photo, painted: &Photo, weights: &[f32], drift: [f32; 3]) -> Photo {
    let plane = original.width * original.height;
    let mut repaired = original.clone();
    for (channel, shift) in drift.into_iter().enumerate() {
        for (pixel, &weight) in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0)
        {
            let at = channel * plane + pixel;
            let new = (painted.data[at] + shift).clamp(0.0, 1.0);
            let old = original.data[at];
            // `old + 1·(new − old)` is not always `new` in floating point.
            repaired.data[at] = if weight >= 1.0 {
                new
            } else {
                old + weight * (new - old)
            };
        }
    }
    repaired
}
