//! Profiles on disk.

use std::path::Path;

use anomalysd_detect::features::{FeatureNetwork, Features};
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::profile::{Profile, Weights};
use anomalysd_detect::prototypes::Pose;
use sha2::{Digest, Sha256};

use crate::args::InspectFormat;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::output;

/// Larger files are no profiles: four photos of a class take some 5 MB.
const MOST_BYTES: u64 = 2 << 30;

/// A profile and the hash of its file.
pub fn read(path: &Path) -> Outcome<(Profile, String)> {
    let length = std::fs::metadata(path)
        .map_err(|error| CliError::at(path, error))?
        .len();
    if length > MOST_BYTES {
        return Err(CliError::at(
            path,
            format!("is {length} bytes long: not a profile"),
        ));
    }
    let bytes = std::fs::read(path).map_err(|error| CliError::at(path, error))?;
    let sha256 = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let profile = Profile::from_bytes(bytes).map_err(|error| CliError::at(path, error))?;
    Ok((profile, sha256))
}

/// Writes a profile whole or not at all.
pub fn write(path: &Path, profile: &Profile) -> Outcome {
    let bytes = profile.to_bytes()?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(CliError::at(
            path,
            format!(
                "the profile would have {} bytes, at most {MOST_BYTES} are read: fit fewer classes or photos",
                bytes.len()
            ),
        ));
    }
    output::write(path, &bytes)
}

/// What an engine's profile says of its weights.
pub fn weights(engine: &Engine, features: &Features<'_>) -> (Option<Weights>, Weights) {
    let model = engine.model.as_ref().map(|model| Weights {
        name: model.config.name.clone(),
        fingerprint: model.fingerprint.clone(),
    });
    let features = Weights {
        name: features.name().to_owned(),
        fingerprint: features.fingerprint(),
    };
    (model, features)
}

/// Refuses a profile made with other weights than those loaded.
pub fn check(profile: &Profile, engine: &Engine, features: &Features<'_>) -> Outcome {
    let (model, features) = weights(engine, features);
    Ok(profile.check(model.as_ref(), &features)?)
}

/// What a class counts: photos, or their tiles.
pub fn counted(options: &DetectOptions) -> &'static str {
    match options.tile {
        Some(_) => "tile(s) of good photos",
        None => "good photo(s)",
    }
}

/// What is in a profile.
pub fn print_summary(profile: &Profile, sha256: &str, format: InspectFormat) -> Outcome {
    if format == InspectFormat::Json {
        let good = match profile.options.tile {
            Some(_) => "good_tiles",
            None => "good_photos",
        };
        let classes: Vec<_> = profile
            .classes
            .iter()
            .map(|class| {
                serde_json::json!({
                    "name": class.name,
                    good: class.good.len(),
                    "prototypes": class.prototypes.bank.count(),
                    "references": class.latents.len(),
                    "pose": class.pose,
                    "calibration": class.calibration,
                })
            })
            .collect();
        return output::print(&output::to_json(&serde_json::json!({
            "kind": "profile",
            "sha256": sha256,
            "model": profile.model,
            "features": profile.features,
            "options": profile.options,
            "tuned": profile.tuned.as_ref().map(|tuned| serde_json::json!({
                "base": tuned.base,
                "lora_alpha": tuned.tuning.lora_alpha,
                "lora_pairs": tuned.tuning.lora.len() / 2,
                "decoder_tensors": tuned.tuning.decoder.len(),
            })),
            "classes": classes,
        }))?);
    }
    let model = profile.model.as_ref().map_or_else(
        || "none: features alone".to_owned(),
        |model| format!("{} {}", model.name, model.fingerprint),
    );
    let mut text = format!(
        "a profile, sha256 {sha256}\nmodel     {model}\nfeatures  {} {}\n",
        profile.features.name, profile.features.fingerprint
    );
    if let Some(tuned) = &profile.tuned {
        text.push_str(&format!(
            "tuned     {} {}: {} low-rank pair(s), {} tensor(s) of the decoder\n",
            tuned.base.name,
            tuned.base.fingerprint,
            tuned.tuning.lora.len() / 2,
            tuned.tuning.decoder.len()
        ));
    }
    for class in &profile.classes {
        text.push_str(&format!(
            "{:<20} {} {}{}, {} prototypes, {} reference(s), threshold {:.3} from {} score(s)\n",
            class.name,
            class.good.len(),
            counted(&profile.options),
            said_pose(&class.pose),
            class.prototypes.bank.count(),
            class.latents.len(),
            class.calibration.threshold,
            class.calibration.scores.len()
        ));
    }
    output::print(text.trim_end())
}

/// What is known of how the photos lie, as a part of a sentence.
fn said_pose(pose: &Pose) -> String {
    let aligned = if pose.aligned { ", aligned" } else { "" };
    match pose.turns.len() {
        0 => aligned.to_owned(),
        count => format!("{aligned}, good under {count} turn(s)"),
    }
}
