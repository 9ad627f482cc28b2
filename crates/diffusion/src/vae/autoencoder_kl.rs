//! diffusers' `AutoencoderKL`.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::AutoencoderKlConfig;
use super::coder::{Decoder, Encoder};
use crate::Result;
use crate::nn::{Conv2d, Conv2dConfig};
use crate::weights::Loader;

/// The KL-regularised autoencoder of Stable Diffusion. Inputs and outputs are in −1..1 and latents
/// are not scaled: [`Vae`](super::Vae) does both.
#[derive(Module, Debug)]
pub struct AutoencoderKl {
    /// Photo to moments; frozen when the decoder is tuned.
    pub encoder: Encoder,
    /// Latents to photo.
    pub decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    #[module(skip)]
    config: AutoencoderKlConfig,
}

impl AutoencoderKl {
    /// Reads (or draws) all tensors.
    ///
    /// # Errors
    /// A configuration that is not implemented; missing or misshapen tensors.
    pub fn load(config: &AutoencoderKlConfig, loader: &Loader) -> Result<Self> {
        config.validate()?;
        let latents = config.latent_channels;
        let conv = |name: &str, channels| {
            Conv2d::load(
                &loader.prefix(name),
                Conv2dConfig::pointwise(channels, channels),
            )
        };
        Ok(Self {
            encoder: Encoder::load(&loader.prefix("encoder"), config)?,
            decoder: Decoder::load(&loader.prefix("decoder"), config)?,
            quant_conv: config
                .use_quant_conv
                .then(|| conv("quant_conv", 2 * latents))
                .transpose()?,
            post_quant_conv: config
                .use_post_quant_conv
                .then(|| conv("post_quant_conv", latents))
                .transpose()?,
            config: config.clone(),
        })
    }

    /// Fresh weights, drawn from `seed`.
    ///
    /// # Errors
    /// A configuration that is not implemented.
    pub fn init(config: &AutoencoderKlConfig, seed: u64, device: &Device) -> Result<Self> {
        Self::load(config, &Loader::random(seed, device))
    }

    /// The configuration that it was made from.
    pub fn config(&self) -> &AutoencoderKlConfig {
        &self.config
    }

    /// Mean of the latent distribution.
    ///
    /// # Shapes
    /// `[batch, in_channels, H, W]` in −1..1 to `[batch, C, H/2^(levels−1), W/2^(levels−1)]`.
    pub fn encode_mean(&self, input: Tensor<4>) -> Tensor<4> {
        self.encode_moments(input).0
    }

    /// Mean and logarithm of the variance of the latent distribution, the latter in −30..20.
    ///
    /// # Shapes
    /// As [`Self::encode_mean`], both.
    pub fn encode_moments(&self, input: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let moments = self.quantised(self.encoder.forward(input, None));
        let latents = self.config.latent_channels;
        let mean = moments.clone().narrow(1, 0, latents);
        (mean, moments.narrow(1, latents, latents).clamp(-30.0, 20.0))
    }

    /// Activations of the encoder: the output of each level, then of the middle block.
    ///
    /// # Shapes
    /// As [`Self::encode_mean`]'s input; each result `[batch, channels, h, w]`.
    pub fn encoder_features(&self, input: Tensor<4>) -> Vec<Tensor<4>> {
        let mut features = Vec::new();
        self.encoder.forward(input, Some(&mut features));
        features
    }

    /// # Shapes
    /// `[batch, C, h, w]` to `[batch, out_channels, h·2^(levels−1), w·2^(levels−1)]`, about −1..1.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decoder.forward(match &self.post_quant_conv {
            Some(conv) => conv.forward(latents),
            None => latents,
        })
    }

    fn quantised(&self, moments: Tensor<4>) -> Tensor<4> {
        match &self.quant_conv {
            Some(conv) => conv.forward(moments),
            None => moments,
        }
    }
}
