//! The report of a tuning: one page that says what was learned, shows it, and says what the thresholds that
//! were set afterwards support.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anomalysd_detect::profile::Profile;
use anomalysd_imaging::encode_png;
use anomalysd_train::tune::look::{Look, mean_psnr};
use anomalysd_train::tune::{Options, TuneClass};
use serde::Deserialize;

use crate::eval::plots::{COLOURS, Curve, curves};
use crate::html::{data_png, escape, page};

/// Points of a loss curve, each the mean of as many lines of the log.
const POINTS: usize = 60;

/// What a model made of the good photos.
#[derive(Debug, Default)]
pub struct Looks {
    /// With holes filled; empty where the U-Net was not tuned.
    pub repaired: Vec<Look>,
    /// Encoded and decoded; empty where the decoder was not tuned.
    pub decoded: Vec<Look>,
}

/// All that the page tells but the thresholds.
#[derive(Debug)]
pub struct Story {
    /// Constants of the tuning.
    pub options: Options,
    /// Name of the model that it began with.
    pub base: String,
    /// Numbers of the U-Net that were tuned.
    pub trained: usize,
    /// A row for each class.
    pub classes: Vec<ClassRow>,
    /// As it was.
    pub before: Looks,
    /// As it is now.
    pub after: Looks,
    /// Lines of the log.
    pub log: Vec<LogLine>,
}

/// What is said of a class.
#[derive(Debug)]
pub struct ClassRow {
    name: String,
    photos: usize,
    /// Mean share of the photo.
    foreground: f64,
    turns: usize,
}

impl From<&TuneClass> for ClassRow {
    fn from(class: &TuneClass) -> Self {
        let share = |good: &anomalysd_train::tune::GoodPhoto| {
            good.foreground.count() as f64 / good.foreground.data.len().max(1) as f64
        };
        let photos = class.photos.len();
        Self {
            name: class.name.clone(),
            photos,
            foreground: class.photos.iter().map(share).sum::<f64>() / photos.max(1) as f64,
            turns: class.turns.len(),
        }
    }
}

/// What a line of the log says of a step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LogLine {
    stage: String,
    step: u64,
    loss: f64,
}

/// The lines of a log, by stage and step; of a step that a stopped run took again, the last one.
pub fn read_log(path: &Path) -> Vec<LogLine> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let by_step: BTreeMap<(String, u64), LogLine> = lines
        .map(|line: LogLine| ((line.stage.clone(), line.step), line))
        .collect();
    by_step.into_values().collect()
}

impl Story {
    /// The page, with the thresholds of the profile that was fitted afterwards.
    pub fn html(&self, profile: &Profile) -> String {
        let mut body = String::new();
        self.head(&mut body);
        self.losses(&mut body);
        let repaired = (&self.before.repaired, &self.after.repaired);
        pictures(
            &mut body,
            "Holes filled, before and after",
            "The first good photo of each class with every other of 4×4 cells hidden, repainted from noise alone, with other photos of the class as references where the model was trained to use them.",
            repaired,
        );
        let decoded = (&self.before.decoded, &self.after.decoded);
        pictures(
            &mut body,
            "Encoded and decoded, before and after",
            "Nothing is hidden: what the autoencoder itself loses.",
            decoded,
        );
        thresholds(&mut body, profile);
        let options = serde_json::to_string_pretty(&self.options).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<h2>Options</h2><pre class=\"faint scroll\">{}</pre>",
            escape(&options)
        );
        page("AnomalySD fine-tuning", &body)
    }

    fn head(&self, body: &mut String) {
        let (unet, decoder) = (&self.options.unet, &self.options.decoder);
        let _ = write!(
            body,
            "<h1>Fine-tuning</h1><p class=\"faint\">{} on the good photos of {} class(es)</p>\
<h2>What was learned</h2><p>",
            escape(&self.base),
            self.classes.len()
        );
        if unet.max_train_steps > 0 {
            let _ = write!(
                body,
                "{} numbers of the U-Net in {} steps of {} photos: how to paint what is hidden. ",
                self.trained,
                unet.max_train_steps,
                unet.train_batch_size * unet.gradient_accumulation_steps
            );
        }
        if decoder.max_train_steps > 0 {
            let _ = write!(
                body,
                "The decoder in {} steps of {} photos: how to show fine texture. ",
                decoder.max_train_steps,
                decoder.train_batch_size * decoder.gradient_accumulation_steps
            );
        }
        body.push_str(
            "</p><div class=\"scroll\"><table><thead><tr><th>class</th><th>good photos</th>\
<th>the part covers</th><th>turns that are good</th></tr></thead><tbody>",
        );
        for class in &self.classes {
            let _ = write!(
                body,
                "<tr><td>{}</td><td>{}</td><td>{:.0} %</td><td>{}</td></tr>",
                escape(&class.name),
                class.photos,
                class.foreground * 100.0,
                class.turns
            );
        }
        body.push_str("</tbody></table></div>");
    }

    fn losses(&self, body: &mut String) {
        let mut stages: Vec<&str> = self.log.iter().map(|line| line.stage.as_str()).collect();
        stages.dedup();
        // Names sort the decoder first, which is trained last.
        stages.reverse();
        if stages.is_empty() {
            return;
        }
        body.push_str("<h2>Loss</h2><div class=\"row\">");
        for (stage, colour) in stages.into_iter().zip(COLOURS.iter().skip(1)) {
            let lines: Vec<&LogLine> = self.log.iter().filter(|line| line.stage == stage).collect();
            let means = means(&lines);
            let highest = means.iter().map(|(_, loss)| *loss).fold(1e-12, f64::max);
            let points: Vec<(f64, f64)> = means
                .iter()
                .map(|(step, loss)| (*step, loss / highest))
                .collect();
            let right = points.last().map_or(1.0, |(step, _)| *step);
            let curve = Curve {
                name: stage,
                colour,
                points: &points,
            };
            let _ = write!(
                body,
                "<figure>{}<figcaption>{stage}: from {:.4} to {:.4}{}</figcaption></figure>",
                curves(&[curve], right, "step", &format!("{highest:.3}")),
                means.first().map_or(0.0, |(_, loss)| *loss),
                means.last().map_or(0.0, |(_, loss)| *loss),
                match lines.len().div_ceil(POINTS) {
                    1 => String::new(),
                    several => format!(", each point the mean of {several} lines of the log"),
                }
            );
        }
        body.push_str("</div>");
    }
}

/// Means of step and loss over runs of lines, at most [`POINTS`] of them.
fn means(lines: &[&LogLine]) -> Vec<(f64, f64)> {
    let size = lines.len().div_ceil(POINTS).max(1);
    let mean = |part: &[&LogLine]| {
        let count = part.len() as f64;
        (
            part.iter().map(|line| line.step as f64).sum::<f64>() / count,
            part.iter().map(|line| line.loss).sum::<f64>() / count,
        )
    };
    lines.chunks(size).map(mean).collect()
}

/// A row for each class: the photo, what the model saw, and what it made of it before and after.
fn pictures(body: &mut String, title: &str, what: &str, (before, after): (&Vec<Look>, &Vec<Look>)) {
    if after.is_empty() {
        return;
    }
    let _ = write!(
        body,
        "<h2>{title}</h2><p>{what} PSNR in the mean: {:.2} dB before, {:.2} dB after.</p>\
<p class=\"faint\">These photos were learned from: they show what was learned, not how it carries over to others. \
`anomalysd eval --holes` measures that on photos that nothing was learned from.</p>",
        mean_psnr(before),
        mean_psnr(after)
    );
    for (before, after) in before.iter().zip(after) {
        let _ = write!(body, "<h3>{}</h3><div class=\"row\">", escape(&after.class));
        let hidden = (after.seen != after.photo).then_some((&after.seen, "hidden".to_owned()));
        let cells = [
            Some((&after.photo, "photo".to_owned())),
            hidden,
            Some((&before.made, caption("before", before))),
            Some((&after.made, caption("after", after))),
        ];
        for (photo, caption) in cells.into_iter().flatten() {
            let _ = write!(
                body,
                "<figure><img alt=\"{caption}\" src=\"{}\"><figcaption>{caption}</figcaption></figure>",
                data_png(&encode_png(photo))
            );
        }
        body.push_str("</div>");
    }
}

/// What is said of a result; of how many references it was made where something was hidden.
fn caption(when: &str, look: &Look) -> String {
    let shown = match look.references {
        _ if look.seen == look.photo => String::new(),
        0 => ", no reference".to_owned(),
        1 => ", 1 reference".to_owned(),
        several => format!(", {several} references"),
    };
    format!("{when}: {:.2} dB{shown}", look.psnr)
}

/// How each threshold was set and what it supports.
fn thresholds(body: &mut String, profile: &Profile) {
    body.push_str(
        "<h2>Thresholds</h2><p>Set after the tuning, with the tuned weights.</p>\
<div class=\"scroll\"><table><thead><tr><th>class</th><th>threshold</th><th>highest good photo</th></tr></thead><tbody>",
    );
    let mut supports: Vec<String> = Vec::new();
    for class in &profile.classes {
        let calibration = &class.calibration;
        let highest = calibration.scores.last().copied().unwrap_or(0.0);
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{:.3}</td><td>{highest:.3}</td></tr>",
            escape(&class.name),
            calibration.threshold
        );
        let support = calibration.support();
        if !supports.contains(&support) {
            supports.push(support);
        }
    }
    body.push_str("</tbody></table></div>");
    for support in supports {
        let _ = write!(body, "<p>{}</p>", escape(&support));
    }
    body.push_str(
        "<p class=\"faint\">The weights were tuned on these very photos, which therefore score lower than others will: \
`anomalysd calibrate` with good photos that were not tuned on sets a threshold that holds.</p>",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_taken_again_counts_once_and_curves_are_means() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let line = |step: u64, loss: f64| {
            format!("{{\"stage\":\"tune-unet\",\"step\":{step},\"loss\":{loss},\"rate\":1e-4}}\n")
        };
        let text: String = (1..=200)
            .map(|step| line(step, 1.0))
            .chain([line(200, 3.0), "{\"stage\":\"tune-un".to_owned()])
            .collect();
        std::fs::write(&path, text).unwrap();
        let log = read_log(&path);
        assert_eq!(log.len(), 200);
        assert_eq!(log[199].loss, 3.0);
        let lines: Vec<&LogLine> = log.iter().collect();
        let points = means(&lines);
        assert_eq!(points.len(), 50);
        assert_eq!(points[0], (2.5, 1.0));
        assert_eq!(points[49], (198.5, 1.5));
        assert!(read_log(&folder.path().join("none")).is_empty());
    }
}
