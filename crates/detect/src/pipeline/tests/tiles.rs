//! Large photos in tiles.

use super::*;
use crate::options::Choice;
use crate::verdict::Verdict;

/// Side of a tile in pixels, judged at its own size.
const SIDE: usize = 64;

/// [`Colours`] of photos no larger than a tile.
struct Limited;

impl FeatureNetwork for Limited {
    fn name(&self) -> &str {
        "limited"
    }

    fn fingerprint(&self) -> String {
        "limited".into()
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        assert!(photo.width <= SIDE && photo.height <= SIDE);
        Colours.extract(photo).await
    }
}

/// Paints the mean colour of what it sees.
fn mean_painter(side: usize) -> Oracle {
    Oracle {
        photo: Photo::new(side, side),
        laid: Mutex::default(),
        paint: Box::new(|photo, _| {
            let mean = |channel| {
                let values = photo.plane(channel);
                values.iter().sum::<f32>() / values.len() as f32
            };
            let mean = [0, 1, 2].map(mean);
            Photo::from_fn(photo.width, photo.height, |_, _| mean)
        }),
    }
}

/// Grey with a faint pattern that has another phase on every photo.
fn sheet(width: usize, height: usize, phase: f32) -> Photo {
    Photo::from_fn(width, height, |x, y| {
        let wave = (x as f32 / 3.0 + phase).sin() * (y as f32 / 5.0 - phase).cos();
        [0.5 + 0.03 * wave; 3]
    })
}

fn spotted(photo: &Photo, x: usize, y: usize) -> Photo {
    let mut spotted = photo.clone();
    for (dx, dy) in (0..12).flat_map(|dy| (0..12).map(move |dx| (dx, dy))) {
        spotted.set_pixel(x + dx, y + dy, [0.8, 0.2, 0.2]);
    }
    spotted
}

fn tiled() -> DetectOptions {
    DetectOptions {
        size: Some(SIDE),
        tile: Some(SIDE),
        ..DetectOptions::default()
    }
}

fn fit<F: FeatureNetwork>(detector: &Detector<'_, Oracle, F>, good: &[Photo]) -> ClassModel {
    let prompts = Prompts::named("sheet");
    pollster::block_on(detector.fit(&prompts, good, &Control::default())).unwrap()
}

fn judge<F: FeatureNetwork>(
    detector: &Detector<'_, Oracle, F>,
    class: &ClassModel,
    photo: &Photo,
) -> Detection {
    pollster::block_on(detector.detect(class, photo, &Control::default())).unwrap()
}

#[test]
fn a_photo_of_one_tile_is_judged_as_it_is_whole() {
    let oracle = mean_painter(SIDE);
    let mut options = tiled();
    options.features.aligned = Choice::No;
    options.features.turns = Choice::No;
    let in_tiles = Detector::new(Some(&oracle), &Limited, options.clone()).unwrap();
    options.tile = None;
    let whole = Detector::new(Some(&oracle), &Limited, options).unwrap();
    let good: Vec<Photo> = (0..3).map(|i| sheet(SIDE, 48, i as f32)).collect();
    let photo = spotted(&sheet(SIDE, 48, 7.0), 20, 18);
    for good in [&good[..1], &good] {
        let (one, other) = (fit(&in_tiles, good), fit(&whole, good));
        assert_eq!(one.prototypes, other.prototypes);
        assert_eq!(one.calibration.scores, other.calibration.scores);
        let (tiled, plain) = (
            judge(&in_tiles, &one, &photo),
            judge(&whole, &other, &photo),
        );
        assert_eq!(tiled.scored.map, plain.scored.map);
        assert_eq!(tiled.score.to_bits(), plain.score.to_bits());
        assert_eq!(tiled.repaired, plain.repaired);
        assert_eq!(tiled.regions, plain.regions);
    }
}

/// A defect in a tile's middle, across the edge of one tile, across that of four: found as one place with much the
/// same score each time, and nothing else is.
#[test]
fn a_defect_is_one_region_wherever_the_tiles_end() {
    let oracle = mean_painter(SIDE);
    let detector = Detector::new(Some(&oracle), &Limited, tiled()).unwrap();
    let good: Vec<Photo> = (0..3).map(|i| sheet(200, 150, i as f32)).collect();
    let class = fit(&detector, &good);
    let clean = judge(&detector, &class, &sheet(200, 150, 9.0));
    assert_eq!(
        clean.verdict,
        Verdict::Ok,
        "{} of {}",
        clean.score,
        clean.threshold
    );
    let windows = detector.windows(&good[0], SIDE);
    assert!(windows.count() >= 12);
    let edges: Vec<usize> = windows
        .iter()
        .map(|window| window.x)
        .filter(|x| *x > 0)
        .collect();
    let mut scores = Vec::new();
    for (x, y) in [
        (edges[0] - 6, 30),
        (edges[0] + 30, 30),
        (edges[1] - 6, 64),
        (120, 44),
    ] {
        let photo = spotted(&sheet(200, 150, 9.0), x, y);
        let found = judge(&detector, &class, &photo);
        assert_eq!(found.scored.map.width, 200);
        assert_eq!(found.verdict, Verdict::Anomalous);
        assert_eq!(found.regions.len(), 1, "{:?}", found.regions);
        let region = &found.regions[0];
        assert!(
            region.x <= x + 6 && x + 6 < region.x + region.width,
            "{region:?}"
        );
        assert!(
            region.y <= y + 6 && y + 6 < region.y + region.height,
            "{region:?}"
        );
        scores.push(found.score);
        // Outside of what was repainted people see their photo.
        let guided = found.measurement.guided.as_ref().unwrap();
        for (at, hidden) in guided.hidden.data.iter().enumerate() {
            if !hidden {
                assert_eq!(found.repaired.plane(0)[at], photo.plane(0)[at]);
            }
        }
    }
    let (least, most) = scores
        .iter()
        .fold((f32::MAX, 0.0f32), |(a, b), s| (a.min(*s), b.max(*s)));
    assert!(most < 2.0 * least, "{scores:?}");
}

#[test]
fn a_tile_is_no_smaller_than_what_the_networks_see_and_a_class_of_whole_photos_is_refused() {
    let oracle = mean_painter(SIDE);
    let small = DetectOptions {
        size: Some(128),
        ..tiled()
    };
    let refused = Detector::new(Some(&oracle), &Limited, small).err().unwrap();
    assert!(
        refused.to_string().contains("`tile` is 64 pixels"),
        "{refused}"
    );
    let mut options = tiled();
    options.tile = None;
    options.features.aligned = Choice::Yes;
    let whole = Detector::new(Some(&oracle), &Limited, options).unwrap();
    let class = fit(&whole, &[sheet(64, 64, 0.0), sheet(64, 64, 0.1)]);
    let detector = Detector::new(Some(&oracle), &Limited, tiled()).unwrap();
    let (photo, control) = (sheet(128, 64, 0.0), Control::default());
    let judged = detector.detect(&class, &photo, &control);
    let refused = pollster::block_on(judged).unwrap_err();
    assert!(refused.to_string().contains("fit it in tiles"), "{refused}");
}
