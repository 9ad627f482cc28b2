//! Reading diffusers' JSON configurations strictly.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DiffusionError, Result};

/// One number for all levels, or one per level: diffusers writes both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number or a list of numbers, one per level"
)]
pub enum PerLevel<T> {
    /// The same for every level.
    One(T),
    /// One per level, outermost first.
    Many(Vec<T>),
}

impl<T: Copy + std::fmt::Debug> PerLevel<T> {
    /// The value of `level`; `None` beyond the end of a list.
    pub fn get(&self, level: usize) -> Option<T> {
        match self {
            PerLevel::One(value) => Some(*value),
            PerLevel::Many(values) => values.get(level).copied(),
        }
    }

    /// One value for each of `levels` levels, or an error that names `option`.
    pub(crate) fn expand(
        &self,
        component: &'static str,
        option: &str,
        levels: usize,
    ) -> Result<Vec<T>> {
        match self {
            PerLevel::One(value) => Ok(vec![*value; levels]),
            PerLevel::Many(values) if values.len() == levels => Ok(values.clone()),
            PerLevel::Many(values) => Err(value_error(
                component,
                option,
                format!("{values:?}"),
                format!("one number or a list of {levels}"),
            )),
        }
    }
}

/// Characters of a refused value that an error shows.
const SHOWN: usize = 80;

/// Parses `json`, after checking that each option of `fixed` is absent, null or one of the values
/// that the implementation computes. Keys that are in no table are ignored, as diffusers does.
///
/// Every option of `T` has a default: an option of the wrong type is found, and named, by reading
/// each one alone.
pub(crate) fn parse<T: DeserializeOwned>(
    component: &'static str,
    json: &str,
    fixed: &[(&str, &[Value])],
) -> Result<T> {
    let value: Value = serde_json::from_str(json).map_err(|error| json_error(component, &error))?;
    if !value.is_object() {
        return Err(DiffusionError::ConfigJson {
            component,
            reason: "not a JSON object".to_owned(),
        });
    }
    for (option, supported) in fixed {
        match value.get(option) {
            None | Some(Value::Null) => {}
            Some(got) if supported.iter().any(|one| same(one, got)) => {}
            Some(got) => {
                return Err(value_error(
                    component,
                    option,
                    got.to_string(),
                    list(supported),
                ));
            }
        }
    }
    let options = value.as_object().cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|whole| {
        let alone = options.into_iter().find_map(|(option, got)| {
            let one = Value::Object([(option.clone(), got.clone())].into_iter().collect());
            let error = serde_json::from_value::<T>(one).err()?;
            Some(type_error(component, &option, &got, &error))
        });
        alone.unwrap_or_else(|| json_error(component, &whole))
    })
}

/// An error for an option whose value is of another type than the option.
fn type_error(
    component: &'static str,
    option: &str,
    got: &Value,
    error: &serde_json::Error,
) -> DiffusionError {
    let mut shown = got.to_string();
    if let Some((end, _)) = shown.char_indices().nth(SHOWN) {
        shown.truncate(end);
        shown.push('…');
    }
    let message = error.to_string();
    let expected = message
        .rsplit_once("expected ")
        .map_or(&*message, |(_, e)| e);
    let supported = match expected {
        "usize" => "a whole number from 0",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        other => other,
    };
    value_error(component, option, shown, supported)
}

/// An error for an option's value.
pub(crate) fn value_error(
    component: &'static str,
    option: &str,
    got: impl ToString,
    supported: impl Into<String>,
) -> DiffusionError {
    DiffusionError::ConfigValue {
        component,
        option: option.to_owned(),
        got: got.to_string(),
        supported: supported.into(),
    }
}

fn json_error(component: &'static str, error: &serde_json::Error) -> DiffusionError {
    DiffusionError::ConfigJson {
        component,
        reason: error.to_string(),
    }
}

/// Equality that does not tell 1 from 1.0, and looks into a list of equal values.
fn same(one: &Value, got: &Value) -> bool {
    match (one, got) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (_, Value::Array(items)) => !one.is_array() && items.iter().all(|item| same(one, item)),
        _ => one == got,
    }
}

fn list(values: &[Value]) -> String {
    if values.is_empty() {
        return "null".to_owned();
    }
    let items: Vec<String> = values.iter().map(Value::to_string).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::scheduler::DdimConfig;
    use crate::unet::UNet2DConditionConfig;
    use crate::vae::{AutoencoderKlConfig, AutoencoderTinyConfig};

    use super::*;

    /// The sentence that refuses a configuration.
    fn refusal(component: &str, config: &Value) -> String {
        let json = config.to_string();
        let error = match component {
            "UNet2DConditionModel" => UNet2DConditionConfig::from_json(&json).err(),
            "AutoencoderKL" => AutoencoderKlConfig::from_json(&json).err(),
            "AutoencoderTiny" => AutoencoderTinyConfig::from_json(&json).err(),
            _ => DdimConfig::from_json(&json).err(),
        };
        error.map_or_else(|| panic!("{component} took {config}"), |e| e.to_string())
    }

    #[test]
    fn an_unknown_value_of_a_known_option_is_named_with_the_option() {
        let (unet, kl, tiny, ddim) = (
            "UNet2DConditionModel",
            "AutoencoderKL",
            "AutoencoderTiny",
            "DDIMScheduler",
        );
        // Component, option, value, and what else has to be said.
        let cases = [
            (
                unet,
                "down_block_types",
                json!(["AttnDownBlock2D"]),
                "CrossAttnDownBlock2D",
            ),
            (
                unet,
                "up_block_types",
                json!(["UpBlock3D"]),
                "CrossAttnUpBlock2D",
            ),
            (
                unet,
                "mid_block_type",
                json!("UNetMidBlock2D"),
                "UNetMidBlock2DCrossAttn",
            ),
            (unet, "act_fn", json!("tanh"), "silu"),
            (unet, "time_embedding_type", json!("fourier"), "positional"),
            (
                unet,
                "resnet_time_scale_shift",
                json!("scale_shift"),
                "default",
            ),
            (unet, "class_embed_type", json!("timestep"), "null"),
            (
                kl,
                "down_block_types",
                json!(["AttnDownEncoderBlock2D"]),
                "DownEncoderBlock2D",
            ),
            (
                kl,
                "up_block_types",
                json!(["AttnUpDecoderBlock2D"]),
                "UpDecoderBlock2D",
            ),
            (kl, "act_fn", json!("tanh"), "silu"),
            (tiny, "act_fn", json!("tanh"), "relu"),
            (tiny, "upsample_fn", json!("bilinear"), "nearest"),
            (tiny, "upsampling_scaling_factor", json!(4), "2"),
            (ddim, "beta_schedule", json!("sigmoid"), "scaled_linear"),
            (ddim, "timestep_spacing", json!("karras"), "trailing"),
            (ddim, "prediction_type", json!("flow"), "v_prediction"),
            (ddim, "thresholding", json!(true), "false"),
            (ddim, "rescale_betas_zero_snr", json!(true), "epsilon"),
        ];
        for (component, option, value, also) in cases {
            let said = refusal(component, &json!({ option: value }));
            let value = value[0]
                .as_str()
                .or(value.as_str())
                .map_or(value.to_string(), str::to_owned);
            for word in [component, &format!("`{option}`"), &value, also] {
                assert!(said.contains(word), "no {word} in: {said}");
            }
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_the_option() {
        let long = "x".repeat(10_000);
        let cases = [
            (
                "UNet2DConditionModel",
                "layers_per_block",
                json!("two"),
                "a number or a list",
            ),
            (
                "UNet2DConditionModel",
                "attention_head_dim",
                json!([8, "x"]),
                "a number or a list",
            ),
            (
                "UNet2DConditionModel",
                "in_channels",
                json!(-9),
                "a whole number from 0",
            ),
            (
                "UNet2DConditionModel",
                "norm_eps",
                json!("small"),
                "a number",
            ),
            (
                "UNet2DConditionModel",
                "down_block_types",
                json!("DownBlock2D"),
                "a list",
            ),
            (
                "UNet2DConditionModel",
                "use_linear_projection",
                json!("yes"),
                "a boolean",
            ),
            (
                "AutoencoderKL",
                "latent_channels",
                json!(4.5),
                "a whole number from 0",
            ),
            ("AutoencoderKL", "scaling_factor", json!(null), "a number"),
            ("AutoencoderTiny", "num_encoder_blocks", json!({}), "a list"),
            (
                "DDIMScheduler",
                "num_train_timesteps",
                json!(long),
                "a whole number from 0",
            ),
        ];
        for (component, option, value, expected) in cases {
            // Among options that are well.
            let said = refusal(
                component,
                &json!({ "act_fn": "silu", option: value, "zeta": 1 }),
            );
            let words = format!("{component} configuration: `{option}` is ");
            assert!(said.starts_with(&words), "{said}");
            assert!(said.contains(&format!("supported: {expected}")), "{said}");
            assert!(said.chars().count() < 250, "{said}");
        }
    }
}
