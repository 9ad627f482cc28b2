//! The model as a profile wants it: the bundle's own, or with what was tuned merged while it is read.
//! One of them is in memory at a time; the bundle's Blobs stay, so that the other is read again.

use std::cell::RefCell;
use std::rc::Rc;

use anomalysd_detect::profile::{Profile, Tuned, Weights};
use anomalysd_diffusion::checkpoint::{ModelParts, open_bundle};
use anomalysd_diffusion::model::{InpaintModel, ModelConfig};

use crate::device::Opened;
use crate::error::{Code, Outcome, WebError};
use crate::files::BlobFiles;

/// A bundle, and the one model of it that is loaded.
pub struct Models {
    files: Rc<BlobFiles>,
    /// What the bundle says of itself.
    pub config: ModelConfig,
    /// The bundle's own weights.
    pub base: Weights,
    loaded: RefCell<Option<Rc<InpaintModel>>>,
}

impl Models {
    /// A bundle taken apart, before any weight is read.
    pub fn parts(files: &Rc<BlobFiles>) -> Outcome<ModelParts> {
        Ok(open_bundle(Rc::clone(files) as _)?)
    }

    /// Loads the bundle's own model.
    pub fn load(files: Rc<BlobFiles>, parts: &ModelParts, opened: &Opened) -> Outcome<Self> {
        let model = assemble(parts, opened)?;
        Ok(Self {
            files,
            config: model.config.clone(),
            base: weights(&model),
            loaded: RefCell::new(Some(Rc::new(model))),
        })
    }

    /// The bundle's own model.
    pub fn own(&self, opened: &Opened) -> Outcome<Rc<InpaintModel>> {
        self.with(&self.base, None, opened)
    }

    /// The model that a profile was made with.
    pub fn of(&self, profile: &Profile, opened: &Opened) -> Outcome<Rc<InpaintModel>> {
        match (&profile.model, &profile.tuned) {
            (Some(wanted), Some(tuned)) => self.with(wanted, Some(tuned), opened),
            _ => self.own(opened),
        }
    }

    /// The loaded model where it has this fingerprint; else it goes before the other comes.
    fn with(
        &self,
        wanted: &Weights,
        tuned: Option<&Tuned>,
        opened: &Opened,
    ) -> Outcome<Rc<InpaintModel>> {
        let loaded = self.loaded.take();
        if let Some(model) = loaded.filter(|model| model.fingerprint == wanted.fingerprint) {
            self.loaded.replace(Some(Rc::clone(&model)));
            return Ok(model);
        }
        let mut parts = Self::parts(&self.files)?;
        if let Some(tuned) = tuned {
            let merged = tuned.tuning.merge_into(parts);
            // What does not fit is the profile's: the bundle was read before.
            parts = merged.map_err(|error| WebError::new(Code::BadProfile, error.to_string()))?;
        }
        let model = Rc::new(assemble(&parts, opened)?);
        self.loaded.replace(Some(Rc::clone(&model)));
        Ok(model)
    }
}

/// Name and fingerprint of a model.
pub fn weights(model: &InpaintModel) -> Weights {
    Weights {
        name: model.config.name.clone(),
        fingerprint: model.fingerprint.clone(),
    }
}

fn assemble(parts: &ModelParts, opened: &Opened) -> Outcome<InpaintModel> {
    let (device, storage) = (&opened.device, opened.storage());
    Ok(InpaintModel::assemble_holding(parts, device, storage)?)
}
