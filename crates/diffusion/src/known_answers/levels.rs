//! At which side of its pictures a model does what, read off the names of its tensors.

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::checkpoint::{ModelParts, UNET, VAE};
use crate::unet::UNet2DConditionConfig;
use crate::vae::{AutoencoderKlConfig, AutoencoderTinyConfig};

/// What the networks do with pictures of one side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LevelWidths {
    /// Outputs, inputs, kernel side and stride of convolutions.
    pub convolutions: BTreeSet<[usize; 4]>,
    /// Outputs and inputs of linear maps over as many tokens as there are pixels.
    pub linears: BTreeSet<[usize; 2]>,
    /// Channels and groups of group norms.
    pub group_norms: BTreeSet<[usize; 2]>,
    /// Widths of layer norms over the tokens.
    pub layer_norms: BTreeSet<usize>,
    /// Width and heads of self-attention over the tokens.
    pub attentions: BTreeSet<[usize; 2]>,
    /// Channels of what is upsampled from here.
    pub upsamplings: BTreeSet<usize>,
    /// Channels of each of two pictures that are joined, rounded down where they differ.
    pub concatenations: BTreeSet<usize>,
}

/// Levels by the side of their pictures.
pub type Levels = BTreeMap<usize, LevelWidths>;

/// A network whose tensors are named after its levels.
struct Network {
    /// Sides of the pictures, outermost first; never empty.
    sides: Vec<usize>,
    /// Heads of self-attention, likewise.
    heads: Vec<usize>,
    groups: usize,
}

/// The levels for square photos of the model's own size.
pub fn read(parts: &ModelParts) -> Result<Levels> {
    let mut levels = Levels::new();
    let photo = parts.config.image_size;
    let class = parts.configs.get(VAE).and_then(|config| {
        let class = config.get("_class_name")?;
        class.as_str()
    });
    let latents = if class == Some("AutoencoderTiny") {
        let config = AutoencoderTinyConfig::from_json(&parts.config_json(VAE)?)?;
        add_tiny(&mut levels, &config, photo)
    } else {
        let config = AutoencoderKlConfig::from_json(&parts.config_json(VAE)?)?;
        let count = config.block_out_channels.len();
        let network = Network {
            sides: sides(photo / parts.config.pixel_unshuffle.max(1), count),
            heads: vec![1; count],
            groups: config.norm_num_groups,
        };
        network.add(&mut levels, parts, VAE)?;
        network.inner(0)
    };
    let config = UNet2DConditionConfig::from_json(&parts.config_json(UNET)?)?;
    let count = config.block_out_channels.len();
    let heads = |level| config.attention_head_dim.get(level).unwrap_or(1);
    let network = Network {
        sides: sides(latents, count),
        heads: (0..count).map(heads).collect(),
        groups: config.norm_num_groups,
    };
    network.add(&mut levels, parts, UNET)?;
    Ok(levels)
}

/// `outermost` and what strides of two make of it.
fn sides(outermost: usize, count: usize) -> Vec<usize> {
    let halved = std::iter::successors(Some(outermost), |side| Some(side.div_ceil(2)));
    halved.take(count.max(1)).collect()
}

/// The small autoencoder has one width and numbers its layers through. Returns the side of its latents.
fn add_tiny(levels: &mut Levels, config: &AutoencoderTinyConfig, photo: usize) -> usize {
    let widths = &config.encoder_block_out_channels;
    let sides = sides(photo, widths.len());
    for (index, (&side, &width)) in sides.iter().zip(widths).enumerate() {
        let level = levels.entry(side).or_default();
        level.convolutions.insert([width, width, 3, 1]);
        if index == 0 {
            level.convolutions.insert([width, config.in_channels, 3, 1]);
        } else {
            level.upsamplings.insert(width);
        }
        if index + 1 < sides.len() {
            level.convolutions.insert([width, width, 3, 2]);
        } else {
            let latent = config.latent_channels;
            level.convolutions.insert([latent, width, 3, 1]);
        }
    }
    sides.last().copied().unwrap_or(photo)
}

impl Network {
    /// Side of the `from_inside`-th level as counted from the innermost.
    fn inner(&self, from_inside: usize) -> usize {
        self.sides[(self.sides.len() - 1).saturating_sub(from_inside)]
    }

    /// The level of a tensor, 0 for the outermost; `None` for one that sees no picture.
    fn level_of(&self, name: &str) -> Option<usize> {
        let innermost = self.sides.len() - 1;
        let (half, name) = match name.split_once('.') {
            Some((half @ ("encoder" | "decoder"), rest)) => (Some(half), rest),
            _ => (None, name),
        };
        let mut path = name.split('.');
        let block = path.next()?;
        let index = path.next().and_then(|index| index.parse::<usize>().ok());
        match (half, block) {
            (_, "down_blocks") => index.filter(|index| *index <= innermost),
            (_, "up_blocks") => innermost.checked_sub(index?),
            (_, "mid_block") | (None, "quant_conv" | "post_quant_conv") => Some(innermost),
            (None, "conv_in" | "conv_out" | "conv_norm_out")
            | (Some("encoder"), "conv_in")
            | (Some("decoder"), "conv_out" | "conv_norm_out") => Some(0),
            (Some(_), "conv_in" | "conv_out" | "conv_norm_out") => Some(innermost),
            _ => None,
        }
    }

    /// Adds what a component's tensors are used for.
    fn add(&self, levels: &mut Levels, parts: &ModelParts, component: &str) -> Result<()> {
        let source = parts.source(component)?;
        for name in source.names() {
            let shape = source.shape(&name);
            // The text's keys and values are no pictures; biases are as wide as their weights.
            let of_text = name.contains("attn2.to_k") || name.contains("attn2.to_v");
            if let (Some(level), Some(shape), false) = (self.level_of(&name), shape, of_text)
                && name.ends_with(".weight")
            {
                self.add_tensor(levels, component, &name, &shape, level);
            }
        }
        Ok(())
    }

    fn add_tensor(
        &self,
        levels: &mut Levels,
        component: &str,
        name: &str,
        shape: &[usize],
        index: usize,
    ) {
        let side = self.sides[index];
        let level = levels.entry(side).or_default();
        match *shape {
            [_, inputs, _, _] if name.contains(".upsamplers.") => {
                level.upsamplings.insert(inputs);
                let outer = levels
                    .entry(self.sides[index.saturating_sub(1)])
                    .or_default();
                outer.convolutions.insert([shape[0], inputs, shape[2], 1]);
            }
            [outputs, inputs, kernel, _] => {
                let stride = 1 + usize::from(name.contains(".downsamplers."));
                level.convolutions.insert([outputs, inputs, kernel, stride]);
            }
            [outputs, inputs] if name.contains(".attentions.") => {
                level.linears.insert([outputs, inputs]);
                if name.ends_with("to_q.weight") && !name.contains("attn2") {
                    level.attentions.insert([outputs, self.heads[index]]);
                }
            }
            [width] if name.contains(".transformer_blocks.") => {
                level.layer_norms.insert(width);
            }
            [channels] if name.contains("norm") => {
                level.group_norms.insert([channels, self.groups]);
                // Residual blocks on the way up begin with a norm of what came up and a skip.
                if component == UNET && name.starts_with("up_blocks") && name.contains(".norm1.") {
                    level.concatenations.insert(channels / 2);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_stable_diffusion_are_placed_by_their_names() {
        let network = Network {
            sides: sides(64, 4),
            heads: vec![8; 4],
            groups: 32,
        };
        assert_eq!(network.sides, [64, 32, 16, 8]);
        for (name, level) in [
            ("conv_in.weight", Some(0)),
            ("conv_out.weight", Some(0)),
            ("down_blocks.1.resnets.0.conv1.weight", Some(1)),
            ("mid_block.resnets.0.conv1.weight", Some(3)),
            ("up_blocks.0.resnets.0.norm1.weight", Some(3)),
            ("up_blocks.3.resnets.0.norm1.weight", Some(0)),
            ("up_blocks.4.resnets.0.norm1.weight", None),
            ("time_embedding.linear_1.weight", None),
            ("encoder.conv_in.weight", Some(0)),
            ("encoder.conv_out.weight", Some(3)),
            ("decoder.conv_in.weight", Some(3)),
            ("decoder.up_blocks.2.upsamplers.0.conv.weight", Some(1)),
            ("decoder.conv_norm_out.weight", Some(0)),
            ("post_quant_conv.weight", Some(3)),
        ] {
            assert_eq!(network.level_of(name), level, "{name}");
        }
        let mut levels = Levels::new();
        let upsampler = "decoder.up_blocks.2.upsamplers.0.conv.weight";
        network.add_tensor(&mut levels, VAE, upsampler, &[256, 256, 3, 3], 1);
        assert!(levels[&32].upsamplings.contains(&256));
        assert!(levels[&64].convolutions.contains(&[256, 256, 3, 1]));
        let downsampler = "encoder.down_blocks.0.downsamplers.0.conv.weight";
        network.add_tensor(&mut levels, VAE, downsampler, &[128, 128, 3, 3], 0);
        assert!(levels[&64].convolutions.contains(&[128, 128, 3, 2]));
    }
}
