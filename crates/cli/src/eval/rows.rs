//! Four methods from one detection.

use std::collections::BTreeMap;

use anomalysd_detect::options::{DetectOptions, ScoreOptions};
use anomalysd_detect::pipeline::Detection;
use anomalysd_detect::score::{cell_means, fuse, guided_map, photo_score, top_mean};
use anomalysd_imaging::Map;
use serde::{Deserialize, Serialize};

/// A row of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The plain baseline.
    NearestNeighbour,
    /// q̃ alone.
    FeaturesOnly,
    /// α = 0: repairs alone.
    RepairOnly,
    /// Everything.
    #[serde(rename = "anomalysd")]
    AnomalySd,
}

impl Method {
    /// All, in the order of the tables.
    pub const ALL: [Self; 4] = [
        Self::NearestNeighbour,
        Self::FeaturesOnly,
        Self::RepairOnly,
        Self::AnomalySd,
    ];

    /// Its name in every file.
    pub fn name(self) -> &'static str {
        match self {
            Self::NearestNeighbour => "nearest-neighbour",
            Self::FeaturesOnly => "features-only",
            Self::RepairOnly => "repair-only",
            Self::AnomalySd => "anomalysd",
        }
    }
}

/// What one method says of one photo.
#[derive(Debug, Clone)]
pub struct Judged {
    /// S, at the size of the judged photo.
    pub map: Map,
    /// The photo's score.
    pub score: f32,
    /// Scores under other constants: the share of the highest cells (`top 1 %`), the share of the
    /// guided part in the fused map (`alpha 0.75`).
    pub by_variant: BTreeMap<String, f32>,
    /// D̃_n by scale, for figures of each scale alone.
    pub parts: BTreeMap<String, Map>,
}

/// Shares of the highest feature cells that are reported beside the chosen one.
const TOPS: [(&str, f32); 5] = [
    ("top cell", 0.0),
    ("top 0.1 %", 0.001),
    ("top 0.5 %", 0.005),
    ("top 1 %", 0.01),
    ("top 2 %", 0.02),
];

/// Shares of the guided part that are reported beside the chosen one.
const ALPHAS: [f32; 4] = [0.5, 0.75, 0.9, 1.0];
/// Weights of the guided repair that are reported beside the chosen one.
const WEIGHTS: [f32; 4] = [0.0, 0.1, 0.25, 0.5];

/// The methods that a detection carries; those with repairs only `with_model`.
pub fn of_detection(
    detection: &Detection,
    options: &DetectOptions,
    with_model: bool,
) -> Vec<(Method, Judged)> {
    let photo = &detection.measurement.photo;
    let grid = detection.measurement.grid(options.features.grid);
    let scored = &detection.scored;
    let score = &detection.measurement.score_options(&options.score);
    let alone = fuse(None, &scored.features, score).map;
    let mut rows = vec![(Method::FeaturesOnly, judged(alone, grid, score))];
    if !with_model {
        return rows;
    }
    let multi_scale = scored.multi_scale.as_ref();
    let guided = detection.measurement.guided.as_ref();
    let repair = guided
        .map(|guided| &guided.cores)
        .zip(scored.guided_repair.as_ref());
    let repairs = match multi_scale {
        Some(_) => fuse(multi_scale, &scored.guided, &with_alpha(score, 0.0)).map,
        // Without scales the guided pass is the only repair, and it says nothing outside its cores.
        None => {
            let nothing = Map::new(photo.width, photo.height);
            fuse(None, &guided_map(&nothing, repair, 1.0), score).map
        }
    };
    rows.push((Method::RepairOnly, judged(repairs, grid, score)));
    let mut all = judged(scored.map.clone(), grid, score);
    for weight in WEIGHTS {
        let guided = guided_map(&scored.features, repair, weight);
        for alpha in ALPHAS {
            let (name, alpha) = match multi_scale {
                Some(_) => (format!("alpha {alpha} guided {weight}"), alpha),
                None => (format!("guided {weight}"), 1.0),
            };
            let map = fuse(multi_scale, &guided, &with_alpha(score, alpha)).map;
            let figure = photo_score(&map, grid.0, grid.1, score);
            all.by_variant.insert(name, figure);
        }
    }
    all.parts = scored
        .scales
        .iter()
        .map(|(n, map)| (format!("scale {n}"), map.clone()))
        .collect();
    rows.push((Method::AnomalySd, all));
    rows
}

fn with_alpha(options: &ScoreOptions, fusion_alpha: f32) -> ScoreOptions {
    ScoreOptions {
        fusion_alpha,
        ..options.clone()
    }
}

fn judged(map: Map, (columns, rows): (usize, usize), options: &ScoreOptions) -> Judged {
    let score = photo_score(&map, columns, rows, options);
    let cells = cell_means(&map, columns, rows);
    let by_variant = TOPS.map(|(name, share)| {
        let count = (share * cells.data.len() as f32).round() as usize;
        (name.to_owned(), top_mean(&cells.data, count.max(1)))
    });
    Judged {
        map,
        score,
        by_variant: by_variant.into(),
        parts: BTreeMap::new(),
    }
}
