//! The kernels of a build without them: burn's operators do all the work.
#![allow(
    dead_code,
    reason = "all of them where there is no kernel at all, and none where there are all"
)]

use std::ops::Range;

use burn::tensor::Tensor;

use crate::nn::{InvertedResidual, KeyBias};

/// Nothing.
#[derive(Debug, Clone, Default)]
pub struct Prepared;

/// None.
pub fn attend(
    _query: &Tensor<3>,
    _key: &Tensor<3>,
    _value: &Tensor<3>,
    _heads: usize,
    _bias: Option<&KeyBias>,
) -> Option<Tensor<3>> {
    None
}

/// None.
pub fn in_parts<T: Send, const D: usize>(
    _batch: &Tensor<D>,
    _work: impl Fn(Range<usize>) -> T + Sync + Send,
) -> Option<Vec<T>> {
    None
}

/// None.
pub fn convolve(
    _input: &Tensor<4>,
    _weight: &Tensor<4>,
    _bias: Option<&Tensor<1>>,
    _padding: (usize, usize),
    _: impl Sized,
) -> Option<Tensor<4>> {
    None
}

/// None.
pub fn geglu(_both: &Tensor<3>) -> Option<Tensor<3>> {
    None
}

/// None.
pub fn group_norm(
    _input: &Tensor<4>,
    _weight: &Tensor<1>,
    _bias: &Tensor<1>,
    _groups: usize,
    _eps: f64,
    _then_silu: bool,
) -> Option<Tensor<4>> {
    None
}

/// None.
pub fn inverted_residual(_input: &Tensor<4>, _block: &InvertedResidual<'_>) -> Option<Tensor<4>> {
    None
}

/// None.
pub fn layer_norm<const D: usize>(
    _input: &Tensor<D>,
    _weight: &Tensor<1>,
    _bias: &Tensor<1>,
    _eps: f64,
) -> Option<Tensor<D>> {
    None
}

/// None.
pub fn linear<const D: usize>(
    _input: &Tensor<D>,
    _weight: &Tensor<2>,
    _bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>> {
    None
}

/// None.
pub fn rearrange<const D: usize, const R: usize>(
    _input: &Tensor<D>,
    _shape: [usize; R],
    _strides: [usize; R],
) -> Option<Tensor<R>> {
    None
}

/// None.
pub fn to_picture(
    _input: &Tensor<3>,
    _weight: &Tensor<4>,
    _bias: Option<&Tensor<1>>,
    _size: [usize; 2],
) -> Option<Tensor<4>> {
    None
}

/// None.
pub fn to_tokens(
    _input: &Tensor<4>,
    _weight: &Tensor<4>,
    _bias: Option<&Tensor<1>>,
) -> Option<Tensor<3>> {
    None
}
