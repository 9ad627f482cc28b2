//! A mobile network's block: 1×1 convolution to many channels, a convolution of each by itself, 1×1 back to few.
//!
//! Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018 (arXiv 1801.04381).

use burn::tensor::{Tensor, module, ops::ConvOptions};

use super::conv::conv2d;
use crate::kernels;

/// Weights and sizes of a block: convolutions with their biases, each but the last followed by a
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

impl InvertedResidual<'_> {
    /// # Shapes
    /// `[batch, in, height, width]` to `[batch, out, height', width']`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        kernels::inverted_residual(&input, self).unwrap_or_else(|| self.composed(input))
    }

    /// The block by burn's operators.
    fn composed(&self, input: Tensor<4>) -> Tensor<4> {
        let one = |x: Tensor<4>, (weight, bias): (&Tensor<4>, &Tensor<1>)| {
            conv2d(x, weight.clone(), Some(bias.clone()), (0, 0), 1)
        };
        let mut x = input.clone();
        if let Some(expand) = self.expand {
            x = one(x, expand).clamp(0.0, 6.0);
        }
        let (weight, bias) = self.depthwise;
        let [groups, _, kernel, _] = weight.dims();
        let padding = padding(kernel, self.stride);
        let options = ConvOptions::new_with_padding([self.stride; 2], [padding; 2], [1, 1], groups);
        x = module::conv2d(x, weight.clone(), Some(bias.clone()), options).clamp(0.0, 6.0);
        x = one(x, self.project);
        if self.skip { x + input } else { x }
    }
}

/// Zeros before and after, as TensorFlow pads an input of 224×224.
pub fn padding(kernel: usize, stride: usize) -> (usize, usize) {
    let total = kernel - stride.min(kernel);
    (total / 2, total - total / 2)
}
