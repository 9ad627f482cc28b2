//! Prompts that the user gives, over those that the project knows.

use std::collections::BTreeMap;
use std::path::Path;

use anomalysd_detect::prompts::Prompts;

use crate::error::{CliError, Outcome};

/// Prompts by class.
#[derive(Debug, Default)]
pub struct PromptList(BTreeMap<String, Prompts>);

impl PromptList {
    /// Reads a TOML file of tables `[class]` with `name` and `parts`.
    pub fn read(path: Option<&Path>) -> Outcome<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
        let prompts = toml::from_str(&text).map_err(|error| {
            // The whole message is several lines with an excerpt; one sentence is enough.
            CliError::at(path, error.message())
        })?;
        Ok(Self(prompts))
    }

    /// The prompts of a class: the user's, else the project's, else its name alone.
    pub fn get(&self, class: &str) -> Prompts {
        let own = self.0.get(class).cloned();
        own.unwrap_or_else(|| Prompts::named(class))
    }
}
