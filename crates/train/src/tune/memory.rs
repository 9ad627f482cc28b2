//! Memory of tuning, calculated from configurations alone.

use anomalysd_detect::cost::{kl_work, unet_work};
use anomalysd_diffusion::unet::UNet2DConditionConfig;
use anomalysd_diffusion::vae::AutoencoderKlConfig;

const F32: f64 = 4.0;
/// Copies of a trained number: itself, its gradient, both moments of AdamW, and its average.
const COPIES: f64 = 5.0;
/// What is computed again in the backward pass, and its gradients, while they are needed: a share of what is kept.
const WORKING: f64 = 0.15;
/// With all cheap results kept, too: norms, activations, sums and copies beside each convolution and linear map.
/// Measured on `mini` at 256 pixels: 0.19 GB a sample against 0.13.
const EVERYTHING: f64 = 1.5;

/// A tuning of the U-Net whose memory is asked for.
#[derive(Debug, Clone, Copy)]
pub struct MemoryQuestion<'a> {
    /// The U-Net.
    pub unet: &'a UNet2DConditionConfig,
    /// The autoencoder.
    pub vae: &'a AutoencoderKlConfig,
    /// Weights of the text encoder.
    pub text_weights: f64,
    /// Numbers that are trained: those of a LoRA, or all of the U-Net.
    pub trained: f64,
    /// Width and height of the photos in latent cells.
    pub latent: (usize, usize),
    /// Tokens of the text context.
    pub text_tokens: usize,
    /// Samples whose gradients are computed at once.
    pub batch: usize,
    /// Good photos that the attentions of each of them see, each a pass of the U-Net of its own.
    pub references: usize,
    /// Most tokens of a self-attention that sees them.
    pub reference_tokens: usize,
    /// Cheap results are computed again instead of kept.
    pub gradient_checkpointing: bool,
    /// The networks compute in half precision; weights stay f32.
    pub half: bool,
}

impl<'a> MemoryQuestion<'a> {
    /// A LoRA of rank 8 of the attentions of Stable Diffusion 1.5 at 512×512: one photo at once, one other (or a view
    /// of a single one) in its attentions, which is the least, cheap results computed again.
    pub fn lora_of_stable_diffusion(
        unet: &'a UNet2DConditionConfig,
        vae: &'a AutoencoderKlConfig,
    ) -> Self {
        Self {
            unet,
            vae,
            text_weights: 123.06e6,
            trained: 1.6e6,
            latent: (64, 64),
            text_tokens: 77,
            batch: 1,
            references: 1,
            reference_tokens: 1024,
            gradient_checkpointing: true,
            half: false,
        }
    }
}

/// Bytes of the device at the peak of a step of the U-Net: all weights as f32, the trained ones with gradient, moments
/// and average, and what the backward pass needs. The decoder's steps take less at the same size.
pub fn unet_step_bytes(question: &MemoryQuestion<'_>) -> f64 {
    let pass = |references| {
        unet_work(
            question.unet,
            question.latent,
            question.text_tokens,
            references,
            question.reference_tokens,
        )
    };
    let vae: f64 = kl_work(question.vae, 8, 8)
        .iter()
        .map(|work| work.weights)
        .sum();
    let weights = pass(0).weights + vae + question.text_weights;
    let values = pass(question.references).values + question.references as f64 * pass(0).values;
    let everything = if question.gradient_checkpointing {
        1.0
    } else {
        EVERYTHING
    };
    let kept = question.batch as f64 * values * everything;
    let value = if question.half { F32 / 2.0 } else { F32 };
    F32 * (weights + (COPIES - 1.0) * question.trained) + value * kept * (1.0 + WORKING)
}

#[cfg(test)]
mod tests {
    use anomalysd_detect::cost::stable_diffusion_inpainting;
    use anomalysd_diffusion::model::InpaintModel;
    use anomalysd_diffusion::vae::VaeNetwork;
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn more_of_anything_takes_more() {
        let (unet, vae) = stable_diffusion_inpainting();
        let least = MemoryQuestion::lora_of_stable_diffusion(&unet, &vae);
        let bytes = unet_step_bytes(&least);
        // All weights are 1,066 million.
        assert!(bytes > 4.2e9, "{bytes:e}");
        for more in [
            MemoryQuestion { batch: 2, ..least },
            MemoryQuestion {
                references: 2,
                ..least
            },
            MemoryQuestion {
                trained: 859e6,
                ..least
            },
            MemoryQuestion {
                latent: (96, 64),
                ..least
            },
            MemoryQuestion {
                gradient_checkpointing: false,
                ..least
            },
        ] {
            assert!(unet_step_bytes(&more) > 1.02 * bytes, "{more:?}");
        }
    }

    /// `fit --tune lora --gradient-checkpointing --dry-run` with `mini` at 256×256, three good photos in the attentions:
    /// 0.74 GB with four samples at once, 1.25 GB with eight.
    #[test]
    fn a_sample_of_mini_takes_what_was_measured_within_a_factor_of_two() {
        let mini = InpaintModel::embedded(&Device::flex()).unwrap();
        let VaeNetwork::Kl(vae) = &mini.vae.network else {
            panic!("not the autoencoder that is expected");
        };
        let samples = |batch| MemoryQuestion {
            unet: mini.unet.config(),
            vae: vae.config(),
            text_weights: 0.0,
            trained: 0.0,
            latent: (32, 32),
            text_tokens: mini.text.config().max_position_embeddings,
            batch,
            references: 3,
            reference_tokens: mini.config.reference_max_tokens,
            gradient_checkpointing: true,
            half: false,
        };
        let measured = (1.25e9 - 0.74e9) / 4.0;
        let calculated = unet_step_bytes(&samples(2)) - unet_step_bytes(&samples(1));
        let ratio = calculated / measured;
        assert!((0.5..2.0).contains(&ratio), "{calculated:e} {measured:e}");
    }
}
