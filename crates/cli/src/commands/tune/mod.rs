//! `fit --tune`: weights that are tuned on the good photos before anything is fitted with them.

mod report;

use std::path::{Path, PathBuf};

use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::profile::{Profile, Tuned as ProfileTuned, Weights};
use anomalysd_diffusion::checkpoint::{self, ModelParts, native};
use anomalysd_train::TrainError;
use anomalysd_train::log::Progress;
use anomalysd_train::tune::look::{decoded, repaired};
use anomalysd_train::tune::{self, Cost, Method, Options, multiple};

use crate::args::{FitArgs, ModelArgs};
use crate::dashboard::Dashboard;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::learned::{Chosen, Learned, on_device};
use crate::prompts::PromptList;
use crate::watch::Watch;
use crate::{memory, model, output};

use self::report::{Looks, Story};

/// What is going to be tuned, checked before any work is done.
pub struct Plan<'a> {
    args: &'a FitArgs,
    /// Constants of the tuning.
    pub options: Options,
    work: PathBuf,
    /// The model that `full` writes.
    model: Option<PathBuf>,
    /// The page about it.
    report: PathBuf,
}

/// What has been tuned.
pub struct Carried {
    /// What the profile says of it; `None` where the whole model was written beside it.
    pub tuned: Option<ProfileTuned>,
    story: Story,
    report: PathBuf,
}

impl Carried {
    /// Writes the page, and returns where it is.
    pub fn report(&self, profile: &Profile) -> Outcome<&Path> {
        output::write(&self.report, self.story.html(profile).as_bytes())?;
        Ok(&self.report)
    }
}

impl<'a> Plan<'a> {
    /// The plan of the arguments; `None` where nothing is tuned.
    pub fn new(args: &'a FitArgs, seed: u64, quiet: bool) -> Outcome<Option<Self>> {
        let Some(options) = args.tuning.checked(&args.engine, &args.method, seed)? else {
            return Ok(None);
        };
        if args.tuning.dashboard && !args.dry_run {
            Dashboard::check(quiet)?;
        }
        let method = options.method;
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
            report: beside("report.html"),
            model,
        }))
    }

    /// Refuses folders that cannot be written to, before any work is done.
    pub fn prepare(&self) -> Outcome {
        if self.args.tuning.resume.is_some() {
            if !self.work.is_dir() {
                let reason = "is no folder of a run that could be continued";
                return Err(CliError::at(&self.work, reason));
            }
        } else {
            output::folder(&self.work)?;
        }
        output::check_writable(&self.work)
    }

    /// Says what the tuning will take: steps that are known, time and memory of a few that are tried.
    pub fn try_out(
        &self,
        chosen: &Chosen,
        prompts: &PromptList,
        options: &DetectOptions,
    ) -> Outcome {
        if self.args.tuning.resume.is_some() {
            let reason = "--dry-run: says what a run from its beginning costs; leave out --resume";
            return Err(CliError::Input(reason.into()));
        }
        let parts = self.parts()?;
        let engine = Engine::load(&self.args.engine)?;
        let precision = self.options.mixed_precision;
        precision.check(&engine.tuned_on()?.device)?;
        let count = tune::trained_parameters(&parts, &self.options)?;
        let work = tempfile::tempdir()
            .map_err(|error| CliError::Internal(format!("temporary folder: {error}")))?;
        let learned = self.learned(&engine, chosen, prompts, options, true)?;
        let task = learned.task(engine.tuned_on()?, &parts, options, work.path(), false);
        let costs = tune::costs(&task, &on_device(&self.options, &engine))?;
        let whole: f64 = costs.iter().map(|cost| cost.seconds).sum();
        let unet = match self.options.unet.max_train_steps {
            0 => "the decoder alone".to_owned(),
            _ => format!("{count} numbers of the U-Net"),
        };
        output::print(&format!(
            "tunes {unet}; checkpoints in {}",
            self.work.display()
        ))?;
        for Cost {
            stage,
            steps,
            seconds_per_step,
            seconds,
        } in &costs
        {
            output::print(&format!(
                "{stage}: {steps} steps of {seconds_per_step:.2} s, {} in all",
                duration(*seconds)
            ))?;
        }
        let memory = memory::peak(&engine.chosen.device);
        output::print(&format!(
            "about {} on {}{}, before the profile is fitted; measured on a few steps",
            duration(whole),
            engine.chosen.name,
            memory.map_or_else(String::new, |memory| format!(" and {memory} of memory")),
        ))
    }

    fn parts(&self) -> Outcome<ModelParts> {
        model::open(&self.args.engine.model)?
            .ok_or_else(|| CliError::Input("--model none: there is nothing to tune".into()))
    }

    /// Tunes, and loads the tuned model in place of the engine's own.
    pub fn carry_out(
        &self,
        engine: &mut Engine,
        chosen: &Chosen,
        prompts: &PromptList,
        options: &DetectOptions,
        quiet: bool,
    ) -> Outcome<Carried> {
        let parts = self.parts()?;
        let precision = self.options.mixed_precision;
        precision.check(&engine.tuned_on()?.device)?;
        let learned = self.learned(engine, chosen, prompts, options, quiet)?;
        let resume = self.args.tuning.resume.is_some();
        let task = learned.task(engine.tuned_on()?, &parts, options, &self.work, resume);
        let mut story = Story {
            options: self.options.clone(),
            base: task.model.config.name.clone(),
            trained: tune::trained_parameters(&parts, &self.options)?,
            classes: learned.classes.iter().map(Into::into).collect(),
            before: self.looks(engine, &learned, options)?,
            after: Looks::default(),
            log: Vec::new(),
        };
        let base = Weights {
            name: task.model.config.name.clone(),
            fingerprint: task.model.fingerprint.clone(),
        };
        let mut watch = Watch::new(self.args.tuning.dashboard, quiet)?;
        let device = &engine.chosen.device;
        let tuned = tune::run(&task, &on_device(&self.options, engine), &mut |progress| {
            watch.step(progress, |progress| line(progress, memory::in_use(device)))
        });
        // The terminal is given back before anything else is said.
        drop(watch);
        if let Err(TrainError::Stopped { .. }) = &tuned
            && !quiet
        {
            let work = self.work.display();
            eprintln!("stopped after a checkpoint: --resume {work} continues");
        }
        let tuned = tuned?;
        let in_profile = match &self.model {
            None => {
                engine.open(&self.args.engine, |parts| Ok(tuned.merge_into(parts)?))?;
                let tuning = tuned.tuning;
                Some(ProfileTuned { base, tuning })
            }
            Some(folder) => {
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
                None
            }
        };
        story.after = self.looks(engine, &learned, options)?;
        story.log = report::read_log(&self.work.join("log.jsonl"));
        Ok(Carried {
            tuned: in_profile,
            story,
            report: self.report.clone(),
        })
    }

    /// The classes as the engine's detector sees them.
    fn learned(
        &self,
        engine: &Engine,
        chosen: &Chosen,
        prompts: &PromptList,
        options: &DetectOptions,
        quiet: bool,
    ) -> Outcome<Learned> {
        let features = engine.features(&self.args.engine)?;
        let repair = engine.repair();
        let detector = Detector::new(repair.as_ref(), &features, options.clone())?
            .ignoring(self.args.ignore.places()?);
        let foreground = self.args.tuning.foreground.as_ref();
        let named = |class: &str| prompts.get(class);
        Learned::new(&detector, chosen, named, foreground, quiet)
    }

    /// What the engine's model makes of the good photos, in the stages that are tuned.
    fn looks(&self, engine: &Engine, learned: &Learned, options: &DetectOptions) -> Outcome<Looks> {
        let (model, classes) = (engine.tuned_on()?, &learned.classes);
        let mut looks = Looks::default();
        if self.options.unet.max_train_steps > 0 {
            looks.repaired = repaired(model, classes, options)?;
        }
        if self.options.decoder.max_train_steps > 0 {
            looks.decoded = decoded(&model.vae, classes, multiple(model), &model.device)?;
        }
        Ok(looks)
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

fn line(progress: &Progress, memory: Option<String>) -> String {
    let rate = progress.numbers.iter().find(|(name, _)| *name == "rate");
    let rate = rate.map_or(0.0, |(_, rate)| *rate);
    let left = progress
        .left()
        .map(|seconds| format!("{} left", duration(seconds)));
    let rest: String = left
        .into_iter()
        .chain(memory)
        .map(|part| format!(", {part}"))
        .collect();
    format!(
        "{} {}/{} loss {:.4} rate {rate:.1e}{rest}",
        progress.stage, progress.step, progress.steps, progress.loss
    )
}

/// A time in words, in the unit that a person would use.
fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        120.0..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
