//! What the processor's backend computes slowly, computed by kernels of our own.
//!
//! burn's `flex` keeps attention's scores in memory, composes norms of eight passes over their input, asks
//! the C library for every exponential, copies the result of a matrix product and adds the bias on one thread,
//! and has no gradient of a convolution's weight. A kernel takes f32
//! tensors of that backend, plain or differentiated, and gives `None` for all others, whose layer then goes
//! on with burn's operators: graphics processors and half precision are untouched.
//! What is summed up for one result, and in which order, depends neither on the number of threads nor on that of
//! photos in a batch, so the same bits come out.
//!
//! Tensors are reached by [`Tensor::try_into_primitive`](burn::tensor::Tensor::try_into_primitive) rather
//! than by burn's `backend_extension`: that panics on a backend that nobody listed, this says no.
//!
//! Without the feature `cpu-kernels` every kernel gives `None`; without `training-kernels` those of
//! differentiated tensors do.
#![cfg_attr(
    not(feature = "training-kernels"),
    allow(
        dead_code,
        reason = "gradients, which a page that only detects leaves out"
    )
)]

#[cfg(feature = "cpu-kernels")]
mod attention;
#[cfg(feature = "cpu-kernels")]
mod channels;
#[cfg(feature = "cpu-kernels")]
mod convolution;
#[cfg(feature = "cpu-kernels")]
mod exponential;
#[cfg(feature = "cpu-kernels")]
mod geglu;
#[cfg(feature = "cpu-kernels")]
mod group_norm;
#[cfg(feature = "cpu-kernels")]
mod inverted_residual;
#[cfg(feature = "cpu-kernels")]
mod layer_norm;
#[cfg(feature = "cpu-kernels")]
mod matmul;
#[cfg(feature = "cpu-kernels")]
mod operator;
#[cfg(feature = "cpu-kernels")]
mod parts;
#[cfg(feature = "cpu-kernels")]
mod rearrange;
#[cfg(feature = "cpu-kernels")]
mod threads;

#[cfg(feature = "cpu-kernels")]
pub use {
    attention::attend, channels::linear, channels::to_picture, channels::to_tokens,
    convolution::Prepared, convolution::convolve, geglu::geglu, group_norm::group_norm,
    inverted_residual::inverted_residual, layer_norm::layer_norm, parts::in_parts,
    rearrange::rearrange,
};

#[cfg(not(feature = "cpu-kernels"))]
pub use absent::{
    Prepared, attend, convolve, geglu, group_norm, in_parts, inverted_residual, layer_norm, linear,
    rearrange, to_picture, to_tokens,
};

/// The same functions for builds without kernels.
#[cfg(not(feature = "cpu-kernels"))]
mod absent;

use burn::tensor::Tensor;

/// Weights and sizes of [`inverted_residual`]: convolutions with their biases, each but the last followed by a
/// limit of 0..6. The middle one is padded as TensorFlow pads an input of 224×224.
#[derive(Debug, Clone, Copy)]
pub struct InvertedResidual<'a> {
    /// `[wide, in, 1, 1]` and `[wide]`; `None` where the input is wide already.
    pub expand: Option<(&'a Tensor<4>, &'a Tensor<1>)>,
    /// `[wide, 1, kernel, kernel]` and `[wide]`.
    pub depthwise: (&'a Tensor<4>, &'a Tensor<1>),
    /// `[out, wide, 1, 1]` and `[out]`.
    pub project: (&'a Tensor<4>, &'a Tensor<1>),
    /// Step of the middle convolution, 1 or 2.
    pub stride: usize,
    /// Whether the input is added to the output.
    pub skip: bool,
}
