//! Filling hidden places smoothly from what is around them.

use crate::{Mask, Photo};

/// The photo with its hidden pixels filled by averages of what is around, coarser the farther away
/// that is. A photo that is hidden whole becomes grey.
///
/// Source: Gortler et al., "The Lumigraph", 1996 (push and pull).
pub fn fill(photo: &Photo, hidden: &Mask) -> Photo {
    let mut filled = photo.clone();
    let area = photo.width * photo.height;
    let known: Vec<f32> = hidden
        .data
        .iter()
        .map(|hidden| f32::from(u8::from(!hidden)))
        .collect();
    for plane in filled.data.chunks_exact_mut(area) {
        let pulled = pull(plane, &known, photo.width, photo.height);
        for (index, value) in plane.iter_mut().enumerate() {
            if hidden.data[index] {
                *value = pulled[index];
            }
        }
    }
    filled
}

/// Values everywhere, of which those are right whose weight is above 0.
fn pull(values: &[f32], weights: &[f32], width: usize, height: usize) -> Vec<f32> {
    if weights.iter().all(|weight| *weight > 0.0) {
        return values.to_vec();
    }
    if width == 1 && height == 1 {
        return vec![0.5];
    }
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut sums = vec![(0.0f32, 0.0f32); half_width * half_height];
    for y in 0..height {
        for x in 0..width {
            let weight = weights[y * width + x];
            let (sum, total) = &mut sums[y / 2 * half_width + x / 2];
            *sum += weight * values[y * width + x];
            *total += weight;
        }
    }
    let (coarse, coarse_weights): (Vec<f32>, Vec<f32>) = sums
        .into_iter()
        .map(|(sum, total)| match total {
            0.0 => (0.0, 0.0),
            _ => (sum / total, total.min(1.0)),
        })
        .unzip();
    let coarse = pull(&coarse, &coarse_weights, half_width, half_height);
    // Bilinear between the centres of the coarse cells.
    let at = |x: f32, y: f32| {
        let (x, y) = (
            x.clamp(0.0, (half_width - 1) as f32),
            y.clamp(0.0, (half_height - 1) as f32),
        );
        let (left, top) = (x as usize, y as usize);
        let (right, below) = (
            (left + 1).min(half_width - 1),
            (top + 1).min(half_height - 1),
        );
        let (across, down) = (x - left as f32, y - top as f32);
        let row = |y: usize| {
            let (a, b) = (
                coarse[y * half_width + left],
                coarse[y * half_width + right],
            );
            a + (b - a) * across
        };
        let (above, under) = (row(top), row(below));
        above + (under - above) * down
    };
    let mut filled = values.to_vec();
    for y in 0..height {
        for x in 0..width {
            if weights[y * width + x] == 0.0 {
                filled[y * width + x] = at(x as f32 / 2.0 - 0.25, y as f32 / 2.0 - 0.25);
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_pixels_lie_between_their_surroundings_and_others_stay() {
        let photo = Photo::from_fn(21, 13, |x, _| [x as f32 / 20.0, 0.25, 0.5]);
        let hidden = Mask::from_fn(21, 13, |x, y| (6..15).contains(&x) && (3..10).contains(&y));
        let filled = fill(&photo, &hidden);
        for y in 0..13 {
            for x in 0..21 {
                let (got, own) = (filled.pixel(x, y), photo.pixel(x, y));
                if !hidden.at(x, y) {
                    assert_eq!(got, own);
                    continue;
                }
                // A ramp is continued within a few pixels, a flat plane exactly.
                assert!((got[0] - own[0]).abs() < 0.2, "{x} {y}: {got:?}");
                assert!((got[1] - 0.25).abs() < 1e-6 && (got[2] - 0.5).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn what_is_hidden_says_nothing() {
        let hidden = Mask::from_fn(16, 16, |x, y| x > 4 && y > 9);
        let one = Photo::from_fn(16, 16, |x, y| [if hidden.at(x, y) { 0.9 } else { 0.3 }; 3]);
        let two = Photo::from_fn(16, 16, |x, y| [if hidden.at(x, y) { 0.1 } else { 0.3 }; 3]);
        assert_eq!(fill(&one, &hidden), fill(&two, &hidden));
        let all = Mask::from_fn(16, 16, |_, _| true);
        assert_eq!(fill(&one, &all).pixel(3, 3), [0.5; 3]);
    }
}
