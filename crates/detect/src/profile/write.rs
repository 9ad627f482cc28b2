//! Profile to bytes.

use std::collections::{BTreeMap, HashMap};

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::{
    ClassHeader, DECODER, Header, LORA, METADATA_KEY, Profile, SCHEMA, Tuned, TunedHeader,
};
use crate::DetectError;
use crate::pipeline::ClassModel;

/// Tensors by name: format, shape, bytes.
#[derive(Default)]
struct Tensors(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn half(&mut self, name: String, shape: &[usize], values: &[f32]) {
        let bytes = values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes());
        self.0
            .insert(name, (Dtype::F16, shape.to_vec(), bytes.collect()));
    }

    fn bytes(&mut self, name: String, shape: &[usize], values: &[u8]) {
        self.0
            .insert(name, (Dtype::U8, shape.to_vec(), values.to_vec()));
    }

    fn single(&mut self, name: String, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.0
            .insert(name, (Dtype::F32, shape.to_vec(), bytes.collect()));
    }
}

impl Profile {
    /// The profile as a safetensors file.
    ///
    /// # Errors
    /// [`DetectError::Profile`] where a number is not finite, so that JSON cannot hold it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DetectError> {
        let failed = |error: String| DetectError::Profile { reason: error };
        let mut tensors = Tensors::default();
        for (index, class) in self.classes.iter().enumerate() {
            add(&mut tensors, &format!("classes.{index}"), class);
        }
        if let Some(tuned) = &self.tuned {
            add_tuned(&mut tensors, tuned);
        }
        let header = Header {
            schema: SCHEMA.to_owned(),
            model: self.model.clone(),
            features: self.features.clone(),
            options: self.options.clone(),
            classes: self.classes.iter().map(header).collect(),
            tuned: self.tuned.as_ref().map(|tuned| TunedHeader {
                base: tuned.base.clone(),
                lora_alpha: tuned.tuning.lora_alpha,
            }),
        };
        let json = serde_json::to_string(&header).map_err(|error| failed(error.to_string()))?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
        let views = tensors
            .0
            .iter()
            .map(|(name, (dtype, shape, bytes))| {
                let view = TensorView::new(*dtype, shape.clone(), bytes);
                view.map(|view| (name.as_str(), view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failed(error.to_string()))?;
        safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))
    }
}

/// Whether the bank is anything but the good photos' locations in order. Their number does not tell:
/// a coreset of photos and their turns may have just as many.
fn has_own_bank(class: &ClassModel) -> bool {
    let good = class.good.iter().flat_map(|photo| &photo.data);
    !class.prototypes.bank.vectors.iter().eq(good)
}

/// Whether all references come with their photos.
fn has_pictures(class: &ClassModel) -> bool {
    !class.latents.is_empty() && class.latents.iter().all(|one| one.picture.is_some())
}

fn header(class: &ClassModel) -> ClassHeader {
    ClassHeader {
        name: class.name.clone(),
        prompts: class.prompts.clone(),
        grids: class
            .good
            .iter()
            .map(|photo| (photo.width, photo.height))
            .collect(),
        pose: class.pose.clone(),
        bank: has_own_bank(class),
        references: class.latents.len(),
        pictures: has_pictures(class),
        contexts: class.contexts.is_some(),
        guide: class.guide,
        normalisers: class.normalisers.clone(),
        calibration: class.calibration.clone(),
        ignored: class.ignored.clone(),
    }
}

fn add_tuned(tensors: &mut Tensors, tuned: &Tuned) {
    for (prefix, changes) in [(LORA, &tuned.tuning.lora), (DECODER, &tuned.tuning.decoder)] {
        for (name, change) in changes.iter() {
            tensors.half(format!("{prefix}{name}"), &change.shape, &change.values);
        }
    }
}

fn add(tensors: &mut Tensors, class_key: &str, class: &ClassModel) {
    let name = |rest: &str| format!("{class_key}.{rest}");
    for (index, photo) in class.good.iter().enumerate() {
        let shape = [photo.count(), photo.dim];
        tensors.half(name(&format!("good.{index}")), &shape, &photo.data);
    }
    let bank = &class.prototypes.bank;
    if has_own_bank(class) {
        tensors.half(name("bank"), &[bank.count(), bank.dim], &bank.vectors);
    }
    let subspace = &class.prototypes.subspace;
    let dim = subspace.mean.len();
    let rank = subspace.basis.len().checked_div(dim).unwrap_or(0);
    tensors.single(name("subspace.mean"), &[dim], &subspace.mean);
    tensors.single(name("subspace.basis"), &[rank, dim], &subspace.basis);
    for tensor in class.normalisers.tensors() {
        tensors.single(
            name(&format!("normalisers.{}", tensor.name)),
            &tensor.shape,
            &tensor.data,
        );
    }
    if let Some(contexts) = &class.contexts {
        let shape = [contexts.tokens, contexts.width];
        for (prompt, values) in [
            ("both", &contexts.both),
            ("detail", &contexts.detail),
            ("empty", &contexts.empty),
        ] {
            tensors.half(name(&format!("contexts.{prompt}")), &shape, values);
        }
    }
    for (index, latents) in class.latents.iter().enumerate() {
        let shape = [latents.channels, latents.height, latents.width];
        tensors.half(name(&format!("references.{index}")), &shape, &latents.data);
        if has_pictures(class)
            && let Some(picture) = &latents.picture
        {
            let shape = [3, picture.height, picture.width];
            tensors.bytes(name(&format!("pictures.{index}")), &shape, &picture.data);
        }
    }
}
