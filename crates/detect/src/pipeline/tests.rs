//! Properties 1, 7, 9, 11 and 12 of the method's list, with an oracle repair in place of the model.

use std::sync::Mutex;

use anomalysd_imaging::{Map, Mask, Photo};
use proptest::prelude::*;

use super::*;
use crate::DetectError;
use crate::control::{Control, Stage};
use crate::features::{Comparison, FeatureLayers, FeatureNetwork, Layer};
use crate::masks::{MaskPlan, Pass, Scale};
use crate::prompts::Prompts;
use crate::repaint::{Contexts, Latents, PaintRequest, Tick};

mod control;
mod places;
mod registration;
mod tiles;

/// Colours averaged over 4×4 pixels, and their differences to the right and below.
struct Colours;

impl FeatureNetwork for Colours {
    fn name(&self) -> &str {
        "colours"
    }

    fn fingerprint(&self) -> String {
        "colours".into()
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        let (width, height) = (photo.width.div_ceil(4), photo.height.div_ceil(4));
        let mut data = vec![0.0; 4 * width * height];
        for y in 0..height {
            for x in 0..width {
                let at = |dx: usize, dy: usize| {
                    photo.pixel(
                        (4 * x + dx).min(photo.width - 1),
                        (4 * y + dy).min(photo.height - 1),
                    )
                };
                for dy in 0..4 {
                    for dx in 0..4 {
                        for (channel, value) in at(dx, dy).into_iter().enumerate() {
                            data[(channel * height + y) * width + x] += value / 16.0;
                        }
                    }
                }
                data[(3 * height + y) * width + x] = 0.2;
            }
        }
        Ok(FeatureLayers {
            layers: vec![Layer {
                channels: 4,
                height,
                width,
                data,
                comparison: Comparison::default(),
            }],
        })
    }
}

/// What a pass of a photo is painted with.
type Paint = dyn Fn(&Photo, &Pass) -> Photo + Send + Sync;

/// Paints what it is told to: the truth, mostly.
struct Oracle {
    /// The truth.
    photo: Photo,
    paint: Box<Paint>,
    /// How many pixels told how good photos lie, each time that it was asked to lay them over a photo.
    laid: Mutex<Vec<usize>>,
}

/// Paints a known photo wherever it is asked.
fn oracle(photo: Photo) -> Oracle {
    let truth = photo.clone();
    Oracle {
        photo,
        laid: Mutex::default(),
        paint: Box::new(move |_, _| truth.clone()),
    }
}

impl Repair for Oracle {
    type Class = ();
    type Scene = Photo;

    fn traits(&self) -> RepairTraits {
        RepairTraits {
            factor: 8,
            multiple: 16,
            size: Some(self.photo.width.max(self.photo.height)),
            inference_steps: Some(1),
            scales: None,
            references_by_default: true,
        }
    }

    fn steps(&self, _strength: f32, _inference_steps: usize) -> usize {
        1
    }

    async fn contexts(&self, _both: &str, _detail: &str) -> Result<Contexts, DetectError> {
        Ok(Contexts {
            tokens: 1,
            width: 1,
            both: vec![0.0],
            detail: vec![0.0],
            empty: vec![0.0],
        })
    }

    async fn latents(&self, _scene: &Photo, _photo: &Photo) -> Result<Latents, DetectError> {
        Ok(Latents {
            channels: 1,
            height: 1,
            width: 1,
            data: vec![0.0],
            picture: None,
        })
    }

    async fn class(&self, _: &Contexts, _: &[Latents]) -> Result<(), DetectError> {
        Ok(())
    }

    async fn open(&self, photo: &Photo) -> Result<Photo, DetectError> {
        Ok(photo.clone())
    }

    async fn register(
        &self,
        _scene: &Photo,
        _class: &(),
        _photo: &Photo,
        visible: &Mask,
        _tick: Tick<'_>,
    ) -> Result<(), DetectError> {
        self.laid.lock().unwrap().push(visible.count());
        Ok(())
    }

    async fn round_trip(&self, scene: &Photo) -> Result<Photo, DetectError> {
        Ok(scene.clone())
    }

    fn batch_size(&self, _scene: &Photo, _memory_mib: usize) -> usize {
        3
    }

    async fn paint(
        &self,
        scene: &Photo,
        _class: &(),
        request: &PaintRequest<'_>,
        tick: Tick<'_>,
    ) -> Result<Vec<Photo>, DetectError> {
        tick(Stage::Decode, request.passes.len()).await?;
        let paint = |pass: &Pass| (self.paint)(scene, pass);
        Ok(request.passes.iter().map(paint).collect())
    }
}

/// A soft pattern without repetition at the scale of cells.
fn product(width: usize, height: usize) -> Photo {
    Photo::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 / 17.0, y as f32 / 23.0);
        [
            0.5 + 0.3 * (u + 0.3 * v).sin(),
            0.5 + 0.3 * (v - u).cos(),
            0.4 + 0.2 * (u * 0.7).cos(),
        ]
    })
}

/// The same product under a lamp that is brighter by `gain`.
fn lit(photo: &Photo, gain: f32) -> Photo {
    let mut lit = photo.clone();
    lit.data
        .iter_mut()
        .for_each(|value| *value = (*value * gain).min(1.0));
    lit
}

fn fitted<'a>(oracle: &'a Oracle, good: &[Photo]) -> (Detector<'a, Oracle, Colours>, ClassModel) {
    let detector = Detector::new(Some(oracle), &Colours, DetectOptions::default()).unwrap();
    let prompts = Prompts::named("thing");
    let class = pollster::block_on(detector.fit(&prompts, good, &Control::default())).unwrap();
    (detector, class)
}

#[test]
fn a_photo_repaired_as_itself_and_at_no_distance_scores_exactly_zero() {
    let photo = product(96, 80);
    let oracle = oracle(photo.clone());
    let (detector, class) = fitted(&oracle, &[photo.clone(), photo.clone()]);
    let detection =
        pollster::block_on(detector.detect(&class, &photo, &Control::default())).unwrap();
    assert_eq!(detection.score, 0.0);
    assert!(detection.scored.map.data.iter().all(|value| *value == 0.0));
    assert_eq!(detection.repaired, photo);
}

/// Property 11: a blind line along any grid would cover some of these places, every other one of a row and a column,
/// odd and even in turn. All scales are used, down to cells of one latent cell.
#[test]
fn a_small_defect_is_never_lost_over_64_by_64_places() {
    let good = product(68, 68);
    let oracle = oracle(good.clone());
    let mut options = DetectOptions::default();
    options.masks.min_cell = 1;
    let detector = Detector::new(Some(&oracle), &Colours, options).unwrap();
    let shown = [good.clone(), lit(&good, 1.01)];
    let prompts = Prompts::named("thing");
    let class = pollster::block_on(detector.fit(&prompts, &shown, &Control::default())).unwrap();
    let judge = |photo: &Photo| {
        pollster::block_on(detector.detect(&class, photo, &Control::default())).unwrap()
    };
    let clean = judge(&good);
    assert_eq!(
        clean.scored.scales.keys().copied().collect::<Vec<_>>(),
        [2, 4, 8]
    );
    let row = |row: usize| {
        for column in 0..32 {
            let (x, y) = (2 * column + row % 2, 2 * row + column % 2);
            let mut photo = good.clone();
            for (dx, dy) in (0..5).flat_map(|dy| (0..5).map(move |dx| (dx, dy))) {
                photo.set_pixel(x + dx, y + dy, [0.02, 0.02, 0.9]);
            }
            let detection = judge(&photo);
            assert!(
                detection.score > 2.0 * clean.score && detection.score > 1.0,
                "at {x}, {y}: {} after {}",
                detection.score,
                clean.score
            );
            let map = &detection.scored.map;
            let peak = map
                .data
                .iter()
                .position(|value| *value == map.max())
                .unwrap();
            assert!(
                (peak % 68).abs_diff(x + 2) <= 8 && (peak / 68).abs_diff(y + 2) <= 8,
                "at {x}, {y}: highest at {}, {}",
                peak % 68,
                peak / 68
            );
        }
    };
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (half * 16..(half + 1) * 16).for_each(row));
        }
    });
}

#[test]
fn constant_black_white_and_one_pixel_photos_give_finite_numbers() {
    for level in [0.0, 0.5, 1.0] {
        let flat = Photo::from_fn(72, 64, |_, _| [level; 3]);
        let oracle = oracle(flat.clone());
        for good in [vec![flat.clone()], vec![flat.clone(), flat.clone()]] {
            let (detector, class) = fitted(&oracle, &good);
            let mut spot = flat.clone();
            spot.set_pixel(30, 30, [1.0 - level; 3]);
            for photo in [&flat, &spot] {
                let detection =
                    pollster::block_on(detector.detect(&class, photo, &Control::default()))
                        .unwrap();
                assert!(detection.score.is_finite() && detection.threshold.is_finite());
                assert!(
                    detection
                        .scored
                        .map
                        .data
                        .iter()
                        .all(|value| value.is_finite())
                );
            }
        }
    }
}

#[test]
fn a_scale_of_which_nothing_normal_is_known_is_not_painted() {
    let photo = product(192, 192);
    let oracle = oracle(photo.clone());
    let (detector, mut class) = fitted(&oracle, &[photo.clone(), lit(&photo, 1.03)]);
    let control = Control::default();
    let measured = |class: &ClassModel| -> Vec<usize> {
        let judged = pollster::block_on(detector.detect(class, &photo, &control)).unwrap();
        let scales = judged.measurement.scales.iter();
        scales.map(|scale| scale.n_cells).collect()
    };
    let all = measured(&class);
    assert!(all.len() > 1, "{all:?}");
    class.normalisers.scales.remove(&all[0]);
    assert_eq!(measured(&class), all[1..]);
}

#[test]
fn a_loaded_profile_judges_bit_for_bit_as_the_fit_that_made_it() {
    use crate::profile::{Profile, Weights};

    let oracle = oracle(product(96, 80));
    let mut suspect = oracle.photo.clone();
    for (x, y) in [(40, 30), (41, 30), (40, 31)] {
        suspect.set_pixel(x, y, [0.9, 0.1, 0.1]);
    }
    let (detector, class) = fitted(&oracle, &[oracle.photo.clone(), lit(&oracle.photo, 1.03)]);
    let weights = Weights {
        name: "colours".into(),
        fingerprint: "colours".into(),
    };
    let profile = Profile {
        model: Some(weights.clone()),
        features: weights,
        options: detector.options().clone(),
        classes: vec![class.clone()],
        tuned: None,
    };
    let loaded = Profile::from_bytes(profile.to_bytes().unwrap()).unwrap();
    let control = Control::default();
    let judge = |class| pollster::block_on(detector.detect(class, &suspect, &control)).unwrap();
    let (direct, read) = (judge(&class), judge(&loaded.classes[0]));
    assert_eq!(direct.scored.map.data, read.scored.map.data);
    assert_eq!(direct.score.to_bits(), read.score.to_bits());
    assert_eq!(direct.threshold.to_bits(), read.threshold.to_bits());
    assert!(!read.calibration_stale);
}

#[test]
fn held_out_photos_alone_set_the_threshold_and_other_options_void_the_p_value() {
    let oracle = oracle(product(96, 80));
    let (detector, class) = fitted(&oracle, &[oracle.photo.clone(), lit(&oracle.photo, 1.03)]);
    let control = Control::default();
    let held_out: Vec<Photo> = (0..3)
        .map(|i| lit(&oracle.photo, 1.0 + 0.02 * i as f32))
        .collect();
    let first = pollster::block_on(detector.calibrate(&class, &held_out[..2], &control)).unwrap();
    assert_eq!(first.calibration.scores.len(), 2);
    let both = pollster::block_on(detector.calibrate(&first, &held_out[2..], &control)).unwrap();
    assert_eq!(
        both.calibration.scores.len(),
        3,
        "an earlier call's photos are kept"
    );
    let p = |detector: &Detector<'_, Oracle, Colours>| {
        let detection =
            pollster::block_on(detector.detect(&both, &oracle.photo, &control)).unwrap();
        (detection.p_value, detection.calibration_stale)
    };
    assert_eq!(p(&detector), (Some(1.0), false));
    let mut options = DetectOptions::default();
    options.score.fusion_alpha = 0.25;
    let other = Detector::new(Some(&oracle), &Colours, options).unwrap();
    assert_eq!(p(&other), (None, true));
    let error = pollster::block_on(detector.calibrate(&class, &[], &control)).unwrap_err();
    assert!(matches!(error, DetectError::NoGoodPhotos));
}

#[test]
fn a_fitted_photo_turned_by_an_allowed_turn_is_at_no_distance() {
    let photo = product(96, 96);
    let oracle = oracle(photo.clone());
    let mut options = DetectOptions::default();
    options.features.turns = crate::options::Choice::Yes;
    let detector = Detector::new(Some(&oracle), &Colours, options).unwrap();
    let prompts = Prompts::named("thing");
    for good in [vec![photo.clone()], vec![photo.clone(), lit(&photo, 1.02)]] {
        let class = pollster::block_on(detector.fit(&prompts, &good, &Control::default())).unwrap();
        assert_eq!(class.pose.turns, crate::prototypes::Turn::ALL);
        for turn in &class.pose.turns {
            let turned = turn.apply(&detector.resized(&photo));
            let (_, descriptors) = pollster::block_on(detector.described(&turned)).unwrap();
            let nearest = class.prototypes.distances(&descriptors).nearest;
            assert!(nearest.max() < 1e-6, "{turn:?}: {}", nearest.max());
        }
    }
}

#[test]
fn a_part_on_a_background_is_not_turned_and_a_texture_is() {
    let part = Photo::from_fn(96, 96, |x, y| {
        if (30..66).contains(&x) && (20..70).contains(&y) {
            [0.8, 0.3 + y as f32 / 200.0, 0.2]
        } else {
            [0.1, 0.1, 0.1]
        }
    });
    let texture = Photo::from_fn(96, 96, |x, y| [((x * 7 + y * 13) % 11) as f32 / 11.0; 3]);
    for (photo, expected) in [(part, 0), (texture, 5)] {
        let oracle = oracle(photo.clone());
        let (_, class) = fitted(&oracle, &[photo]);
        assert_eq!(class.pose.turns.len(), expected);
    }
}

#[test]
fn whatever_can_be_fitted_can_be_written_and_read() {
    use crate::options::Choice;
    use crate::profile::{Profile, Weights};
    use crate::prototypes::MOST_PROTOTYPES;

    let photo = product(64, 64);
    // 32×32 places a photo: 64 photos, or 10 with their five turns, fill a bank.
    for (count, turns, kept) in [
        (64, Choice::No, 64),
        (65, Choice::No, 64),
        (10, Choice::Yes, 60),
        (11, Choice::Yes, 60),
    ] {
        let good: Vec<Photo> = (0..count)
            .map(|i| lit(&photo, 1.0 + 0.002 * i as f32))
            .collect();
        let mut options = DetectOptions::default();
        (options.features.aligned, options.features.turns) = (Choice::Yes, turns);
        let detector = Detector::new(None::<&Oracle>, &Colours, options.clone()).unwrap();
        let prompts = Prompts::named("thing");
        let class = pollster::block_on(detector.fit(&prompts, &good, &Control::default())).unwrap();
        assert_eq!(class.prototypes.bank.count(), kept * 32 * 32);
        assert_eq!(
            class.prototypes.radius,
            Some(options.features.aligned_radius)
        );
        let profile = Profile {
            model: None,
            features: Weights {
                name: "colours".into(),
                fingerprint: "colours".into(),
            },
            options,
            classes: vec![class],
            tuned: None,
        };
        let read = Profile::from_bytes(profile.to_bytes().unwrap()).unwrap();
        assert_eq!(read.classes[0].prototypes, profile.classes[0].prototypes);
    }
    let mut options = DetectOptions::default();
    options.features.bank_capacity = MOST_PROTOTYPES + 1;
    let refused = Detector::new(None::<&Oracle>, &Colours, options)
        .err()
        .unwrap();
    assert!(refused.to_string().contains("bank_capacity"), "{refused}");
    let many = vec![Photo::new(8, 8); 4097];
    let detector = Detector::new(None::<&Oracle>, &Colours, DetectOptions::default()).unwrap();
    let refused =
        pollster::block_on(detector.fit(&Prompts::named("thing"), &many, &Control::default()));
    assert!(matches!(
        refused,
        Err(DetectError::TooManyGoodPhotos { got: 4097, .. })
    ));
}

/// Photos without a suspicious place get no guided pass when they are judged, and none counts when the threshold is
/// set, although one is forced on them to learn what is normal in it.
#[test]
fn calibration_scores_are_those_of_detections_and_not_of_forced_masks() {
    let photo = product(96, 80);
    let scribbled = Photo::from_fn(96, 80, |x, y| [((x * 7 + y * 3) % 5) as f32 / 5.0; 3]);
    let truth = photo.clone();
    let oracle = Oracle {
        photo: photo.clone(),
        laid: Mutex::default(),
        paint: Box::new(move |_, pass| match pass.scale {
            Scale::Grid(_) => truth.clone(),
            Scale::Guided => scribbled.clone(),
        }),
    };
    let (detector, class) = fitted(&oracle, &[photo.clone(), photo.clone(), photo.clone()]);
    assert!(class.normalisers.guided.as_ref().unwrap().mean > 0.01);
    assert_eq!(class.calibration.scores, [0.0; 3]);
    assert_eq!(class.calibration.peak, 0.0);
    let detection =
        pollster::block_on(detector.detect(&class, &photo, &Control::default())).unwrap();
    assert!(detection.measurement.guided.is_none());
    assert_eq!(detection.score, 0.0);
}

/// Paints the mean colour of what a pass leaves visible, with a ramp over it: something that depends on the pass.
fn filler(size: usize) -> Oracle {
    Oracle {
        photo: Photo::new(size, size),
        laid: Mutex::default(),
        paint: Box::new(|photo, pass| {
            let visible = |pixel: &usize| !pass.hidden.data[*pixel];
            let mean = [0, 1, 2].map(|channel| {
                let values = (0..pass.hidden.data.len()).filter(visible);
                let values: Vec<f32> = values.map(|pixel| photo.plane(channel)[pixel]).collect();
                values.iter().sum::<f32>() / values.len().max(1) as f32
            });
            Photo::from_fn(photo.width, photo.height, |x, y| {
                mean.map(|value| value + (x as f32 - y as f32) / 1000.0)
            })
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Property 7.
    #[test]
    fn the_order_of_passes_changes_no_bit_of_the_map(
        width in 64usize..100, height in 64usize..100,
        order in Just((0..16).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let repair = filler(width.max(height));
        let mut options = DetectOptions { mode: crate::options::Mode::Faithful, ..DetectOptions::default() };
        options.masks.min_cell = 1;
        let detector = Detector::new(Some(&repair), &Colours, options.clone()).unwrap();
        let photo = product(width, height);
        let merged = pollster::block_on(async {
            let control = Control::default();
            let meter = timings::Meter::new(&control, 0, 1);
            let none = Mask::new(photo.width, photo.height);
            let subject = detector.open(photo, none, false, &meter).await.unwrap();
            let plan = MaskPlan::new(&subject.frame, &[4], options.mode, &options.masks);
            let passes = &plan.scales[0].passes;
            let shuffled: Vec<Pass> = order.iter().map(|index| passes[*index].clone()).collect();
            let mut maps = Vec::new();
            for passes in [passes, &shuffled] {
                let prompt = crate::repaint::Prompt::Both;
                let results = detector.passes(&subject, &(), passes, (prompt, false), None, &meter).await;
                let results = results.unwrap();
                let pairs = results.iter().map(|result| (&result.pass, &result.distance));
                maps.push(crate::score::merge_cores(pairs, width, height));
            }
            maps
        });
        prop_assert!(merged[0].max() > 0.0);
        prop_assert_eq!(&merged[0], &merged[1]);
    }
}

/// § 5.2: the quantiles of all good photos together, not of each.
#[test]
fn the_guide_takes_its_quantiles_over_all_photos_together() {
    let maps = |values: std::ops::Range<u32>| {
        let data: Vec<f32> = values.map(|value| value as f32).collect();
        let map = Map {
            width: data.len(),
            height: 1,
            data,
        };
        crate::prototypes::PrototypeMaps {
            nearest: map.clone(),
            subspace: map.clone(),
            q: map,
        }
    };
    let options = DetectOptions::default().masks;
    let (low, high) = (maps(0..500), maps(500..1001));
    assert_eq!(fit::quantiles(&[&low, &high], &options), (999.0, 990.0));
    assert_eq!(fit::quantiles(&[&high, &low], &options), (999.0, 990.0));
    // One location: nothing is above it. Nothing measured: nothing is suspicious.
    assert_eq!(fit::quantiles(&[&maps(3..4)], &options), (3.0, 3.0));
    assert_eq!(
        fit::quantiles(&[], &options),
        (f32::INFINITY, f32::INFINITY)
    );
}
