//! Linear maps of tokens.

use burn::tensor::Tensor;

use super::product::{After, Form, Sizes, Steps, product};
use super::tensors::{tensor, values, weights};
use crate::nn::dispatch::MAX_DISPATCH_FLOP;

/// `x·Wᵀ + b`; `None` where burn has to do it.
///
/// # Shapes
/// `input` `[…, in]`, `weight` `[out, in]`, `bias` `[out]`; the result `[…, out]`.
pub fn linear<const D: usize>(
    input: &Tensor<D>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>> {
    let mut shape = input.dims();
    let [outputs, inputs] = weight.dims();
    let all: usize = shape.iter().product();
    // More is cut by whoever calls.
    let flop = 2 * all as u64 * outputs as u64;
    if flop > MAX_DISPATCH_FLOP
        || shape[D - 1] != inputs
        || [all, outputs].contains(&0)
        || bias.is_some_and(|bias| bias.dims() != [outputs])
    {
        return None;
    }
    shape[D - 1] = outputs;
    let row = |row: usize| Steps {
        row,
        ..Steps::default()
    };
    let sizes = Sizes {
        batch: [1, 1],
        rows: all / inputs,
        columns: outputs,
        depth: inputs,
        steps: [row(inputs), row(inputs), row(outputs)],
    };
    let tokens = values(input)?;
    let factors = weights(weight)?;
    let bias = match bias {
        None => None,
        Some(bias) => Some(weights(bias)?),
    };
    let after = After {
        bias,
        ..After::default()
    };
    let output = product(tokens, factors, &sizes, Form::Transposed, after, shape);
    Some(tensor(output))
}
