//! Some rows at a time, whatever photo they belong to: each row is computed by itself.

use super::super::threads::{each, sum, sum2, vectorised, zeros};

/// Rows of a task.
const ROWS: usize = 64;

#[inline(always)]
fn statistics(row: &[f32], eps: f64) -> (f32, f32) {
    let count = row.len() as f64;
    let mean = (sum(row, |value| value) / count) as f32;
    let variance = sum(row, |value| (value - mean) * (value - mean)) / count;
    (mean, (variance + eps).sqrt().recip() as f32)
}

pub(super) fn forward(eps: f64, [input, weight, bias]: [&[f32]; 3]) -> Vec<f32> {
    let width = weight.len();
    let mut output = zeros(input.len());
    let tasks = output
        .chunks_mut(ROWS * width)
        .zip(input.chunks(ROWS * width));
    each(tasks.collect(), |(output, input)| {
        vectorised!({
            for (output, input) in output
                .chunks_exact_mut(width)
                .zip(input.chunks_exact(width))
            {
                let (mean, scale) = statistics(input, eps);
                let columns = output.iter_mut().zip(input).zip(weight).zip(bias);
                for (((output, value), weight), bias) in columns {
                    *output = (value - mean) * scale * weight + bias;
                }
            }
        });
    });
    output
}

/// Gradients of input, weight and bias.
pub(super) fn backward(
    eps: f64,
    [input, weight, _]: [&[f32]; 3],
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let width = weight.len();
    let task = ROWS * width;
    let mut of_input = vec![0.0_f32; input.len()];
    let count = input.len().div_ceil(task);
    // Of a task's rows: gradients of the weight, then of the bias.
    let mut sums = vec![0.0_f32; count * 2 * width];
    let tasks = of_input
        .chunks_mut(task)
        .zip(input.chunks(task))
        .zip(gradient.chunks(task))
        .zip(sums.chunks_mut(2 * width));
    each(tasks.collect(), |(((of_input, input), gradient), sums)| {
        let (of_weight, of_bias) = sums.split_at_mut(width);
        vectorised!({
            let rows = of_input
                .chunks_exact_mut(width)
                .zip(input.chunks_exact(width));
            for ((of_input, input), gradient) in rows.zip(gradient.chunks_exact(width)) {
                let (mean, scale) = statistics(input, eps);
                for ((of_input, gradient), weight) in of_input.iter_mut().zip(gradient).zip(weight)
                {
                    *of_input = gradient * weight;
                }
                let of_mean = (sum(of_input, |g| g) / width as f64) as f32;
                let of_scale = sum2(of_input, input, |g, value| g * ((value - mean) * scale));
                let of_scale = (of_scale / width as f64) as f32;
                let columns = of_input.iter_mut().zip(input).zip(gradient);
                let sums = of_weight.iter_mut().zip(&mut *of_bias);
                for (((of_input, value), gradient), (of_weight, of_bias)) in columns.zip(sums) {
                    let normed = (value - mean) * scale;
                    *of_input = (*of_input - of_mean - normed * of_scale) * scale;
                    *of_weight += gradient * normed;
                    *of_bias += gradient;
                }
            }
        });
    });
    let mut totals = vec![0.0_f64; 2 * width];
    for sums in sums.chunks(2 * width) {
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total += f64::from(*sum);
        }
    }
    let narrow = |part: &[f64]| part.iter().map(|total| *total as f32).collect();
    [of_input, narrow(&totals[..width]), narrow(&totals[width..])]
}
