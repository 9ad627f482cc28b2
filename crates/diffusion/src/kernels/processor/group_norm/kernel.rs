//! A group of one photo at a time: two passes for its statistics, one for its output.

use super::super::exponential::sigmoid;
use super::super::threads::{each, sum, sum2, vectorised, zeros};
use super::GroupNorm;

impl GroupNorm {
    fn plane(&self) -> usize {
        self.shape[2] * self.shape[3]
    }

    fn channels_per_group(&self) -> usize {
        self.shape[1] / self.groups
    }
}

/// Mean and reciprocal standard deviation.
#[inline(always)]
fn statistics(group: &[f32], eps: f64) -> (f32, f32) {
    let count = group.len() as f64;
    let mean = (sum(group, |value| value) / count) as f32;
    let variance = sum(group, |value| (value - mean) * (value - mean)) / count;
    (mean, (variance + eps).sqrt().recip() as f32)
}

pub(super) fn forward(norm: &GroupNorm, [input, weight, bias]: [&[f32]; 3]) -> Vec<f32> {
    let (plane, channels) = (norm.plane(), norm.channels_per_group());
    let mut output = zeros(input.len());
    let groups = output
        .chunks_mut(channels * plane)
        .zip(input.chunks(channels * plane));
    each(groups.enumerate().collect(), |(index, (output, input))| {
        let first = index % norm.groups * channels;
        vectorised!({
            let (mean, scale) = statistics(input, norm.eps);
            let planes = output
                .chunks_exact_mut(plane)
                .zip(input.chunks_exact(plane));
            for (channel, (output, input)) in planes.enumerate() {
                let weight = weight[first + channel] * scale;
                let bias = bias[first + channel];
                let values = output.iter_mut().zip(input);
                if norm.then_silu {
                    values.for_each(|(output, value)| {
                        let normed = (value - mean) * weight + bias;
                        *output = normed * sigmoid(normed);
                    });
                } else {
                    values.for_each(|(output, value)| *output = (value - mean) * weight + bias);
                }
            }
        });
    });
    output
}

/// Gradients of input, weight and bias.
///
/// With x̂ = (x − μ)/σ and g the gradient of what the activation is given: that of x is
/// (w·g − mean(w·g) − x̂·mean(w·g·x̂))/σ.
pub(super) fn backward(
    norm: &GroupNorm,
    [input, weight, bias]: [&[f32]; 3],
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let (plane, channels) = (norm.plane(), norm.channels_per_group());
    let group = channels * plane;
    let mut of_input = vec![0.0_f32; input.len()];
    // Sums over a plane: of g·x̂ and of g.
    let mut sums = vec![[0.0_f64; 2]; input.len() / plane];
    let tasks = of_input
        .chunks_mut(group)
        .zip(input.chunks(group))
        .zip(gradient.chunks(group))
        .zip(sums.chunks_mut(channels));
    each(
        tasks.enumerate().collect(),
        |(index, (((of_input, input), gradient), sums))| {
            let first = index % norm.groups * channels;
            vectorised!({
                let (mean, scale) = statistics(input, norm.eps);
                let (mut of_mean, mut of_scale) = (0.0_f64, 0.0_f64);
                for (channel, sums) in sums.iter_mut().enumerate() {
                    let range = channel * plane..(channel + 1) * plane;
                    let (input, gradient) = (&input[range.clone()], &gradient[range.clone()]);
                    let of_input = &mut of_input[range];
                    let (weight, bias) = (weight[first + channel], bias[first + channel]);
                    // g is kept where the result will be.
                    for ((of_input, value), gradient) in
                        of_input.iter_mut().zip(input).zip(gradient)
                    {
                        *of_input = if norm.then_silu {
                            let normed = (value - mean) * (weight * scale) + bias;
                            let sigma = sigmoid(normed);
                            gradient * sigma * (1.0 + normed * (1.0 - sigma))
                        } else {
                            *gradient
                        };
                    }
                    let weighted = sum2(of_input, input, |g, value| g * ((value - mean) * scale));
                    let plain = sum(of_input, |g| g);
                    *sums = [weighted, plain];
                    of_scale += weighted * f64::from(weight);
                    of_mean += plain * f64::from(weight);
                }
                let count = group as f64;
                let (of_mean, of_scale) = ((of_mean / count) as f32, (of_scale / count) as f32);
                for channel in 0..channels {
                    let range = channel * plane..(channel + 1) * plane;
                    let weight = weight[first + channel];
                    for (of_input, value) in of_input[range.clone()].iter_mut().zip(&input[range]) {
                        let normed = (value - mean) * scale;
                        *of_input = (weight * *of_input - of_mean - normed * of_scale) * scale;
                    }
                }
            });
        },
    );
    let channels = norm.shape[1];
    let total = |which: usize| {
        let of = |channel: usize| {
            sums.iter()
                .skip(channel)
                .step_by(channels)
                .map(|s| s[which])
        };
        (0..channels)
            .map(|channel| of(channel).sum::<f64>() as f32)
            .collect()
    };
    [of_input, total(0), total(1)]
}
