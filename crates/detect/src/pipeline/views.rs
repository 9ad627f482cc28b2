//! Views of a good photo that are still good: what k = 1 is calibrated on (METHOD § 8).

use anomalysd_imaging::{Photo, resize_lanczos, through_jpeg};

use crate::prototypes::Turn;

/// Shifts in pixels of a photo of 256; at every size they are made odd, and feature strides are powers of two.
const SHIFTS: [(f32, f32); 3] = [(5.0, 3.0), (-3.0, 7.0), (-7.0, -5.0)];
/// Scales, 1 ± 5 %.
const SCALES: [f32; 2] = [1.05, 0.95];
/// Brightness, 1 ± 5 %.
const GAINS: [f32; 2] = [1.05, 0.95];
/// Quality of the JPEG that a view went through: what cameras and mail programs write at their worst.
const JPEG_QUALITY: u8 = 75;

/// Shifted, scaled, brightened, compressed and turned views of a photo.
///
/// `turns`: those that are good, too. The bank holds them all, so none of them says anything; what follows from a
/// quarter turn and a flip, and is not in the bank, are the two diagonal flips. All other views have the photo's size.
pub(super) fn views(photo: &Photo, turns: &[Turn]) -> Vec<Photo> {
    let unit = photo.width.max(photo.height) as f32 / 256.0;
    let mut views: Vec<Photo> = SHIFTS
        .iter()
        .map(|(dx, dy)| shifted(photo, odd(dx * unit), odd(dy * unit)))
        .collect();
    views.extend(SCALES.iter().map(|scale| scaled(photo, *scale)));
    views.extend(GAINS.iter().map(|gain| {
        let mut view = photo.clone();
        view.data
            .iter_mut()
            .for_each(|value| *value = (*value * gain).clamp(0.0, 1.0));
        view
    }));
    views.push(through_jpeg(photo, JPEG_QUALITY));
    for turn in [Turn::Right, Turn::Left] {
        if turns.contains(&turn) && turns.contains(&Turn::Mirror) {
            views.push(turn.apply(&Turn::Mirror.apply(photo)));
        }
    }
    views
}

/// The odd number of pixels at or beside `length`: no multiple of a feature stride, and never 0.
fn odd(length: f32) -> isize {
    length.round() as isize | 1
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(width: usize, height: usize) -> Photo {
        Photo::from_fn(width, height, |x, y| {
            [
                0.2 + x as f32 / 400.0,
                0.3 + y as f32 / 400.0,
                ((x * y) % 7) as f32 / 7.0,
            ]
        })
    }

    #[test]
    fn shifts_are_odd_at_every_size() {
        for longer in [32, 64, 128, 256, 384, 512, 1024, 4096] {
            let unit = longer as f32 / 256.0;
            for (dx, dy) in SHIFTS {
                for shift in [odd(dx * unit), odd(dy * unit)] {
                    assert!(shift % 2 != 0, "{shift} at {longer}");
                    assert!(
                        (shift as f32 / unit).abs() < 10.0 + 1.0 / unit,
                        "{shift} at {longer}"
                    );
                }
            }
        }
        let photo = pattern(256, 200);
        let view = &views(&photo, &[])[0];
        assert_eq!(view.pixel(105, 103), photo.pixel(100, 100));
    }

    #[test]
    fn every_view_differs_from_the_photo_and_from_the_others() {
        let photo = pattern(96, 64);
        let views = views(&photo, &[]);
        assert_eq!(views.len(), 8);
        for (index, view) in views.iter().enumerate() {
            assert_eq!((view.width, view.height), (96, 64));
            assert!(view.data.iter().all(|value| (0.0..=1.0).contains(value)));
            assert_ne!(*view, photo);
            assert!(views[..index].iter().all(|other| other != view));
        }
    }

    #[test]
    fn a_photo_that_may_be_turned_is_flipped_along_both_diagonals_which_the_bank_lacks() {
        let photo = pattern(96, 64);
        let all = views(&photo, &Turn::ALL);
        let added = &all[views(&photo, &[]).len()..];
        assert_eq!(added.len(), 2);
        for view in added {
            assert_eq!((view.width, view.height), (64, 96));
            let in_the_bank = |turn: &Turn| turn.apply(&photo) == *view;
            assert!(!Turn::ALL.iter().any(in_the_bank));
        }
        let main_diagonal = |view: &Photo| view.pixel(11, 70) == photo.pixel(70, 11);
        assert!(added.iter().any(main_diagonal));
        // A flip alone does not allow a diagonal one.
        assert_eq!(views(&photo, &[Turn::Mirror]).len(), 8);
    }
}
