//! Attention, norms and gates.

use anomalysd_diffusion::kernels;
use anomalysd_diffusion::nn::{KeyBias, LayerNorm, attend_composed};
use anomalysd_diffusion::weights::Loader;
use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, activation};

use crate::{agree, field, loaded_group_norm, row};

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
