//! The text encoder's `config.json`, in transformers' own form.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;
use crate::config::{parse, value_error};

const COMPONENT: &str = "CLIPTextModel";

/// Activation of the text encoder's feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// `x·σ(1.702·x)`: CLIP by OpenAI, SD 1.
    QuickGelu,
    /// Exact GELU with erf: OpenCLIP, SD 2.
    Gelu,
}

/// Sizes and options of a CLIP text encoder. Defaults are those of transformers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Width d of the hidden state.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Positions T, the number of tokens of every prompt.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: HiddenAct,
    /// ε of every layer norm.
    pub layer_norm_eps: f64,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: HiddenAct::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

impl ClipTextConfig {
    /// Reads a `config.json`; unknown keys are ignored, unknown values are not.
    ///
    /// # Errors
    /// [`DiffusionError::ConfigJson`] or [`DiffusionError::ConfigValue`], naming the option and its value.
    pub fn from_json(json: &str) -> Result<Self> {
        let fixed: [(&str, &[Value]); 2] = [
            ("model_type", &["clip_text_model".into()]),
            ("hidden_act", &["quick_gelu".into(), "gelu".into()]),
        ];
        let config: Self = parse(COMPONENT, json, &fixed)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks that the sizes fit each other and are ones a text encoder can have.
    ///
    /// # Errors
    /// [`DiffusionError::ConfigValue`] that names the option and its value.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 20),
            ("hidden_size", self.hidden_size, 1 << 14),
            ("intermediate_size", self.intermediate_size, 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 256),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                4096,
            ),
        ];
        for (name, value, most) in sizes {
            if value == 0 || value > most {
                return Err(value_error(COMPONENT, name, value, format!("1 to {most}")));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let supported = format!("divisors of hidden_size = {}", self.hidden_size);
            return Err(value_error(
                COMPONENT,
                "num_attention_heads",
                self.num_attention_heads,
                supported,
            ));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(value_error(
                COMPONENT,
                "layer_norm_eps",
                self.layer_norm_eps,
                "between 0 and 1",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_values_are_named() {
        let cases = [
            (json!({"hidden_act": "relu"}), "relu"),
            (json!({"hidden_act": 3}), "hidden_act"),
            (json!({"model_type": "t5"}), "t5"),
            (json!({"hidden_size": 0}), "hidden_size"),
            (
                json!({"hidden_size": 100, "num_attention_heads": 3}),
                "num_attention_heads",
            ),
            (
                json!({"num_hidden_layers": 1e9 as u64}),
                "num_hidden_layers",
            ),
            (json!({"layer_norm_eps": -1.0}), "layer_norm_eps"),
            (json!([]), "CLIPTextModel"),
        ];
        for (config, part) in cases {
            let message = ClipTextConfig::from_json(&config.to_string())
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{message:?} should name {part}");
        }
    }

    #[test]
    fn a_config_survives_json() {
        let config = ClipTextConfig {
            hidden_act: HiddenAct::Gelu,
            hidden_size: 96,
            ..ClipTextConfig::default()
        };
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(json["hidden_act"], "gelu");
        assert_eq!(
            ClipTextConfig::from_json(&json.to_string()).unwrap(),
            config
        );
    }
}
