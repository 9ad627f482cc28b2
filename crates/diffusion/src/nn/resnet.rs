//! The residual block that U-Net and VAE share, and the convolutions between their levels.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Activation, Conv2d, Conv2dConfig, GroupNorm, Linear, upsample_nearest_2x};
use crate::Result;
use crate::weights::Loader;

/// Sizes of a [`ResnetBlock2D`].
#[derive(Debug, Clone, Copy)]
pub struct ResnetConfig {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Width of the time embedding; `None` in a VAE.
    pub temb_channels: Option<usize>,
    /// Groups of both norms.
    pub groups: usize,
    /// Constant of both norms.
    pub eps: f64,
    /// Activation before both convolutions.
    pub activation: Activation,
}

/// diffusers' `ResnetBlock2D` (`time_scale_shift` "default").
#[derive(Module, Debug)]
pub struct ResnetBlock2D {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    #[module(skip)]
    activation: Activation,
}

impl ResnetBlock2D {
    /// Reads (or draws) the block's tensors.
    ///
    /// # Errors
    /// Missing or misshapen tensors.
    pub fn load(loader: &Loader, config: ResnetConfig) -> Result<Self> {
        let ResnetConfig {
            inputs,
            outputs,
            groups,
            eps,
            ..
        } = config;
        let shortcut = Conv2dConfig::pointwise(inputs, outputs);
        Ok(Self {
            norm1: GroupNorm::load(&loader.prefix("norm1"), inputs, groups, eps)?,
            conv1: Conv2d::load(
                &loader.prefix("conv1"),
                Conv2dConfig::same3(inputs, outputs),
            )?,
            time_emb_proj: config
                .temb_channels
                .map(|width| Linear::load(&loader.prefix("time_emb_proj"), width, outputs, true))
                .transpose()?,
            norm2: GroupNorm::load(&loader.prefix("norm2"), outputs, groups, eps)?,
            conv2: Conv2d::load(
                &loader.prefix("conv2"),
                Conv2dConfig::same3(outputs, outputs),
            )?,
            conv_shortcut: (inputs != outputs)
                .then(|| Conv2d::load(&loader.prefix("conv_shortcut"), shortcut))
                .transpose()?,
            activation: config.activation,
        })
    }

    /// # Shapes
    /// `input` `[batch, in, h, w]`, `temb` `[batch, temb_channels]`; result `[batch, out, h, w]`.
    pub fn forward(&self, input: Tensor<4>, temb: Option<&Tensor<2>>) -> Tensor<4> {
        let hidden = self.norm1.forward_then(input.clone(), self.activation);
        let hidden = self.conv1.forward(hidden);
        let hidden = match (&self.time_emb_proj, temb) {
            (Some(projection), Some(temb)) => {
                let shift = projection.forward(self.activation.forward(temb.clone()));
                let [batch, channels] = shift.dims();
                hidden + shift.reshape([batch, channels, 1, 1])
            }
            _ => hidden,
        };
        let hidden = self.norm2.forward_then(hidden, self.activation);
        let hidden = self.conv2.forward(hidden);
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(input) + hidden,
            None => input + hidden,
        }
    }
}

/// diffusers' `Downsample2D` with a convolution: half the size, rounded up in the U-Net, down in
/// the VAE, whose padding is on the right and below only.
#[derive(Module, Debug)]
pub struct Downsample2D {
    conv: Conv2d,
}

impl Downsample2D {
    /// Reads (or draws) the convolution; `padding` before and after.
    ///
    /// # Errors
    /// Missing or misshapen tensors.
    pub fn load(loader: &Loader, channels: usize, padding: (usize, usize)) -> Result<Self> {
        let config = Conv2dConfig::same3(channels, channels).strided(2, padding);
        Ok(Self {
            conv: Conv2d::load(&loader.prefix("conv"), config)?,
        })
    }

    /// # Shapes
    /// `[batch, c, h, w]` to `[batch, c, h/2, w/2]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.conv.forward(input)
    }
}

/// diffusers' `Upsample2D` with a convolution.
#[derive(Module, Debug)]
pub struct Upsample2D {
    conv: Conv2d,
}

impl Upsample2D {
    /// Reads (or draws) the convolution.
    ///
    /// # Errors
    /// Missing or misshapen tensors.
    pub fn load(loader: &Loader, channels: usize) -> Result<Self> {
        let config = Conv2dConfig::same3(channels, channels);
        Ok(Self {
            conv: Conv2d::load(&loader.prefix("conv"), config)?,
        })
    }

    /// Upsamples to `size` (height, width), at most twice the input's; `None` is twice.
    ///
    /// # Shapes
    /// `[batch, c, h, w]` to `[batch, c, size.0, size.1]`.
    pub fn forward(&self, input: Tensor<4>, size: Option<[usize; 2]>) -> Tensor<4> {
        let [_, _, height, width] = input.dims();
        let size = size.unwrap_or([2 * height, 2 * width]);
        self.conv.forward(upsample_nearest_2x(input, size))
    }
}
