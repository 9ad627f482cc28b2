//! Changes of size without weights.

use burn::tensor::Tensor;

use crate::kernels;

/// Nearest-neighbour upsampling by two, cut to `size` (height, width).
///
/// PyTorch's nearest interpolation to the odd size 2n − 1 takes the same pixels as one to 2n
/// without its last.
///
/// # Shapes
/// `[batch, channels, h, w]` to `[batch, channels, size.0, size.1]` with sizes of at most 2h, 2w.
pub fn upsample_nearest_2x(input: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let shape = [batch * channels, height, 2, width, 2];
    let strides = [height * width, width, 0, 1, 0];
    let output = kernels::rearrange(&input, shape, strides)
        .unwrap_or_else(|| {
            input
                .reshape([batch * channels, height, 1, width, 1])
                .expand(shape)
        })
        .reshape([batch, channels, 2 * height, 2 * width]);
    if size == [2 * height, 2 * width] {
        output
    } else {
        output.narrow(2, 0, size[0]).narrow(3, 0, size[1])
    }
}

/// `torch.nn.PixelUnshuffle(factor)`: squares of pixels become channels.
///
/// # Shapes
/// `[batch, c, h·f, w·f]` to `[batch, c·f², h, w]`.
pub fn pixel_unshuffle(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    if factor == 1 {
        return input;
    }
    let (rows, columns) = (height / factor, width / factor);
    let shape = [batch * channels, factor, factor, rows, columns];
    let strides = [height * width, width, 1, factor * width, factor];
    kernels::rearrange(&input, shape, strides)
        .unwrap_or_else(|| {
            input
                .reshape([batch * channels, rows, factor, columns, factor])
                .permute([0, 2, 4, 1, 3])
        })
        .reshape([batch, channels * factor * factor, rows, columns])
}

/// `torch.nn.PixelShuffle(factor)`, the inverse of [`pixel_unshuffle`].
///
/// # Shapes
/// `[batch, c·f², h, w]` to `[batch, c, h·f, w·f]`.
pub fn pixel_shuffle(input: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, rows, columns] = input.dims();
    if factor == 1 {
        return input;
    }
    let outputs = channels / (factor * factor);
    let plane = rows * columns;
    let shape = [batch * outputs, rows, factor, columns, factor];
    let strides = [factor * factor * plane, columns, factor * plane, 1, plane];
    kernels::rearrange(&input, shape, strides)
        .unwrap_or_else(|| {
            input
                .reshape([batch * outputs, factor, factor, rows, columns])
                .permute([0, 3, 1, 4, 2])
        })
        .reshape([batch, outputs, rows * factor, columns * factor])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn counting(shape: [usize; 4]) -> Tensor<4> {
        let values: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|i| i as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn unshuffle_orders_channels_as_torch_and_shuffle_undoes_it() {
        let input = counting([2, 3, 4, 6]);
        let output = pixel_unshuffle(input.clone(), 2);
        assert_eq!(output.dims(), [2, 12, 2, 3]);
        let values = output.clone().into_data().try_to_vec::<f32>().unwrap();
        // Channel 1 of the first photo: offset (0, 1) of each 2×2 square of the red plane.
        assert_eq!(values[6..12], [1.0, 3.0, 5.0, 13.0, 15.0, 17.0]);
        // Channel 2: offset (1, 0).
        assert_eq!(values[12..15], [6.0, 8.0, 10.0]);
        let back = pixel_shuffle(output, 2)
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        assert_eq!(back, input.into_data().try_to_vec::<f32>().unwrap());
    }

    #[test]
    fn upsampling_repeats_pixels_and_cuts_to_odd_sizes() {
        let values = upsample_nearest_2x(counting([1, 1, 2, 2]), [3, 4])
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        assert_eq!(values, [0., 0., 1., 1., 0., 0., 1., 1., 2., 2., 3., 3.]);
    }
}
