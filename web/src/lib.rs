//! AnomalySD in the browser: a thin shell of wasm-bindgen over the crates that the command uses.
//!
//! It runs in a worker. JavaScript brings bytes ([`Engine::open`] a model's files, [`Engine::fit`]
//! and [`Engine::detect`] photos) and gets plain objects and typed arrays. The crate is built twice,
//! with the feature `cpu` (burn's flex backend, one thread, simd128) and with `webgpu`; both export
//! the same names.
//!
//! Deliberately absent: image maths, scoring and weights. The first two are `imaging` and `detect`;
//! weights come as files beside the module.
#![cfg_attr(
    not(target_family = "wasm"),
    allow(
        dead_code,
        reason = "natively only the requests are compiled, for their tests"
    )
)]

#[cfg(target_family = "wasm")]
mod device;
#[cfg(target_family = "wasm")]
mod engine;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod hooks;
#[cfg(target_family = "wasm")]
mod models;
#[cfg(target_family = "wasm")]
mod one_thread;
#[cfg(target_family = "wasm")]
mod pixels;
#[cfg(target_family = "wasm")]
mod render;
mod request;

#[cfg(target_family = "wasm")]
pub use engine::{DetectionHandle, Engine, ProfileHandle};
#[cfg(target_family = "wasm")]
pub use render::{contour, heat_map, judge, legend, places};

#[cfg(target_family = "wasm")]
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the module's own start: a panic reaches the console with its place and reason.
#[cfg(target_family = "wasm")]
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Bytes of linear memory that the module holds; it never shrinks.
#[cfg(target_family = "wasm")]
#[wasm_bindgen(js_name = heapBytes)]
#[must_use]
pub fn heap_bytes() -> f64 {
    core::arch::wasm32::memory_size(0) as f64 * 65_536.0
}
