//! Helpers shared by the test files of this package.

use burn::tensor::Device;

pub mod formula;
pub mod golden;

/// The GPU of the tests of this file; `None`, said on standard output, where there is none. Software Vulkan (lavapipe)
/// counts as one.
///
/// # Panics
/// As [`gpu_or_skip`].
pub fn gpu() -> Option<Device> {
    static DEVICE: std::sync::OnceLock<Result<Device, String>> = std::sync::OnceLock::new();
    let device = DEVICE.get_or_init(|| {
        Device::wgpu_options()
            .init()
            .map_err(|error| format!("{error:?}"))
    });
    gpu_or_skip(device.clone(), "skipped")
}

/// The GPU that was opened; `None`, said on standard output after `without`, where there is none.
///
/// # Panics
/// Without a GPU where `ANOMALYSD_REQUIRE_GPU` is set: there no test may be skipped.
pub fn gpu_or_skip<E: std::fmt::Debug>(opened: Result<Device, E>, without: &str) -> Option<Device> {
    match opened {
        Ok(device) => Some(device),
        Err(reason) => {
            let required = std::env::var_os("ANOMALYSD_REQUIRE_GPU").is_some();
            assert!(
                !required,
                "no GPU, though ANOMALYSD_REQUIRE_GPU is set: {reason:?}"
            );
            println!("{without}: no GPU adapter, not even a software one ({reason:?})");
            None
        }
    }
}
