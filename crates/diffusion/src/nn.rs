//! Layers in PyTorch's layout: the path of a field is the key of its tensor in a checkpoint.

mod activation;
mod attention;
mod conv;
pub(crate) mod dispatch;
mod inverted_residual;
mod linear;
mod low_rank;
mod norm;
mod resample;
mod resnet;

pub use activation::{Activation, geglu, gelu_exact, quick_gelu};
pub use attention::{KeyBias, attend, attend_composed};
pub use conv::{Conv2d, Conv2dConfig, conv2d};
pub use dispatch::MAX_DISPATCH_FLOP;
pub use inverted_residual::{InvertedResidual, padding as mobile_padding};
pub use linear::{Embedding, Linear};
pub use low_rank::{
    ATTENTION_MODULES, CONVOLUTION_MODULES, LoraConfig, LowRankConv2d, LowRankLinear,
};
pub use norm::{GroupNorm, LayerNorm};
pub(crate) use norm::{as_f32, in_type};
pub use resample::{pixel_shuffle, pixel_unshuffle, upsample_nearest_2x};
pub use resnet::{Downsample2D, ResnetBlock2D, ResnetConfig, Upsample2D};
