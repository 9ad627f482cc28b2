//! Two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use super::dispatch::{MAX_DISPATCH_FLOP, channel_flop, convolution_pieces};
use super::low_rank::LowRankConv2d;
use super::norm::in_type;
use crate::kernels::Prepared;
use crate::weights::{Init, Loader};
use crate::{Result, kernels};

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
    /// A change that is being trained; none in a model that is only used.
    lora: Option<LowRankConv2d>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: (usize, usize),
    #[module(skip)]
    prepared: Prepared,
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
            lora: LowRankConv2d::load(loader, inputs, outputs, kernel),
            stride: config.stride,
            padding: config.padding,
            prepared: Prepared::default(),
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
    /// `[batch, in, height, width]` to `[batch, out, height', width']`, computed in the input's type.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        match &self.lora {
            None => self.forward_within(input, MAX_DISPATCH_FLOP),
            Some(lora) => {
                let own = self.forward_within(input.clone(), MAX_DISPATCH_FLOP);
                own + lora.forward(input, self.options())
            }
        }
    }

    /// [`Self::forward`] of a 1×1 convolution, the result as tokens.
    ///
    /// # Shapes
    /// `[batch, in, height, width]` to `[batch, height·width, out]`.
    pub fn to_tokens(&self, input: Tensor<4>) -> Tensor<3> {
        let flat = |picture: Tensor<4>| {
            let [batch, channels, height, width] = picture.dims();
            let flat = picture.reshape([batch, channels, height * width]);
            flat.swap_dims(1, 2)
        };
        let own = self
            .unmoved_weight()
            .and_then(|weight| kernels::to_tokens(&input, &weight, self.bias_value().as_ref()));
        match (own, &self.lora) {
            (None, _) => flat(self.forward(input)),
            (Some(own), None) => own,
            (Some(own), Some(lora)) => own + flat(lora.forward(input, self.options())),
        }
    }

    /// [`Self::forward`] of a 1×1 convolution, of tokens as of a picture of `[height, width]`.
    ///
    /// # Shapes
    /// `[batch, height·width, in]` to `[batch, out, height, width]`.
    pub fn to_picture(&self, tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
        let drawn = |tokens: Tensor<3>| {
            let [batch, _, channels] = tokens.dims();
            let channels_first = tokens.swap_dims(1, 2);
            channels_first.reshape([batch, channels, height, width])
        };
        let own = self.unmoved_weight().and_then(|weight| {
            let bias = self.bias_value();
            kernels::to_picture(&tokens, &weight, bias.as_ref(), [height, width])
        });
        match (own, &self.lora) {
            (None, _) => self.forward(drawn(tokens)),
            (Some(own), None) => own,
            (Some(own), Some(lora)) => own + lora.forward(drawn(tokens), self.options()),
        }
    }

    /// The weight of a convolution that moves and pads nothing.
    fn unmoved_weight(&self) -> Option<Tensor<4>> {
        (self.stride == 1 && self.padding == (0, 0)).then(|| self.weight.val())
    }

    fn bias_value(&self) -> Option<Tensor<1>> {
        self.bias.as_ref().map(Param::val)
    }

    /// The same in dispatches of at most `limit` floating-point operations.
    fn forward_within(&self, input: Tensor<4>, limit: u64) -> Tensor<4> {
        let [batch, inputs, height, width] = input.dims();
        let [outputs, _, kernel, _] = self.weight.dims();
        let side = |side: usize| {
            (side + self.padding.0 + self.padding.1).saturating_sub(kernel) / self.stride + 1
        };
        let channel_flop = channel_flop(inputs, kernel, [side(height), side(width)]);
        let pieces = convolution_pieces(batch, outputs, channel_flop, limit);
        let weight = in_type(self.weight.val(), input.dtype());
        let bias = self.bias_value();
        let bias = bias.map(|bias| in_type(bias, input.dtype()));
        if pieces.len() == 1 {
            return self.convolve(input, weight, bias);
        }
        // Pieces of one run of photos follow each other.
        let mut whole: Vec<Tensor<4>> = Vec::new();
        let mut channels_of_run: Vec<Tensor<4>> = Vec::new();
        for (photos, channels) in pieces {
            let last = channels.end == outputs;
            let part = self.convolve(
                input.clone().narrow(0, photos.start, photos.len()),
                weight.clone().narrow(0, channels.start, channels.len()),
                bias.clone()
                    .map(|bias| bias.narrow(0, channels.start, channels.len())),
            );
            channels_of_run.push(part);
            if last {
                whole.push(Tensor::cat(std::mem::take(&mut channels_of_run), 1));
            }
        }
        Tensor::cat(whole, 0)
    }

    fn convolve(&self, input: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let (padding, stride) = (self.padding, self.stride);
        kernels::convolve(
            &input,
            &weight,
            bias.as_ref(),
            padding,
            stride,
            &self.prepared,
        )
        .unwrap_or_else(|| burn::tensor::module::conv2d(input, weight, bias, self.options()))
    }

    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding([self.stride; 2], [self.padding; 2], [1, 1], 1)
    }
}

/// The convolution of a weight that is no layer's: `padding` zeros before and after, a step of `stride`. It is one
/// dispatch, whatever its size.
///
/// # Shapes
/// `input` `[batch, in, height, width]`, `weight` `[out, in, kernel, kernel]`, `bias` `[out]`; the result
/// `[batch, out, height', width']`.
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    padding: (usize, usize),
    stride: usize,
) -> Tensor<4> {
    let fresh = Prepared::default();
    kernels::convolve(&input, &weight, bias.as_ref(), padding, stride, &fresh).unwrap_or_else(
        || {
            let options = ConvOptions::new_with_padding([stride; 2], [padding; 2], [1, 1], 1);
            burn::tensor::module::conv2d(input, weight, bias, options)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_in_pieces_is_the_same_convolution() {
        let device = Device::flex();
        let config = Conv2dConfig::same3(5, 7).strided(2, (0, 1));
        let convolution = Conv2d::init(config, 1, &device).unwrap();
        let random = Loader::random(2, &device);
        let input: Tensor<4> = random
            .tensor("input", [3, 5, 9, 8], Init::Normal(1.0))
            .unwrap();
        let values = |limit| {
            let output = convolution.forward_within(input.clone(), limit);
            (
                output.dims(),
                output.into_data().try_to_vec::<f32>().unwrap(),
            )
        };
        let whole = values(u64::MAX);
        // One output channel of one photo: 2·5·9·4·4.
        for limit in [1, 3 * 1440, 7 * 1440, 2 * 7 * 1440] {
            let (dims, pieces) = values(limit);
            assert_eq!(dims, whole.0);
            for (piece, whole) in pieces.iter().zip(&whole.1) {
                assert!((piece - whole).abs() <= 1e-6, "{piece} {whole} at {limit}");
            }
        }
    }
}
