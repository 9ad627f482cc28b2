//! The loop of a stage by itself: divergence, overflow, what a killed process leaves.

use super::*;

/// A stage of a linear map whose weights learn to be 0, and whose loss `change` changes by its step.
fn linear_stage(
    folder: &Path,
    scales: bool,
    change: impl Fn(u64) -> f64 + Sync,
) -> Result<anomalysd_diffusion::nn::Linear, TrainError> {
    let device = Device::flex().autodiff();
    let stage = Stage {
        name: "line",
        folder,
        schedule: WarmupCosine {
            peak: 1e-3,
            warmup: 0,
            total: 80,
            floor: 1.0,
        },
        time: None,
        batch: 1,
        accumulation: 1,
        workers: 1,
        loaders: 1,
        checkpoint_every: 5,
        keep: 3,
        sheet_every: 0,
        log_every: 1,
        optimiser: OptimiserOptions::default(),
        loss_is_error: !scales,
        loss_scaling: scales,
        reports: &[],
        model: json!({}),
        options: json!({}),
    };
    stage.train(
        anomalysd_diffusion::nn::Linear::init(3, 2, false, 1, &device).unwrap(),
        &device,
        &Start::Resume,
        |index| index,
        |linear: &anomalysd_diffusion::nn::Linear, samples| {
            Ok(PartLoss {
                loss: linear.weight.val().square().sum() * change(samples[0]),
                report: Vec::new(),
            })
        },
        |_, _| Ok(Vec::new()),
        &mut |_| Control::Continue,
    )
}

#[test]
fn a_loss_that_is_no_number_or_rises_stops_with_the_last_good_state_named() {
    let diverged = |change: fn(u64) -> f64| {
        let folder = tempfile::tempdir().unwrap();
        let error = linear_stage(folder.path(), false, change).unwrap_err();
        let TrainError::Diverged {
            step, checkpoint, ..
        } = &error
        else {
            panic!("{error:?}");
        };
        let named = checkpoint.as_ref().map(|path| {
            assert!(error.to_string().contains(&path.display().to_string()));
            let read = Checkpoint::read(path).unwrap();
            let weights = read.below("weights.");
            assert!(weights["weight"].values.iter().all(|one| one.is_finite()));
            read.description.step
        });
        (*step, named, error.to_string())
    };
    let (step, named, said) = diverged(|index| if index == 12 { f64::NAN } else { 1.0 });
    assert_eq!((step, named), (13, Some(10)), "{said}");
    assert!(said.contains("NaN") && !said.contains("first steps"));
    let (step, named, said) = diverged(|_| f64::INFINITY);
    assert_eq!((step, named), (1, None));
    assert!(said.contains("no checkpoint"), "{said}");
    // A third more with every step after the twentieth.
    let rising = |index: u64| 1.33_f64.powi(index.saturating_sub(20) as i32);
    let (step, named, said) = diverged(rising);
    assert!((28..40).contains(&step), "{said}");
    // Its running mean was not above twice the first one yet.
    assert!(matches!(named, Some(25)), "{named:?} {said}");
    assert!(said.contains("over the first steps"), "{said}");
}

#[test]
fn a_step_whose_scaled_gradients_overflow_is_left_out_and_a_resumed_run_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    // Finite, as its gradient is; both times 65,536 are not.
    let once = |index| if index == 12 { 1e35 } else { 1.0 };
    let checkpoint = |step: u64| folder.path().join(format!("line-{step:08}.safetensors"));
    linear_stage(folder.path(), true, once).unwrap();
    let newest = std::fs::read(checkpoint(80)).unwrap();
    let read = Checkpoint::read(&checkpoint(80)).unwrap();
    assert_eq!(read.tensors["loss_scale"].values, [32_768.0, 67.0, 1.0]);
    assert_eq!(read.tensors["time.weight"].values, [79.0]);
    for step in [75, 80] {
        std::fs::remove_file(checkpoint(step)).unwrap();
    }
    linear_stage(folder.path(), true, once).unwrap();
    assert!(std::fs::read(checkpoint(80)).unwrap() == newest);
    // Where there is no scale left to try, it is divergence.
    let other = tempfile::tempdir().unwrap();
    let always = linear_stage(other.path(), true, |_| 3e38);
    match always {
        Err(TrainError::Diverged { step, .. }) => assert!((1..=17).contains(&step), "{step}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_killed_process_left_is_removed_and_damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(".anomalysd-abc123.partial");
    std::fs::write(&left, "half a checkpoint").unwrap();
    std::fs::write(folder.path().join("notes.partial"), "mine").unwrap();
    linear_stage(folder.path(), false, |_| 1.0).unwrap();
    assert!(!left.exists());
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let checkpoint = |step: u64| format!("line-{step:08}.safetensors");
    let mut expected = vec!["log.jsonl".to_owned(), "notes.partial".into()];
    expected.extend([70, 75, 80].map(checkpoint));
    expected.sort();
    assert_eq!(names, expected);

    let newest = folder.path().join(checkpoint(80));
    let whole = std::fs::read(&newest).unwrap();
    let refused = |bytes: &[u8], words: &[&str]| {
        std::fs::write(&newest, bytes).unwrap();
        let said = linear_stage(folder.path(), false, |_| 1.0)
            .unwrap_err()
            .to_string();
        for word in words.iter().chain(&["line-00000080"]) {
            assert!(said.contains(word), "no `{word}` in: {said}");
        }
    };
    refused(&whole[..whole.len() / 2], &["damaged", "remove it"]);
    refused(&[], &["damaged"]);
    let text = String::from_utf8_lossy(&whole).into_owned();
    assert!(text.contains(r#"\"version\":1"#));
    let at = text.find(r#"\"version\":1"#).unwrap() + r#"\"version\":"#.len();
    let mut other = whole.clone();
    other[at] = b'7';
    refused(&other, &["version 7"]);
    // Without it, the run goes on from the one before.
    std::fs::remove_file(&newest).unwrap();
    linear_stage(folder.path(), false, |_| 1.0).unwrap();
    assert!(std::fs::read(&newest).unwrap() == whole);
}
