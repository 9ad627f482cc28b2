//! The same operators as plain loops in f64, one output at a time.

use super::operators::Drawn;
use crate::nn::Activation;

/// One output of a 3×3 or 1×1 convolution over `[inputs, side, side]` with zero padding that keeps
/// the size at stride 1.
pub struct Convolution<'a> {
    pub input: &'a [f32],
    /// `[outputs, inputs, kernel, kernel]`.
    pub weight: &'a Drawn,
    pub bias: &'a Drawn,
    pub inputs: usize,
    pub kernel: usize,
    pub side: usize,
    pub stride: usize,
}

impl Convolution<'_> {
    pub fn at(&self, output: usize, row: usize, column: usize) -> f64 {
        let (kernel, side) = (self.kernel, self.side as isize);
        let padding = (kernel / 2) as isize;
        let mut sum = f64::from(self.bias[output]);
        for input in 0..self.inputs {
            for dy in 0..kernel {
                for dx in 0..kernel {
                    let y = (row * self.stride + dy) as isize - padding;
                    let x = (column * self.stride + dx) as isize - padding;
                    if !(0..side).contains(&y) || !(0..side).contains(&x) {
                        continue;
                    }
                    let pixel = (input as isize * side + y) * side + x;
                    let weight = ((output * self.inputs + input) * kernel + dy) * kernel + dx;
                    sum += f64::from(self.input[pixel as usize]) * f64::from(self.weight[weight]);
                }
            }
        }
        sum
    }
}

/// The inner product of two rows.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

/// `value` normalised by mean and variance of `values`.
pub fn normalised(value: f32, values: &[f32], eps: f64) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let square = |value: &f32| (f64::from(*value) - mean).powi(2);
    let variance = values.iter().map(square).sum::<f64>() / count;
    (f64::from(value) - mean) / (variance + eps).sqrt()
}

/// One number of attention by one query over all keys. Rows of `keys` and `values`: `[tokens, width]`.
pub fn attention(query: &[f32], keys: &[f32], values: &[f32], column: usize) -> f64 {
    let width = query.len();
    let scale = 1.0 / (width as f64).sqrt();
    let scores: Vec<f64> = keys
        .chunks_exact(width)
        .map(|key| dot(query, key) * scale)
        .collect();
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weighted = weights
        .iter()
        .zip(values.chunks_exact(width))
        .map(|(weight, value)| weight * f64::from(value[column]));
    weighted.sum::<f64>() / total
}

/// One value of an activation.
pub fn activation(activation: Activation, value: f32) -> f64 {
    let value = f64::from(value);
    let sigmoid = |value: f64| 1.0 / (1.0 + (-value).exp());
    match activation {
        Activation::Silu => value * sigmoid(value),
        Activation::QuickGelu => value * sigmoid(1.702 * value),
        Activation::Gelu => value * 0.5 * (1.0 + erf(value / std::f64::consts::SQRT_2)),
        Activation::Relu => value.max(0.0),
        Activation::Mish => value * value.exp().ln_1p().tanh(),
    }
}

/// The error function within 1.5e-7 (Abramowitz and Stegun, 7.1.26).
fn erf(value: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * value.abs());
    let series = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let sum = series
        .iter()
        .rev()
        .fold(0.0, |sum, factor| (sum + factor) * t);
    (1.0 - sum * (-value * value).exp()).copysign(value)
}
