//! Maps and scores while a class is judged, and the figures that are kept of them.

use anomalysd_detect::pipeline::Detection;
use anomalysd_imaging::Map;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

use super::derived::{Judged, whole};
use super::measure::Job;
use super::trials::{DEFAULT, DEFAULT_ON_FEW, FEW, Group, Line};
use crate::eval::nearest::squeezed;
use crate::eval::part::{Figures, Pixels, Truth, figures};

/// One line on one class and draw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Which line.
    pub line: Line,
    /// The class.
    pub class: String,
    /// Seed of the draw.
    pub seed: u64,
    /// The judged photos, below the data set's folder.
    pub photos: Vec<String>,
    /// Which of them are defective.
    pub defective: Vec<bool>,
    /// Their scores.
    pub scores: Vec<f32>,
    /// Figures of photos and pixels.
    pub figures: Figures,
    /// The score above which a photo is suspect, on the lines of whole detections.
    pub threshold: Option<f32>,
}

/// Maps and scores by line and photo.
#[derive(Default)]
pub struct Sheet {
    names: Vec<String>,
    truth: Vec<Truth>,
    lines: Vec<Entry>,
}

/// One line of a sheet.
struct Entry {
    line: Line,
    maps: Vec<Map>,
    scores: Vec<f32>,
    threshold: Option<f32>,
    /// The maps are those of the plain baseline, whatever the photo's aspect.
    squeezed: bool,
}

impl Sheet {
    /// The next photo, which every line is then put for.
    pub fn photo(&mut self, name: String, truth: Truth) {
        self.names.push(name);
        self.truth.push(truth);
    }

    /// What a line says of the last photo. `squeezed`: the map is the plain baseline's.
    pub fn put(&mut self, line: &Line, judged: Judged, threshold: Option<f32>, squeezed: bool) {
        let known = self.lines.iter().position(|own| own.line.name == line.name);
        let at = known.unwrap_or_else(|| {
            self.lines.push(Entry {
                line: line.clone(),
                maps: Vec::new(),
                scores: Vec::new(),
                threshold,
                squeezed,
            });
            self.lines.len() - 1
        });
        let entry = &mut self.lines[at];
        entry.maps.push(judged.map);
        entry.scores.push(judged.score);
    }

    /// What a line that is a whole detection says of the last photo.
    pub fn put_whole(&mut self, line: &Line, detection: &Detection) {
        self.put(line, whole(detection), Some(detection.threshold), false);
    }

    /// Figures of every line, in order.
    pub fn measured(&self, job: &Job) -> Vec<Measured> {
        let all: Vec<usize> = (0..self.truth.len()).collect();
        let small: Vec<Truth> = self.truth.iter().map(squeezed).collect();
        let measure = |entry: &Entry| {
            let truth = if entry.squeezed { &small } else { &self.truth };
            entry.measured(&self.names, truth, &all, job)
        };
        let lines: Vec<&Entry> = self.lines.iter().collect();
        lines.into_par_iter().map(measure).collect()
    }

    /// The default on the photos that a costly configuration judges.
    pub fn on_few(&self, job: &Job) -> Option<Measured> {
        let entry = self.lines.iter().find(|own| own.line.name == DEFAULT)?;
        let few = job.class.subset(FEW).test;
        let tested = job.class.test.iter().enumerate();
        let chosen: Vec<usize> = tested
            .filter(|(_, photo)| few.contains(photo))
            .map(|(index, _)| index)
            .collect();
        let mut measured = entry.measured(&self.names, &self.truth, &chosen, job);
        measured.line = Line::new(
            Group::Inpainting,
            DEFAULT_ON_FEW,
            "the default on the photos of the faithful row",
        );
        Some(measured)
    }
}

impl Entry {
    /// Figures over the chosen photos.
    fn measured(&self, names: &[String], truth: &[Truth], chosen: &[usize], job: &Job) -> Measured {
        let scores: Vec<f32> = chosen.iter().map(|&at| self.scores[at]).collect();
        let defective: Vec<bool> = chosen.iter().map(|&at| truth[at].defective).collect();
        let known: Vec<Truth> = chosen
            .iter()
            .map(|&at| Truth {
                defective: truth[at].defective,
                mask: truth[at].mask.clone(),
            })
            .collect();
        let pixels = Pixels::new(chosen.iter().map(|&at| &self.maps[at]), &known);
        Measured {
            line: self.line.clone(),
            class: job.class.name.clone(),
            seed: job.seed,
            photos: chosen.iter().map(|&at| names[at].clone()).collect(),
            figures: figures(&scores, &defective, &pixels),
            defective,
            scores,
            threshold: self.threshold,
        }
    }
}
