//! 1×1 convolutions: one matrix product per photo, of the weight and the photo as it lies in memory.

use super::super::matmul::{Matrix, multiply};
use super::super::operator::Values;
use super::super::threads::each;
use super::Sizes;

/// Output channels of a task, at most.
const OUTPUTS: usize = 64;

/// Whether a convolution is computed here.
pub(super) fn takes(sizes: &Sizes) -> bool {
    sizes.kernel == 1
}

/// `input` `[batch, in, height, width]` with `weight` `[out, in, 1, 1]` and `bias` `[out]`.
pub(super) fn convolve(
    sizes: &Sizes,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Values {
    let (inputs, outputs) = (sizes.inputs, sizes.outputs);
    let plane: usize = sizes.input.iter().product();
    let mut values = vec![0.0_f32; sizes.batch * outputs * plane];
    // Two tasks at least, so that a second thread has something to do.
    let block = OUTPUTS.min(outputs.div_ceil(2));
    let mut tasks = Vec::new();
    for (photo, values) in values.chunks_mut(outputs * plane).enumerate() {
        for (index, values) in values.chunks_mut(block * plane).enumerate() {
            tasks.push((photo, index * block, values));
        }
    }
    each(tasks, |(photo, first, values)| {
        let count = values.len() / plane;
        let photo = Matrix::rows(&input[photo * inputs * plane..], inputs, plane, plane);
        let weight = Matrix::rows(&weight[first * inputs..], count, inputs, inputs);
        if let Some(bias) = bias {
            for (plane, bias) in values.chunks_exact_mut(plane).zip(&bias[first..]) {
                plane.fill(*bias);
            }
        }
        multiply(values, plane, weight, photo, 1.0, bias.is_some());
    });
    Values::new(values, sizes.output_shape())
}
