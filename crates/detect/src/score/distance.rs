//! Distance between a photo and its repair.

use anomalysd_imaging::{Map, Photo, delta_e, resize_bilinear_map};

use crate::features::{Comparison, FeatureLayers};
use crate::masks::Pass;
use crate::options::ScoreOptions;

/// Squared norm below which a feature vector counts as none, whatever the floor.
const NORM_EPS: f32 = 1e-10;
/// What LPIPS adds to the length that it divides by.
const LPIPS_EPS: f32 = 1e-10;

/// ½‖a − b‖² per location of one layer, `a = φ/√(‖φ‖² + floor)` of `first` and `second` alike.
/// Exactly 0 where both are equal, never negative, at most 2.
///
/// The floor is `energy_floor` times the mean of ‖φ‖² over `first`, the photo: where it shows next to
/// nothing its features are short and mostly noise, and unit vectors of noise are far apart whatever was
/// painted. At 0 every place counts alike, however little it shows.
///
/// # Shapes
/// `first`, `second`: `[channels, locations]`; the result: `[locations]`.
pub fn layer_distance(
    first: &[f32],
    second: &[f32],
    channels: usize,
    locations: usize,
    energy_floor: f32,
) -> Vec<f32> {
    let first_energy = squared_norms(first, channels, locations);
    let second_energy = squared_norms(second, channels, locations);
    let floor = energy_floor * mean(&first_energy) + NORM_EPS;
    let scale = |energy: &f32| 1.0 / (energy + floor).sqrt();
    let first_scale: Vec<f32> = first_energy.iter().map(scale).collect();
    let second_scale: Vec<f32> = second_energy.iter().map(scale).collect();
    let mut distance = vec![0.0f32; locations];
    for channel in 0..channels {
        let row = channel * locations..(channel + 1) * locations;
        let pairs = first[row.clone()].iter().zip(&second[row]);
        for (location, (a, b)) in pairs.enumerate() {
            let difference = a * first_scale[location] - b * second_scale[location];
            distance[location] += 0.5 * difference * difference;
        }
    }
    distance
}

/// `Σ_c w_c (a_c − b_c)²` per location of one layer, as LPIPS has it: `a = φ/(‖φ‖ + 1e-10)`, so that
/// nothing seen is 0. Exactly 0 where both are equal, never negative for weights from 0.
///
/// # Shapes
/// `first`, `second`: `[channels, locations]`; `weights`: `[channels]`; the result: `[locations]`.
pub fn weighted_distance(
    first: &[f32],
    second: &[f32],
    weights: &[f32],
    locations: usize,
) -> Vec<f32> {
    let scale = |values: &[f32]| -> Vec<f32> {
        let squares = squared_norms(values, weights.len(), locations);
        let inverse = |square: f32| 1.0 / (square.sqrt() + LPIPS_EPS);
        squares.into_iter().map(inverse).collect()
    };
    let (first_scale, second_scale) = (scale(first), scale(second));
    let mut distance = vec![0.0f32; locations];
    for (channel, weight) in weights.iter().enumerate() {
        let row = channel * locations..(channel + 1) * locations;
        let pairs = first[row.clone()].iter().zip(&second[row]);
        for (location, (a, b)) in pairs.enumerate() {
            let difference = a * first_scale[location] - b * second_scale[location];
            distance[location] += weight * difference * difference;
        }
    }
    distance
}

/// Their mean, 0 of none.
fn mean(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
    (sum / values.len().max(1) as f64) as f32
}

/// ‖φ‖² per location.
fn squared_norms(values: &[f32], channels: usize, locations: usize) -> Vec<f32> {
    let mut squares = vec![0.0f32; locations];
    for channel in 0..channels {
        let row = &values[channel * locations..(channel + 1) * locations];
        for (square, value) in squares.iter_mut().zip(row) {
            *square += value * value;
        }
    }
    squares
}

/// (1/L)·Σ_l d_l on the photo's own pixels, each layer's map resized bilinearly; `energy_floor` as in
/// [`layer_distance`], without a say where a layer has weights of its own.
/// Layers of different shape (networks that disagree) do not occur: both come from one network at one size.
pub fn feature_distance(
    first: &FeatureLayers,
    second: &FeatureLayers,
    width: usize,
    height: usize,
    energy_floor: f32,
) -> Map {
    let mut total = Map::new(width, height);
    let weight = 1.0 / first.layers.len().max(1) as f32;
    for (a, b) in first.layers.iter().zip(&second.layers) {
        let locations = a.width * a.height;
        let data = match &a.comparison {
            Comparison::HalfSquare => {
                layer_distance(&a.data, &b.data, a.channels, locations, energy_floor)
            }
            Comparison::Weighted(weights) => {
                weighted_distance(&a.data, &b.data, weights, locations)
            }
        };
        let small = Map {
            width: a.width,
            height: a.height,
            data,
        };
        let large = resize_bilinear_map(&small, width, height);
        for (sum, value) in total.data.iter_mut().zip(&large.data) {
            *sum += weight * value;
        }
    }
    total
}

/// d(u) of one pass: the feature distance plus `colour_weight`·ΔE/100.
///
/// `photo` is what the repair is compared with and `repaired` the repair composited over it, both
/// unpadded and of the same size; the layers are theirs.
pub fn pass_distance(
    photo: (&Photo, &FeatureLayers),
    repaired: (&Photo, &FeatureLayers),
    options: &ScoreOptions,
) -> Map {
    let (width, height) = (photo.0.width, photo.0.height);
    let mut distance = feature_distance(photo.1, repaired.1, width, height, options.energy_floor);
    if options.colour_weight > 0.0 {
        let colour = delta_e(photo.0, repaired.0, options.colour_radius);
        for (sum, value) in distance.data.iter_mut().zip(&colour.data) {
            *sum += options.colour_weight * value / 100.0;
        }
    }
    distance
}

/// D_n(u): at each pixel the distance of the pass whose core holds it; 0 where none does.
pub fn merge_cores<'a>(
    passes: impl IntoIterator<Item = (&'a Pass, &'a Map)>,
    width: usize,
    height: usize,
) -> Map {
    let mut merged = Map::new(width, height);
    for (pass, distance) in passes {
        let values = distance.data.iter().zip(&pass.cores.data);
        for (slot, (value, core)) in merged.data.iter_mut().zip(values) {
            if *core {
                *slot = *value;
            }
        }
    }
    merged
}
