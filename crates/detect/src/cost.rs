//! What a detection costs, from configurations alone: floating-point operations and memory.
//!
//! Multiplications and additions of convolutions, linear maps and attention count as two operations
//! each; norms, activations and what happens on the host are left out (under 3 % together).

mod unet;
mod vae;

use anomalysd_diffusion::PerLevel;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::unet::UNet2DConditionConfig;
use anomalysd_diffusion::vae::{AutoencoderKlConfig, Vae, VaeNetwork};

use crate::masks::{Frame, MaskPlan};
use crate::options::{Compare, DetectOptions};
use crate::repaint::{DiffusionRepair, Repair};

pub use unet::unet_work;
pub use vae::{decoder_work, encoder_work, kl_work};

/// Floating-point operations of one detection, by part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flops {
    /// Encodes: the photo, one masked photo per pass, and each good photo as it lies over the photo.
    pub encode: f64,
    /// U-Net passes, those over the good photos included.
    pub denoise: f64,
    /// Decodes: one per pass, and the photo's own where it is compared after a round trip.
    pub decode: f64,
    /// Feature network: the photo and one repair per pass.
    pub features: f64,
}

impl Flops {
    /// All parts.
    pub fn total(&self) -> f64 {
        self.encode + self.denoise + self.decode + self.features
    }
}

/// Operations of one detection of a `width` × `height` photo (already at the model's size) with the
/// guided pass, `references` good photos and `feature_flops` operations per photo in the feature network.
/// The class's reference states are not counted where they do not depend on the photo's timesteps; the good photos' details
/// are, as if there were always something to repair.
pub fn flops_of_detection(
    model: &InpaintModel,
    (width, height): (usize, usize),
    options: &DetectOptions,
    references: usize,
    feature_flops: f64,
) -> Flops {
    let repair = DiffusionRepair::new(model);
    let traits = repair.traits();
    let frame = Frame {
        width,
        height,
        factor: traits.factor,
        multiple: traits.multiple,
    };
    let plan = MaskPlan::new(
        &frame,
        &options.scales(traits.scales.as_deref()),
        options.mode,
        &options.masks,
    );
    let steps = options.inference_steps(traits.inference_steps);
    let guided = (
        usize::from(options.masks.guided),
        options.guided_strength(steps),
    );
    let passes: Vec<(usize, f32)> = plan
        .scales
        .iter()
        .map(|scale| (scale.passes.len(), options.strength(scale.n_cells)))
        .chain([guided])
        .collect();
    let evaluations: usize = passes
        .iter()
        .map(|(count, strength)| count * repair.steps(*strength, steps))
        .sum();
    let count: usize = passes.iter().map(|(count, _)| count).sum();
    let round_trip = usize::from(options.repair.compare == Compare::Roundtrip);
    let guidance = if options.repair.guidance_scale == 1.0 {
        1.0
    } else {
        2.0
    };
    let laid = if model.config.reference_latents && options.repair.registration {
        references
    } else {
        0
    };
    // What the autoencoder loses of each is added to what they fill.
    let compared = options.repair.compare == Compare::Photo;
    let detailed = if model.config.reference_residual && (options.masks.guided || compared) {
        references
    } else {
        0
    };
    let padded = (frame.padded_width(), frame.padded_height());
    let latent = (frame.latent_width(), frame.latent_height());
    let tokens = model.text.config().max_position_embeddings;
    let unet = unet_work(
        model.unet.config(),
        latent,
        tokens,
        references,
        model.config.reference_max_tokens,
    )
    .flops;
    Flops {
        encode: (count + 1 + laid) as f64 * encoder_work(&model.vae, padded).flops,
        denoise: guidance * evaluations as f64 * unet,
        decode: (count + round_trip + detailed) as f64 * decoder_work(&model.vae, padded).flops,
        features: (count + 1 + round_trip) as f64 * feature_flops,
    }
}

/// What layers take: operations, weights, and the values that they put out, which training keeps.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Work {
    /// Floating-point operations.
    pub flops: f64,
    /// Values of the results of convolutions, linear maps and both products of attentions.
    pub values: f64,
    /// Weights of convolutions and linear maps.
    pub weights: f64,
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            flops: self.flops + other.flops,
            values: self.values + other.values,
            weights: self.weights + other.weights,
        }
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::Mul<Work> for f64 {
    type Output = Work;

    fn mul(self, work: Work) -> Work {
        Work {
            flops: self * work.flops,
            values: self * work.values,
            weights: self * work.weights,
        }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), std::ops::Add::add)
    }
}

/// A convolution over `cells` output positions.
fn conv(inputs: usize, outputs: usize, kernel: usize, cells: usize) -> Work {
    Work {
        flops: 2.0 * (inputs * outputs * kernel * kernel) as f64 * cells as f64,
        values: outputs as f64 * cells as f64,
        weights: (outputs * (inputs * kernel * kernel + 1)) as f64,
    }
}

/// `queries · keysᵀ` and `weights · values`.
fn attention(queries: usize, keys: usize, width: usize, heads: usize) -> Work {
    let queries = queries as f64;
    Work {
        flops: 4.0 * queries * keys as f64 * width as f64,
        values: queries * (keys * heads + width) as f64,
        weights: 0.0,
    }
}

/// Configurations of the U-Net and the autoencoder of Stable Diffusion 1.5's inpainting model, for figures about a
/// model that is not at hand.
pub fn stable_diffusion_inpainting() -> (UNet2DConditionConfig, AutoencoderKlConfig) {
    let unet = UNet2DConditionConfig {
        in_channels: 9,
        cross_attention_dim: PerLevel::One(768),
        ..UNet2DConditionConfig::default()
    };
    let vae = AutoencoderKlConfig {
        block_out_channels: vec![128, 256, 512, 512],
        layers_per_block: 2,
        ..AutoencoderKlConfig::default()
    };
    (unet, vae)
}

/// Working arrays that are alive at once at the outermost level, beside the skips: im2col of a 3×3
/// convolution over twice the channels, and a handful of activations.
const LIVE_ARRAYS: u64 = 24;

/// Bytes of activations that one pass of the U-Net needs at its peak, roughly: f32, outermost level.
pub fn unet_bytes(config: &UNet2DConditionConfig, width: usize, height: usize) -> u64 {
    let cells = (width * height) as u64;
    let channels = config.block_out_channels.first().copied().unwrap_or(1) as u64;
    cells * channels * 4 * LIVE_ARRAYS
}

/// Bytes of activations that the autoencoder needs for one photo at its peak, roughly.
pub fn vae_bytes(vae: &Vae, width: usize, height: usize) -> u64 {
    let shuffle = vae.pixel_unshuffle();
    let cells = (width / shuffle * (height / shuffle)) as u64;
    let channels = match &vae.network {
        VaeNetwork::Kl(network) => network.config().block_out_channels.first().copied(),
        VaeNetwork::Tiny(network) => network.config().encoder_block_out_channels.first().copied(),
    };
    cells * channels.unwrap_or(1) as u64 * 4 * LIVE_ARRAYS
}

#[cfg(test)]
mod tests;
