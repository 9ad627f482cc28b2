//! What a detection costs, from configurations alone: floating-point operations and memory.
//!
//! Multiplications and additions of convolutions, linear maps and attention count as two operations
//! each; norms, activations and what happens on the host are left out (under 3 % together).

mod unet;
mod vae;

use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::unet::UNet2DConditionConfig;
use anomalysd_diffusion::vae::{Vae, VaeNetwork};

use crate::masks::{Frame, MaskPlan};
use crate::options::{Compare, DetectOptions};
use crate::repaint::{DiffusionRepair, Repair};

pub use unet::unet_flops;
pub use vae::{decoder_flops, encoder_flops};

/// Floating-point operations of one detection, by part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flops {
    /// Encodes: the photo and one masked photo per pass.
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
/// The class's reference states are not counted where they do not depend on the photo's timesteps.
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
        options.repair.guided_strength,
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
    let padded = (frame.padded_width(), frame.padded_height());
    let latent = (frame.latent_width(), frame.latent_height());
    let tokens = model.text.config().max_position_embeddings;
    let unet = unet_flops(
        model.unet.config(),
        latent,
        tokens,
        references,
        model.config.reference_max_tokens,
    );
    Flops {
        encode: (count + 1) as f64 * encoder_flops(&model.vae, padded),
        denoise: guidance * evaluations as f64 * unet,
        decode: (count + round_trip) as f64 * decoder_flops(&model.vae, padded),
        features: (count + 1 + round_trip) as f64 * feature_flops,
    }
}

/// Operations of a convolution over `cells` output positions.
fn conv(inputs: usize, outputs: usize, kernel: usize, cells: usize) -> f64 {
    2.0 * (inputs * outputs * kernel * kernel) as f64 * cells as f64
}

/// Operations of `queries · keysᵀ` and `weights · values`.
fn attention(queries: usize, keys: usize, width: usize) -> f64 {
    4.0 * queries as f64 * keys as f64 * width as f64
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
