//! Kernels against burn's operators, results and gradients, at odd sizes, batches of two, height ≠ width.
//!
//! Differences are relative to the largest value of the expected tensor.

use anomalysd_diffusion::kernels::{self, Prepared};
use anomalysd_diffusion::nn::{GroupNorm, InvertedResidual, KeyBias, LayerNorm, attend_composed};
use anomalysd_diffusion::noise;
use anomalysd_diffusion::weights::Loader;
use burn::module::{Param, ParamId};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor, TensorData, activation};

/// Largest difference of a result and of a gradient.
const TOLERANCE: f32 = 2e-5;

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(5, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn close<const D: usize>(what: &str, got: Tensor<D>, expected: Tensor<D>) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let (got, expected) = (values(got), values(expected));
    let largest = expected
        .iter()
        .fold(1e-3_f32, |most, value| most.max(value.abs()));
    for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let error = (got - expected).abs() / largest;
        assert!(
            error < TOLERANCE,
            "{what} at {at}: {got} {expected}, {error} of {largest}"
        );
    }
}

/// Runs `kernel` and `plain` on a plain device and on both kinds of autodiff devices, with gradients of
/// all inputs.
fn agree<const N: usize, const D: usize, const R: usize>(
    what: &str,
    inputs: [Tensor<D>; N],
    kernel: impl Fn(&[Tensor<D>; N]) -> Option<Tensor<R>>,
    plain: impl Fn(&[Tensor<D>; N]) -> Tensor<R>,
) {
    close(what, kernel(&inputs).unwrap(), plain(&inputs));
    agree_trained(what, inputs, kernel, plain);
}

fn agree_trained<const N: usize, const D: usize, const R: usize>(
    what: &str,
    inputs: [Tensor<D>; N],
    kernel: impl Fn(&[Tensor<D>; N]) -> Option<Tensor<R>>,
    plain: impl Fn(&[Tensor<D>; N]) -> Tensor<R>,
) {
    let devices = [
        Device::flex().autodiff(),
        Device::flex().autodiff().gradient_checkpointing(),
    ];
    for device in devices {
        let inputs = inputs
            .clone()
            .map(|input| Tensor::from_data(input.into_data(), &device).require_grad());
        let run = |output: Tensor<R>| {
            let weights = field(99, output.dims(), &device);
            let gradients = (output.clone() * weights).sum().backward();
            let of_inputs = inputs.clone().map(|input| input.grad(&gradients).unwrap());
            (output.inner(), of_inputs)
        };
        let (got, of_kernel) = run(kernel(&inputs).unwrap());
        let (expected, of_plain) = run(plain(&inputs));
        close(what, got, expected);
        for (index, (got, expected)) in of_kernel.into_iter().zip(of_plain).enumerate() {
            close(&format!("{what}, gradient {index}"), got, expected);
        }
    }
}

/// `[1, 1, 1, n]` as `[n]`.
/// A convolution whose weight was never seen before.
fn convolve(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    padding: (usize, usize),
) -> Option<Tensor<4>> {
    kernels::convolve(input, weight, bias, padding, 1, &Prepared::default())
}

fn row(tensor: &Tensor<4>) -> Tensor<1> {
    let count = tensor.dims().iter().product::<usize>();
    tensor.clone().reshape([count])
}

fn loaded_group_norm(weight: Tensor<1>, bias: Tensor<1>, groups: usize) -> GroupNorm {
    let random = Loader::random(1, &weight.device());
    let mut norm = GroupNorm::load(&random, weight.dims()[0], groups, 1e-5).unwrap();
    norm.weight = Param::initialized(ParamId::new(), weight);
    norm.bias = Param::initialized(ParamId::new(), bias);
    norm
}

#[test]
fn attention_is_that_of_plain_operators() {
    let device = Device::flex();
    for (batch, heads, queries, keys, width, biased) in [
        (2, 3, 5, 7, 4, 0),
        (1, 1, 1, 1, 1, 0),
        (2, 2, 35, 300, 8, 265),
        (1, 4, 130, 2100, 5, 100),
        // A bias of all keys would change nothing, and its gradient be rounding alone.
        (2, 2, 257, 12, 10, 11),
    ] {
        let inner = heads * width;
        let name = format!("{batch}x{heads} {queries} of {keys}, {width} wide, {biased}");
        let inputs = [
            field(1, [batch, queries, inner, 1], &device) * 2.0,
            field(2, [batch, keys, inner, 1], &device),
            field(3, [batch, keys, inner, 1], &device),
        ];
        for rows in [1, batch] {
            let bias = field(4, [rows, 1, 1, 1], &device);
            let with = |inputs: &[Tensor<4>], bias: &Tensor<4>| {
                let [query, key, value] = [0, 1, 2].map(|i| inputs[i].clone().squeeze_dim::<3>(3));
                let bias = (biased > 0).then(|| KeyBias {
                    keys: biased,
                    bias: bias.clone(),
                });
                (query, key, value, bias)
            };
            if biased == 0 {
                agree(
                    &name,
                    inputs.clone(),
                    |inputs| {
                        let (query, key, value, _) = with(inputs, &bias);
                        kernels::attend(&query, &key, &value, heads, None)
                    },
                    |inputs| {
                        let (query, key, value, _) = with(inputs, &bias);
                        attend_composed(query, key, value, heads, None)
                    },
                );
                continue;
            }
            let [query, key, value] = inputs.clone();
            agree(
                &name,
                [query, key, value, bias],
                |inputs| {
                    let (query, key, value, bias) = with(inputs, &inputs[3]);
                    kernels::attend(&query, &key, &value, heads, bias.as_ref())
                },
                |inputs| {
                    let (query, key, value, bias) = with(inputs, &inputs[3]);
                    attend_composed(query, key, value, heads, bias.as_ref())
                },
            );
        }
    }
}

#[test]
fn group_norm_is_that_of_plain_operators_with_and_without_silu() {
    let device = Device::flex();
    for (shape, groups, far) in [
        ([2, 6, 5, 7], 3, 0.0),
        ([1, 64, 32, 31], 32, 0.0),
        ([3, 4, 70, 90], 1, 20.0),
        // Three values a group: of two the norm is ±1 whatever they are, and a gradient rounding alone.
        ([2, 6, 1, 1], 2, 0.0),
    ] {
        let channels = shape[1];
        let inputs = [
            field(1, shape, &device) * 2.0 + far,
            field(2, [1, 1, 1, channels], &device),
            field(3, [1, 1, 1, channels], &device),
        ];
        for then_silu in [false, true] {
            agree(
                &format!("{shape:?} in {groups} groups, {then_silu}"),
                inputs.clone(),
                |[input, weight, bias]| {
                    kernels::group_norm(input, &row(weight), &row(bias), groups, 1e-5, then_silu)
                },
                |[input, weight, bias]| {
                    let norm = loaded_group_norm(row(weight), row(bias), groups);
                    let normed = norm.composed(input.clone());
                    if then_silu {
                        activation::silu(normed)
                    } else {
                        normed
                    }
                },
            );
        }
    }
}

#[test]
fn layer_norm_is_that_of_plain_operators() {
    let device = Device::flex();
    for shape in [[2, 3, 5, 7], [1, 2, 150, 96], [1, 1, 1, 320]] {
        let width = shape[3];
        let inputs = [
            field(1, shape, &device) * 2.0 + 1.0,
            field(2, [1, 1, 1, width], &device),
            field(3, [1, 1, 1, width], &device),
        ];
        agree(
            &format!("{shape:?}"),
            inputs,
            |[input, weight, bias]| kernels::layer_norm(input, &row(weight), &row(bias), 1e-5),
            |[input, weight, bias]| {
                let random = Loader::random(1, &input.device());
                let mut norm = LayerNorm::load(&random, width, 1e-5).unwrap();
                norm.weight = Param::initialized(ParamId::new(), row(weight));
                norm.bias = Param::initialized(ParamId::new(), row(bias));
                norm.composed(input.clone())
            },
        );
    }
}

#[test]
fn geglu_is_that_of_plain_operators() {
    let device = Device::flex();
    for shape in [[2, 5, 14], [1, 100, 768]] {
        agree(
            &format!("{shape:?}"),
            [field(1, shape, &device) * 3.0],
            |[both]| kernels::geglu(both),
            |[both]| {
                let width = shape[2] / 2;
                let gate = both.clone().narrow(2, width, width);
                both.clone().narrow(2, 0, width) * activation::gelu(gate)
            },
        );
    }
}

#[test]
fn convolutions_have_the_gradients_of_burns() {
    let device = Device::flex();
    for (shape, outputs, kernel, padding) in [
        ([2, 3, 5, 7], 4, 3, (1, 1)),
        ([1, 17, 9, 12], 50, 3, (1, 1)),
        ([2, 5, 6, 4], 3, 1, (0, 0)),
        ([2, 4, 8, 7], 6, 3, (0, 1)),
        ([1, 2, 9, 11], 3, 5, (2, 1)),
        ([1, 3, 4, 5], 2, 4, (0, 3)),
    ] {
        let inputs = [
            field(1, shape, &device),
            field(2, [outputs, shape[1], kernel, kernel], &device),
            field(3, [1, 1, 1, outputs], &device),
        ];
        let options = ConvOptions::new_with_padding([1; 2], [padding; 2], [1, 1], 1);
        agree_trained(
            &format!("{shape:?} to {outputs} by {kernel}, {padding:?}"),
            inputs.clone(),
            |[input, weight, bias]| convolve(input, weight, Some(&row(bias)), padding),
            |[input, weight, bias]| {
                let (input, weight) = (input.clone(), weight.clone());
                burn::tensor::module::conv2d(input, weight, Some(row(bias)), options.clone())
            },
        );
        let [input, weight, _] = inputs;
        agree_trained(
            "without bias",
            [input, weight],
            |[input, weight]| convolve(input, weight, None, padding),
            |[input, weight]| {
                burn::tensor::module::conv2d(input.clone(), weight.clone(), None, options.clone())
            },
        );
    }
}

#[test]
fn convolutions_by_tiles_are_burns_with_and_without_gradients() {
    let device = Device::flex();
    for (shape, outputs) in [
        ([2, 16, 16, 16], 16),
        ([1, 17, 17, 30], 19),
        ([3, 20, 40, 15], 33),
        ([1, 64, 32, 32], 96),
        ([1, 16, 5, 200], 16),
        // Several photos in a block, the last of them fewer; rows shorter than a vector.
        ([7, 16, 8, 8], 18),
        ([3, 17, 7, 9], 16),
        ([1, 16, 8, 8], 16),
        ([2, 16, 11, 35], 16),
    ] {
        let inputs = [
            field(1, shape, &device),
            field(2, [outputs, shape[1], 3, 3], &device),
            field(3, [1, 1, 1, outputs], &device),
        ];
        let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        agree(
            &format!("{shape:?} to {outputs}"),
            inputs,
            |[input, weight, bias]| convolve(input, weight, Some(&row(bias)), (1, 1)),
            |[input, weight, bias]| {
                let (input, weight) = (input.clone(), weight.clone());
                burn::tensor::module::conv2d(input, weight, Some(row(bias)), options())
            },
        );
    }
}

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

#[test]
fn frozen_weights_get_no_gradient_and_give_one() {
    let device = Device::flex();
    let trained = field(1, [1, 4, 6, 5], &device.clone().autodiff()).require_grad();
    let weight = field(2, [3, 4, 3, 3], &device);
    let output = convolve(&trained, &weight, None, (1, 1)).unwrap();
    let gradients = output.square().sum().backward();
    let gradient = trained.grad(&gradients).unwrap();
    assert_eq!(gradient.dims(), [1, 4, 6, 5]);
    assert!(values(gradient).iter().any(|value| *value != 0.0));
}

#[test]
fn views_are_read_as_they_are_seen() {
    let device = Device::flex();
    let input = field(1, [2, 12, 20, 24], &device)
        .swap_dims(2, 3)
        .narrow(1, 2, 8);
    let ones = Tensor::<1>::ones([8], &device);
    let got = kernels::group_norm(&input, &ones, &ones, 4, 1e-5, false).unwrap();
    close(
        "group norm",
        got,
        loaded_group_norm(ones.clone(), ones, 4).composed(input),
    );
    let query = field(2, [2, 16, 30], &device).swap_dims(1, 2);
    let key = field(3, [2, 40, 24], &device).narrow(2, 3, 16);
    let value = field(4, [1, 40, 16], &device).expand([2, 40, 16]);
    let got = kernels::attend(&query, &key, &value, 4, None).unwrap();
    close(
        "attention",
        got,
        attend_composed(query, key, value, 4, None),
    );
}

#[test]
fn a_layer_never_takes_the_weight_it_had() {
    let device = Device::flex();
    let photo = field(1, [1, 24, 16, 16], &device);
    let prepared = Prepared::default();
    let by = |weight: &Tensor<4>, prepared: &Prepared| {
        values(kernels::convolve(&photo, weight, None, (1, 1), 1, prepared).unwrap())
    };
    // Tensors that come and go, so that one may lie where another lay; views of one tensor; the same one twice.
    for seed in 0..40 {
        let weight = field(seed, [24, 24, 3, 3], &device);
        let first = by(&weight, &prepared);
        assert_eq!(first, by(&weight, &Prepared::default()), "{seed}");
        assert_eq!(first, by(&weight, &prepared.clone()), "{seed}, again");
        let half = weight.clone().narrow(0, 0, 16);
        let of_half = by(&half, &prepared);
        assert_eq!(of_half, first[..of_half.len()], "{seed}, half");
        let changed = by(&(weight * 2.0), &prepared);
        assert_ne!(changed, first, "{seed}, changed");
    }
}

#[test]
fn what_a_layer_keeps_gives_the_gradients_of_a_fresh_one() {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let prepared = Prepared::default();
    let of = |input: &Tensor<4>, weight: &Tensor<4>, prepared: &Prepared| {
        let output = kernels::convolve(input, weight, None, (1, 1), 1, prepared).unwrap();
        let gradients = output.square().sum().backward();
        [input, weight].map(|tensor| tensor.grad(&gradients).map(values))
    };
    let photo = || field(1, [2, 20, 16, 16], &device).require_grad();
    for seed in 2..6 {
        // Frozen on the tape and off it, and trained, each seen twice.
        let frozen = field(seed, [24, 20, 3, 3], &device);
        let trained = frozen.clone().require_grad();
        for weight in [field(seed, [24, 20, 3, 3], &plain), frozen, trained] {
            let expected = of(&photo(), &weight, &Prepared::default());
            assert!(expected[0].is_some());
            assert_eq!(of(&photo(), &weight, &prepared), expected, "{seed}");
            assert_eq!(of(&photo(), &weight, &prepared), expected, "{seed}, again");
        }
    }
}

#[test]
fn a_photo_in_a_batch_has_the_bits_of_a_photo_alone() {
    let device = Device::flex();
    let norm = |input: Tensor<4>| {
        let ones = Tensor::<1>::ones([8], &Device::flex());
        kernels::group_norm(&input, &ones, &ones, 4, 1e-6, true).unwrap()
    };
    let photos = field(1, [3, 8, 9, 33], &device);
    let alone = values(norm(photos.clone().narrow(0, 1, 1)));
    assert_eq!(values(norm(photos).narrow(0, 1, 1)), alone);
    let weight = field(3, [32, 48, 3, 3], &device);
    let convolved = |photos| convolve(&photos, &weight, None, (1, 1)).unwrap();
    let mapped = |photos| {
        let weight = weight.clone().narrow(2, 1, 1).narrow(3, 1, 1);
        kernels::to_tokens(&photos, &weight, None).unwrap()
    };
    for shape in [[5, 48, 18, 22], [9, 48, 8, 8], [6, 48, 16, 16]] {
        let photos = field(2, shape, &device);
        let (whole, tokens) = (convolved(photos.clone()), mapped(photos.clone()));
        for photo in 0..shape[0] {
            let one = photos.clone().narrow(0, photo, 1);
            let alone = values(convolved(one.clone()));
            assert_eq!(
                values(whole.clone().narrow(0, photo, 1)),
                alone,
                "{shape:?}"
            );
            let alone = values(mapped(one));
            assert_eq!(
                values(tokens.clone().narrow(0, photo, 1)),
                alone,
                "{shape:?}"
            );
        }
    }
    let tokens = field(4, [3, 70, 48], &device);
    let matrix = field(5, [96, 48], &device);
    let mapped = |tokens| kernels::linear(&tokens, &matrix, None).unwrap();
    let whole = mapped(tokens.clone());
    let alone = values(mapped(tokens.narrow(0, 1, 1)));
    assert_eq!(values(whole.narrow(0, 1, 1)), alone);
    let [query, key, value] = [1, 2, 3].map(|stream| field(stream, [3, 70, 24], &device));
    let attend =
        |[query, key, value]: [&Tensor<3>; 3]| kernels::attend(query, key, value, 3, None).unwrap();
    let whole = attend([&query, &key, &value]);
    let one = [query, key, value].map(|tensor| tensor.narrow(0, 2, 1));
    let alone = values(attend(one.each_ref()));
    assert_eq!(values(whole.narrow(0, 2, 1)), alone);
}

#[test]
fn what_is_not_f32_or_disagrees_is_left_to_burn() {
    let device = Device::flex();
    let input = field(1, [1, 4, 5], &device);
    assert!(kernels::geglu(&input.clone().narrow(2, 0, 3)).is_none());
    assert!(kernels::geglu(&input.clone().narrow(2, 0, 4).cast(DType::F64)).is_none());
    assert!(kernels::geglu(&input.clone().narrow(2, 0, 4).cast(DType::F16)).is_none());
    assert!(kernels::attend(&input, &input, &input, 2, None).is_none());
    assert!(kernels::attend(&input, &input, &input.clone().narrow(1, 0, 3), 1, None).is_none());
    let plain = field(2, [1, 4, 5, 5], &device);
    let weight = field(3, [4, 4, 3, 3], &device);
    assert!(convolve(&plain, &weight, None, (1, 1)).is_none());
    let trained = Tensor::from_data(plain.into_data(), &device.autodiff());
    assert!(convolve(&trained, &weight, None, (3, 3)).is_none());
}
