//! diffusers' configuration of the U-Net.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Result;
use crate::config::PerLevel;
use crate::config::{parse, value_error};
use crate::nn::Activation;

const UNET: &str = "UNet2DConditionModel";

/// `config.json` of a `UNet2DConditionModel`. Lists run from the outermost level to the innermost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNet2DConditionConfig {
    /// Channels of the input: 9 for Stable Diffusion inpainting.
    pub in_channels: usize,
    /// Channels of the prediction: those of the latents.
    pub out_channels: usize,
    /// Whether cosines come before sines in the embedding of the timestep.
    pub flip_sin_to_cos: bool,
    /// Shift of the frequencies of this embedding.
    pub freq_shift: f64,
    /// `CrossAttnDownBlock2D` or `DownBlock2D` per level.
    pub down_block_types: Vec<String>,
    /// `CrossAttnUpBlock2D` or `UpBlock2D` per level, innermost first.
    pub up_block_types: Vec<String>,
    /// Channels per level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks per level on the way down; one more on the way up.
    pub layers_per_block: PerLevel<usize>,
    /// Activation.
    pub act_fn: String,
    /// Groups of the norms.
    pub norm_num_groups: usize,
    /// Constant of the norms.
    pub norm_eps: f64,
    /// Width of the text context.
    pub cross_attention_dim: PerLevel<usize>,
    /// Transformer blocks per attention.
    pub transformer_layers_per_block: PerLevel<usize>,
    /// Number of attention **heads**, whatever the name says: diffusers keeps the old misnomer.
    pub attention_head_dim: PerLevel<usize>,
    /// Linear maps instead of 1×1 convolutions around the transformer blocks.
    pub use_linear_projection: bool,
    /// Width of the embedding of the timestep; four times the first level's channels by default.
    pub time_embedding_dim: Option<usize>,
}

impl Default for UNet2DConditionConfig {
    fn default() -> Self {
        let cross = |kind: &str| vec![kind.to_owned(); 3];
        let mut down_block_types = cross("CrossAttnDownBlock2D");
        down_block_types.push("DownBlock2D".to_owned());
        let mut up_block_types = vec!["UpBlock2D".to_owned()];
        up_block_types.extend(cross("CrossAttnUpBlock2D"));
        Self {
            in_channels: 4,
            out_channels: 4,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types,
            up_block_types,
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerLevel::One(2),
            act_fn: "silu".into(),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: PerLevel::One(1280),
            transformer_layers_per_block: PerLevel::One(1),
            attention_head_dim: PerLevel::One(8),
            use_linear_projection: false,
            time_embedding_dim: None,
        }
    }
}

/// Options of diffusers' class with one implemented value each.
fn fixed_options() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("_class_name", vec![json!(UNET)]),
        ("center_input_sample", vec![json!(false)]),
        ("mid_block_type", vec![json!("UNetMidBlock2DCrossAttn")]),
        ("only_cross_attention", vec![json!(false)]),
        ("mid_block_only_cross_attention", vec![json!(false)]),
        ("downsample_padding", vec![json!(1)]),
        ("mid_block_scale_factor", vec![json!(1)]),
        // Dropout is off at inference; nothing here trains with it.
        ("dropout", vec![json!(0)]),
        ("dual_cross_attention", vec![json!(false)]),
        ("num_attention_heads", vec![]),
        ("encoder_hid_dim", vec![]),
        ("encoder_hid_dim_type", vec![]),
        ("reverse_transformer_layers_per_block", vec![]),
        ("class_embed_type", vec![]),
        ("num_class_embeds", vec![]),
        ("addition_embed_type", vec![]),
        ("addition_time_embed_dim", vec![]),
        ("projection_class_embeddings_input_dim", vec![]),
        ("class_embeddings_concat", vec![json!(false)]),
        // The softmax is always computed in f32 here.
        ("upcast_attention", vec![json!(false), json!(true)]),
        ("resnet_time_scale_shift", vec![json!("default")]),
        ("resnet_skip_time_act", vec![json!(false)]),
        ("resnet_out_scale_factor", vec![json!(1)]),
        ("time_embedding_type", vec![json!("positional")]),
        ("time_embedding_act_fn", vec![]),
        ("timestep_post_act", vec![]),
        ("time_cond_proj_dim", vec![]),
        ("conv_in_kernel", vec![json!(3)]),
        ("conv_out_kernel", vec![json!(3)]),
        ("attention_type", vec![json!("default")]),
        ("cross_attention_norm", vec![]),
    ]
}

/// Sizes of one level, resolved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub channels: usize,
    pub layers: usize,
    pub heads: usize,
    pub transformers: usize,
    pub context: usize,
}

impl UNet2DConditionConfig {
    /// Parses diffusers' JSON and checks it.
    ///
    /// # Errors
    /// No JSON of this form, or an option with a value that is not implemented.
    pub fn from_json(json: &str) -> Result<Self> {
        let fixed = fixed_options();
        let fixed: Vec<(&str, &[Value])> = fixed.iter().map(|(k, v)| (*k, v.as_slice())).collect();
        let config: Self = parse(UNET, json, &fixed)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the options fit each other.
    ///
    /// # Errors
    /// The first option that does not, by name.
    pub fn validate(&self) -> Result<()> {
        Activation::from_name(UNET, "act_fn", &self.act_fn)?;
        let levels = self.block_out_channels.len();
        if !(1..=8).contains(&levels) {
            return Err(value_error(
                UNET,
                "block_out_channels",
                format!("{levels} levels"),
                "1 to 8 levels",
            ));
        }
        for (option, types, kinds) in [
            (
                "down_block_types",
                &self.down_block_types,
                ["CrossAttnDownBlock2D", "DownBlock2D"],
            ),
            (
                "up_block_types",
                &self.up_block_types,
                ["CrossAttnUpBlock2D", "UpBlock2D"],
            ),
        ] {
            if let Some(other) = types.iter().find(|name| !kinds.contains(&name.as_str())) {
                return Err(value_error(UNET, option, other, kinds.join(", ")));
            }
            if types.len() != levels {
                return Err(value_error(
                    UNET,
                    option,
                    format!("{} blocks", types.len()),
                    format!("{levels} blocks"),
                ));
            }
        }
        for level in self.levels()? {
            if level.heads == 0 || !level.channels.is_multiple_of(level.heads) {
                let supported = format!(
                    "a divisor of {} channels (it is the number of heads)",
                    level.channels
                );
                return Err(value_error(
                    UNET,
                    "attention_head_dim",
                    level.heads,
                    supported,
                ));
            }
        }
        Ok(())
    }

    /// Whether level `level` has attention on the way down.
    pub(super) fn down_attends(&self, level: usize) -> bool {
        self.down_block_types[level] == "CrossAttnDownBlock2D"
    }

    /// Whether the `block`-th block on the way up has attention.
    pub(super) fn up_attends(&self, block: usize) -> bool {
        self.up_block_types[block] == "CrossAttnUpBlock2D"
    }

    pub(super) fn levels(&self) -> Result<Vec<Level>> {
        let count = self.block_out_channels.len();
        let layers = self
            .layers_per_block
            .expand(UNET, "layers_per_block", count)?;
        let heads = self
            .attention_head_dim
            .expand(UNET, "attention_head_dim", count)?;
        let context = self
            .cross_attention_dim
            .expand(UNET, "cross_attention_dim", count)?;
        let option = "transformer_layers_per_block";
        let transformers = self
            .transformer_layers_per_block
            .expand(UNET, option, count)?;
        Ok((0..count)
            .map(|i| Level {
                channels: self.block_out_channels[i],
                layers: layers[i],
                heads: heads[i],
                transformers: transformers[i],
                context: context[i],
            })
            .collect())
    }

    /// Width of the embedding of the timestep.
    pub(super) fn time_width(&self) -> usize {
        self.time_embedding_dim
            .unwrap_or(4 * self.block_out_channels[0])
    }

    /// Width of the text context.
    pub fn context_width(&self) -> usize {
        self.cross_attention_dim.get(0).unwrap_or(0)
    }
}
