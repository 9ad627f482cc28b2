//! report.html: one file that shows everything, pictures included.

use std::fmt::Write as _;
use std::path::Path;

use anomalysd_detect::verdict::CalibrationKind;
use anomalysd_metrics::mean_and_sd;

use super::part::{Figures, MAX_FPR, Part};
use super::plots::{COLOURS, Curve, curves, histogram};
use super::rows::Method;
use super::summary::{Metrics, shots, shown};
use crate::error::{CliError, Outcome};
use crate::html::{data_png, escape, page};

/// Columns of the tables: name of the figure and heading.
const COLUMNS: [(&str, &str); 7] = [
    ("image_auroc", "image AUROC"),
    ("image_ap", "image AP"),
    ("image_f1_max", "image F1-max"),
    ("pixel_auroc", "pixel AUROC"),
    ("pixel_ap", "pixel AP"),
    ("pixel_f1_max", "pixel F1-max"),
    ("aupro_30", "AUPRO 30 %"),
];

/// The page. `folder` holds the pictures of the cases.
pub fn html(parts: &[Part], metrics: &Metrics, folder: &Path) -> Outcome<String> {
    let mut body = String::from("<h1>Evaluation</h1>");
    let mut classes: Vec<&str> = parts.iter().map(|part| part.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    body.push_str(&legend());
    for k_shot in shots(parts) {
        // Writing to a String cannot fail.
        let _ = write!(body, "<h2>{k_shot} good photo(s) per class</h2>");
        if metrics.config["profile"].is_null() {
            let support = CalibrationKind::of_fit(k_shot).support(k_shot);
            let _ = write!(body, "<p class=\"faint\">{support}</p>");
        }
        summary_table(&mut body, metrics, k_shot);
        differences(&mut body, metrics, k_shot);
        class_table(&mut body, parts, &classes, k_shot);
    }
    for class in &classes {
        let _ = write!(body, "<h2>{}</h2>", escape(class));
        let mut seen = Vec::new();
        for part in parts.iter().filter(|part| part.class == *class) {
            if seen.contains(&part.k_shot) {
                continue;
            }
            seen.push(part.k_shot);
            plots(&mut body, part);
            cases(&mut body, part, folder)?;
        }
    }
    let config = crate::output::to_json(&metrics.config)?;
    let _ = write!(
        body,
        "<h2>Configuration</h2><pre class=\"faint scroll\">{}</pre>",
        escape(&config)
    );
    Ok(page("AnomalySD evaluation", &body))
}

fn legend() -> String {
    let names = Method::ALL.iter().zip(COLOURS).map(|(method, colour)| {
        format!("<span style=\"color:{colour}\">●</span> {}", method.name())
    });
    format!("<p>{}</p>", names.collect::<Vec<_>>().join(" &nbsp; "))
}

fn heading(body: &mut String, first: &str) {
    let _ = write!(
        body,
        "<div class=\"scroll\"><table><thead><tr><th>{first}</th>"
    );
    for (_, title) in COLUMNS {
        let _ = write!(body, "<th>{title}</th>");
    }
    body.push_str("</tr></thead><tbody>");
}

fn summary_table(body: &mut String, metrics: &Metrics, k_shot: usize) {
    heading(body, "mean over classes ± sd over draws");
    for row in metrics.summary.iter().filter(|row| row.k_shot == k_shot) {
        let best = if row.method == Method::AnomalySd {
            " class=\"best\""
        } else {
            ""
        };
        let _ = write!(body, "<tr{best}><td>{}</td>", row.method.name());
        for (name, _) in COLUMNS {
            let mean = shown(row.mean.get(name).copied());
            let sd = row
                .sd
                .get(name)
                .map_or_else(String::new, |sd| format!(" ± {sd:.3}"));
            let _ = write!(body, "<td>{mean}{sd}</td>");
        }
        body.push_str("</tr>");
    }
    body.push_str("</tbody></table></div>");
}

fn differences(body: &mut String, metrics: &Metrics, k_shot: usize) {
    for found in metrics
        .differences
        .iter()
        .filter(|found| found.k_shot == k_shot)
    {
        let interval = found.image_auroc;
        let claim = if interval.low > 0.0 {
            "better"
        } else if interval.high < 0.0 {
            "worse"
        } else {
            "no difference shown"
        };
        let _ = write!(
            body,
            "<p class=\"faint\">anomalysd against {}: image AUROC {:+.4}, 95 % interval {:+.4} to {:+.4}: {claim}.</p>",
            found.against.name(),
            interval.value,
            interval.low,
            interval.high
        );
    }
}

fn class_table(body: &mut String, parts: &[Part], classes: &[&str], k_shot: usize) {
    heading(body, "class, mean over draws");
    for class in classes {
        for method in Method::ALL {
            let figures: Vec<Figures> = parts
                .iter()
                .filter(|part| part.class == *class && part.k_shot == k_shot)
                .flat_map(|part| part.rows.iter().filter(|row| row.method == method))
                .map(|row| row.figures)
                .collect();
            if figures.is_empty() {
                continue;
            }
            let best = if method == Method::AnomalySd {
                " class=\"best\""
            } else {
                ""
            };
            let _ = write!(
                body,
                "<tr{best}><td>{} {}</td>",
                escape(class),
                method.name()
            );
            for column in 0..COLUMNS.len() {
                let values: Vec<f64> = figures.iter().filter_map(|f| f.named()[column].1).collect();
                let mean = mean_and_sd(&values).map(|(mean, _)| mean);
                let _ = write!(body, "<td>{}</td>", shown(mean));
            }
            body.push_str("</tr>");
        }
    }
    body.push_str("</tbody></table></div>");
}

fn plots(body: &mut String, part: &Part) {
    let _ = write!(
        body,
        "<h3>k = {}, draw {}: ROC of photos, per-region overlap, scores</h3><div class=\"row\">",
        part.k_shot, part.seed
    );
    let colour = |method: Method| {
        let at = Method::ALL.iter().position(|other| *other == method);
        COLOURS[at.unwrap_or(0)]
    };
    let of = |points: fn(&super::part::Row) -> &[(f64, f64)]| {
        part.rows
            .iter()
            .map(|row| Curve {
                name: row.method.name(),
                colour: colour(row.method),
                points: points(row),
            })
            .collect::<Vec<_>>()
    };
    body.push_str(&curves(
        &of(|row| &row.roc),
        1.0,
        "false positive rate",
        "true positive rate",
    ));
    body.push_str(&curves(
        &of(|row| &row.pro),
        MAX_FPR,
        "false positive rate",
        "overlap",
    ));
    if let Some(row) = part.rows.iter().find(|row| row.threshold.is_some()) {
        let of_kind = |defective: bool| -> Vec<f32> {
            let pairs = part.photos.iter().zip(&row.scores);
            pairs
                .filter(|(photo, _)| photo.defect.is_some() == defective)
                .map(|(_, score)| *score)
                .collect()
        };
        body.push_str(&histogram(&of_kind(false), &of_kind(true), row.threshold));
    }
    body.push_str("</div>");
}

fn cases(body: &mut String, part: &Part, folder: &Path) -> Outcome {
    for case in &part.cases {
        let path = folder.join(&case.picture);
        let png = std::fs::read(&path).map_err(|error| CliError::at(&path, error))?;
        let _ = write!(
            body,
            "<figure><img src=\"{}\" alt=\"photo, repaired photo, anomaly map, truth\"><figcaption>{}: {} ({:.3})</figcaption></figure>",
            data_png(&png),
            escape(&case.why),
            escape(&case.path),
            case.score
        );
    }
    Ok(())
}
