//! Low-rank changes of a layer while they are trained: `y = Wx + (α/r)·B(Ax)`.
//!
//! A layer has such a branch where its [`Loader`] was told to give it one
//! ([`Loader::with_lora`](crate::weights::Loader::with_lora)); it is not merged, so that a frozen
//! `W` needs no gradient and stays as it is, bit for bit. Models that are only used have none:
//! there the product is added to the weights as they are read ([`crate::lora`]).
//!
//! Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021; shapes, start and
//! names as in PEFT: A uniform in ±1/√inputs, B zero.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, module::conv2d, module::linear, ops::ConvOptions};
use serde::{Deserialize, Serialize};

use super::norm::in_type;
use crate::weights::{Init, Loader};

/// Ends of the names of the maps in attentions.
pub const ATTENTION_MODULES: [&str; 4] = ["to_q", "to_k", "to_v", "to_out.0"];
/// Ends of the names of the U-Net's convolutions, and of the maps around its transformers, which
/// are convolutions in Stable Diffusion 1.
pub const CONVOLUTION_MODULES: [&str; 8] = [
    "conv1",
    "conv2",
    "conv_shortcut",
    "conv",
    "proj_in",
    "proj_out",
    "conv_in",
    "conv_out",
];

/// Which layers get a low-rank branch, and of what size: PEFT's `LoraConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// r.
    pub r: usize,
    /// α: the branch counts α/r.
    pub lora_alpha: f64,
    /// A layer is meant whose name is one of these, or ends with a dot and one of these.
    pub target_modules: Vec<String>,
    /// Seed of A.
    pub seed: u64,
}

impl LoraConfig {
    /// Whether a layer gets a branch.
    pub fn targets(&self, module: &str) -> bool {
        self.target_modules.iter().any(|target| {
            module
                .strip_suffix(target.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }

    fn scale(&self) -> f64 {
        self.lora_alpha / self.r.max(1) as f64
    }
}

/// The branch of a linear map.
#[derive(Module, Debug)]
pub struct LowRankLinear {
    /// A, `[r, in]`.
    pub down: Param<Tensor<2>>,
    /// B, `[out, r]`.
    pub up: Param<Tensor<2>>,
    #[module(skip)]
    scale: f64,
}

impl LowRankLinear {
    /// The branch that the loader wants below its prefix; `None` where it wants none.
    pub fn load(loader: &Loader, inputs: usize, outputs: usize) -> Option<Self> {
        let config = loader.lora()?;
        let lora = loader.prefix("lora");
        Some(Self {
            down: lora.fresh(
                "down",
                [config.r, inputs],
                Init::fan_in(inputs),
                config.seed,
            ),
            up: lora.fresh("up", [outputs, config.r], Init::Zeros, config.seed),
            scale: config.scale(),
        })
    }

    /// # Shapes
    /// `[…, in]` to `[…, out]`: what is added to the map's own output.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let dtype = input.dtype();
        let map = |weight: &Param<Tensor<2>>| in_type(weight.val(), dtype).transpose();
        let inner = linear(input, map(&self.down), None);
        linear(inner, map(&self.up), None) * self.scale
    }
}

/// The branch of a convolution: the same kernel, step and padding to r channels, then 1×1.
#[derive(Module, Debug)]
pub struct LowRankConv2d {
    /// A, `[r, in, kernel, kernel]`.
    pub down: Param<Tensor<4>>,
    /// B, `[out, r, 1, 1]`.
    pub up: Param<Tensor<4>>,
    #[module(skip)]
    scale: f64,
}

impl LowRankConv2d {
    /// The branch that the loader wants below its prefix; `None` where it wants none.
    pub fn load(loader: &Loader, inputs: usize, outputs: usize, kernel: usize) -> Option<Self> {
        let config = loader.lora()?;
        let lora = loader.prefix("lora");
        let init = Init::fan_in(inputs * kernel * kernel);
        let shape = [config.r, inputs, kernel, kernel];
        Some(Self {
            down: lora.fresh("down", shape, init, config.seed),
            up: lora.fresh("up", [outputs, config.r, 1, 1], Init::Zeros, config.seed),
            scale: config.scale(),
        })
    }

    /// # Shapes
    /// `[batch, in, height, width]` to what the convolution with these `options` gives.
    pub fn forward(&self, input: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
        let dtype = input.dtype();
        let inner = conv2d(input, in_type(self.down.val(), dtype), None, options);
        let pointwise = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        conv2d(inner, in_type(self.up.val(), dtype), None, pointwise) * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_whole_parts_of_a_name() {
        let config = |targets: &[&str]| LoraConfig {
            r: 4,
            lora_alpha: 4.0,
            target_modules: targets.iter().map(|name| (*name).to_owned()).collect(),
            seed: 0,
        };
        let attention = config(&ATTENTION_MODULES);
        assert!(attention.targets("mid_block.attentions.0.transformer_blocks.0.attn1.to_q"));
        assert!(attention.targets("a.attn2.to_out.0"));
        assert!(attention.targets("to_k"));
        assert!(!attention.targets("a.not_to_k"));
        assert!(!attention.targets("a.ff.net.0.proj"));
        let convolutions = config(&CONVOLUTION_MODULES);
        assert!(convolutions.targets("down_blocks.0.downsamplers.0.conv"));
        assert!(!convolutions.targets("up_blocks.0.resnets.0.norm1"));
    }
}
