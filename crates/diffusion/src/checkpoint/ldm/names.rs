//! Which tensor of an LDM checkpoint is which of diffusers'.
//!
//! Source: diffusers `loaders/single_file_utils.py` (`convert_ldm_unet_checkpoint`,
//! `convert_ldm_vae_checkpoint`, `convert_open_clip_checkpoint`), which looks every name up in the
//! configuration; here the numbered blocks are walked instead, so that none is needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::gathered::Stored;

/// diffusers' name → place.
pub(super) type Places = BTreeMap<String, Stored>;

/// Full names with what follows the component's prefix.
type Names<'a> = [(&'a str, &'a str)];

/// Modules by their LDM prefix: `input_blocks.1.0` → `down_blocks.0.resnets.0`.
#[derive(Default)]
struct Modules(BTreeMap<String, String>);

impl Modules {
    fn add(&mut self, ldm: impl Into<String>, diffusers: impl Into<String>) {
        self.0.insert(ldm.into(), diffusers.into());
    }

    /// The longest module that `name` is in: its name at diffusers, and the rest.
    fn find<'a>(&self, name: &'a str) -> Option<(&str, &'a str)> {
        let ends = name.match_indices('.').map(|(at, _)| at).rev();
        ends.filter_map(|end| {
            let module = self.0.get(&name[..end])?;
            Some((module.as_str(), &name[end + 1..]))
        })
        .next()
    }
}

fn places(names: &Names, modules: &Modules, inside: impl Fn(&str, &str) -> String) -> Places {
    let place = |(full, name): &(&str, &str)| {
        let (module, rest) = modules.find(name)?;
        Some((
            format!("{module}.{}", inside(module, rest)),
            Stored::whole(full),
        ))
    };
    names.iter().filter_map(place).collect()
}

/// The U-Net's tensors. Blocks are numbered through in LDM: convolution, residual blocks with or
/// without attention, down- or upsampling, level by level.
pub(super) fn unet(names: &Names) -> Places {
    let present: BTreeSet<&str> = names.iter().map(|(_, name)| *name).collect();
    let has = |name: String| present.contains(name.as_str());
    let mut modules = Modules::default();
    for (ldm, diffusers) in [
        ("input_blocks.0.0", "conv_in"),
        ("time_embed.0", "time_embedding.linear_1"),
        ("time_embed.2", "time_embedding.linear_2"),
        ("out.0", "conv_norm_out"),
        ("out.2", "conv_out"),
        ("middle_block.0", "mid_block.resnets.0"),
        ("middle_block.1", "mid_block.attentions.0"),
        ("middle_block.2", "mid_block.resnets.1"),
    ] {
        modules.add(ldm, diffusers);
    }
    let (mut level, mut layer) = (0, 0);
    for block in 1.. {
        let ldm = format!("input_blocks.{block}");
        if has(format!("{ldm}.0.op.weight")) {
            modules.add(
                format!("{ldm}.0.op"),
                format!("down_blocks.{level}.downsamplers.0.conv"),
            );
            (level, layer) = (level + 1, 0);
        } else if has(format!("{ldm}.0.in_layers.0.weight")) {
            let down = format!("down_blocks.{level}");
            modules.add(format!("{ldm}.0"), format!("{down}.resnets.{layer}"));
            modules.add(format!("{ldm}.1"), format!("{down}.attentions.{layer}"));
            layer += 1;
        } else {
            break;
        }
    }
    (level, layer) = (0, 0);
    for block in 0.. {
        let ldm = format!("output_blocks.{block}");
        if !has(format!("{ldm}.0.in_layers.0.weight")) {
            break;
        }
        let up = format!("up_blocks.{level}");
        modules.add(format!("{ldm}.0"), format!("{up}.resnets.{layer}"));
        modules.add(format!("{ldm}.1"), format!("{up}.attentions.{layer}"));
        layer += 1;
        // The upsampling follows the attention of the level's last block, where it has one.
        for place in [1, 2] {
            let conv = format!("{ldm}.{place}.conv");
            if has(format!("{conv}.weight")) {
                modules.add(conv, format!("{up}.upsamplers.0.conv"));
                (level, layer) = (level + 1, 0);
            }
        }
    }
    places(names, &modules, |module, rest| {
        if module.contains("resnets.") {
            resnet(rest)
        } else {
            rest.to_owned()
        }
    })
}

/// A name inside a residual block.
fn resnet(rest: &str) -> String {
    let parts = [
        ("in_layers.0.", "norm1."),
        ("in_layers.2.", "conv1."),
        ("emb_layers.1.", "time_emb_proj."),
        ("out_layers.0.", "norm2."),
        ("out_layers.3.", "conv2."),
        ("skip_connection.", "conv_shortcut."),
        ("nin_shortcut.", "conv_shortcut."),
    ];
    parts
        .iter()
        .find_map(|(ldm, diffusers)| {
            let parameter = rest.strip_prefix(ldm)?;
            Some(format!("{diffusers}{parameter}"))
        })
        .unwrap_or_else(|| rest.to_owned())
}

/// The autoencoder's tensors. LDM counts the decoder's levels from the outermost, diffusers from
/// the innermost.
pub(super) fn autoencoder(names: &Names) -> Places {
    let mut modules = Modules::default();
    let numbers = |prefix: &str| -> BTreeSet<(usize, usize)> {
        let pair = |(_, name): &(&str, &str)| {
            let (level, rest) = name.strip_prefix(prefix)?.split_once(".block.")?;
            let (block, _) = rest.split_once('.')?;
            Some((level.parse().ok()?, block.parse().ok()?))
        };
        names.iter().filter_map(pair).collect()
    };
    for name in ["quant_conv", "post_quant_conv"] {
        modules.add(name, name);
    }
    for coder in ["encoder", "decoder"] {
        for (ldm, diffusers) in [
            ("conv_in", "conv_in"),
            ("conv_out", "conv_out"),
            ("norm_out", "conv_norm_out"),
            ("mid.block_1", "mid_block.resnets.0"),
            ("mid.block_2", "mid_block.resnets.1"),
            ("mid.attn_1.norm", "mid_block.attentions.0.group_norm"),
            ("mid.attn_1.q", "mid_block.attentions.0.to_q"),
            ("mid.attn_1.k", "mid_block.attentions.0.to_k"),
            ("mid.attn_1.v", "mid_block.attentions.0.to_v"),
            ("mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"),
        ] {
            modules.add(format!("{coder}.{ldm}"), format!("{coder}.{diffusers}"));
        }
    }
    for (level, block) in numbers("encoder.down.") {
        let (ldm, down) = (
            format!("encoder.down.{level}"),
            format!("encoder.down_blocks.{level}"),
        );
        modules.add(
            format!("{ldm}.block.{block}"),
            format!("{down}.resnets.{block}"),
        );
        modules.add(
            format!("{ldm}.downsample.conv"),
            format!("{down}.downsamplers.0.conv"),
        );
    }
    let ups = numbers("decoder.up.");
    let innermost = ups.iter().map(|(level, _)| *level).max().unwrap_or(0);
    for (level, block) in ups {
        let up = format!("decoder.up_blocks.{}", innermost - level);
        let ldm = format!("decoder.up.{level}");
        modules.add(
            format!("{ldm}.block.{block}"),
            format!("{up}.resnets.{block}"),
        );
        modules.add(
            format!("{ldm}.upsample.conv"),
            format!("{up}.upsamplers.0.conv"),
        );
    }
    places(names, &modules, |module, rest| {
        if module.contains("resnets.") {
            resnet(rest)
        } else {
            rest.to_owned()
        }
    })
}

/// The tensors of OpenAI's CLIP: transformers' own names.
pub(super) fn clip(names: &Names) -> Places {
    let place = |(full, name): &(&str, &str)| ((*name).to_owned(), Stored::whole(full));
    names.iter().map(place).collect()
}

/// The tensors of OpenCLIP, of hidden width `width`. Queries, keys and values are rows of one
/// tensor. The last layer is left out: SD 2 was trained on the hidden state before it.
pub(super) fn open_clip(names: &Names, width: usize) -> Places {
    let layer_of = |name: &str| -> Option<usize> {
        let (number, _) = name
            .strip_prefix("transformer.resblocks.")?
            .split_once('.')?;
        number.parse().ok()
    };
    let last = names.iter().filter_map(|(_, name)| layer_of(name)).max();
    let mut places = Places::new();
    for (full, name) in names {
        let outside = match *name {
            "token_embedding.weight" => Some("embeddings.token_embedding.weight"),
            "positional_embedding" => Some("embeddings.position_embedding.weight"),
            "ln_final.weight" => Some("final_layer_norm.weight"),
            "ln_final.bias" => Some("final_layer_norm.bias"),
            _ => None,
        };
        if let Some(outside) = outside {
            places.insert(format!("text_model.{outside}"), Stored::whole(full));
            continue;
        }
        let Some(layer) = layer_of(name) else {
            continue;
        };
        if Some(layer) == last {
            continue;
        }
        let prefix = format!("transformer.resblocks.{layer}.");
        let Some(rest) = name.strip_prefix(&prefix) else {
            continue;
        };
        let diffusers = format!("text_model.encoder.layers.{layer}");
        if let Some(parameter) = rest.strip_prefix("attn.in_proj_") {
            for (part, projection) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
                let rows = part * width..(part + 1) * width;
                places.insert(
                    format!("{diffusers}.self_attn.{projection}.{parameter}"),
                    Stored {
                        name: (*full).to_owned(),
                        rows: Some(rows),
                    },
                );
            }
            continue;
        }
        let parts = [
            ("ln_1.", "layer_norm1."),
            ("ln_2.", "layer_norm2."),
            ("attn.out_proj.", "self_attn.out_proj."),
            ("mlp.c_fc.", "mlp.fc1."),
            ("mlp.c_proj.", "mlp.fc2."),
        ];
        let renamed = parts.iter().find_map(|(ldm, transformers)| {
            let parameter = rest.strip_prefix(ldm)?;
            Some(format!("{diffusers}.{transformers}{parameter}"))
        });
        if let Some(renamed) = renamed {
            places.insert(renamed, Stored::whole(full));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(places: &Places, stored: &str) -> Vec<String> {
        let of = |(name, place): (&String, &Stored)| (place.name == stored).then(|| name.clone());
        places.iter().filter_map(of).collect()
    }

    #[test]
    fn blocks_are_counted_level_by_level() {
        let names = [
            "input_blocks.0.0.weight",
            "input_blocks.1.0.in_layers.0.weight",
            "input_blocks.1.1.norm.weight",
            "input_blocks.2.0.in_layers.0.weight",
            "input_blocks.3.0.op.weight",
            "input_blocks.4.0.in_layers.0.weight",
            "input_blocks.4.0.skip_connection.weight",
            "output_blocks.0.0.in_layers.0.weight",
            "output_blocks.1.0.in_layers.0.weight",
            "output_blocks.1.1.conv.weight",
            "output_blocks.2.0.emb_layers.1.bias",
            "output_blocks.2.0.in_layers.0.weight",
            "output_blocks.2.1.transformer_blocks.0.attn1.to_q.weight",
        ];
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).collect();
        let places = unet(&pairs);
        for (stored, expected) in [
            ("input_blocks.0.0.weight", "conv_in.weight"),
            (
                "input_blocks.1.1.norm.weight",
                "down_blocks.0.attentions.0.norm.weight",
            ),
            (
                "input_blocks.2.0.in_layers.0.weight",
                "down_blocks.0.resnets.1.norm1.weight",
            ),
            (
                "input_blocks.3.0.op.weight",
                "down_blocks.0.downsamplers.0.conv.weight",
            ),
            (
                "input_blocks.4.0.skip_connection.weight",
                "down_blocks.1.resnets.0.conv_shortcut.weight",
            ),
            (
                "output_blocks.1.1.conv.weight",
                "up_blocks.0.upsamplers.0.conv.weight",
            ),
            (
                "output_blocks.2.0.emb_layers.1.bias",
                "up_blocks.1.resnets.0.time_emb_proj.bias",
            ),
            (
                "output_blocks.2.1.transformer_blocks.0.attn1.to_q.weight",
                "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
            ),
        ] {
            assert_eq!(renamed(&places, stored), [expected]);
        }
        assert_eq!(places.len(), names.len());
    }
}
