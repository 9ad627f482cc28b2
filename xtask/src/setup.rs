//! What a bare Debian 12 lacks, installed by name.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Outcome, command};

/// A file whose presence shows that a Debian package is there, and the package's name.
const PACKAGES: &[(&str, &str)] = &[
    ("/usr/bin/cc", "gcc"),
    (
        "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
        "mesa-vulkan-drivers",
    ),
    ("/usr/lib/x86_64-linux-gnu/libvulkan.so.1", "libvulkan1"),
];

/// What only the wasm32 build needs, where rustup cannot add the target.
const WASM_PACKAGES: &[(&str, &str)] = &[
    ("/usr/bin/rustc", "rustc-web"),
    ("/usr/bin/cargo", "cargo-web"),
    ("/usr/share/doc/rust-web-src", "rust-web-src"),
    ("/usr/bin/wasm-ld", "lld"),
];

/// Installs the packages of the tests.
///
/// # Errors
/// When a package is missing and cannot be installed.
pub fn native(limit: Duration) -> Outcome {
    install(PACKAGES, limit)
}

/// Installs the browser of the tests.
///
/// # Errors
/// When it is missing and cannot be installed.
pub fn browser(limit: Duration) -> Outcome {
    install(&[("/usr/bin/chromium", "chromium")], limit)
}

/// Installs the packages of the wasm32 build.
///
/// # Errors
/// When a package is missing and cannot be installed.
pub fn wasm(limit: Duration) -> Outcome {
    install(WASM_PACKAGES, limit)
}

/// Installs node and npm.
///
/// # Errors
/// When they are missing and cannot be installed.
pub fn node(limit: Duration) -> Outcome {
    let there = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    if there("node") && there("npm") {
        return Ok(());
    }
    install(
        &[("/usr/bin/node", "nodejs"), ("/usr/bin/npm", "npm")],
        limit,
    )
}

/// Installs Python's package client.
///
/// # Errors
/// When it is missing and cannot be installed.
pub fn package_client(limit: Duration) -> Outcome {
    install(&[("/usr/bin/pip3", "python3-pip")], limit)
}

fn install(packages: &[(&str, &str)], limit: Duration) -> Outcome {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|&(_, package)| package)
        .collect();
    if missing.is_empty() {
        println!("all packages are there");
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        command
    };
    command::run_with_retries(|| apt(&["update", "-qq"]), limit)?;
    command::run_with_retries(
        || {
            let mut command = apt(&["install", "-y", "-qq", "--no-install-recommends"]);
            command.args(&missing);
            command
        },
        limit,
    )
    .map_err(|error| {
        format!(
            "{error}; install these packages by hand: {}",
            missing.join(" ")
        )
    })
}
