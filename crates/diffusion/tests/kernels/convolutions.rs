//! Convolutions, and what a layer keeps of its weight.

use anomalysd_diffusion::kernels::{self, Prepared};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::{agree, agree_trained, convolve, field, row, values};

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
