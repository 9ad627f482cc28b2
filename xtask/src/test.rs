//! `cargo xtask test`: what CI runs, and what a contributor runs before pushing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::stages::{self, Stage};
use crate::web::{self, Engine};
use crate::{Outcome, command, feature_network, layers, setup};

/// A cargo command on this workspace's own chores.
fn chores(root: &Path, arguments: &[&str], limit: Duration) -> Outcome {
    let mut command = Command::new("cargo");
    command.current_dir(root.join("xtask")).args(arguments);
    command::run(&mut command, limit)
}

/// Node's own test runner in a folder.
fn node(root: &Path, folder: &str, arguments: &[&str], limit: Duration) -> Outcome {
    let mut command = Command::new("node");
    command
        .current_dir(root.join(folder))
        .arg("--test")
        .args(arguments);
    command::run(&mut command, limit)
}

/// Browser tests that take minutes of a processor each, which CI does not have.
const FULL: [&str; 2] = ["full/mini.mjs", "full/large.mjs"];

/// Runs all stages, or those whose name contains `only`; with `full` those that CI leaves out, too.
///
/// # Errors
/// The first stage that fails.
pub fn run(root: &Path, only: Option<&str>, full: bool) -> Outcome {
    let cargo = |arguments: &[&str], limit: Duration| {
        let mut command = Command::new("cargo");
        command
            .current_dir(root)
            .env("CARGO_NET_RETRY", "10")
            // A missing software Vulkan is a failure here, never a skipped test.
            .env("ANOMALYSD_REQUIRE_GPU", "1")
            .args(arguments);
        command::run(&mut command, limit)
    };
    let mut stages = vec![
        Stage::new("setup", 10, setup::native),
        Stage::new("fetch", 10, |limit| {
            command::run_with_retries(
                || {
                    let mut command = Command::new("cargo");
                    command
                        .current_dir(root)
                        .env("CARGO_NET_RETRY", "10")
                        .args(["fetch", "--locked"]);
                    command
                },
                limit,
            )
        }),
        Stage::new("feature network", 10, |limit| {
            feature_network::ensure(root, limit)
        }),
        Stage::new("format", 2, |limit| {
            cargo(&["fmt", "--all", "--check"], limit)?;
            chores(root, &["fmt", "--check"], limit)
        }),
        Stage::new("layers", 2, |_| layers::check(root)),
        Stage::new("clippy", 15, |limit| {
            cargo(
                &[
                    "clippy",
                    "--locked",
                    "--release",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ],
                limit,
            )
        }),
        Stage::new("build", 45, |limit| {
            cargo(
                &[
                    "build",
                    "--locked",
                    "--release",
                    "--workspace",
                    "--all-targets",
                ],
                limit,
            )
        }),
        Stage::new("tests", 30, |limit| {
            cargo(
                &[
                    "test",
                    "--locked",
                    "--release",
                    "--workspace",
                    "--no-fail-fast",
                ],
                limit,
            )
        }),
        Stage::new("chores", 5, |limit| {
            let lints = [
                "clippy",
                "--locked",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            chores(root, &lints, limit)?;
            chores(root, &["test", "--locked"], limit)
        }),
        Stage::new("engine", 25, |limit| web::module(root, Engine::Cpu, limit)),
        Stage::new("webgpu engine", 40, |limit| {
            web::module(root, Engine::WebGpu, limit)
        }),
        Stage::new("package", 10, |limit| {
            web::models(root, limit)?;
            web::javascript(root, limit)?;
            web::site(root)?;
            node(root, "web", &["test/"], limit)
        }),
        Stage::new("browser", 40, |limit| {
            setup::browser(limit)?;
            web::packages(&root.join("tests/browser"), limit)?;
            // One after the other: the detections share two cores with the browser.
            node(root, "tests/browser", &["--test-concurrency=1", "."], limit)
        }),
    ];
    if full {
        stages.push(Stage::new("full browser", 120, |limit| {
            let arguments = [&["--test-concurrency=1"][..], &FULL].concat();
            node(root, "tests/browser", &arguments, limit)
        }));
    }
    stages::run(root, &stages, only)
}
