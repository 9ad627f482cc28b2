//! Image and pixel figures against scikit-learn, AUPRO against anomalib (tests/golden/metrics.py),
//! and both against their definitions, computed threshold by threshold.

use anomalysd_imaging::{Map, Mask};
use anomalysd_metrics::{aupro, auroc, average_precision, f1_max};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    ranking: Vec<Ranking>,
    pro: Vec<Pro>,
}

#[derive(Deserialize)]
struct Ranking {
    name: String,
    scores: Vec<f32>,
    labels: Vec<bool>,
    auroc: f64,
    average_precision: f64,
    f1_max: f64,
}

#[derive(Deserialize)]
struct Pro {
    name: String,
    shape: [usize; 3],
    maps: Vec<f32>,
    masks: String,
    #[serde(rename = "aupro_0.05")]
    narrow: f64,
    #[serde(rename = "aupro_0.3")]
    usual: f64,
    #[serde(rename = "aupro_1.0")]
    whole: f64,
}

impl Pro {
    fn arrays(&self) -> (Vec<Map>, Vec<Mask>) {
        let [count, height, width] = self.shape;
        let set: Vec<bool> = self.masks.bytes().map(|byte| byte == b'1').collect();
        let area = width * height;
        let part = |index: usize| index * area..(index + 1) * area;
        (0..count)
            .map(|index| {
                (
                    Map::from_vec(width, height, self.maps[part(index)].to_vec()).unwrap(),
                    Mask::from_vec(width, height, set[part(index)].to_vec()).unwrap(),
                )
            })
            .unzip()
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/metrics.json")).unwrap()
}

fn assert_near(what: &str, got: Option<f64>, expected: f64, tolerance: f64) {
    let got = got.unwrap_or_else(|| panic!("{what}: no figure"));
    assert!(
        (got - expected).abs() <= tolerance,
        "{what}: {got}, expected {expected}"
    );
}

#[test]
fn ranking_figures_equal_scikit_learn() {
    let cases = golden().ranking;
    assert_eq!(cases.len(), 9);
    for case in cases {
        let (scores, labels, name) = (&case.scores, &case.labels, &case.name);
        let check = |figure: &str, got, expected| {
            assert_near(&format!("{name}: {figure}"), got, expected, 1e-12);
        };
        check("AUROC", auroc(scores, labels), case.auroc);
        check(
            "AP",
            average_precision(scores, labels),
            case.average_precision,
        );
        check("F1-max", f1_max(scores, labels), case.f1_max);
    }
}

#[test]
fn aupro_equals_anomalib() {
    let cases = golden().pro;
    assert_eq!(cases.len(), 8);
    for case in cases {
        let (maps, masks) = case.arrays();
        for (limit, expected) in [(0.05, case.narrow), (0.3, case.usual), (1.0, case.whole)] {
            let what = format!("{} to {limit}", case.name);
            // anomalib adds in f32.
            assert_near(&what, aupro(&maps, &masks, limit), expected, 1e-5);
        }
    }
}

/// Regions by letting every pixel take the smallest number among its eight neighbours until nothing changes.
fn regions(mask: &Mask) -> Vec<Vec<usize>> {
    let (width, height) = (mask.width as isize, mask.height as isize);
    let mut number: Vec<usize> = (0..mask.data.len()).collect();
    loop {
        let before = number.clone();
        for at in (0..number.len()).filter(|&at| mask.data[at]) {
            let (x, y) = (at as isize % width, at as isize / width);
            for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
                let (column, row) = (x + dx, y + dy);
                if (0..width).contains(&column) && (0..height).contains(&row) {
                    let next = (row * width + column) as usize;
                    if mask.data[next] {
                        number[at] = number[at].min(number[next]);
                    }
                }
            }
        }
        if number == before {
            break;
        }
    }
    (0..number.len())
        .map(|first| {
            (0..number.len())
                .filter(|&at| mask.data[at] && number[at] == first)
                .collect::<Vec<_>>()
        })
        .filter(|pixels| !pixels.is_empty())
        .collect()
}

/// The area under the curve of (false alarms, mean overlap) over all thresholds, cut at `limit`.
fn aupro_by_definition(maps: &[Map], masks: &[Mask], limit: f64) -> Option<f64> {
    let mut thresholds: Vec<f32> = maps.iter().flat_map(|map| map.data.clone()).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    let regions: Vec<Vec<Vec<usize>>> = masks.iter().map(regions).collect();
    let n_regions = regions.iter().map(Vec::len).sum::<usize>() as f64;
    let clean = masks
        .iter()
        .map(|mask| mask.data.len() - mask.count())
        .sum::<usize>() as f64;
    if n_regions == 0.0 || clean == 0.0 {
        return None;
    }
    let point = |threshold: f32| {
        let (mut alarms, mut overlap) = (0.0, 0.0);
        for ((map, mask), regions) in maps.iter().zip(masks).zip(&regions) {
            let called = |at: usize| map.data[at] >= threshold;
            alarms += (0..map.data.len())
                .filter(|&at| called(at) && !mask.data[at])
                .count() as f64;
            for region in regions {
                let hit = region.iter().filter(|&&at| called(at)).count();
                overlap += hit as f64 / region.len() as f64;
            }
        }
        (alarms / clean, overlap / n_regions)
    };
    let mut area = 0.0;
    let mut last = (0.0, 0.0);
    for threshold in thresholds {
        let next = point(threshold);
        if next.0 > last.0 {
            let end = next.0.min(limit);
            if end > last.0 {
                let slope = (next.1 - last.1) / (next.0 - last.0);
                let at_end = last.1 + slope * (end - last.0);
                area += (end - last.0) * (last.1 + at_end) / 2.0;
            }
        }
        last = next;
    }
    Some(area / limit)
}

/// Σ over thresholds of the precision there times what the recall gains.
fn average_precision_by_definition(scores: &[f32], labels: &[bool]) -> f64 {
    let mut thresholds = scores.to_vec();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let mut recall_before = 0.0;
    thresholds
        .iter()
        .map(|threshold| {
            let called: Vec<bool> = (0..scores.len())
                .filter(|&i| scores[i] >= *threshold)
                .map(|i| labels[i])
                .collect();
            let hits = called.iter().filter(|&&label| label).count() as f64;
            let gain = hits / positives - recall_before;
            recall_before = hits / positives;
            gain * hits / called.len() as f64
        })
        .sum()
}

proptest! {
    #[test]
    fn aupro_equals_its_definition(
        cells in proptest::collection::vec((0u8..7, proptest::bool::weighted(0.35)), 60..=60),
        limit in proptest::sample::select(vec![0.1, 0.3, 1.0]),
    ) {
        let part = |index: usize| &cells[index * 30..(index + 1) * 30];
        let map = |index| Map {
            width: 6, height: 5, data: part(index).iter().map(|cell| f32::from(cell.0)).collect(),
        };
        let mask = |index| Mask {
            width: 6, height: 5, data: part(index).iter().map(|cell| cell.1).collect(),
        };
        let (maps, masks) = ([map(0), map(1)], [mask(0), mask(1)]);
        match (aupro(&maps, &masks, limit), aupro_by_definition(&maps, &masks, limit)) {
            (Some(got), Some(expected)) => prop_assert!((got - expected).abs() < 1e-12, "{} {}", got, expected),
            (got, expected) => prop_assert_eq!(got, expected),
        }
    }

    #[test]
    fn average_precision_equals_its_definition(
        pairs in proptest::collection::vec((0u8..9, any::<bool>()), 2..50)
    ) {
        let scores: Vec<f32> = pairs.iter().map(|pair| f32::from(pair.0)).collect();
        let labels: Vec<bool> = pairs.iter().map(|pair| pair.1).collect();
        let mixed = labels.contains(&true) && labels.contains(&false);
        match average_precision(&scores, &labels) {
            Some(got) => {
                let expected = average_precision_by_definition(&scores, &labels);
                prop_assert!((got - expected).abs() < 1e-12, "{} {}", got, expected);
            }
            None => prop_assert!(!mixed),
        }
    }
}
