//! AnomalySD in the browser: a thin shell of wasm-bindgen over the crates that the command uses.
//!
//! It runs in a worker. JavaScript brings bytes ([`Engine::open`] a model's files, [`Engine::fit`]
//! and [`Engine::detect`] photos) and gets plain objects and typed arrays. The crate is built twice,
//! with the feature `cpu` (burn's flex backend, one thread, simd128) and with `webgpu`; both export
//! the same names.
//!
//! Deliberately absent: image maths, scoring and weights. The first two are `imaging` and `detect`;
//! weights come as files beside the module.
#![cfg(target_family = "wasm")]

mod device;
mod engine;
mod error;
mod files;
mod hooks;
mod pixels;
mod render;
mod request;

pub use engine::{DetectionHandle, Engine, ProfileHandle};
pub use render::{contour, heat_map, judge, legend};

use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the module's own start: a panic reaches the console with its place and reason.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Bytes of linear memory that the module holds; it never shrinks.
#[wasm_bindgen(js_name = heapBytes)]
#[must_use]
pub fn heap_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65_536.0
}
