//! Shares of the work: `--shard`, `--merge`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{QUICK, command, joined, json, place, run};

/// metrics.json without what takes time.
fn metrics(folder: &std::path::Path) -> Value {
    fn untimed(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !name.ends_with("_ms"));
                fields.values_mut().for_each(untimed);
            }
            Value::Array(values) => values.iter_mut().for_each(untimed),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(folder.join("metrics.json")).unwrap();
    let mut value = json(&text);
    untimed(&mut value);
    value
}

#[test]
fn shards_of_an_evaluation_merge_into_what_one_run_measures() {
    let place = tempfile::tempdir().unwrap();
    let synth = [
        "synth",
        "--out",
        "data",
        "--families",
        "nut,weave,pill",
        "--defects",
        "stain",
        "--train",
        "2",
        "--good",
        "2",
        "--defective",
        "2",
        "--size",
        "96",
        "--products",
        "3",
        "-q",
    ];
    run(place.path(), &synth).ok();
    let eval = |out: &str, more: &[&str]| {
        let arguments = [
            "eval", "data", "--k-shot", "2", "--seeds", "0", "--out", out, "-q",
        ];
        run(place.path(), &joined(&[&arguments, more, &QUICK]))
    };
    eval("whole", &[]).ok();
    let said = eval("shared", &["--shard", "1/2"]).ok().out;
    assert!(said.contains("shard 1/2: 2 of 3 parts"), "{said}");
    eval("shared", &["--merge"]).refused(&["--merge: 1 of 3 parts are not in", "-k2-s0"]);
    // As Kubernetes numbers the jobs of an indexed Job; and again, as it does after a failure.
    for index in ["1", "1"] {
        let arguments = [
            "eval", "data", "--k-shot", "2", "--seeds", "0", "--out", "shared", "-q",
        ];
        let mut command = command();
        command.args(joined(&[&arguments, &["--shard", "auto/2"], &QUICK]));
        command
            .env("JOB_COMPLETION_INDEX", index)
            .current_dir(place.path());
        assert!(command.output().unwrap().status.success());
    }
    assert!(!place.path().join("shared/metrics.json").exists());
    eval("shared", &["--merge"]).ok();
    let (whole, shared) = (place.path().join("whole"), place.path().join("shared"));
    assert_eq!(metrics(&whole), metrics(&shared));
    let scores = |folder: &std::path::Path| std::fs::read(folder.join("scores.csv")).unwrap();
    assert!(scores(&whole) == scores(&shared), "scores.csv differs");
    // Parts of other options are not merged.
    eval("shared", &["--merge", "--top-cells", "3"]).refused(&["3 of 3 parts"]);
}

#[test]
fn shards_of_a_folder_judge_every_photo_once() {
    let place = place();
    let judged = |shard: &str| -> BTreeSet<String> {
        let detect = [
            "detect", "suspect", "good", "--good", "good", "--size", "96", "--format", "csv",
        ];
        let out = run(
            place.path(),
            &joined(&[&detect, &["--shard", shard], &QUICK]),
        )
        .ok()
        .out;
        let lines = out.lines().skip(1);
        lines
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect()
    };
    let (first, second) = (judged("1/2"), judged("2/2"));
    assert_eq!((first.len(), second.len()), (3, 2));
    assert!(first.is_disjoint(&second));
    let detect = ["detect", "suspect", "--good", "good", "--shard", "3/2"];
    run(place.path(), &joined(&[&detect, &QUICK])).refused(&["3/2", "1/2"]);
}
