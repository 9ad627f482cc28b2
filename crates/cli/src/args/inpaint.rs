//! `inpaint`: the arguments of diffusers' pipeline.

use std::path::PathBuf;

use anomalysd_diffusion::inpaint::InpaintOptions;
use clap::Args;

use super::EngineArgs;

/// `inpaint`.
#[derive(Debug, Args)]
pub struct InpaintArgs {
    /// The photo
    pub image: PathBuf,
    /// The mask, white where to repaint
    #[arg(long)]
    pub mask: PathBuf,
    /// The picture to write
    #[arg(long)]
    pub out: PathBuf,
    /// What to paint
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// What not to paint
    #[arg(long, default_value = "")]
    pub negative_prompt: String,
    /// Denoising steps at full strength
    #[arg(long, default_value_t = InpaintOptions::default().num_inference_steps)]
    pub inference_steps: usize,
    /// How much of what is under the mask is forgotten, 0..1
    #[arg(long, default_value_t = InpaintOptions::default().strength)]
    pub strength: f64,
    /// Classifier-free guidance; up to 1 the negative prompt is not used
    #[arg(long, default_value_t = InpaintOptions::default().guidance_scale)]
    pub guidance_scale: f64,
    /// Longer side in pixels [default: the model's]
    #[arg(long)]
    pub size: Option<usize>,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Model, features, device.
    #[command(flatten)]
    pub engine: EngineArgs,
}
