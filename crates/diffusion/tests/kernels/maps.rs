//! Maps of channels, orders of pixels, and the blocks of the feature network.

use anomalysd_diffusion::kernels;
use anomalysd_diffusion::nn::InvertedResidual;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor};

use crate::{agree, close, convolve, field, row, values};

#[test]
fn maps_of_channels_are_those_of_plain_operators_and_so_are_their_gradients() {
    use burn::tensor::module::{conv2d, linear};
    let device = Device::flex();
    for (batch, inputs, outputs, height, width) in [
        (2, 5, 7, 3, 4),
        (1, 1, 1, 1, 1),
        (3, 33, 150, 9, 65),
        (1, 70, 3, 40, 2),
    ] {
        let name = format!("{batch}x{inputs} to {outputs}, {height}x{width}");
        let picture = field(1, [batch, inputs, height, width], &device);
        let tokens = field(2, [batch, height * width, inputs, 1], &device);
        let kernel = field(3, [outputs, inputs, 1, 1], &device);
        let bias = field(4, [1, 1, 1, outputs], &device);
        let options = || ConvOptions::new([1; 2], [0; 2], [1; 2], 1);
        // `[…, 1, 1]` as a matrix, `[…, 1]` as tokens; and pictures as tokens and back.
        let matrix = |kernel: &Tensor<4>| kernel.clone().reshape([outputs, inputs]);
        let words = |tokens: &Tensor<4>| tokens.clone().reshape([batch, height * width, inputs]);
        let flat = |picture: Tensor<4>| -> Tensor<3> { picture.flatten::<3>(2, 3).swap_dims(1, 2) };
        let drawn = |tokens: &Tensor<4>| {
            let channels_first = words(tokens).swap_dims(1, 2);
            channels_first.reshape([batch, inputs, height, width])
        };
        let convolved = |picture: Tensor<4>, kernel: &Tensor<4>, bias: Option<Tensor<1>>| {
            conv2d(picture, kernel.clone(), bias, options())
        };
        agree(
            &format!("{name}, linear"),
            [tokens.clone(), kernel.clone(), bias.clone()],
            |[x, w, b]| kernels::linear(&words(x), &matrix(w), Some(&row(b))),
            |[x, w, b]| linear(words(x), matrix(w).transpose(), Some(row(b))),
        );
        agree(
            &format!("{name}, linear without bias"),
            [tokens.clone(), kernel.clone()],
            |[x, w]| kernels::linear(&words(x), &matrix(w), None),
            |[x, w]| linear(words(x), matrix(w).transpose(), None),
        );
        agree(
            &format!("{name}, picture to picture"),
            [picture.clone(), kernel.clone(), bias.clone()],
            |[x, w, b]| convolve(x, w, Some(&row(b)), (0, 0)),
            |[x, w, b]| convolved(x.clone(), w, Some(row(b))),
        );
        agree(
            &format!("{name}, picture to tokens"),
            [picture, kernel.clone(), bias.clone()],
            |[x, w, b]| kernels::to_tokens(x, w, Some(&row(b))),
            |[x, w, b]| flat(convolved(x.clone(), w, Some(row(b)))),
        );
        agree(
            &format!("{name}, tokens to picture"),
            [tokens, kernel, bias],
            |[x, w, b]| kernels::to_picture(&words(x), w, Some(&row(b)), [height, width]),
            |[x, w, b]| convolved(drawn(x), w, Some(row(b))),
        );
    }
}

#[test]
fn maps_whose_sizes_disagree_and_orders_whose_gradient_is_wanted_are_left_to_burn() {
    let device = Device::flex();
    let (tokens, weight) = (field(1, [2, 6, 4], &device), field(2, [3, 4], &device));
    let picture = field(3, [2, 4, 2, 3], &device);
    let kernel = weight.clone().reshape([3, 4, 1, 1]);
    let bias = field(4, [5], &device);
    assert!(kernels::linear(&tokens, &weight.clone().transpose(), None).is_none());
    assert!(kernels::linear(&tokens, &weight, Some(&bias)).is_none());
    assert!(kernels::linear(&tokens.clone().cast(DType::F16), &weight, None).is_none());
    assert!(kernels::to_picture(&tokens, &kernel, None, [2, 2]).is_none());
    let wide = field(5, [3, 4, 3, 3], &device);
    assert!(kernels::to_tokens(&picture, &wide, None).is_none());
    assert!(kernels::rearrange(&tokens, [2, 6, 5], [24, 4, 1]).is_none());
    let trained = Tensor::<4>::from_data(picture.into_data(), &Device::flex().autodiff());
    assert!(kernels::rearrange(&trained, [4, 12], [12, 1]).is_none());
}

#[test]
fn pixels_go_where_plain_operators_put_them() {
    use anomalysd_diffusion::nn::{pixel_shuffle, pixel_unshuffle, upsample_nearest_2x};
    let plain = Device::flex();
    let recorded = Device::flex().autodiff();
    let picture = |channels, height, width, device: &Device| -> Tensor<4> {
        field(1, [2, channels, height, width], device)
    };
    // Where a gradient is recorded, burn's operators do it.
    for (height, width) in [(4, 6), (30, 2), (64, 80)] {
        for odd in [0, 1] {
            let size = [2 * height - odd, 2 * width - odd];
            let of = |device| upsample_nearest_2x(picture(3, height, width, device), size);
            assert_eq!(values(of(&plain)), values(of(&recorded)));
        }
        let of = |device| pixel_unshuffle(picture(3, height, width, device), 2);
        assert_eq!(values(of(&plain)), values(of(&recorded)));
        let of = |device| pixel_shuffle(picture(8, height, width, device), 2);
        assert_eq!(values(of(&plain)), values(of(&recorded)));
        let of = |device| pixel_shuffle(pixel_unshuffle(picture(5, height, width, device), 2), 2);
        assert_eq!(
            values(of(&plain)),
            values(picture(5, height, width, &plain))
        );
    }
}

/// The same block by burn's operators.
fn composed_block(input: &Tensor<4>, block: &InvertedResidual<'_>) -> Tensor<4> {
    use burn::tensor::module::conv2d;
    let pointwise = |x: Tensor<4>, of: (&Tensor<4>, &Tensor<1>)| {
        let options = ConvOptions::new([1; 2], [0; 2], [1; 2], 1);
        conv2d(x, of.0.clone(), Some(of.1.clone()), options)
    };
    let mut x = input.clone();
    if let Some(expand) = block.expand {
        x = pointwise(x, expand).clamp(0.0, 6.0);
    }
    let [wide, _, kernel, _] = block.depthwise.0.dims();
    let total = kernel - block.stride;
    let (before, after) = (total / 2, total - total / 2);
    let x = x.pad([(before, after), (before, after)], 0.0);
    let options = ConvOptions::new([block.stride; 2], [0; 2], [1; 2], wide);
    let (weight, bias) = block.depthwise;
    let x = conv2d(x, weight.clone(), Some(bias.clone()), options).clamp(0.0, 6.0);
    let x = pointwise(x, block.project);
    if block.skip { x + input.clone() } else { x }
}

#[test]
fn mobile_blocks_are_those_of_plain_operators() {
    let device = Device::flex();
    // Batch, channels in, wide, out, kernel, step, height, width, skip; the last has more than one group of channels.
    let cases = [
        (1, 8, 8, 5, 3, 1, 9, 7, false),
        (2, 6, 24, 6, 3, 1, 8, 13, true),
        (1, 6, 24, 7, 3, 2, 8, 13, false),
        (2, 6, 24, 7, 3, 2, 9, 12, false),
        (1, 6, 24, 7, 5, 2, 9, 12, false),
        (1, 6, 24, 7, 5, 2, 12, 9, false),
        (2, 6, 24, 6, 5, 1, 5, 6, true),
        (2, 16, 60, 24, 3, 2, 96, 100, false),
    ];
    for (batch, inputs, wide, outputs, kernel, stride, height, width, skip) in cases {
        let input = field(1, [batch, inputs, height, width], &device) * 3.0;
        let expand = field(2, [wide, inputs, 1, 1], &device);
        let depthwise = field(3, [wide, 1, kernel, kernel], &device);
        let project = field(4, [outputs, wide, 1, 1], &device) * 0.2;
        let bias = |stream, count| field::<1>(stream, [count], &device);
        let (first, middle, last) = (bias(5, wide), bias(6, wide), bias(7, outputs));
        let expanded = inputs != wide;
        let block = InvertedResidual {
            expand: expanded.then_some((&expand, &first)),
            depthwise: (&depthwise, &middle),
            project: (&project, &last),
            stride,
            skip,
        };
        let what = format!("{batch}x{inputs}-{wide}-{outputs} {kernel}/{stride} {height}x{width}");
        let got = kernels::inverted_residual(&input, &block).unwrap();
        close(&what, got.clone(), composed_block(&input, &block));
        // A photo in a batch has the bits of a photo alone.
        let alone = kernels::inverted_residual(&input.narrow(0, 0, 1), &block).unwrap();
        assert_eq!(values(alone), values(got.narrow(0, 0, 1)), "{what}");
    }
}

#[test]
fn mobile_blocks_whose_gradient_is_wanted_or_whose_sizes_disagree_are_left_to_burn() {
    let plain = Device::flex();
    let recorded = Device::flex().autodiff();
    let weights = |device: &Device| {
        let four = |stream, shape| field::<4>(stream, shape, device);
        (
            four(1, [4, 1, 3, 3]),
            field::<1>(2, [4], device),
            four(3, [5, 4, 1, 1]),
            field::<1>(4, [5], device),
        )
    };
    let refused = |device: &Device, channels: usize, stride: usize, skip: bool| {
        let (depthwise, middle, project, last) = weights(&plain);
        let block = InvertedResidual {
            expand: None,
            depthwise: (&depthwise, &middle),
            project: (&project, &last),
            stride,
            skip,
        };
        let input = field(5, [1, channels, 6, 6], device);
        kernels::inverted_residual(&input, &block).is_none()
    };
    assert!(!refused(&plain, 4, 1, false));
    assert!(refused(&recorded, 4, 1, false));
    assert!(refused(&plain, 3, 1, false));
    assert!(refused(&plain, 4, 3, false));
    assert!(refused(&plain, 4, 1, true));
}
