//! When good photos are laid over a photo, and by which of its pixels.

use super::*;
use crate::ignore::Place;

const SIDE: usize = 96;

/// How many pixels told how good photos lie, while `good` were fitted and while a photo was judged.
fn laid(good: usize, options: DetectOptions, ignored: Vec<Place>) -> (Vec<usize>, Vec<usize>) {
    let photo = product(SIDE, SIDE);
    let oracle = oracle(photo.clone());
    let detector = Detector::new(Some(&oracle), &Colours, options)
        .unwrap()
        .ignoring(ignored);
    let shown: Vec<Photo> = (0..good)
        .map(|index| lit(&photo, 1.0 + 0.01 * index as f32))
        .collect();
    let (prompts, control) = (Prompts::named("part"), Control::default());
    let class = pollster::block_on(detector.fit(&prompts, &shown, &control)).unwrap();
    let fit = std::mem::take(&mut *oracle.laid.lock().unwrap());
    pollster::block_on(detector.detect(&class, &photo, &control)).unwrap();
    let detection = std::mem::take(&mut *oracle.laid.lock().unwrap());
    (fit, detection)
}

#[test]
fn each_photo_that_is_left_out_and_the_one_that_is_judged_get_good_photos_laid_over_them() {
    let (fit, detection) = laid(3, DetectOptions::default(), Vec::new());
    assert_eq!(fit, [SIDE * SIDE; 3]);
    assert_eq!(detection, [SIDE * SIDE]);
}

#[test]
fn a_single_photo_is_not_laid_over_its_own_views_but_over_what_is_judged() {
    let (fit, detection) = laid(1, DetectOptions::default(), Vec::new());
    assert_eq!(fit, [0usize; 0]);
    assert_eq!(detection, [SIDE * SIDE]);
}

#[test]
fn nothing_is_laid_where_that_is_off_or_no_good_photo_is_shown() {
    let mut off = DetectOptions::default();
    off.repair.registration = false;
    assert_eq!(laid(2, off, Vec::new()), (Vec::new(), Vec::new()));
    let mut alone = DetectOptions::default();
    alone.repair.references = Some(0);
    assert_eq!(laid(2, alone, Vec::new()), (Vec::new(), Vec::new()));
}

#[test]
fn places_that_do_not_count_say_nothing_about_how_a_photo_lies() {
    let half = Place {
        x: 0.5,
        y: 0.0,
        width: 0.5,
        height: 1.0,
    };
    let (fit, detection) = laid(2, DetectOptions::default(), vec![half]);
    assert_eq!(fit, [SIDE * SIDE / 2; 2]);
    assert_eq!(detection, [SIDE * SIDE / 2]);
}
