//! Bytes to profile. The bytes may come from anywhere: whatever does not fit is an error.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use anomalysd_diffusion::tuning::{self, Tuning};
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, TensorSource};

use super::{
    ClassHeader, DECODER, Header, LORA, METADATA_KEY, MOST_PHOTOS, Profile, SCHEMA, Tuned,
    TunedHeader,
};
use crate::DetectError;
use crate::ignore::{MOST_PLACES, Place};
use crate::options::FeatureOptions;
use crate::pipeline::ClassModel;
use crate::prototypes::{Bank, Descriptors, MOST_PROTOTYPES, Prototypes, Subspace, Turn, located};
use crate::repaint::{Contexts, Latents, Picture};

/// Numbers per descriptor that no feature network exceeds.
const MOST_DIMENSIONS: usize = 1 << 14;
/// Side of a good photo's latents that no model exceeds: photos have at most 4,096 pixels a side.
const MOST_CELLS: usize = 1 << 12;

/// Constants that came later than the first profiles, and what was computed before there was such a choice:
/// a profile judges as it did when it was made, whatever the defaults are now.
fn fill_in_older_constants(profile: &mut serde_json::Value) {
    for (group, name, before) in [
        ("repair", "registration", serde_json::json!(false)),
        ("score", "fusion_exponent", serde_json::json!(1.0)),
        ("score", "energy_floor", serde_json::json!(0.0)),
        ("score", "displacement", serde_json::json!(0)),
    ] {
        let options = profile.pointer_mut(&format!("/options/{group}"));
        if let Some(options) = options.and_then(serde_json::Value::as_object_mut) {
            options.entry(name).or_insert(before);
        }
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, DetectError> {
    Err(DetectError::Profile {
        reason: reason.into(),
    })
}

/// The tensors of a file, each to be used once.
struct Tensors {
    source: SafetensorsSource,
    unused: RefCell<BTreeSet<String>>,
}

impl Tensors {
    /// A tensor with `rank` sides, all values finite.
    fn take(&self, name: &str, rank: usize) -> Result<HostTensor, DetectError> {
        let tensor = self.take_any(name)?;
        if tensor.shape.len() != rank {
            return refuse(format!(
                "tensor `{name}` has shape {:?}, expected {rank} sides",
                tensor.shape
            ));
        }
        Ok(tensor)
    }

    /// All tensors whose names begin with `prefix`, by the rest of their names.
    fn below(&self, prefix: &str) -> Result<tuning::Tensors, DetectError> {
        let names: Vec<String> = {
            let unused = self.unused.borrow();
            let all = unused.iter().filter(|name| name.starts_with(prefix));
            all.cloned().collect()
        };
        let tensor = |name: String| {
            let tensor = self.take_any(&name)?;
            Ok((name[prefix.len()..].to_owned(), tensor))
        };
        names.into_iter().map(tensor).collect()
    }

    /// Shape and bytes of a tensor of these.
    fn take_bytes(&self, name: &str) -> Result<(Vec<usize>, Vec<u8>), DetectError> {
        if !self.unused.borrow_mut().remove(name) {
            return refuse(format!("tensor `{name}` is missing"));
        }
        match self.source.read_bytes(name)? {
            Some(tensor) => Ok(tensor),
            None => refuse(format!("tensor `{name}` holds something else than bytes")),
        }
    }

    /// A tensor, all values finite.
    fn take_any(&self, name: &str) -> Result<HostTensor, DetectError> {
        if !self.unused.borrow_mut().remove(name) {
            return refuse(format!("tensor `{name}` is missing"));
        }
        let tensor = self.source.read(name)?;
        if tensor.values.iter().any(|value| !value.is_finite()) {
            return refuse(format!("tensor `{name}` holds NaN or infinity"));
        }
        Ok(tensor)
    }
}

impl Profile {
    /// Reads a profile from the bytes of its file.
    ///
    /// # Errors
    /// [`DetectError::Profile`] or a damaged container.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, DetectError> {
        let source = SafetensorsSource::new("profile", bytes)?;
        let Some(json) = source.user_metadata().remove(METADATA_KEY) else {
            return refuse("this safetensors file is not a profile");
        };
        // The schema first: a profile of another version has other fields.
        let mut value: serde_json::Value =
            serde_json::from_str(&json).map_err(|error| DetectError::Profile {
                reason: error.to_string(),
            })?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => return refuse(format!("its schema is {other}, expected {SCHEMA}")),
            None => return refuse("this safetensors file is not a profile"),
        }
        fill_in_older_constants(&mut value);
        let header: Header =
            serde_json::from_value(value).map_err(|error| DetectError::Profile {
                reason: error.to_string(),
            })?;
        header.options.validate()?;
        let tensors = Tensors {
            unused: RefCell::new(source.names().into_iter().collect()),
            source,
        };
        let mut classes: Vec<ClassModel> = Vec::with_capacity(header.classes.len());
        for (index, class) in header.classes.into_iter().enumerate() {
            if classes.iter().any(|other| other.name == class.name) {
                return refuse(format!("class `{}` occurs twice", class.name));
            }
            if header.model.is_some() != class.contexts {
                let (with, without) = if class.contexts {
                    ("text contexts", "model")
                } else {
                    ("a model", "text contexts")
                };
                return refuse(format!(
                    "class `{}` has {with}, but no {without}",
                    class.name
                ));
            }
            classes.push(read_class(
                &tensors,
                &format!("classes.{index}"),
                class,
                &header.options.features,
            )?);
        }
        if classes.is_empty() {
            return refuse("it holds no class");
        }
        let tuned = header
            .tuned
            .map(|tuned| read_tuned(&tensors, tuned, header.model.is_some()))
            .transpose()?;
        if let Some(name) = tensors.unused.borrow().first() {
            return refuse(format!("tensor `{name}` belongs to nothing"));
        }
        Ok(Self {
            model: header.model,
            features: header.features,
            options: header.options,
            classes,
            tuned,
        })
    }
}

fn read_tuned(
    tensors: &Tensors,
    header: TunedHeader,
    has_model: bool,
) -> Result<Tuned, DetectError> {
    let tuning = Tuning {
        lora: tensors.below(LORA)?.into(),
        lora_alpha: header.lora_alpha,
        decoder: tensors.below(DECODER)?.into(),
    };
    if !has_model || !tuning.lora_alpha.is_finite() {
        return refuse("it was tuned, but not a model, or with no number");
    }
    Ok(Tuned {
        base: header.base,
        tuning,
    })
}

fn read_class(
    tensors: &Tensors,
    key: &str,
    header: ClassHeader,
    features: &FeatureOptions,
) -> Result<ClassModel, DetectError> {
    let name = |rest: &str| format!("{key}.{rest}");
    if !(1..=MOST_PHOTOS).contains(&header.grids.len()) || header.references > header.grids.len() {
        return refuse(format!(
            "class `{}` has {} good photos and {} references",
            header.name,
            header.grids.len(),
            header.references
        ));
    }
    check_numbers(&header)?;
    let mean = tensors.take(&name("subspace.mean"), 1)?;
    let dim = mean.shape[0];
    if !(1..=MOST_DIMENSIONS).contains(&dim) {
        return refuse(format!(
            "descriptors of {dim} numbers, at most {MOST_DIMENSIONS}"
        ));
    }
    let vectors = |name: &str| -> Result<Vec<f32>, DetectError> {
        let tensor = tensors.take(name, 2)?;
        if tensor.shape[1] != dim {
            return refuse(format!(
                "tensor `{name}` has shape {:?}, expected [_, {dim}]",
                tensor.shape
            ));
        }
        Ok(tensor.values)
    };
    let mut good = Vec::with_capacity(header.grids.len());
    for (index, &(width, height)) in header.grids.iter().enumerate() {
        let data = vectors(&name(&format!("good.{index}")))?;
        if width
            .checked_mul(height)
            .and_then(|count| count.checked_mul(dim))
            != Some(data.len())
            || data.is_empty()
        {
            return refuse(format!(
                "good photo {index} of `{}` does not fill its grid",
                header.name
            ));
        }
        good.push(Descriptors {
            width,
            height,
            dim,
            data,
        });
    }
    let bank = if header.bank {
        Bank {
            dim,
            vectors: vectors(&name("bank"))?,
            grids: if header.pose.aligned {
                grids_of_bank(&header)
            } else {
                Vec::new()
            },
        }
    } else {
        Bank::new(&good.iter().collect::<Vec<_>>())
    };
    let places: usize = bank
        .grids
        .iter()
        .map(|(width, height)| width * height)
        .sum();
    if header.pose.aligned && places != bank.count() {
        return refuse(format!(
            "class `{}` is aligned, but its bank holds {} of {places} places",
            header.name,
            bank.count()
        ));
    }
    let (radius, capacity) = if header.pose.aligned {
        (Some(features.aligned_radius), MOST_PROTOTYPES)
    } else {
        (None, features.bank_capacity)
    };
    if !(1..=capacity).contains(&bank.count()) {
        return refuse(format!(
            "class `{}` has {} prototypes, expected 1 to {capacity}",
            header.name,
            bank.count()
        ));
    }
    let basis = vectors(&name("subspace.basis"))?;
    if basis.len() > dim * dim {
        return refuse(format!(
            "the subspace of `{}` has more than {dim} directions",
            header.name
        ));
    }
    let mut normalisers = header.normalisers;
    for (tensor_name, shape) in normalisers.expected_tensors() {
        let full = name(&format!("normalisers.{tensor_name}"));
        let tensor = tensors.take(&full, 2)?;
        if tensor.shape != shape || !normalisers.set_tensor(&tensor_name, shape, tensor.values) {
            return refuse(format!(
                "tensor `{full}` has shape {:?}, expected {shape:?} of numbers from 0",
                tensor.shape
            ));
        }
    }
    let contexts = if header.contexts {
        Some(read_contexts(tensors, &name("contexts"))?)
    } else {
        None
    };
    let latents = (0..header.references)
        .map(|index| {
            let mut latents = read_latents(tensors, &name(&format!("references.{index}")))?;
            if header.pictures {
                let picture = read_picture(tensors, &name(&format!("pictures.{index}")))?;
                latents.picture = Some(Arc::new(picture));
            }
            Ok(latents)
        })
        .collect::<Result<Vec<Latents>, DetectError>>()?;
    if let [first, others @ ..] = latents.as_slice()
        && let Some(other) = others.iter().find(|one| one.channels != first.channels)
    {
        return refuse(format!(
            "references of `{}` have {} and {} channels",
            header.name, first.channels, other.channels
        ));
    }
    Ok(ClassModel {
        name: header.name,
        prompts: header.prompts,
        prototypes: Prototypes {
            bank,
            subspace: Subspace {
                mean: mean.values,
                basis,
            },
            radius,
        },
        pose: header.pose,
        good,
        latents,
        contexts,
        guide: header.guide,
        normalisers,
        calibration: header.calibration,
        ignored: header.ignored,
    })
}

/// Three contexts of one shape.
fn read_contexts(tensors: &Tensors, key: &str) -> Result<Contexts, DetectError> {
    let [both, detail, empty] =
        ["both", "detail", "empty"].map(|prompt| tensors.take(&format!("{key}.{prompt}"), 2));
    let (both, detail, empty) = (both?, detail?, empty?);
    if both.values.is_empty() || both.shape != detail.shape || both.shape != empty.shape {
        return refuse(format!(
            "text contexts `{key}` are empty or differ in shape"
        ));
    }
    Ok(Contexts {
        tokens: both.shape[0],
        width: both.shape[1],
        both: both.values,
        detail: detail.values,
        empty: empty.values,
    })
}

fn read_latents(tensors: &Tensors, key: &str) -> Result<Latents, DetectError> {
    let tensor = tensors.take(key, 3)?;
    let [channels, height, width] = [tensor.shape[0], tensor.shape[1], tensor.shape[2]];
    if tensor.values.is_empty() || height.max(width) > MOST_CELLS {
        return refuse(format!(
            "tensor `{key}` has shape {:?}, expected [C, 1 to {MOST_CELLS}, 1 to {MOST_CELLS}]",
            tensor.shape
        ));
    }
    Ok(Latents {
        channels,
        height,
        width,
        data: tensor.values,
        picture: None,
    })
}

/// A good photo in 8 bits.
fn read_picture(tensors: &Tensors, key: &str) -> Result<Picture, DetectError> {
    let (shape, data) = tensors.take_bytes(key)?;
    match *shape.as_slice() {
        [3, height, width] if !data.is_empty() && height.max(width) <= MOST_CELLS => Ok(Picture {
            width,
            height,
            data,
        }),
        _ => refuse(format!(
            "tensor `{key}` has shape {shape:?}, expected [3, 1 to {MOST_CELLS}, 1 to {MOST_CELLS}]"
        )),
    }
}

/// Grids of the photos that the bank of an aligned class holds, each followed by those of its allowed
/// turns, as `fit` fills it.
fn grids_of_bank(header: &ClassHeader) -> Vec<(usize, usize)> {
    let views = 1 + header.pose.turns.len();
    let count = |&(width, height): &(usize, usize)| width.saturating_mul(height);
    let places: Vec<usize> = header
        .grids
        .iter()
        .map(|grid| count(grid).saturating_mul(views))
        .collect();
    let turned = |index: usize| {
        let (width, height) = header.grids[index];
        let views = header.pose.turns.iter().map(move |turn| match turn {
            Turn::Right | Turn::Left => (height, width),
            Turn::Around | Turn::Mirror | Turn::UpsideDown => (width, height),
        });
        std::iter::once((width, height)).chain(views)
    };
    located(&places).into_iter().flat_map(turned).collect()
}

/// The numbers of the JSON: finite, not negative, scores ascending.
fn check_numbers(header: &ClassHeader) -> Result<(), DetectError> {
    let normal = &header.normalisers;
    let all = std::iter::once(&normal.features)
        .chain(normal.scales.values())
        .chain(&normal.guided);
    let parts = all.flat_map(|normaliser| [normaliser.mean, normaliser.std]);
    let calibration = &header.calibration;
    let mut numbers = parts.chain(calibration.scores.iter().copied()).chain([
        calibration.peak,
        calibration.threshold,
        header.guide.0,
        header.guide.1,
    ]);
    if numbers.any(|value| !value.is_finite() || value < 0.0) {
        return refuse(format!(
            "a number of class `{}` is negative or not finite",
            header.name
        ));
    }
    if header.ignored.len() > MOST_PLACES || !header.ignored.iter().all(Place::is_valid) {
        return refuse(format!(
            "an ignored place of class `{}` is not in the photo, or there are more than {MOST_PLACES}",
            header.name
        ));
    }
    if calibration.scores.is_empty() || !calibration.scores.is_sorted() {
        return refuse(format!(
            "calibration scores of `{}` are not ascending",
            header.name
        ));
    }
    Ok(())
}
