//! Fine-tuning of a very small model on three photos of a nut and one of a bottle.

#[path = "../common/mod.rs"]
mod common;
mod precision;
mod small;
mod stages;

use std::cell::Cell;
use std::path::Path;
use std::sync::OnceLock;

use anomalysd_dataset::synth::{Family, Product};
use anomalysd_detect::control::Control as DetectControl;
use anomalysd_detect::features::{FeatureNetwork, VaeFeatures};
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::profile::{Profile, Tuned as ProfileTuned, Weights};
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::prototypes::Turn;
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_diffusion::checkpoint::{ModelParts, TEXT_ENCODER, UNET, VAE};
use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, train_vocabulary};
use anomalysd_diffusion::model::{InpaintModel, ModelConfig};
use anomalysd_diffusion::scheduler::{Ddim, DdimConfig};
use anomalysd_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig, Vae};
use anomalysd_imaging::{ForegroundMode, foreground};
use anomalysd_train::TrainError;
use anomalysd_train::checkpoint::Checkpoint;
use anomalysd_train::log::Progress;
use anomalysd_train::optimise::OptimiserOptions;
use anomalysd_train::parallel::PartLoss;
use anomalysd_train::schedule::WarmupCosine;
use anomalysd_train::stage::{Control, Stage, Start};
use anomalysd_train::tune::{
    GoodPhoto, Method, MixedPrecision, Options, Task, TuneClass, Tuned, run, trained_parameters,
};
use burn::tensor::{DType, Device};
use serde_json::json;
use tempfile::TempDir;

use small::{Given, class, classes, never, options, small_model, tune};

const STEPS: u64 = 30;
const DECODER_STEPS: u64 = 36;

/// One run from the beginning to the end, which several tests look at.
fn whole() -> &'static (TempDir, Tuned, Vec<Progress>) {
    static WHOLE: OnceLock<(TempDir, Tuned, Vec<Progress>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (tuned, seen) = tune(&options(), folder.path(), false, None);
        (folder, tuned.unwrap(), seen)
    })
}

/// Means of the first and the last third of a stage's losses.
fn thirds(stage: &str, seen: &[Progress]) -> (f32, f32) {
    let losses: Vec<f32> = seen
        .iter()
        .filter(|progress| progress.stage == stage)
        .map(|progress| progress.loss)
        .collect();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let third = losses.len() / 3;
    (
        mean(&losses[..third]),
        mean(&losses[losses.len() - third..]),
    )
}

fn tensors(parts: &ModelParts, component: &str) -> Vec<(String, Vec<f32>)> {
    let source = parts.source(component).unwrap();
    let names = source.names().into_iter();
    names
        .map(|name| (name.clone(), source.read(&name).unwrap().values))
        .collect()
}

#[test]
fn both_losses_fall_and_only_what_is_tuned_changes() {
    let (_, tuned, seen) = whole();
    assert_eq!(seen.len() as u64, STEPS + DECODER_STEPS);
    let (first, last) = thirds("tune-unet", seen);
    assert!(last < 0.8 * first, "{first} {last}");
    let (first, last) = thirds("tune-decoder", seen);
    assert!(last < 0.8 * first, "{first} {last}");

    let base = small_model(3).parts().unwrap();
    let merged = tuned.merge_into(small_model(3).parts().unwrap()).unwrap();
    assert!(tensors(&base, TEXT_ENCODER) == tensors(&merged, TEXT_ENCODER));
    for ((name, before), (_, after)) in tensors(&base, VAE).into_iter().zip(tensors(&merged, VAE)) {
        let decodes = name.starts_with("decoder.") || name.starts_with("post_quant_conv.");
        assert_eq!(before != after, decodes, "{name}");
    }
    let attention_or_convolution = |name: &str| {
        let module = name.trim_end_matches(".weight");
        let ends = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2", "conv"];
        name.ends_with(".weight")
            && (ends.iter().any(|end| module.ends_with(end))
                || [
                    "conv_in",
                    "conv_out",
                    "conv_shortcut",
                    "proj_in",
                    "proj_out",
                ]
                .iter()
                .any(|end| module.ends_with(end)))
    };
    for ((name, before), (_, after)) in tensors(&base, UNET).into_iter().zip(tensors(&merged, UNET))
    {
        assert_eq!(before != after, attention_or_convolution(&name), "{name}");
    }
    let numbers: usize = tuned
        .tuning
        .lora
        .values()
        .map(|tensor| tensor.values.len())
        .sum();
    assert_eq!(trained_parameters(&base, &options()).unwrap(), numbers);
}

#[test]
fn the_two_terms_of_the_decoder_are_equal_over_the_first_steps() {
    let (folder, _, seen) = whole();
    let checkpoint = Checkpoint::newest(folder.path(), "tune-decoder")
        .unwrap()
        .unwrap();
    let beta = checkpoint.description.model["beta"].as_f64().unwrap();
    let steps = seen
        .iter()
        .filter(|progress| progress.stage == "tune-decoder");
    let terms = |name: &str| -> f64 {
        let number = |progress: &Progress| {
            let mut all = progress.numbers.iter();
            all.find(|(own, _)| *own == name).unwrap().1
        };
        steps.clone().take(10).map(number).sum()
    };
    let (squared, distance) = (terms("squared_error"), beta * terms("feature_distance"));
    // Steps have moved the decoder meanwhile, but not far.
    assert!(
        (squared / distance - 1.0).abs() < 0.4,
        "{squared} {distance}"
    );
    // Each class's squared error counts against what it was: both errors were the mean of both, over their weights.
    let weights = checkpoint.description.model["class_weights"].as_array();
    let weights: Vec<f64> = weights.unwrap().iter().filter_map(|w| w.as_f64()).collect();
    assert_eq!(weights.len(), 2);
    assert!(weights[0] != weights[1], "{weights:?}");
    let errors: f64 = weights.iter().map(|weight| 1.0 / weight).sum();
    assert!((errors - 2.0).abs() < 1e-5, "{weights:?}");
    // Frozen weights are not in a checkpoint.
    let names: Vec<String> = checkpoint.below("weights.").into_keys().collect();
    assert!(
        names.iter().all(|name| name.starts_with("network.decoder.")
            || name.starts_with("network.post_quant_conv."))
    );
    assert!(!names.is_empty());
}

#[test]
fn a_feature_distance_that_counts_nothing_has_no_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options();
    options.unet.max_train_steps = 0;
    options.decoder.max_train_steps = 2;
    options.decoder.train_batch_size = 1;
    options.decoder.perceptual_weight = 0.0;
    let (tuned, seen) = tune(&options, folder.path(), false, None);
    tuned.unwrap();
    let checkpoint = Checkpoint::newest(folder.path(), "tune-decoder").unwrap();
    let model = checkpoint.unwrap().description.model;
    assert_eq!(model["beta"], 0.0);
    // The loss is the squared error alone, by the weight of the class whose turn it is.
    for (step, progress) in seen.iter().enumerate() {
        let mut numbers = progress.numbers.iter();
        let squared = numbers
            .find(|(name, _)| *name == "squared_error")
            .unwrap()
            .1;
        let expected = squared * model["class_weights"][step].as_f64().unwrap();
        let loss = f64::from(progress.loss);
        assert!((loss / expected - 1.0).abs() < 1e-4, "{loss} {expected}");
    }
}

#[test]
fn a_stopped_run_ends_with_the_numbers_of_one_that_was_not() {
    let (other, expected, _) = whole();
    let folder = tempfile::tempdir().unwrap();
    let begin = options();
    // How often checkpoints are written changes no byte.
    let often = Options {
        checkpoint_every: 7,
        checkpoints_total_limit: 1,
        ..begin.clone()
    };
    let stopped = |result: Result<Tuned, TrainError>, at: (&str, u64)| match result {
        Err(TrainError::Stopped { stage, step }) => assert_eq!((stage, step), at),
        other => panic!("{other:?}"),
    };
    for (index, at) in [("tune-unet", 11), ("tune-unet", 25), ("tune-decoder", 4)]
        .into_iter()
        .enumerate()
    {
        let chosen = if index == 1 { &often } else { &begin };
        stopped(tune(chosen, folder.path(), index > 0, Some(at)).0, at);
    }
    let (tuned, seen) = tune(&often, folder.path(), true, None);
    assert_eq!(seen.len() as u64, DECODER_STEPS - 4);
    assert!(tuned.unwrap() == *expected);
    for stage in ["tune-unet", "tune-decoder"] {
        let path = |folder: &Path| {
            let (path, description) = Checkpoint::newest_description(folder, stage)
                .unwrap()
                .unwrap();
            assert_eq!(description.stage, stage);
            std::fs::read(path).unwrap()
        };
        assert!(path(folder.path()) == path(other.path()), "{stage}");
    }
}

#[test]
fn checkpoints_of_another_run_are_refused_by_name() {
    let (folder, ..) = whole();
    let refused = |options: &Options, work: &Path, resume: bool, word: &str| {
        let error = tune(options, work, resume, None).0.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&options(), folder.path(), false, "holds checkpoints");
    let mut other = options();
    other.unet.rank = 2;
    refused(&other, folder.path(), true, "unet.rank");
    other = options();
    other.seed = 8;
    refused(&other, folder.path(), true, "seed");
    refused(&options(), &folder.path().join("absent"), true, "no folder");
    // A finished run is continued without a step.
    let (tuned, seen) = tune(&options(), folder.path(), true, None);
    assert!(seen.is_empty() && tuned.unwrap() == whole().1);
}

#[test]
fn accumulated_batches_make_the_step_of_one_larger_batch() {
    let first = |batch: usize, accumulation: usize, checkpointing: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options();
        // Two workers have halves of a batch, and modules of their own.
        options.workers = if checkpointing { 2 } else { 1 };
        options.decoder.max_train_steps = 2;
        options.unet.max_train_steps = 2;
        for (size, accumulate, recompute) in [
            (
                &mut options.unet.train_batch_size,
                &mut options.unet.gradient_accumulation_steps,
                &mut options.unet.gradient_checkpointing,
            ),
            (
                &mut options.decoder.train_batch_size,
                &mut options.decoder.gradient_accumulation_steps,
                &mut options.decoder.gradient_checkpointing,
            ),
        ] {
            (*size, *accumulate, *recompute) = (batch, accumulation, checkpointing);
        }
        let (tuned, seen) = tune(&options, folder.path(), false, None);
        tuned.unwrap();
        let norm = |progress: &Progress| (f64::from(progress.loss), progress.numbers[1].1);
        [norm(&seen[0]), norm(&seen[2])]
    };
    let whole = first(4, 1, false);
    for other in [first(2, 2, false), first(4, 1, true)] {
        for ((loss, norm), (other_loss, other_norm)) in whole.into_iter().zip(other) {
            assert!(
                (loss - other_loss).abs() < 1e-4 * loss,
                "{loss} {other_loss}"
            );
            assert!(
                (norm - other_norm).abs() < 1e-3 * norm,
                "{norm} {other_norm}"
            );
        }
    }
}

#[test]
fn a_class_of_one_photo_beside_one_of_forty_has_half_of_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    let given = Given::new(vec![
        class(Family::Bottle, "bottle", 1, Vec::new()),
        class(Family::Pill, "pill", 40, Vec::new()),
    ]);
    let task = given.task(folder.path(), false, &never);
    let mut options = options();
    options.unet.max_train_steps = 3;
    options.decoder.max_train_steps = 2;
    let tuned = run(&task, &options, &mut |_| Control::Continue).unwrap();
    let values = || tuned.tuning.lora.values().flat_map(|own| &own.values);
    assert!(values().all(|one| one.is_finite()) && values().any(|one| *one != 0.0));
}

#[test]
fn kept_latents_change_no_bit() {
    let tuned = |mib: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options();
        options.cache_latents_mib = mib;
        (options.unet.augmentation, options.decoder.augmentation) = (0.0, 0.0);
        // Twice the photos in their turns, so that each comes again.
        options.unet.max_train_steps = 6;
        options.decoder.max_train_steps = 6;
        let (tuned, seen) = tune(&options, folder.path(), false, None);
        let losses: Vec<f32> = seen.iter().map(|progress| progress.loss).collect();
        (tuned.unwrap(), losses)
    };
    let (kept, losses) = tuned(256);
    assert_eq!(losses.len(), 12);
    assert!((kept, losses) == tuned(0));
}

#[test]
fn a_wish_to_stop_is_heard_where_no_step_is_taken() {
    let given = Given::new(classes());
    let folder = tempfile::tempdir().unwrap();
    let asked = Cell::new(0);
    let mut options = options();
    let mut stopped = |at: usize, resume: bool| {
        asked.set(0);
        let stops = || asked.replace(asked.get() + 1) == at;
        let task = given.task(folder.path(), resume, &stops);
        options.unet.max_train_steps = 2;
        match run(&task, &options, &mut |_| Control::Continue) {
            Err(TrainError::Stopped { stage, step: 0 }) => stage,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(stopped(1, false), "tune-unet");
    assert_eq!(stopped(3, false), "tune-unet");
    // Two classes, three photos of the first that others are laid over, then the batches that the two terms are
    // weighed over.
    assert_eq!(stopped(7, false), "tune-decoder");
    assert_eq!(stopped(12, true), "tune-decoder");
}

#[test]
fn all_weights_of_the_unet_are_trained_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options();
    options.method = Method::Full;
    options.unet.max_train_steps = 3;
    options.unet.snr_gamma = Some(5.0);
    options.decoder.max_train_steps = 0;
    let (tuned, seen) = tune(&options, folder.path(), false, None);
    let tuned = tuned.unwrap();
    assert_eq!(seen.len(), 3);
    assert!(tuned.tuning.lora.is_empty() && tuned.tuning.decoder.is_empty());
    let base = small_model(3).parts().unwrap();
    let merged = tuned.merge_into(small_model(3).parts().unwrap()).unwrap();
    assert!(merged.config.reference_trained);
    let pairs = tensors(&base, UNET).into_iter().zip(tensors(&merged, UNET));
    let moved = pairs
        .filter(|((_, before), (_, after))| before != after)
        .count();
    assert_eq!(moved, tensors(&base, UNET).len());
    assert!(tensors(&base, VAE) == tensors(&merged, VAE));
    InpaintModel::assemble(&merged, &Device::flex()).unwrap();
}

#[test]
fn a_profile_carries_the_tuning_and_judges_as_the_model_that_was_tuned() {
    let (_, tuned, _) = whole();
    let device = Device::flex();
    let base = small_model(3);
    let merged = tuned.merge_into(base.parts().unwrap()).unwrap();
    let model = InpaintModel::assemble(&merged, &device).unwrap();
    let mut options = DetectOptions::default();
    options.masks.scales = Some(vec![2]);
    let good: Vec<_> = classes()[0]
        .photos
        .iter()
        .map(|one| one.photo.clone())
        .collect();
    let suspect = Product::draw(Family::Nut, 3).instance(9, 64);
    let weights = |model: &InpaintModel| Weights {
        name: model.config.name.clone(),
        fingerprint: model.fingerprint.clone(),
    };
    let judge = |model: &InpaintModel, profile: Option<&Profile>| {
        let repair = DiffusionRepair::new(model);
        let features = VaeFeatures::new(model);
        let detector = Detector::new(Some(&repair), &features, options.clone()).unwrap();
        let control = DetectControl::default();
        let class = match profile {
            Some(profile) => profile.classes[0].clone(),
            None => {
                let prompts = Prompts::named("metal_nut");
                pollster::block_on(detector.fit(&prompts, &good, &control)).unwrap()
            }
        };
        let judged = pollster::block_on(detector.detect(&class, &suspect, &control)).unwrap();
        let features = Weights {
            name: features.name().into(),
            fingerprint: features.fingerprint(),
        };
        (class, judged.score, features)
    };
    let (class, score, features) = judge(&model, None);
    assert!(score.is_finite() && score > 0.0);
    let profile = Profile {
        model: Some(weights(&model)),
        features: features.clone(),
        options: options.clone(),
        classes: vec![class],
        tuned: Some(ProfileTuned {
            base: weights(&base),
            tuning: tuned.tuning.clone(),
        }),
    };
    let bytes = profile.to_bytes().unwrap();
    let read = Profile::from_bytes(bytes.clone()).unwrap();
    assert_eq!(read.tuned, profile.tuned);
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let own = read.tuned.as_ref().unwrap();
    let parts = own
        .tuning
        .merge_into(small_model(3).parts().unwrap())
        .unwrap();
    let loaded = InpaintModel::assemble(&parts, &device).unwrap();
    read.check(Some(&weights(&loaded)), &features).unwrap();
    let (_, again, _) = judge(&loaded, Some(&read));
    assert_eq!(score.to_bits(), again.to_bits());
    // Without the tuning it is refused, with it on another model, too.
    assert!(read.check(Some(&weights(&base)), &features).is_err());
    let parts = own
        .tuning
        .merge_into(small_model(4).parts().unwrap())
        .unwrap();
    let other = InpaintModel::assemble(&parts, &device).unwrap();
    assert!(read.check(Some(&weights(&other)), &features).is_err());
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |classes: &[TuneClass], word: &str| {
        let given = Given::new(classes.to_vec());
        let task = given.task(folder.path(), false, &never);
        let error = run(&task, &options(), &mut |_| Control::Continue).unwrap_err();
        assert!(matches!(error, TrainError::Option { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    };
    refused(&[], "classes");
    let mut none = classes();
    none[1].photos.clear();
    refused(&none, "none of `bottle`");
    let mut small = classes();
    small[0].photos[0].photo = small[0].photos[0].photo.crop(0, 0, 20, 64);
    refused(&small, "20x64");
    let mut other = classes();
    other[0].photos[0].foreground = anomalysd_imaging::Mask::new(10, 10);
    refused(&other, "foreground");
}
