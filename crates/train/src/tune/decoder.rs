//! Stage B: the decoder, the encoder frozen (METHOD § 4).
//!
//! `‖dec(enc(x)) − x‖² + β·Σ_l d_l`: mean squared error in 0..1 and feature distance. β makes both terms
//! equal, or the second one `perceptual_weight` times the first, over the batches of the first steps, as the decoder
//! is before it is trained: a number that follows from the seed alone, that no order of threads and no stop changes.
//! Over the same batches the squared error of each class is measured, and counts from then on against what it was:
//! else one model for all classes would give up those that it shows best for those that it shows worst.

use std::collections::BTreeMap;
use std::sync::Arc;

use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::checkpoint::VAE;
use anomalysd_diffusion::vae::Vae;
use anomalysd_diffusion::weights::{HostTensor, save_state, train_only};
use anomalysd_imaging::{Photo, pad_reflect};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::cache::{LatentCache, Picture};
use super::perceptual::Perceptual;
use super::photos::{by_size, digest, multiple, values};
use super::{
    Augmentation, DecoderOptions, Options, Task, TuneClass, Tuned, autodiff, cast, constant, look,
    on_device, resume,
};
use crate::Result;
use crate::log::Progress;
use crate::measure::photos_tensor;
use crate::parallel::PartLoss;
use crate::photos::{below, sample_rng};
use crate::schedule::WarmupCosine;
use crate::sheet::write_sheet;
use crate::stage::{Control, Stage};

/// Name of the stage.
pub(super) const STAGE: &str = "tune-decoder";

/// Field of a [`Vae`] that its networks' tensors are below.
const NETWORK: &str = "network.";
/// What of an autoencoder turns latents into photos.
const TRAINED: [&str; 2] = ["decoder.", "post_quant_conv."];
/// Name of β among what a checkpoint says of itself.
const BETA: &str = "beta";
/// And of what the squared error of each class counts.
const CLASS_WEIGHTS: &str = "class_weights";
/// How far these go: a class without any error to speak of must not decide every step.
const LEAST_WEIGHT: f32 = 0.1;
const MOST_WEIGHT: f32 = 10.0;

fn is_trained(name: &str) -> bool {
    TRAINED.iter().any(|part| name.starts_with(part))
}

/// The autoencoder with gradients for its decoder.
pub(super) fn with_gradients(vae: &Vae, device: &Device) -> Vae {
    train_only(on_device(vae, device), |name| {
        name.strip_prefix(NETWORK).is_some_and(is_trained)
    })
}

/// What the decoder is trained on.
struct Crop {
    class: usize,
    photo: Photo,
    /// Which one that is, where there are finitely many: whole photos that are not augmented.
    again: Option<Picture>,
}

/// Draws the crop of a number: the same on every thread.
struct Source {
    classes: Vec<TuneClass>,
    options: DecoderOptions,
    multiple: usize,
    factor: usize,
    seed: u64,
}

impl Source {
    fn sample(&self, index: u64) -> Crop {
        let mut rng = sample_rng(self.seed, "tune decoder", index);
        let number = (index % self.classes.len() as u64) as usize;
        let class = &self.classes[number];
        let chosen = below(&mut rng, class.photos.len());
        let good = &class.photos[chosen];
        let change = Augmentation::draw(&class.turns, self.options.augmentation, &mut rng);
        let photo = pad_reflect(&change.photo(&good.photo), self.multiple);
        let side =
            |length: usize| (self.options.crop.min(length) / self.factor).max(1) * self.factor;
        let (width, height) = (side(photo.width), side(photo.height));
        let x = below(&mut rng, photo.width - width + 1);
        let y = below(&mut rng, photo.height - height + 1);
        let whole = (width, height) == (photo.width, photo.height);
        let finite = Augmentation::only_turns(self.options.augmentation) && whole;
        Crop {
            class: number,
            photo: photo.crop(x, y, width, height),
            again: finite.then_some(Picture {
                class: number,
                photo: chosen,
                over: None,
                change: class
                    .turns
                    .iter()
                    .position(|turn| change.turn == Some(*turn))
                    .map_or(0, |turn| turn + 1),
            }),
        }
    }
}

/// What the loss needs besides the module.
struct Setting<'a> {
    /// As it came, on the plain device: its encoder makes the latents.
    vae: &'a Vae,
    plain: &'a Device,
    perceptual: Option<Perceptual>,
    balance: Balance,
    autodiff: &'a Device,
    /// What the decoder computes in.
    dtype: DType,
    cache: LatentCache,
}

/// What the terms of the loss count.
#[derive(Debug, Clone, Default)]
struct Balance {
    beta: f32,
    /// Of the squared error of each class.
    class_weights: Vec<f32>,
}

impl Balance {
    /// As a checkpoint says it.
    fn stored(description: &serde_json::Value) -> Option<Self> {
        let weights = description.get(CLASS_WEIGHTS)?.as_array()?.iter();
        Some(Self {
            beta: description.get(BETA)?.as_f64()? as f32,
            class_weights: weights
                .map(|weight| weight.as_f64().map(|weight| weight as f32))
                .collect::<Option<_>>()?,
        })
    }
}

impl Setting<'_> {
    fn loss(&self, vae: &Vae, crops: Vec<Crop>) -> ModelResult<PartLoss> {
        let count = crops.len().max(1) as f64;
        let mut sums = [0; 3].map(|_| Tensor::<1>::zeros([1], self.autodiff));
        for group in by_size(crops, |crop| (crop.photo.width, crop.photo.height)) {
            let share = group.len() as f64 / count;
            let (errors, distance) = self.terms(vae, &group)?;
            let weights: Vec<f32> = group
                .iter()
                .map(|crop| self.balance.class_weights[crop.class])
                .collect();
            let shape = [group.len(), 1];
            let weights = Tensor::from_data(TensorData::new(weights, shape), self.plain);
            let weighted = errors.clone() * constant(weights, self.autodiff);
            let terms = [weighted.mean(), errors.mean(), distance];
            sums = [0, 1, 2].map(|term| sums[term].clone() + terms[term].clone() * share);
        }
        let [weighted, squared, distance] = sums;
        let report = [&squared, &distance]
            .map(|term| values(term.clone()).ok().and_then(|v| v.first().copied()))
            .map(|term| term.unwrap_or(f32::NAN));
        Ok(PartLoss {
            loss: weighted + distance * self.balance.beta,
            report: report.to_vec(),
        })
    }

    /// Mean squared error `[batch, 1]` of each of the crops, all of one size, and their feature distance.
    fn terms(&self, vae: &Vae, crops: &[Crop]) -> ModelResult<(Tensor<2>, Tensor<1>)> {
        let photos: Vec<Photo> = crops.iter().map(|crop| crop.photo.clone()).collect();
        let photos = photos_tensor(&photos, self.plain);
        let again = crops.iter().map(|crop| crop.again);
        let latents = self.cache.encode(self.vae, &photos, again)?;
        let latents = cast(constant(latents, self.autodiff), self.dtype);
        let decoded = cast(vae.dec_signed(latents)?, DType::F32) * 0.5 + 0.5;
        let squared = (decoded.clone() - constant(photos.clone(), self.autodiff))
            .square()
            .reshape([crops.len() as i32, -1])
            .mean_dim(1);
        let distance = match &self.perceptual {
            Some(network) => network.distance(decoded, photos, self.autodiff),
            None => Tensor::zeros([1], self.autodiff),
        };
        Ok((squared, distance))
    }

    /// β, by which the feature distance is `weight` times the squared error over the batches of the first steps, and
    /// the classes' weights, by which their squared errors are equal over them.
    fn balanced(
        &self,
        vae: &Vae,
        (classes, weight): (usize, f32),
        batches: impl Iterator<Item = Result<Vec<Crop>>>,
    ) -> Result<Balance> {
        let mut own = vec![(0.0, 0usize); classes];
        let (mut squared, mut distance, mut count) = (0.0, 0.0, 0usize);
        for batch in batches {
            for group in by_size(batch?, |crop| (crop.photo.width, crop.photo.height)) {
                let (errors, apart) = self.terms(vae, &group)?;
                let apart = values(apart)?.first().copied().unwrap_or(0.0);
                distance += f64::from(apart) * group.len() as f64;
                count += group.len();
                for (crop, error) in group.iter().zip(values(errors)?) {
                    let (sum, seen) = &mut own[crop.class];
                    *sum += f64::from(error);
                    *seen += 1;
                    squared += f64::from(error);
                }
            }
        }
        let mean = squared / count.max(1) as f64;
        let known = |ratio: f64| ratio.is_finite() && ratio > 0.0;
        // A class that was not met yet counts as it is.
        let class_weight = |&(sum, seen): &(f64, usize)| {
            let ratio = mean * seen as f64 / sum;
            let weight = if known(ratio) { ratio as f32 } else { 1.0 };
            weight.clamp(LEAST_WEIGHT, MOST_WEIGHT)
        };
        let beta = squared / distance;
        Ok(Balance {
            beta: if known(beta) {
                weight * beta as f32
            } else {
                0.0
            },
            class_weights: own.iter().map(class_weight).collect(),
        })
    }
}

/// Trains the decoder and writes its differences to `tuned`.
pub(super) fn train(
    task: &Task<'_>,
    options: &Options,
    tuned: &mut Tuned,
    progress: &mut dyn FnMut(&Progress) -> Control,
) -> Result<()> {
    let (model, settings) = (task.model, &options.decoder);
    let device = autodiff(&model.device, settings.gradient_checkpointing);
    let mut description = serde_json::json!({
        "base": model.fingerprint,
        "photos": digest(task.classes),
    });
    let stored = serde_json::json!({
        "seed": options.seed,
        "workers": options.workers,
        "mixed_precision": options.mixed_precision,
        "decoder": settings,
    });
    let continued = if task.resume {
        resume::checked(task.work, STAGE, &description, &stored)?
    } else {
        None
    };
    let source = Arc::new(Source {
        classes: task.classes.to_vec(),
        options: settings.clone(),
        multiple: multiple(model),
        factor: model.vae.factor(),
        seed: options.seed,
    });
    let module = with_gradients(&model.vae, &device);
    let mut setting = Setting {
        vae: &model.vae,
        plain: &model.device,
        perceptual: Perceptual::new(&model.vae, &device)?,
        balance: Balance::default(),
        autodiff: &device,
        dtype: options.mixed_precision.dtype(),
        cache: LatentCache::new(options.cache_latents_mib),
    };
    let begun = continued.and_then(|own| Balance::stored(&own.model));
    setting.balance = match begun {
        Some(balance) => balance,
        None => {
            let per_step =
                (settings.train_batch_size * settings.gradient_accumulation_steps) as u64;
            let steps = settings.balance_steps.min(settings.max_train_steps);
            let frozen = train_only(module.clone(), |_| false);
            let batch =
                |step: u64| (step * per_step..(step + 1) * per_step).map(|n| source.sample(n));
            let batches = (0..steps).map(|step| {
                task.go_on(STAGE)?;
                Ok(batch(step).collect())
            });
            let wanted = (task.classes.len(), settings.perceptual_weight);
            setting.balanced(&frozen, wanted, batches)?
        }
    };
    description[BETA] = f64::from(setting.balance.beta).into();
    let weights = setting.balance.class_weights.iter();
    description[CLASS_WEIGHTS] = weights.map(|weight| f64::from(*weight)).collect();
    let stage = Stage {
        name: STAGE,
        folder: task.work,
        schedule: WarmupCosine {
            peak: settings.learning_rate,
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
        reports: &["squared_error", "feature_distance"],
        model: description,
        options: stored,
    };
    let vae = stage.train(
        module,
        &device,
        &task.start(),
        move |index| source.sample(index),
        |vae: &Vae, crops| setting.loss(vae, crops),
        |vae, sheet| {
            let looks = look::decoded(vae, task.classes, multiple(model), &model.device)?;
            let psnr = look::mean_psnr(&looks);
            write_sheet(sheet, &look::rows(looks))?;
            Ok(vec![("decoded_psnr", psnr)])
        },
        progress,
    )?;
    let decoder: BTreeMap<String, HostTensor> = save_state(&vae)?
        .into_iter()
        .filter_map(|(name, shape, values)| {
            let name = name.strip_prefix(NETWORK)?.to_owned();
            is_trained(&name).then_some((name, HostTensor { shape, values }))
        })
        .collect();
    let empty = std::mem::take(&mut tuned.tuning);
    tuned.tuning = empty.with_decoder(decoder, task.parts.source(VAE)?)?;
    Ok(())
}
