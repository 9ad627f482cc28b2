//! The diffusion model that the arguments ask for, taken apart.

use std::path::Path;

use anomalysd_diffusion::checkpoint::native::{self, Changes};
use anomalysd_diffusion::checkpoint::{ModelParts, open_single_file};
use anomalysd_diffusion::model::embedded_bytes;
use anomalysd_diffusion::weights::SafetensorsSource;

use crate::args::ModelArgs;
use crate::error::{CliError, Outcome};

/// What `--model none` says.
const NO_MODEL: &str = "none";

/// Opens the model with its changes; `None` for `--model none`.
pub fn open(args: &ModelArgs) -> Outcome<Option<ModelParts>> {
    let changes = Changes {
        vae: args.vae.clone(),
        loras: args
            .lora
            .iter()
            .map(|lora| (lora.path.clone(), lora.scale))
            .collect(),
    };
    let parts = match &args.model {
        None => {
            let bytes = embedded_bytes().ok_or_else(|| {
                CliError::Input("--model: this build carries no model of its own".into())
            })?;
            open_single_file("mini", SafetensorsSource::new("mini", bytes)?)?
        }
        Some(path) if path == Path::new(NO_MODEL) => {
            return match (&args.vae, &args.lora[..]) {
                (None, []) => Ok(None),
                _ => Err(CliError::Input(
                    "--vae and --lora change a model: leave out `--model none`".into(),
                )),
            };
        }
        Some(path) => native::open(path)?,
    };
    Ok(Some(changes.apply(parts)?))
}
