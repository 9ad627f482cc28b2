//! The edge where a backend is chosen: this build's only one.

#[cfg(not(any(feature = "cpu", feature = "webgpu")))]
compile_error!("build with the feature `cpu` or `webgpu`");

#[cfg(not(feature = "webgpu"))]
mod cpu;
#[cfg(feature = "webgpu")]
mod webgpu;

#[cfg(not(feature = "webgpu"))]
pub use cpu::{NAME, Opened, open};
#[cfg(feature = "webgpu")]
pub use webgpu::{NAME, Opened, open};
