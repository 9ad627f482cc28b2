//! The configurations that are run, and the lines of the table.

use std::collections::BTreeMap;

use anomalysd_detect::options::{Compare, DetectOptions, Mode, ScoreOptions};
use serde::{Deserialize, Serialize};

use super::tuned::Tuning;
use crate::error::{CliError, Outcome};

/// Name of the configuration that all lines are compared with.
pub const DEFAULT: &str = "default";
/// The same on the few photos of a costly configuration.
pub const DEFAULT_ON_FEW: &str = "default-on-few";
/// Photos of each kind and class that a costly configuration judges.
pub const FEW: usize = 2;

/// What a line is about, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// The method as it is.
    Whole,
    /// One part of it, or none.
    Parts,
    /// α.
    Fusion,
    /// Scales and the mean over them, in the fused map.
    Scales,
    /// The same where repairs alone are scored.
    ScalesAlone,
    /// The pass guided by the prototypes.
    Guided,
    /// What the model is told: good photos and words.
    Context,
    /// λ, S, plans.
    Inpainting,
    /// What a repair is compared with.
    Comparison,
    /// Weights that were tuned on the good photos.
    Tuned,
}

impl Group {
    /// In the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Whole => "default",
            Self::Parts => "parts alone",
            Self::Fusion => "fusion",
            Self::Scales => "scales",
            Self::ScalesAlone => "scales, repairs alone",
            Self::Guided => "guided pass",
            Self::Context => "context",
            Self::Inpainting => "inpainting",
            Self::Comparison => "comparison",
            Self::Tuned => "tuned weights",
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// For programs.
    pub name: String,
    /// What it is about.
    pub group: Group,
    /// For people.
    pub label: String,
    /// Name of the line that it is compared with.
    pub against: String,
}

impl Line {
    /// A line that is compared with the default.
    pub fn new(group: Group, name: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            group,
            label: label.into(),
            against: DEFAULT.into(),
        }
    }
}

/// A configuration with a line of its own.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its line.
    pub line: Line,
    /// All constants.
    pub options: DetectOptions,
    /// The prompts are the class's name alone.
    pub name_only: bool,
    /// Runs on [`FEW`] photos of each kind and the first seed alone.
    pub few: bool,
    /// Paints what the default paints, so that both are measured together.
    pub paints_alike: bool,
    /// Its weights are tuned first.
    pub tuning: Option<Tuning>,
}

/// Every configuration but the default.
///
/// `k_shot`: good photos fitted on; `fast_steps`: DDIM steps of the default.
pub fn trials(base: &DetectOptions, k_shot: usize, fast_steps: usize) -> Vec<Trial> {
    let trial = |group, name: String, label: String| Trial {
        line: Line::new(group, name, label),
        options: base.clone(),
        name_only: false,
        few: false,
        paints_alike: false,
        tuning: None,
    };
    let mut all = Vec::new();
    for references in [0, 1, 2, 4].into_iter().filter(|count| *count < k_shot) {
        let mut own = trial(
            Group::Context,
            format!("references-{references}"),
            format!("{references} of {k_shot} good photos as references"),
        );
        own.options.repair.references = Some(references);
        all.push(own);
    }
    let mut own = trial(
        Group::Context,
        "registration".into(),
        format!(
            "good photos {}",
            if base.repair.registration {
                "as they are"
            } else {
                "laid over the photo"
            }
        ),
    );
    own.options.repair.registration = !base.repair.registration;
    all.push(own);
    let mut own = trial(
        Group::Context,
        "class-name".into(),
        "prompts: the class's name alone".into(),
    );
    own.name_only = true;
    all.push(own);
    for strength in [0.5, 1.0] {
        let mut own = trial(
            Group::Inpainting,
            format!("strength-{strength}"),
            format!("λ = {strength} on every scale"),
        );
        own.options.repair.strength = BTreeMap::from([(1, strength)]);
        own.options.repair.guided_strength = Some(strength);
        all.push(own);
    }
    for steps in [1, 2, 4].into_iter().filter(|steps| *steps != fast_steps) {
        let mut own = trial(
            Group::Inpainting,
            format!("steps-{steps}"),
            format!("S = {steps} steps"),
        );
        own.options.repair.inference_steps = Some(steps);
        // Steps alone: the guided pass begins where it does by default.
        own.options.repair.guided_strength = Some(base.guided_strength(fast_steps));
        all.push(own);
    }
    if base.mode == Mode::Fast {
        let mut own = trial(
            Group::Inpainting,
            "faithful".into(),
            format!("faithful: one pass per cell, S = {fast_steps}"),
        );
        own.options.mode = Mode::Faithful;
        own.options.repair.inference_steps = Some(fast_steps);
        own.few = true;
        own.line.against = DEFAULT_ON_FEW.into();
        all.push(own);
    }
    let (compare, label) = match base.repair.compare {
        Compare::Roundtrip => (Compare::Photo, "compared with the photo itself"),
        Compare::Photo => (Compare::Roundtrip, "compared with dec(enc(photo))"),
    };
    let mut own = trial(Group::Comparison, "compare".into(), label.into());
    own.options.repair.compare = compare;
    own.paints_alike = true;
    all.push(own);
    let (floor, label) = if base.score.energy_floor > 0.0 {
        (0.0, "features compared as unit vectors")
    } else {
        let default = ScoreOptions::default().energy_floor;
        (default, "features' length has a floor")
    };
    let mut own = trial(Group::Comparison, "energy-floor".into(), label.into());
    own.options.score.energy_floor = floor;
    own.paints_alike = true;
    all.push(own);
    let (pixels, label) = match base.score.displacement {
        0 => (
            8,
            "features compared with painted places up to 8 pixels away",
        ),
        _ => (0, "features compared in place"),
    };
    let mut own = trial(Group::Comparison, "displacement".into(), label.into());
    own.options.score.displacement = pixels;
    own.paints_alike = true;
    all.push(own);
    let correction = !base.repair.drift_correction;
    let mut own = trial(
        Group::Comparison,
        "drift".into(),
        format!(
            "{} drift correction",
            if correction { "with" } else { "without" }
        ),
    );
    own.options.repair.drift_correction = correction;
    own.paints_alike = true;
    all.push(own);
    all
}

/// Those of the wanted names, or all; whether the default is among them comes first.
///
/// # Errors
/// A name that none has.
pub fn chosen(all: Vec<Trial>, wanted: &[String]) -> Outcome<(bool, Vec<Trial>)> {
    let known = |name: &String| name == DEFAULT || all.iter().any(|own| own.line.name == *name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<&str> = all.iter().map(|own| own.line.name.as_str()).collect();
        return Err(CliError::Input(format!(
            "--trials: no configuration `{unknown}`; there are {DEFAULT}, {}",
            names.join(", ")
        )));
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|own| own == name);
    let default = is_wanted(DEFAULT);
    let chosen = all
        .into_iter()
        .filter(|own| is_wanted(&own.line.name))
        .collect();
    Ok((default, chosen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_has_a_name_of_its_own_and_valid_constants() {
        let base = DetectOptions::default();
        let all = trials(&base, 4, 1);
        let mut names: Vec<&str> = all.iter().map(|own| own.line.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "references-0",
                "references-1",
                "references-2",
                "registration",
                "class-name",
                "strength-0.5",
                "strength-1",
                "steps-2",
                "steps-4",
                "faithful",
                "compare",
                "energy-floor",
                "displacement",
                "drift"
            ]
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        for own in &all {
            own.options.validate().unwrap();
            assert!(own.options != base || own.name_only, "{}", own.line.name);
        }
        assert!(
            trials(&base, 1, 1)
                .iter()
                .all(|own| own.line.name != "references-1")
        );
    }

    #[test]
    fn a_name_that_no_configuration_has_is_refused_with_those_that_there_are() {
        let all = trials(&DetectOptions::default(), 4, 1);
        let (default, some) = chosen(all.clone(), &["drift".into()]).unwrap();
        assert_eq!((default, some.len()), (false, 1));
        assert_eq!(chosen(all.clone(), &[]).unwrap().1.len(), all.len());
        let error = chosen(all, &["drfit".into()]).unwrap_err().to_string();
        assert!(
            error.contains("drfit") && error.contains("steps-4"),
            "{error}"
        );
    }
}
