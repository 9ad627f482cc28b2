//! The README's section on a person's own weights, command by command, on a small checkpoint.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anomalysd_dataset::synth::{DefectKind, Family, Product};

use crate::support::{command, json, run, save};

const HEADING: &str = "## Use your own Stable Diffusion weights";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands of the section: its lines that begin with the command's name, comments left out.
fn commands() -> Vec<Vec<String>> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split_once(HEADING).expect("the section").1;
    let section = section
        .split_once("\n## ")
        .map_or(section, |(section, _)| section);
    let commands = section.lines().filter_map(|line| {
        let line = line.strip_prefix("anomalysd ")?;
        let line = line
            .split_once(" #")
            .map_or(line, |(command, _)| command.trim_end());
        Some(words(line))
    });
    commands.collect()
}

/// The words of a command; what stands in double quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a person has who follows the section: a checkpoint in two layouts, a LoRA, photos.
fn prepare(folder: &Path) {
    let golden = repository().join("tests/golden/checkpoints");
    copy(&golden.join("folder"), &folder.join("sd-inpainting"));
    for (from, to) in [
        ("ldm-sd1.safetensors", "checkpoint.safetensors"),
        ("lora/kohya.safetensors", "parts.safetensors"),
    ] {
        std::fs::copy(golden.join(from), folder.join(to)).unwrap();
    }
    std::fs::copy(
        golden.join("folder/LICENSE"),
        folder.join("checkpoint-licence.txt"),
    )
    .unwrap();
    let product = Product::draw(Family::Nut, 3);
    for seed in 0..2 {
        save(
            &folder.join(format!("good/{seed}.png")),
            &product.instance(seed, 96),
        );
    }
    let (photo, mask) = product.defective(9, 96, DefectKind::Hole).unwrap();
    save(&folder.join("suspect.jpg"), &photo);
    let grey = anomalysd_imaging::Photo::from_vec(
        mask.width,
        mask.height,
        [0; 3]
            .iter()
            .flat_map(|_| mask.data.iter().map(|hidden| f32::from(u8::from(*hidden))))
            .collect(),
    )
    .unwrap();
    save(&folder.join("mask.png"), &grey);
}

/// Starts `serve`, asks it for a bundle's table of contents, ends it.
fn serve(folder: &Path, arguments: &[String]) {
    struct Ended(Child);
    impl Drop for Ended {
        fn drop(&mut self) {
            // It may have ended by itself.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let site = folder.join("site");
    std::fs::create_dir_all(&site).unwrap();
    std::fs::write(site.join("index.html"), "<!doctype html>").unwrap();
    let child = command()
        .current_dir(folder)
        .args(arguments)
        .args(["--port", "0", "--site"])
        .arg(&site)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Ended(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /bundles/sd/bundle.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("anomalysd.bundle.v1"), "{answer}");
}

#[test]
fn the_section_on_own_weights_can_be_followed() {
    let scratch = tempfile::tempdir().unwrap();
    prepare(scratch.path());
    let mut ran = Vec::new();
    for arguments in commands() {
        let name = arguments[0].clone();
        if name == "serve" {
            serve(scratch.path(), &arguments);
        } else {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let run = run(scratch.path(), &arguments).ok();
            if name == "inspect" {
                assert!(run.out.contains("fits"), "{}", run.out);
            }
        }
        ran.push(name);
    }
    for name in ["inspect", "inpaint", "detect", "export", "fit", "serve"] {
        assert!(
            ran.iter().any(|other| other == name),
            "no `{name}`: {ran:?}"
        );
    }
    // A profile made with the bundle works with the folder that the bundle was made from.
    let score = |model: &str| {
        let profile = "nut.profile.safetensors";
        let out = run(
            scratch.path(),
            &[
                "detect",
                "suspect.jpg",
                "--profile",
                profile,
                "--model",
                model,
                "--format",
                "json",
            ],
        )
        .ok()
        .out;
        json(&out)[0]["score"].as_f64().unwrap()
    };
    assert_eq!(score("sd/"), score("sd-inpainting/"));
    // Good photos in the attention of weights that never saw any: off by default, and it works.
    let judge = |more: &[&str]| {
        let plain = "detect suspect.jpg --good good/ --no-cache --model sd/ --size 128 --scales 2 \
                     --inference-steps 1 --format json";
        let arguments: Vec<&str> = plain
            .split_whitespace()
            .chain(more.iter().copied())
            .collect();
        let out = run(scratch.path(), &arguments).ok().out;
        json(&out)[0]["score"].as_f64().unwrap()
    };
    let (off, on) = (judge(&[]), judge(&["--references", "2"]));
    let again = judge(&["--references", "2"]);
    assert!(
        on.is_finite() && on == again && on != off,
        "{off} {on} {again}"
    );
    // The licence travels with the weights.
    for bundle in ["sd", "tuned"] {
        let licence = std::fs::read_to_string(scratch.path().join(bundle).join("LICENSE")).unwrap();
        assert!(licence.contains("Open RAIL"), "{bundle}: {licence}");
    }
}
