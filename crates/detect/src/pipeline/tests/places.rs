//! Places that do not count, and defects too small to count.

use super::*;
use crate::ignore::{MinArea, Place};
use crate::verdict::Verdict;

/// The photo with a black square.
fn marked(photo: &Photo, x: usize, y: usize, side: usize) -> Photo {
    let mut marked = photo.clone();
    for dy in 0..side {
        for dx in 0..side {
            marked.set_pixel(x + dx, y + dy, [0.0; 3]);
        }
    }
    marked
}

fn judge(detector: &Detector<'_, Oracle, Colours>, class: &ClassModel, photo: &Photo) -> Detection {
    pollster::block_on(detector.detect(class, photo, &Control::default())).unwrap()
}

/// A quarter of the photo at its upper right.
const CORNER: Place = Place {
    x: 0.5,
    y: 0.0,
    width: 0.5,
    height: 0.5,
};

#[test]
fn an_ignored_place_reaches_neither_fit_nor_score_nor_regions() {
    let photo = product(96, 96);
    let oracle = oracle(photo.clone());
    let good = [photo.clone(), lit(&photo, 1.02), lit(&photo, 0.98)];
    // Good photos differ wildly in the corner: a label that is new each time.
    let labelled: Vec<Photo> = good
        .iter()
        .enumerate()
        .map(|(index, photo)| marked(photo, 52 + 8 * index, 6 + 4 * index, 12))
        .collect();
    let fit = |photos: &[Photo], places: Vec<Place>| {
        let detector = Detector::new(Some(&oracle), &Colours, DetectOptions::default())
            .unwrap()
            .ignoring(places);
        let control = Control::default();
        pollster::block_on(detector.fit(&Prompts::named("part"), photos, &control)).unwrap()
    };
    let class = fit(&labelled, vec![CORNER]);
    let plain = fit(&good, vec![CORNER]);
    assert_eq!(class.ignored, [CORNER]);
    // Whatever is in the corner: the fit is the same to the bit.
    assert_eq!(class.prototypes, plain.prototypes);
    assert_eq!(class.calibration, plain.calibration);

    let detector = Detector::new(Some(&oracle), &Colours, DetectOptions::default()).unwrap();
    let inside = judge(&detector, &class, &marked(&photo, 70, 20, 14));
    assert_eq!(inside.score, judge(&detector, &class, &photo).score);
    assert_eq!(inside.verdict, Verdict::Ok);
    assert!(inside.scored.map.at(76, 26) == 0.0);
    // People see their photo, not what was painted over it.
    assert_eq!(inside.measurement.photo.pixel(76, 26), [0.0; 3]);
    assert_eq!(inside.repaired.pixel(76, 26), [0.0; 3]);

    let outside = judge(&detector, &class, &marked(&photo, 20, 60, 14));
    assert!(outside.verdict > Verdict::Ok);
    for region in &outside.regions {
        assert!(region.x < 48 || region.y + region.height > 48, "{region:?}");
    }
    // A place of this detection alone.
    let more = Place {
        x: 0.1,
        y: 0.5,
        width: 0.4,
        height: 0.45,
    };
    let spared = detector.ignoring(vec![more]);
    let spared = judge(&spared, &class, &marked(&photo, 20, 60, 14));
    assert_eq!(spared.verdict, Verdict::Ok);
}

#[test]
fn a_place_smaller_than_the_smallest_defect_does_not_count() {
    let photo = product(96, 96);
    let oracle = oracle(photo.clone());
    let good = [photo.clone(), lit(&photo, 1.02), lit(&photo, 0.98)];
    let (_, class) = fitted(&oracle, &good);
    let with = |area: Option<MinArea>| {
        Detector::new(Some(&oracle), &Colours, DetectOptions::default())
            .unwrap()
            .smallest(area)
    };
    let (small, large) = (marked(&photo, 40, 40, 5), marked(&photo, 30, 30, 24));
    let found = judge(&with(None), &class, &small);
    assert!(found.verdict > Verdict::Ok && !found.regions.is_empty());
    let area = found.regions[0].area;
    let share = |factor: f32| Some(MinArea::Share(factor * area as f32 / (96.0 * 96.0)));
    // Far more than the map makes of the small square, far less than of the large one.
    let spared = judge(&with(share(2.0)), &class, &small);
    assert_eq!((spared.verdict, spared.regions.len()), (Verdict::Ok, 0));
    assert!(spared.score <= spared.threshold);
    let still = judge(&with(share(2.0)), &class, &large);
    assert_eq!(still.score, judge(&with(None), &class, &large).score);
    assert!(still.verdict > Verdict::Ok && !still.regions.is_empty());
    let pixels = Some(MinArea::Pixels(0.5));
    assert_eq!(judge(&with(pixels), &class, &small).score, found.score);
}
