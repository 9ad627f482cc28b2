//! Chores of the workspace, each a subcommand: `cargo xtask demo`, `cargo xtask test`, …
//!
//! A chore sets up what it needs on a bare machine, says what it runs, and holds no business logic:
//! whatever a user may want as well is in the `anomalysd` command.

mod bench_web;
mod command;
mod demo;
mod disk;
mod feature_network;
mod layers;
mod log;
mod setup;
mod stages;
mod test;
mod wasm;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use web::Engine;

/// What a chore returns: nothing, or one sentence that says what went wrong.
pub type Outcome = Result<(), String>;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, tests, demo and checks of the workspace"
)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Fetch the feature network, build, judge the sample photos, name the pictures written, show the page.
    Demo {
        /// Stop after building the page.
        #[arg(long)]
        no_serve: bool,
    },
    /// Everything CI runs: format, clippy, tests, layers, wasm32, CPU against software Vulkan.
    Test {
        /// Run only the stages whose name contains this word.
        #[arg(long)]
        only: Option<String>,
        /// Also what takes too long for CI; everything that is printed is kept under out/, by date.
        #[arg(long)]
        full: bool,
    },
    /// Fetch and convert the feature network.
    FeatureNetwork,
    /// Check that no crate imports upward.
    Layers,
    /// Time the U-Net in Chromium against onnxruntime-web: one thread of the processor, and WebGPU in software.
    BenchWeb(bench_web::BenchWeb),
    /// Build the npm package and the page: web/dist and web/site.
    Web {
        /// The CPU engine alone; the other stays as an earlier build left it.
        #[arg(long)]
        cpu: bool,
        /// No engine: JavaScript, models and pages alone.
        #[arg(long, conflicts_with = "cpu")]
        scripts: bool,
    },
}

fn main() -> ExitCode {
    let root = workspace_root();
    let outcome = match Arguments::parse().chore {
        Chore::Demo { no_serve } => demo::run(&root, !no_serve),
        Chore::Test { only, full } => {
            if full && !log::is_kept() {
                log::keep(&root)
            } else {
                test::run(&root, only.as_deref(), full)
            }
        }
        Chore::FeatureNetwork => {
            feature_network::ensure(&root, std::time::Duration::from_secs(600))
        }
        Chore::Layers => layers::check(&root),
        Chore::BenchWeb(arguments) => bench_web::run(&root, &arguments),
        Chore::Web { cpu, scripts } => {
            let engines: &[Engine] = match (cpu, scripts) {
                (_, true) => &[],
                (true, _) => &[Engine::Cpu],
                _ => &[Engine::Cpu, Engine::WebGpu],
            };
            web::build(&root, engines)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("xtask: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace's Cargo.toml.
fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_path_buf()
}
