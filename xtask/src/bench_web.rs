//! `cargo xtask bench-web`: the U-Net of `mini` in one Chromium, by this engine and by onnxruntime-web, in turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::web::{self, Engine};
use crate::{Outcome, command, setup};

/// What is measured, and with what.
#[derive(Debug, clap::Args)]
pub struct BenchWeb {
    /// A Python with torch, diffusers and onnx (tests/peer/requirements.txt), which writes the graph
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Runs of each engine; medians are shown
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The CPU engine alone
    #[arg(long)]
    cpu: bool,
    /// Take the engines as an earlier build left them
    #[arg(long)]
    no_build: bool,
    /// Where the rows go, as JSON [default: beside the graph, in target/bench-web]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Builds what is needed, writes the graph, and measures.
///
/// # Errors
/// The first step that fails, in one sentence.
pub fn run(root: &Path, arguments: &BenchWeb) -> Outcome {
    let limit = Duration::from_secs(3600);
    let engines: &[Engine] = match arguments.cpu {
        true => &[Engine::Cpu],
        false => &[Engine::Cpu, Engine::WebGpu],
    };
    if !arguments.no_build {
        web::build(root, engines)?;
    }
    setup::browser(limit)?;
    let tests = root.join("tests/browser");
    web::packages(&tests, limit)?;
    web::packages(&tests.join("bench"), limit)?;

    let folder = root.join("target/bench-web");
    graph(root, &folder, &arguments.python, limit)?;
    let out = match &arguments.out {
        Some(out) => std::path::absolute(out).map_err(|error| error.to_string())?,
        None => folder.join("bench-web.json"),
    };
    let mut node = Command::new("node");
    node.current_dir(&tests)
        .arg("bench/bench.mjs")
        .arg(&folder)
        .arg(&out)
        .arg(arguments.runs.max(1).to_string())
        .args(engines.iter().map(|engine| engine.name()));
    command::run(&mut node, limit)?;
    println!("{}", out.display());
    Ok(())
}

/// `unet.onnx` and `shapes.json`: the embedded model as diffusers has it, and its U-Net by torch's exporter.
fn graph(root: &Path, folder: &Path, python: &Path, limit: Duration) -> Outcome {
    let model = folder.join("model");
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(format!("{}: {error}", folder.display()));
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["run", "--quiet", "--locked", "--release", "--", "export"])
        .args(["--format", "diffusers", "--f32", "--out"])
        .arg(&model);
    command::run(&mut cargo, limit)?;
    let mut exporter = Command::new(python);
    exporter
        .current_dir(root)
        .arg("-Wignore")
        .arg("tests/peer/export_onnx.py")
        .arg(&model)
        .arg(folder);
    command::run(&mut exporter, limit).map_err(|error| {
        format!(
            "{error}; --python names a Python that has the packages of tests/peer/requirements.txt"
        )
    })
}
