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
    /// Good test photos.
    pub n_good: usize,
    /// Defective test photos.
    pub n_defect: usize,
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
        for (name, value) in row(part, method)?.figures.named() {
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

/// Photos are drawn again within each class, draw and kind; both methods see the same ones.
fn difference(parts: &[&Part], other: Method) -> Option<Interval> {
    struct Pair<'a> {
        ours: &'a [f32],
        theirs: &'a [f32],
        kinds: [Vec<usize>; 2],
    }
    let pairs: Vec<Pair<'_>> = parts
        .iter()
        .map(|part| {
            let of_kind = |defective: bool| {
                let all = part.photos.iter().enumerate();
                all.filter(|(_, photo)| photo.defect.is_some() == defective)
                    .map(|(index, _)| index)
                    .collect()
            };
            Some(Pair {
                ours: &row(part, Method::AnomalySd)?.scores,
                theirs: &row(part, other)?.scores,
                kinds: [of_kind(false), of_kind(true)],
            })
        })
        .collect::<Option<_>>()?;
    let strata: Vec<usize> = pairs
        .iter()
        .flat_map(|pair| pair.kinds.iter().map(Vec::len))
        .collect();
    paired_bootstrap(&strata, RESAMPLES, 0, |chosen| {
        let mut sum = 0.0;
        for (pair, chosen) in pairs.iter().zip(chosen.chunks(2)) {
            let indices = |kind: usize| chosen[kind].iter().map(move |&at| pair.kinds[kind][at]);
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
    for difference in &metrics.differences {
        let Interval { value, low, high } = difference.image_auroc;
        let (against, k_shot) = (difference.against.name(), difference.k_shot);
        text.push_str(&format!(
            "image AUROC against {against}, k={k_shot}: {value:+.4} (95 %: {low:+.4} to {high:+.4})\n"
        ));
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
