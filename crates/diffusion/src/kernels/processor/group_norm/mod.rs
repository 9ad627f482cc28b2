//! Group norm, with the activation that follows it.

mod kernel;

use burn::tensor::Tensor;

use super::operator::{Operator, Values, apply_affine};

/// `torch.nn.functional.group_norm`, then SiLU where that follows; `None` where the plain operators have to
/// do it.
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
    let [batch, channels, height, width] = input.dims();
    if groups == 0
        || !channels.is_multiple_of(groups)
        || batch * channels * height * width == 0
        || weight.dims() != [channels]
        || bias.dims() != [channels]
    {
        return None;
    }
    let operator = GroupNorm {
        shape: input.dims(),
        groups,
        eps,
        then_silu,
    };
    apply_affine(operator, input, weight, bias)
}

#[derive(Debug, Clone, Copy)]
struct GroupNorm {
    /// `[batch, channels, height, width]`.
    shape: [usize; 4],
    groups: usize,
    eps: f64,
    then_silu: bool,
}

impl Operator<3> for GroupNorm {
    fn forward(&self, inputs: [&[f32]; 3]) -> Values {
        Values::new(kernel::forward(self, inputs), self.shape)
    }

    fn backward(
        &self,
        inputs: [&[f32]; 3],
        gradient: &[f32],
        _wanted: [bool; 3],
    ) -> [Option<Values>; 3] {
        let [of_input, of_weight, of_bias] = kernel::backward(self, inputs, gradient);
        let channels = self.shape[1];
        [
            Some(Values::new(of_input, self.shape)),
            Some(Values::new(of_weight, [channels])),
            Some(Values::new(of_bias, [channels])),
        ]
    }
}
