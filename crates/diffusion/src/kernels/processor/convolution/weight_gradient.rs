//! The gradient of a convolution's weight as matrix products over a photo's places.
//!
//! Photos are laid out padded, channels last, so that the values under a row of the kernel follow each
//! other: for a row of the kernel the inputs of all places are one matrix, whose rows overlap in memory.
//! Nothing is copied per place of the kernel. Gradients are as wide as the padded input and zero where no
//! place is, so a row's end reads on into the next row and counts for nothing.

use super::super::matmul::{Matrix, multiply};
use super::super::operator::Values;
use super::super::threads::each;
use super::Sizes;

/// Output channels of a task.
const OUTPUTS: usize = 48;

pub(super) fn weight_gradient(sizes: &Sizes, input: &[f32], gradient: &[f32]) -> Values {
    let Sizes {
        inputs,
        outputs,
        kernel,
        ..
    } = *sizes;
    let width = sizes.input[1] + sizes.padding.0 + sizes.padding.1;
    let height = sizes.input[0] + sizes.padding.0 + sizes.padding.1;
    // The last rows of the last photo read on by a kernel's width.
    let photo = height * width * inputs;
    let mut padded = vec![0.0_f32; sizes.batch * photo + kernel * inputs];
    let offset = (sizes.padding.0 * width + sizes.padding.0) * inputs;
    let last = sizes.batch * photo;
    channels_last(
        input,
        inputs,
        sizes.input,
        &mut padded[..last],
        [photo, width, offset],
    );
    let places = sizes.output[0] * width;
    let mut gradients = vec![0.0_f32; sizes.batch * places * outputs];
    let layout = [places * outputs, width, 0];
    channels_last(gradient, outputs, sizes.output, &mut gradients, layout);

    // [kernel row, out, kernel column · in].
    let columns = kernel * inputs;
    let mut products = vec![0.0_f32; kernel * outputs * columns];
    let mut tasks = Vec::new();
    for (row, product) in products.chunks_mut(outputs * columns).enumerate() {
        for (block, product) in product.chunks_mut(OUTPUTS * columns).enumerate() {
            tasks.push((row, block * OUTPUTS, product));
        }
    }
    each(tasks, |(row, first, product)| {
        let block = product.len() / columns;
        for index in 0..sizes.batch {
            let gradients = &gradients[index * places * outputs + first..];
            let gradients = Matrix::rows(gradients, places, block, outputs);
            let under = &padded[index * photo + row * width * inputs..];
            let under = Matrix::rows(under, places, columns, inputs);
            multiply(
                product,
                columns,
                gradients.transposed(),
                under,
                1.0,
                index > 0,
            );
        }
    });

    let mut weight = vec![0.0_f32; products.len()];
    let filters = weight.chunks_mut(inputs * kernel * kernel).enumerate();
    for (output, filter) in filters {
        for row in 0..kernel {
            let product = &products[(row * outputs + output) * columns..][..columns];
            for (column, values) in product.chunks_exact(inputs).enumerate() {
                for (input, value) in values.iter().enumerate() {
                    filter[(input * kernel + row) * kernel + column] = *value;
                }
            }
        }
    }
    Values::new(weight, sizes.weight_shape())
}

/// `[batch, channels, height, width]` into photos of `layout[0]` values whose rows are `layout[1]` places
/// wide, from value `layout[2]` on.
fn channels_last(
    values: &[f32],
    channels: usize,
    [height, width]: [usize; 2],
    to: &mut [f32],
    [photo, stride, offset]: [usize; 3],
) {
    let photos = to
        .chunks_mut(photo)
        .zip(values.chunks(channels * height * width));
    each(photos.collect(), |(to, from)| {
        for row in 0..height {
            let to = &mut to[offset + row * stride * channels..][..width * channels];
            for (channel, plane) in from.chunks_exact(height * width).enumerate() {
                let from = &plane[row * width..][..width];
                for (to, value) in to[channel..].iter_mut().step_by(channels).zip(from) {
                    *to = *value;
                }
            }
        }
    });
}
