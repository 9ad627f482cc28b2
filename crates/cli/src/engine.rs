//! Model and feature network on the chosen device.

use std::path::Path;

use anomalysd_detect::features::{EfficientNetLite0, FeatureNetwork, Features, VaeFeatures};
use anomalysd_detect::profile::Profile;
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_detect::report::Identity;
use anomalysd_diffusion::checkpoint::ModelParts;
use anomalysd_diffusion::checkpoint::native::FileBytes;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::weights::HalfStorage;

use crate::args::{EngineArgs, FeatureName};
use crate::device::Chosen;
use crate::error::{CliError, Outcome};
use crate::model;

/// What was loaded.
pub struct Engine {
    /// The diffusion model; `None` with `--model none`.
    pub model: Option<InpaintModel>,
    /// The device.
    pub chosen: Chosen,
}

impl Engine {
    /// Loads the model onto the device.
    pub fn load(args: &EngineArgs) -> Outcome<Self> {
        Self::load_changed(args, Ok)
    }

    /// Loads the model as a profile that was tuned wants it, merged while it is read.
    pub fn load_for(args: &EngineArgs, profile: Option<&Profile>) -> Outcome<Self> {
        match profile.and_then(|profile| profile.tuned.as_ref()) {
            None => Self::load(args),
            Some(tuned) => Self::load_changed(args, |parts| Ok(tuned.tuning.merge_into(parts)?)),
        }
    }

    /// Loads the model with a change.
    pub fn load_changed(
        args: &EngineArgs,
        change: impl FnOnce(ModelParts) -> Outcome<ModelParts>,
    ) -> Outcome<Self> {
        let chosen = args.device.open()?;
        let mut engine = Self {
            model: None,
            chosen,
        };
        engine.open(args, change)?;
        Ok(engine)
    }

    /// Loads the model again, with a change.
    pub fn open(
        &mut self,
        args: &EngineArgs,
        change: impl FnOnce(ModelParts) -> Outcome<ModelParts>,
    ) -> Outcome {
        let device = &self.chosen.device;
        let parts = model::open(&args.model)?.map(change).transpose()?;
        self.model = match parts {
            None => None,
            Some(parts) if args.f16 => {
                let (parts, storage) = (parts.rounded_to_half(), HalfStorage::Kept);
                Some(InpaintModel::assemble_holding(&parts, device, storage)?)
            }
            Some(parts) => Some(InpaintModel::assemble(&parts, device)?),
        };
        let name = self.model.as_ref().map(|model| &model.config.name);
        tracing::info!(device = self.chosen.name, model = ?name, "loaded");
        Ok(())
    }

    /// The feature network: the one asked for, else the best of this build.
    pub fn features(&self, args: &EngineArgs) -> Outcome<Features<'_>> {
        if let Some(path) = &args.features_weights {
            return self.features_of(path, args.features);
        }
        let vae = || {
            let model = self.model.as_ref().ok_or_else(|| {
                CliError::Input("--features vae needs a model: leave out `--model none`".into())
            })?;
            Ok(Features::Vae(VaeFeatures::new(model)))
        };
        let embedded = || EfficientNetLite0::embedded(&self.chosen.device);
        match args.features {
            Some(FeatureName::Vae) => vae(),
            Some(FeatureName::EfficientnetLite0) => match embedded()? {
                Some(network) => Ok(Features::EfficientNetLite0(network)),
                None => Err(CliError::Input(
                    "--features efficientnet-lite0: this build does not carry its weights; \
                     give them with --features-weights, or build after `cargo xtask feature-network`"
                        .into(),
                )),
            },
            Some(name) => Err(CliError::Input(format!(
                "--features {name}: its weights are not compiled in; give {} with --features-weights",
                brought(name)
            ))),
            None => match embedded()? {
                Some(network) => Ok(Features::EfficientNetLite0(network)),
                None => vae(),
            },
        }
    }

    /// The feature network of a file, which has to be the one asked for.
    fn features_of(&self, path: &Path, asked: Option<FeatureName>) -> Outcome<Features<'_>> {
        if asked == Some(FeatureName::Vae) {
            return Err(CliError::Input(
                "--features-weights: `vae` takes its weights from the model".into(),
            ));
        }
        let shown = path.display().to_string();
        let bytes = FileBytes::open(path)?;
        let network = Features::load(&shown, bytes, &self.chosen.device)?;
        match asked {
            Some(name) if name.to_string() != network.name() => Err(CliError::Input(format!(
                "--features {name}: {shown} holds {}",
                network.name()
            ))),
            _ => Ok(network),
        }
    }

    /// The model, where something is tuned.
    pub fn tuned_on(&self) -> Outcome<&InpaintModel> {
        let none = || CliError::Input("--model none: there is nothing to tune".into());
        self.model.as_ref().ok_or_else(none)
    }

    /// The repair; `None` with `--model none`.
    pub fn repair(&self) -> Option<DiffusionRepair<'_>> {
        self.model.as_ref().map(DiffusionRepair::new)
    }

    /// The model's name and hash.
    pub fn model_identity(&self) -> Option<Identity> {
        self.model.as_ref().map(|model| Identity {
            name: model.config.name.clone(),
            sha256: model.fingerprint.clone(),
        })
    }
}

/// The file of a network that the user brings.
fn brought(name: FeatureName) -> &'static str {
    match name {
        FeatureName::Dinov2Small => {
            "model.safetensors of facebook/dinov2-small or facebook/dinov2-with-registers-small (Hugging Face)"
        }
        FeatureName::Dinov2Base => {
            "model.safetensors of facebook/dinov2-base or facebook/dinov2-with-registers-base (Hugging Face)"
        }
        FeatureName::Dinov2Large => {
            "model.safetensors of facebook/dinov2-large or facebook/dinov2-with-registers-large (Hugging Face)"
        }
        FeatureName::AlexnetLpips => {
            "torchvision's alexnet-owt-7be5be79.pth, converted to safetensors,"
        }
        FeatureName::EfficientnetLite0 | FeatureName::Vae => "its file",
    }
}

/// A feature network's name and hash.
pub fn features_identity(features: &Features<'_>) -> Identity {
    Identity {
        name: features.name().to_owned(),
        sha256: features.fingerprint(),
    }
}
