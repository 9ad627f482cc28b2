//! `cargo xtask demo`: from a bare machine to judged photos and a page in one command.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::web::{self, Engine};
use crate::{Outcome, command, feature_network, setup};

/// Fetches, builds, judges the sample photos, names what it wrote, then builds the page and, with
/// `serve`, shows it until Ctrl-C.
///
/// # Errors
/// The first step that fails, in one sentence.
pub fn run(root: &Path, serve: bool) -> Outcome {
    setup::native(Duration::from_secs(600))?;
    feature_network::ensure(root, Duration::from_secs(600))?;
    command::run(
        Command::new("cargo").current_dir(root).args([
            "build",
            "--release",
            "--package",
            "anomalysd-cli",
        ]),
        Duration::from_secs(3600),
    )?;
    let binary = root.join("target/release/anomalysd");
    let out = root.join("out/demo");
    for product in samples(root)? {
        let folder = root.join("samples").join(&product);
        println!("\n{product}");
        command::run(
            Command::new(&binary)
                .current_dir(root)
                // Without it a graphics library complains on machines without a display.
                .env("XDG_RUNTIME_DIR", std::env::temp_dir())
                .arg("detect")
                .arg(folder.join("suspect"))
                .arg("--good")
                .arg(folder.join("good"))
                .args(["--class", &product.replace('_', " ")])
                .arg("--out")
                .arg(out.join(&product)),
            Duration::from_secs(1200),
        )?;
    }
    println!("\npictures: the photo, as it should look, and where it differs");
    for panel in panels(&out) {
        println!("  {}", panel.display());
    }
    println!("\nthe same in a browser");
    web::build(root, &[Engine::Cpu, Engine::WebGpu])?;
    if serve {
        // Until Ctrl-C, which reaches the server as well: it prints its address and opens it.
        let status = Command::new(&binary)
            .current_dir(root)
            .args(["serve", "--open"])
            .status();
        status.map_err(|error| format!("cannot start the server: {error}"))?;
    }
    Ok(())
}

/// The panels under a folder, sorted.
fn panels(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "panel.png") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The folders of `samples/` that hold `good` and `suspect`, sorted.
fn samples(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("samples");
    let entries =
        std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("good").is_dir() && entry.path().join("suspect").is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(format!("{} holds no sample product", folder.display()));
    }
    Ok(names)
}
