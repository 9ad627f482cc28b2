//! The one result: `anomalysd.result.v1`, the same JSON from command, browser and widget.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::control::Stage;
use crate::options::Mode;
use crate::pipeline::{ClassModel, Detection};
use crate::profile::Weights;
use crate::verdict::{Calibration, CalibrationKind, Region, Verdict};

/// Schema of a result.
pub const SCHEMA: &str = "anomalysd.result.v1";

/// A judged photo.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DetectionResult {
    /// Always [`SCHEMA`].
    #[cfg_attr(feature = "typescript", ts(type = "'anomalysd.result.v1'"))]
    pub schema: &'static str,
    /// The photo's path as it was given.
    pub image: String,
    /// Its class.
    pub class: String,
    /// 1 is about the top of normal.
    pub score: f32,
    /// P(a good photo scores at least this); absent where none is supported.
    pub p_value: Option<f32>,
    /// The p-value claims no rate.
    pub p_approximate: bool,
    /// The score above which a photo is suspect.
    pub threshold: f32,
    /// What it comes to.
    pub verdict: Verdict,
    /// On what the threshold rests.
    pub calibration: CalibrationSummary,
    /// Where it differs, in pixels of the judged photo, by falling peak.
    pub regions: Vec<Region>,
    /// The anomaly map.
    pub map: MapFile,
    /// File of the repaired photo, where one was written.
    pub repaired: Option<String>,
    /// The diffusion model; none where features alone were compared.
    pub model: Option<Identity>,
    /// The feature network.
    pub features: Identity,
    /// The profile, where one was given.
    pub profile: Option<ProfileHash>,
    /// Where it was computed.
    pub device: String,
    /// Fast or faithful.
    pub mode: Mode,
    /// Of the noise.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub seed: u64,
    /// Where the time went.
    #[cfg_attr(feature = "typescript", ts(type = "Record<string, number>"))]
    pub timings_ms: BTreeMap<&'static str, f64>,
}

/// On what a threshold rests.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CalibrationSummary {
    /// Held-out photos, leave-one-out, or views of one photo.
    pub kind: CalibrationKind,
    /// Scores it rests on.
    pub n: usize,
    /// Lowest false-alarm rate that they support.
    pub false_alarm_rate_supported: Option<f32>,
    /// The scores were made under other options: recalibrate.
    pub stale: bool,
    /// Highest value of the map on any good photo: regions start above it.
    pub peak: f32,
}

impl CalibrationSummary {
    /// Of a calibration; `stale`: the scores were made under other options.
    pub fn new(calibration: &Calibration, stale: bool) -> Self {
        Self {
            kind: calibration.kind,
            n: calibration.scores.len(),
            false_alarm_rate_supported: calibration.rate_supported(),
            stale,
            peak: calibration.peak,
        }
    }
}

/// A model's or network's name and hash, as results show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// SHA-256 of weights and configuration.
    pub sha256: String,
}

impl From<&Weights> for Identity {
    fn from(weights: &Weights) -> Self {
        Self {
            name: weights.name.clone(),
            sha256: weights.fingerprint.clone(),
        }
    }
}

/// The map's size, and where its values are.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MapFile {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Value of the brightest level of `file`.
    pub max: f32,
    /// 16-bit grey PNG, where one was written.
    pub file: Option<String>,
    /// The values themselves where the result travels alone: base64 of little-endian f32, row by
    /// row from the top. 350 kB for a map of 256×256.
    pub data: Option<String>,
}

/// A profile's hash.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ProfileHash {
    /// Of the whole file.
    pub sha256: String,
}

/// What all results of a run share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The diffusion model.
    pub model: Option<Identity>,
    /// The feature network.
    pub features: Identity,
    /// The profile's hash.
    pub profile: Option<String>,
    /// The device.
    pub device: String,
    /// Fast or faithful.
    pub mode: Mode,
    /// Of the noise.
    pub seed: u64,
}

impl DetectionResult {
    /// The result of a detection; files are named later.
    pub fn new(
        image: String,
        decode_ms: f64,
        class: &ClassModel,
        detection: &Detection,
        shared: &Shared,
    ) -> Self {
        let calibration = &class.calibration;
        Self {
            schema: SCHEMA,
            image,
            class: class.name.clone(),
            score: detection.score,
            p_value: detection.p_value,
            p_approximate: calibration.p_approximate(),
            threshold: detection.threshold,
            verdict: detection.verdict,
            calibration: CalibrationSummary::new(calibration, detection.calibration_stale),
            regions: detection.regions.clone(),
            map: MapFile {
                width: detection.scored.map.width,
                height: detection.scored.map.height,
                max: map_max(detection),
                file: None,
                data: None,
            },
            repaired: None,
            model: shared.model.clone(),
            features: shared.features.clone(),
            profile: shared.profile.clone().map(|sha256| ProfileHash { sha256 }),
            device: shared.device.clone(),
            mode: shared.mode,
            seed: shared.seed,
            timings_ms: timings(&detection.timings, decode_ms),
        }
    }
}

/// The value that the brightest level of a map's file stands for: tied to the threshold where the
/// map allows it, so that maps of one class compare.
pub fn map_max(detection: &Detection) -> f32 {
    detection.scored.map.max().max(2.0 * detection.threshold)
}

/// Milliseconds by the names of the contract.
pub fn timings(stages: &BTreeMap<Stage, f64>, decode_ms: f64) -> BTreeMap<&'static str, f64> {
    let mut named: BTreeMap<&'static str, f64> = [
        "encode",
        "text",
        "denoise",
        "vae",
        "features",
        "prototypes",
        "fuse",
    ]
    .map(|name| (name, 0.0))
    .into();
    for (stage, spent) in stages {
        let name = match stage {
            Stage::Encode => "encode",
            Stage::Class => "text",
            Stage::Denoise => "denoise",
            Stage::Decode => "vae",
            Stage::Features => "features",
            Stage::Prototypes => "prototypes",
            Stage::Fuse => "fuse",
        };
        *named.entry(name).or_default() += spent;
    }
    named.insert("decode", decode_ms);
    let total = named.values().sum();
    named.insert("total", total);
    for value in named.values_mut() {
        *value = (*value * 1000.0).round() / 1000.0;
    }
    named
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
