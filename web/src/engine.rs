//! The engine: a model and a feature network on this build's device.

use std::rc::Rc;

use anomalysd_detect::DetectError;
use anomalysd_detect::control::Control;
use anomalysd_detect::features::{FeatureNetwork, Features, VaeFeatures};
use anomalysd_detect::ignore::Place;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::profile::{Profile, Weights};
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_detect::report::{self, DetectionResult, Identity, Shared};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::{Map, Photo};
use burn::tensor::{Tensor, TensorData};
use js_sys::{Array, Map as JsMap, Reflect, Uint8Array};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use wasm_bindgen::{Clamped, JsValue, prelude::wasm_bindgen};
use web_sys::Blob;

use crate::device::{self, Opened};
use crate::error::{Outcome, WebError};
use crate::files::BlobFiles;
use crate::hooks::Hooks;
use crate::models::{self, Models};
use crate::one_thread::OneThread;
use crate::render::plain;
use crate::request::{DetectRequest, EngineInfo, FitRequest, ModelInfo, ProfileInfo};
use crate::{heap_bytes, pixels};

/// A model and a feature network on a device.
#[wasm_bindgen]
pub struct Engine {
    opened: Opened,
    models: Models,
    network: Option<Features<'static>>,
}

/// A profile, parsed.
#[wasm_bindgen(js_name = Profile)]
pub struct ProfileHandle {
    profile: Profile,
    bytes: Vec<u8>,
    sha256: String,
}

/// A judged photo.
#[wasm_bindgen(js_name = Detection)]
pub struct DetectionHandle {
    result: DetectionResult,
    map: Map,
    photo: Photo,
    repaired: Photo,
    smallest: usize,
}

fn request<T: DeserializeOwned + Default>(value: JsValue) -> Outcome<T> {
    if value.is_undefined() || value.is_null() {
        return Ok(T::default());
    }
    serde_wasm_bindgen::from_value(value).map_err(WebError::argument)
}

#[wasm_bindgen]
impl Engine {
    /// Opens the device, reads the bundle's shards one at a time and loads the feature network; on
    /// WebGPU the known-answer check runs twice before anything is trusted (`options.check`: false
    /// leaves it out).
    ///
    /// `files`: `Map<string, Blob>`; `features`: a safetensors file of a feature network, whose tensors
    /// say which one it is, or undefined for the features of the model's own encoder. Needs
    /// `FileReaderSync`: a worker.
    ///
    /// # Errors
    /// `unsupported`, `bad-bundle`, `aborted`, `device-lost`.
    pub async fn open(
        files: JsMap,
        features: Option<Blob>,
        options: JsValue,
        hooks: JsValue,
    ) -> Result<Engine, JsValue> {
        let hooks = Hooks::new(&hooks);
        let opened = device::open(&hooks).await?;
        let unchecked = Reflect::get(&options, &"check".into()).is_ok_and(|check| check == false);
        let files = Rc::new(BlobFiles::new(&files)?);
        let parts = Models::parts(&files)?;
        if !unchecked {
            opened.know_answers(&parts).await?;
        }
        let models = Models::load(files, &parts, &opened)?;
        let network = match features {
            Some(blob) => {
                // By ranges: such a file may be larger than what the module should hold.
                let blob = OneThread::new(blob);
                let network = Features::load("the feature network's file", blob, &opened.device);
                Some(network.map_err(WebError::from)?)
            }
            None => None,
        };
        if hooks.aborted() {
            return Err(WebError::from(DetectError::Cancelled).into());
        }
        opened.check()?;
        Ok(Self {
            opened,
            models,
            network,
        })
    }

    /// Device, model, feature network, memory.
    ///
    /// # Errors
    /// Never in practice.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let base = &self.models.base;
        let info = EngineInfo {
            device: device::NAME,
            model: ModelInfo {
                identity: Identity::from(base),
                licence: self.models.config.licence.clone(),
            },
            features: Identity::from(&self.features_beside(base)),
            size: self.models.config.image_size,
            heap_bytes: heap_bytes(),
        };
        Ok(plain(&info)?)
    }

    /// Fits one class on one to four (or more) good photos.
    ///
    /// # Errors
    /// `bad-image`, `aborted`, `unsupported`, `device-lost`.
    pub async fn fit(
        &self,
        good: Array,
        fit: JsValue,
        hooks: JsValue,
    ) -> Result<ProfileHandle, JsValue> {
        let fit: FitRequest = request(fit)?;
        let good = pixels::photos(&good)?;
        let (options, prompts) = (fit.options().map_err(WebError::options)?, fit.prompts());
        let model = self.models.own(&self.opened)?;
        let (repair, features) = (DiffusionRepair::new(&model), self.features(&model));
        Place::check(&fit.ignore).map_err(WebError::refused)?;
        let detector = Detector::new(Some(&repair), &features, options.clone())
            .map_err(WebError::from)?
            .ignoring(fit.ignore.clone());
        let fitted = Hooks::new(&hooks)
            .control(async |control: &Control<'_>| detector.fit(&prompts, &good, control).await)
            .await;
        self.settle(&fitted).await?;
        let mut class = fitted.map_err(WebError::from)?;
        if let Some(name) = fit.class_name {
            class.name = name;
        }
        let base = self.models.base.clone();
        let profile = Profile {
            features: self.features_beside(&base),
            model: Some(base),
            options,
            classes: vec![class],
            tuned: None,
        };
        let bytes = profile.to_bytes().map_err(WebError::from)?;
        Ok(ProfileHandle::new(profile, bytes))
    }

    /// Reads a profile that this engine or the command wrote. One that was tuned changes the model when
    /// a photo is judged with it.
    ///
    /// # Errors
    /// `bad-profile`: damaged, made with other weights than those loaded, or tuned on others.
    #[wasm_bindgen(js_name = openProfile)]
    pub fn open_profile(&self, bytes: Vec<u8>) -> Result<ProfileHandle, JsValue> {
        let profile = Profile::from_bytes(bytes.clone()).map_err(WebError::profile)?;
        let model = match (&profile.tuned, &profile.model) {
            (Some(tuned), Some(made_with)) => {
                tuned
                    .check_base(&self.models.base)
                    .map_err(WebError::from)?;
                made_with
            }
            _ => &self.models.base,
        };
        profile
            .check(Some(model), &self.features_beside(model))
            .map_err(WebError::from)?;
        Ok(ProfileHandle::new(profile, bytes))
    }

    /// Judges a photo.
    ///
    /// # Errors
    /// `bad-image`, `bad-profile`, `aborted`, `unsupported`, `device-lost`.
    pub async fn detect(
        &self,
        profile: &ProfileHandle,
        image: JsValue,
        detect: JsValue,
        hooks: JsValue,
    ) -> Result<DetectionHandle, JsValue> {
        let detect: DetectRequest = request(detect)?;
        let began = crate::hooks::now();
        let photo = pixels::photo(&image)?;
        let decode_ms = crate::hooks::now() - began;
        let options = detect
            .over(&profile.profile.options)
            .map_err(WebError::options)?;
        let class = profile
            .profile
            .choose(detect.class_name.as_deref())
            .map_err(WebError::from)?;
        let (mode, seed) = (options.mode, options.seed);
        let model = self.models.of(&profile.profile, &self.opened)?;
        let (repair, features) = (DiffusionRepair::new(&model), self.features(&model));
        let loaded = models::weights(&model);
        let beside = self.features_beside(&loaded);
        // What was tuned has to make the model that the profile was fitted with.
        profile
            .profile
            .check(Some(&loaded), &beside)
            .map_err(WebError::from)?;
        Place::check(&detect.ignore).map_err(WebError::refused)?;
        let detector = Detector::new(Some(&repair), &features, options)
            .map_err(WebError::from)?
            .ignoring(detect.ignore.clone())
            .smallest(detect.min_area().map_err(WebError::refused)?);
        let healthy = || self.opened.check().is_ok();
        let judged = Hooks::new(&hooks)
            .trusting(&healthy)
            .control(async |control: &Control<'_>| detector.detect(class, &photo, control).await)
            .await;
        self.settle(&judged).await?;
        let mut detection = judged.map_err(WebError::from)?;
        if let Some(threshold) = detect.threshold {
            detection.judge_at(threshold, class.calibration.peak);
        }
        let shared = Shared {
            model: Some(Identity::from(&loaded)),
            features: Identity::from(&beside),
            profile: Some(profile.sha256.clone()),
            device: device::NAME.name().to_owned(),
            mode,
            seed,
        };
        let shown = detect.image.unwrap_or_default();
        Ok(DetectionHandle {
            result: DetectionResult::new(shown, decode_ms, class, &detection, &shared),
            map: detection.scored.map,
            photo: detection.measurement.photo,
            repaired: detection.repaired,
            smallest: detection.smallest,
        })
    }

    /// One pass of a part of the model, for a bench: `unet`, `encode` or `decode` of one input, whose width
    /// and height are equal. `context` is the text of a `unet`, at its `timestep`.
    ///
    /// # Shapes
    /// `[C, side, side]` to the values of the result, row-major; `context`: `[tokens, width]`.
    ///
    /// # Errors
    /// `internal`: numbers that do not fit; what the device reported.
    pub async fn pass(
        &self,
        part: &str,
        input: Vec<f32>,
        side: usize,
        timestep: f32,
        context: Vec<f32>,
    ) -> Result<Vec<f32>, JsValue> {
        let model = self.models.own(&self.opened)?;
        let device = &self.opened.device;
        let channels = input.len() / (side * side).max(1);
        let input =
            Tensor::<4>::from_data(TensorData::new(input, [1, channels, side, side]), device);
        let output = match part {
            "unet" => {
                let width = model.unet.config().context_width();
                let shape = [1, context.len() / width, width];
                let context = Tensor::from_data(TensorData::new(context, shape), device);
                model.unet.forward(input, &[timestep], context, None)
            }
            "encode" => model.vae.enc(input),
            "decode" => model.vae.dec(input),
            other => return Err(WebError::argument(format!("{other} is no part")).into()),
        };
        let output = output.map_err(DetectError::from).map_err(WebError::from)?;
        let read = output
            .into_data_async()
            .await
            .map_err(|error| format!("{error:?}"));
        self.opened.check()?;
        let values = read.and_then(|data| data.try_to_vec().map_err(|error| format!("{error:?}")));
        Ok(values.map_err(WebError::argument)?)
    }

    /// What the device reported comes before what its numbers led to. A failed read may be heard of
    /// before the loss that is its reason: then the loss gets a turn.
    async fn settle<T>(&self, outcome: &Result<T, DetectError>) -> Outcome<()> {
        if outcome.is_err() {
            crate::hooks::pause().await;
        }
        self.opened.check()
    }

    fn features<'a>(&'a self, model: &'a InpaintModel) -> Features<'a> {
        match &self.network {
            Some(network) => network.clone(),
            None => Features::Vae(VaeFeatures::new(model)),
        }
    }

    /// The feature network beside a model: one of its own, or that model's encoder.
    fn features_beside(&self, model: &Weights) -> Weights {
        match &self.network {
            Some(network) => Weights {
                name: network.name().to_owned(),
                fingerprint: network.fingerprint(),
            },
            None => Weights {
                name: VaeFeatures::NAME.to_owned(),
                fingerprint: model.fingerprint.clone(),
            },
        }
    }
}

#[wasm_bindgen(js_class = Profile)]
impl ProfileHandle {
    fn new(profile: Profile, bytes: Vec<u8>) -> Self {
        let sha256 = report::hex(&Sha256::digest(&bytes));
        Self {
            profile,
            bytes,
            sha256,
        }
    }

    /// The file: the same that the command reads and writes.
    #[must_use]
    pub fn bytes(&self) -> Uint8Array {
        Uint8Array::from(&self.bytes[..])
    }

    /// Classes, thresholds, and what the photos support.
    ///
    /// # Errors
    /// Never in practice.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        Ok(plain(&ProfileInfo::new(&self.profile, &self.sha256))?)
    }
}

#[wasm_bindgen(js_class = Detection)]
impl DetectionHandle {
    /// The result, as the command writes it.
    ///
    /// # Errors
    /// Never in practice.
    pub fn result(&self) -> Result<JsValue, JsValue> {
        Ok(plain(&self.result)?)
    }

    /// S, `[height, width]`.
    #[must_use]
    pub fn map(&self) -> Vec<f32> {
        self.map.data.clone()
    }

    /// Pixels of the smallest place that counts; 1 where all do.
    #[must_use]
    pub fn smallest(&self) -> usize {
        self.smallest
    }

    /// The photo as it was judged, `[height, width, 4]`.
    #[must_use]
    pub fn photo(&self) -> Clamped<Vec<u8>> {
        Clamped(self.photo.to_rgba8())
    }

    /// The photo as it should look, `[height, width, 4]`.
    #[must_use]
    pub fn repaired(&self) -> Clamped<Vec<u8>> {
        Clamped(self.repaired.to_rgba8())
    }
}
