//! The whole network.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::blocks::{Common, Conditions, DownBlock2D, MidBlock2D, UpBlock2D, UpChannels};
use super::embedding::{TimestepEmbedding, sinusoids};
use super::reference::References;
use super::{ReferenceOptions, ReferenceStates, UNet2DConditionConfig};
use crate::nn::{Activation, Conv2d, Conv2dConfig, GroupNorm, in_type};
use crate::weights::Loader;
use crate::{DiffusionError, Result, kernels};

/// Predicts noise (or velocity) from noisy latents, timestep and text context.
#[derive(Module, Debug)]
pub struct UNet2DConditionModel {
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    down_blocks: Vec<DownBlock2D>,
    up_blocks: Vec<UpBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    config: UNet2DConditionConfig,
}

impl UNet2DConditionModel {
    /// Reads (or draws) all tensors.
    ///
    /// # Errors
    /// A configuration that is not implemented; missing or misshapen tensors.
    pub fn load(config: &UNet2DConditionConfig, loader: &Loader) -> Result<Self> {
        config.validate()?;
        let first = config.block_out_channels[0];
        let activation = Activation::from_name("UNet2DConditionModel", "act_fn", &config.act_fn)?;
        let common = Common {
            temb_channels: config.time_width(),
            groups: config.norm_num_groups,
            eps: config.norm_eps,
            activation,
            linear_projection: config.use_linear_projection,
        };
        let time = loader.prefix("time_embedding");
        let norm_out = loader.prefix("conv_norm_out");
        let conv_in = Conv2dConfig::same3(config.in_channels, first);
        let conv_out = Conv2dConfig::same3(first, config.out_channels);
        let innermost = *config.levels()?.last().ok_or_else(no_levels)?;
        Ok(Self {
            conv_in: Conv2d::load(&loader.prefix("conv_in"), conv_in)?,
            time_embedding: TimestepEmbedding::load(
                &time,
                first,
                common.temb_channels,
                activation,
            )?,
            down_blocks: load_down(config, loader, common)?,
            up_blocks: load_up(config, loader, common)?,
            mid_block: MidBlock2D::load(&loader.prefix("mid_block"), common, innermost)?,
            conv_norm_out: GroupNorm::load(&norm_out, first, common.groups, common.eps)?,
            conv_out: Conv2d::load(&loader.prefix("conv_out"), conv_out)?,
            activation,
            config: config.clone(),
        })
    }

    /// Fresh weights, drawn from `seed`.
    ///
    /// # Errors
    /// A configuration that is not implemented.
    pub fn init(config: &UNet2DConditionConfig, seed: u64, device: &Device) -> Result<Self> {
        Self::load(config, &Loader::random(seed, device))
    }

    /// The configuration that it was made from.
    pub fn config(&self) -> &UNet2DConditionConfig {
        &self.config
    }

    /// The prediction for noisy latents.
    ///
    /// # Shapes
    /// `sample` `[batch, in_channels, h, w]` of any size; `timesteps` one, or one per photo;
    /// `encoder_hidden_states` `[batch, tokens, d]`; result `[batch, out_channels, h, w]`.
    ///
    /// # Errors
    /// Inputs of other shapes.
    pub fn forward(
        &self,
        sample: Tensor<4>,
        timesteps: &[f32],
        encoder_hidden_states: Tensor<3>,
        references: Option<&ReferenceStates>,
    ) -> Result<Tensor<4>> {
        self.check(&sample, timesteps, &encoder_hidden_states)?;
        let whole = |sample, timesteps: &[f32], context, references: Option<&ReferenceStates>| {
            let mut references = References::using(references);
            self.run(sample, timesteps, context, &mut references, &mut |_, _| {})
        };
        let parts = kernels::in_parts(&sample, |photos| {
            let (first, count) = (photos.start, photos.len());
            let references = references.map(|states| states.of(photos.clone()));
            whole(
                sample.clone().narrow(0, first, count),
                timesteps.get(photos).unwrap_or(timesteps),
                encoder_hidden_states.clone().narrow(0, first, count),
                references.as_ref(),
            )
        });
        Ok(match parts {
            Some(parts) => Tensor::cat(parts, 0),
            None => whole(sample, timesteps, encoder_hidden_states, references),
        })
    }

    /// As [`Self::forward`]; `observe` is shown the output of `conv_in` and of every block under
    /// its name in the checkpoint.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_observed(
        &self,
        sample: Tensor<4>,
        timesteps: &[f32],
        encoder_hidden_states: Tensor<3>,
        references: Option<&ReferenceStates>,
        observe: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> Result<Tensor<4>> {
        self.check(&sample, timesteps, &encoder_hidden_states)?;
        let mut references = References::using(references);
        Ok(self.run(
            sample,
            timesteps,
            encoder_hidden_states,
            &mut references,
            observe,
        ))
    }

    /// Keys and values of good photos for later calls of [`Self::forward`].
    ///
    /// # Shapes
    /// As [`Self::forward`]'s, where the batch holds the `options.per_photo` good photos of the
    /// first photo, then those of the second, and so on. Good photos of one photo make states that
    /// fit a batch of any size.
    ///
    /// # Errors
    /// Inputs of other shapes, or a batch that `per_photo` does not divide.
    pub fn reference_states(
        &self,
        sample: Tensor<4>,
        timesteps: &[f32],
        encoder_hidden_states: Tensor<3>,
        options: ReferenceOptions,
    ) -> Result<ReferenceStates> {
        self.check(&sample, timesteps, &encoder_hidden_states)?;
        let batch = sample.dims()[0];
        if options.per_photo == 0 || !batch.is_multiple_of(options.per_photo) {
            return Err(DiffusionError::Argument {
                op: "UNet2DConditionModel::reference_states",
                what: "per_photo",
                got: options.per_photo.to_string(),
                expected: format!("a divisor of the batch of {batch}"),
            });
        }
        let device = sample.device();
        let mut references = References::collect(options);
        self.run(
            sample,
            timesteps,
            encoder_hidden_states,
            &mut references,
            &mut |_, _| {},
        );
        Ok(references.into_states(&device))
    }

    fn run(
        &self,
        sample: Tensor<4>,
        timesteps: &[f32],
        context: Tensor<3>,
        references: &mut References,
        observe: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> Tensor<4> {
        let dtype = sample.dtype();
        let mut given = Conditions {
            temb: in_type(self.time(timesteps, &sample.device()), dtype),
            context: in_type(context, dtype),
            references,
        };
        let mut hidden = self.conv_in.forward(sample);
        observe("conv_in", &hidden);
        let mut skips = vec![hidden.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            hidden = block.forward(hidden, &mut given, &mut skips);
            observe(&format!("down_blocks.{i}"), &hidden);
        }
        hidden = self.mid_block.forward(hidden, &mut given);
        observe("mid_block", &hidden);
        for (i, block) in self.up_blocks.iter().enumerate() {
            hidden = block.forward(hidden, &mut given, &mut skips);
            observe(&format!("up_blocks.{i}"), &hidden);
        }
        hidden = self.conv_norm_out.forward_then(hidden, self.activation);
        self.conv_out.forward(hidden)
    }

    fn time(&self, timesteps: &[f32], device: &Device) -> Tensor<2> {
        let UNet2DConditionConfig {
            flip_sin_to_cos,
            freq_shift,
            ..
        } = self.config;
        let width = self.config.block_out_channels[0];
        self.time_embedding.forward(sinusoids(
            timesteps,
            width,
            flip_sin_to_cos,
            freq_shift,
            device,
        ))
    }

    fn check(&self, sample: &Tensor<4>, timesteps: &[f32], context: &Tensor<3>) -> Result<()> {
        let op = "UNet2DConditionModel";
        let [batch, channels, height, width] = sample.dims();
        if channels != self.config.in_channels || batch * height * width == 0 {
            return Err(DiffusionError::InputShape {
                op,
                what: "sample",
                got: sample.dims().to_vec(),
                expected: format!("[batch, {}, h, w]", self.config.in_channels),
            });
        }
        if timesteps.len() != 1 && timesteps.len() != batch {
            return Err(DiffusionError::InputShape {
                op,
                what: "timesteps",
                got: vec![timesteps.len()],
                expected: format!("[1] or [{batch}]"),
            });
        }
        let [rows, tokens, d] = context.dims();
        if rows != batch || tokens == 0 || d != self.config.context_width() {
            return Err(DiffusionError::InputShape {
                op,
                what: "encoder_hidden_states",
                got: context.dims().to_vec(),
                expected: format!("[{batch}, tokens, {}]", self.config.context_width()),
            });
        }
        Ok(())
    }
}

fn no_levels() -> DiffusionError {
    crate::config::value_error(
        "UNet2DConditionModel",
        "block_out_channels",
        "[]",
        "1 to 8 levels",
    )
}

fn load_down(
    config: &UNet2DConditionConfig,
    loader: &Loader,
    common: Common,
) -> Result<Vec<DownBlock2D>> {
    let levels = config.levels()?;
    let load = |i: usize| {
        let loader = loader.prefix("down_blocks").prefix(i);
        let inputs = levels[i.saturating_sub(1)].channels;
        DownBlock2D::load(
            &loader,
            common,
            inputs,
            levels[i],
            config.down_attends(i),
            i + 1 < levels.len(),
        )
    };
    (0..levels.len()).map(load).collect()
}

fn load_up(
    config: &UNet2DConditionConfig,
    loader: &Loader,
    common: Common,
) -> Result<Vec<UpBlock2D>> {
    let mut levels = config.levels()?;
    levels.reverse();
    let last = levels.len() - 1;
    let load = |i: usize| {
        let loader = loader.prefix("up_blocks").prefix(i);
        let around = UpChannels {
            previous: levels[i.saturating_sub(1)].channels,
            outward: levels[(i + 1).min(last)].channels,
        };
        UpBlock2D::load(
            &loader,
            common,
            around,
            levels[i],
            config.up_attends(i),
            i < last,
        )
    };
    (0..levels.len()).map(load).collect()
}
