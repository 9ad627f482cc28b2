//! The toolchain of the browser build.
//!
//! With rustup's wasm32 target where it can be had, else with Debian's compiler and its copy of the
//! standard library's source (`-Zbuild-std`).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::setup;

const TARGET: &str = "wasm32-unknown-unknown";
/// A cargo command for the wasm32 target, by the first toolchain that works.
///
/// # Errors
/// When none can be had.
pub fn cargo(root: &Path, verb: &str, limit: Duration) -> Result<Command, String> {
    let mut cargo = if rustup_has_target() {
        println!("wasm32: the rustup toolchain");
        Command::new("cargo")
    } else {
        setup::wasm(limit)?;
        println!("wasm32: Debian's compiler with its own standard library source");
        let mut cargo = Command::new("/usr/bin/cargo");
        cargo
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                "/usr/bin/wasm-ld",
            )
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO");
        cargo
    };
    cargo.current_dir(root).arg(verb);
    if !rustup_has_target() {
        cargo.arg("-Zbuild-std=std,panic_abort");
    }
    cargo
        .args([
            "--release",
            "--target",
            TARGET,
            "--target-dir",
            "target-wasm",
        ])
        .env(
            "RUSTFLAGS",
            "-C target-feature=+simd128 --cfg getrandom_backend=\"wasm_js\"",
        );
    Ok(cargo)
}

fn rustup_has_target() -> bool {
    let add = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    add.is_ok_and(|status| status.success())
}
