//! Properties 1, 2, 3 and 12 of the method's list, as far as they concern maps.

use anomalysd_imaging::{Map, Mask};
use proptest::prelude::*;

use super::*;
use crate::features::{Comparison, FeatureLayers, Layer};
use crate::options::ScoreOptions;

fn values(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![9 => 1e-4f32..1e3, 1 => Just(0.0f32)], n)
}

fn map(width: usize, data: Vec<f32>) -> Map {
    Map {
        width,
        height: data.len() / width,
        data,
    }
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * a.abs().max(b.abs())
}

proptest! {
    #[test]
    fn the_harmonic_mean_is_zero_where_any_scale_is(mut scales in values(4), at in 0usize..4) {
        scales[at] = 0.0;
        prop_assert_eq!(power_mean(&scales, -1.0), 0.0);
    }

    #[test]
    fn the_mean_of_a_common_value_is_that_value(value in 1e-4f32..1e3, n in 1usize..6, exponent in -3.0f32..3.0) {
        for exponent in [exponent, -1.0, 0.0, 1.0] {
            prop_assert!(close(power_mean(&vec![value; n], exponent), value));
        }
    }

    #[test]
    fn the_harmonic_mean_never_exceeds_the_arithmetic_and_ignores_order(scales in values(5)) {
        let harmonic = power_mean(&scales, -1.0);
        prop_assert!(harmonic <= power_mean(&scales, 1.0) * (1.0 + 1e-6));
        let reversed: Vec<f32> = scales.iter().rev().copied().collect();
        prop_assert_eq!(harmonic, power_mean(&reversed, -1.0));
    }

    #[test]
    fn the_harmonic_mean_never_falls_when_a_scale_grows(
        scales in values(4), at in 0usize..4, growth in 0.0f32..10.0,
    ) {
        let mut grown = scales.clone();
        grown[at] += growth;
        prop_assert!(power_mean(&grown, -1.0) >= power_mean(&scales, -1.0) * (1.0 - 1e-6));
    }

    #[test]
    fn alpha_picks_one_part_at_its_ends(multi in values(12), guided in values(12)) {
        let (multi, guided) = (map(4, multi), map(4, guided));
        let fused = |alpha| {
            let options = ScoreOptions { fusion_alpha: alpha, ..ScoreOptions::default() };
            fuse(Some(&multi), &guided, &options).sharp
        };
        prop_assert_eq!(fused(0.0), multi.clone());
        prop_assert_eq!(fused(1.0), guided.clone());
        // Between them each place lies between both, whatever the mean, and is nothing where the geometric mean says so.
        for exponent in [-16.0, -1.0, -1e-8, 0.0, 1e-8, 0.5, 1.0, 3.0, 16.0] {
            let options = ScoreOptions { fusion_alpha: 0.3, fusion_exponent: exponent, ..ScoreOptions::default() };
            let between = fuse(Some(&multi), &guided, &options).sharp;
            for ((value, a), b) in between.data.iter().zip(&multi.data).zip(&guided.data) {
                let slack = 1e-5 * a.max(*b);
                prop_assert!((a.min(*b) - slack..=a.max(*b) + slack).contains(value), "{a} {b} {exponent}: {value}");
                prop_assert!(exponent > 0.0 || a * b > 0.0 || *value == 0.0);
            }
        }
        let alone = fuse(None, &guided, &ScoreOptions::default()).sharp;
        prop_assert_eq!(alone, guided);
    }

    #[test]
    fn the_fused_map_never_falls_when_a_part_grows(
        parts in prop::collection::vec(values(16), 4),
        cores in prop::collection::vec(any::<bool>(), 16),
        part in 0usize..4, at in 0usize..16, growth in 0.0f32..10.0, alpha in 0.0f32..=1.0,
        exponent in prop::sample::select(vec![-1.0f32, 0.0, 0.5, 1.0]),
    ) {
        let cores = Mask { width: 4, height: 4, data: cores };
        let options = ScoreOptions { fusion_alpha: alpha, fusion_exponent: exponent, ..ScoreOptions::default() };
        // Parts: two scales, q̃ and S_pg.
        let fused = |parts: &[Vec<f32>]| {
            let parts: Vec<Map> = parts.iter().map(|part| map(4, part.clone())).collect();
            let multi = mean_over_scales(&parts[..2], -1.0);
            let guided = guided_map(&parts[2], Some((&cores, &parts[3])), 0.5);
            fuse(multi.as_ref(), &guided, &options).map
        };
        let before = fused(&parts);
        let mut grown = parts;
        grown[part][at] += growth;
        for (after, before) in fused(&grown).data.iter().zip(&before.data) {
            prop_assert!(*after >= before - 1e-5 * before.abs().max(1.0));
        }
    }

    #[test]
    fn normalised_maps_are_finite_whatever_was_normal(
        good in prop::collection::vec(values(64), 1..4), seen in values(64), located: bool,
    ) {
        let options = ScoreOptions::default();
        let maps: Vec<Map> = good.into_iter().map(|data| map(8, data)).collect();
        let normaliser = Normaliser::fit(&maps, (4, 4), located, &options);
        let top = normaliser.top_of_normal(8, 8, &options);
        prop_assert!(top.data.iter().all(|value| value.is_finite() && *value > 0.0));
        let normalised = normaliser.apply(&map(8, seen), &options);
        prop_assert!(normalised.data.iter().all(|value| value.is_finite() && *value >= 0.0));
    }
}

#[test]
fn parts_six_decades_apart_have_a_mean_between_them() {
    let (small, large) = (map(1, vec![1e-6]), map(1, vec![1.0]));
    for exponent in [-16.0, -1.0, -1e-8, 0.0, 1e-8, 0.5, 1.0, 16.0] {
        let options = ScoreOptions {
            fusion_exponent: exponent,
            ..ScoreOptions::default()
        };
        let mean = fuse(Some(&small), &large, &options).sharp.data[0];
        let expected = match exponent {
            -16.0 => 1e-6 * 2f32.powf(1.0 / 16.0),
            -1.0 => 2e-6,
            0.5 => 0.2505,
            1.0 => 0.5,
            16.0 => 2f32.powf(-1.0 / 16.0),
            _ => 1e-3,
        };
        assert!((mean / expected - 1.0).abs() < 1e-3, "{exponent}: {mean}");
    }
}

#[test]
fn nothing_seen_scores_nothing() {
    let zero = Map::new(40, 24);
    let options = ScoreOptions::default();
    let normaliser = Normaliser::fit(std::slice::from_ref(&zero), (5, 3), true, &options);
    let scale = normaliser.apply(&zero, &options);
    let multi = mean_over_scales(&[scale.clone(), scale.clone()], -1.0);
    let guided = guided_map(
        &scale,
        Some((
            &Mask {
                width: 40,
                height: 24,
                data: vec![true; 960],
            },
            &scale,
        )),
        0.5,
    );
    let fused = fuse(multi.as_ref(), &guided, &options);
    assert!(fused.map.data.iter().all(|&value| value == 0.0));
    assert_eq!(photo_score(&fused.map, 5, 3, &options), 0.0);
}

/// A layer of one row, channel by channel.
fn row(channels: usize, data: &[f32]) -> Layer {
    Layer {
        channels,
        height: 1,
        width: data.len() / channels,
        data: data.to_vec(),
        comparison: Comparison::HalfSquare,
    }
}

/// Every place with itself.
fn in_place(first: &Layer, second: &Layer, energy_floor: f32) -> Vec<f32> {
    layer_distance(first, second, energy_floor, Displacement::NONE)
}

#[test]
fn equal_layers_are_at_distance_zero_and_zero_features_are_finite() {
    let values: Vec<f32> = (0..24).map(|i| (i as f32 * 0.7).sin()).collect();
    let opposite: Vec<f32> = values.iter().map(|value| -value).collect();
    let [values, opposite, zero] = [values, opposite, vec![0.0; 24]].map(|data| row(4, &data));
    assert_eq!(in_place(&values, &values, 0.0), vec![0.0; 6]);
    assert_eq!(in_place(&zero, &zero, 0.0), vec![0.0; 6]);
    let nothing = row(4, &[]);
    assert!(in_place(&nothing, &nothing, 0.0).is_empty());
    let apart = in_place(&values, &opposite, 0.0);
    assert!(
        apart.iter().all(|value| (value - 2.0).abs() < 1e-5),
        "{apart:?}"
    );
    assert!(
        in_place(&zero, &values, 0.0)
            .iter()
            .all(|value| (value - 0.5).abs() < 1e-5)
    );
}

#[test]
fn places_that_show_next_to_nothing_say_next_to_nothing() {
    // Two channels, three places: opposite vectors of length 10, of length 0.1, and the same twice.
    let first = [10.0, 0.1, 0.0, 0.0, 0.0, 3.0];
    let second = [-10.0, -0.1, 0.0, 0.0, 0.0, 3.0];
    let distance = |factor: f32, energy_floor: f32| {
        let [first, second] = [first, second].map(|data| row(2, &data.map(|value| factor * value)));
        in_place(&first, &second, energy_floor)
    };
    let plain = distance(1.0, 0.0);
    for (got, expected) in plain.iter().zip([2.0, 2.0, 0.0]) {
        assert!((got - expected).abs() < 1e-5, "{plain:?}");
    }
    // Half of the mean squared length: E = (100 + 0.01 + 9)/3.
    let floor = 0.5 * 109.01 / 3.0;
    let floored = distance(1.0, 0.5);
    let expected = [200.0 / (100.0 + floor), 0.02 / (0.01 + floor), 0.0];
    for (got, expected) in floored.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-5, "{floored:?}");
    }
    // Twice as strong features of both are the same distance apart.
    let scaled = distance(2.0, 0.5);
    for (got, expected) in scaled.iter().zip(&floored) {
        assert!((got - expected).abs() < 1e-6, "{scaled:?}");
    }
}

#[test]
fn what_was_painted_a_few_pixels_away_is_found_there_and_nowhere_else() {
    // A bright spot at place 2 of six, four pixels each, that the repair shows at place 3.
    let at = |place: usize| {
        let spot = |index| {
            if index == place {
                [0.0, 9.0]
            } else {
                [1.0, 0.0]
            }
        };
        let data: Vec<f32> = (0..2)
            .flat_map(|channel| (0..6).map(move |index| spot(index)[channel]))
            .collect();
        row(2, &data)
    };
    let painted_from = |pixel: usize| Mask {
        width: 24,
        height: 4,
        data: (0..96).map(|index| index % 24 >= pixel).collect(),
    };
    let distance = |pixels, painted: &Mask| {
        layer_distance(&at(2), &at(3), 0.0, Displacement { pixels, painted })
    };
    let everywhere = painted_from(0);
    let same_place = distance(0, &everywhere);
    assert!(same_place[2] > 0.9 && same_place[3] > 0.9, "{same_place:?}");
    // Less than half a place is none, half of one is one.
    assert_eq!(distance(1, &everywhere), same_place);
    assert_eq!(distance(2, &everywhere), vec![0.0; 6]);
    // Place 2 finds its spot where that was painted; of place 3, whatever looks the same was not.
    let half = distance(4, &painted_from(12));
    assert_eq!(half[2], 0.0);
    assert_eq!(
        distance(4, &painted_from(16)),
        same_place[..3]
            .iter()
            .chain(&[0.0; 3])
            .copied()
            .collect::<Vec<_>>()
    );
}

#[test]
fn weighted_layers_are_compared_as_lpips_compares_them() {
    // Two channels, three places: (3, 4) and (4, 3) of length 5, nothing and something, twice the same.
    let weighted = |data: &[f32]| Layer {
        comparison: Comparison::Weighted([0.5, 2.0].into()),
        ..row(2, data)
    };
    let first = weighted(&[3.0, 0.0, 1.0, 4.0, 0.0, 2.0]);
    let second = weighted(&[4.0, 0.0, 2.0, 3.0, 7.0, 4.0]);
    // The floor has no say.
    let distance = in_place(&first, &second, 1.0);
    for (got, expected) in distance.iter().zip([2.5 * 0.04, 2.0, 0.0]) {
        assert!((got - expected).abs() < 1e-6, "{distance:?}");
    }
    assert_eq!(in_place(&first, &first, 1.0), vec![0.0; 3]);
    let [first, second] = [first, second].map(|layer| FeatureLayers {
        layers: vec![layer],
    });
    let map = feature_distance(&first, &second, 3, 1, 1.0, Displacement::NONE);
    assert_eq!(map.data, distance);
}

#[test]
fn the_photos_score_is_the_mean_of_its_highest_cells() {
    let mut map = Map::new(16, 8);
    for y in 0..2 {
        map.data[y * 16..y * 16 + 2].fill(8.0);
    }
    let cells = cell_means(&map, 8, 4);
    assert_eq!(cells.data[0], 8.0);
    assert_eq!(cells.data[1..], [0.0; 31]);
    assert_eq!(photo_score(&map, 8, 4, &ScoreOptions::default()), 2.0);
    assert_eq!(top_mean(&[], 3), 0.0);
    assert_eq!(
        cell_means(
            &Map {
                width: 1,
                height: 1,
                data: vec![3.0]
            },
            2,
            2
        )
        .data,
        [3.0; 4]
    );
}

#[test]
fn a_normaliser_is_the_formula_of_the_method() {
    let options = ScoreOptions {
        synth_ratio: 0.5,
        ..ScoreOptions::default()
    };
    let maps = [
        map(2, vec![1.0, 3.0, 1.0, 3.0]),
        map(2, vec![3.0, 1.0, 3.0, 1.0]),
    ];
    let normaliser = Normaliser::fit(&maps, (2, 2), false, &options);
    assert_eq!(normaliser.mean, 2.0);
    // r_class = 1/2 over k = 2 photos, r_synth = 1/2: shrinking changes nothing.
    assert!((normaliser.std - 1.0).abs() < 1e-6);
    let top = normaliser.top_of_normal(2, 2, &options);
    assert!((top.data[0] - 4.000001).abs() < 1e-5);
}

#[test]
fn tensors_of_normalisers_come_back() {
    let options = ScoreOptions::default();
    let maps = [map(4, (0..16).map(|i| i as f32).collect())];
    let located = Normaliser::fit(&maps, (4, 4), true, &options);
    let single = Normaliser::fit(&maps, (4, 4), false, &options);
    let normalisers = ClassNormalisers {
        features: located.clone(),
        scales: [(2, single.clone()), (4, located)].into(),
        guided: Some(single),
    };
    let json = serde_json::to_string(&normalisers).unwrap();
    let mut read: ClassNormalisers = serde_json::from_str(&json).unwrap();
    assert_eq!(read.expected_tensors().len(), 2);
    for tensor in normalisers.tensors() {
        assert!(read.set_tensor(&tensor.name, tensor.shape, tensor.data));
    }
    assert_eq!(read, normalisers);
    assert!(!read.set_tensor("2", [4, 4], vec![0.0; 16]));
    assert!(!read.set_tensor("4", [4, 4], vec![f32::NAN; 16]));
}
