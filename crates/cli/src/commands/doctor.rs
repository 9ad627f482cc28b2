//! `doctor`: what this build and this machine can do.

use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_diffusion::model::{InpaintModel, has_embedded};
use burn::tensor::Device;
use serde::Serialize;

use crate::args::{DoctorArgs, InspectFormat};
use crate::device::DeviceChoice;
use crate::error::{CliError, Outcome};
use crate::output;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    cores: usize,
    model: Check,
    features: Check,
    auto_device: String,
    gpu: Check,
}

#[derive(Serialize)]
struct Check {
    ok: bool,
    note: String,
}

/// Tries everything that a detection needs; fails where something that it needs does not work.
pub fn run(args: &DoctorArgs) -> Outcome {
    let model = if has_embedded() {
        match InpaintModel::embedded(&Device::flex()) {
            Ok(model) => Check {
                ok: true,
                note: format!(
                    "{} {}",
                    model.config.name,
                    &model.fingerprint[..12.min(model.fingerprint.len())]
                ),
            },
            Err(error) => Check {
                ok: false,
                note: error.to_string(),
            },
        }
    } else {
        Check {
            ok: false,
            note: "none compiled in: give one with --model".into(),
        }
    };
    let features = match EfficientNetLite0::embedded(&Device::flex()) {
        Ok(Some(_)) => Check { ok: true, note: "efficientnet-lite0".into() },
        Ok(None) => Check {
            ok: true,
            note: "vae: this build does not carry efficientnet-lite0 (`cargo xtask feature-network`, then build)".into(),
        },
        Err(error) => Check { ok: false, note: error.to_string() },
    };
    let gpu = match DeviceChoice::Gpu(None).open() {
        Ok(_) => Check {
            ok: true,
            note: "an adapter opens; software ones count".into(),
        },
        Err(error) => Check {
            ok: false,
            note: error.to_string(),
        },
    };
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        model,
        features,
        auto_device: DeviceChoice::Auto.open()?.name,
        gpu,
    };
    if args.format == InspectFormat::Json {
        output::print(&output::to_json(&report)?)?;
    } else {
        let mark = |check: &Check| if check.ok { "ok" } else { "no" };
        output::print(&format!(
            "anomalysd  {}\ncores      {}\nmodel      {}: {}\nfeatures   {}: {}\ngpu        {}: {}\n--device auto takes {}",
            report.version,
            report.cores,
            mark(&report.model),
            report.model.note,
            mark(&report.features),
            report.features.note,
            mark(&report.gpu),
            report.gpu.note,
            report.auto_device,
        ))?;
    }
    if report.model.ok && report.features.ok {
        Ok(())
    } else {
        Err(CliError::Internal(
            "the embedded model or feature network does not work".into(),
        ))
    }
}
