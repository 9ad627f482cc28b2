//! `bench --peer` without any of the peer's packages, and `bench --scaling` on the smallest photos.

use std::path::Path;

use crate::support::{joined, json, run};

const PEER: [&str; 6] = ["bench", "--peer", "--device", "cpu", "-q", "--python"];

/// A program in place of Python that prints one line.
#[cfg(unix)]
fn python(folder: &Path, line: &str) -> String {
    script(folder, &format!("echo '{line}'"))
}

/// A program in place of Python.
#[cfg(unix)]
fn script(folder: &Path, lines: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("python");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[cfg(unix)]
#[test]
fn a_missing_package_is_one_sentence() {
    let place = tempfile::tempdir().unwrap();
    let python = python(place.path(), r#"{"missing": ["diffusers", "peft"]}"#);
    let refused = run(place.path(), &joined(&[&PEER, &[&python]]));
    refused.refused(&[
        "lacks the Python package(s) diffusers, peft",
        "tests/peer/requirements.txt",
    ]);
    assert_eq!(refused.err.trim().lines().count(), 1, "{}", refused.err);
}

#[test]
fn a_missing_python_is_named() {
    let place = tempfile::tempdir().unwrap();
    let refused = run(place.path(), &joined(&[&PEER, &["no-such-python"]]));
    refused.refused(&["`no-such-python` cannot be started", "--python"]);
}

#[cfg(unix)]
#[test]
fn a_peer_that_ends_is_no_fault_of_the_user() {
    let place = tempfile::tempdir().unwrap();
    let python = python(place.path(), r#"{"name": "diffusers 0, torch 0"}"#);
    let ended = run(place.path(), &joined(&[&PEER, &[&python]]));
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("the peer"), "{}", ended.err);
}

#[cfg(unix)]
#[test]
fn a_row_that_nothing_is_called_is_named() {
    let place = tempfile::tempdir().unwrap();
    let answers = r#"echo '{"name": "diffusers 0, torch 0"}'; read request; echo '{}'"#;
    let python = script(place.path(), answers);
    let only = ["--only", "no such row"];
    let refused = run(place.path(), &joined(&[&PEER, &[&python], &only]));
    refused.refused(&["--only no such row", "U-Net training step"]);
}

#[test]
fn flags_of_the_peer_need_it() {
    let place = tempfile::tempdir().unwrap();
    let refused = run(place.path(), &["bench", "--only", "U-Net"]);
    refused.refused(&["--peer"]);
    let refused = run(place.path(), &["bench", "--peer", "--photo-count", "0"]);
    refused.refused(&["--photo-count is 0"]);
}

#[test]
fn growth_is_measured_fitted_and_plotted() {
    let place = tempfile::tempdir().unwrap();
    let small = [
        "--largest",
        "128",
        "--in-a-row",
        "2",
        "--most-good",
        "2",
        "--runs",
        "1",
    ];
    let files = ["--report", "growth.html", "--out", "growth.json"];
    let scaling = ["bench", "--scaling", "--device", "cpu", "-q"];
    let done = run(place.path(), &joined(&[&scaling, &small, &files])).ok();
    assert!(done.out.contains("detection by size"), "{}", done.out);
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    let growth = json(&read("growth.json"));
    assert_eq!(growth["schema"], "anomalysd.scaling.v1");
    let series = growth["series"].as_array().unwrap();
    assert_eq!(series.len(), 5);
    for one in series {
        assert!(one["points"].as_array().unwrap().len() >= 2, "{one}");
        assert!(one["growth"]["time"].is_number(), "{one}");
        assert!(one["growth"]["work"].as_f64().unwrap() > 0.0, "{one}");
    }
    assert!(read("growth.html").matches("data:image/svg+xml").count() >= 5);
    let refused = run(place.path(), &["bench", "--scaling", "--largest", "10"]);
    refused.refused(&["--largest is 10"]);
}

/// What is committed: each row that has a peer has its ratio and its goal.
#[test]
fn committed_ratios_are_ours_over_theirs_and_have_goals() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/bench.json");
    let bench = json(&std::fs::read_to_string(path).unwrap());
    assert_eq!(bench["schema"], "anomalysd.bench.v1");
    for row in bench["rows"].as_array().unwrap() {
        let number = |name: &str| row[name].as_f64();
        assert!(number("ours_ms").unwrap() > 0.0, "{row}");
        let Some(peer_ms) = number("peer_ms") else {
            continue;
        };
        let ratio = number("ours_ms").unwrap() / peer_ms;
        assert!(
            (number("ratio").unwrap() - ratio).abs() < 1e-3 * ratio.max(1.0),
            "{row}"
        );
        assert!(number("goal").unwrap() > 0.0, "{row}");
        assert!(row["peer"].is_string(), "{row}");
        assert!(number("difference").unwrap_or(0.0) < 1e-3, "{row}");
    }
}
