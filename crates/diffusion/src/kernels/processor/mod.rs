//! What the processor's backend computes slowly, computed by kernels of our own.
//!
//! burn's `flex` keeps attention's scores in memory, composes norms of eight passes over their input, asks
//! the C library for every exponential, copies the result of a matrix product and adds the bias on one thread,
//! and has no gradient of a convolution's weight. A kernel takes f32
//! tensors of that backend, plain or differentiated, and gives `None` for all others.
//! What is summed up for one result, and in which order, depends neither on the number of threads nor on that of
//! photos in a batch, so the same bits come out.
//!
//! Without the feature `training-kernels` those of differentiated tensors give `None`, too.
#![cfg_attr(
    not(feature = "training-kernels"),
    allow(
        dead_code,
        reason = "gradients, which a page that only detects leaves out"
    )
)]

mod attention;
mod channels;
mod convolution;
mod exponential;
mod geglu;
mod group_norm;
mod inverted_residual;
mod layer_norm;
mod matmul;
mod operator;
mod parts;
mod rearrange;
mod threads;

pub use attention::attend;
pub use channels::{linear, to_picture, to_tokens};
pub use convolution::{Prepared, convolve};
pub use geglu::geglu;
pub use group_norm::group_norm;
pub use inverted_residual::inverted_residual;
pub use layer_norm::layer_norm;
pub use parts::in_parts;
pub use rearrange::rearrange;
