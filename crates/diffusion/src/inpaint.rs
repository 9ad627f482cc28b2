//! Plain inpainting as diffusers' `StableDiffusionInpaintPipeline` does it, for its 9-channel
//! networks and those with another number of latent channels.
//!
//! No anomalies here, no references, no partial noising of our own: the mask goes to latent size by
//! nearest neighbours, timesteps and `strength` are the pipeline's. Two things are explicit instead
//! of random: the noise is given, and the VAE's mean is taken instead of a sample. A network that
//! also takes a good photo's latents and a flag is told that there is no such photo: zeros.

use burn::tensor::Tensor;

use crate::model::ModelConfig;
use crate::scheduler::{Ddim, TimestepSpacing};
use crate::unet::UNet2DConditionModel;
use crate::vae::Vae;
use crate::{DiffusionError, Result};

/// The three parts that inpainting needs.
#[derive(Debug, Clone, Copy)]
pub struct Inpaint<'a> {
    /// Predicts the noise. Its input is latents, mask, masked latents: 2C + 1 channels, or 3C + 2
    /// with a good photo's latents and a flag.
    pub unet: &'a UNet2DConditionModel,
    /// Photos to latents and back.
    pub vae: &'a Vae,
    /// Noise schedule.
    pub scheduler: &'a Ddim,
    /// What the U-Net's output means.
    pub config: &'a ModelConfig,
}

/// Options of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InpaintOptions {
    /// Steps at full strength.
    pub num_inference_steps: usize,
    /// How much of the photo under the mask is forgotten, 0..=1; 1 starts from pure noise.
    pub strength: f64,
    /// Weight of the prompt against the negative prompt; up to 1 the latter is not used.
    pub guidance_scale: f64,
}

impl Default for InpaintOptions {
    fn default() -> Self {
        Self {
            num_inference_steps: 50,
            strength: 1.0,
            guidance_scale: 7.5,
        }
    }
}

/// What is painted where.
#[derive(Debug, Clone)]
pub struct InpaintInputs {
    /// `[batch, 3, H, W]`, 0..1.
    pub photos: Tensor<4>,
    /// `[batch, 1, H, W]`; from 0.5 up a pixel is repainted.
    pub mask: Tensor<4>,
    /// `[batch, tokens, d]`.
    pub prompt_embeds: Tensor<3>,
    /// `[batch, tokens, d]`; needed when the guidance scale is above 1.
    pub negative_prompt_embeds: Option<Tensor<3>>,
    /// Standard normal numbers, `[batch, C, H/factor, W/factor]`.
    pub noise: Tensor<4>,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Inpainted {
    /// `[batch, C, h, w]`.
    pub latents: Tensor<4>,
    /// `[batch, 3, H, W]`, 0..1.
    pub photos: Tensor<4>,
}

impl Inpaint<'_> {
    /// Runs the whole loop.
    ///
    /// # Errors
    /// Inputs whose shapes do not fit, options out of range, a network that takes neither 2C + 1
    /// nor 3C + 2 channels.
    pub fn run(&self, inputs: InpaintInputs, options: InpaintOptions) -> Result<Inpainted> {
        self.run_observed(inputs, options, &mut |_, _, _| Ok(()))
    }

    /// As [`Self::run`]; `observe` is shown each step's timestep, guided prediction and the latents
    /// after it, and may end the run with an error.
    ///
    /// # Errors
    /// As [`Self::run`], and what `observe` returns.
    pub fn run_observed(
        &self,
        inputs: InpaintInputs,
        options: InpaintOptions,
        observe: &mut dyn FnMut(usize, &Tensor<4>, &Tensor<4>) -> Result<()>,
    ) -> Result<Inpainted> {
        self.check(&inputs, options)?;
        let timesteps = self.timesteps(options)?;
        let photos = inputs.photos.clone() * 2.0 - 1.0;
        let mask = binary(inputs.mask.clone());
        let masked = self.vae.enc_signed(photos.clone() * (1.0 - mask.clone()))?;
        let hint = self.hint(nearest(mask, self.vae.factor()), masked);
        let mut latents = if options.strength == 1.0 {
            inputs.noise.clone()
        } else {
            let clean = self.vae.enc_signed(photos)?;
            self.scheduler
                .add_noise(clean, inputs.noise.clone(), &timesteps[..1])
        };
        for timestep in timesteps {
            let prediction = self.predict(&latents, &hint, &inputs, options, timestep)?;
            let previous = self
                .scheduler
                .previous_timestep(timestep, options.num_inference_steps);
            let alpha = self.scheduler.alpha_prod(Some(timestep));
            let alpha_previous = self.scheduler.alpha_prod(previous);
            latents = self
                .scheduler
                .step(prediction.clone(), latents, alpha, alpha_previous);
            observe(timestep, &prediction, &latents)?;
        }
        Ok(Inpainted {
            photos: self.vae.dec(latents.clone())?,
            latents,
        })
    }

    /// What stands beside the latents at every step: mask, masked latents, and zeros where the
    /// network has channels for a good photo and its flag.
    ///
    /// # Shapes
    /// `[batch, 1, h, w]` and `[batch, C, h, w]` to `[batch, in_channels − C, h, w]`.
    fn hint(&self, mask: Tensor<4>, masked: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = masked.dims();
        let device = masked.device();
        let mut parts = vec![mask, masked];
        if self.unet.config().in_channels == with_reference(channels) {
            parts.push(Tensor::zeros([batch, channels + 1, height, width], &device));
        }
        Tensor::cat(parts, 1)
    }

    /// The part of the scheduler's timesteps that `strength` leaves.
    fn timesteps(&self, options: InpaintOptions) -> Result<Vec<usize>> {
        let steps = options.num_inference_steps;
        let kept = ((steps as f64 * options.strength) as usize).min(steps);
        if kept == 0 {
            return Err(argument(
                "strength",
                options.strength,
                "enough for one step",
            ));
        }
        let mut timesteps = self.pipeline_scheduler()?.timesteps(steps)?;
        timesteps.drain(..steps - kept);
        Ok(timesteps)
    }

    /// The pipeline runs leading timesteps with an offset of 1, whatever an outdated configuration
    /// says.
    fn pipeline_scheduler(&self) -> Result<Ddim> {
        let mut config = self.scheduler.config().clone();
        if config.timestep_spacing == TimestepSpacing::Leading {
            config.steps_offset = 1;
        }
        Ddim::new(config)
    }

    fn predict(
        &self,
        latents: &Tensor<4>,
        hint: &Tensor<4>,
        inputs: &InpaintInputs,
        options: InpaintOptions,
        timestep: usize,
    ) -> Result<Tensor<4>> {
        let sample = Tensor::cat(vec![latents.clone(), hint.clone()], 1);
        let time = [timestep as f32];
        let prompt = inputs.prompt_embeds.clone();
        let velocity = |output, sample: &Tensor<4>| {
            let (config, scheduler) = (self.config, self.scheduler);
            config.velocity(output, sample, scheduler, &[timestep])
        };
        match &inputs.negative_prompt_embeds {
            Some(negative) if options.guidance_scale > 1.0 => {
                let batch = sample.dims()[0];
                let sample = Tensor::cat(vec![sample.clone(), sample], 0);
                let context = Tensor::cat(vec![negative.clone(), prompt], 0);
                let both = self.unet.forward(sample.clone(), &time, context, None)?;
                let both = velocity(both, &sample);
                let uncond = both.clone().narrow(0, 0, batch);
                let text = both.narrow(0, batch, batch);
                Ok(uncond.clone() + (text - uncond) * options.guidance_scale)
            }
            _ => {
                let output = self.unet.forward(sample.clone(), &time, prompt, None)?;
                Ok(velocity(output, &sample))
            }
        }
    }

    fn check(&self, inputs: &InpaintInputs, options: InpaintOptions) -> Result<()> {
        let channels = self.vae.latent_channels();
        let (plain, referenced) = (2 * channels + 1, with_reference(channels));
        let got = self.unet.config().in_channels;
        if got != plain && got != referenced {
            return Err(argument(
                "in_channels of the U-Net",
                got,
                format!(
                    "2C + 1 = {plain} for inpainting, or 3C + 2 = {referenced} with a good photo"
                ),
            ));
        }
        if !(0.0..=1.0).contains(&options.strength) {
            return Err(argument("strength", options.strength, "0 to 1"));
        }
        if !options.guidance_scale.is_finite() {
            return Err(argument(
                "guidance_scale",
                options.guidance_scale,
                "a finite number",
            ));
        }
        if options.guidance_scale > 1.0 && inputs.negative_prompt_embeds.is_none() {
            return Err(argument(
                "guidance_scale",
                options.guidance_scale,
                "at most 1 without a negative prompt",
            ));
        }
        let [batch, _, height, width] = inputs.photos.dims();
        let factor = self.vae.factor();
        same_shape("mask", inputs.mask.dims(), [batch, 1, height, width])?;
        same_shape(
            "noise",
            inputs.noise.dims(),
            [batch, channels, height / factor, width / factor],
        )?;
        if let Some(negative) = &inputs.negative_prompt_embeds {
            same_shape(
                "negative_prompt_embeds",
                negative.dims(),
                inputs.prompt_embeds.dims(),
            )?;
        }
        Ok(())
    }
}

/// Input channels of a network that also takes a good photo's latents and a flag.
fn with_reference(latent_channels: usize) -> usize {
    3 * latent_channels + 2
}

fn argument(what: &'static str, got: impl ToString, expected: impl Into<String>) -> DiffusionError {
    DiffusionError::Argument {
        op: "inpaint",
        what,
        got: got.to_string(),
        expected: expected.into(),
    }
}

fn same_shape<const D: usize>(
    what: &'static str,
    got: [usize; D],
    expected: [usize; D],
) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(DiffusionError::InputShape {
        op: "inpaint",
        what,
        got: got.to_vec(),
        expected: format!("{expected:?}"),
    })
}

/// 1 from 0.5 up, else 0.
fn binary(mask: Tensor<4>) -> Tensor<4> {
    mask.greater_equal_scalar(0.5).float()
}

/// Every `factor`-th pixel: what nearest interpolation takes when a side shrinks by a whole factor.
fn nearest(mask: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = mask.dims();
    mask.reshape([
        batch * channels,
        height / factor,
        factor,
        width / factor,
        factor,
    ])
    .narrow(2, 0, 1)
    .narrow(4, 0, 1)
    .reshape([batch, channels, height / factor, width / factor])
}
