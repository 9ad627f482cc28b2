//! What JavaScript asks for and is told, beside the result itself.

use anomalysd_detect::options::{DetectOptions, Mode};
use anomalysd_detect::profile::Profile;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::report::{CalibrationSummary, Identity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, Outcome, WebError};

/// Constants of the method that a request changes; the others stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FitRequest {
    /// What the product is called, in words.
    pub class_name: Option<String>,
    /// Parts and surfaces that an inspector would name.
    pub parts: Option<String>,
    /// Fast or faithful.
    pub mode: Option<Mode>,
    /// Any of `DetectOptions`.
    pub options: Value,
}

/// What a detection changes of the profile's own options.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DetectRequest {
    /// The photo's name, as the result shows it.
    pub image: Option<String>,
    /// The class in the profile, where there are several.
    pub class_name: Option<String>,
    /// Fast or faithful.
    pub mode: Option<Mode>,
    /// Of the noise.
    pub seed: Option<u64>,
    /// Instead of the class's own.
    pub threshold: Option<f32>,
    /// Any of `DetectOptions`.
    pub options: Value,
}

/// What was opened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// `cpu` or `webgpu`.
    pub device: &'static str,
    /// The diffusion model.
    pub model: ModelInfo,
    /// The feature network.
    pub features: Identity,
    /// Longer side in pixels that photos are resized to.
    pub size: usize,
    /// Linear memory that the module holds.
    pub heap_bytes: f64,
}

/// A model and its terms.
#[derive(Debug, Serialize)]
pub struct ModelInfo {
    /// Name and fingerprint.
    #[serde(flatten)]
    pub identity: Identity,
    /// Licence text; empty where the model came without.
    pub licence: String,
}

/// What is in a profile.
#[derive(Debug, Serialize)]
pub struct ProfileInfo {
    /// Of the whole file.
    pub sha256: String,
    /// The model that it was made with.
    pub model: Option<Identity>,
    /// The feature network that it was made with.
    pub features: Identity,
    /// Its classes.
    pub classes: Vec<ProfileClass>,
}

/// A class of a profile.
#[derive(Debug, Serialize)]
pub struct ProfileClass {
    /// Its name.
    pub name: String,
    /// Good photos that it was fitted on.
    pub good: usize,
    /// The score above which a photo is suspect.
    pub threshold: f32,
    /// A place is like the same place of the other good photos.
    pub aligned: bool,
    /// Quarter turns and flips under which it is still good.
    pub turns: usize,
    /// On what the threshold rests.
    pub calibration: CalibrationSummary,
    /// What the photos at hand do and do not support, in words.
    pub support: String,
}

impl ProfileInfo {
    /// Of a profile whose file has this hash.
    pub fn new(profile: &Profile, sha256: &str) -> Self {
        let classes = profile.classes.iter().map(|class| ProfileClass {
            name: class.name.clone(),
            good: class.good.len(),
            threshold: class.calibration.threshold,
            aligned: class.pose.aligned,
            turns: class.pose.turns.len(),
            calibration: CalibrationSummary::new(&class.calibration, false),
            support: class.calibration.support(),
        });
        Self {
            sha256: sha256.to_owned(),
            model: profile.model.as_ref().map(Identity::from),
            features: Identity::from(&profile.features),
            classes: classes.collect(),
        }
    }
}

impl FitRequest {
    /// What the model is told.
    pub fn prompts(&self) -> Prompts {
        let name = self.class_name.as_deref().unwrap_or("object");
        match &self.parts {
            Some(parts) => Prompts {
                name: name.to_owned(),
                parts: Some(parts.clone()),
            },
            None => Prompts::named(name),
        }
    }

    /// The defaults with everything that was given.
    pub fn options(&self) -> Outcome<DetectOptions> {
        over(&DetectOptions::default(), &self.options, self.mode, None)
    }
}

impl DetectRequest {
    /// `options` with everything that was given.
    pub fn over(&self, options: &DetectOptions) -> Outcome<DetectOptions> {
        over(options, &self.options, self.mode, self.seed)
    }
}

fn over(
    options: &DetectOptions,
    changes: &Value,
    mode: Option<Mode>,
    seed: Option<u64>,
) -> Outcome<DetectOptions> {
    let refused =
        |error: serde_json::Error| WebError::new(Code::Unsupported, format!("options: {error}"));
    let mut value = serde_json::to_value(options).map_err(refused)?;
    merge(&mut value, changes);
    let mut merged: DetectOptions = serde_json::from_value(value).map_err(refused)?;
    merged.mode = mode.unwrap_or(merged.mode);
    merged.seed = seed.unwrap_or(merged.seed);
    Ok(merged)
}

/// Lays `changes` over `value`, object by object.
fn merge(value: &mut Value, changes: &Value) {
    match (value, changes) {
        (Value::Object(value), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(value.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
        (_, Value::Null) => {}
        (value, change) => *value = change.clone(),
    }
}
