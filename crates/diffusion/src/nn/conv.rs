//! Two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::Result;
use crate::weights::{Init, Loader};

/// Sizes of a [`Conv2d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zero rows or columns before and after, the same in both directions.
    pub padding: (usize, usize),
    /// Whether a bias is added.
    pub bias: bool,
}

impl Conv2dConfig {
    /// A 3×3 convolution that keeps the size.
    pub fn same3(inputs: usize, outputs: usize) -> Self {
        Self::square(inputs, outputs, 3)
    }

    /// A 1×1 convolution.
    pub fn pointwise(inputs: usize, outputs: usize) -> Self {
        Self::square(inputs, outputs, 1)
    }

    /// An odd `kernel`×`kernel` convolution that keeps the size.
    pub fn square(inputs: usize, outputs: usize, kernel: usize) -> Self {
        let padding = kernel.saturating_sub(1) / 2;
        Self {
            inputs,
            outputs,
            kernel,
            stride: 1,
            padding: (padding, padding),
            bias: true,
        }
    }

    /// The same with a step of `stride` and this padding before and after.
    pub fn strided(self, stride: usize, padding: (usize, usize)) -> Self {
        Self {
            stride,
            padding,
            ..self
        }
    }

    /// The same without bias.
    pub fn without_bias(self) -> Self {
        Self {
            bias: false,
            ..self
        }
    }
}

/// `torch.nn.Conv2d` with a square kernel and zero padding.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: (usize, usize),
}

impl Conv2d {
    /// Reads (or draws) `weight` and `bias`.
    ///
    /// # Errors
    /// Missing or misshapen tensors.
    pub fn load(loader: &Loader, config: Conv2dConfig) -> Result<Self> {
        let Conv2dConfig {
            inputs,
            outputs,
            kernel,
            ..
        } = config;
        let init = Init::fan_in(inputs * kernel * kernel);
        let bias = config
            .bias
            .then(|| loader.param("bias", [outputs], init))
            .transpose()?;
        Ok(Self {
            weight: loader.param("weight", [outputs, inputs, kernel, kernel], init)?,
            bias,
            stride: config.stride,
            padding: config.padding,
        })
    }

    /// Fresh weights, drawn from `seed`.
    ///
    /// # Errors
    /// None in practice: drawing cannot fail.
    pub fn init(config: Conv2dConfig, seed: u64, device: &Device) -> Result<Self> {
        Self::load(&Loader::random(seed, device), config)
    }

    /// # Shapes
    /// `[batch, in, height, width]` to `[batch, out, height', width']`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new_with_padding([self.stride; 2], [self.padding; 2], [1, 1], 1);
        burn::tensor::module::conv2d(
            input,
            self.weight.val(),
            self.bias.as_ref().map(Param::val),
            options,
        )
    }
}
