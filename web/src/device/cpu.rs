//! burn's flex backend: one thread, simd128, every operation at once.

use anomalysd_diffusion::checkpoint::ModelParts;
use anomalysd_diffusion::weights::HalfStorage;
use burn::tensor::Device;

use crate::error::Outcome;
use crate::hooks::Hooks;
use crate::request;

/// Which build this is.
pub const NAME: request::Device = request::Device::Cpu;

/// The device.
pub struct Opened {
    /// Where tensors live.
    pub device: Device,
}

impl Opened {
    /// Nothing is ever reported late on the CPU.
    pub fn check(&self) -> Outcome<()> {
        Ok(())
    }

    /// The processor computes in f32 and has one memory.
    pub fn storage(&self) -> HalfStorage {
        HalfStorage::Widened
    }

    /// The tests of this project know them; no driver stands between.
    pub async fn know_answers(&self, _: &ModelParts) -> Outcome<()> {
        Ok(())
    }
}

/// Opens the device, which cannot fail and is never lost.
pub async fn open(_: &Hooks<'_>) -> Outcome<Opened> {
    Ok(Opened {
        device: Device::flex(),
    })
}
