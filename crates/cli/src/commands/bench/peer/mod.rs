//! `--peer`: the same work by diffusers, in turns with ours, in one run.
//!
//! A peer that computes something else would make any ratio: results are compared before a time is believed.

mod detection;
mod networks;
mod program;
mod tensors;
mod training;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anomalysd_detect::features::{EfficientNetLite0, Features};
use anomalysd_diffusion::checkpoint::native;
use anomalysd_diffusion::model::InpaintModel;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::program::Program;
use self::tensors::{Tensors, difference};
use super::row::{Row, median};
use crate::args::BenchArgs;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::model;
use crate::progress::now_ms;

/// What networks may differ by, over the largest value.
const NETWORK_TOLERANCE: f64 = 1e-4;

/// Runs of a network at the beginning of a turn that are not timed.
const WARM_UP: usize = 4;

/// Between the peer's turn and ours: its threads look for more work for some milliseconds before they sleep.
const REST: Duration = Duration::from_millis(50);

/// Both programs with one model loaded.
pub struct Bench<'a> {
    args: &'a BenchArgs,
    quiet: bool,
    model: &'a InpaintModel,
    features: &'a Features<'a>,
    device: &'a str,
    program: Program,
    folder: TempDir,
}

/// Starts the peer: before anything of ours is loaded, so that a missing package is said at once.
pub fn start(args: &BenchArgs) -> Outcome<(Program, TempDir)> {
    let folder = tempfile::tempdir()
        .map_err(|error| CliError::Internal(format!("a temporary folder: {error}")))?;
    Ok((Program::start(&args.python, folder.path())?, folder))
}

/// Rows of everything that both do.
pub fn rows(
    args: &BenchArgs,
    quiet: bool,
    engine: &Engine,
    features: &Features<'_>,
    (program, folder): (Program, TempDir),
) -> Outcome<Vec<Row>> {
    let none = || CliError::Input("--peer compares models: leave out `--model none`".into());
    let mut bench = Bench {
        args,
        quiet,
        model: engine.model.as_ref().ok_or_else(none)?,
        features,
        device: &engine.chosen.name,
        program,
        folder,
    };
    bench.load()?;
    let mut rows = bench.networks()?;
    rows.extend(bench.training()?);
    if !args.networks_only && bench.wants(detection::NAME) {
        rows.extend(bench.detections(engine)?);
    }
    match &args.only {
        Some(only) if rows.is_empty() => Err(CliError::Input(format!(
            "--only {only}: no row is called so; names stop where sizes begin, as in `U-Net training step`"
        ))),
        _ => Ok(rows),
    }
}

impl Bench<'_> {
    /// Whether `--only` leaves a row in.
    fn wants(&self, name: &str) -> bool {
        let only = self.args.only.as_ref();
        only.is_none_or(|only| name.to_lowercase().contains(&only.to_lowercase()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tell(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Gives the peer the same weights.
    fn load(&mut self) -> Outcome {
        self.tell(&format!("peer: {}", self.program.name));
        let folder = match &self.args.engine.model.model {
            Some(path) if path.join("model_index.json").is_file() && self.unchanged() => {
                path.clone()
            }
            _ => {
                let parts = model::open(&self.args.engine.model)?
                    .ok_or_else(|| CliError::Internal("there is no model".into()))?;
                let folder = self.file("model");
                native::save_folder(&parts, &folder, false)?;
                folder
            }
        };
        let request = json!({
            "op": "load",
            "model": folder,
            "variant": variant(&folder),
            "pixel_unshuffle": self.model.vae.pixel_unshuffle(),
            "features": self.feature_weights()?,
            "unet_alone": !networks::VAE_ROWS.iter().chain(&[detection::NAME]).any(|name| self.wants(name)),
            "threads": self.args.engine.threads.map_or_else(cores, Some),
        });
        self.program.ask(&request).map(drop)
    }

    fn unchanged(&self) -> bool {
        let model = &self.args.engine.model;
        model.vae.is_none() && model.lora.is_empty()
    }

    /// The file of EfficientNet-Lite0's weights; none for another feature network, which the peer does not have.
    fn feature_weights(&self) -> Outcome<Option<PathBuf>> {
        if !matches!(self.features, Features::EfficientNetLite0(_)) {
            return Ok(None);
        }
        if let Some(path) = &self.args.engine.features_weights {
            return Ok(Some(path.clone()));
        }
        let path = self.file("features.safetensors");
        let none = || CliError::Internal("the feature network is not compiled in".into());
        let bytes = EfficientNetLite0::embedded_bytes().ok_or_else(none)?;
        std::fs::write(&path, bytes).map_err(|error| CliError::at(&path, error))?;
        Ok(Some(path))
    }

    /// Hands `given` to the peer, and takes turns: ours, theirs, ours, theirs. Results of the first turn,
    /// which is not timed, have to be equal. A turn is several runs, of which the last is timed, on either
    /// side: in a job one step follows another, and the first after the other program's turn finds caches not its own.
    fn alternate(
        &mut self,
        (name, goal): (&str, f64),
        mut request: Value,
        given: &Tensors,
        ours: &dyn Fn() -> Outcome<f64>,
        results: &dyn Fn() -> Outcome<Tensors>,
    ) -> Outcome<Row> {
        let (input, output) = (self.file("in.safetensors"), self.file("out.safetensors"));
        given.write(&input)?;
        request["in"] = json!(input);
        request["out"] = json!(output);
        request["warm_up"] = json!(WARM_UP);
        self.tell(name);
        let expected = results()?;
        self.program.timed(&request)?;
        let apart = expected.apart(&Tensors::read(&output)?)?;
        check(name, apart, NETWORK_TOLERANCE)?;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for _ in 0..self.args.runs {
            std::thread::sleep(REST);
            for _ in 0..WARM_UP {
                ours()?;
            }
            own.push(ours()?);
            others.push(self.program.timed(&request)?);
        }
        let mut row = Row::ours(name.to_owned(), median(&mut own), self.device).beside(
            &self.program.name,
            median(&mut others),
            goal,
        );
        row.difference = Some(apart);
        Ok(row)
    }
}

/// Refuses results that are not equal.
fn check(name: &str, apart: f64, tolerance: f64) -> Outcome {
    if apart <= tolerance {
        return Ok(());
    }
    Err(CliError::Internal(format!(
        "{name}: the peer's result differs from ours by {apart:.1e} of the largest value, where {tolerance:.0e} is \
         allowed; times of different results say nothing"
    )))
}

/// Milliseconds of some work.
fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<f64> {
    let began = now_ms();
    work()?;
    Ok(now_ms() - began)
}

/// Which files of a diffusers folder are to be read.
fn variant(folder: &Path) -> Option<&'static str> {
    let unet = folder.join("unet");
    let plain = unet.join("diffusion_pytorch_model.safetensors").is_file();
    let half = unet
        .join("diffusion_pytorch_model.fp16.safetensors")
        .is_file();
    (half && !plain).then_some("fp16")
}

fn cores() -> Option<usize> {
    std::thread::available_parallelism().map(usize::from).ok()
}

impl Tensors {
    /// The largest relative difference of any tensor.
    fn apart(&self, theirs: &Self) -> Outcome<f64> {
        let each = self.names().map(|name| {
            let theirs = theirs.get(name)?;
            Ok(difference(self.get(name)?, theirs))
        });
        each.collect::<Outcome<Vec<_>>>()
            .map(|all| all.into_iter().fold(0.0, f64::max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_differ_are_refused_with_both_numbers() {
        assert!(check("U-Net step", 9e-5, NETWORK_TOLERANCE).is_ok());
        let refused = check("U-Net step", 2e-3, NETWORK_TOLERANCE).unwrap_err();
        assert!(refused.to_string().contains("2.0e-3"));
        assert!(check("U-Net step", f64::INFINITY, NETWORK_TOLERANCE).is_err());
    }

    #[test]
    fn a_folder_in_half_precision_alone_is_read_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let unet = folder.path().join("unet");
        std::fs::create_dir(&unet).unwrap();
        assert_eq!(variant(folder.path()), None);
        std::fs::write(unet.join("diffusion_pytorch_model.fp16.safetensors"), "").unwrap();
        assert_eq!(variant(folder.path()), Some("fp16"));
        std::fs::write(unet.join("diffusion_pytorch_model.safetensors"), "").unwrap();
        assert_eq!(variant(folder.path()), None);
    }
}
