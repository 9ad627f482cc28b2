//! Variational autoencoders between photos and latents.
//!
//! [`Vae`] is what the rest of the crate uses: photos in 0..1 to scaled latents and back. Inside
//! is diffusers' `AutoencoderKL`, optionally with a pixel unshuffle around it, or its
//! `AutoencoderTiny`. The encoder's mean is taken, never a sample.

mod autoencoder_kl;
mod autoencoder_tiny;
mod coder;
mod config;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

pub use autoencoder_kl::AutoencoderKl;
pub use autoencoder_tiny::AutoencoderTiny;
pub use config::{AutoencoderKlConfig, AutoencoderTinyConfig};

use crate::nn::{as_f32, in_type, pixel_shuffle, pixel_unshuffle};
use crate::{DiffusionError, Result, kernels};

/// The network inside a [`Vae`].
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per model, never in a collection"
)]
pub enum VaeNetwork {
    /// diffusers' `AutoencoderKL`.
    Kl(AutoencoderKl),
    /// diffusers' `AutoencoderTiny` (TAESD).
    Tiny(AutoencoderTiny),
}

/// A network with the scaling of its latents and the pixel unshuffle around it.
#[derive(Module, Debug)]
pub struct Vae {
    /// The network.
    pub network: VaeNetwork,
    #[module(skip)]
    scale: LatentScale,
    #[module(skip)]
    pixel_unshuffle: usize,
}

/// `scaled = (z − shift)·factor`, or per channel `(z − mean)·factor/std` where the configuration
/// has statistics.
#[derive(Debug, Clone, PartialEq)]
struct LatentScale {
    factor: f64,
    shift: f64,
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
}

impl Vae {
    /// Wraps an `AutoencoderKL`. With a `pixel_unshuffle` above 1 photos are unshuffled by it
    /// before the encoder and shuffled back after the decoder.
    ///
    /// # Errors
    /// An unshuffle factor that does not fit the network's channels.
    pub fn kl(network: AutoencoderKl, pixel_unshuffle: usize) -> Result<Self> {
        let config = network.config();
        let channels = 3 * pixel_unshuffle * pixel_unshuffle;
        if pixel_unshuffle == 0 || config.in_channels != channels || config.out_channels != channels
        {
            return Err(DiffusionError::Argument {
                op: "Vae",
                what: "pixel_unshuffle",
                got: pixel_unshuffle.to_string(),
                expected: format!(
                    "3·pixel_unshuffle² = {} input and {} output channels",
                    config.in_channels, config.out_channels
                ),
            });
        }
        let scale = LatentScale {
            factor: config.scaling_factor,
            shift: config.shift_factor.unwrap_or(0.0),
            mean: config.latents_mean.clone(),
            std: config.latents_std.clone(),
        };
        Ok(Self {
            network: VaeNetwork::Kl(network),
            scale,
            pixel_unshuffle,
        })
    }

    /// Wraps an `AutoencoderTiny`.
    pub fn tiny(network: AutoencoderTiny) -> Self {
        let config = network.config();
        let scale = LatentScale {
            factor: config.scaling_factor,
            shift: config.shift_factor,
            mean: None,
            std: None,
        };
        Self {
            network: VaeNetwork::Tiny(network),
            scale,
            pixel_unshuffle: 1,
        }
    }

    /// Photo pixels per latent cell, in both directions.
    pub fn factor(&self) -> usize {
        let levels = match &self.network {
            VaeNetwork::Kl(network) => network.config().block_out_channels.len(),
            VaeNetwork::Tiny(network) => network.config().encoder_block_out_channels.len(),
        };
        self.pixel_unshuffle << (levels - 1)
    }

    /// C, the number of latent channels.
    pub fn latent_channels(&self) -> usize {
        match &self.network {
            VaeNetwork::Kl(network) => network.config().latent_channels,
            VaeNetwork::Tiny(network) => network.config().latent_channels,
        }
    }

    /// Side of the squares that the pixel unshuffle makes channels of; 1 without one.
    pub fn pixel_unshuffle(&self) -> usize {
        self.pixel_unshuffle
    }

    /// `enc(x) = s·E(2x − 1)`.
    ///
    /// # Shapes
    /// Photos `[batch, 3, H, W]` in 0..1, both sides multiples of [`Self::factor`]; result
    /// `[batch, C, H/factor, W/factor]`.
    ///
    /// # Errors
    /// Another number of channels, or sides that the factor does not divide.
    pub fn enc(&self, photos: Tensor<4>) -> Result<Tensor<4>> {
        self.enc_signed(photos * 2.0 - 1.0)
    }

    /// As [`Self::enc`] for photos already in −1..1, where 0 is the grey of a hole.
    ///
    /// # Errors
    /// As [`Self::enc`].
    pub fn enc_signed(&self, photos: Tensor<4>) -> Result<Tensor<4>> {
        let factor = self.factor();
        let [_, channels, height, width] = photos.dims();
        if channels != 3 || !fits(height, factor) || !fits(width, factor) {
            return Err(DiffusionError::InputShape {
                op: "Vae::enc",
                what: "photos",
                got: photos.dims().to_vec(),
                expected: format!("[batch, 3, H, W], H and W positive multiples of {factor}"),
            });
        }
        let latents = side_by_side(photos, |photos| {
            let input = pixel_unshuffle(photos, self.pixel_unshuffle);
            match &self.network {
                VaeNetwork::Kl(network) => network.encode_mean(input),
                VaeNetwork::Tiny(network) => network.encode(input),
            }
        });
        Ok(self.scale.apply(latents))
    }

    /// `dec(z) = clamp((D(z/s) + 1)/2, 0, 1)`.
    ///
    /// # Shapes
    /// Latents `[batch, C, h, w]` to photos `[batch, 3, h·factor, w·factor]` in 0..1.
    ///
    /// # Errors
    /// Another number of channels.
    pub fn dec(&self, latents: Tensor<4>) -> Result<Tensor<4>> {
        Ok((self.dec_signed(latents)? * 0.5 + 0.5).clamp(0.0, 1.0))
    }

    /// The decoder's own output, about −1..1 and not clamped: what a loss is computed on.
    ///
    /// # Errors
    /// As [`Self::dec`].
    pub fn dec_signed(&self, latents: Tensor<4>) -> Result<Tensor<4>> {
        let [_, channels, height, width] = latents.dims();
        if channels != self.latent_channels() || height == 0 || width == 0 {
            return Err(DiffusionError::InputShape {
                op: "Vae::dec",
                what: "latents",
                got: latents.dims().to_vec(),
                expected: format!("[batch, {}, h, w]", self.latent_channels()),
            });
        }
        let dtype = latents.dtype();
        let latents = in_type(self.scale.undo(as_f32(latents)), dtype);
        Ok(side_by_side(latents, |latents| {
            let output = match &self.network {
                VaeNetwork::Kl(network) => network.decode(latents),
                VaeNetwork::Tiny(network) => network.decode(latents),
            };
            pixel_shuffle(output, self.pixel_unshuffle)
        }))
    }
}

/// `network` of a batch, in parts where that is quicker.
fn side_by_side(
    batch: Tensor<4>,
    network: impl Fn(Tensor<4>) -> Tensor<4> + Sync + Send,
) -> Tensor<4> {
    let parts = kernels::in_parts(&batch, |photos| {
        network(batch.clone().narrow(0, photos.start, photos.len()))
    });
    match parts {
        Some(parts) => Tensor::cat(parts, 0),
        None => network(batch),
    }
}

fn fits(side: usize, factor: usize) -> bool {
    side > 0 && side.is_multiple_of(factor)
}

impl LatentScale {
    fn apply(&self, latents: Tensor<4>) -> Tensor<4> {
        match (&self.mean, &self.std) {
            (Some(mean), Some(std)) => {
                let (mean, std) = (per_channel(mean, &latents), per_channel(std, &latents));
                (latents - mean) / std * self.factor
            }
            _ => (latents - self.shift) * self.factor,
        }
    }

    fn undo(&self, latents: Tensor<4>) -> Tensor<4> {
        match (&self.mean, &self.std) {
            (Some(mean), Some(std)) => {
                let (mean, std) = (per_channel(mean, &latents), per_channel(std, &latents));
                latents / self.factor * std + mean
            }
            _ => latents / self.factor + self.shift,
        }
    }
}

fn per_channel(values: &[f32], like: &Tensor<4>) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [1, values.len(), 1, 1]);
    Tensor::from_data(data, &like.device())
}
