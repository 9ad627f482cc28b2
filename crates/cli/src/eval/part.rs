//! One class and one draw, measured and kept in a file.

use std::collections::BTreeMap;

use anomalysd_imaging::{Map, Mask, resize_bilinear_map};
use anomalysd_metrics::{aupro, decimate, pro_curve, roc_curve, summary};
use serde::{Deserialize, Serialize};

use super::rows::{Judged, Method};

/// Points of the curves in the report.
const POINTS: usize = 80;
/// AUPRO is taken up to this false positive rate.
pub const MAX_FPR: f64 = 0.3;

/// Everything about one class and one draw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// Hash of everything that it depends on.
    pub depends_on: String,
    /// The class.
    pub class: String,
    /// Good photos fitted on.
    pub k_shot: usize,
    /// Seed of the draw.
    pub seed: u64,
    /// Good test photos.
    pub n_good: usize,
    /// Defective test photos.
    pub n_defect: usize,
    /// The test photos, in order.
    pub photos: Vec<TestedPhoto>,
    /// One per method.
    pub rows: Vec<Row>,
    /// Best and worst cases as pictures in files of these names.
    pub cases: Vec<Case>,
    /// Milliseconds of a median detection.
    pub detect_ms: f64,
}

/// A test photo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TestedPhoto {
    /// Below the data set's folder.
    pub path: String,
    /// Kind of defect; none for a good one.
    pub defect: Option<String>,
    /// What `anomalysd` says.
    pub verdict: String,
}

/// One method's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The method.
    pub method: Method,
    /// By photo.
    pub scores: Vec<f32>,
    /// Of the verdict, where the method has one.
    pub threshold: Option<f32>,
    /// Figures of photos and pixels.
    pub figures: Figures,
    /// Image AUROC under other constants.
    pub image_auroc_by_variant: BTreeMap<String, f64>,
    /// Pixel AUROC of each scale alone, where the method has scales.
    #[serde(default)]
    pub pixel_auroc_by_scale: BTreeMap<String, f64>,
    /// Of photos.
    pub roc: Vec<(f64, f64)>,
    /// Up to the limit of false positives.
    pub pro: Vec<(f64, f64)>,
}

/// Figures of one class, as metrics.json has them; `None` where they cannot be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// AUROC of photos.
    pub image_auroc: Option<f64>,
    /// Average precision of photos.
    pub image_ap: Option<f64>,
    /// Largest F1 of photos.
    pub image_f1_max: Option<f64>,
    /// AUROC of pixels.
    pub pixel_auroc: Option<f64>,
    /// Average precision of pixels.
    pub pixel_ap: Option<f64>,
    /// Largest F1 of pixels.
    pub pixel_f1_max: Option<f64>,
    /// Area under the per-region overlap up to 0.3, divided by 0.3.
    pub aupro_30: Option<f64>,
}

impl Figures {
    /// Names and values, in the order of the tables.
    pub fn named(&self) -> [(&'static str, Option<f64>); 7] {
        [
            ("image_auroc", self.image_auroc),
            ("image_ap", self.image_ap),
            ("image_f1_max", self.image_f1_max),
            ("pixel_auroc", self.pixel_auroc),
            ("pixel_ap", self.pixel_ap),
            ("pixel_f1_max", self.pixel_f1_max),
            ("aupro_30", self.aupro_30),
        ]
    }
}

/// A case worth looking at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Case {
    /// Why, in words.
    pub why: String,
    /// The photo.
    pub path: String,
    /// Its score.
    pub score: f32,
    /// File beside the part: photo, repaired, map, truth.
    pub picture: String,
}

/// What is true of a test photo.
pub struct Truth {
    /// Whether it is defective.
    pub defective: bool,
    /// Where; `None` for a defect that nobody marked.
    pub mask: Option<Mask>,
}

/// The marked photos of a class, pixel by pixel.
pub struct Pixels {
    /// Maps of the photos that have a mask, each of its size.
    maps: Vec<Map>,
    masks: Vec<Mask>,
    values: Vec<f32>,
    marked: Vec<bool>,
}

impl Pixels {
    /// Maps are resized to the masks; masks never are. Defects without a mask are left out.
    pub fn new<'a>(maps: impl Iterator<Item = &'a Map>, truth: &[Truth]) -> Self {
        let (mut own, mut masks): (Vec<Map>, Vec<Mask>) = (Vec::new(), Vec::new());
        for (map, truth) in maps.zip(truth) {
            if let Some(mask) = &truth.mask {
                own.push(resize_bilinear_map(map, mask.width, mask.height));
                masks.push(mask.clone());
            }
        }
        let values = own.iter().flat_map(|map| map.data.iter().copied());
        let marked = masks.iter().flat_map(|mask| mask.data.iter().copied());
        Self {
            values: values.collect(),
            marked: marked.collect(),
            maps: own,
            masks,
        }
    }
}

/// Figures of scores and maps. `labels`: which photos are defective, in the order of `scores`.
pub fn figures(scores: &[f32], labels: &[bool], pixels: &Pixels) -> Figures {
    let photos = summary(scores, labels);
    let marked = summary(&pixels.values, &pixels.marked);
    Figures {
        image_auroc: photos.map(|found| found.auroc),
        image_ap: photos.map(|found| found.average_precision),
        image_f1_max: photos.map(|found| found.f1_max),
        pixel_auroc: marked.map(|found| found.auroc),
        pixel_ap: marked.map(|found| found.average_precision),
        pixel_f1_max: marked.map(|found| found.f1_max),
        aupro_30: aupro(&pixels.maps, &pixels.masks, MAX_FPR),
    }
}

/// Figures of one method over the photos of a class.
pub fn row(method: Method, judged: &[Judged], truth: &[Truth], threshold: Option<f32>) -> Row {
    let labels: Vec<bool> = truth.iter().map(|truth| truth.defective).collect();
    let scores: Vec<f32> = judged.iter().map(|judged| judged.score).collect();
    let pixels = Pixels::new(judged.iter().map(|judged| &judged.map), truth);
    let figures = figures(&scores, &labels, &pixels);
    let mut by_variant: BTreeMap<String, f64> = BTreeMap::new();
    for name in judged
        .first()
        .into_iter()
        .flat_map(|first| first.by_variant.keys())
    {
        let scores: Vec<f32> = judged
            .iter()
            .filter_map(|judged| judged.by_variant.get(name).copied())
            .collect();
        if let Some(found) = summary(&scores, &labels) {
            by_variant.insert(name.clone(), found.auroc);
        }
    }
    let mut by_scale: BTreeMap<String, f64> = BTreeMap::new();
    for name in judged
        .first()
        .into_iter()
        .flat_map(|first| first.parts.keys())
    {
        let mut values = Vec::with_capacity(pixels.values.len());
        for (judged, truth) in judged.iter().zip(truth) {
            if let (Some(map), Some(mask)) = (judged.parts.get(name), &truth.mask) {
                values.extend(resize_bilinear_map(map, mask.width, mask.height).data);
            }
        }
        if let Some(found) = summary(&values, &pixels.marked) {
            by_scale.insert(name.clone(), found.auroc);
        }
    }
    let pro: Vec<(f64, f64)> = pro_curve(&pixels.maps, &pixels.masks)
        .unwrap_or_default()
        .into_iter()
        .take_while(|point| point.0 <= MAX_FPR)
        .collect();
    Row {
        method,
        scores,
        threshold,
        figures,
        image_auroc_by_variant: by_variant,
        pixel_auroc_by_scale: by_scale,
        roc: rounded(roc_curve(&labels_scores(judged), &labels, POINTS).unwrap_or_default()),
        pro: rounded(decimate(&pro, POINTS)),
    }
}

fn labels_scores(judged: &[Judged]) -> Vec<f32> {
    judged.iter().map(|judged| judged.score).collect()
}

/// Four digits are enough for a picture.
fn rounded(curve: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let round = |value: f64| (value * 1e4).round() / 1e4;
    curve
        .into_iter()
        .map(|(x, y)| (round(x), round(y)))
        .collect()
}
