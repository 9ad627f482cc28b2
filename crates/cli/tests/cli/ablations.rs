//! `ablate`: the table of parts, recall by area, calibration with held-out photos.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::{QUICK, files, joined, json, photo, run, save};

/// The whole method on photos as small as it takes, with one scale.
const TINY: [&str; 6] = ["--size", "96", "--scales", "2", "--device", "cpu"];

/// One drawn class in `data`: two good photos to fit on, two good and two defective ones to test on.
fn drawn(place: &Path) {
    let synth = ["synth", "--out", "data", "--families", "nut", "-q"];
    let numbers = [
        "--train",
        "2",
        "--good",
        "2",
        "--defective",
        "1",
        "--size",
        "96",
    ];
    let defects = ["--defects", "stain,hole"];
    run(place, &joined(&[&synth, &numbers, &defects])).ok();
}

/// What a folder holds, and when each file was written.
fn written(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
    let time = |path: PathBuf| {
        let time = path.metadata().unwrap().modified().unwrap();
        (path, time)
    };
    files(folder, ".json").into_iter().map(time).collect()
}

/// A photo so narrow that its cells are too small for the only scale, beside others that are not.
#[test]
fn a_photo_too_small_for_a_scale_is_on_every_line() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path());
    let good = files(&place.path().join("data"), ".png")
        .into_iter()
        .find(|path| path.to_string_lossy().contains("test/good"))
        .unwrap();
    save(&good, &photo(&good).crop(0, 30, 96, 36));
    let arguments = [
        "ablate", "data", "--k-shot", "2", "--seeds", "0", "--subset", "2", "-q", "--trials",
        "default", "--out", "a",
    ];
    run(place.path(), &joined(&[&arguments, &TINY])).ok();
    let text = std::fs::read_to_string(place.path().join("a/ablations.json")).unwrap();
    for row in json(&text)["rows"].as_array().unwrap() {
        assert_eq!(row["photos"], 4, "{row}");
        assert!(row["image_auroc"].is_number(), "{row}");
    }
}

#[test]
fn tuned_weights_are_lines_of_the_table_and_tuned_once() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path());
    let flags = |more: &[&str]| {
        let arguments = [
            "ablate", "data", "--k-shot", "2", "--seeds", "0", "--subset", "1", "-q", "--out", "a",
        ];
        run(place.path(), &joined(&[&arguments, &TINY, more]))
    };
    let tuning = [
        "--trials",
        "default,tuned-unet,tuned-class-name",
        "--steps",
        "2",
        "--decoder-steps",
        "1",
        "--train-batch-size",
        "1",
        "--learning-rate",
        "0.01",
    ];
    let tuned = joined(&[&tuning, &["--tune", "lora"]]);
    let table = flags(&tuned).ok().out;
    assert!(table.contains("U-Net tuned (LoRA)"), "{table}");
    let text = std::fs::read_to_string(place.path().join("a/ablations.json")).unwrap();
    let rows = json(&text)["rows"].clone();
    let of = |name: &str| {
        let all = rows.as_array().unwrap().iter();
        all.filter(|row| row["name"] == name).count()
    };
    assert_eq!(
        (of("tuned-unet"), of("tuned-class-name"), of("tuned")),
        (1, 1, 0)
    );
    // Scores of tuned weights are not those of the untuned ones.
    let parts = json(&text)["parts"].clone();
    let scores = |name: &str| {
        let own = parts.as_array().unwrap().iter();
        own.filter(|part| part["line"]["name"] == name)
            .map(|part| part["scores"].clone())
            .next()
            .unwrap()
    };
    assert_ne!(scores("tuned-unet"), scores("default"));
    // A folder for each of the two tunings, without the decoder's stage; nothing is tuned again.
    let folders = || std::fs::read_dir(place.path().join("a/tuned")).unwrap();
    assert_eq!(folders().count(), 2);
    for folder in folders() {
        let folder = folder.unwrap().path();
        assert_eq!(files(&folder, "tune-unet-00000002.safetensors").len(), 1);
        assert!(files(&folder, "tune-decoder-00000001.safetensors").is_empty());
    }
    let before = written(&place.path().join("a/parts"));
    assert_eq!(flags(&tuned).ok().out, table);
    assert_eq!(before, written(&place.path().join("a/parts")));
    flags(&tuning).refused(&["--steps", "--tune"]);
    flags(&joined(&[&tuned, &["--work", "w"]])).refused(&["--work"]);
}

#[test]
fn the_table_is_kept_by_part_and_the_same_for_any_number_of_threads() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path());
    let ablate = |trials: &str, out: &str, threads: &str| {
        let arguments = [
            "ablate", "data", "--k-shot", "2", "--seeds", "0", "--subset", "1", "-q",
        ];
        let to = ["--trials", trials, "--out", out, "--threads", threads];
        run(place.path(), &joined(&[&arguments, &to, &TINY]))
            .ok()
            .out
    };
    let read = |path: &str| std::fs::read_to_string(place.path().join(path)).unwrap();
    let trials = "default,drift,references-0";
    let table = ablate(trials, "a", "1");
    let parts = written(&place.path().join("a/parts"));
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert_eq!(table.trim_end(), read("a/ablations.md").trim_end());
    for label in [
        "the whole method",
        "nearest neighbour, the plain baseline",
        "q_nn alone",
        "repairs alone (α = 0)",
        "α = 0.75",
        "2×2 cells alone",
        "arithmetic mean",
        "without the guided pass",
        "0 of 2 good photos as references",
        "without drift correction",
    ] {
        let lines = table.lines().filter(|line| line.contains(label));
        assert!(lines.count() >= 1, "no `{label}` in {table}");
    }
    assert!(!table.contains("faithful"), "it was not run: {table}");
    let written_before = json(&read("a/ablations.json"));
    assert_eq!(written_before["schema"], "anomalysd.ablations.v1");
    for row in written_before["rows"].as_array().unwrap() {
        let auroc = row["image_auroc"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&auroc), "{row}");
        let difference = &row["image_auroc_difference"];
        assert_eq!(difference.is_null(), row["name"] == "default", "{row}");
    }
    ablate(trials, "a", "2");
    assert_eq!(
        parts,
        written(&place.path().join("a/parts")),
        "nothing was measured again"
    );
    assert_eq!(table, ablate(trials, "b", "2"));
    // Another configuration of the same folder is measured, what it is compared with is not there.
    let alone = ablate("references-0", "a", "2");
    assert!(
        alone.contains("0 of 2 good photos") && !alone.contains("q_nn"),
        "{alone}"
    );
}

#[test]
fn recall_by_area_and_calibration_are_tables_and_plots() {
    let place = tempfile::tempdir().unwrap();
    let asked = [
        "ablate",
        "--recall-by-area",
        "--calibration",
        "--out",
        "a",
        "-q",
    ];
    let numbers = [
        "--families",
        "nut,felt",
        "--k-shot",
        "2",
        "--good",
        "8",
        "--defective",
        "1",
        "--held-out",
        "5",
        "--size",
        "96",
    ];
    let arguments = joined(&[&asked, &numbers, &QUICK]);
    let printed = run(place.path(), &arguments).ok().out;
    let read = |path: &str| std::fs::read_to_string(place.path().join("a").join(path)).unwrap();
    let recall = json(&read("recall-by-area.json"));
    let rows = recall["rows"].as_array().unwrap();
    // Two methods without a model, at areas that defects of these products have.
    assert!(!rows.is_empty() && rows.len().is_multiple_of(2), "{recall}");
    for row in rows {
        let value = row["recall"]["value"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{row}");
    }
    let calibration = json(&read("calibration.json"));
    assert_eq!(calibration["method"], "features-only");
    assert_eq!(calibration["series"].as_array().unwrap().len(), 2);
    assert!(
        printed.contains("nearest-neighbour") && printed.contains("held out"),
        "{printed}"
    );
    for name in ["recall-by-area", "calibration"] {
        let svg = read(&format!("{name}.svg"));
        assert!(svg.starts_with("<svg") && svg.contains("</svg>"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("<script"), "{name}");
        assert!(
            printed.contains(read(&format!("{name}.md")).trim_end()),
            "{name}"
        );
    }
    let parts = written(&place.path().join("a/parts"));
    assert_eq!(run(place.path(), &arguments).ok().out, printed);
    assert_eq!(
        parts,
        written(&place.path().join("a/parts")),
        "nothing was measured again"
    );
}

#[test]
fn the_good_photos_of_a_data_set_are_pooled() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path());
    let calibrate = |held_out: &str| {
        let asked = [
            "ablate",
            "data",
            "--calibration",
            "--k-shot",
            "1",
            "--out",
            "a",
            "-q",
        ];
        run(
            place.path(),
            &joined(&[&asked, &["--held-out", held_out], &QUICK]),
        )
    };
    // Two photos to fit on and two to test on, less the one that is fitted on.
    let text = calibrate("2").ok().out;
    assert!(
        text.contains("classes: 1; good photos of each: 3"),
        "{text}"
    );
    calibrate("3").refused(&["--held-out", "3 good photos", "nut"]);
}

#[test]
fn what_cannot_be_ablated_is_said() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path());
    let refused = |arguments: &[&str], words: &[&str]| {
        let all = joined(&[&["ablate"], arguments, &["--out", "a", "--device", "cpu"]]);
        run(place.path(), &all).refused(words);
    };
    refused(&[], &["DATA"]);
    refused(&["data", "--recall-by-area"], &["cannot be used with"]);
    refused(
        &["data", "--k-shot", "2", "--trials", "drfit"],
        &["drfit", "references-0"],
    );
    refused(&["data", "--k-shot", "9"], &["2 good photos", "9"]);
    refused(
        &["--calibration", "--good", "30"],
        &["--held-out", "40", "30"],
    );
    refused(&["--recall-by-area", "--products", "0"], &["--products"]);
    let tuned = ["data", "--k-shot", "2", "--tune", "lora", "--dashboard"];
    refused(&tuned, &["--dashboard", "several models"]);
}
