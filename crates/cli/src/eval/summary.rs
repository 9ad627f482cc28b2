//! metrics.json, scores.csv and the table on stdout.

use std::collections::BTreeMap;

use anomalysd_metrics::{Interval, auroc, mean_and_sd, paired_bootstrap};
use serde::Serialize;
use serde_json::Value;

use super::part::{Figures, Part, Row};
use super::rows::Method;
use crate::error::{CliError, Outcome};

/// Resamples of an interval.
const RESAMPLES: usize = 1000;

/// metrics.json.
#[derive(Debug, Serialize)]
pub struct Metrics {
    schema: &'static str,
    /// One per method, class and draw.
    pub rows: Vec<MetricsRow>,
    /// One per method and number of good photos.
    pub summary: Vec<SummaryRow>,
    /// `anomalysd` against the others.
    pub differences: Vec<Difference>,
    /// Everything needed to run it again.
    pub config: Value,
}

/// A row of metrics.json.
#[derive(Debug, Serialize)]
pub struct MetricsRow {
    /// The method.
    pub method: Method,
    /// Good photos fitted on.
    pub k_shot: usize,
    /// Of the draw.
    pub seed: u64,
    /// The class.
    pub class: String,
    /// All figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Image AUROC under other constants.
    pub image_auroc_by_variant: BTreeMap<String, f64>,
    /// Pixel AUROC of each scale alone.
    pub pixel_auroc_by_scale: BTreeMap<String, f64>,
    /// The score above which a photo is suspect, where the method has verdicts.
    pub threshold: Option<f32>,
    /// Share of the good photos above it.
    pub false_alarm_rate: Option<f64>,
    /// Share of the defective photos above it.
    pub recall: Option<f64>,
    /// Good test photos.
    pub n_good: usize,
    /// Defective test photos.
    pub n_defect: usize,
}

/// Shares of the good and of the defective photos that a part's verdicts call suspect or worse: false
/// alarms and recall at the threshold that people see. `None` where the method has no verdicts, or a
/// kind of photo is missing.
pub fn at_threshold(part: &Part, row: &Row) -> Option<(f64, f64)> {
    let threshold = row.threshold?;
    let share = |defective: bool| {
        let pairs = part.photos.iter().zip(&row.scores);
        let own: Vec<bool> = pairs
            .filter(|(photo, _)| photo.defect.is_some() == defective)
            .map(|(_, score)| *score > threshold)
            .collect();
        let above = own.iter().filter(|above| **above).count();
        (!own.is_empty()).then(|| above as f64 / own.len() as f64)
    };
    Some((share(false)?, share(true)?))
}

/// Mean over classes; standard deviation over seeds of that mean.
#[derive(Debug, Serialize)]
pub struct SummaryRow {
    /// The method.
    pub method: Method,
    /// Good photos fitted on.
    pub k_shot: usize,
    /// By name of the figure.
    pub mean: BTreeMap<&'static str, f64>,
    /// By name of the figure.
    pub sd: BTreeMap<&'static str, f64>,
}

/// `anomalysd` minus another method, image AUROC in the mean over classes and draws.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The other method.
    pub against: Method,
    /// Good photos fitted on.
    pub k_shot: usize,
    /// The difference with its 95 % interval (paired bootstrap over photos, stratified).
    pub image_auroc: Interval,
}

fn row(part: &Part, method: Method) -> Option<&Row> {
    part.rows.iter().find(|row| row.method == method)
}

/// All k, ascending.
pub fn shots(parts: &[Part]) -> Vec<usize> {
    let mut shots: Vec<usize> = parts.iter().map(|part| part.k_shot).collect();
    shots.sort_unstable();
    shots.dedup();
    shots
}

/// Everything for metrics.json.
pub fn metrics(parts: &[Part], config: Value) -> Metrics {
    let rows = parts.iter().flat_map(|part| {
        part.rows.iter().map(|row| MetricsRow {
            threshold: row.threshold,
            false_alarm_rate: at_threshold(part, row).map(|(alarms, _)| alarms),
            recall: at_threshold(part, row).map(|(_, recall)| recall),
            method: row.method,
            k_shot: part.k_shot,
            seed: part.seed,
            class: part.class.clone(),
            figures: row.figures,
            image_auroc_by_variant: row.image_auroc_by_variant.clone(),
            pixel_auroc_by_scale: row.pixel_auroc_by_scale.clone(),
            n_good: part.n_good,
            n_defect: part.n_defect,
        })
    });
    let mut summary = Vec::new();
    let mut differences = Vec::new();
    for k_shot in shots(parts) {
        let parts: Vec<&Part> = parts.iter().filter(|part| part.k_shot == k_shot).collect();
        for method in Method::ALL {
            summary.extend(summarise(&parts, method, k_shot));
            if method != Method::AnomalySd
                && let Some(image_auroc) = difference(&parts, method)
            {
                differences.push(Difference {
                    against: method,
                    k_shot,
                    image_auroc,
                });
            }
        }
    }
    Metrics {
        schema: "anomalysd.metrics.v1",
        rows: rows.collect(),
        summary,
        differences,
        config,
    }
}

fn summarise(parts: &[&Part], method: Method, k_shot: usize) -> Option<SummaryRow> {
    // Figure → seed → one value per class.
    let mut by_figure: BTreeMap<&'static str, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for part in parts {
        let row = row(part, method)?;
        let at_threshold = at_threshold(part, row);
        let named = row.figures.named().into_iter().chain([
            ("false_alarm_rate", at_threshold.map(|(alarms, _)| alarms)),
            ("recall", at_threshold.map(|(_, recall)| recall)),
        ]);
        for (name, value) in named {
            if let Some(value) = value {
                by_figure
                    .entry(name)
                    .or_default()
                    .entry(part.seed)
                    .or_default()
                    .push(value);
            }
        }
    }
    let (mut mean, mut sd) = (BTreeMap::new(), BTreeMap::new());
    for (name, seeds) in by_figure {
        let means: Vec<f64> = seeds
            .values()
            .filter_map(|values| mean_and_sd(values).map(|(mean, _)| mean))
            .collect();
        if let Some((m, s)) = mean_and_sd(&means) {
            mean.insert(name, m);
            sd.insert(name, s);
        }
    }
    Some(SummaryRow {
        method,
        k_shot,
        mean,
        sd,
    })
}

fn difference(parts: &[&Part], other: Method) -> Option<Interval> {
    let pairs: Vec<Pair<'_>> = parts
        .iter()
        .map(|part| {
            let defective = part.photos.iter().map(|photo| photo.defect.is_some());
            Some(Pair {
                ours: &row(part, Method::AnomalySd)?.scores,
                theirs: &row(part, other)?.scores,
                defective: defective.collect(),
            })
        })
        .collect::<Option<_>>()?;
    paired_difference(&pairs)
}

/// Scores of the photos of one class and draw under two methods.
pub struct Pair<'a> {
    /// Of the method that is asked about.
    pub ours: &'a [f32],
    /// Of the one that it is compared with.
    pub theirs: &'a [f32],
    /// Which photos are defective.
    pub defective: Vec<bool>,
}

/// Image AUROC of `ours` minus that of `theirs`, in the mean over pairs, with its 95 % interval.
///
/// Photos are drawn again within each class, draw and kind; both methods see the same ones. `None`
/// without a pair, or where one lacks a kind.
pub fn paired_difference(pairs: &[Pair<'_>]) -> Option<Interval> {
    if pairs.is_empty() {
        return None;
    }
    let of_kind = |pair: &Pair<'_>, kind: bool| -> Vec<usize> {
        let all = pair.defective.iter().enumerate();
        all.filter(|(_, defective)| **defective == kind)
            .map(|(index, _)| index)
            .collect()
    };
    let kinds: Vec<[Vec<usize>; 2]> = pairs
        .iter()
        .map(|pair| [of_kind(pair, false), of_kind(pair, true)])
        .collect();
    let strata: Vec<usize> = kinds.iter().flatten().map(Vec::len).collect();
    paired_bootstrap(&strata, RESAMPLES, 0, |chosen| {
        let mut sum = 0.0;
        for ((pair, kinds), chosen) in pairs.iter().zip(&kinds).zip(chosen.chunks(2)) {
            let indices = |kind: usize| chosen[kind].iter().map(move |&at| kinds[kind][at]);
            let all: Vec<usize> = indices(0).chain(indices(1)).collect();
            let labels: Vec<bool> = (0..all.len()).map(|at| at >= chosen[0].len()).collect();
            let of = |scores: &[f32]| {
                let scores: Vec<f32> = all.iter().map(|&at| scores[at]).collect();
                auroc(&scores, &labels)
            };
            sum += of(pair.ours)? - of(pair.theirs)?;
        }
        Some(sum / pairs.len() as f64)
    })
}

/// One line of progress about a finished part.
pub fn line(part: &Part) -> String {
    let figures: Vec<String> = part
        .rows
        .iter()
        .map(|row| {
            let (image, pixel) = (row.figures.image_auroc, row.figures.pixel_auroc);
            format!("{} {}/{}", row.method.name(), shown(image), shown(pixel))
        })
        .collect();
    format!(
        "{} k={} seed={}: {} ({:.0} ms a photo)",
        part.class,
        part.k_shot,
        part.seed,
        figures.join("  "),
        part.detect_ms
    )
}

/// Three digits, or a dash.
pub fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.3}"))
}

/// Image and pixel AUROC per class and in the mean, over seeds, as text.
pub fn table(metrics: &Metrics) -> String {
    let mut classes: Vec<&str> = metrics.rows.iter().map(|row| row.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut text = String::new();
    for summary in &metrics.summary {
        let head = format!("{} k={}", summary.method.name(), summary.k_shot);
        text.push_str(&format!("{head:<24}"));
        for class in &classes {
            let rows = || {
                metrics.rows.iter().filter(|row| {
                    row.class == *class
                        && row.method == summary.method
                        && row.k_shot == summary.k_shot
                })
            };
            let mean = |pick: fn(&Figures) -> Option<f64>| {
                let values: Vec<f64> = rows().filter_map(|row| pick(&row.figures)).collect();
                mean_and_sd(&values).map(|(mean, _)| mean)
            };
            let (image, pixel) = (mean(|f| f.image_auroc), mean(|f| f.pixel_auroc));
            text.push_str(&format!("  {class} {}/{}", shown(image), shown(pixel)));
        }
        let figure = |name: &str| shown(summary.mean.get(name).copied());
        let (image, pixel, pro) = (
            figure("image_auroc"),
            figure("pixel_auroc"),
            figure("aupro_30"),
        );
        text.push_str(&format!("  mean {image}/{pixel} aupro {pro}\n"));
    }
    text.push_str(&thresholds(metrics, &classes));
    for difference in &metrics.differences {
        let Interval { value, low, high } = difference.image_auroc;
        let (against, k_shot) = (difference.against.name(), difference.k_shot);
        text.push_str(&format!(
            "image AUROC against {against}, k={k_shot}: {value:+.4} (95 %: {low:+.4} to {high:+.4})\n"
        ));
    }
    text
}

/// False alarms and recall at the threshold, per class and in the mean, in per cent.
fn thresholds(metrics: &Metrics, classes: &[&str]) -> String {
    let mut text = String::new();
    let of = |summary: &SummaryRow, name| summary.mean.get(name).map(|share| 100.0 * share);
    for summary in &metrics.summary {
        let shares = of(summary, "false_alarm_rate").zip(of(summary, "recall"));
        let Some((alarms, recall)) = shares else {
            continue;
        };
        let k_shot = summary.k_shot;
        text.push_str(&format!(
            "false alarms / recall at the threshold, k={k_shot}:"
        ));
        for class in classes {
            let rows = || {
                metrics.rows.iter().filter(|row| {
                    row.class == *class && row.method == summary.method && row.k_shot == k_shot
                })
            };
            let mean = |pick: fn(&MetricsRow) -> Option<f64>| {
                let values: Vec<f64> = rows().filter_map(pick).collect();
                mean_and_sd(&values).map_or(f64::NAN, |(mean, _)| 100.0 * mean)
            };
            let (alarms, recall) = (mean(|row| row.false_alarm_rate), mean(|row| row.recall));
            text.push_str(&format!("  {class} {alarms:.1} %/{recall:.1} %"));
        }
        text.push_str(&format!("  mean {alarms:.1} %/{recall:.1} %\n"));
    }
    text
}

/// scores.csv.
pub fn scores_csv(parts: &[Part]) -> Outcome<Vec<u8>> {
    let failed = |error: csv::Error| CliError::Internal(format!("scores.csv: {error}"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "class",
        "k_shot",
        "seed",
        "photo",
        "defect",
        "method",
        "score",
        "threshold",
        "verdict",
    ])
    .map_err(failed)?;
    for part in parts {
        for row in &part.rows {
            for (photo, score) in part.photos.iter().zip(&row.scores) {
                let threshold = row
                    .threshold
                    .map_or_else(String::new, |value| value.to_string());
                let verdict = if row.threshold.is_some() {
                    photo.verdict.as_str()
                } else {
                    ""
                };
                csv.write_record([
                    part.class.as_str(),
                    &part.k_shot.to_string(),
                    &part.seed.to_string(),
                    &photo.path,
                    photo.defect.as_deref().unwrap_or(""),
                    row.method.name(),
                    &score.to_string(),
                    &threshold,
                    verdict,
                ])
                .map_err(failed)?;
            }
        }
    }
    csv.into_inner()
        .map_err(|error| CliError::Internal(format!("scores.csv: {error}")))
}
