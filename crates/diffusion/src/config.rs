//! Reading diffusers' JSON configurations strictly.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DiffusionError, Result};

/// One number for all levels, or one per level: diffusers writes both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
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

/// Parses `json`, after checking that each option of `fixed` is absent, null or one of the values
/// that the implementation computes. Keys that are in no table are ignored, as diffusers does.
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
    serde_json::from_value(value).map_err(|error| json_error(component, &error))
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
