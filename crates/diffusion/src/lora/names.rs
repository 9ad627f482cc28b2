//! Which weight a tensor of a LoRA belongs to, whichever trainer named it.

use std::collections::BTreeMap;

use super::COMPONENTS;
use crate::Result;
use crate::checkpoint::{ModelParts, TEXT_ENCODER, UNET};

/// Before kohya's names of the U-Net's modules.
const KOHYA_UNET: &str = "lora_unet_";

/// What a tensor is to its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `[r, inputs…]`.
    Down,
    /// `[outputs, r]`.
    Up,
    /// One number.
    Alpha,
}

/// A tensor's name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The module that is changed, as the file spells it.
    pub(super) module: String,
    /// What the tensor is.
    pub(super) role: Role,
}

/// Ends of names, by trainer.
const ENDS: [(&str, Role); 14] = [
    // PEFT, with and without the adapter's name.
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_A.default.weight", Role::Down),
    (".lora_B.default.weight", Role::Up),
    // kohya.
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    // diffusers before it used PEFT.
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".alpha", Role::Alpha),
    (".lora.alpha", Role::Alpha),
];

/// Parts of names that mean another kind of change.
const OTHERS: [(&str, &str); 8] = [
    ("hada_", "LoHa"),
    ("lokr_", "LoKr"),
    ("oft_", "OFT"),
    ("lora_mid", "LoCon with a decomposed kernel"),
    ("dora_scale", "DoRA"),
    ("lora_magnitude_vector", "DoRA"),
    ("lora_embedding", "LoRA of an embedding"),
    ("modules_to_save", "a LoRA with whole modules"),
];

/// Takes a name apart, or says in a sentence why not.
pub(super) fn part(name: &str) -> std::result::Result<Part, String> {
    for second in ["lora_te2_", "text_encoder_2."] {
        if name.starts_with(second) {
            return Err(format!("is a LoRA of SDXL (`{name}`)"));
        }
    }
    if let Some((_, kind)) = OTHERS.iter().find(|(mark, _)| name.contains(mark)) {
        return Err(format!("is {kind} (`{name}`); plain LoRAs are read"));
    }
    // The longest end: `.lora.alpha` also ends with `.alpha`.
    let ends = ENDS.iter().filter_map(|(end, role)| {
        let module = name.strip_suffix(end)?;
        Some((end.len(), module, *role))
    });
    match ends.max_by_key(|(length, _, _)| *length) {
        Some((_, module, role)) => Ok(Part {
            module: module.to_owned(),
            role,
        }),
        None => Err(format!("holds `{name}`, which is no part of a LoRA")),
    }
}

/// The model's weights by the spelling that all namings have in common.
pub(super) struct Index(BTreeMap<(&'static str, String), String>);

impl Index {
    pub(super) fn new(parts: &ModelParts) -> Result<Self> {
        let mut index = BTreeMap::new();
        for component in COMPONENTS {
            for name in parts.source(component)?.names() {
                if let Some(module) = name.strip_suffix(".weight") {
                    index.insert((component, flat(module)), name);
                }
            }
        }
        Ok(Self(index))
    }

    /// Component and name of the weight that a module of a LoRA changes.
    pub(super) fn find(&self, module: &str) -> Option<(&'static str, &str)> {
        let module = module.strip_prefix("base_model.model.").unwrap_or(module);
        let prefixes = [
            ("unet.", UNET),
            (KOHYA_UNET, UNET),
            ("text_encoder.", TEXT_ENCODER),
            ("lora_te_", TEXT_ENCODER),
            ("lora_te1_", TEXT_ENCODER),
        ];
        let known = prefixes
            .iter()
            .find_map(|(prefix, component)| Some((*component, module.strip_prefix(prefix)?)));
        // PEFT saves one network alone and does not say which.
        let candidates = match known {
            Some(pair) => vec![pair],
            None => COMPONENTS.map(|component| (component, module)).to_vec(),
        };
        candidates.into_iter().find_map(|(component, rest)| {
            let spelled = spellings(component, &flat(rest));
            let (key, name) = spelled
                .into_iter()
                .find_map(|spelling| self.0.get_key_value(&(component, spelling)))?;
            Some((key.0, name.as_str()))
        })
    }
}

/// Dots become underscores: kohya's spelling, in which all others can be written.
fn flat(module: &str) -> String {
    module.replace('.', "_")
}

/// kohya's name of a module of the U-Net.
pub(crate) fn kohya_module(module: &str) -> String {
    format!("{KOHYA_UNET}{}", flat(module))
}

/// Today's spelling of a module, and those that older trainers' names may stand for.
fn spellings(component: &str, flat: &str) -> Vec<String> {
    let flat = flat.replace("_processor_", "_");
    let mut spelled = vec![flat.clone()];
    if component == TEXT_ENCODER {
        let projections = [
            ("self_attn_to_q", "self_attn_q_proj"),
            ("self_attn_to_k", "self_attn_k_proj"),
            ("self_attn_to_v", "self_attn_v_proj"),
            ("self_attn_to_out", "self_attn_out_proj"),
        ];
        let mut today = flat.clone();
        for (old, new) in projections {
            if let Some(before) = today.strip_suffix(old) {
                today = format!("{before}{new}");
            }
        }
        spelled.push(format!("text_model_{today}"));
        spelled.push(today);
    } else if flat.ends_with("_to_out") {
        spelled.push(format!("{flat}_0"));
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let unet = [
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight",
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight",
            "down_blocks.0.resnets.0.conv1.weight",
        ];
        let text = ["text_model.encoder.layers.0.self_attn.q_proj.weight"];
        let entry = |component, name: &&str| {
            let module = name.strip_suffix(".weight").unwrap();
            ((component, flat(module)), (*name).to_owned())
        };
        let unet = unet.iter().map(|name| entry(UNET, name));
        let text = text.iter().map(|name| entry(TEXT_ENCODER, name));
        Index(unet.chain(text).collect())
    }

    #[test]
    fn every_trainers_names_find_their_weight() {
        let q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight";
        let out = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight";
        let conv = "down_blocks.0.resnets.0.conv1.weight";
        let text = "text_model.encoder.layers.0.self_attn.q_proj.weight";
        let block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1";
        let flat = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1";
        let cases = [
            (format!("base_model.model.{block}.to_q.lora_A.weight"), q),
            (format!("unet.{block}.to_q.lora_B.default.weight"), q),
            (format!("unet.{block}.to_out.0.lora.down.weight"), out),
            (
                format!("unet.{block}.processor.to_out_lora.up.weight"),
                out,
            ),
            (format!("{flat}_to_out_0.alpha"), out),
            (
                "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight".into(),
                conv,
            ),
            (
                "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight".into(),
                text,
            ),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight"
                    .into(),
                text,
            ),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down.weight".into(),
                text,
            ),
            ("text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight".into(), text),
        ];
        let index = index();
        for (name, expected) in cases {
            let part = part(&name).unwrap();
            let found = index.find(&part.module).map(|(_, weight)| weight);
            assert_eq!(found, Some(expected), "{name}");
        }
        assert_eq!(index.find("unet.mid_block.attentions.0.proj_in"), None);
    }

    #[test]
    fn other_changes_are_refused_by_name() {
        for (name, kind) in [
            ("lora_unet_conv_in.hada_w1_a", "LoHa"),
            ("lora_unet_conv_in.dora_scale", "DoRA"),
            ("lora_te2_text_model.alpha", "SDXL"),
            ("conv_in.weight", "no part of a LoRA"),
        ] {
            let reason = part(name).unwrap_err();
            assert!(reason.contains(kind), "{reason}");
        }
    }
}
