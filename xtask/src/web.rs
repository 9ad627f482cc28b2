//! The npm package and the page: wasm by cargo and wasm-bindgen, JavaScript by npm, `mini` as a bundle.
//!
//! `web/dist` is the package as it is published; `web/site` is what `anomalysd serve` shows: the
//! pages of `www`, the package they use, the sample photos.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wasm_bindgen_cli_support::Bindgen;

use crate::{Outcome, command, feature_network, setup, wasm};

/// Profile of Cargo.toml that both engines are built in, and its folder.
const PROFILE: &str = "web";

/// The two builds of the engine. A page loads one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// burn's flex backend, one thread, simd128.
    Cpu,
    /// WebGPU.
    WebGpu,
}

impl Engine {
    /// Feature of `anomalysd-web`, and stem of the files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::WebGpu => "webgpu",
        }
    }
}

/// Builds everything that the browser needs.
///
/// # Errors
/// The first step that fails, in one sentence.
pub fn build(root: &Path, engines: &[Engine]) -> Outcome {
    let limit = Duration::from_secs(3600);
    for engine in engines {
        module(root, *engine, limit)?;
    }
    models(root, limit)?;
    javascript(root, limit)?;
    site(root)
}

/// `web/dist`.
fn dist(root: &Path) -> PathBuf {
    root.join("web/dist")
}

/// One wasm file and its JavaScript, as `web/dist/wasm/NAME{.js,_bg.wasm}`.
///
/// # Errors
/// No toolchain; a crate that does not compile.
pub fn module(root: &Path, engine: Engine, limit: Duration) -> Outcome {
    let mut cargo = wasm::cargo(root, "build", PROFILE, limit)?;
    cargo.args(["--locked", "--package", "anomalysd-web", "--features"]);
    cargo.arg(engine.name());
    command::run(&mut cargo, limit)?;
    let input = root
        .join("target-wasm/wasm32-unknown-unknown")
        .join(PROFILE)
        .join("anomalysd_web.wasm");
    let folder = dist(root).join("wasm");
    let bound = Bindgen::new()
        .input_path(&input)
        .web(true)
        .map_err(|error| error.to_string())?
        .typescript(true)
        // Names of functions are a third of the file, and panics say their place without them.
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name(engine.name())
        .generate(&folder);
    bound.map_err(|error| format!("{}: {error:#}", input.display()))
}

/// `mini` as a bundle and the feature network, as `web/dist/models`.
///
/// # Errors
/// A build or an export that fails.
pub fn models(root: &Path, limit: Duration) -> Outcome {
    feature_network::ensure(root, limit)?;
    let folder = dist(root).join("models");
    create(&folder)?;
    copy(
        &root.join(feature_network::ASSET),
        &folder.join("efficientnet-lite0.safetensors"),
    )?;
    let bundle = folder.join("mini");
    // The newest `mini`, whatever an earlier build left.
    remove(&bundle)?;
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["run", "--quiet", "--locked", "--release", "--package"])
        .args(["anomalysd-cli", "--", "export", "--out"])
        .arg(&bundle);
    command::run(&mut cargo, limit)
}

/// The package's JavaScript and types, by the compilers that `web/package-lock.json` pins.
///
/// # Errors
/// No node, no connection, types that do not fit.
pub fn javascript(root: &Path, limit: Duration) -> Outcome {
    let folder = root.join("web");
    packages(&folder, limit)?;
    let mut node = Command::new("node");
    command::run(node.current_dir(&folder).arg("build.mjs"), limit)
}

/// What the `package-lock.json` of a folder names.
///
/// # Errors
/// No node, no connection.
pub fn packages(folder: &Path, limit: Duration) -> Outcome {
    setup::node(limit)?;
    let npm = || {
        let mut npm = Command::new("npm");
        npm.current_dir(folder)
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        npm
    };
    command::run_with_retries(npm, limit)
}

/// Pages, package and sample photos, as `web/site`.
///
/// # Errors
/// A file that cannot be copied.
pub fn site(root: &Path) -> Outcome {
    let site = root.join("web/site");
    remove(&site)?;
    copy_folder(&root.join("www"), &site)?;
    copy_folder(&dist(root), &site.join("anomalysd"))?;
    let samples = site.join("samples");
    let index = samples_index(&root.join("samples"), &samples)?;
    let text = serde_json::to_string_pretty(&index).map_err(|error| error.to_string())?;
    let path = samples.join("index.json");
    std::fs::write(&path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    println!("web/site: pages, package and samples");
    Ok(())
}

/// Copies the sample photos and lists them: `[{ name, good: [url], suspect: [url] }]`.
fn samples_index(from: &Path, to: &Path) -> Result<serde_json::Value, String> {
    let mut products = Vec::new();
    for product in sorted(from)? {
        let name = file_name(&product);
        if !product.join("good").is_dir() || !product.join("suspect").is_dir() {
            continue;
        }
        let mut entry = serde_json::json!({ "name": name.replace('_', " ") });
        for part in ["good", "suspect"] {
            let folder = to.join(&name).join(part);
            copy_folder(&product.join(part), &folder)?;
            let urls: Vec<String> = sorted(&folder)?
                .iter()
                .map(|path| format!("{name}/{part}/{}", file_name(path)))
                .collect();
            entry[part] = urls.into();
        }
        products.push(entry);
    }
    Ok(products.into())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn create(folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn remove(folder: &Path) -> Outcome {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    create(to)?;
    for path in sorted(from)? {
        let target = to.join(file_name(&path));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            copy(&path, &target)?;
        }
    }
    Ok(())
}
