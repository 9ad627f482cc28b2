//! Half precision against f32, on the processor and on a GPU.

use super::*;
use crate::common::until;

/// Losses of a few steps of both stages on a device.
fn losses(
    device: &Device,
    precision: MixedPrecision,
    checkpointing: bool,
) -> Result<Vec<f32>, TrainError> {
    let given = Given::on(device, classes());
    let folder = tempfile::tempdir().unwrap();
    let task = given.task(folder.path(), false, &never);
    let mut options = options();
    options.mixed_precision = precision;
    options.unet.gradient_checkpointing = checkpointing;
    options.decoder.gradient_checkpointing = checkpointing;
    options.workers = 1;
    options.unet.max_train_steps = 2;
    options.decoder.max_train_steps = 1;
    options.decoder.balance_steps = 1;
    let mut seen = Vec::new();
    run(&task, &options, &mut until(None, &mut seen))?;
    let scale = |one: &Progress| one.numbers.iter().any(|(name, _)| *name == "loss_scale");
    assert!(seen.iter().all(|one| scale(one) == precision.scales_loss()));
    Ok(seen.iter().map(|one| one.loss).collect())
}

/// Within `tolerance` of f32 on the same device, and not the same.
#[track_caller]
fn close(own: &[f32], plain: &[f32], tolerance: f32) {
    println!("{own:?}\n{plain:?}");
    assert_eq!(own.len(), 3);
    for (own, plain) in own.iter().zip(plain) {
        assert!((own - plain).abs() < tolerance * plain, "{own} {plain}");
    }
    assert_ne!(own, plain);
}

#[test]
fn half_precision_trains_within_its_digits_of_f32() {
    let device = Device::flex();
    let plain = losses(&device, MixedPrecision::No, false).unwrap();
    let half = losses(&device, MixedPrecision::Fp16, false).unwrap();
    close(&half, &plain, 3e-3);
    let recomputed = losses(&device, MixedPrecision::Fp16, true).unwrap();
    close(&recomputed, &plain, 3e-3);
    let brain = losses(&device, MixedPrecision::Bf16, false).unwrap();
    close(&brain, &plain, 2e-2);
}

#[test]
fn a_gpu_trains_in_half_precision_or_says_that_it_cannot() {
    let device = match Device::wgpu_options().init() {
        Ok(device) => device,
        Err(reason) => {
            let required = std::env::var_os("ANOMALYSD_REQUIRE_GPU").is_some();
            assert!(!required, "no GPU, though one is required: {reason:?}");
            println!("skipped: no GPU adapter, not even a software one ({reason:?})");
            return;
        }
    };
    let plain = losses(&device, MixedPrecision::No, false).unwrap();
    for (precision, dtype, tolerance) in [
        (MixedPrecision::Fp16, DType::F16, 3e-3),
        (MixedPrecision::Bf16, DType::BF16, 2e-2),
    ] {
        let own = losses(&device, precision, false);
        if device.supports_dtype(dtype) {
            close(&own.unwrap(), &plain, tolerance);
        } else {
            let said = own.unwrap_err().to_string();
            println!("{said}");
            assert!(said.contains("mixed_precision"), "{said}");
        }
    }
}

#[test]
fn a_stopped_run_in_half_precision_ends_with_the_same_numbers() {
    let mut options = options();
    options.mixed_precision = MixedPrecision::Fp16;
    options.unet.max_train_steps = 5;
    options.decoder.max_train_steps = 0;
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let whole = tune(&options, folders[0].path(), false, None).0.unwrap();
    let stopped = tune(&options, folders[1].path(), false, Some(("tune-unet", 2)));
    assert!(matches!(stopped.0, Err(TrainError::Stopped { .. })));
    let mut other = options.clone();
    other.mixed_precision = MixedPrecision::No;
    let refused = tune(&other, folders[1].path(), true, None).0.unwrap_err();
    assert!(refused.to_string().contains("mixed_precision"), "{refused}");
    let resumed = tune(&options, folders[1].path(), true, None).0.unwrap();
    assert!(whole == resumed);
}
