//! Mean over scales, the guided part, their fusion.

use anomalysd_imaging::{Map, Mask, gaussian_blur};

use crate::options::ScoreOptions;

/// Power mean of values of 0 or more: exponent −1 harmonic, 0 geometric, 1 arithmetic.
/// Up to exponent 0 it is 0 where any value is; 0 for no values.
pub fn power_mean(values: &[f32], exponent: f32) -> f32 {
    if values.is_empty() || (exponent <= 0.0 && values.contains(&0.0)) {
        return 0.0;
    }
    let count = values.len() as f64;
    // The order of the scales must not matter, and a sum in floating point depends on it.
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let terms = sorted.iter().map(|&value| f64::from(value));
    let mean = if exponent == -1.0 {
        count / terms.map(f64::recip).sum::<f64>()
    } else if exponent == 1.0 {
        terms.sum::<f64>() / count
    } else if exponent == 0.0 {
        (terms.map(f64::ln).sum::<f64>() / count).exp()
    } else {
        let exponent = f64::from(exponent);
        // Scaled by the largest value so that no power overflows.
        let top = f64::from(sorted[sorted.len() - 1]).max(f64::MIN_POSITIVE);
        let sum: f64 = terms.map(|value| (value / top).powf(exponent)).sum();
        top * (sum / count).powf(exponent.recip())
    };
    mean as f32
}

/// S_ms: the power mean over scales at each pixel. `None` without scales.
pub fn mean_over_scales(scales: &[Map], exponent: f32) -> Option<Map> {
    let first = scales.first()?;
    let mut mean = Map::new(first.width, first.height);
    let mut values = vec![0.0; scales.len()];
    for (pixel, slot) in mean.data.iter_mut().enumerate() {
        for (value, scale) in values.iter_mut().zip(scales) {
            *value = scale.data[pixel];
        }
        *slot = power_mean(&values, exponent);
    }
    Some(mean)
}

/// Below this an exponent is 0: powers of it say nothing any more.
const LEAST_EXPONENT: f64 = 1e-6;

/// (1 − α)·a and α·b under a power mean of this exponent. At both ends of α it is one of them, bit for bit.
fn weighted_mean(a: f32, b: f32, alpha: f32, exponent: f32) -> f32 {
    if alpha == 0.0 {
        a
    } else if alpha == 1.0 {
        b
    } else if exponent == 1.0 {
        (1.0 - alpha) * a + alpha * b
    } else if exponent <= 0.0 && (a == 0.0 || b == 0.0) {
        0.0
    } else {
        // In f64, where no power of two normalised distances overflows.
        let (a, b, alpha, exponent) = (
            f64::from(a),
            f64::from(b),
            f64::from(alpha),
            f64::from(exponent),
        );
        let mean = if exponent.abs() < LEAST_EXPONENT {
            ((1.0 - alpha) * a.ln() + alpha * b.ln()).exp()
        } else {
            let top = a.max(b).max(f64::MIN_POSITIVE);
            let sum = (1.0 - alpha) * (a / top).powf(exponent) + alpha * (b / top).powf(exponent);
            top * sum.powf(exponent.recip())
        };
        mean as f32
    }
}

/// g: in the cores of the guided pass (1 − w)·q̃ + w·S_pg, elsewhere q̃. A good repair can clear a
/// false alarm as well as confirm a true one. `weight`: w, 0..1.
pub fn guided_map(features: &Map, guided: Option<(&Mask, &Map)>, weight: f32) -> Map {
    let mut map = features.clone();
    if let Some((cores, repaired)) = guided {
        let values = cores.data.iter().zip(&repaired.data);
        for (slot, (_, value)) in map
            .data
            .iter_mut()
            .zip(values)
            .filter(|(_, (core, _))| **core)
        {
            *slot = (1.0 - weight) * *slot + weight * value;
        }
    }
    map
}

/// The fused map, before and after the blur.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    /// S_ms^(1 − α)·g^α, or another mean by `fusion_exponent`; g alone where no scale is left.
    pub sharp: Map,
    /// S: the same, blurred by σ = min(H, W)/`blur_divisor`.
    pub map: Map,
}

/// Fuses S_ms (where there is one) and g, then blurs.
pub fn fuse(multi_scale: Option<&Map>, guided: &Map, options: &ScoreOptions) -> Fusion {
    let mut sharp = guided.clone();
    if let Some(multi_scale) = multi_scale {
        let (alpha, exponent) = (options.fusion_alpha, options.fusion_exponent);
        for (slot, value) in sharp.data.iter_mut().zip(&multi_scale.data) {
            *slot = weighted_mean(*value, *slot, alpha, exponent);
        }
    }
    let map = if options.blur_divisor > 0.0 {
        gaussian_blur(
            &sharp,
            sharp.width.min(sharp.height) as f32 / options.blur_divisor,
        )
    } else {
        sharp.clone()
    };
    Fusion { sharp, map }
}
