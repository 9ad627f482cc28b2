//! Who may import whom: the arrows of ARCHITECTURE.md, checked against `cargo metadata`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Outcome, command};

/// Each package and the packages of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("anomalysd-imaging", &[]),
    ("anomalysd-metrics", &["anomalysd-imaging"]),
    ("anomalysd-dataset", &["anomalysd-imaging"]),
    ("anomalysd-diffusion", &[]),
    (
        "anomalysd-web",
        &[
            "anomalysd-detect",
            "anomalysd-diffusion",
            "anomalysd-imaging",
        ],
    ),
    (
        "anomalysd-detect",
        &["anomalysd-diffusion", "anomalysd-imaging"],
    ),
    (
        "anomalysd-train",
        &[
            "anomalysd-detect",
            "anomalysd-diffusion",
            "anomalysd-dataset",
            "anomalysd-imaging",
        ],
    ),
    (
        "anomalysd-cli",
        &[
            "anomalysd-train",
            "anomalysd-detect",
            "anomalysd-diffusion",
            "anomalysd-dataset",
            "anomalysd-metrics",
            "anomalysd-imaging",
        ],
    ),
    (
        "anomalysd-tests",
        &[
            "anomalysd-train",
            "anomalysd-detect",
            "anomalysd-diffusion",
            "anomalysd-dataset",
            "anomalysd-metrics",
            "anomalysd-imaging",
        ],
    ),
];

/// Libraries that run in the browser: no backend feature of burn outside dev-dependencies.
const WITHOUT_BACKEND: &[&str] = &["anomalysd-diffusion", "anomalysd-detect", "anomalysd-train"];
const BACKENDS: &[&str] = &[
    "flex", "wgpu", "webgpu", "vulkan", "cuda", "metal", "rocm", "cpu", "tch", "ndarray",
];

/// Reads `cargo metadata` and compares every edge.
///
/// # Errors
/// Names every edge that is not allowed and every library that enables a backend.
pub fn check(root: &Path) -> Outcome {
    let text = command::output(Command::new("cargo").current_dir(root).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let faults = faults(&metadata);
    if faults.is_empty() {
        println!("layers: {} packages, no edge points upward", ALLOWED.len());
        return Ok(());
    }
    Err(faults.join("; "))
}

fn faults(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{name} has no place among the layers"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            let target = dependency["name"].as_str().unwrap_or_default();
            if target.starts_with("anomalysd-") && !allowed.contains(&target) {
                faults.push(format!("{name} may not import {target}"));
            }
            if target == "burn" && WITHOUT_BACKEND.contains(&name) {
                for feature in dependency["features"].as_array().into_iter().flatten() {
                    let feature = feature.as_str().unwrap_or_default();
                    if BACKENDS.contains(&feature) {
                        faults.push(format!("{name} enables the backend {feature}"));
                    }
                }
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::faults;

    fn package(
        name: &str,
        dependency: &str,
        kind: Option<&str>,
        features: &[&str],
    ) -> serde_json::Value {
        json!({ "packages": [{ "name": name, "dependencies": [{ "name": dependency, "kind": kind, "features": features }] }] })
    }

    #[test]
    fn an_upward_edge_is_named() {
        let found = faults(&package("anomalysd-imaging", "anomalysd-detect", None, &[]));
        assert_eq!(found, ["anomalysd-imaging may not import anomalysd-detect"]);
    }

    #[test]
    fn a_backend_in_a_library_is_named() {
        let found = faults(&package("anomalysd-detect", "burn", None, &["std", "wgpu"]));
        assert_eq!(found, ["anomalysd-detect enables the backend wgpu"]);
    }

    #[test]
    fn dev_dependencies_and_downward_edges_are_free() {
        assert!(faults(&package("anomalysd-detect", "burn", Some("dev"), &["flex"])).is_empty());
        assert!(
            faults(&package(
                "anomalysd-metrics",
                "anomalysd-imaging",
                None,
                &[]
            ))
            .is_empty()
        );
    }

    #[test]
    fn an_unknown_package_is_named() {
        assert_eq!(
            faults(&package("anomalysd-core", "serde", None, &[])).len(),
            1
        );
    }
}
