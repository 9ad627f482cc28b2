//! Views of a good photo that are still good: what k = 1 is calibrated on.

use anomalysd_imaging::{Photo, resize_lanczos};

/// Shifts in pixels at 256; none a multiple of a feature stride.
const SHIFTS: [(f32, f32); 3] = [(5.0, 3.0), (-3.0, 7.0), (-7.0, -5.0)];
/// Scales, 1 ± 5 %.
const SCALES: [f32; 2] = [1.05, 0.95];
/// Brightness, 1 ± 5 %.
const GAINS: [f32; 2] = [1.05, 0.95];

/// Shifted, scaled and brightened views of a photo, of its own size.
pub(super) fn views(photo: &Photo) -> Vec<Photo> {
    let unit = photo.width.max(photo.height) as f32 / 256.0;
    let mut views: Vec<Photo> = SHIFTS
        .iter()
        .map(|(dx, dy)| {
            shifted(
                photo,
                (dx * unit).round() as isize,
                (dy * unit).round() as isize,
            )
        })
        .collect();
    views.extend(SCALES.iter().map(|scale| scaled(photo, *scale)));
    views.extend(GAINS.iter().map(|gain| {
        let mut view = photo.clone();
        view.data
            .iter_mut()
            .for_each(|value| *value = (*value * gain).clamp(0.0, 1.0));
        view
    }));
    views
}

/// The photo moved; what comes in from beyond the border is its mirror image.
fn shifted(photo: &Photo, dx: isize, dy: isize) -> Photo {
    Photo::from_fn(photo.width, photo.height, |x, y| {
        photo.pixel(
            mirror(x as isize - dx, photo.width),
            mirror(y as isize - dy, photo.height),
        )
    })
}

/// The photo enlarged or reduced around its centre.
fn scaled(photo: &Photo, scale: f32) -> Photo {
    let side = |length: usize| ((length as f32 * scale).round() as usize).max(1);
    let (width, height) = (side(photo.width), side(photo.height));
    let resized = resize_lanczos(photo, width, height);
    let offset = |from: usize, to: usize| (from as isize - to as isize) / 2;
    let (left, top) = (offset(width, photo.width), offset(height, photo.height));
    Photo::from_fn(photo.width, photo.height, |x, y| {
        resized.pixel(
            mirror(x as isize + left, width),
            mirror(y as isize + top, height),
        )
    })
}

fn mirror(index: isize, length: usize) -> usize {
    let last = length as isize - 1;
    let folded = if index < 0 {
        -index
    } else if index > last {
        2 * last - index
    } else {
        index
    };
    folded.clamp(0, last) as usize
}
