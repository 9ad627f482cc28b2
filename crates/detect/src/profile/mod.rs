//! What `fit` makes: everything known of some classes, in one safetensors file.
//!
//! JSON in the file's metadata says what things are, tensors hold the numbers: descriptors of the
//! good photos, contexts, reference latents and what was tuned in f16, subspaces and normalisers in f32, good photos that
//! models paste in 8 bits. There is
//! no time, host or path in it: the same fit gives the same bytes. `fit` itself rounds to f16 what
//! is stored so, and a loaded profile judges bit for bit as the fit that made it.

mod read;
mod write;

#[cfg(test)]
mod tests;

use anomalysd_diffusion::tuning::Tuning;
use serde::{Deserialize, Serialize};

use crate::DetectError;
use crate::ignore::Place;
use crate::options::DetectOptions;
use crate::pipeline::ClassModel;
use crate::prompts::Prompts;
use crate::prototypes::Pose;
use crate::score::ClassNormalisers;
use crate::verdict::Calibration;

/// Key of the JSON in the file's metadata.
const METADATA_KEY: &str = "anomalysd";
/// Schema of the JSON.
const SCHEMA: &str = "anomalysd.profile.v1";

/// Good photos of a class that no profile exceeds.
pub(crate) const MOST_PHOTOS: usize = 1 << 12;

/// Weights that a profile was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Name of the model or network.
    pub name: String,
    /// SHA-256 over configuration and weights.
    pub fingerprint: String,
}

/// What was tuned before the classes were fitted, and on which model.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// The model that whoever uses the profile has to load.
    pub base: Weights,
    /// What is added to its weights as they are read.
    pub tuning: Tuning,
}

impl Tuned {
    /// Refuses another model than the one that was tuned.
    ///
    /// # Errors
    /// [`DetectError::Profile`] with both fingerprints.
    pub fn check_base(&self, loaded: &Weights) -> Result<(), DetectError> {
        if self.base.fingerprint == loaded.fingerprint {
            return Ok(());
        }
        let said = |weights: &Weights| format!("{} ({})", weights.name, weights.fingerprint);
        Err(DetectError::Profile {
            reason: format!(
                "it was tuned on {}, but loaded is {}",
                said(&self.base),
                said(loaded)
            ),
        })
    }
}

/// Everything known of some classes.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The diffusion model, tuned where [`Self::tuned`] says so; `None` where features alone are
    /// compared.
    pub model: Option<Weights>,
    /// The feature network.
    pub features: Weights,
    /// The options that it was fitted with.
    pub options: DetectOptions,
    /// The classes, by name.
    pub classes: Vec<ClassModel>,
    /// What makes the model of another one that people have.
    pub tuned: Option<Tuned>,
}

impl Profile {
    /// The class of this name.
    ///
    /// # Errors
    /// [`DetectError::UnknownClass`], which names those that there are.
    pub fn class(&self, name: &str) -> Result<&ClassModel, DetectError> {
        let found = self.classes.iter().find(|class| class.name == name);
        found.ok_or_else(|| DetectError::UnknownClass {
            name: name.to_owned(),
            known: self.names(),
        })
    }

    /// The class of this name; without a name, the only class.
    ///
    /// # Errors
    /// As [`Self::class`]; [`DetectError::ClassNeeded`] without a name where there are several.
    pub fn choose(&self, name: Option<&str>) -> Result<&ClassModel, DetectError> {
        match (name, self.classes.as_slice()) {
            (Some(name), _) => self.class(name),
            (None, [only]) => Ok(only),
            (None, _) => Err(DetectError::ClassNeeded {
                known: self.names(),
            }),
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self
            .classes
            .iter()
            .map(|class| class.name.as_str())
            .collect();
        names.join(", ")
    }

    /// Refuses other weights than those that the profile was made with.
    ///
    /// # Errors
    /// [`DetectError::Profile`] with both fingerprints.
    pub fn check(&self, model: Option<&Weights>, features: &Weights) -> Result<(), DetectError> {
        let said = |what: &str, weights: Option<&Weights>| match weights {
            Some(weights) => format!("the {what} {} ({})", weights.name, weights.fingerprint),
            None => format!("no {what}"),
        };
        let fingerprint = |weights: Option<&Weights>| weights.map(|own| own.fingerprint.clone());
        for (what, own, loaded) in [
            ("model", self.model.as_ref(), model),
            ("feature network", Some(&self.features), Some(features)),
        ] {
            if fingerprint(own) != fingerprint(loaded) {
                return Err(DetectError::Profile {
                    reason: format!(
                        "it was made with {}, but loaded is {}",
                        said(what, own),
                        said(what, loaded)
                    ),
                });
            }
        }
        Ok(())
    }

    /// The same without the good photos and their latents, which decode to the photos.
    #[must_use]
    pub fn without_references(mut self) -> Self {
        for class in &mut self.classes {
            class.latents.clear();
        }
        self
    }
}

/// The JSON of a profile.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: String,
    model: Option<Weights>,
    features: Weights,
    options: DetectOptions,
    classes: Vec<ClassHeader>,
    /// Absent where nothing was tuned, as in profiles from before there was such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tuned: Option<TunedHeader>,
}

/// What was tuned, beside its tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TunedHeader {
    base: Weights,
    lora_alpha: f64,
}

/// Before the names of the tensors that were tuned.
const LORA: &str = "tuned.lora.";
const DECODER: &str = "tuned.vae.";

/// What is known of a class beside its tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassHeader {
    name: String,
    prompts: Prompts,
    /// Columns and rows of each good photo's grid.
    grids: Vec<(usize, usize)>,
    pose: Pose,
    /// The bank is not the good photos' locations in order (it is a coreset or holds their turns),
    /// and is stored beside them.
    bank: bool,
    /// Good photos whose latents are stored.
    references: usize,
    /// These themselves are stored beside them. Absent where not, as in profiles from before there was such a thing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pictures: bool,
    /// Text contexts are stored.
    contexts: bool,
    guide: (f32, f32),
    normalisers: ClassNormalisers,
    calibration: Calibration,
    /// Absent where nothing is ignored, as in profiles from before there was such a thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<Place>,
}

/// Rounds values to f16, as they are stored.
pub(crate) fn round_to_half(values: &mut [f32]) {
    for value in values {
        *value = half::f16::from_f32(*value).to_f32();
    }
}
