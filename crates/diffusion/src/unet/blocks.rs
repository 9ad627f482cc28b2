//! The levels of the U-Net.
//!
//! `DownBlock2D` and `CrossAttnDownBlock2D` (and the two on the way up) are one type here: the
//! plain one has no `attentions`.

use burn::module::Module;
use burn::tensor::Tensor;

use super::attention_blocks::Transformer2DModel;
use super::config::Level;
use super::reference::References;
use crate::Result;
use crate::nn::{Activation, Downsample2D, ResnetBlock2D, ResnetConfig, Upsample2D};
use crate::weights::Loader;

/// Sizes that all levels of one network share.
#[derive(Clone, Copy)]
pub(super) struct Common {
    pub temb_channels: usize,
    pub groups: usize,
    pub eps: f64,
    pub activation: Activation,
    pub linear_projection: bool,
}

impl Common {
    fn resnet(
        self,
        loader: &Loader,
        index: usize,
        inputs: usize,
        outputs: usize,
    ) -> Result<ResnetBlock2D> {
        let config = ResnetConfig {
            inputs,
            outputs,
            temb_channels: Some(self.temb_channels),
            groups: self.groups,
            eps: self.eps,
            activation: self.activation,
        };
        ResnetBlock2D::load(&loader.prefix("resnets").prefix(index), config)
    }

    fn attentions(
        self,
        loader: &Loader,
        level: Level,
        count: usize,
    ) -> Result<Vec<Transformer2DModel>> {
        let load = |i| {
            let loader = loader.prefix("attentions").prefix(i);
            Transformer2DModel::load(&loader, level, self.groups, self.linear_projection)
        };
        (0..count).map(load).collect()
    }
}

/// What every block is given besides the hidden state.
pub(super) struct Conditions<'a, 'r> {
    pub temb: Tensor<2>,
    pub context: Tensor<3>,
    pub references: &'a mut References<'r>,
}

/// `CrossAttnDownBlock2D`, or `DownBlock2D` where `attentions` is empty.
#[derive(Module, Debug)]
pub(super) struct DownBlock2D {
    attentions: Vec<Transformer2DModel>,
    resnets: Vec<ResnetBlock2D>,
    downsamplers: Option<[Downsample2D; 1]>,
}

impl DownBlock2D {
    pub(super) fn load(
        loader: &Loader,
        common: Common,
        inputs: usize,
        level: Level,
        attends: bool,
        downsample: bool,
    ) -> Result<Self> {
        let channels = level.channels;
        let resnets = (0..level.layers)
            .map(|i| common.resnet(loader, i, if i == 0 { inputs } else { channels }, channels));
        let sampler = loader.prefix("downsamplers").prefix(0);
        Ok(Self {
            resnets: resnets.collect::<Result<_>>()?,
            attentions: common.attentions(loader, level, if attends { level.layers } else { 0 })?,
            downsamplers: downsample
                .then(|| Downsample2D::load(&sampler, channels, (1, 1)).map(|one| [one]))
                .transpose()?,
        })
    }

    /// Pushes every intermediate result on `skips` and returns the last.
    pub(super) fn forward(
        &self,
        mut hidden: Tensor<4>,
        given: &mut Conditions,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            hidden = resnet.forward(hidden, Some(&given.temb));
            if let Some(attention) = self.attentions.get(i) {
                hidden = attention.forward(hidden, &given.context, given.references);
            }
            skips.push(hidden.clone());
        }
        if let Some([sampler]) = &self.downsamplers {
            hidden = sampler.forward(hidden);
            skips.push(hidden.clone());
        }
        hidden
    }
}

/// `UNetMidBlock2DCrossAttn`.
#[derive(Module, Debug)]
pub(super) struct MidBlock2D {
    attentions: Vec<Transformer2DModel>,
    resnets: Vec<ResnetBlock2D>,
}

impl MidBlock2D {
    pub(super) fn load(loader: &Loader, common: Common, level: Level) -> Result<Self> {
        let resnets = (0..2).map(|i| common.resnet(loader, i, level.channels, level.channels));
        Ok(Self {
            resnets: resnets.collect::<Result<_>>()?,
            attentions: common.attentions(loader, level, 1)?,
        })
    }

    pub(super) fn forward(&self, hidden: Tensor<4>, given: &mut Conditions) -> Tensor<4> {
        let mut hidden = self.resnets[0].forward(hidden, Some(&given.temb));
        for (attention, resnet) in self.attentions.iter().zip(&self.resnets[1..]) {
            hidden = attention.forward(hidden, &given.context, given.references);
            hidden = resnet.forward(hidden, Some(&given.temb));
        }
        hidden
    }
}

/// Channels around a block on the way up.
#[derive(Clone, Copy)]
pub(super) struct UpChannels {
    /// Of the block before.
    pub previous: usize,
    /// Of the next level outwards, whose last skip comes last.
    pub outward: usize,
}

/// `CrossAttnUpBlock2D`, or `UpBlock2D` where `attentions` is empty.
#[derive(Module, Debug)]
pub(super) struct UpBlock2D {
    attentions: Vec<Transformer2DModel>,
    resnets: Vec<ResnetBlock2D>,
    upsamplers: Option<[Upsample2D; 1]>,
}

impl UpBlock2D {
    pub(super) fn load(
        loader: &Loader,
        common: Common,
        around: UpChannels,
        level: Level,
        attends: bool,
        upsample: bool,
    ) -> Result<Self> {
        let channels = level.channels;
        let layers = level.layers + 1;
        let resnets = (0..layers).map(|i| {
            let skip = if i + 1 == layers {
                around.outward
            } else {
                channels
            };
            let below = if i == 0 { around.previous } else { channels };
            common.resnet(loader, i, below + skip, channels)
        });
        let sampler = loader.prefix("upsamplers").prefix(0);
        Ok(Self {
            resnets: resnets.collect::<Result<_>>()?,
            attentions: common.attentions(loader, level, if attends { layers } else { 0 })?,
            upsamplers: upsample
                .then(|| Upsample2D::load(&sampler, channels).map(|one| [one]))
                .transpose()?,
        })
    }

    /// Takes its skips from the end of `skips`; upsamples to the size of the next one left there.
    pub(super) fn forward(
        &self,
        mut hidden: Tensor<4>,
        given: &mut Conditions,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            if let Some(skip) = skips.pop() {
                hidden = Tensor::cat(vec![hidden, skip], 1);
            }
            hidden = resnet.forward(hidden, Some(&given.temb));
            if let Some(attention) = self.attentions.get(i) {
                hidden = attention.forward(hidden, &given.context, given.references);
            }
        }
        match &self.upsamplers {
            Some([sampler]) => {
                let size = skips.last().map(|skip| {
                    let [_, _, height, width] = skip.dims();
                    [height, width]
                });
                sampler.forward(hidden, size)
            }
            None => hidden,
        }
    }
}
