//! Stage A: the U-Net, by low-rank factors or as a whole (METHOD § 3).
//!
//! [`samples`] draws what a step sees, [`loss`] says how wrong the network is on it. VAE and text encoder
//! are frozen; the good photos are encoded once.

mod loss;
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{ModelParts, UNET};
use anomalysd_diffusion::model::{InpaintModel, ReferenceTime};
use anomalysd_diffusion::nn::LoraConfig;
use anomalysd_diffusion::unet::UNet2DConditionModel;
use anomalysd_diffusion::weights::{HostTensor, Loader, SharedTensors, save_state, train_only};
use burn::tensor::Device;

use self::loss::Setting;
use self::samples::Source;
use super::cache::LatentCache;
use super::holes::Holes;
use super::photos::{Classes, digest, multiple};
use super::{Method, Options, Task, Tuned, autodiff, look, on_device, resume};
use crate::Result;
use crate::log::Progress;
use crate::schedule::WarmupCosine;
use crate::sheet::write_sheet;
use crate::stage::{Control, Stage};

/// Name of the stage.
pub(super) const STAGE: &str = "tune-unet";

/// The branches of a LoRA that the options describe.
pub fn lora_config(options: &Options) -> LoraConfig {
    LoraConfig {
        r: options.unet.rank,
        lora_alpha: options.unet.lora_alpha(),
        target_modules: options.unet.target_modules(),
        seed: options.seed,
    }
}

/// The U-Net that is trained, with gradients for what is trained of it alone. It shares the model's weights until
/// they change.
fn module(task: &Task<'_>, options: &Options, device: &Device) -> Result<UNet2DConditionModel> {
    let unet = &task.model.unet;
    Ok(match options.method {
        Method::Lora => with_branches(task.model, lora_config(options), device)?,
        Method::Full => on_device(unet, device),
    })
}

/// The U-Net with the branches of a LoRA, whose factors alone are trained.
pub(super) fn with_branches(
    model: &InpaintModel,
    lora: LoraConfig,
    device: &Device,
) -> anomalysd_diffusion::Result<UNet2DConditionModel> {
    let shared = SharedTensors::of(&model.unet);
    let loader = Loader::sharing(&shared, &model.device).with_lora(lora);
    let unet = UNet2DConditionModel::load(model.unet.config(), &loader)?;
    Ok(train_only(on_device(&unet, device), is_factor))
}

/// Whether a tensor of the U-Net is a factor of a LoRA.
pub(super) fn is_factor(name: &str) -> bool {
    name.ends_with(".lora.down") || name.ends_with(".lora.up")
}

/// Number of values of the U-Net that would be trained.
///
/// # Errors
/// Weights that cannot be read.
pub fn trained_parameters(parts: &ModelParts, options: &Options) -> Result<usize> {
    let source = parts.source(UNET)?;
    let config = lora_config(options);
    let count = |name: String| -> usize {
        let shape = source.shape(&name).unwrap_or_default();
        let all: usize = shape.iter().product();
        match options.method {
            Method::Full => all,
            Method::Lora => match (name.strip_suffix(".weight"), shape.as_slice()) {
                (Some(module), [outputs, rest @ ..])
                    if config.targets(module) && !rest.is_empty() =>
                {
                    config.r * (outputs + rest.iter().product::<usize>())
                }
                _ => 0,
            },
        }
    };
    Ok(source.names().into_iter().map(count).sum())
}

/// The model with this U-Net, which knows references.
fn tuned_model(model: &InpaintModel, unet: &UNet2DConditionModel) -> InpaintModel {
    let mut tuned = model.clone();
    tuned.unet = unet.clone();
    tuned.config.reference_trained = true;
    tuned.config.reference_time = ReferenceTime::Zero;
    tuned
}

/// Trains the U-Net and writes the result to `tuned`.
pub(super) fn train(
    task: &Task<'_>,
    options: &Options,
    tuned: &mut Tuned,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<()> {
    let (model, settings) = (task.model, &options.unet);
    let device = autodiff(&model.device, settings.gradient_checkpointing);
    let description = serde_json::json!({
        "base": model.fingerprint,
        "photos": digest(task.classes),
        "scales": task.scales,
        "masks": task.detection.masks,
        "registration": task.detection.repair.registration,
    });
    let stored = serde_json::json!({
        "method": options.method,
        "seed": options.seed,
        "workers": options.workers,
        "mixed_precision": options.mixed_precision,
        "unet": settings,
    });
    if task.resume {
        resume::checked(task.work, STAGE, &description, &stored)?;
    }
    let multiple = multiple(model);
    let classes = Classes::new(task, STAGE, settings.augmentation, options.seed)?;
    let source = Source {
        classes: Arc::new(classes),
        holes: Holes {
            scales: task.scales.to_vec(),
            masks: task.detection.masks.clone(),
            factor: model.vae.factor(),
            multiple,
            rectangle_share: settings.rectangle_share,
            pass_share: settings.pass_share,
        },
        timesteps: model.scheduler.config().num_train_timesteps,
        multiple,
        options: settings.clone(),
        seed: options.seed,
    };
    let stage = Stage {
        name: STAGE,
        folder: task.work,
        schedule: WarmupCosine {
            peak: options.unet_rate(),
            warmup: settings.lr_warmup_steps,
            total: settings.max_train_steps,
            floor: settings.lr_floor,
        },
        time: None,
        batch: settings.train_batch_size,
        accumulation: settings.gradient_accumulation_steps,
        workers: options.workers,
        loaders: options.loaders,
        checkpoint_every: options.checkpoint_every,
        keep: options.checkpoints_total_limit,
        sheet_every: options.validation_steps,
        log_every: options.log_every,
        optimiser: settings.optimiser(),
        loss_is_error: true,
        loss_scaling: options.mixed_precision.scales_loss(),
        reports: &[],
        model: description,
        options: stored,
    };
    let setting = Setting {
        model,
        classes: Arc::clone(&source.classes),
        options: settings,
        seed: options.seed,
        autodiff: &device,
        dtype: options.mixed_precision.dtype(),
        cache: LatentCache::new(options.cache_latents_mib),
        multiple,
    };
    let unet = stage.train(
        module(task, options, &device)?,
        &device,
        &task.start(),
        move |index| source.sample(index),
        |unet: &UNet2DConditionModel, samples| setting.loss(unet, samples),
        |unet, sheet| {
            let looks = look::repaired(&tuned_model(model, unet), task.classes, task.detection)?;
            let psnr = look::mean_psnr(&looks);
            write_sheet(sheet, &look::rows(looks))?;
            Ok(vec![("hidden_psnr", psnr)])
        },
        progress,
    )?;
    match options.method {
        Method::Lora => {
            let state = save_state(&unet)?;
            let empty = std::mem::take(&mut tuned.tuning);
            tuned.tuning = empty.with_branches(state, settings.lora_alpha());
        }
        Method::Full => {
            let named = save_state(&unet)?.into_iter();
            let tensors = named.map(|(name, shape, values)| (name, HostTensor { shape, values }));
            tuned.unet = Some(tensors.collect::<BTreeMap<_, _>>());
        }
    }
    Ok(())
}
