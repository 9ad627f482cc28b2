//! `fit --tune`: what it writes, what it refuses.

use std::path::Path;

use super::support::{Run, files, json, photo, place, run};

/// Few and small steps of `mini`.
const TUNING: [&str; 18] = [
    "--size",
    "64",
    "--scales",
    "2",
    "--device",
    "cpu",
    "--steps",
    "6",
    "--decoder-steps",
    "4",
    "--train-batch-size",
    "2",
    "--rank",
    "2",
    "--checkpoint-every",
    "2",
    "--seed",
    "5",
];

fn fit<'a>(tune: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "fit",
        "good",
        "--class",
        "metal nut",
        "--out",
        out,
        "--tune",
        tune,
    ];
    arguments.extend(TUNING);
    arguments.extend(more);
    arguments
}

fn scores(folder: &Path, profile: &str, more: &[&str]) -> Vec<f64> {
    let mut arguments = vec![
        "detect",
        "suspect",
        "--profile",
        profile,
        "--format",
        "json",
        "--device",
        "cpu",
    ];
    arguments.extend(more);
    let found = json(&run(folder, &arguments).ok().out);
    let scores = found.as_array().unwrap().iter();
    scores.map(|one| one["score"].as_f64().unwrap()).collect()
}

#[test]
fn a_tuned_profile_is_judged_with_its_own_weights() {
    let place = place();
    run(
        place.path(),
        &fit("lora", "p.safetensors", &["--lora-convolutions"]),
    )
    .ok();
    let mut plain = vec!["fit", "good", "--out", "plain.safetensors"];
    plain.extend(&TUNING[..6]);
    run(place.path(), &plain).ok();
    let (tuned, untuned) = (
        scores(place.path(), "p.safetensors", &[]),
        scores(place.path(), "plain.safetensors", &[]),
    );
    assert_eq!(tuned.len(), 2);
    assert!(tuned.iter().all(|score| score.is_finite()));
    assert_ne!(tuned, untuned);

    let shown = json(
        &run(
            place.path(),
            &["inspect", "p.safetensors", "--format", "json"],
        )
        .ok()
        .out,
    );
    assert_eq!(shown["tuned"]["lora_alpha"], 2.0);
    assert!(shown["tuned"]["lora_pairs"].as_u64().unwrap() > 20);
    assert!(shown["tuned"]["decoder_tensors"].as_u64().unwrap() > 10);
    assert_eq!(shown["tuned"]["base"]["name"], "mini");
    assert_ne!(
        shown["tuned"]["base"]["fingerprint"],
        shown["model"]["fingerprint"]
    );
    run(
        place.path(),
        &[
            "detect",
            "suspect",
            "--profile",
            "p.safetensors",
            "--model",
            "none",
            "--device",
            "cpu",
        ],
    )
    .refused(&["made with"]);
    let held_out = [
        "calibrate",
        "--profile",
        "p.safetensors",
        "suspect/fine.png",
        "--device",
        "cpu",
    ];
    run(place.path(), &held_out).ok();
    assert_eq!(scores(place.path(), "p.safetensors", &[]), tuned);

    // Its LoRA is a file that --lora takes.
    run(
        place.path(),
        &[
            "export",
            "--profile",
            "p.safetensors",
            "--out",
            "lora.safetensors",
        ],
    )
    .ok();
    let kind = run(place.path(), &["inspect", "lora.safetensors"]).ok().out;
    assert!(kind.contains("LoRA"), "{kind}");
    let mut with_lora = vec![
        "detect",
        "suspect",
        "--good",
        "good",
        "--lora",
        "lora.safetensors",
        "--no-cache",
    ];
    with_lora.extend(&TUNING[..6]);
    run(place.path(), &with_lora).ok();
}

#[test]
fn what_was_tuned_leaves_for_other_programs() {
    let place = place();
    let more = ["--lora-convolutions", "--quiet"];
    run(place.path(), &fit("lora", "p.safetensors", &more)).ok();
    let export = |profile: &str, out: &str, more: &[&str]| -> Run {
        let mut arguments = vec!["export", "--profile", profile, "--out", out];
        arguments.extend(more);
        run(place.path(), &arguments)
    };
    // Both namings are one change: the model that either makes is the same.
    let bundle = |lora: &str, out: &str| {
        let arguments = ["export", "--lora", lora, "--out", out];
        run(place.path(), &arguments).ok();
        let path = place.path().join(out).join("bundle.json");
        json(&std::fs::read_to_string(path).unwrap())
    };
    export("p.safetensors", "peft.safetensors", &[]).ok();
    export("p.safetensors", "kohya.safetensors", &["--format", "kohya"]).ok();
    let (peft, kohya) = (
        bundle("peft.safetensors", "peft"),
        bundle("kohya.safetensors", "kohya"),
    );
    assert_eq!(peft["shards"], kohya["shards"]);
    let bytes = std::fs::read(place.path().join("kohya.safetensors")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for name in [
        "lora_unet_conv_in.lora_down.weight",
        "lora_unet_conv_in.alpha",
    ] {
        assert!(text.contains(name), "{name}");
    }

    // The whole tuned model, decoder too: what the profile was fitted with.
    let whole = ["--format", "diffusers"];
    export("p.safetensors", "model", &whole).ok();
    let tuned = scores(place.path(), "p.safetensors", &[]);
    let shown = |path: &str| {
        let out = run(place.path(), &["inspect", path, "--format", "json"])
            .ok()
            .out;
        json(&out)
    };
    assert_eq!(shown("model")["kind"], "diffusers_folder");
    assert_eq!(shown("model")["fits"], true);
    assert_eq!(tuned.len(), 2);
    run(
        place.path(),
        &["export", "--model", "model", "--out", "bundle"],
    )
    .ok();
    let of = |path: &str| {
        let path = place.path().join(path).join("bundle.json");
        json(&std::fs::read_to_string(path).unwrap())["fingerprint"].clone()
    };
    assert_eq!(of("bundle"), shown("p.safetensors")["model"]["fingerprint"]);

    let other = ["--format", "bundle", "--model", "model"];
    export("p.safetensors", "twice", &other).refused(&["it was tuned on mini", "mini tuned"]);
    let flags = ["--model", "model"];
    export("p.safetensors", "x.safetensors", &flags).refused(&["--model", "--format"]);
    export("p.safetensors", "model", &whole).refused(&["model", "exists already"]);
    let alone = ["export", "--format", "kohya", "--out", "x.safetensors"];
    run(place.path(), &alone).refused(&["--format", "--profile"]);
    let mut plain = vec!["fit", "good", "--out", "plain.safetensors"];
    plain.extend(&TUNING[..6]);
    run(place.path(), &plain).ok();
    export("plain.safetensors", "x.safetensors", &[]).refused(&["was not tuned"]);
}

#[test]
fn a_whole_model_is_written_beside_the_profile() {
    let place = place();
    let full = |more: &[&str]| -> Run { run(place.path(), &fit("full", "p.safetensors", more)) };
    full(&[]).ok();
    let model = ["--model", "p.model"];
    let shown = run(place.path(), &["inspect", "p.model"]).ok().out;
    assert!(shown.contains("mini tuned"), "{shown}");
    assert!(shown.contains("diffusers folder"), "{shown}");
    let judged = scores(place.path(), "p.safetensors", &model);
    assert_eq!(judged.len(), 2);
    let bundle = ["export", "--model", "p.model", "--out", "bundle"];
    run(place.path(), &bundle).ok();
    let of_bundle = ["--model", "bundle"];
    assert_eq!(scores(place.path(), "p.safetensors", &of_bundle), judged);
    run(
        place.path(),
        &[
            "detect",
            "suspect",
            "--profile",
            "p.safetensors",
            "--device",
            "cpu",
        ],
    )
    .refused(&["made with", "mini tuned"]);
    full(&[]).refused(&["p.model", "exists already"]);
    let before = std::fs::read(place.path().join("p.safetensors")).unwrap();
    full(&["--resume", "p.work"]).ok();
    assert!(std::fs::read(place.path().join("p.safetensors")).unwrap() == before);
}

#[test]
fn what_cannot_be_tuned_is_refused_in_a_sentence() {
    let place = place();
    let refused = |tune: &str, more: &[&str], words: &[&str]| {
        run(place.path(), &fit(tune, "p.safetensors", more)).refused(words);
        assert!(!place.path().join("p.safetensors").exists());
    };
    refused("none", &[], &["--steps", "--tune"]);
    refused("lora", &["--model", "none"], &["nothing to tune"]);
    refused("lora", &["--f16"], &["--f16"]);
    refused("lora", &["--tile", "256"], &["--tile"]);
    refused("lora", &["--mixed-precision", "fp8"], &["fp8", "bf16"]);
    refused("lora", &["--resume", "absent"], &["absent", "continued"]);
    refused("lora", &["--foreground", "masks"], &["masks"]);
    refused("lora", &["--learning-rate", "7"], &["learning_rate"]);
    std::fs::write(place.path().join("own.json"), r#"{"unet": {"stepz": 1}}"#).unwrap();
    refused(
        "lora",
        &["--tune-options", "own.json"],
        &["own.json", "stepz"],
    );
    std::fs::create_dir(place.path().join("used")).unwrap();
    let name = "used/tune-unet-00000002.safetensors";
    std::fs::write(place.path().join(name), "no checkpoint").unwrap();
    refused("lora", &["--work", "used"], &[name]);
}

#[test]
fn a_dry_run_says_what_tuning_will_cost() {
    let place = place();
    let flags = ["--dry-run", "--gradient-accumulation-steps", "2"];
    let said = run(place.path(), &fit("lora", "p.safetensors", &flags))
        .ok()
        .out;
    let line = |word: &str| {
        said.lines()
            .find(|line| line.contains(word))
            .unwrap_or(&said)
    };
    assert!(said.contains("metal nut: 3 good photo(s)"), "{said}");
    assert!(
        line("checkpoints in p.work").starts_with("tunes "),
        "{said}"
    );
    for (stage, steps) in [("tune-unet", 6.0), ("tune-decoder", 4.0)] {
        let numbers: Vec<f64> = line(&format!("{stage}:"))
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [count, each, all] = numbers[..] else {
            panic!("{said}");
        };
        assert_eq!(count, steps, "{said}");
        // All steps, and what comes before the first one; the time of one is rounded.
        assert!(all + 1.0 >= count * (each - 0.005) && each > 0.0, "{said}");
    }
    assert!(line("about ").contains("on cpu and "), "{said}");
    assert!(!place.path().join("p.safetensors").exists());
    assert!(!place.path().join("p.work").exists());
}

/// Sides of a PNG file.
fn sides(path: &Path) -> (usize, usize) {
    let picture = photo(path);
    (picture.width, picture.height)
}

#[test]
fn a_run_leaves_sheets_and_a_page_that_tells_of_it() {
    let place = place();
    let more = ["--validation-steps", "4"];
    let said = run(
        place.path(),
        &fit("lora", "line.profile.safetensors", &more),
    )
    .ok()
    .out;
    assert!(said.contains("report: line.report.html"), "{said}");
    let work = place.path().join("line.work");
    // Photo, hole and repair side by side, with white lines between them; photo and its decoded self.
    let unet = sides(&work.join("tune-unet-00000004.png"));
    assert_eq!(unet, (3 * 68, 68));
    assert_eq!(sides(&work.join("tune-decoder-00000004.png")), (2 * 68, 68));
    assert_eq!(files(&work, "tune-unet-00000006.png").len(), 1);
    let log = std::fs::read_to_string(work.join("log.jsonl")).unwrap();
    let of = |name: &str| log.lines().filter(|line| line.contains(name)).count();
    assert_eq!((of("hidden_psnr"), of("decoded_psnr")), (2, 1), "{log}");
    let page = std::fs::read_to_string(place.path().join("line.report.html")).unwrap();
    assert!(!page.contains("<script"));
    for words in [
        "metal nut",
        "in 6 steps of 2 photos",
        "tune-unet: from ",
        "tune-decoder: from ",
        "before: ",
        "after: ",
        "each of 3 good photos against the others",
    ] {
        assert!(page.contains(words), "no `{words}`");
    }
    // The photo, its hole, the repair before and after; the photo and its decoded self before and after.
    assert_eq!(page.matches("<img ").count(), 7);
}

#[test]
fn masks_of_the_part_are_read_from_a_folder() {
    let place = place();
    for seed in 0..3 {
        let mask = anomalysd_imaging::Mask::from_fn(96, 96, |x, y| x > 40 && y > 40);
        let path = place.path().join(format!("masks/metal nut/{seed}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, anomalysd_imaging::encode_png_mask(&mask)).unwrap();
    }
    let steps = ["--foreground", "masks", "--quiet"];
    let quiet = run(place.path(), &fit("lora", "p.safetensors", &steps)).ok();
    assert!(!quiet.err.contains("loss"), "{}", quiet.err);
    std::fs::remove_file(place.path().join("masks/metal nut/1.png")).unwrap();
    run(place.path(), &fit("lora", "q.safetensors", &steps)).refused(&["1.png"]);
}

/// The command in a terminal of its own, with these keys pressed: its exit code, and everything that the terminal got.
#[cfg(target_os = "linux")]
fn in_a_terminal(folder: &Path, arguments: &[&str], keys: &str) -> (i32, String) {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    let quoted = arguments.iter().map(|one| format!("'{one}'"));
    let quoted: Vec<String> = quoted.collect();
    let command = env!("CARGO_BIN_EXE_anomalysd");
    let line = format!(
        "stty cols 120 rows 40; exec '{command}' {}",
        quoted.join(" ")
    );
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(folder)
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = terminal.stdin.take().unwrap();
    let mut stdout = terminal.stdout.take().unwrap();
    let (mut shown, mut chunk, mut pressed) = (Vec::new(), [0; 4096], false);
    loop {
        let read = stdout.read(&mut chunk).unwrap();
        if read == 0 {
            break;
        }
        shown.extend_from_slice(&chunk[..read]);
        // Once the dashboard is there to hear them.
        if !pressed && String::from_utf8_lossy(&shown).contains("loss") {
            stdin.write_all(keys.as_bytes()).unwrap();
            pressed = true;
        }
    }
    let code = terminal.wait().unwrap().code();
    drop(stdin);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    (code.unwrap_or(-1), shown)
}

#[test]
#[cfg(target_os = "linux")]
fn a_dashboard_shows_the_training_and_stops_it() {
    let place = place();
    let mut arguments = fit("lora", "p.safetensors", &["--dashboard"]);
    // Standard output is none, which is said before anything is done.
    run(place.path(), &arguments).refused(&["--dashboard", "terminal"]);
    assert!(!place.path().join("p.work").exists());
    let quiet = [arguments.as_slice(), &["--quiet"]].concat();
    run(place.path(), &quiet).refused(&["--dashboard", "--quiet"]);

    let (code, shown) = in_a_terminal(place.path(), &arguments, "");
    assert_eq!(code, 0, "{shown}");
    assert!(place.path().join("p.safetensors").is_file());
    let (before, after) = shown.split_once("\x1b[?1049h").unwrap();
    let (dashboard, after) = after.split_once("\x1b[?1049l").unwrap();
    assert!(!before.contains("loss"), "{before}");
    for what in [
        "unet loss",
        "decoder rate",
        "tune-unet",
        "decoder squared_error",
    ] {
        assert!(dashboard.contains(what), "no {what} in {dashboard}");
    }
    assert!(after.contains("p.safetensors"), "{after}");

    let steps = arguments.iter().position(|one| *one == "6").unwrap();
    arguments[steps] = "2000";
    let out = arguments.iter().position(|one| *one == "p.safetensors");
    arguments[out.unwrap()] = "stopped.safetensors";
    let (code, shown) = in_a_terminal(place.path(), &arguments, "qs");
    assert_ne!(code, 0, "{shown}");
    let (_, after) = shown.split_once("\x1b[?1049l").unwrap();
    assert!(after.contains("--resume"), "{after}");
    assert!(!place.path().join("stopped.safetensors").exists());
}
