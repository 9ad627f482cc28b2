//! Division by the top of normal, so that 1 means the same for every class and scale.
//!
//! ν(u) = max(μ(u), μ̄/2) + 2σ + 1e-6, measured on the good photos' own repairs, each with bank,
//! subspace and references of the others.

use std::collections::BTreeMap;

use anomalysd_imaging::{Map, gaussian_blur, resize_bilinear_map};
use serde::{Deserialize, Serialize};

use super::cell_means;
use crate::options::ScoreOptions;

/// Keeps ν above 0 where the good photos show no distance at all.
const FLOOR: f32 = 1e-6;
/// Standard deviation of the blur of per-location means, in grid cells.
const MEAN_BLUR: f32 = 1.0;

/// What is normal for one map: μ(u) or its mean alone, and σ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normaliser {
    /// μ̄: mean over photos and locations.
    pub mean: f32,
    /// σ: standard deviation, shrunk to what drawn products say.
    pub std: f32,
    /// Width in cells of the per-location means; 0 where one number serves all locations.
    pub width: usize,
    /// Height in cells of the per-location means; 0 where one number serves all locations.
    pub height: usize,
    /// μ(u), `[height, width]`, row-major. Kept among the profile's tensors, not in its JSON.
    #[serde(skip)]
    pub means: Vec<f32>,
}

impl Normaliser {
    /// Measures what is normal on maps of good photos.
    ///
    /// `grid`: width and height in cells on which means are kept. `located`: a mean per location, for
    /// aligned classes; else one number.
    pub fn fit(maps: &[Map], grid: (usize, usize), located: bool, options: &ScoreOptions) -> Self {
        let cells: Vec<Map> = maps
            .iter()
            .map(|map| cell_means(map, grid.0, grid.1))
            .collect();
        let mean = mean(cells.iter().flat_map(|map| &map.data));
        let means = if located {
            located_means(&cells, grid)
        } else {
            Vec::new()
        };
        let squares = cells
            .iter()
            .flat_map(|map| map.data.iter().enumerate())
            .map(|(cell, value)| {
                let expected = means.get(cell).copied().unwrap_or(mean);
                (value - expected) * (value - expected)
            });
        let std = shrunk_std(mean, squares, maps.len(), options);
        let (width, height) = if located { grid } else { (0, 0) };
        Self {
            mean,
            std,
            width,
            height,
            means,
        }
    }

    /// The same from loose values of each good photo (the cores of its guided pass): one number.
    pub fn fit_values(photos: &[Vec<f32>], options: &ScoreOptions) -> Self {
        let mean = mean(photos.iter().flatten());
        let squares = photos
            .iter()
            .flatten()
            .map(|value| (value - mean) * (value - mean));
        let std = shrunk_std(mean, squares, photos.len(), options);
        Self {
            mean,
            std,
            width: 0,
            height: 0,
            means: Vec::new(),
        }
    }

    /// ν(u) on `width` × `height` pixels; above 0 everywhere.
    pub fn top_of_normal(&self, width: usize, height: usize, options: &ScoreOptions) -> Map {
        let margin = options.std_multiple * self.std + FLOOR;
        if self.means.is_empty() {
            let data = vec![self.mean + margin; width * height];
            return Map {
                width,
                height,
                data,
            };
        }
        let means = Map {
            width: self.width,
            height: self.height,
            data: self.means.clone(),
        };
        let mut top = resize_bilinear_map(&means, width, height);
        for value in &mut top.data {
            *value = value.max(self.mean * options.floor_share) + margin;
        }
        top
    }

    /// D̃ = D/ν.
    pub fn apply(&self, distance: &Map, options: &ScoreOptions) -> Map {
        let mut map = self.top_of_normal(distance.width, distance.height, options);
        for (slot, value) in map.data.iter_mut().zip(&distance.data) {
            *slot = value / *slot;
        }
        map
    }
}

/// μ(u): mean over the photos at each cell, blurred.
fn located_means(cells: &[Map], (width, height): (usize, usize)) -> Vec<f32> {
    let mut sums = Map::new(width, height);
    for map in cells {
        for (sum, value) in sums.data.iter_mut().zip(&map.data) {
            *sum += value / cells.len() as f32;
        }
    }
    gaussian_blur(&sums, MEAN_BLUR).data
}

/// σ = μ̄·(k·r_class + w·r_synth)/(k + w).
fn shrunk_std(
    mean_value: f32,
    squares: impl Iterator<Item = f32>,
    photos: usize,
    options: &ScoreOptions,
) -> f32 {
    let squares: Vec<f32> = squares.collect();
    let own = mean(&squares).sqrt();
    let weight = options.shrink_photos;
    let photos = photos as f32;
    if photos + weight == 0.0 {
        return 0.0;
    }
    // μ̄·r_class is the class's own standard deviation: no division by a mean that may be 0.
    (photos * own + weight * mean_value * options.synth_ratio) / (photos + weight)
}

/// Mean in f64; 0 for no values.
fn mean<'a>(values: impl IntoIterator<Item = &'a f32>) -> f32 {
    let (sum, count) = values
        .into_iter()
        .fold((0.0f64, 0usize), |(sum, count), &value| {
            (sum + f64::from(value), count + 1)
        });
    if count == 0 {
        0.0
    } else {
        (sum / count as f64) as f32
    }
}

/// The normalisers of one class and one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassNormalisers {
    /// ν_q of the feature distance q.
    pub features: Normaliser,
    /// ν_n by cells per side; empty without a model.
    pub scales: BTreeMap<usize, Normaliser>,
    /// ν_pg of the guided pass; absent without a model.
    pub guided: Option<Normaliser>,
}

/// One tensor of the profile: the per-location means of one normaliser.
#[derive(Debug, Clone, PartialEq)]
pub struct NormaliserTensor {
    /// `features`, `guided` or the cells per side of a scale.
    pub name: String,
    /// Height and width in cells.
    pub shape: [usize; 2],
    /// Row-major.
    pub data: Vec<f32>,
}

impl ClassNormalisers {
    /// Per-location means as named tensors; normalisers of one number have none.
    pub fn tensors(&self) -> Vec<NormaliserTensor> {
        self.named()
            .into_iter()
            .filter(|(_, normaliser)| !normaliser.means.is_empty())
            .map(|(name, normaliser)| NormaliserTensor {
                name,
                shape: [normaliser.height, normaliser.width],
                data: normaliser.means.clone(),
            })
            .collect()
    }

    /// Names and shapes of the tensors that this configuration, read from JSON, needs.
    pub fn expected_tensors(&self) -> Vec<(String, [usize; 2])> {
        self.named()
            .into_iter()
            .filter(|(_, normaliser)| normaliser.width * normaliser.height > 0)
            .map(|(name, normaliser)| (name, [normaliser.height, normaliser.width]))
            .collect()
    }

    /// Puts a tensor read from a profile in its place; `false` where none of this name and shape is expected.
    pub fn set_tensor(&mut self, name: &str, shape: [usize; 2], data: Vec<f32>) -> bool {
        let normaliser = match name {
            "features" => Some(&mut self.features),
            "guided" => self.guided.as_mut(),
            scale => scale
                .parse()
                .ok()
                .and_then(|scale: usize| self.scales.get_mut(&scale)),
        };
        match normaliser {
            Some(normaliser)
                if shape == [normaliser.height, normaliser.width]
                    && data.len() == shape[0] * shape[1]
                    && data.iter().all(|value| value.is_finite() && *value >= 0.0) =>
            {
                normaliser.means = data;
                true
            }
            _ => false,
        }
    }

    fn named(&self) -> Vec<(String, &Normaliser)> {
        let features = ("features".to_owned(), &self.features);
        let scales = self
            .scales
            .iter()
            .map(|(scale, normaliser)| (scale.to_string(), normaliser));
        let guided = self
            .guided
            .iter()
            .map(|normaliser| ("guided".to_owned(), normaliser));
        std::iter::once(features)
            .chain(scales)
            .chain(guided)
            .collect()
    }
}
