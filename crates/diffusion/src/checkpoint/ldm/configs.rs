//! diffusers' configurations, read off the shapes of an LDM checkpoint.
//!
//! What shapes do not say is what every Stable Diffusion 1.x and 2.x has: 32 groups per norm, 8
//! attention heads in SD 1 and heads of 64 channels in SD 2, the schedule, the scale of the latents.
//!
//! Source: the YAML files of the original code (`v1-inpainting-inference.yaml`,
//! `v2-inpainting-inference.yaml`), as diffusers translates them.

use serde_json::{Value, json};

use super::{Generation, unsupported};
use crate::Result;
use crate::weights::TensorSource;

/// Channels of an attention head of SD 2 and of every CLIP.
const HEAD: usize = 64;
/// A checkpoint with more levels, layers or blocks than this is none of ours.
const MOST: usize = 64;

/// Reads sizes off a source, naming what is missing.
struct Shapes<'a> {
    what: &'a str,
    source: &'a dyn TensorSource,
}

impl Shapes<'_> {
    /// Size of a tensor along one of its dimensions.
    fn size(&self, name: &str, dimension: usize) -> Result<usize> {
        let shape = self.source.shape(name);
        shape
            .as_ref()
            .and_then(|shape| shape.get(dimension).copied())
            .ok_or_else(|| {
                unsupported(
                    self.what,
                    format!(
                        "has no tensor for `{name}` with {} or more dimensions",
                        dimension + 1
                    ),
                )
            })
    }

    fn has(&self, name: &str) -> bool {
        self.source.shape(name).is_some()
    }

    /// How many of `name(0)`, `name(1)`, … there are.
    fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..MOST).take_while(|n| self.has(&name(*n))).count()
    }
}

fn heads(channels: usize) -> usize {
    (channels / HEAD).max(1)
}

pub(super) fn unet(what: &str, generation: Generation, source: &dyn TensorSource) -> Result<Value> {
    let shapes = Shapes { what, source };
    let levels = shapes.count(|level| format!("down_blocks.{level}.resnets.0.conv1.weight"));
    let (mut channels, mut layers, mut depths, mut crossed) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut projection = None;
    for level in 0..levels {
        let down = format!("down_blocks.{level}");
        channels.push(shapes.size(&format!("{down}.resnets.0.conv1.weight"), 0)?);
        layers.push(shapes.count(|layer| format!("{down}.resnets.{layer}.conv1.weight")));
        let attention = format!("{down}.attentions.0");
        crossed.push(shapes.has(&format!("{attention}.proj_in.weight")));
        depths.push(depth(&shapes, &attention).max(1));
        if let Some(shape) = source.shape(&format!("{attention}.proj_in.weight")) {
            projection = Some(shape.len() == 2);
        }
    }
    let types = |cross: &str, plain: &str| -> Vec<String> {
        let name = |crossed: &bool| (if *crossed { cross } else { plain }).to_owned();
        crossed.iter().map(name).collect()
    };
    let mut up = types("CrossAttnUpBlock2D", "UpBlock2D");
    up.reverse();
    let attention_heads = match generation {
        Generation::One => json!(8),
        Generation::Two => json!(channels.iter().map(|c| heads(*c)).collect::<Vec<_>>()),
    };
    let context = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight";
    Ok(json!({
        "_class_name": "UNet2DConditionModel",
        "in_channels": shapes.size("conv_in.weight", 1)?,
        "out_channels": shapes.size("conv_out.weight", 0)?,
        "block_out_channels": channels,
        "layers_per_block": layers,
        "transformer_layers_per_block": depths,
        "down_block_types": types("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": up,
        "cross_attention_dim": shapes.size(context, 1)?,
        "attention_head_dim": attention_heads,
        "use_linear_projection": projection.unwrap_or(generation == Generation::Two),
        "time_embedding_dim": shapes.size("time_embedding.linear_1.weight", 0)?,
    }))
}

fn depth(shapes: &Shapes, attention: &str) -> usize {
    shapes.count(|n| format!("{attention}.transformer_blocks.{n}.norm1.weight"))
}

pub(in crate::checkpoint) fn autoencoder(what: &str, source: &dyn TensorSource) -> Result<Value> {
    let shapes = Shapes { what, source };
    let conv = |level: usize, layer: usize| {
        format!("encoder.down_blocks.{level}.resnets.{layer}.conv1.weight")
    };
    let levels = shapes.count(|level| conv(level, 0));
    let channels = (0..levels)
        .map(|level| shapes.size(&conv(level, 0), 0))
        .collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "_class_name": "AutoencoderKL",
        "in_channels": shapes.size("encoder.conv_in.weight", 1)?,
        "out_channels": shapes.size("decoder.conv_out.weight", 0)?,
        "block_out_channels": channels,
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
        "layers_per_block": shapes.count(|layer| conv(0, layer)),
        "latent_channels": shapes.size("post_quant_conv.weight", 0)?,
        "scaling_factor": 0.18215,
    }))
}

pub(super) fn text_encoder(
    what: &str,
    generation: Generation,
    source: &dyn TensorSource,
) -> Result<Value> {
    let shapes = Shapes { what, source };
    let embedding = "text_model.embeddings.token_embedding.weight";
    let layer = |layer: usize| format!("text_model.encoder.layers.{layer}.mlp.fc1.weight");
    let width = shapes.size(embedding, 1)?;
    Ok(json!({
        "model_type": "clip_text_model",
        "vocab_size": shapes.size(embedding, 0)?,
        "hidden_size": width,
        "intermediate_size": shapes.size(&layer(0), 0)?,
        "num_hidden_layers": shapes.count(layer),
        "num_attention_heads": heads(width),
        "max_position_embeddings":
            shapes.size("text_model.embeddings.position_embedding.weight", 0)?,
        "hidden_act": match generation {
            Generation::One => "quick_gelu",
            Generation::Two => "gelu",
        },
    }))
}

/// Stable Diffusion's schedule; `velocity` for models that predict v instead of ε.
pub(super) fn scheduler(velocity: bool) -> Value {
    json!({
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": false,
        "set_alpha_to_one": false,
        "steps_offset": 1,
        "prediction_type": if velocity { "v_prediction" } else { "epsilon" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_those_of_stable_diffusion_2() {
        assert_eq!(
            [320, 640, 1280, 1280].map(heads),
            [5, 10, 20, 20],
            "attention_head_dim of stabilityai/stable-diffusion-2-inpainting"
        );
        assert_eq!([768, 1024, 32].map(heads), [12, 16, 1]);
    }
}
