//! What each command does when all is well.

use std::time::{Duration, Instant};

use anomalysd_detect::profile::Profile;
use anomalysd_imaging::{Photo, resize_lanczos};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{
    QUICK, SMALL, command, files, interrupt, joined, json, photo, place, run, save,
};

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
    // What belongs to the class is made ready once.
    let text = |index: usize| results[index]["timings_ms"]["text"].as_f64().unwrap();
    assert!(text(0) > 0.0 && text(1) == 0.0, "{} {}", text(0), text(1));
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
fn one_seed_draws_the_photos_and_the_noise_of_a_fit() {
    let place = place();
    let drawn = |seed: &[&str], out: &str| {
        let fit = ["fit", "good", "--k-shot", "2", "--out", out];
        run(place.path(), &joined(&[&fit, seed, &QUICK])).ok();
        let bytes = std::fs::read(place.path().join(out)).unwrap();
        Profile::from_bytes(bytes).unwrap()
    };
    let photos = |profile: &Profile| profile.classes[0].good.clone();
    let without = drawn(&[], "a");
    let by_seed: Vec<Profile> = ["0", "1", "2"]
        .iter()
        .map(|seed| drawn(&["--seed", seed], seed))
        .collect();
    assert_eq!(photos(&without), photos(&by_seed[0]));
    for (seed, profile) in by_seed.iter().enumerate() {
        assert_eq!(profile.options.seed, seed as u64);
    }
    assert!(
        by_seed
            .iter()
            .any(|other| photos(other) != photos(&by_seed[0])),
        "three seeds, one draw"
    );
}

#[test]
fn a_fit_takes_all_good_photos_within_reason_and_as_many_as_are_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let many = place.path().join("many");
    std::fs::create_dir(&many).unwrap();
    for index in 0..70 {
        std::fs::write(many.join(format!("{index:02}.png")), b"not opened").unwrap();
    }
    let plan = |arguments: &[&str]| {
        run(
            place.path(),
            &joined(&[&["fit", "many", "--out", "x", "--dry-run"], arguments]),
        )
        .ok()
    };
    let all = plan(&[]);
    assert!(all.out.starts_with("many: 64 good photo(s)"), "{}", all.out);
    assert!(
        all.err.contains("many: 64 of 70 good photos"),
        "{}",
        all.err
    );
    let asked = plan(&["--k-shot", "70"]);
    assert!(
        asked.out.starts_with("many: 70 good photo(s)"),
        "{}",
        asked.out
    );
    assert!(asked.err.is_empty(), "{}", asked.err);
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
    let one = json(&go(&["--format", "json"]).ok().out)[0]["map"].clone();
    let line = go(&["--format", "jsonl"]).ok().out;
    assert_eq!(json(line.lines().next().unwrap())["map"], one);
    let bytes = STANDARD.decode(one["data"].as_str().unwrap()).unwrap();
    let values: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    assert_eq!(
        (&one["width"], &one["height"]),
        (&json("256"), &json("256"))
    );
    assert_eq!(values.len(), 256 * 256);
    let highest = values.iter().copied().fold(0.0, f32::max);
    assert!(highest > 0.0 && f64::from(highest) <= one["max"].as_f64().unwrap() + 1e-6);
    assert!(one["file"].is_null());
    let named = json(&go(&["--format", "json", "--out", "out"]).ok().out)[0]["map"].clone();
    assert!(
        named["file"] == "map.png" && named["data"].is_null(),
        "{named}"
    );
    let csv = go(&["--format", "csv"]).ok().out;
    assert!(
        csv.starts_with("image,class,verdict,score") && csv.lines().count() == 3,
        "{csv}"
    );
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
fn inpaint_repaints_with_the_embedded_model_and_pastes_nothing_back() {
    let place = place();
    let hidden = |x: usize, y: usize| (32..64).contains(&x) && (24..56).contains(&y);
    save(
        &place.path().join("mask.png"),
        &Photo::from_fn(96, 96, |x, y| [f32::from(u8::from(hidden(x, y))); 3]),
    );
    let arguments = [
        "inpaint",
        "suspect/fine.png",
        "--mask",
        "mask.png",
        "--out",
        "painted.png",
    ];
    run(place.path(), &arguments).ok();
    let read = |name: &str| photo(&place.path().join(name));
    let painted = read("painted.png");
    assert_eq!((painted.width, painted.height), (256, 256));
    let original = resize_lanczos(&read("suspect/fine.png"), 256, 256);
    // Beyond a latent cell of the mask the photo is seen: what stands there is its latents, decoded.
    let (mut squares, mut count, mut equal) = (0.0, 0, 0);
    for y in 0..256 {
        for x in 0..256 {
            if (72..184).contains(&x) && (50..164).contains(&y) {
                continue;
            }
            for (a, b) in painted.pixel(x, y).into_iter().zip(original.pixel(x, y)) {
                squares += f64::from(a - b).powi(2);
                equal += usize::from((a - b).abs() < 0.5 / 255.0);
                count += 1;
            }
        }
    }
    let psnr = -10.0 * (squares / count as f64).log10();
    let share = equal as f64 / count as f64;
    assert!(
        psnr > 18.0,
        "the visible part is another photo: {psnr:.1} dB"
    );
    assert!(share < 0.9, "the photo was pasted back: {share:.3}");
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
    let help = run(place.path(), &["pretrain", "--help"]).ok().out;
    let own = anomalysd_train::pretrain::Options::default();
    for (flag, default) in [
        ("--seed", own.seed),
        ("--vae-steps", own.vae.steps),
        ("--unet-steps", own.unet.steps),
        ("--checkpoint-every", own.checkpoint_every),
        ("--sheet-every", own.sheet_every),
        ("--workers", own.workers as u64),
    ] {
        let said = help
            .split(flag)
            .nth(1)
            .unwrap()
            .split(" --")
            .next()
            .unwrap();
        let default = format!("[default: {default}]");
        assert!(said.contains(&default), "{flag}: {said}");
    }
    let help = run(place.path(), &["detect", "--help"]).ok().out;
    assert!(
        help.contains("--fusion-alpha") && help.contains("[default: 0.5]"),
        "{help}"
    );
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_with_130_and_what_is_finished_is_printed() {
    let place = place();
    let photos = ["suspect/fine.png"; 200];
    let options = ["--good", "good", "--out", "out", "--format", "json"];
    let mut child = command()
        .current_dir(place.path())
        .args(joined(&[&["detect"], &photos, &options, &SMALL]))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The second photo's result: the first one is judged, and most are to come.
    let written = place.path().join("out/fine-2/result.json");
    let began = Instant::now();
    while !written.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(began.elapsed() < Duration::from_secs(300), "no result");
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = interrupt(child);
    assert_eq!(done.code, 130, "{}", done.err);
    let results = json(&done.out);
    let count = results.as_array().unwrap().len();
    assert!((1..200).contains(&count), "{count} results");
    assert_eq!(results[0]["image"], "suspect/fine.png");
}

/// Options of a model that trains in seconds.
pub const TINY: &str = r#"{
    "vae": {"latent_channels": 4, "channels": 16, "groups": 4, "batch": 2, "crop": 64, "pca_pictures": 8},
    "unet": {"block_out_channels": [16, 16], "heads": 2, "text_width": 16, "batch": 2, "size": 64}
}"#;

#[test]
fn a_model_is_trained_resumed_and_judges_photos() {
    let place = place();
    std::fs::write(place.path().join("tiny.json"), TINY).unwrap();
    let pretrain = |more: &[&str]| {
        let fixed = [
            "pretrain",
            "tiny.json",
            "--out",
            "m",
            "--vae-steps",
            "4",
            "--workers",
            "1",
            "-q",
        ];
        run(place.path(), &joined(&[&fixed, more]))
    };
    pretrain(&[
        "--unet-steps",
        "3",
        "--checkpoint-every",
        "2",
        "--sheet-every",
        "3",
    ])
    .ok();
    let names: Vec<String> = files(&place.path().join("m"), "")
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    for name in [
        "log.jsonl",
        "mini.safetensors",
        "unet-00000002.safetensors",
        "unet-00000003.png",
        "vae-00000004.safetensors",
    ] {
        assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
    }
    let log = std::fs::read_to_string(place.path().join("m/log.jsonl")).unwrap();
    let stages: Vec<String> = log
        .lines()
        .map(|line| json(line)["stage"].to_string())
        .collect();
    assert_eq!(stages.first().unwrap(), "\"vae\"");
    assert_eq!(stages.last().unwrap(), "\"unet\"");

    // What the file holds is a model like any other.
    let model = ["--model", "m/mini.safetensors"];
    let detect = [
        "detect",
        "suspect/stained.png",
        "--good",
        "good",
        "--format",
        "json",
    ];
    let said = run(place.path(), &joined(&[&detect, &model, &SMALL]))
        .ok()
        .out;
    assert!(json(&said)[0]["score"].as_f64().unwrap() > 0.0, "{said}");

    // A longer schedule is another run; the same one is already done.
    pretrain(&["--unet-steps", "3", "--resume"]).ok();
    let last = std::fs::read_to_string(place.path().join("m/log.jsonl")).unwrap();
    assert_eq!(log, last, "nothing was left to do");
}
