//! What PEFT's configuration says about the strength of a LoRA.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{DiffusionError, Result};

/// Key of diffusers' copy of PEFT's configuration in the file's metadata.
pub(crate) const METADATA: &str = "lora_adapter_metadata";

/// The part of `adapter_config.json` that changes numbers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PeftConfig {
    /// α of every pair without one of its own; the rank, where there is none.
    pub lora_alpha: Option<f64>,
    /// α by the end of the module's name.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// α/√r instead of α/r.
    pub use_rslora: bool,
    /// Weight-decomposed: not implemented.
    pub use_dora: bool,
    /// The same by component (`unet`, `text_encoder`), where a file has several.
    #[serde(skip)]
    components: BTreeMap<String, PeftConfig>,
}

impl PeftConfig {
    /// One α for all.
    pub(super) fn of_alpha(lora_alpha: f64) -> Self {
        Self {
            lora_alpha: Some(lora_alpha),
            ..Self::default()
        }
    }

    /// Reads an `adapter_config.json`.
    pub(super) fn parse(what: &str, json: &str) -> Result<Self> {
        let config: Self = serde_json::from_str(json).map_err(|error| broken(what, &error))?;
        config.check(what)?;
        Ok(config)
    }

    /// Reads diffusers' metadata: PEFT's options under `unet.` and `text_encoder.`.
    pub(super) fn from_metadata(what: &str, metadata: &BTreeMap<String, String>) -> Result<Self> {
        let Some(json) = metadata.get(METADATA) else {
            return Ok(Self::default());
        };
        let all: serde_json::Map<String, Value> =
            serde_json::from_str(json).map_err(|error| broken(what, &error))?;
        let mut by_component: BTreeMap<String, serde_json::Map<String, Value>> = BTreeMap::new();
        for (key, value) in all {
            if let Some((component, option)) = key.split_once('.') {
                let options = by_component.entry(component.to_owned()).or_default();
                options.insert(option.to_owned(), value);
            }
        }
        let mut config = Self::default();
        for (component, options) in by_component {
            let of_component: Self = serde_json::from_value(Value::Object(options))
                .map_err(|error| broken(what, &error))?;
            of_component.check(what)?;
            config.components.insert(component, of_component);
        }
        Ok(config)
    }

    fn check(&self, what: &str) -> Result<()> {
        if self.use_dora {
            return Err(DiffusionError::Unsupported {
                what: what.to_owned(),
                reason: "is a DoRA; LoRAs without weight decomposition are read".into(),
            });
        }
        Ok(())
    }

    /// What `up · down` is multiplied with: the pair's own α, or the configuration's, over the rank.
    pub(super) fn factor(&self, module: &str, rank: usize, own: Option<f64>) -> f64 {
        let of_component = module
            .split_once('.')
            .and_then(|(component, rest)| Some((self.components.get(component)?, rest)));
        if let Some((config, rest)) = of_component {
            return config.factor(rest, rank, own);
        }
        let rank = rank as f64;
        // PEFT matches a pattern with the end of a module's name.
        let pattern = self.alpha_pattern.iter().find(|(pattern, _)| {
            module == pattern.as_str() || module.ends_with(&format!(".{pattern}"))
        });
        let alpha = own
            .or(pattern.map(|(_, alpha)| *alpha))
            .or(self.lora_alpha)
            .unwrap_or(rank);
        if self.use_rslora && own.is_none() {
            alpha / rank.sqrt()
        } else {
            alpha / rank
        }
    }
}

fn broken(what: &str, error: &serde_json::Error) -> DiffusionError {
    DiffusionError::Container {
        what: what.to_owned(),
        reason: format!("the configuration of the LoRA: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_alpha_counts() {
        let json = r#"{"lora_alpha": 8, "r": 4, "alpha_pattern": {"attn1.to_q": 2}}"#;
        let config = PeftConfig::parse("lora", json).unwrap();
        assert_eq!(config.factor("down.attn2.to_q", 4, None), 2.0);
        assert_eq!(config.factor("down.attn1.to_q", 4, None), 0.5);
        assert_eq!(config.factor("down.attn1.to_q", 4, Some(12.0)), 3.0);
        assert_eq!(PeftConfig::default().factor("any", 4, None), 1.0);
    }

    #[test]
    fn metadata_says_it_by_component() {
        let json = r#"{"unet.lora_alpha": 6, "text_encoder.lora_alpha": 2, "text_encoder.use_rslora": true}"#;
        let metadata = BTreeMap::from([(METADATA.to_owned(), json.to_owned())]);
        let config = PeftConfig::from_metadata("lora", &metadata).unwrap();
        assert_eq!(config.factor("unet.conv_in", 4, None), 1.5);
        assert_eq!(config.factor("text_encoder.fc1", 4, None), 1.0);
    }

    #[test]
    fn dora_is_refused_by_name() {
        let error = PeftConfig::parse("lora", r#"{"use_dora": true}"#).unwrap_err();
        assert!(error.to_string().contains("DoRA"), "{error}");
    }
}
