//! `doctor`: what this build and this machine can do.

use anomalysd_detect::cost::stable_diffusion_inpainting;
use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_diffusion::model::{InpaintModel, has_embedded};
use anomalysd_train::tune::{MemoryQuestion, unet_step_bytes};
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
    /// Calculated, not tried.
    tuning_gb: Vec<TuningMemory>,
}

/// Memory of a step of a LoRA of Stable Diffusion 1.5's size at 512×512, one photo at once.
#[derive(Serialize)]
struct TuningMemory {
    what: &'static str,
    gb: f64,
}

fn tuning_memory() -> Vec<TuningMemory> {
    let (unet, vae) = stable_diffusion_inpainting();
    let plain = MemoryQuestion::lora_of_stable_diffusion(&unet, &vae);
    let row = |what, question: MemoryQuestion<'_>| TuningMemory {
        what,
        gb: (unet_step_bytes(&question) / 1e8).round() / 10.0,
    };
    vec![
        row(
            "--gradient-checkpointing --mixed-precision fp16",
            MemoryQuestion {
                half: true,
                ..plain
            },
        ),
        row("--gradient-checkpointing", plain),
        row(
            "--gradient-checkpointing, four good photos in the attentions (five or more of a class)",
            MemoryQuestion {
                references: 4,
                ..plain
            },
        ),
        row(
            "everything kept",
            MemoryQuestion {
                gradient_checkpointing: false,
                ..plain
            },
        ),
    ]
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
        tuning_gb: tuning_memory(),
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
        output::print(
            "memory of tuning a LoRA of Stable Diffusion 1.5 at 512×512, --train-batch-size 1, one good photo in the attentions of another, calculated:",
        )?;
        for TuningMemory { what, gb } in &report.tuning_gb {
            output::print(&format!("  {gb:>5.1} GB  {what}"))?;
        }
    }
    if report.model.ok && report.features.ok {
        Ok(())
    } else {
        Err(CliError::Internal(
            "the embedded model or feature network does not work".into(),
        ))
    }
}
