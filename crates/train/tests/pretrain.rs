//! A short pre-training of a very small `mini`, from nothing to the file of the model.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_train::TrainError;
use anomalysd_train::checkpoint::Checkpoint;
use anomalysd_train::log::Progress;
use anomalysd_train::pretrain::{Options, UnetOptions, VaeOptions, run};
use anomalysd_train::stage::best_weights;
use burn::tensor::Device;
use tempfile::TempDir;

const VAE_STEPS: u64 = 150;
const UNET_STEPS: u64 = 60;

fn options(out: &Path) -> Options {
    Options {
        out: out.to_owned(),
        seed: 7,
        // Few, so that so short a run learns them.
        families: ["nut", "washer", "bottle", "pill", "weave", "leather"]
            .map(str::to_owned)
            .to_vec(),
        workers: 2,
        checkpoint_every: 0,
        // One at the end, with its figures.
        sheet_every: 1_000_000,
        vae: VaeOptions {
            latent_channels: 4,
            channels: 32,
            groups: 4,
            steps: VAE_STEPS,
            batch: 8,
            crop: 64,
            pca_pictures: 30,
            ..VaeOptions::default()
        },
        unet: UnetOptions {
            block_out_channels: vec![16, 16],
            heads: 2,
            text_width: 16,
            steps: UNET_STEPS,
            batch: 2,
            size: 64,
            rate: 8e-3,
            ..UnetOptions::default()
        },
        ..Options::default()
    }
}

#[test]
fn every_option_out_of_its_range_is_named() {
    type Change = fn(&mut Options);
    let changes: [(&str, Change); 13] = [
        ("vae.groups", |own| own.vae.groups = 3),
        ("vae.crop", |own| own.vae.crop = 60),
        ("vae.batch", |own| own.vae.batch = 0),
        ("vae.layers", |own| own.vae.layers = 0),
        ("vae.photo_share", |own| own.vae.photo_share = -0.1),
        ("vae.rate", |own| own.vae.rate = f64::NAN),
        ("unet.block_out_channels", |own| {
            own.unet.block_out_channels = vec![16, 24]
        }),
        ("unet.block_out_channels", |own| own.unet.heads = 3),
        ("unet.heads", |own| own.unet.heads = 0),
        ("unet.text_width", |own| own.unet.text_width = 6),
        ("unet.aligned_share", |own| own.unet.aligned_share = 1.5),
        ("unet.feature_weight", |own| {
            own.unet.feature_weight = f64::INFINITY
        }),
        ("unet.minutes", |own| own.unet.minutes = -1.0),
    ];
    options(Path::new("nowhere")).validate().unwrap();
    for (name, change) in changes {
        let mut own = options(Path::new("nowhere"));
        change(&mut own);
        match own.validate() {
            Err(TrainError::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Runs until the end or until the stage and step `stop_at`.
fn pretrain(
    options: &Options,
    stop_at: Option<(&str, u64)>,
) -> (Result<(), TrainError>, Vec<Progress>) {
    let mut seen = Vec::new();
    let result = run(
        options,
        &Device::flex(),
        &mut common::until(stop_at, &mut seen),
    );
    (result, seen)
}

/// One run from the beginning to the end, which every test looks at.
fn whole() -> &'static (TempDir, Vec<Progress>) {
    static WHOLE: OnceLock<(TempDir, Vec<Progress>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (result, seen) = pretrain(&options(folder.path()), None);
        result.unwrap();
        (folder, seen)
    })
}

fn newest(folder: &Path, stage: &str) -> Checkpoint {
    Checkpoint::newest(folder, stage).unwrap().unwrap()
}

fn losses(stage: &str) -> Vec<f32> {
    let of_stage = |progress: &&Progress| progress.stage == stage;
    let (_, seen) = whole();
    seen.iter().filter(of_stage).map(|p| p.loss).collect()
}

/// Means of the first and the last third.
fn thirds(losses: &[f32]) -> (f32, f32) {
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let third = losses.len() / 3;
    (
        mean(&losses[..third]),
        mean(&losses[losses.len() - third..]),
    )
}

#[test]
fn the_autoencoder_leaves_the_projection_behind_that_it_began_as() {
    let losses = losses("vae");
    assert_eq!(losses.len() as u64, VAE_STEPS);
    // The loss is the logarithm of the squared error.
    let (first, last) = thirds(&losses);
    assert!(last < first - 0.1, "{first} {last}");
    let (_, seen) = whole();
    let end = &seen[VAE_STEPS as usize - 1];
    let number = |name: &str| end.numbers.iter().find(|(n, _)| *n == name).unwrap().1;
    let (psnr, projection) = (number("held_out_psnr"), number("held_out_pca"));
    assert!(psnr > projection + 0.5, "{psnr} dB, {projection} dB");
}

#[test]
fn the_loss_of_the_denoiser_falls() {
    let losses = losses("unet");
    assert_eq!(losses.len() as u64, UNET_STEPS);
    let (first, last) = thirds(&losses);
    assert!(last < 0.75 * first, "{first} {last}");
}

#[test]
fn a_stopped_run_ends_with_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let begin = options(folder.path());
    // Checkpoints and sheets on the way change no byte of the result.
    let resume = Options {
        resume: true,
        checkpoint_every: 20,
        keep: 2,
        sheet_every: 25,
        ..begin.clone()
    };
    let stopped = |result: Result<(), TrainError>, at: (&str, u64)| match result {
        Err(TrainError::Stopped { stage, step }) => assert_eq!((stage, step), at),
        other => panic!("{other:?}"),
    };
    let stops = [("vae", 40), ("unet", 25)];
    let (result, seen) = pretrain(&begin, Some(stops[0]));
    stopped(result, stops[0]);
    assert_eq!(seen.len(), 40);
    let (result, seen) = pretrain(&resume, Some(stops[1]));
    stopped(result, stops[1]);
    assert_eq!(seen.len() as u64, VAE_STEPS - 40 + 25);
    let (result, seen) = pretrain(&resume, None);
    result.unwrap();
    assert_eq!(seen.len() as u64, UNET_STEPS - 25);
    let written = |ending: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort();
        names
    };
    let checkpoints = [
        "unet-00000040",
        "unet-00000060",
        "vae-00000140",
        "vae-00000150",
    ];
    let mut expected: Vec<String> = checkpoints.map(|name| format!("{name}.safetensors")).into();
    expected.insert(0, "mini.safetensors".into());
    assert_eq!(written(".safetensors"), expected);
    let sheets: Vec<String> = [25, 50, 60]
        .map(|step| format!("unet-{step:08}.png"))
        .into_iter()
        .chain([50, 75, 100, 125, 150].map(|step| format!("vae-{step:08}.png")))
        .collect();
    assert_eq!(written(".png"), sheets);
    let sheet = std::fs::read(folder.path().join(&sheets[0])).unwrap();
    let sheet =
        anomalysd_imaging::decode(&sheet, &anomalysd_imaging::DecodeLimits::default()).unwrap();
    let (darkest, brightest) = (
        sheet.data.iter().copied().fold(1.0, f32::min),
        sheet.data.iter().copied().fold(0.0, f32::max),
    );
    assert!(
        sheet.width > 128 && brightest - darkest > 0.5,
        "a sheet of nothing"
    );

    let (other, _) = whole();
    for stage in ["vae", "unet"] {
        let (got, expected) = (newest(folder.path(), stage), newest(other.path(), stage));
        assert_eq!(got.description.step, expected.description.step);
        let names =
            |checkpoint: &Checkpoint| checkpoint.tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&got), names(&expected));
        for (name, tensor) in &got.tensors {
            assert!(tensor == &expected.tensors[name], "{stage}: {name}");
        }
    }
    let file = |folder: &Path| std::fs::read(folder.join("mini.safetensors")).unwrap();
    assert!(
        file(folder.path()) == file(other.path()),
        "mini.safetensors"
    );
}

#[test]
fn a_run_from_given_weights_has_a_fresh_optimiser() {
    let (trained, _) = whole();
    let path = |stage: &str, step: u64| {
        let name = format!("{stage}-{step:08}.safetensors");
        (trained.path().join(&name), name)
    };
    let folder = tempfile::tempdir().unwrap();
    let (vae, name) = path("vae", VAE_STEPS);
    std::fs::copy(&vae, folder.path().join(name)).unwrap();
    let mut options = options(folder.path());
    options.from = Some(path("unet", UNET_STEPS).0);
    options.vae.steps = 0;
    // One step that may not move the weights.
    options.unet.steps = 1;
    options.unet.rate = 0.0;
    let (result, seen) = pretrain(&options, None);
    result.unwrap();
    assert_eq!(seen.len(), 1);

    let given = newest(trained.path(), "unet");
    let got = newest(folder.path(), "unet");
    assert_eq!(got.description.step, 1);
    assert!(got.below("weights.") == best_weights(&given));
    let times = |checkpoint: &Checkpoint| -> BTreeMap<String, f32> {
        let times = checkpoint.below("time.").into_iter();
        times
            .map(|(name, tensor)| (name, tensor.values[0]))
            .collect()
    };
    let (before, after) = (times(&given), times(&got));
    assert!(after.len() > 20 && after.values().all(|&time| time == 1.0));
    assert!(before.values().any(|&time| time == UNET_STEPS as f32));

    options.from = Some(vae);
    let (result, _) = pretrain(&options, None);
    let error = result.unwrap_err();
    assert!(matches!(error, TrainError::Format { .. }), "{error}");
    assert!(error.to_string().contains("stage vae"), "{error}");
}

/// Options that continue the trained U-Net in `folder`, with the trained VAE beside it.
fn continued(folder: &Path) -> Options {
    let (trained, _) = whole();
    let name = format!("vae-{VAE_STEPS:08}.safetensors");
    std::fs::copy(trained.path().join(&name), folder.join(&name)).unwrap();
    let mut options = options(folder);
    let unet = format!("unet-{UNET_STEPS:08}.safetensors");
    options.from = Some(trained.path().join(unet));
    options.vae.steps = 0;
    options
}

#[test]
fn the_feature_distance_adds_to_the_loss_of_the_noisiest_samples_alone() {
    if !EfficientNetLite0::is_embedded() {
        return;
    }
    let loss = |feature_weight: f64, pure_noise_share: f32| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = continued(folder.path());
        options.sheet_every = 0;
        options.unet.steps = 1;
        options.unet.rate = 0.0;
        options.unet.pure_noise_share = pure_noise_share;
        options.unet.feature_weight = feature_weight;
        let (result, seen) = pretrain(&options, None);
        result.unwrap();
        assert_eq!(seen[0].numbers.len(), 2, "a sheet that nobody asked for");
        f64::from(seen[0].loss)
    };
    let (without, with) = (loss(0.0, 1.0), loss(1.0, 1.0));
    // ½‖a − b‖² of unit vectors without negative parts is at most 1, and features after blocks may
    // be negative: at most 2.
    let distance = with - without;
    assert!((0.02..2.0).contains(&distance), "{without} {with}");
    assert!((loss(0.5, 1.0) - without - 0.5 * distance).abs() < 1e-4);
    assert_eq!(loss(1.0, 0.0), loss(0.0, 0.0));
}

#[test]
fn a_residual_begins_as_the_paste_of_the_good_photo_and_learns_from_there() {
    let (trained, _) = whole();
    let run_for = |steps: u64, rate: f64| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.from = Some(trained.path().join("mini.safetensors"));
        options.sheet_every = 0;
        options.vae.steps = 0;
        options.unet.steps = steps;
        options.unet.rate = rate;
        options.unet.aligned_share = 1.0;
        options.unet.reference_residual = true;
        let (result, seen) = pretrain(&options, None);
        result.unwrap();
        let bytes = std::fs::read(folder.path().join("mini.safetensors")).unwrap();
        let model = InpaintModel::from_single_file(bytes, &Device::flex()).unwrap();
        assert!(model.config.reference_residual);
        let losses: Vec<f32> = seen.iter().map(|progress| progress.loss).collect();
        (model.parts().unwrap(), losses)
    };
    // An output of zeros is the paste; all other layers are what they were.
    let (parts, _) = run_for(1, 0.0);
    let unet = parts.source("unet").unwrap();
    for name in unet.names() {
        let values = unet.read(&name).unwrap().values;
        let silent = values.iter().all(|value| *value == 0.0);
        assert!(silent || !name.starts_with("conv_out."), "{name}");
        assert!(!silent || !name.starts_with("conv_in."), "{name}");
    }
    let (_, losses) = run_for(UNET_STEPS, 8e-3);
    let (first, last) = thirds(&losses);
    assert!(last < first, "{first} {last}");
}

#[test]
fn a_residual_stays_one_whatever_it_goes_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = continued(folder.path());
    options.sheet_every = 0;
    options.unet.steps = 3;
    options.unet.reference_residual = true;
    pretrain(&options, None).0.unwrap();
    let out = |parts: &Path| {
        let bytes = std::fs::read(parts.join("mini.safetensors")).unwrap();
        let model = InpaintModel::from_single_file(bytes, &Device::flex()).unwrap();
        assert!(model.config.reference_residual);
        let parts = model.parts().unwrap();
        let unet = parts.source("unet").unwrap();
        unet.read("conv_out.weight").unwrap().values
    };
    let learnt = out(folder.path());
    assert!(learnt.iter().any(|value| *value != 0.0));
    // Nobody asks for a residual again, and no step may move a weight: it is the same one.
    for from in ["mini.safetensors", "unet-00000003.safetensors"] {
        let next = tempfile::tempdir().unwrap();
        let mut options = continued(next.path());
        options.from = Some(folder.path().join(from));
        options.sheet_every = 0;
        options.unet.steps = 1;
        options.unet.rate = 0.0;
        pretrain(&options, None).0.unwrap();
        let apart = out(next.path()).into_iter().zip(&learnt);
        let apart = apart.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-6, "{from}: {apart}");
    }
}

#[test]
fn a_run_with_a_time_ends_in_it_at_the_end_of_its_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = continued(folder.path());
    options.sheet_every = 0;
    options.unet.steps = 1_000_000;
    options.unet.minutes = 0.05;
    let (result, seen) = pretrain(&options, None);
    result.unwrap();
    let (first, last) = (seen.first().unwrap(), seen.last().unwrap());
    assert!(last.step > 3 && last.step < 100_000, "{}", last.step);
    assert!((3.0..30.0).contains(&last.seconds), "{}", last.seconds);
    let rate = |progress: &Progress| progress.numbers[0].1;
    assert!(rate(first) < 0.1 * options.unet.rate, "warming up");
    let highest = seen.iter().map(rate).fold(0.0, f64::max);
    assert!(highest > 0.8 * options.unet.rate, "{highest}");
    assert!(rate(last) < 0.2 * options.unet.rate, "{}", rate(last));
    assert!(folder.path().join("mini.safetensors").is_file());
}

#[test]
fn a_run_from_a_model_begins_with_all_its_networks_whatever_sizes_the_options_have() {
    let (trained, _) = whole();
    let file = trained.path().join("mini.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.from = Some(file.clone());
    options.vae = VaeOptions {
        steps: 1,
        rate: 0.0,
        crop: 64,
        batch: 8,
        pca_pictures: 30,
        ..VaeOptions::default()
    };
    options.unet = UnetOptions {
        steps: 1,
        rate: 0.0,
        size: 64,
        batch: 2,
        ..UnetOptions::default()
    };
    // Steps that may not move the weights: what comes out is what went in.
    let (result, seen) = pretrain(&options, None);
    result.unwrap();
    assert_eq!(seen.len(), 2);
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        InpaintModel::from_single_file(bytes, &Device::flex()).unwrap()
    };
    let (given, got) = (read(&file), read(&folder.path().join("mini.safetensors")));
    // Compared as numbers: a weight of −0 may come out as 0.
    let (before, after) = (given.parts().unwrap(), got.parts().unwrap());
    assert_eq!(before.configs, after.configs);
    assert_eq!(before.config, after.config);
    assert_eq!(before.tokenizer, after.tokenizer);
    for (component, source) in &before.tensors {
        let other = after.source(component).unwrap();
        assert_eq!(source.names(), other.names());
        for name in source.names() {
            assert_eq!(
                source.read(&name).unwrap(),
                other.read(&name).unwrap(),
                "{component}.{name}"
            );
        }
    }
    let step = |name: &str| newest(folder.path(), name).description.step;
    assert_eq!((step("vae"), step("unet")), (1, 1));

    // Steps that may: both stages go on from there, the VAE from above the projection on the same crops.
    options.vae.rate = 1e-4;
    options.unet.rate = 1e-4;
    let (result, seen) = pretrain(&options, None);
    result.unwrap();
    let (begun, projection) = (seen[0].loss, losses("vae")[0]);
    assert!(begun < projection - 0.05, "{begun} {projection}");
    let got = read(&folder.path().join("mini.safetensors"));
    assert_ne!(given.fingerprint, got.fingerprint);

    // Without steps for the VAE the model's own is taken, not the checkpoint in the folder.
    options.vae.steps = 0;
    options.unet.rate = 0.0;
    let (result, _) = pretrain(&options, None);
    result.unwrap();
    let got = read(&folder.path().join("mini.safetensors"));
    assert_eq!(given.fingerprint, got.fingerprint);

    // Right for the options' own VAE, wrong for the model's.
    options.vae.pixel_unshuffle = 4;
    options.vae.crop = 68;
    let error = pretrain(&options, None).0.unwrap_err().to_string();
    assert!(error.contains("vae.crop"), "{error}");
}
