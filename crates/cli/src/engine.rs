//! Model and feature network on the chosen device.

use anomalysd_detect::features::{EfficientNetLite0, FeatureNetwork, Features, VaeFeatures};
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_detect::report::Identity;
use anomalysd_diffusion::checkpoint::{native, refuse_pickle};
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
        if let Some(threads) = args.threads {
            if !(1..=1024).contains(&threads) {
                return Err(CliError::Input(format!(
                    "--threads is {threads}, expected 1 to 1024"
                )));
            }
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|error| CliError::Internal(format!("threads: {error}")))?;
        }
        let chosen = args.device.open()?;
        let model = match model::open(&args.model)? {
            None => None,
            Some(parts) if args.f16 => {
                let (parts, storage) = (parts.rounded_to_half(), HalfStorage::Kept);
                Some(InpaintModel::assemble_holding(
                    &parts,
                    &chosen.device,
                    storage,
                )?)
            }
            Some(parts) => Some(InpaintModel::assemble(&parts, &chosen.device)?),
        };
        tracing::info!(device = chosen.name, model = ?model.as_ref().map(|m| &m.config.name), "loaded");
        Ok(Self { model, chosen })
    }

    /// The feature network: the one asked for, else the best of this build.
    pub fn features(&self, args: &EngineArgs) -> Outcome<Features<'_>> {
        if let Some(path) = &args.features_weights {
            if args.features == Some(FeatureName::Vae) {
                return Err(CliError::Input(
                    "--features-weights: `vae` takes its weights from the model".into(),
                ));
            }
            let shown = path.display().to_string();
            refuse_pickle(&shown, &native::FileBytes::open(path)?)?;
            let bytes = std::fs::read(path).map_err(|error| CliError::at(path, error))?;
            let network = EfficientNetLite0::load(&shown, bytes, &self.chosen.device)?;
            return Ok(Features::EfficientNetLite0(network));
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
            None => match embedded()? {
                Some(network) => Ok(Features::EfficientNetLite0(network)),
                None => vae(),
            },
        }
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

/// A feature network's name and hash.
pub fn features_identity(features: &Features<'_>) -> Identity {
    Identity {
        name: features.name().to_owned(),
        sha256: features.fingerprint(),
    }
}
