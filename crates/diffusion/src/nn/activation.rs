//! Activation functions by diffusers' and transformers' names.

use burn::tensor::{Tensor, activation};

use crate::{Result, config, kernels};

/// A pointwise activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x·σ(x), also called swish.
    Silu,
    /// x·Φ(x), exact.
    Gelu,
    /// x·σ(1.702 x): OpenAI CLIP's approximation.
    QuickGelu,
    /// max(x, 0).
    Relu,
    /// x·tanh(softplus(x)).
    Mish,
}

impl Activation {
    /// The activation that a configuration names.
    ///
    /// # Errors
    /// A name that is not implemented.
    pub fn from_name(component: &'static str, option: &str, name: &str) -> Result<Self> {
        Ok(match name {
            "silu" | "swish" => Activation::Silu,
            "gelu" => Activation::Gelu,
            "quick_gelu" => Activation::QuickGelu,
            "relu" => Activation::Relu,
            "mish" => Activation::Mish,
            _ => {
                let supported = "silu, swish, gelu, quick_gelu, relu, mish";
                return Err(config::value_error(component, option, name, supported));
            }
        })
    }

    /// # Shapes
    /// Any to the same.
    pub fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Activation::Silu => activation::silu(input),
            Activation::Gelu => gelu_exact(input),
            Activation::QuickGelu => quick_gelu(input),
            Activation::Relu => activation::relu(input),
            Activation::Mish => activation::mish(input),
        }
    }
}

/// x·Φ(x) with the error function, as `torch.nn.functional.gelu`.
pub fn gelu_exact<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    activation::gelu(input)
}

/// `a·gelu(b)` of the two halves of the last dimension.
///
/// # Shapes
/// `[batch, tokens, 2·width]` to `[batch, tokens, width]`.
pub fn geglu(both: Tensor<3>) -> Tensor<3> {
    if let Some(done) = kernels::geglu(&both) {
        return done;
    }
    let width = both.dims()[2] / 2;
    both.clone().narrow(2, 0, width) * gelu_exact(both.narrow(2, width, width))
}

/// x·σ(1.702 x).
pub fn quick_gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    input.clone() * activation::sigmoid(input * 1.702)
}
