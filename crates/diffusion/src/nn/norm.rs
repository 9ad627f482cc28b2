//! Normalisation layers. Statistics are always computed in f32: sums over the groups of a large
//! picture leave the range of f16.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};

use super::Activation;
use crate::weights::{Init, Loader};
use crate::{Result, config, kernels};

/// `torch.nn.GroupNorm` with affine parameters.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    eps: f64,
}

impl GroupNorm {
    /// Reads (or sets to identity) weight and bias of `channels` channels in `groups` groups.
    ///
    /// # Errors
    /// Missing or misshapen tensors; channels that the groups do not divide.
    pub fn load(loader: &Loader, channels: usize, groups: usize, eps: f64) -> Result<Self> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(config::value_error(
                "GroupNorm",
                "norm_num_groups",
                groups,
                format!(
                    "a divisor of the {channels} channels of `{}`",
                    loader.name("weight")
                ),
            ));
        }
        Ok(Self {
            weight: loader.param("weight", [channels], Init::Ones)?,
            bias: loader.param("bias", [channels], Init::Zeros)?,
            groups,
            eps,
        })
    }

    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.kernel(&input, false)
            .unwrap_or_else(|| self.composed(input))
    }

    /// The norm and an activation after it.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward_then(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let at_once = match activation {
            Activation::Silu => self.kernel(&input, true),
            _ => None,
        };
        at_once.unwrap_or_else(|| activation.forward(self.forward(input)))
    }

    fn kernel(&self, input: &Tensor<4>, then_silu: bool) -> Option<Tensor<4>> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        kernels::group_norm(input, &weight, &bias, self.groups, self.eps, then_silu)
    }

    /// The norm by burn's operators.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn composed(&self, input: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = input.dims();
        let dtype = input.dtype();
        // Row by row: over a whole group at once, a software GPU stops adding after some 260,000 values.
        let rows = channels / self.groups * height;
        let mean = |x: Tensor<4>| x.mean_dim(3).mean_dim(2); // [B, G, 1, 1]
        let grouped = as_f32(input).reshape([batch, self.groups, rows, width]);
        let centred = grouped.clone() - mean(grouped);
        let variance = mean(centred.clone().square());
        let normed = (centred * (variance + self.eps).sqrt().recip())
            .reshape([batch, channels, height, width]);
        let weight = as_f32(self.weight.val()).reshape([1, channels, 1, 1]);
        let bias = as_f32(self.bias.val()).reshape([1, channels, 1, 1]);
        in_type(normed * weight + bias, dtype)
    }
}

/// `torch.nn.LayerNorm` over the last dimension with affine parameters.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// `[width]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl LayerNorm {
    /// Reads (or sets to identity) weight and bias.
    ///
    /// # Errors
    /// Missing or misshapen tensors.
    pub fn load(loader: &Loader, width: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: loader.param("weight", [width], Init::Ones)?,
            bias: loader.param("bias", [width], Init::Zeros)?,
            eps,
        })
    }

    /// # Shapes
    /// `[…, width]` to the same.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        kernels::layer_norm(&input, &self.weight.val(), &self.bias.val(), self.eps)
            .unwrap_or_else(|| self.composed(input))
    }

    /// The norm by burn's operators.
    ///
    /// # Shapes
    /// `[…, width]` to the same.
    pub fn composed<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let dtype = input.dtype();
        let input = as_f32(input);
        let mean = input.clone().mean_dim(D - 1);
        let centred = input - mean;
        let variance = centred.clone().square().mean_dim(D - 1);
        let normed = centred * (variance + self.eps).sqrt().recip();
        let weight = as_f32(self.weight.val()).unsqueeze::<D>();
        let bias = as_f32(self.bias.val()).unsqueeze::<D>();
        in_type(normed * weight + bias, dtype)
    }
}

/// The tensor in f32, itself where it already is.
pub(crate) fn as_f32<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    in_type(tensor, DType::F32)
}

/// The tensor in `dtype`, itself where it already is.
pub(crate) fn in_type<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype {
        tensor
    } else {
        tensor.cast(dtype)
    }
}
