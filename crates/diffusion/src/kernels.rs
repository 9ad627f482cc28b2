//! Layers computed by kernels of our own, where burn's operators are slow: [`processor`] for its processor backend,
//! [`graphics`] for graphics processors, natively and in a page.
//!
//! Each function gives `None` for tensors that no kernel takes, and the layer goes on with burn's operators. Tensors
//! are reached by [`Tensor::try_into_primitive`](burn::tensor::Tensor::try_into_primitive) and its kin rather than by
//! burn's `backend_extension`: that panics on a backend that nobody listed, this says no.
//!
//! Without the features `cpu-kernels` and `gpu-kernels` every kernel gives `None`.

#[cfg(feature = "gpu-kernels")]
mod graphics;
#[cfg(feature = "cpu-kernels")]
mod processor;

/// The same functions for builds without kernels.
mod absent;
#[cfg(not(feature = "gpu-kernels"))]
use absent as graphics;
#[cfg(not(feature = "cpu-kernels"))]
use absent as processor;

use burn::tensor::Tensor;

pub use processor::{Prepared, in_parts, rearrange, to_picture, to_tokens};

use crate::nn::{InvertedResidual, KeyBias};

/// `softmax(q·kᵀ/√d + bias)·v` per head.
///
/// # Shapes
/// `query` `[batch, queries, heads·d]`, `key` and `value` `[batch, keys, heads·d]`; the result has the query's shape.
pub fn attend(
    query: &Tensor<3>,
    key: &Tensor<3>,
    value: &Tensor<3>,
    heads: usize,
    bias: Option<&KeyBias>,
) -> Option<Tensor<3>> {
    processor::attend(query, key, value, heads, bias)
        .or_else(|| graphics::attend(query, key, value, heads, bias))
}

/// `torch.nn.functional.conv2d` with a square kernel: `padding` zeros before and after, a step of `stride`.
///
/// # Shapes
/// `input` `[batch, in, height, width]`, `weight` `[out, in, kernel, kernel]`, `bias` `[out]`; the result
/// `[batch, out, height', width']`.
pub fn convolve(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    padding: (usize, usize),
    stride: usize,
    prepared: &Prepared,
) -> Option<Tensor<4>> {
    let own = (stride == 1).then(|| processor::convolve(input, weight, bias, padding, prepared));
    own.flatten()
        .or_else(|| graphics::convolve(input, weight, bias, padding, stride))
}

/// `a·gelu(b)` of the two halves of the last dimension.
///
/// # Shapes
/// `[batch, tokens, 2·width]` to `[batch, tokens, width]`.
pub fn geglu(both: &Tensor<3>) -> Option<Tensor<3>> {
    processor::geglu(both).or_else(|| graphics::geglu(both))
}

/// `torch.nn.functional.group_norm`, then SiLU where that follows.
///
/// # Shapes
/// `input` `[batch, channels, height, width]`, `weight` and `bias` `[channels]`; `groups` divide the channels.
pub fn group_norm(
    input: &Tensor<4>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    groups: usize,
    eps: f64,
    then_silu: bool,
) -> Option<Tensor<4>> {
    processor::group_norm(input, weight, bias, groups, eps, then_silu)
        .or_else(|| graphics::group_norm(input, weight, bias, groups, eps, then_silu))
}

/// The output `[batch, out, height', width']` of a mobile network's block of `input` `[batch, in, height, width]`.
pub fn inverted_residual(input: &Tensor<4>, block: &InvertedResidual<'_>) -> Option<Tensor<4>> {
    processor::inverted_residual(input, block).or_else(|| graphics::inverted_residual(input, block))
}

/// `torch.nn.functional.layer_norm` over the last dimension.
///
/// # Shapes
/// `input` `[…, width]`, `weight` and `bias` `[width]`.
pub fn layer_norm<const D: usize>(
    input: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    eps: f64,
) -> Option<Tensor<D>> {
    processor::layer_norm(input, weight, bias, eps)
        .or_else(|| graphics::layer_norm(input, weight, bias, eps))
}

/// `x·Wᵀ + b`.
///
/// # Shapes
/// `input` `[…, in]`, `weight` `[out, in]`, `bias` `[out]`; the result `[…, out]`.
pub fn linear<const D: usize>(
    input: &Tensor<D>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>> {
    processor::linear(input, weight, bias).or_else(|| graphics::linear(input, weight, bias))
}
