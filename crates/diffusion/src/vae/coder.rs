//! Encoder and decoder of `AutoencoderKL`.

use burn::module::Module;
use burn::tensor::Tensor;

use super::AutoencoderKlConfig;
use crate::Result;
use crate::nn::{
    Activation, Conv2d, Conv2dConfig, Downsample2D, GroupNorm, Linear, ResnetBlock2D, ResnetConfig,
    Upsample2D, attend,
};
use crate::weights::Loader;

/// Constant of every norm in the VAE.
const EPS: f64 = 1e-6;

/// Sizes that all blocks of one network share.
#[derive(Clone, Copy)]
struct Common {
    groups: usize,
    activation: Activation,
}

impl Common {
    fn of(config: &AutoencoderKlConfig) -> Result<Self> {
        Ok(Self {
            groups: config.norm_num_groups,
            activation: Activation::from_name("AutoencoderKL", "act_fn", &config.act_fn)?,
        })
    }

    fn resnet(self, loader: &Loader, inputs: usize, outputs: usize) -> Result<ResnetBlock2D> {
        let config = ResnetConfig {
            inputs,
            outputs,
            temb_channels: None,
            groups: self.groups,
            eps: EPS,
            activation: self.activation,
        };
        ResnetBlock2D::load(loader, config)
    }

    fn resnets(
        self,
        loader: &Loader,
        inputs: usize,
        outputs: usize,
        count: usize,
    ) -> Result<Vec<ResnetBlock2D>> {
        (0..count)
            .map(|i| {
                let inputs = if i == 0 { inputs } else { outputs };
                self.resnet(&loader.prefix("resnets").prefix(i), inputs, outputs)
            })
            .collect()
    }
}

/// Photo to moments: convolution, levels, middle, norm, convolution.
#[derive(Module, Debug)]
pub struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownEncoderBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    #[module(skip)]
    activation: Activation,
}

impl Encoder {
    pub(super) fn load(loader: &Loader, config: &AutoencoderKlConfig) -> Result<Self> {
        let common = Common::of(config)?;
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let down_blocks = (0..channels.len())
            .map(|level| {
                let loader = loader.prefix("down_blocks").prefix(level);
                let inputs = channels[level.saturating_sub(1)];
                let downsample = level + 1 < channels.len();
                DownEncoderBlock2D::load(
                    &loader,
                    common,
                    [inputs, channels[level]],
                    config.layers_per_block,
                    downsample,
                )
            })
            .collect::<Result<_>>()?;
        let conv_in = Conv2dConfig::same3(config.in_channels, first);
        let conv_out = Conv2dConfig::same3(last, 2 * config.latent_channels);
        Ok(Self {
            conv_in: Conv2d::load(&loader.prefix("conv_in"), conv_in)?,
            down_blocks,
            mid_block: MidBlock2D::load(&loader.prefix("mid_block"), common, last, config)?,
            conv_norm_out: GroupNorm::load(
                &loader.prefix("conv_norm_out"),
                last,
                common.groups,
                EPS,
            )?,
            conv_out: Conv2d::load(&loader.prefix("conv_out"), conv_out)?,
            activation: common.activation,
        })
    }

    /// Moments, and the output of every level and of the middle if `features` is given.
    pub(super) fn forward(
        &self,
        input: Tensor<4>,
        mut features: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<4> {
        let mut keep = |hidden: &Tensor<4>| {
            if let Some(features) = &mut features {
                features.push(hidden.clone());
            }
        };
        let mut hidden = self.conv_in.forward(input);
        for block in &self.down_blocks {
            hidden = block.forward(hidden);
            keep(&hidden);
        }
        hidden = self.mid_block.forward(hidden);
        keep(&hidden);
        hidden = self.conv_norm_out.forward_then(hidden, self.activation);
        self.conv_out.forward(hidden)
    }
}

/// Latents to photo.
#[derive(Module, Debug)]
pub struct Decoder {
    conv_in: Conv2d,
    up_blocks: Vec<UpDecoderBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    #[module(skip)]
    activation: Activation,
}

impl Decoder {
    pub(super) fn load(loader: &Loader, config: &AutoencoderKlConfig) -> Result<Self> {
        let common = Common::of(config)?;
        let channels: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let up_blocks = (0..channels.len())
            .map(|level| {
                let loader = loader.prefix("up_blocks").prefix(level);
                let inputs = channels[level.saturating_sub(1)];
                let upsample = level + 1 < channels.len();
                UpDecoderBlock2D::load(
                    &loader,
                    common,
                    [inputs, channels[level]],
                    config.layers_per_block + 1,
                    upsample,
                )
            })
            .collect::<Result<_>>()?;
        let conv_in = Conv2dConfig::same3(config.latent_channels, first);
        let conv_out = Conv2dConfig::same3(last, config.out_channels);
        Ok(Self {
            conv_in: Conv2d::load(&loader.prefix("conv_in"), conv_in)?,
            up_blocks,
            mid_block: MidBlock2D::load(&loader.prefix("mid_block"), common, first, config)?,
            conv_norm_out: GroupNorm::load(
                &loader.prefix("conv_norm_out"),
                last,
                common.groups,
                EPS,
            )?,
            conv_out: Conv2d::load(&loader.prefix("conv_out"), conv_out)?,
            activation: common.activation,
        })
    }

    pub(super) fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let mut hidden = self.mid_block.forward(self.conv_in.forward(latents));
        for block in &self.up_blocks {
            hidden = block.forward(hidden);
        }
        hidden = self.conv_norm_out.forward_then(hidden, self.activation);
        self.conv_out.forward(hidden)
    }
}

#[derive(Module, Debug)]
struct DownEncoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    downsamplers: Option<[Downsample2D; 1]>,
}

impl DownEncoderBlock2D {
    fn load(
        loader: &Loader,
        common: Common,
        [inputs, outputs]: [usize; 2],
        layers: usize,
        downsample: bool,
    ) -> Result<Self> {
        let sampler = loader.prefix("downsamplers").prefix(0);
        Ok(Self {
            resnets: common.resnets(loader, inputs, outputs, layers)?,
            downsamplers: downsample
                .then(|| Downsample2D::load(&sampler, outputs, (0, 1)).map(|one| [one]))
                .transpose()?,
        })
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let hidden = self
            .resnets
            .iter()
            .fold(input, |hidden, block| block.forward(hidden, None));
        match &self.downsamplers {
            Some([sampler]) => sampler.forward(hidden),
            None => hidden,
        }
    }
}

#[derive(Module, Debug)]
struct UpDecoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    upsamplers: Option<[Upsample2D; 1]>,
}

impl UpDecoderBlock2D {
    fn load(
        loader: &Loader,
        common: Common,
        [inputs, outputs]: [usize; 2],
        layers: usize,
        upsample: bool,
    ) -> Result<Self> {
        let sampler = loader.prefix("upsamplers").prefix(0);
        Ok(Self {
            resnets: common.resnets(loader, inputs, outputs, layers)?,
            upsamplers: upsample
                .then(|| Upsample2D::load(&sampler, outputs).map(|one| [one]))
                .transpose()?,
        })
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let hidden = self
            .resnets
            .iter()
            .fold(input, |hidden, block| block.forward(hidden, None));
        match &self.upsamplers {
            Some([sampler]) => sampler.forward(hidden, None),
            None => hidden,
        }
    }
}

/// Residual block, single-head self-attention over all positions, residual block.
#[derive(Module, Debug)]
struct MidBlock2D {
    attentions: Vec<SpatialAttention>,
    resnets: Vec<ResnetBlock2D>,
}

impl MidBlock2D {
    fn load(
        loader: &Loader,
        common: Common,
        channels: usize,
        config: &AutoencoderKlConfig,
    ) -> Result<Self> {
        let attention = loader.prefix("attentions").prefix(0);
        let attentions = if config.mid_block_add_attention {
            vec![SpatialAttention::load(&attention, channels, common.groups)?]
        } else {
            Vec::new()
        };
        Ok(Self {
            attentions,
            resnets: common.resnets(loader, channels, channels, 2)?,
        })
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut hidden = self.resnets[0].forward(input, None);
        for attention in &self.attentions {
            hidden = attention.forward(hidden);
        }
        self.resnets[1].forward(hidden, None)
    }
}

/// diffusers' `Attention` as the VAE uses it: group norm first, biases, residual.
#[derive(Module, Debug)]
struct SpatialAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: [Linear; 1],
}

impl SpatialAttention {
    fn load(loader: &Loader, channels: usize, groups: usize) -> Result<Self> {
        let linear = |name: &str| Linear::load(&loader.prefix(name), channels, channels, true);
        Ok(Self {
            group_norm: GroupNorm::load(&loader.prefix("group_norm"), channels, groups, EPS)?,
            to_q: linear("to_q")?,
            to_k: linear("to_k")?,
            to_v: linear("to_v")?,
            to_out: [linear("to_out.0")?],
        })
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = input.dims();
        let tokens = self
            .group_norm
            .forward(input.clone())
            .reshape([batch, channels, height * width])
            .swap_dims(1, 2); // [B, HW, C]
        let (query, key) = (
            self.to_q.forward(tokens.clone()),
            self.to_k.forward(tokens.clone()),
        );
        let output = attend(query, key, self.to_v.forward(tokens), 1, None);
        let output = self.to_out[0].forward(output).swap_dims(1, 2);
        input + output.reshape([batch, channels, height, width])
    }
}
