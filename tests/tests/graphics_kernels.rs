//! Kernels for graphics processors against burn's operators on the processor: sizes that vectors divide and sizes that
//! they do not, one photo and several, tiles that reach beyond the edge.
//!
//! Software Vulkan (lavapipe) counts as a GPU. Without any adapter the tests say so and end, unless
//! `ANOMALYSD_REQUIRE_GPU` is set: then they fail.

use anomalysd_diffusion::kernels::{self, Prepared};
use anomalysd_diffusion::nn::{InvertedResidual, KeyBias, attend_composed};
use anomalysd_diffusion::noise;
use anomalysd_tests::golden::{compare, values};
use anomalysd_tests::gpu;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor, TensorData, activation, module};

/// Largest difference, as a part of the largest value.
const TOLERANCE: f32 = 2e-5;

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(5, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn close<const D: usize>(what: &str, got: Option<Tensor<D>>, expected: Tensor<D>) {
    let got = got.unwrap_or_else(|| panic!("{what}: no kernel took it"));
    assert_eq!(got.dims(), expected.dims(), "{what}");
    compare(what, &values(&got), &values(&expected), TOLERANCE);
}

#[test]
fn convolutions_are_those_of_plain_operators() {
    let Some(gpu) = gpu() else { return };
    let cpu = Device::flex();
    for (batch, inputs, outputs, kernel, stride, padding, [height, width], biased) in [
        (1, 1, 1, 1, 1, (0, 0), [1, 1], false),
        (2, 8, 12, 1, 1, (0, 0), [6, 10], true),
        (3, 5, 7, 1, 1, (0, 0), [3, 5], true),
        (2, 8, 16, 3, 1, (1, 1), [9, 16], true),
        (1, 3, 5, 3, 1, (1, 1), [7, 5], false),
        (2, 4, 20, 3, 2, (0, 1), [16, 13], true),
        (1, 6, 9, 3, 2, (1, 1), [11, 8], true),
        (2, 3, 4, 5, 1, (2, 2), [4, 21], true),
        (1, 2, 8, 4, 4, (0, 0), [16, 8], true),
        (2, 8, 8, 1, 2, (0, 0), [5, 7], true),
        (1, 4, 4, 3, 1, (3, 3), [1, 1], true),
    ] {
        let name = format!(
            "{batch} of {inputs} to {outputs}, {kernel}x{kernel} by {stride} in {padding:?}, {height}x{width}"
        );
        let on = |device: &Device| {
            (
                field(1, [batch, inputs, height, width], device),
                field(2, [outputs, inputs, kernel, kernel], device),
                biased.then(|| field(3, [outputs], device)),
            )
        };
        let (input, weight, bias) = on(&gpu);
        let fresh = Prepared::default();
        let got = kernels::convolve(&input, &weight, bias.as_ref(), padding, stride, &fresh);
        let (input, weight, bias) = on(&cpu);
        let options = ConvOptions::new_with_padding([stride; 2], [padding; 2], [1, 1], 1);
        close(&name, got, module::conv2d(input, weight, bias, options));
    }
}

#[test]
fn a_convolution_of_a_part_of_a_tensor_is_that_of_the_part() {
    let Some(gpu) = gpu() else { return };
    let whole = field::<4>(1, [3, 6, 9, 8], &gpu);
    let part = |device: &Device| {
        let whole = whole.clone().to_device(device);
        // Neither begins where its buffer begins, and the pictures lie turned.
        let input = whole.narrow(0, 1, 2).narrow(1, 2, 4).swap_dims(2, 3);
        let weight = field::<4>(2, [7, 4, 3, 3], device).narrow(0, 2, 5);
        (input, weight)
    };
    let (input, weight) = part(&gpu);
    let got = kernels::convolve(&input, &weight, None, (1, 1), 1, &Prepared::default());
    let (input, weight) = part(&Device::flex());
    let options = ConvOptions::new_with_padding([1, 1], [(1, 1), (1, 1)], [1, 1], 1);
    close("a part", got, module::conv2d(input, weight, None, options));
}

#[test]
fn linear_maps_are_those_of_plain_operators() {
    let Some(gpu) = gpu() else { return };
    let cpu = Device::flex();
    for (batch, tokens, inputs, outputs, biased) in [
        (1, 1, 1, 1, false),
        (2, 9, 16, 24, true),
        (3, 5, 7, 10, true),
        (1, 17, 12, 5, false),
        (2, 33, 64, 65, true),
    ] {
        let name = format!("{batch}x{tokens} from {inputs} to {outputs}");
        let on = |device: &Device| {
            (
                field::<3>(1, [batch, tokens, inputs], device),
                field::<2>(2, [outputs, inputs], device),
                biased.then(|| field::<1>(3, [outputs], device)),
            )
        };
        let (input, weight, bias) = on(&gpu);
        let got = kernels::linear(&input, &weight, bias.as_ref());
        let (input, weight, bias) = on(&cpu);
        close(&name, got, module::linear(input, weight.transpose(), bias));
    }
}

#[test]
fn attention_is_that_of_plain_operators() {
    let Some(gpu) = gpu() else { return };
    let cpu = Device::flex();
    for (batch, heads, queries, keys, width, biased) in [
        (2, 3, 5, 7, 4, 0),
        (1, 1, 1, 1, 1, 0),
        (2, 2, 35, 300, 8, 264),
        (1, 4, 130, 210, 5, 100),
        (2, 2, 57, 12, 10, 12),
        (2, 1, 9, 16, 12, 4),
    ] {
        for rows in [1, batch] {
            let name =
                format!("{batch}x{heads} {queries} of {keys}, {width} wide, {biased} by {rows}");
            let inner = heads * width;
            let on = |device: &Device| {
                let bias = KeyBias {
                    keys: biased,
                    bias: field(4, [rows, 1, 1, 1], device),
                };
                (
                    field::<3>(1, [batch, queries, inner], device) * 2.0,
                    field::<3>(2, [batch, keys, inner], device),
                    field::<3>(3, [batch, keys, inner], device),
                    (biased > 0).then_some(bias),
                )
            };
            let (query, key, value, bias) = on(&gpu);
            let got = kernels::attend(&query, &key, &value, heads, bias.as_ref());
            let (query, key, value, bias) = on(&cpu);
            let expected = attend_composed(query, key, value, heads, bias.as_ref());
            close(&name, got, expected);
        }
    }
}

#[test]
fn attention_whose_scores_are_cut_is_the_same() {
    let Some(gpu) = gpu() else { return };
    // 4 × 2,100² scores are more than are held at once.
    let on = |device: &Device| [1, 2, 3].map(|stream| field::<3>(stream, [1, 2100, 16], device));
    let [query, key, value] = on(&gpu);
    let got = kernels::attend(&query, &key, &value, 4, None);
    let [query, key, value] = on(&Device::flex());
    close("cut", got, attend_composed(query, key, value, 4, None));
}

#[test]
fn norms_are_those_of_plain_operators() {
    let Some(gpu) = gpu() else { return };
    let cpu = Device::flex();
    for (batch, channels, groups, height, width) in [
        (2, 12, 3, 7, 5),
        (1, 8, 8, 1, 1),
        (3, 8, 2, 4, 6),
        // A group that more units share.
        (1, 4, 2, 200, 180),
    ] {
        for then_silu in [false, true] {
            let name = format!("{batch}x{channels} in {groups}, {height}x{width}, {then_silu}");
            let on = |device: &Device| {
                (
                    field::<4>(1, [batch, channels, height, width], device) * 3.0 + 5.0,
                    field::<1>(2, [channels], device),
                    field::<1>(3, [channels], device),
                )
            };
            let (input, weight, bias) = on(&gpu);
            let got = kernels::group_norm(&input, &weight, &bias, groups, 1e-5, then_silu);
            let (input, weight, bias) = on(&cpu);
            let grouped = input.reshape([batch, groups, channels / groups * height * width]);
            let centred = grouped.clone() - grouped.mean_dim(2);
            let variance = centred.clone().square().mean_dim(2);
            let normed = (centred / (variance + 1e-5).sqrt())
                .reshape([batch, channels, height, width])
                * weight.reshape([1, channels, 1, 1])
                + bias.reshape([1, channels, 1, 1]);
            let expected = if then_silu {
                activation::silu(normed)
            } else {
                normed
            };
            close(&name, got, expected);
        }
    }
    for (rows, width) in [(1, 1), (9, 96), (70, 7)] {
        let on = |device: &Device| {
            (
                field::<3>(1, [2, rows, width], device) * 3.0 + 5.0,
                field::<1>(2, [width], device),
                field::<1>(3, [width], device),
            )
        };
        let (input, weight, bias) = on(&gpu);
        let got = kernels::layer_norm(&input, &weight, &bias, 1e-5);
        let (input, weight, bias) = on(&cpu);
        let centred = input.clone() - input.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let normed = centred / (variance + 1e-5).sqrt();
        let expected = normed * weight.reshape([1, 1, width]) + bias.reshape([1, 1, width]);
        close(&format!("rows of {width}"), got, expected);
    }
}

#[test]
fn gates_are_those_of_plain_operators() {
    let Some(gpu) = gpu() else { return };
    for width in [1, 6, 16] {
        let on = |device: &Device| field::<3>(1, [2, 9, 2 * width], device) * 2.0;
        let got = kernels::geglu(&on(&gpu));
        let both = on(&Device::flex());
        let [value, gate] = [0, 1].map(|half| both.clone().narrow(2, half * width, width));
        close(
            &format!("{width} wide"),
            got,
            value * activation::gelu(gate),
        );
    }
}

#[test]
fn blocks_of_a_mobile_network_are_those_of_plain_operators() {
    let Some(gpu) = gpu() else { return };
    let cpu = Device::flex();
    for (batch, inputs, wide, outputs, kernel, stride, [height, width]) in [
        (2, 8, 8, 12, 3, 1, [6, 8]),
        (1, 4, 24, 4, 3, 1, [7, 5]),
        (2, 5, 15, 6, 3, 2, [8, 9]),
        (1, 4, 12, 4, 5, 1, [9, 16]),
        (1, 3, 9, 5, 5, 2, [10, 7]),
    ] {
        let name = format!(
            "{batch}: {inputs} by {wide} to {outputs}, {kernel} by {stride}, {height}x{width}"
        );
        let on = |device: &Device| {
            let input = field::<4>(1, [batch, inputs, height, width], device);
            let weights = [
                field::<4>(2, [wide, inputs, 1, 1], device),
                field::<4>(3, [wide, 1, kernel, kernel], device),
                field::<4>(4, [outputs, wide, 1, 1], device),
            ];
            let biases = [wide, wide, outputs].map(|count| field::<1>(5, [count], device));
            let block = InvertedResidual {
                expand: (wide != inputs).then_some((&weights[0], &biases[0])),
                depthwise: (&weights[1], &biases[1]),
                project: (&weights[2], &biases[2]),
                stride,
                skip: stride == 1 && inputs == outputs,
            };
            (
                kernels::inverted_residual(&input, &block),
                block.forward(input),
            )
        };
        let (got, through_the_layer) = on(&gpu);
        let got = got.unwrap_or_else(|| panic!("{name}: no kernel took it"));
        assert_eq!(values(&got), values(&through_the_layer), "{name}");
        // There it is the processor's kernel, which has tests of its own.
        close(&name, Some(got), on(&cpu).1);
    }
}

#[test]
fn weights_that_are_stored_as_f16_are_taken_and_other_tensors_are_not() {
    let Some(gpu) = gpu() else { return };
    let input = field::<3>(1, [2, 9, 16], &gpu);
    let plain = field::<2>(2, [8, 16], &gpu);
    let weight = plain.clone().cast(DType::F16);
    let expected = kernels::linear(&input, &weight.clone().cast(DType::F32), None).unwrap();
    close("f16", kernels::linear(&input, &weight, None), expected);
    assert!(kernels::linear(&input.clone().cast(DType::F16), &weight, None).is_none());
    let of_trained = Tensor::<2>::from_data(plain.into_data(), &gpu.clone().autodiff());
    assert!(kernels::linear(&input, &of_trained, None).is_none());
    let trained = Tensor::<3>::from_data(input.into_data(), &gpu.clone().autodiff());
    assert!(kernels::geglu(&trained).is_none());
    assert!(kernels::linear(&trained, &weight, None).is_none());
}
