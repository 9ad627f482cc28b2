//! `serve`: what a browser gets, what a stranger does not, and how it ends.

mod client;
mod files;
mod running;
mod strangers;

use std::path::Path;

const SECRET: &str = "the recipe of the house";

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Bytes that compress somewhat.
fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|index| ((index * index / 7) % 61) as u8)
        .collect()
}

/// A page in `web/site`, two bundles, two profiles, and beside them what nobody may see.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let at = |path: &str| place.path().join(path);
    write(&at("secret.txt"), SECRET);
    write(&at("web/secret.txt"), SECRET);
    for (name, bytes) in [
        ("index.html", &b"<!doctype html><title>page</title>"[..]),
        (
            "dashboard/index.html",
            b"<!doctype html><title>dashboard</title>",
        ),
        ("empty/readme.txt", b"no index here"),
        ("app.js", &bytes(40_000)),
        ("engine.wasm", &bytes(100_000)),
        ("style.css", b"body{}"),
        ("data.json", b"{}"),
        ("photo.png", b"png"),
        ("a b\u{e4}.txt", b"named"),
        ("weights.safetensors", &bytes(1000)),
        (".hidden", SECRET.as_bytes()),
        (".git/config", SECRET.as_bytes()),
    ] {
        write(&at("web/site").join(name), bytes);
    }
    for name in ["mini", "large"] {
        write(
            &at("bundles").join(name).join("bundle.json"),
            format!("{{\"name\":\"{name}\"}}"),
        );
        write(
            &at("bundles").join(name).join("000.safetensors"),
            bytes(5000),
        );
    }
    write(&at("bundles/no-bundle/x.txt"), SECRET);
    write(&at("profiles/line 3.profile.safetensors"), bytes(300));
    write(&at("profiles/<b>.safetensors"), bytes(20));
    write(&at("profiles/notes.txt"), SECRET);
    write(&at("profiles/old/line.safetensors"), SECRET);
    place
}
