//! ablations.json and ablations.md: one line per configuration, with intervals.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anomalysd_detect::options::{DetectOptions, Mode};
use anomalysd_metrics::{Interval, mean_and_sd};
use serde::Serialize;
use serde_json::{Value, json};

use super::measure::Measured;
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
    /// Pixel AUROC minus that of the same line.
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
    // Only where both judged the very same photos.
    let other = |own: &Measured| {
        all.iter().find(|other| {
            other.line.name == line.against
                && (&other.class, other.seed) == (&own.class, own.seed)
                && other.photos == own.photos
        })
    };
    let compared: Vec<(&Measured, &Measured)> = own
        .iter()
        .filter_map(|own| Some((*own, other(own)?)))
        .collect();
    let is_compared =
        line.name != line.against && line.name != DEFAULT_ON_FEW && compared.len() == own.len();
    let pairs: Vec<Pair<'_>> = compared
        .iter()
        .map(|(own, other)| Pair {
            ours: &own.scores,
            theirs: &other.scores,
            defective: own.defective.clone(),
        })
        .collect();
    let mean = |rows: &[&Measured], pick: fn(&Figures) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|own| pick(&own.figures)).collect();
        mean_and_sd(&values).map(|(mean, _)| mean)
    };
    let others: Vec<&Measured> = compared.iter().map(|(_, other)| *other).collect();
    let difference = |pick: fn(&Figures) -> Option<f64>| {
        let both = mean(own, pick).zip(mean(&others, pick));
        both.filter(|_| is_compared)
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
        image_auroc_difference: is_compared.then(|| paired_difference(&pairs)).flatten(),
        pixel_auroc_difference: difference(|figures| figures.pixel_auroc),
        aupro_30_difference: difference(|figures| figures.aupro_30),
        line,
    })
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
        let other_photos = Measured {
            photos: vec!["x".into(); 4],
            ..measured("alpha-1", good, 0)
        };
        let rows = super::rows(&[other_photos, measured(DEFAULT, good, 0)]);
        assert!(rows[1].image_auroc_difference.is_none());
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
