//! diffusers' `AutoencoderTiny`: the distilled TAESD in place of the KL autoencoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

use super::AutoencoderTinyConfig;
use crate::Result;
use crate::nn::{Activation, Conv2d, Conv2dConfig, upsample_nearest_2x};
use crate::weights::Loader;

/// A small autoencoder that maps to (nearly) the same latents as Stable Diffusion's.
#[derive(Module, Debug)]
pub struct AutoencoderTiny {
    encoder: Sequence,
    decoder: Sequence,
    #[module(skip)]
    config: AutoencoderTinyConfig,
}

impl AutoencoderTiny {
    /// Reads (or draws) all tensors.
    ///
    /// # Errors
    /// A configuration that is not implemented; missing or misshapen tensors.
    pub fn load(config: &AutoencoderTinyConfig, loader: &Loader) -> Result<Self> {
        config.validate()?;
        let act = Activation::from_name("AutoencoderTiny", "act_fn", &config.act_fn)?;
        Ok(Self {
            encoder: Sequence::load(
                &loader.prefix("encoder").prefix("layers"),
                act,
                &encoder_plan(config),
            )?,
            decoder: Sequence::load(
                &loader.prefix("decoder").prefix("layers"),
                act,
                &decoder_plan(config),
            )?,
            config: config.clone(),
        })
    }

    /// Fresh weights, drawn from `seed`.
    ///
    /// # Errors
    /// A configuration that is not implemented.
    pub fn init(config: &AutoencoderTinyConfig, seed: u64, device: &Device) -> Result<Self> {
        Self::load(config, &Loader::random(seed, device))
    }

    /// The configuration that it was made from.
    pub fn config(&self) -> &AutoencoderTinyConfig {
        &self.config
    }

    /// # Shapes
    /// `[batch, 3, H, W]` in −1..1 to `[batch, C, H/8, W/8]` (four levels).
    pub fn encode(&self, input: Tensor<4>) -> Tensor<4> {
        self.encoder.forward((input + 1.0) / 2.0)
    }

    /// # Shapes
    /// `[batch, C, h, w]` to `[batch, 3, 8h, 8w]` (four levels), about −1..1.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        let bounded = activation::tanh(latents / 3.0) * 3.0;
        self.decoder.forward(bounded) * 2.0 - 1.0
    }
}

/// What stands at one place of a `torch.nn.Sequential`.
#[derive(Clone, Copy)]
enum Step {
    Conv(Conv2dConfig),
    Block(usize),
    Activation,
    Upsample,
}

fn encoder_plan(config: &AutoencoderTinyConfig) -> Vec<Step> {
    let channels = config.encoder_block_out_channels[0];
    let mut plan = Vec::new();
    for (level, blocks) in config.num_encoder_blocks.iter().enumerate() {
        plan.push(Step::Conv(if level == 0 {
            Conv2dConfig::same3(config.in_channels, channels)
        } else {
            Conv2dConfig::same3(channels, channels)
                .strided(2, (1, 1))
                .without_bias()
        }));
        plan.extend(vec![Step::Block(channels); *blocks]);
    }
    plan.push(Step::Conv(Conv2dConfig::same3(
        channels,
        config.latent_channels,
    )));
    plan
}

fn decoder_plan(config: &AutoencoderTinyConfig) -> Vec<Step> {
    let channels = config.decoder_block_out_channels[0];
    let levels = config.num_decoder_blocks.len();
    let first = Conv2dConfig::same3(config.latent_channels, channels);
    let mut plan = vec![Step::Conv(first), Step::Activation];
    for (level, blocks) in config.num_decoder_blocks.iter().enumerate() {
        plan.extend(vec![Step::Block(channels); *blocks]);
        if level + 1 < levels {
            let conv = Conv2dConfig::same3(channels, channels).without_bias();
            plan.extend([Step::Upsample, Step::Conv(conv)]);
        } else {
            plan.push(Step::Conv(Conv2dConfig::same3(
                channels,
                config.out_channels,
            )));
        }
    }
    plan
}

/// A `torch.nn.Sequential`, whose places without weights are `None`.
#[derive(Module, Debug)]
struct Sequence {
    layers: Vec<Option<TinyLayer>>,
    #[module(skip)]
    steps: Vec<StepKind>,
    #[module(skip)]
    activation: Activation,
}

#[derive(Debug, Clone, Copy)]
enum StepKind {
    Weights,
    Activation,
    Upsample,
}

#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "some twenty per model; modules cannot be boxed"
)]
enum TinyLayer {
    Conv(Conv2d),
    Block(AutoencoderTinyBlock),
}

impl Sequence {
    fn load(loader: &Loader, activation: Activation, plan: &[Step]) -> Result<Self> {
        let layer = |(i, step): (usize, &Step)| {
            let loader = loader.prefix(i);
            Ok(match *step {
                Step::Conv(config) => Some(TinyLayer::Conv(Conv2d::load(&loader, config)?)),
                Step::Block(channels) => Some(TinyLayer::Block(AutoencoderTinyBlock::load(
                    &loader, channels, activation,
                )?)),
                Step::Activation | Step::Upsample => None,
            })
        };
        let kind = |step: &Step| match step {
            Step::Conv(_) | Step::Block(_) => StepKind::Weights,
            Step::Activation => StepKind::Activation,
            Step::Upsample => StepKind::Upsample,
        };
        Ok(Self {
            layers: plan.iter().enumerate().map(layer).collect::<Result<_>>()?,
            steps: plan.iter().map(kind).collect(),
            activation,
        })
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut hidden = input;
        for (layer, step) in self.layers.iter().zip(&self.steps) {
            let [_, _, height, width] = hidden.dims();
            hidden = match (layer, step) {
                (Some(TinyLayer::Conv(conv)), _) => conv.forward(hidden),
                (Some(TinyLayer::Block(block)), _) => block.forward(hidden),
                (None, StepKind::Upsample) => upsample_nearest_2x(hidden, [2 * height, 2 * width]),
                (None, _) => self.activation.forward(hidden),
            };
        }
        hidden
    }
}

/// Three convolutions around a residual connection; `conv` has the activations at places 1 and 3.
#[derive(Module, Debug)]
struct AutoencoderTinyBlock {
    conv: Vec<Option<Conv2d>>,
    #[module(skip)]
    activation: Activation,
}

impl AutoencoderTinyBlock {
    fn load(loader: &Loader, channels: usize, activation: Activation) -> Result<Self> {
        let config = Conv2dConfig::same3(channels, channels);
        let conv = (0..5)
            .map(|i| {
                let loader = loader.prefix("conv").prefix(i);
                (i % 2 == 0)
                    .then(|| Conv2d::load(&loader, config))
                    .transpose()
            })
            .collect::<Result<_>>()?;
        Ok(Self { conv, activation })
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let hidden = self
            .conv
            .iter()
            .fold(input.clone(), |hidden, layer| match layer {
                Some(conv) => conv.forward(hidden),
                None => self.activation.forward(hidden),
            });
        activation::relu(hidden + input)
    }
}
