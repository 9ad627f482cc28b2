//! Layer norm over the last dimension.

mod kernel;

use burn::tensor::Tensor;

use super::operator::{Operator, Values, apply_affine};

/// `torch.nn.functional.layer_norm`, or `None` where the plain operators have to do it.
///
/// # Shapes
/// `input` `[…, width]`, `weight` and `bias` `[width]`.
pub fn layer_norm<const D: usize>(
    input: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    eps: f64,
) -> Option<Tensor<D>> {
    let shape = input.dims();
    let width = *shape.last()?;
    if shape.contains(&0) || weight.dims() != [width] || bias.dims() != [width] {
        return None;
    }
    let operator = LayerNorm { shape, eps };
    apply_affine(operator, input, weight, bias)
}

#[derive(Debug, Clone, Copy)]
struct LayerNorm<const D: usize> {
    shape: [usize; D],
    eps: f64,
}

impl<const D: usize> Operator<3> for LayerNorm<D> {
    fn forward(&self, inputs: [&[f32]; 3]) -> Values {
        Values::new(kernel::forward(self.eps, inputs), self.shape)
    }

    fn backward(
        &self,
        inputs: [&[f32]; 3],
        gradient: &[f32],
        _wanted: [bool; 3],
    ) -> [Option<Values>; 3] {
        let [of_input, of_weight, of_bias] = kernel::backward(self.eps, inputs, gradient);
        let width = of_weight.len();
        [
            Some(Values::new(of_input, self.shape)),
            Some(Values::new(of_weight, [width])),
            Some(Values::new(of_bias, [width])),
        ]
    }
}
