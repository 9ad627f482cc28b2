//! `fit --tune`: weights that are tuned on the good photos before anything is fitted with them.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::profile::{Tuned as ProfileTuned, Weights};
use anomalysd_diffusion::checkpoint::{self, ModelParts, native};
use anomalysd_imaging::{ForegroundMode, Mask, Photo, foreground, resize_lanczos};
use anomalysd_train::TrainError;
use anomalysd_train::log::Progress;
use anomalysd_train::stage::Control;
use anomalysd_train::tune::{self, GoodPhoto, Method, Options, Task, TuneClass, Tuned};

use crate::args::{FitArgs, ForegroundChoice, ModelArgs};
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::progress::cancelled;
use crate::prompts::PromptList;
use crate::{model, output, photos};

/// Classes by name, with the files of their good photos.
pub type Chosen = [(String, Vec<PathBuf>)];

/// What is going to be tuned, checked before any work is done.
pub struct Plan<'a> {
    args: &'a FitArgs,
    /// Constants of the tuning.
    pub options: Options,
    work: PathBuf,
    /// The model that `full` writes.
    model: Option<PathBuf>,
}

impl<'a> Plan<'a> {
    /// The plan of the arguments; `None` where nothing is tuned.
    pub fn new(args: &'a FitArgs, seed: u64) -> Outcome<Option<Self>> {
        let refuse = |reason: String| Err(CliError::Input(reason));
        if let Some(flag) = args.tuning.idle() {
            return refuse(format!("{flag} says how to tune: add --tune lora or full"));
        }
        let Some(method) = args.tuning.tune.method() else {
            return Ok(None);
        };
        if args.engine.f16 {
            return refuse("--f16: weights are tuned as f32; leave it out of `fit`".into());
        }
        if args.method.options().tile.is_some() {
            return refuse(
                "--tile: photos are tuned on as a whole; fit in tiles without --tune, or tune on photos of parts".into(),
            );
        }
        let mut options = match &args.tuning.tune_options {
            None => Options::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
                serde_json::from_str(&text).map_err(|error| CliError::at(path, error))?
            }
        };
        options = args.tuning.over(options);
        (options.method, options.seed) = (method, seed);
        options.validate()?;
        let beside = |ending: &str| {
            let stem = args.out.file_stem().unwrap_or_default().to_string_lossy();
            let stem = stem.strip_suffix(".profile").unwrap_or(&stem).to_owned();
            args.out.with_file_name(format!("{stem}.{ending}"))
        };
        let work = args.tuning.resume.clone().or(args.tuning.work.clone());
        let model = (method == Method::Full).then(|| beside("model"));
        if let Some(model) = &model
            && args.tuning.resume.is_none()
            && model.exists()
        {
            return Err(CliError::at(
                model,
                "exists already; remove it, or name another --out",
            ));
        }
        Ok(Some(Self {
            args,
            options,
            work: work.unwrap_or_else(|| beside("work")),
            model,
        }))
    }

    /// The plan in a sentence for each stage.
    pub fn say(&self) -> Outcome {
        let parts = self.parts()?;
        let count = tune::trained_parameters(&parts, &self.options)?;
        let (unet, decoder) = (&self.options.unet, &self.options.decoder);
        let samples =
            |steps: u64, batch: usize, accumulation: usize| steps * (batch * accumulation) as u64;
        output::print(&format!(
            "tunes {count} numbers of the U-Net in {} steps ({} samples), then the decoder in {} ({}); checkpoints in {}",
            unet.max_train_steps,
            samples(
                unet.max_train_steps,
                unet.train_batch_size,
                unet.gradient_accumulation_steps
            ),
            decoder.max_train_steps,
            samples(
                decoder.max_train_steps,
                decoder.train_batch_size,
                decoder.gradient_accumulation_steps
            ),
            self.work.display()
        ))
    }

    fn parts(&self) -> Outcome<ModelParts> {
        model::open(&self.args.engine.model)?
            .ok_or_else(|| CliError::Input("--model none: there is nothing to tune".into()))
    }

    /// Tunes, and loads the tuned model in place of the engine's own. Returns what the profile says of
    /// it; `None` where the whole model was written beside it.
    pub fn carry_out(
        &self,
        engine: &mut Engine,
        chosen: &Chosen,
        prompts: &PromptList,
        options: &DetectOptions,
        quiet: bool,
    ) -> Outcome<Option<ProfileTuned>> {
        let parts = self.parts()?;
        let tuned = self.tune(engine, &parts, chosen, prompts, options, quiet)?;
        let Some(folder) = &self.model else {
            let base = engine.model.as_ref().map(|model| Weights {
                name: model.config.name.clone(),
                fingerprint: model.fingerprint.clone(),
            });
            engine.open(&self.args.engine, |parts| Ok(tuned.merge_into(parts)?))?;
            let tuning = tuned.tuning;
            return Ok(base.map(|base| ProfileTuned { base, tuning }));
        };
        let mut merged = tuned.merge_into(parts)?;
        merged.config.name = format!("{} tuned", merged.config.name);
        write_model(&merged, folder)?;
        let mut own = self.args.engine.clone();
        own.model = ModelArgs {
            model: Some(folder.clone()),
            vae: None,
            lora: Vec::new(),
        };
        engine.open(&own, Ok)?;
        Ok(None)
    }

    fn tune(
        &self,
        engine: &Engine,
        parts: &ModelParts,
        chosen: &Chosen,
        prompts: &PromptList,
        options: &DetectOptions,
        quiet: bool,
    ) -> Outcome<Tuned> {
        let loaded = engine
            .model
            .as_ref()
            .ok_or_else(|| CliError::Input("--model none: there is nothing to tune".into()))?;
        let features = engine.features(&self.args.engine)?;
        let repair = engine.repair();
        let detector = Detector::new(repair.as_ref(), &features, options.clone())?
            .ignoring(self.args.ignore.places()?);
        let mut classes = Vec::with_capacity(chosen.len());
        for (name, files) in chosen {
            let mut good = Vec::with_capacity(files.len());
            let mut shown = Vec::with_capacity(files.len());
            for file in files {
                let photo = photos::read(file)?;
                let seen = detector.shown(&photo);
                good.push(GoodPhoto {
                    foreground: self.foreground(name, file, &photo, &seen)?,
                    photo: seen,
                });
                shown.push(photo);
            }
            classes.push(TuneClass {
                name: name.clone(),
                prompts: prompts.get(name),
                photos: good,
                turns: pollster::block_on(detector.allowed_turns(&shown))?,
            });
        }
        let task = Task {
            model: loaded,
            parts,
            classes: &classes,
            scales: &detector.scales(),
            masks: &options.masks,
            work: &self.work,
            resume: self.args.tuning.resume.is_some(),
        };
        let mut options = self.options.clone();
        if engine.chosen.name != "cpu" {
            // One queue: workers would only take turns.
            options.workers = 1;
        }
        let shown = Cell::new(("", 0));
        let tuned = tune::run(&task, &options, &mut |progress| {
            let now = (progress.stage, 10 * progress.step / progress.steps.max(1));
            if !quiet && shown.replace(now) != now {
                eprintln!("{}", line(progress));
            }
            if cancelled() {
                Control::Stop
            } else {
                Control::Continue
            }
        });
        if let Err(TrainError::Stopped { .. }) = &tuned
            && !quiet
        {
            let work = self.work.display();
            eprintln!("stopped after a checkpoint: --resume {work} continues");
        }
        Ok(tuned?)
    }

    /// The pixels of the part on a photo as the detector sees it.
    fn foreground(&self, class: &str, file: &Path, photo: &Photo, seen: &Photo) -> Outcome<Mask> {
        let automatic = ForegroundChoice::Mode(ForegroundMode::Auto);
        match self.args.tuning.foreground.as_ref().unwrap_or(&automatic) {
            ForegroundChoice::Mode(mode) => Ok(foreground(seen, *mode)),
            ForegroundChoice::Masks(folder) => {
                let name = Path::new(file.file_name().unwrap_or_default()).with_extension("png");
                let path = folder.join(class).join(name);
                let mask = photos::read_mask(&path, false, photo)?;
                let as_photo = Photo::from_fn(mask.width, mask.height, |x, y| {
                    [f32::from(u8::from(mask.at(x, y))); 3]
                });
                let resized = resize_lanczos(&as_photo, seen.width, seen.height);
                let inside = |x, y| resized.pixel(x, y)[0] > 0.5;
                Ok(Mask::from_fn(seen.width, seen.height, inside))
            }
        }
    }
}

/// Writes the model as a diffusers folder, f16; one that a stopped run left is taken where it is the
/// same model.
fn write_model(parts: &ModelParts, folder: &Path) -> Outcome {
    if !folder.exists() {
        return Ok(native::save_folder(parts, folder, true)?);
    }
    let there = checkpoint::fingerprint(&native::open(folder)?)?;
    if there != checkpoint::fingerprint(parts)? {
        return Err(CliError::at(folder, "exists already, and is another model"));
    }
    Ok(())
}

fn line(progress: &Progress) -> String {
    let rate = progress.numbers.iter().find(|(name, _)| *name == "rate");
    let rate = rate.map_or(0.0, |(_, rate)| *rate);
    let left = match progress.left() {
        Some(seconds) => format!(", {seconds:.0} s left"),
        None => String::new(),
    };
    format!(
        "{} {}/{} loss {:.4} rate {rate:.1e}{left}",
        progress.stage, progress.step, progress.steps, progress.loss
    )
}
