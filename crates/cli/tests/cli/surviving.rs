//! `fit --tune` that is killed, interrupted, out of disk, or whose photos change under it: it ends with the
//! bytes of a run to which none of that happened.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anomalysd_train::photos::{sample_rng, unit};
use tempfile::TempDir;

use super::jobs::TINY;
use super::support::{Run, command, files, interrupt, joined, json, place, run};

const STEPS: u64 = 40;
const DECODER_STEPS: u64 = 20;

/// A fit in few steps of a tiny model.
const FIT: [&str; 24] = [
    "fit",
    "good",
    "--class",
    "metal nut",
    "--out",
    "nut.safetensors",
    "--model",
    "tiny.safetensors",
    "--tune",
    "lora",
    "--size",
    "64",
    "--scales",
    "2",
    "--device",
    "cpu",
    "--steps",
    "40",
    "--decoder-steps",
    "20",
    "--train-batch-size",
    "1",
    "--seed",
    "5",
];

/// What an unbroken run needs and makes.
struct Whole {
    model: Vec<u8>,
    profile: Vec<u8>,
    checkpoints: BTreeMap<String, Vec<u8>>,
    log: Vec<(String, u64, f64)>,
    /// Until the first checkpoint.
    start: Duration,
    /// Of one step with its checkpoint.
    step: Duration,
}

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = place();
        std::fs::write(place.path().join("tiny.json"), TINY).unwrap();
        let steps = ["--vae-steps", "1", "--unet-steps", "1", "--workers", "1"];
        let pretrain = ["pretrain", "tiny.json", "--out", "m", "-q"];
        run(place.path(), &joined(&[&pretrain, &steps])).ok();
        let model = std::fs::read(place.path().join("m/mini.safetensors")).unwrap();
        std::fs::write(place.path().join("tiny.safetensors"), &model).unwrap();
        let (began, mut child) = (Instant::now(), start(&place, &["--checkpoint-every", "1"]));
        let when = |name: &str| {
            until(&mut child, || {
                place.path().join("nut.work").join(name).exists()
            });
            began.elapsed()
        };
        let mut when = when;
        let start = when("tune-unet-00000001.safetensors");
        let end = when("tune-unet-00000040.safetensors");
        assert!(child.wait().unwrap().success());
        let state = State::of(&place);
        Whole {
            model,
            profile: std::fs::read(place.path().join("nut.safetensors")).unwrap(),
            checkpoints: state.newest(),
            log: state.log(),
            start,
            step: (end - start) / (STEPS as u32 - 1),
        }
    })
}

/// A folder with the model and good photos.
fn ready() -> TempDir {
    let place = place();
    std::fs::write(place.path().join("tiny.safetensors"), &whole().model).unwrap();
    place
}

/// A run that begins or, where there is something to continue, continues.
fn arguments<'a>(place: &TempDir, more: &[&'a str]) -> Vec<&'a str> {
    let resumes = place.path().join("nut.work").is_dir();
    let resume: &[&str] = if resumes {
        &["--resume", "nut.work"]
    } else {
        &[]
    };
    joined(&[&FIT, resume, more])
}

fn start(place: &TempDir, more: &[&str]) -> Child {
    command()
        .current_dir(place.path())
        .args(arguments(place, more))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for something that a running child does; false where it ends before.
fn seen(child: &mut Child, mut happened: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !happened() {
        if child.try_wait().unwrap().is_some() {
            return happened();
        }
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "nothing happens"
        );
        std::thread::yield_now();
    }
    true
}

#[track_caller]
fn until(child: &mut Child, happened: impl FnMut() -> bool) {
    assert!(seen(child, happened), "it ended by itself");
}

/// Starts or continues a run, and sends Ctrl-C once its log has this line.
fn interrupted(place: &TempDir, stage: &str, step: u64, more: &[&str]) -> Run {
    let mut child = start(place, more);
    until(&mut child, || {
        let log = State::of(place).log();
        log.iter().any(|(own, at, _)| own == stage && *at >= step)
    });
    interrupt(child)
}

/// What lies in the folder of checkpoints.
#[derive(Debug, PartialEq)]
struct State(BTreeMap<String, Vec<u8>>);

impl State {
    fn of(place: &TempDir) -> Self {
        let folder = place.path().join("nut.work");
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let named = entries.filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_string_lossy().into_owned();
            // A running process renames its files.
            Some((name, std::fs::read(&path).ok()?))
        });
        Self(named.collect())
    }

    /// Without the log.
    fn checkpoints(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = self.0.clone();
        all.remove("log.jsonl");
        all
    }

    fn newest(&self) -> BTreeMap<String, Vec<u8>> {
        let last = [("tune-unet", STEPS), ("tune-decoder", DECODER_STEPS)];
        let names = last.map(|(stage, step)| format!("{stage}-{step:08}.safetensors"));
        names
            .map(|name| (name.clone(), self.0[&name].clone()))
            .into()
    }

    fn log(&self) -> Vec<(String, u64, f64)> {
        let text = self
            .0
            .get("log.jsonl")
            .map(Vec::as_slice)
            .unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        // The last line may be on its way.
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let parsed = lines.map(|line| {
            let line = json(line);
            let stage = line["stage"].as_str().unwrap().to_owned();
            (
                stage,
                line["step"].as_u64().unwrap(),
                line["loss"].as_f64().unwrap(),
            )
        });
        parsed.collect()
    }
}

/// Everything is as if nothing had happened.
#[track_caller]
fn check_end(place: &TempDir) {
    let profile = std::fs::read(place.path().join("nut.safetensors")).unwrap();
    assert!(profile == whole().profile);
    let state = State::of(place);
    assert!(state.newest() == whole().checkpoints);
    assert_eq!(state.log(), whole().log);
    // Two checkpoints and the last sheet of each stage, and the log: nothing half-written is left.
    assert!(state.0.len() <= 7, "{:?}", state.0.keys());
    assert!(files(place.path(), ".partial").is_empty());
}

#[track_caller]
fn finish(place: &TempDir) {
    run(place.path(), &arguments(place, &[])).ok();
    check_end(place);
}

#[test]
fn killed_at_twenty_moments_it_ends_with_the_bytes_of_an_unbroken_run() {
    let whole = whole();
    let place = ready();
    let steps: Vec<u64> = whole.log.iter().map(|(_, step, _)| *step).collect();
    assert_eq!(steps, [10, 20, 30, 40, 10, 20]);
    let half_written = || files(&place.path().join("nut.work"), ".partial");
    let (mut kills, mut while_writing, mut ends) = (0, 0, 0);
    while kills < 20 {
        let mut child = start(&place, &["--checkpoint-every", "1"]);
        // Any time between the start and a few steps on; then every other kill waits for a checkpoint
        // that is being written.
        let draw = unit(&mut sample_rng(11, "kills", kills + ends));
        let moment = (whole.start + 6 * whole.step).mul_f32(draw);
        let began = Instant::now();
        let mut runs = seen(&mut child, || began.elapsed() >= moment);
        if kills % 2 == 1 {
            let work = place.path().join("nut.work");
            runs = runs && seen(&mut child, || work.is_dir() && !half_written().is_empty());
        }
        // SIGKILL.
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        if killed {
            kills += 1;
            let work = place.path().join("nut.work");
            while_writing += u32::from(work.is_dir() && !half_written().is_empty());
        } else {
            // It was done before: once more from the beginning.
            assert!(!runs || kills > 0);
            check_end(&place);
            ends += 1;
            assert!(ends < 20, "only {kills} kills");
            std::fs::remove_dir_all(place.path().join("nut.work")).unwrap();
            std::fs::remove_file(place.path().join("nut.safetensors")).unwrap();
        }
    }
    println!("{kills} kills, {while_writing} within a checkpoint, {ends} ends in between");
    assert!(
        while_writing >= 3,
        "{while_writing} of {kills} while a checkpoint was written"
    );
    finish(&place);
}

#[test]
fn an_interrupt_writes_a_checkpoint_and_names_the_way_on() {
    let place = ready();
    // None is due before the end.
    let rarely = ["--checkpoint-every", "0"];
    for (stage, last) in [("tune-unet", STEPS), ("tune-decoder", DECODER_STEPS)] {
        let done = interrupted(&place, stage, 10, &rarely);
        assert_eq!(done.code, 130, "{}", done.err);
        assert!(
            done.err.contains("--resume nut.work continues"),
            "{}",
            done.err
        );
        let state = State::of(&place).checkpoints();
        let newest = state.keys().rfind(|name| name.starts_with(stage)).unwrap();
        let step: u64 = newest[stage.len() + 1..][..8].parse().unwrap();
        assert!((10..last).contains(&step), "{newest}");
        assert!(!place.path().join("nut.safetensors").exists());
    }
    finish(&place);
}

#[test]
fn a_full_disk_stops_it_with_the_state_safe() {
    let place = ready();
    interrupted(&place, "tune-unet", 10, &[]);
    let before = State::of(&place).checkpoints();
    assert_eq!(before.len(), 1);
    // A limit on the size of files stands in for a full disk; the signal it sends is ignored.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .current_dir(place.path())
        .args(["-c", script])
        .arg(command().get_program())
        .args(arguments(&place, &["--checkpoint-every", "5", "--quiet"]))
        .output();
    let done: Run = output.unwrap().into();
    done.refused(&["nut.work/tune-unet-000000", ".safetensors: "]);
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    assert!(State::of(&place).checkpoints() == before);
    finish(&place);
}

#[test]
fn photos_that_break_or_disappear_are_named_and_the_state_is_safe() {
    let place = ready();
    interrupted(&place, "tune-unet", 10, &[]);
    let before = State::of(&place);
    let photo = place.path().join("good/1.png");
    let bytes = std::fs::read(&photo).unwrap();
    let refused = |words: &[&str]| {
        let done = run(place.path(), &arguments(&place, &["--quiet"]));
        done.refused(words);
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
        assert!(State::of(&place) == before);
    };
    std::fs::write(&photo, &bytes[..bytes.len() / 2]).unwrap();
    refused(&["good/1.png"]);
    std::fs::remove_file(&photo).unwrap();
    refused(&["tune-unet-000000", "another run", "`photos`"]);
    std::fs::write(&photo, &bytes).unwrap();
    finish(&place);
}
