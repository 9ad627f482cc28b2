//! Kernels for graphics processors, written once and compiled to WGSL, SPIR-V or CUDA when they first run.
//!
//! Without autotune burn convolves one output value at a time, composes a norm of a dozen operators, and lays pictures
//! out anew around every layer; in a page, and on any processor, most of a step is spent there. These kernels take
//! plain f32 tensors as they lie. Every unit computes a tile of results in its registers ([`product`], [`convolution`]);
//! none needs subgroups, f16 or more than what the least device has.

mod attention;
mod convolution;
mod inverted_residual;
mod linear;
mod norm;
mod pointwise;
mod product;
mod tensors;

pub use attention::attend;
pub use convolution::convolve;
pub use inverted_residual::inverted_residual;
pub use linear::linear;
pub use norm::{group_norm, layer_norm};
pub use pointwise::geglu;
