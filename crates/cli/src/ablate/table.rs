//! ablations.json and ablations.md: one line per configuration, with intervals.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anomalysd_detect::options::{DetectOptions, Mode};
use anomalysd_metrics::{Interval, mean_and_sd};
use serde::Serialize;
use serde_json::{Value, json};

use super::sheet::Measured;
use super::trials::{DEFAULT_ON_FEW, Line};
use crate::error::Outcome;
use crate::eval::part::Figures;
use crate::eval::summary::{Pair, paired_difference, shown};
use crate::output;

/// What holds for all lines.
pub struct Setting {
    /// Good photos fitted on.
    pub k_shot: usize,
    /// Name of the model; `None` for features alone.
    pub model: Option<String>,
    /// Name of the feature network.
    pub features: String,
    /// Constants of the default.
    pub options: DetectOptions,
}

/// A line over all classes and draws that it was measured on.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Which line.
    #[serde(flatten)]
    pub line: Line,
    /// Classes.
    pub classes: usize,
    /// Seeds of the draws.
    pub seeds: Vec<u64>,
    /// Photos, each draw's counted.
    pub photos: usize,
    /// In the mean over classes and draws.
    pub image_auroc: Option<f64>,
    /// The same of pixels.
    pub pixel_auroc: Option<f64>,
    /// The same of the overlap with regions.
    pub aupro_30: Option<f64>,
    /// Image AUROC minus that of the line that it is compared with, on the same photos, with its 95 %
    /// interval; none where the two share no photos, or are the same.
    pub image_auroc_difference: Option<Interval>,
    /// Pixel AUROC minus that of the same line; none where that has more photos.
    pub pixel_auroc_difference: Option<f64>,
    /// AUPRO minus that of the same line.
    pub aupro_30_difference: Option<f64>,
}

/// Writes both files.
pub fn write(out: &Path, measured: &[Measured], setting: &Setting, config: &Value) -> Outcome {
    let rows = rows(measured);
    let json = json!({
        "schema": "anomalysd.ablations.v1",
        "rows": &rows,
        "parts": measured,
        "config": config,
    });
    output::write_json(&out.join("ablations.json"), &json)?;
    let text = format!("{}\n", markdown(&rows, setting));
    output::write(&out.join("ablations.md"), text.as_bytes())
}

/// Every line once, in the order of the groups, then in that in which they were measured.
pub fn rows(measured: &[Measured]) -> Vec<Row> {
    let mut names: Vec<&str> = Vec::new();
    // The default on few photos is there for those that are compared with it.
    let is_asked = |own: &&Measured| {
        own.line.name != DEFAULT_ON_FEW
            || measured
                .iter()
                .any(|other| other.line.against == DEFAULT_ON_FEW)
    };
    for own in measured.iter().filter(is_asked) {
        if !names.contains(&own.line.name.as_str()) {
            names.push(&own.line.name);
        }
    }
    let mut rows: Vec<Row> = names
        .into_iter()
        .filter_map(|name| {
            let own: Vec<&Measured> = measured
                .iter()
                .filter(|own| own.line.name == name)
                .collect();
            row(&own, measured)
        })
        .collect();
    rows.sort_by_key(|row| row.line.group);
    rows
}

fn row(own: &[&Measured], all: &[Measured]) -> Option<Row> {
    let line = own.first()?.line.clone();
    let compared = compared(own, &line, all).unwrap_or_default();
    let pairs: Vec<Pair<'_>> = compared
        .iter()
        .map(|both| Pair {
            ours: &both.own.scores,
            theirs: &both.theirs,
            defective: both.own.defective.clone(),
        })
        .collect();
    // Pixels are kept as figures alone, so that they are compared where all photos are the same.
    let same_pixels = !compared.is_empty()
        && compared
            .iter()
            .all(|both| both.own.photos == both.other.photos);
    let others: Vec<&Measured> = compared.iter().map(|both| both.other).collect();
    let difference = |pick: fn(&Figures) -> Option<f64>| {
        let both = mean(own, pick).zip(mean(&others, pick));
        both.filter(|_| same_pixels)
            .map(|(ours, theirs)| ours - theirs)
    };
    let classes: BTreeSet<&str> = own.iter().map(|own| own.class.as_str()).collect();
    let seeds: BTreeSet<u64> = own.iter().map(|own| own.seed).collect();
    Some(Row {
        classes: classes.len(),
        seeds: seeds.into_iter().collect(),
        photos: own.iter().map(|own| own.photos.len()).sum(),
        image_auroc: mean(own, |figures| figures.image_auroc),
        pixel_auroc: mean(own, |figures| figures.pixel_auroc),
        aupro_30: mean(own, |figures| figures.aupro_30),
        image_auroc_difference: paired_difference(&pairs),
        pixel_auroc_difference: difference(|figures| figures.pixel_auroc),
        aupro_30_difference: difference(|figures| figures.aupro_30),
        line,
    })
}

/// A line on one class and draw, beside what it is compared with.
struct Compared<'a> {
    own: &'a Measured,
    other: &'a Measured,
    /// Scores of the other on the photos of this one, which may be some of its own.
    theirs: Vec<f32>,
}

/// Every class and draw of a line with its counterpart; `None` where one has none, or judged other
/// photos, and for lines that the others are compared with.
fn compared<'a>(
    own: &[&'a Measured],
    line: &Line,
    all: &'a [Measured],
) -> Option<Vec<Compared<'a>>> {
    if [line.against.as_str(), DEFAULT_ON_FEW].contains(&line.name.as_str()) {
        return None;
    }
    let both = own.iter().map(|own| {
        let other = all.iter().find(|other| {
            other.line.name == line.against && (&other.class, other.seed) == (&own.class, own.seed)
        })?;
        let score = |photo| {
            let at = other.photos.iter().position(|name| name == photo)?;
            other.scores.get(at).copied()
        };
        Some(Compared {
            own,
            other,
            theirs: own.photos.iter().map(score).collect::<Option<_>>()?,
        })
    });
    both.collect()
}

/// Mean over classes and draws.
fn mean(rows: &[&Measured], pick: fn(&Figures) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = rows.iter().filter_map(|own| pick(&own.figures)).collect();
    mean_and_sd(&values).map(|(mean, _)| mean)
}

/// The table, with what it rests on above it.
pub fn markdown(rows: &[Row], setting: &Setting) -> String {
    let options = &setting.options;
    let mode = match options.mode {
        Mode::Fast => "fast",
        Mode::Faithful => "faithful",
    };
    let model = setting.model.as_deref().unwrap_or("no model");
    let mut text = format!(
        "k = {} good photos; {model} and {}, {mode} mode, α = {}, w = {}. Means over classes and draws; \
         differences are against the default on the same photos, that of the image AUROC with its 95 % \
         interval (paired bootstrap over photos and draws, within class and kind). Bold: the interval does not \
         hold 0.\n\n\
         | | | image AUROC | difference | pixel AUROC | difference | AUPRO | difference | classes × draws, photos |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        setting.k_shot, setting.features, options.score.fusion_alpha, options.score.guided_weight
    );
    let mut group = None;
    for row in rows {
        let title = if group == Some(row.line.group) {
            ""
        } else {
            row.line.group.title()
        };
        group = Some(row.line.group);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {title} | {} | {} | {} | {} | {} | {} | {} | {} × {}, {} |",
            row.line.label,
            shown(row.image_auroc),
            interval(row.image_auroc_difference),
            shown(row.pixel_auroc),
            signed(row.pixel_auroc_difference),
            shown(row.aupro_30),
            signed(row.aupro_30_difference),
            row.classes,
            row.seeds.len(),
            row.photos
        );
    }
    text.trim_end().to_owned()
}

/// A difference and its interval; bold where it does not hold 0.
pub fn interval(found: Option<Interval>) -> String {
    let Some(Interval { value, low, high }) = found else {
        return String::new();
    };
    let said = format!(
        "{} ({} to {})",
        signed(Some(value)),
        signed(Some(low)),
        signed(Some(high))
    );
    if low > 0.0 || high < 0.0 {
        format!("**{said}**")
    } else {
        said
    }
}

/// Three digits with a sign; nothing where there is none.
fn signed(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| {
        // Of a rounded zero, no sign is known.
        let rounded = (value * 1000.0).round() / 1000.0;
        if rounded == 0.0 {
            "0.000".into()
        } else {
            format!("{rounded:+.3}").replace('-', "−")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::trials::{DEFAULT, Group};

    fn measured(name: &str, scores: [f32; 4], seed: u64) -> Measured {
        let defective = vec![false, false, true, true];
        let line = Line::new(
            if name == DEFAULT {
                Group::Whole
            } else {
                Group::Fusion
            },
            name,
            name,
        );
        Measured {
            figures: Figures {
                image_auroc: anomalysd_metrics::auroc(&scores, &defective),
                pixel_auroc: Some(0.5),
                ..Figures::default()
            },
            line,
            class: "nut".into(),
            seed,
            photos: ["a", "b", "c", "d"].map(str::to_owned).into(),
            defective,
            scores: scores.into(),
            threshold: None,
        }
    }

    #[test]
    fn a_line_is_compared_on_the_draws_that_it_has() {
        let good = [0.1, 0.2, 0.8, 0.9];
        let all = [
            measured("alpha-1", [0.1, 0.8, 0.2, 0.9], 0),
            measured(DEFAULT, good, 0),
            measured(DEFAULT, [0.9, 0.8, 0.1, 0.2], 1),
        ];
        let rows = rows(&all);
        let names: Vec<&str> = rows.iter().map(|row| row.line.name.as_str()).collect();
        assert_eq!(names, [DEFAULT, "alpha-1"]);
        assert_eq!(rows[0].image_auroc, Some(0.5));
        assert!(rows[0].image_auroc_difference.is_none());
        let found = rows[1].image_auroc_difference.unwrap();
        assert!(
            (found.value + 0.25).abs() < 1e-12 && found.low <= found.high,
            "{found:?}"
        );
        assert_eq!(rows[1].pixel_auroc_difference, Some(0.0));
        let of_photos = |photos: &[&str]| {
            let mut own = measured("alpha-1", good, 0);
            own.photos = photos.iter().map(|name| (*name).to_owned()).collect();
            own.defective.truncate(photos.len());
            own.scores.truncate(photos.len());
            super::rows(&[own, measured(DEFAULT, good, 0)]).remove(1)
        };
        // Some of the default's photos do; a photo that it never judged does not.
        let fewer = of_photos(&["a", "b", "c"]);
        assert_eq!(fewer.image_auroc_difference.map(|own| own.value), Some(0.0));
        assert!(fewer.pixel_auroc_difference.is_none());
        assert!(
            of_photos(&["a", "b", "c", "x"])
                .image_auroc_difference
                .is_none()
        );
    }

    #[test]
    fn an_interval_is_bold_where_it_does_not_hold_0() {
        let of = |low, high| {
            interval(Some(Interval {
                value: -0.0123,
                low,
                high,
            }))
        };
        assert_eq!(of(-0.02, 0.01), "−0.012 (−0.020 to +0.010)");
        assert_eq!(of(-0.02, -0.01), "**−0.012 (−0.020 to −0.010)**");
        assert_eq!(signed(Some(-0.0001)), "0.000");
        assert_eq!(interval(None), "");
    }
}
