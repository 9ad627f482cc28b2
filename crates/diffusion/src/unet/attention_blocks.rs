//! Spatial transformers: self-attention, attention to the text, feed-forward.

use burn::module::Module;
use burn::tensor::Tensor;

use super::config::Level;
use super::reference::References;
use crate::Result;
use crate::nn::{Conv2d, Conv2dConfig, GroupNorm, LayerNorm, Linear, attend, geglu};
use crate::weights::Loader;

/// Constant of the group norm before the transformer blocks, whatever `norm_eps` is.
const GROUP_NORM_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;

/// diffusers' `Transformer2DModel` for continuous input.
#[derive(Module, Debug)]
pub(super) struct Transformer2DModel {
    norm: GroupNorm,
    proj_in: Projection,
    transformer_blocks: Vec<BasicTransformerBlock>,
    proj_out: Projection,
}

impl Transformer2DModel {
    pub(super) fn load(loader: &Loader, level: Level, groups: usize, linear: bool) -> Result<Self> {
        let channels = level.channels;
        let blocks = loader.prefix("transformer_blocks");
        Ok(Self {
            norm: GroupNorm::load(&loader.prefix("norm"), channels, groups, GROUP_NORM_EPS)?,
            proj_in: Projection::load(&loader.prefix("proj_in"), channels, linear)?,
            transformer_blocks: (0..level.transformers)
                .map(|i| BasicTransformerBlock::load(&blocks.prefix(i), level))
                .collect::<Result<_>>()?,
            proj_out: Projection::load(&loader.prefix("proj_out"), channels, linear)?,
        })
    }

    /// `[B, C, h, w]` and context `[B, T, d]` to `[B, C, h, w]`.
    pub(super) fn forward(
        &self,
        input: Tensor<4>,
        context: &Tensor<3>,
        references: &mut References,
    ) -> Tensor<4> {
        let size = input.dims();
        let mut tokens = self.proj_in.to_tokens(self.norm.forward(input.clone()));
        for block in &self.transformer_blocks {
            tokens = block.forward(tokens, context, references);
        }
        input + self.proj_out.to_picture(tokens, size)
    }
}

/// `[B, C, h, w]` to `[B, h·w, C]`.
fn flatten(picture: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = picture.dims();
    picture
        .reshape([batch, channels, height * width])
        .swap_dims(1, 2)
}

/// `[B, h·w, C]` to `[B, C, h, w]`.
fn unflatten(tokens: Tensor<3>, size: [usize; 4]) -> Tensor<4> {
    tokens.swap_dims(1, 2).reshape(size)
}

/// The same map of channels, stored as a 1×1 convolution or as a matrix.
#[derive(Module, Debug)]
enum Projection {
    Conv(Conv2d),
    Linear(Linear),
}

impl Projection {
    fn load(loader: &Loader, channels: usize, linear: bool) -> Result<Self> {
        Ok(if linear {
            Projection::Linear(Linear::load(loader, channels, channels, true)?)
        } else {
            Projection::Conv(Conv2d::load(
                loader,
                Conv2dConfig::pointwise(channels, channels),
            )?)
        })
    }

    fn to_tokens(&self, picture: Tensor<4>) -> Tensor<3> {
        match self {
            Projection::Conv(conv) => conv.to_tokens(picture),
            Projection::Linear(linear) => linear.forward(flatten(picture)),
        }
    }

    fn to_picture(&self, tokens: Tensor<3>, size: [usize; 4]) -> Tensor<4> {
        match self {
            Projection::Conv(conv) => conv.to_picture(tokens, [size[2], size[3]]),
            Projection::Linear(linear) => unflatten(linear.forward(tokens), size),
        }
    }
}

/// Pre-norm block: self-attention (with references), cross-attention, GEGLU feed-forward.
#[derive(Module, Debug)]
struct BasicTransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl BasicTransformerBlock {
    fn load(loader: &Loader, level: Level) -> Result<Self> {
        let width = level.channels;
        let norm = |name: &str| LayerNorm::load(&loader.prefix(name), width, LAYER_NORM_EPS);
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: Attention::load(&loader.prefix("attn1"), width, width, level.heads)?,
            norm2: norm("norm2")?,
            attn2: Attention::load(&loader.prefix("attn2"), width, level.context, level.heads)?,
            norm3: norm("norm3")?,
            ff: FeedForward::load(&loader.prefix("ff"), width)?,
        })
    }

    fn forward(
        &self,
        tokens: Tensor<3>,
        context: &Tensor<3>,
        references: &mut References,
    ) -> Tensor<3> {
        let normed = self.norm1.forward(tokens.clone());
        let tokens = tokens + self.attn1.to_itself(normed, references);
        let normed = self.norm2.forward(tokens.clone());
        let tokens = tokens + self.attn2.to_context(normed, context);
        let normed = self.norm3.forward(tokens.clone());
        tokens + self.ff.forward(normed)
    }
}

/// diffusers' `Attention` as transformer blocks use it: no biases but in the output.
#[derive(Module, Debug)]
struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: [Linear; 1],
    #[module(skip)]
    heads: usize,
}

impl Attention {
    fn load(loader: &Loader, width: usize, context: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            to_q: Linear::load(&loader.prefix("to_q"), width, width, false)?,
            to_k: Linear::load(&loader.prefix("to_k"), context, width, false)?,
            to_v: Linear::load(&loader.prefix("to_v"), context, width, false)?,
            to_out: [Linear::load(
                &loader.prefix("to_out.0"),
                width,
                width,
                true,
            )?],
            heads,
        })
    }

    fn to_itself(&self, tokens: Tensor<3>, references: &mut References) -> Tensor<3> {
        let query = self.to_q.forward(tokens.clone());
        let (key, value) = (self.to_k.forward(tokens.clone()), self.to_v.forward(tokens));
        let (key, value, bias) = references.apply(key, value);
        self.to_out[0].forward(attend(query, key, value, self.heads, bias.as_ref()))
    }

    fn to_context(&self, tokens: Tensor<3>, context: &Tensor<3>) -> Tensor<3> {
        let query = self.to_q.forward(tokens);
        let (key, value) = (
            self.to_k.forward(context.clone()),
            self.to_v.forward(context.clone()),
        );
        self.to_out[0].forward(attend(query, key, value, self.heads, None))
    }
}

/// diffusers' `FeedForward`: `net` is gate, dropout (no weights), output.
#[derive(Module, Debug)]
struct FeedForward {
    net: Vec<Option<FeedForwardLayer>>,
}

#[derive(Module, Debug)]
enum FeedForwardLayer {
    Gate(GeGlu),
    Output(Linear),
}

impl FeedForward {
    fn load(loader: &Loader, width: usize) -> Result<Self> {
        let inner = 4 * width;
        let gate = GeGlu::load(&loader.prefix("net.0"), width, inner)?;
        let output = Linear::load(&loader.prefix("net.2"), inner, width, true)?;
        Ok(Self {
            net: vec![
                Some(FeedForwardLayer::Gate(gate)),
                None,
                Some(FeedForwardLayer::Output(output)),
            ],
        })
    }

    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.net
            .iter()
            .flatten()
            .fold(tokens, |hidden, layer| match layer {
                FeedForwardLayer::Gate(gate) => gate.forward(hidden),
                FeedForwardLayer::Output(output) => output.forward(hidden),
            })
    }
}

/// `a·gelu(b)` for the two halves of one linear map.
#[derive(Module, Debug)]
struct GeGlu {
    proj: Linear,
}

impl GeGlu {
    fn load(loader: &Loader, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            proj: Linear::load(&loader.prefix("proj"), inputs, 2 * outputs, true)?,
        })
    }

    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        geglu(self.proj.forward(tokens))
    }
}
