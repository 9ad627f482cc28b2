//! What JavaScript asks for and is told, beside the result itself.

use anomalysd_detect::ignore::{MinArea, Place};
use anomalysd_detect::options::{DetectOptions, Mode, OptionsError};
use anomalysd_detect::profile::Profile;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::report::{CalibrationSummary, Identity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Constants of the method that a request changes; the others stay as they are.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FitRequest {
    /// What the product is called, in words.
    pub class_name: Option<String>,
    /// Parts and surfaces that an inspector would name.
    pub parts: Option<String>,
    /// Fast or faithful.
    pub mode: Option<Mode>,
    /// Photos are large, and judged in tiles of so many of their pixels; the profile keeps it.
    pub tile: Option<usize>,
    /// Places that do not count; the profile keeps them.
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Place>>"))]
    pub ignore: Vec<Place>,
    /// Any of `DetectOptions`.
    #[cfg_attr(test, ts(type = "object", optional))]
    pub options: Value,
}

/// What a detection changes of the profile's own options.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DetectRequest {
    /// The photo's name, as the result shows it.
    pub image: Option<String>,
    /// The class in the profile, where there are several.
    pub class_name: Option<String>,
    /// Fast or faithful.
    pub mode: Option<Mode>,
    /// The photo is large, and judged in tiles of so many of its pixels.
    pub tile: Option<usize>,
    /// Of the noise.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub seed: Option<u64>,
    /// Instead of the class's own.
    pub threshold: Option<f32>,
    /// Places that do not count in this photo, beside those of the profile.
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Place>>"))]
    pub ignore: Vec<Place>,
    /// The smallest defect that counts: pixels of the photo (`25`) or per cent of it (`0.1%`).
    pub min_area: Option<String>,
    /// Any of `DetectOptions`.
    #[cfg_attr(test, ts(type = "object", optional))]
    pub options: Value,
}

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "each build is one of the two")]
pub enum Device {
    /// The processor, one thread.
    Cpu,
    /// The graphics processor.
    WebGpu,
}

impl Device {
    /// As results name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::WebGpu => "webgpu",
        }
    }
}

/// What was opened.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// What computes.
    pub device: Device,
    /// The diffusion model.
    pub model: ModelInfo,
    /// The feature network.
    pub features: Identity,
    /// Longer side in pixels that photos are resized to.
    pub size: usize,
    /// Linear memory that the module holds since it was opened, or since the last fit or detection.
    pub heap_bytes: f64,
}

/// A model and its terms.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ModelInfo {
    /// Name and fingerprint.
    #[serde(flatten)]
    pub identity: Identity,
    /// Licence text; empty where the model came without.
    pub licence: String,
}

/// What is in a profile.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
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
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProfileClass {
    /// Its name.
    pub name: String,
    /// Good photos that it was fitted on, or tiles of them that it keeps.
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
    pub fn options(&self) -> Result<DetectOptions, serde_json::Error> {
        let chosen = Chosen {
            mode: self.mode,
            tile: self.tile,
            seed: None,
        };
        over(&DetectOptions::default(), &self.options, &chosen)
    }
}

impl DetectRequest {
    /// The smallest defect that counts, if one was named.
    pub fn min_area(&self) -> Result<Option<MinArea>, OptionsError> {
        self.min_area.as_deref().map(str::parse).transpose()
    }

    /// `options` with everything that was given.
    pub fn over(&self, options: &DetectOptions) -> Result<DetectOptions, serde_json::Error> {
        let chosen = Chosen {
            mode: self.mode,
            tile: self.tile,
            seed: self.seed,
        };
        over(options, &self.options, &chosen)
    }
}

/// Options that have a name of their own in a request.
struct Chosen {
    mode: Option<Mode>,
    tile: Option<usize>,
    seed: Option<u64>,
}

fn over(
    options: &DetectOptions,
    changes: &Value,
    chosen: &Chosen,
) -> Result<DetectOptions, serde_json::Error> {
    let mut value = serde_json::to_value(options)?;
    merge(&mut value, changes);
    let mut merged: DetectOptions = serde_json::from_value(value)?;
    merged.mode = chosen.mode.unwrap_or(merged.mode);
    merged.tile = chosen.tile.or(merged.tile);
    merged.seed = chosen.seed.unwrap_or(merged.seed);
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

#[cfg(test)]
mod tests {
    use anomalysd_detect::control::{Progress, Stage};
    use anomalysd_detect::report::{DetectionResult, MapFile, ProfileHash};
    use anomalysd_detect::verdict::{CalibrationKind, Region, Verdict};
    use ts_rs::{Config, TS};

    use super::*;

    #[test]
    fn changes_are_laid_over_options_and_unknown_ones_refused() {
        let options = DetectOptions::default();
        let request = |json: &str| -> DetectRequest { serde_json::from_str(json).unwrap() };
        let changed = request(r#"{ "mode": "faithful", "tile": 1024, "options": { "size": 128, "score": { "fusion_alpha": 0.25 } } }"#)
            .over(&options)
            .unwrap();
        assert_eq!(
            (changed.size, changed.score.fusion_alpha),
            (Some(128), 0.25)
        );
        assert_eq!((changed.mode, changed.tile), (Mode::Faithful, Some(1024)));
        assert_eq!(changed.score.top_cells, options.score.top_cells);
        assert_eq!(request("{}").over(&options).unwrap(), options);
        let unknown = request(r#"{ "options": { "sise": 128 } }"#).over(&options);
        assert!(unknown.unwrap_err().to_string().contains("sise"));
    }

    #[test]
    fn places_and_areas_are_read_as_the_package_says_them() {
        let json =
            r#"{ "ignore": [{ "x": 0.5, "y": 0, "width": 0.5, "height": 1 }], "minArea": "0.1%" }"#;
        let request: DetectRequest = serde_json::from_str(json).unwrap();
        assert_eq!(request.ignore.len(), 1);
        assert_eq!(request.min_area().unwrap(), Some(MinArea::Share(0.001)));
        let wrong: DetectRequest = serde_json::from_str(r#"{ "minArea": "much" }"#).unwrap();
        assert!(wrong.min_area().is_err());
        let outside = r#"{ "ignore": [{ "x": 0.9, "y": 0, "width": 0.5, "height": 1 }] }"#;
        let outside: FitRequest = serde_json::from_str(outside).unwrap();
        assert!(Place::check(&outside.ignore).is_err());
    }

    /// The package's types are these structs: written anew with ANOMALYSD_WRITE_TYPES set.
    #[test]
    fn the_types_of_the_package_are_those_of_the_engine() {
        let config = Config::default();
        let declared = [
            Verdict::decl(&config),
            Mode::decl(&config),
            Device::decl(&config),
            Stage::decl(&config),
            Progress::decl(&config),
            Identity::decl(&config),
            ModelInfo::decl(&config),
            EngineInfo::decl(&config),
            FitRequest::decl(&config),
            DetectRequest::decl(&config),
            CalibrationKind::decl(&config),
            CalibrationSummary::decl(&config),
            ProfileClass::decl(&config),
            ProfileInfo::decl(&config),
            Region::decl(&config),
            Place::decl(&config),
            MapFile::decl(&config),
            ProfileHash::decl(&config),
            DetectionResult::decl(&config),
        ];
        let mut text = String::from(
            "// Types of what the engine takes and returns, named as in its JSON. Written by a test of web/src/request.rs.\n",
        );
        for declaration in declared {
            text.push_str(&format!("\nexport {declaration}\n"));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ts/generated.ts");
        if std::env::var_os("ANOMALYSD_WRITE_TYPES").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
}
