//! diffusers' configurations of the two autoencoders.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{parse, value_error};
use crate::nn::Activation;
use crate::{DiffusionError, Result};

const KL: &str = "AutoencoderKL";
const TINY: &str = "AutoencoderTiny";

/// `config.json` of an `AutoencoderKL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoencoderKlConfig {
    /// Channels of the encoder's input.
    pub in_channels: usize,
    /// Channels of the decoder's output.
    pub out_channels: usize,
    /// One `DownEncoderBlock2D` per level.
    pub down_block_types: Vec<String>,
    /// One `UpDecoderBlock2D` per level.
    pub up_block_types: Vec<String>,
    /// Channels of each level, outermost first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks per level of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// Activation.
    pub act_fn: String,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Groups of every norm.
    pub norm_num_groups: usize,
    /// What latents are multiplied with.
    pub scaling_factor: f64,
    /// What is subtracted from latents first.
    pub shift_factor: Option<f64>,
    /// Mean of each latent channel.
    pub latents_mean: Option<Vec<f32>>,
    /// Standard deviation of each latent channel.
    pub latents_std: Option<Vec<f32>>,
    /// A 1×1 convolution after the encoder.
    pub use_quant_conv: bool,
    /// A 1×1 convolution before the decoder.
    pub use_post_quant_conv: bool,
    /// Self-attention between the residual blocks in the middle.
    pub mid_block_add_attention: bool,
}

impl Default for AutoencoderKlConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".into(),
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

impl AutoencoderKlConfig {
    /// Parses diffusers' JSON and checks it.
    ///
    /// # Errors
    /// No JSON of this form, or an option with a value that is not implemented.
    pub fn from_json(json: &str) -> Result<Self> {
        let config: Self = parse(KL, json, &[("_class_name", &[json!(KL)])])?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the options fit each other.
    ///
    /// # Errors
    /// The first option that does not, by name.
    pub fn validate(&self) -> Result<()> {
        Activation::from_name(KL, "act_fn", &self.act_fn)?;
        let levels = self.block_out_channels.len();
        check_levels(KL, "block_out_channels", levels)?;
        check_types(
            KL,
            "down_block_types",
            &self.down_block_types,
            "DownEncoderBlock2D",
            levels,
        )?;
        check_types(
            KL,
            "up_block_types",
            &self.up_block_types,
            "UpDecoderBlock2D",
            levels,
        )?;
        for (option, value) in [
            ("latents_mean", &self.latents_mean),
            ("latents_std", &self.latents_std),
        ] {
            let numbers = value.as_ref().map_or(self.latent_channels, Vec::len);
            if numbers != self.latent_channels {
                let expected = format!("{} numbers", self.latent_channels);
                return Err(value_error(
                    KL,
                    option,
                    format!("{numbers} numbers"),
                    expected,
                ));
            }
        }
        if self.latents_mean.is_some() != self.latents_std.is_some() {
            let got = format!("{:?}", self.latents_std);
            return Err(value_error(
                KL,
                "latents_std",
                got,
                "given together with latents_mean",
            ));
        }
        check_scale(KL, self.scaling_factor)
    }
}

/// `config.json` of an `AutoencoderTiny`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoencoderTinyConfig {
    /// Channels of the encoder's input.
    pub in_channels: usize,
    /// Channels of the decoder's output.
    pub out_channels: usize,
    /// Channels of each level of the encoder, all equal.
    pub encoder_block_out_channels: Vec<usize>,
    /// Channels of each level of the decoder, all equal.
    pub decoder_block_out_channels: Vec<usize>,
    /// Activation.
    pub act_fn: String,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Residual blocks of each level of the encoder.
    pub num_encoder_blocks: Vec<usize>,
    /// Residual blocks of each level of the decoder.
    pub num_decoder_blocks: Vec<usize>,
    /// What latents are multiplied with.
    pub scaling_factor: f64,
    /// What is subtracted from latents first.
    pub shift_factor: f64,
}

impl Default for AutoencoderTinyConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            encoder_block_out_channels: vec![64; 4],
            decoder_block_out_channels: vec![64; 4],
            act_fn: "relu".into(),
            latent_channels: 4,
            num_encoder_blocks: vec![1, 3, 3, 3],
            num_decoder_blocks: vec![3, 3, 3, 1],
            scaling_factor: 1.0,
            shift_factor: 0.0,
        }
    }
}

impl AutoencoderTinyConfig {
    /// Parses diffusers' JSON and checks it.
    ///
    /// # Errors
    /// No JSON of this form, or an option with a value that is not implemented.
    pub fn from_json(json: &str) -> Result<Self> {
        let fixed: [(&str, &[Value]); 3] = [
            ("_class_name", &[json!(TINY)]),
            ("upsampling_scaling_factor", &[json!(2)]),
            ("upsample_fn", &[json!("nearest")]),
        ];
        let config: Self = parse(TINY, json, &fixed)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the options fit each other.
    ///
    /// # Errors
    /// The first option that does not, by name.
    pub fn validate(&self) -> Result<()> {
        Activation::from_name(TINY, "act_fn", &self.act_fn)?;
        let pairs = [
            (
                "num_encoder_blocks",
                &self.encoder_block_out_channels,
                &self.num_encoder_blocks,
            ),
            (
                "num_decoder_blocks",
                &self.decoder_block_out_channels,
                &self.num_decoder_blocks,
            ),
        ];
        for (option, channels, blocks) in pairs {
            check_levels(TINY, option, blocks.len())?;
            if channels.len() != blocks.len() || channels.iter().any(|c| *c != channels[0]) {
                let expected = format!("one number for each of the equal {channels:?}");
                return Err(value_error(TINY, option, format!("{blocks:?}"), expected));
            }
        }
        if self.num_encoder_blocks.len() != self.num_decoder_blocks.len() {
            let expected = format!("{} levels, as the encoder", self.num_encoder_blocks.len());
            let got = format!("{:?}", self.num_decoder_blocks);
            return Err(value_error(TINY, "num_decoder_blocks", got, expected));
        }
        check_scale(TINY, self.scaling_factor)
    }
}

fn check_levels(component: &'static str, option: &str, levels: usize) -> Result<()> {
    if (1..=8).contains(&levels) {
        return Ok(());
    }
    Err(value_error(
        component,
        option,
        format!("{levels} levels"),
        "1 to 8 levels",
    ))
}

fn check_types(
    component: &'static str,
    option: &str,
    types: &[String],
    supported: &str,
    levels: usize,
) -> Result<()> {
    match types.iter().find(|name| *name != supported) {
        Some(other) => Err(value_error(component, option, other, supported)),
        None if types.len() == levels => Ok(()),
        None => {
            let expected = format!("{levels} × {supported}");
            Err(value_error(
                component,
                option,
                format!("{} blocks", types.len()),
                expected,
            ))
        }
    }
}

fn check_scale(component: &'static str, factor: f64) -> std::result::Result<(), DiffusionError> {
    if factor.is_finite() && factor > 0.0 {
        return Ok(());
    }
    Err(value_error(
        component,
        "scaling_factor",
        factor,
        "a positive number",
    ))
}
