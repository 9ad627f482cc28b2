//! The toolchain of the browser build.
//!
//! With rustup's wasm32 target where it can be had, else with Debian's compiler and its copy of the
//! standard library's source (`-Zbuild-std`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::setup;

const TARGET: &str = "wasm32-unknown-unknown";

/// A cargo command for the wasm32 target in a profile of Cargo.toml, by the first toolchain that works.
///
/// # Errors
/// When none can be had.
pub fn cargo(root: &Path, verb: &str, profile: &str, limit: Duration) -> Result<Command, String> {
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
            "--profile",
            profile,
            "--target",
            TARGET,
            "--target-dir",
            "target-wasm",
        ])
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root).join("\u{1f}"));
    Ok(cargo)
}

/// What the compiler is told. A panic says its place: by the names of crates, not by the folders of
/// whoever built the package.
fn flags(root: &Path) -> Vec<String> {
    let mut flags = vec![
        "-Ctarget-feature=+simd128".to_owned(),
        "--cfg=getrandom_backend=\"wasm_js\"".to_owned(),
        format!("--remap-path-prefix={}=anomalysd", root.display()),
    ];
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags
}

fn rustup_has_target() -> bool {
    let add = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    add.is_ok_and(|status| status.success())
}
