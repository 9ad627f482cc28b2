//! `eval`: tables, curves, parts that are kept and measured again, filled holes.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anomalysd_imaging::{DecodeLimits, decode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{QUICK, Run, SMALL, command, files, joined, json, run};

/// A drawn data set of `products` in `data`: three good photos to fit on, and per product three good
/// and four defective ones to test on.
fn drawn(place: &Path, products: &str) {
    let numbers = [
        "--train",
        "3",
        "--good",
        "3",
        "--defective",
        "1",
        "--size",
        "96",
    ];
    let synth = ["synth", "--out", "data", "--products", products, "-q"];
    let kinds = ["--defects", "scratch,stain,hole,part"];
    run(place, &joined(&[&synth, &numbers, &kinds])).ok();
}

/// The parts of an evaluation, and when each was measured.
fn measured(out: &Path) -> Vec<(PathBuf, SystemTime)> {
    let time = |path: PathBuf| {
        let time = path.metadata().unwrap().modified().unwrap();
        (path, time)
    };
    files(&out.join("parts"), ".json")
        .into_iter()
        .map(time)
        .collect()
}

#[test]
fn a_drawn_data_set_is_evaluated_and_a_second_call_skips_what_is_done() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path(), "2");
    let eval = || {
        let arguments = [
            "eval", "data", "--k-shot", "1,2", "--seeds", "0,1", "--out", "e",
        ];
        run(place.path(), &joined(&[&arguments, &QUICK])).ok()
    };
    eval();
    let out = place.path().join("e");
    let (before, metrics) = (
        measured(&out),
        std::fs::read(out.join("metrics.json")).unwrap(),
    );
    eval();
    assert_eq!(before, measured(&out), "nothing was measured again");
    let again = std::fs::read(out.join("metrics.json")).unwrap();
    assert!(metrics == again, "metrics.json differs");
    let metrics = json(&String::from_utf8(metrics).unwrap());
    assert_eq!(metrics["schema"], "anomalysd.metrics.v1");
    // Two classes, two numbers of photos, two seeds, two methods without a model.
    assert_eq!(metrics["rows"].as_array().unwrap().len(), 16);
    assert_eq!(metrics["summary"].as_array().unwrap().len(), 4);
    let csv = std::fs::read_to_string(out.join("scores.csv")).unwrap();
    assert!(csv.starts_with("class,k_shot,seed,photo,defect,method,score"));
    let report = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(report.contains("nearest-neighbour") && report.contains("data:image/png;base64,"));
    // What one and two good photos support.
    assert!(report.contains("views of the only good photo"));
    assert!(report.contains("each of 2 good photos against the others"));
    assert!(
        !report.contains("src=\"http") && !report.contains("href="),
        "the report is self-contained"
    );
    run(place.path(), &["synth", "--out", "data"]).refused(&["data", "exists"]);
}

#[test]
fn a_part_is_measured_again_where_a_photo_the_profile_or_the_program_is_another() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path(), "2");
    let out = place.path().join("e");
    let arguments = ["eval", "data", "--seeds", "0", "--out", "e"];
    let eval = || run(place.path(), &joined(&[&arguments, &QUICK])).ok();
    eval();
    let first = measured(&out);
    assert_eq!(first.len(), 2);
    // Another picture under the name of a test photo of the first class.
    let photos = files(&place.path().join("data"), ".png");
    let tested = |class: &str| {
        let inside = |path: &&PathBuf| {
            let path = path.to_string_lossy();
            path.contains(class) && path.contains("test/good")
        };
        photos.iter().find(inside).unwrap()
    };
    std::fs::copy(tested("data/001_"), tested("data/000_")).unwrap();
    eval();
    let second = measured(&out);
    assert!(
        first[0].1 < second[0].1 && first[1] == second[1],
        "{second:?}"
    );
    // Another program: the same one with a byte more at its end.
    let other = place.path().join("other-program");
    let mut bytes = std::fs::read(command().get_program()).unwrap();
    bytes.push(0);
    std::fs::write(&other, bytes).unwrap();
    std::fs::set_permissions(
        &other,
        std::fs::metadata(command().get_program())
            .unwrap()
            .permissions(),
    )
    .unwrap();
    let ran = std::process::Command::new(&other)
        .current_dir(place.path())
        .args(joined(&[&arguments, &QUICK]))
        .output();
    Run::from(ran.unwrap()).ok();
    let third = measured(&out);
    assert!(
        (0..2).all(|part| second[part].1 < third[part].1),
        "{third:?}"
    );
    // A profile that was calibrated in place.
    let fit = ["fit", "data", "--out", "p.profile.safetensors", "-q"];
    run(place.path(), &joined(&[&fit, &QUICK])).ok();
    let by_profile = || {
        let eval = [
            "eval",
            "data",
            "--profile",
            "p.profile.safetensors",
            "--out",
            "p",
        ];
        run(place.path(), &joined(&[&eval, &QUICK])).ok();
        let metrics = std::fs::read_to_string(place.path().join("p/metrics.json")).unwrap();
        json(&metrics)["rows"].clone()
    };
    assert_eq!(by_profile()[0]["k_shot"], 3);
    let drawn_too = [
        "eval",
        "data",
        "--profile",
        "p.profile.safetensors",
        "--k-shot",
        "1",
    ];
    let refused = run(
        place.path(),
        &joined(&[&drawn_too, &["--out", "x"], &QUICK]),
    );
    refused.refused(&["--k-shot, --seeds and --draws go with --holes alone"]);
    let fitted = measured(&place.path().join("p"));
    let held_out = tested("data/000_").to_string_lossy().into_owned();
    let class = Path::new(&held_out).strip_prefix(place.path()).unwrap();
    let class = class
        .components()
        .nth(1)
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    let calibrate = [
        "calibrate",
        "--profile",
        "p.profile.safetensors",
        "--class",
        &class,
    ];
    run(place.path(), &joined(&[&calibrate, &[&*held_out], &QUICK])).ok();
    // One held-out score, but fitted on three photos still.
    assert_eq!(by_profile()[0]["k_shot"], 3);
    let calibrated = measured(&place.path().join("p"));
    assert!(
        (0..2).all(|part| fitted[part].1 < calibrated[part].1),
        "{calibrated:?}"
    );
}

#[test]
fn an_evaluation_with_a_model_shows_four_methods_curves_and_cases() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path(), "1");
    let arguments = [
        "eval", "data", "--k-shot", "2", "--seeds", "0", "--subset", "2", "--out", "e",
    ];
    run(place.path(), &joined(&[&arguments, &SMALL])).ok();
    let read = |name: &str| std::fs::read_to_string(place.path().join("e").join(name)).unwrap();
    let metrics = json(&read("metrics.json"));
    let methods = [
        "nearest-neighbour",
        "features-only",
        "repair-only",
        "anomalysd",
    ];
    let rows = metrics["rows"].as_array().unwrap();
    assert_eq!(rows.len(), methods.len());
    for (row, method) in rows.iter().zip(methods) {
        assert_eq!(row["method"], method);
        assert_eq!((&row["n_good"], &row["n_defect"]), (&json("2"), &json("2")));
        for figure in [
            "image_auroc",
            "image_ap",
            "image_f1_max",
            "pixel_auroc",
            "pixel_ap",
            "pixel_f1_max",
            "aupro_30",
        ] {
            let value = row[figure].as_f64().unwrap_or(f64::NAN);
            assert!((0.0..=1.0).contains(&value), "{method} {figure}: {value}");
        }
    }
    assert_eq!(metrics["differences"].as_array().unwrap().len(), 3);
    let report = read("report.html");
    let figures: Vec<&str> = report.split("<svg").skip(1).collect();
    let [roc, pro, histogram] = figures[..] else {
        panic!("{} figures", figures.len());
    };
    for (curves, label) in [(roc, "true positive rate"), (pro, "overlap")] {
        assert!(curves.contains(label), "{curves}");
        for method in methods {
            let curve = format!("<title>{method}</title>");
            let path = curves.split("<path").find(|path| path.contains(&curve));
            let points = path.unwrap_or_default().matches('L').count();
            assert!(points > 0, "{label}: no curve of {method}");
        }
    }
    assert!(histogram.contains(" good</title>") && histogram.contains(" defective</title>"));
    assert!(histogram.contains("stroke-dasharray") && histogram.contains("<title>threshold "));
    // Each case is a row of photo, repaired photo, map and truth, 160 pixels high.
    let cases: Vec<&str> = report.split("data:image/png;base64,").skip(1).collect();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let png = STANDARD.decode(case.split('"').next().unwrap()).unwrap();
        let picture = decode(&png, &DecodeLimits::default()).unwrap();
        assert!(
            (4 * 160..5 * 160).contains(&picture.width),
            "{} pixels wide",
            picture.width
        );
    }
    for why in ["highest score", "lowest score", "good photo"] {
        assert!(report.contains(why), "{why}");
    }
}

#[test]
fn holes_are_filled_by_the_model_and_by_what_anyone_has() {
    let place = tempfile::tempdir().unwrap();
    drawn(place.path(), "1");
    let holes = [
        "eval", "data", "--holes", "--k-shot", "1,2", "--seeds", "0", "--size", "96",
    ];
    let to = ["--out", "e", "--device", "cpu"];
    let table = run(place.path(), &joined(&[&holes, &to])).ok().out;
    let written = std::fs::read_to_string(place.path().join("e/holes.json")).unwrap();
    let rows = json(&written)["rows"].as_array().unwrap().clone();
    let kinds: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            (
                row["fill"].as_str().unwrap(),
                row["references"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("autoencoder", 0),
        ("mean-colour", 0),
        ("nearest-good", 2),
        ("repair", 0),
        ("repair", 1),
        ("repair", 2),
    ];
    assert_eq!(kinds, expected);
    for row in &rows {
        let number = |name: &str| row[name].as_f64().unwrap();
        assert!(
            (5.0..60.0).contains(&number("psnr")) && number("distance") > 0.0,
            "{row}"
        );
        assert_eq!(row["photos"], 3);
    }
    assert_eq!(table.lines().count(), 1 + rows.len(), "{table}");
    assert_eq!(files(&place.path().join("e"), ".png").len(), 1);
    run(place.path(), &joined(&[&holes, &["--model", "none"], &to])).refused(&["--holes"]);
}
