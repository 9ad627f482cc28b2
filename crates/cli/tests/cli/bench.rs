//! `bench --peer` without any of the peer's packages: what is said where they are missing.

use std::path::Path;

use crate::support::{joined, run};

const PEER: [&str; 6] = ["bench", "--peer", "--device", "cpu", "-q", "--python"];

/// A program in place of Python that prints one line.
#[cfg(unix)]
fn python(folder: &Path, line: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("python");
    std::fs::write(&path, format!("#!/bin/sh\necho '{line}'\n")).unwrap();
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

#[test]
fn flags_of_the_peer_need_it() {
    let place = tempfile::tempdir().unwrap();
    let refused = run(place.path(), &["bench", "--only", "U-Net"]);
    refused.refused(&["--peer"]);
    let refused = run(place.path(), &["bench", "--peer", "--photo-count", "0"]);
    refused.refused(&["--photo-count is 0"]);
}
