//! WebGPU through a device of our own, so that nothing it reports goes unheard.
//!
//! A shader that fails validation in a browser is skipped without an error and leaves wrong numbers.
//! The device's `uncapturederror` is therefore kept, and asked for after every job.

use std::sync::{Arc, Mutex, PoisonError};

use anomalysd_diffusion::checkpoint::ModelParts;
use anomalysd_diffusion::known_answers::{OperatorWidths, check};
use anomalysd_diffusion::weights::HalfStorage;
use burn::tensor::Device;
use burn_wgpu::WgpuSetup;
use wasm_bindgen::JsValue;

use crate::error::{Code, Outcome, WebError};
use crate::hooks::Hooks;
use crate::one_thread::OneThread;
use crate::request;

/// Which build this is.
pub const NAME: request::Device = request::Device::WebGpu;
/// Operations collected before they are handed to the GPU.
const TASKS: usize = 32;
/// Rounds of known answers before a device is trusted.
const ROUNDS: usize = 2;

/// The device and what it has reported.
pub struct Opened {
    /// Where tensors live.
    pub device: Device,
    reported: Arc<Mutex<Option<Report>>>,
}

/// The first thing that a device reported.
#[derive(Clone)]
enum Report {
    Error(String),
    Lost(String),
}

impl Opened {
    /// Runs every operator of the model twice, at the model's own widths: the second time, whatever
    /// was still being compiled is in use.
    pub async fn know_answers(&self, parts: &ModelParts) -> Outcome<()> {
        let widths = OperatorWidths::of(parts)?;
        for _ in 0..ROUNDS {
            check(&widths, &self.device)
                .await
                .map_err(|error| WebError::new(Code::Unsupported, error.to_string()))?;
            self.check()?;
        }
        Ok(())
    }

    /// Weights go to the GPU as they are stored.
    pub fn storage(&self) -> HalfStorage {
        HalfStorage::on_gpu(&self.device)
    }

    /// Fails where the device reported an error or was lost.
    pub fn check(&self) -> Outcome<()> {
        let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        match reported.clone() {
            None => Ok(()),
            Some(Report::Lost(reason)) => Err(WebError::new(
                Code::DeviceLost,
                format!("the GPU went away: {reason}"),
            )),
            Some(Report::Error(reason)) => Err(WebError::new(
                Code::Unsupported,
                format!("the GPU reported an error, so its numbers are not trusted: {reason}"),
            )),
        }
    }
}

/// Opens an adapter with all limits that it has. Its loss is told at once: what runs then may never end.
pub async fn open(hooks: &Hooks<'_>) -> Outcome<Opened> {
    let unsupported = |reason: String| WebError::new(Code::Unsupported, reason);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::BROWSER_WEBGPU,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = instance
        .request_adapter(&wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        })
        .await
        .map_err(|error| unsupported(format!("no WebGPU adapter: {error}")))?;
    let (device, queue) = adapter
        .request_device(&wgpu::DeviceDescriptor {
            label: Some("anomalysd"),
            required_features: adapter.features(),
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        })
        .await
        .map_err(|error| unsupported(format!("no WebGPU device: {error}")))?;
    let reported = Arc::new(Mutex::new(None));
    // The first report is the cause; what follows are its consequences.
    let keep = |reported: &Arc<Mutex<Option<Report>>>, report: Report| {
        reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(report);
    };
    let losses = Arc::clone(&reported);
    let told = OneThread::new(hooks.lost());
    device.set_device_lost_callback(move |_, reason| {
        keep(&losses, Report::Lost(reason.clone()));
        // What an error left behind is not to be gone on with, even if the device is lost as well.
        let first = losses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let error = match first {
            Some(Report::Error(error)) => error.into(),
            _ => JsValue::NULL,
        };
        if let Some(told) = told.get() {
            // Whoever listens has no say in it.
            let _ = told.call2(&JsValue::NULL, &reason.into(), &error);
        }
    });
    let reporting = device.clone();
    let setup = WgpuSetup {
        backend: adapter.get_info().backend,
        instance,
        adapter,
        device,
        queue,
    };
    let device = Device::wgpu_options()
        .tasks_max(TASKS)
        .setup(setup)
        .init()
        .map_err(|error| unsupported(format!("WebGPU: {error}")))?;
    // After burn has opened its server, whose own listener panics and replaces one that is there.
    let heard = Arc::clone(&reported);
    reporting.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        keep(&heard, Report::Error(error.to_string()));
    }));
    Ok(Opened { device, reported })
}
