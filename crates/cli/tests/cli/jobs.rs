//! What each command does when all is well.

use serde_json::Value;

use crate::support::{QUICK, SMALL, command, joined, place, run};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_whole_method_judges_photos_the_same_whatever_the_threads() {
    let place = place();
    let go = |threads: &str, out: &str| {
        let arguments = [
            "detect",
            "suspect",
            "--good",
            "good",
            "--class",
            "nut",
            "--format",
            "json",
            "--threads",
            threads,
            "--out",
            out,
        ];
        json(&run(place.path(), &joined(&[&arguments, &SMALL])).ok().out)
    };
    let (one, two) = (go("1", "a"), go("2", "b"));
    let results = one.as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["schema"], "anomalysd.result.v1");
        assert_eq!(result["class"], "nut");
        assert_eq!(result["calibration"]["kind"], "leave-one-out");
        assert_eq!(result["model"]["name"], "mini");
        assert_eq!(result["device"], "cpu");
        assert_eq!(result["map"]["file"], "map.png");
        for stage in [
            "decode",
            "encode",
            "text",
            "denoise",
            "vae",
            "features",
            "prototypes",
            "fuse",
            "total",
        ] {
            assert!(result["timings_ms"][stage].is_number(), "{stage}");
        }
        assert_eq!(result["score"], two[index]["score"]);
    }
    assert!(
        results[1]["score"].as_f64() > results[0]["score"].as_f64(),
        "the stained one scores higher"
    );
    for file in [
        "map.png",
        "heatmap.png",
        "overlay.png",
        "repaired.png",
        "panel.png",
    ] {
        let bytes =
            |out: &str| std::fs::read(place.path().join(out).join("stained").join(file)).unwrap();
        assert!(
            bytes("a") == bytes("b"),
            "{file} differs between 1 and 2 threads"
        );
    }
}

#[test]
fn a_story_names_every_picture_it_wrote() {
    let place = place();
    let arguments = [
        "detect",
        "suspect/stained.png",
        "--good",
        "good",
        "--explain",
        "story",
    ];
    run(place.path(), &joined(&[&arguments, &SMALL])).ok();
    let page = std::fs::read_to_string(place.path().join("story/index.html")).unwrap();
    // A stain is suspicious: every part of the guided pass is there.
    for picture in [
        "round-trip",
        "guided-hidden",
        "guided-repaired",
        "guided-cores",
        "guided-distance",
        "guided-normalised",
        "guided",
        "s",
    ] {
        let path = place.path().join(format!("story/{picture}.png"));
        assert!(path.is_file(), "{picture}");
    }
    for words in [
        "S_pg",
        "dec(enc(x))",
        "each of 3 good photos against the others",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let mut pictures = 0;
    for entry in std::fs::read_dir(place.path().join("story")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".png") {
            assert!(page.contains(&format!("src=\"{name}\"")), "{name}");
            pictures += 1;
        }
    }
    // Eight passes of two scales, three pictures each, and the maps.
    assert!(pictures >= 8 * 3 + 10, "{pictures}");
}

#[test]
fn fit_detect_calibrate_and_inspect_share_one_profile() {
    let place = place();
    let fit = |out: &str| {
        run(
            place.path(),
            &joined(&[&["fit", "good", "--class", "nut", "--out", out], &SMALL]),
        )
        .ok()
    };
    fit("a.profile.safetensors");
    fit("b.profile.safetensors");
    let bytes = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert!(
        bytes("a.profile.safetensors") == bytes("b.profile.safetensors"),
        "the same fit, other bytes"
    );
    let judge = |arguments: &[&str]| {
        let all = joined(&[
            &[
                "detect",
                "suspect/stained.png",
                "--format",
                "json",
                "--device",
                "cpu",
            ],
            arguments,
        ]);
        json(&run(place.path(), &all).ok().out)[0].clone()
    };
    let by_profile = judge(&["--profile", "a.profile.safetensors"]);
    let direct = judge(&joined(&[
        &["--good", "good", "--class", "nut"],
        &SMALL[..4],
    ]));
    assert_eq!(by_profile["score"], direct["score"]);
    assert_eq!(by_profile["threshold"], direct["threshold"]);
    assert!(by_profile["profile"]["sha256"].is_string());
    let calibrate = [
        "calibrate",
        "--profile",
        "a.profile.safetensors",
        "suspect/fine.png",
        "--out",
        "c.profile.safetensors",
    ];
    let done = run(place.path(), &calibrate).ok();
    assert!(
        done.out.contains("1 held-out") && done.out.contains("18 more"),
        "{}",
        done.out
    );
    let calibrated = judge(&["--profile", "c.profile.safetensors"]);
    assert_eq!(calibrated["calibration"]["kind"], "held-out");
    assert_eq!(calibrated["p_value"], 0.5);
    let other = judge(&[
        "--profile",
        "c.profile.safetensors",
        "--fusion-alpha",
        "0.3",
    ]);
    assert_eq!(other["calibration"]["stale"], true);
    assert!(other["p_value"].is_null());
    let said = run(
        place.path(),
        &["inspect", "c.profile.safetensors", "--format", "json"],
    )
    .ok();
    assert_eq!(json(&said.out)["classes"][0]["good_photos"], 3);
}

#[test]
fn fail_on_and_the_formats() {
    let place = place();
    let go = |arguments: &[&str]| {
        run(
            place.path(),
            &joined(&[&["detect", "suspect", "--good", "good"], arguments, &QUICK]),
        )
    };
    let failed = go(&["--fail-on", "suspect"]);
    assert_eq!(failed.code, 3, "{} {}", failed.out, failed.err);
    assert!(
        failed.out.contains("stained.png"),
        "results come before the exit code"
    );
    let table = go(&["-q"]).ok();
    assert!(
        table.out.contains("verdict") && table.err.is_empty(),
        "{}",
        table.err
    );
    let csv = go(&["--format", "csv"]).ok().out;
    assert!(
        csv.starts_with("image,class,verdict,score") && csv.lines().count() == 3,
        "{csv}"
    );
}

#[test]
fn a_drawn_data_set_is_evaluated_and_a_second_call_skips_what_is_done() {
    let place = tempfile::tempdir().unwrap();
    let synth = [
        "synth",
        "--out",
        "data",
        "--products",
        "2",
        "--train",
        "3",
        "--good",
        "3",
        "--defective",
        "1",
        "--size",
        "96",
    ];
    run(place.path(), &synth).ok();
    let eval = || {
        let arguments = [
            "eval", "data", "--k-shot", "1,2", "--seeds", "0,1", "--out", "e",
        ];
        run(place.path(), &joined(&[&arguments, &QUICK])).ok()
    };
    eval();
    let parts = place.path().join("e/parts");
    let times = || {
        let mut times: Vec<_> = std::fs::read_dir(&parts)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name(),
                    entry.metadata().unwrap().modified().unwrap(),
                )
            })
            .collect();
        times.sort();
        times
    };
    let (before, metrics) = (
        times(),
        std::fs::read(place.path().join("e/metrics.json")).unwrap(),
    );
    eval();
    assert_eq!(before, times(), "nothing was measured again");
    let again = std::fs::read(place.path().join("e/metrics.json")).unwrap();
    assert!(metrics == again, "metrics.json differs");
    let metrics = json(&String::from_utf8(metrics).unwrap());
    assert_eq!(metrics["schema"], "anomalysd.metrics.v1");
    // Two classes, two numbers of photos, two seeds, two methods without a model.
    assert_eq!(metrics["rows"].as_array().unwrap().len(), 16);
    assert_eq!(metrics["summary"].as_array().unwrap().len(), 4);
    let csv = std::fs::read_to_string(place.path().join("e/scores.csv")).unwrap();
    assert!(csv.starts_with("class,k_shot,seed,photo,defect,method,score"));
    let report = std::fs::read_to_string(place.path().join("e/report.html")).unwrap();
    assert!(report.contains("nearest-neighbour") && report.contains("data:image/png;base64,"));
    // What one and two good photos support.
    assert!(report.contains("views of the only good photo"));
    assert!(report.contains("each of 2 good photos against the others"));
    assert!(
        !report.contains("src=\"http") && !report.contains("href="),
        "the report is self-contained"
    );
    run(place.path(), &synth).refused(&["data", "exists"]);
}

#[test]
fn the_embedded_model_is_exported_inspected_and_judges_as_a_bundle() {
    let place = place();
    run(
        place.path(),
        &["export", "--out", "bundle", "--shard-mib", "4"],
    )
    .ok();
    let said = json(
        &run(place.path(), &["inspect", "bundle", "--format", "json"])
            .ok()
            .out,
    );
    assert_eq!(said["kind"], "bundle");
    assert_eq!(said["fits"], true, "{said}");
    let judge = |model: &[&str]| {
        let arguments = [
            "detect",
            "suspect/stained.png",
            "--good",
            "good/0.png",
            "--format",
            "json",
        ];
        json(
            &run(place.path(), &joined(&[&arguments, &SMALL, model]))
                .ok()
                .out,
        )[0]
        .clone()
    };
    let (own, bundle) = (judge(&[]), judge(&["--model", "bundle"]));
    assert_eq!(own["score"], bundle["score"]);
    assert_eq!(own["model"]["sha256"], bundle["model"]["sha256"]);
}

#[test]
fn doctor_bench_and_completions_answer() {
    let place = place();
    let doctor = run(place.path(), &["doctor", "--format", "json"]).ok();
    assert_eq!(json(&doctor.out)["model"]["ok"], true);
    let bench = ["bench", "--runs", "1", "--out", "bench.json", "-q"];
    let done = run(place.path(), &joined(&[&bench, &QUICK])).ok();
    assert!(done.out.contains("total"), "{}", done.out);
    let bench = json(&std::fs::read_to_string(place.path().join("bench.json")).unwrap());
    assert_eq!(bench["schema"], "anomalysd.bench.v1");
    assert!(bench["rows"].as_array().unwrap().len() >= 10);
    assert!(
        run(place.path(), &["completions", "bash"])
            .ok()
            .out
            .contains("anomalysd")
    );
    let help = run(place.path(), &["detect", "--help"]).ok().out;
    assert!(
        help.contains("--fusion-alpha") && help.contains("[default: 0.5]"),
        "{help}"
    );
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_with_130() {
    let place = place();
    let arguments = [
        "detect", "suspect", "--good", "good", "--mode", "faithful", "--device", "cpu",
    ];
    let child = command()
        .current_dir(place.path())
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let id = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-INT", &id])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
