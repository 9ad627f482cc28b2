//! Configurations × classes × draws, each kept when it is done.

use std::path::{Path, PathBuf};

use anomalysd_dataset::draws::Draws;
use anomalysd_dataset::folder::{Class, Dataset};
use anomalysd_detect::features::Features;
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::repaint::{DiffusionRepair, Repair};
use anomalysd_detect::report::hex;
use anomalysd_diffusion::model::InpaintModel;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::derived::{Judged, lines};
use super::judging::{OwnDetector, Painted, detect, fit, prepare, read_all};
use super::kept;
use super::sheet::{Measured, Sheet};
use super::table::{self, Setting};
use super::trials::{DEFAULT, FEW, Group, Line, Trial, chosen, trials};
use super::tuned::{self, Tuning};
use crate::args::{AblateArgs, ForegroundChoice};
use crate::engine::{Engine, features_identity};
use crate::error::{CliError, Outcome};
use crate::eval::hashes::Hashes;
use crate::eval::nearest::Nearest;
use crate::eval::{chosen_classes, drawn, truth_of};
use crate::progress::Reporter;
use crate::prompts::PromptList;
use crate::{output, photos};

/// A class and the good photos that are fitted on.
pub struct Job {
    /// With the photos that are judged.
    pub class: Class,
    /// Of the draw.
    pub seed: u64,
    good: Vec<PathBuf>,
}

/// Everything that all jobs share.
struct Bench<'a> {
    features: &'a Features<'a>,
    repair: Option<&'a DiffusionRepair<'a>>,
    prompts: &'a PromptList,
    base: DetectOptions,
    root: PathBuf,
    parts: PathBuf,
    config: Value,
    hashes: Hashes,
    quiet: bool,
}

/// Measures what is asked for, and writes ablations.json and ablations.md after each configuration.
pub fn run(args: &AblateArgs, quiet: bool) -> Outcome {
    let Some(data) = &args.data else {
        return Err(CliError::Input("ablate needs a data set".into()));
    };
    let dataset = Dataset::read(data)?;
    let prompts = PromptList::read(args.prompts.as_deref())?;
    let classes = chosen_classes(&dataset, &args.classes, Some(args.subset))?;
    let given = args.draws.as_deref().map(Draws::read).transpose()?;
    let engine = Engine::load(&args.engine)?;
    let features = engine.features(&args.engine)?;
    let repair = engine.repair();
    let base = args.method.options();
    let fast_steps =
        base.inference_steps(repair.as_ref().and_then(|own| own.traits().inference_steps));
    let tuned = tuned::trials(args, &base)?;
    let all = match &repair {
        None if !tuned.is_empty() => {
            let reason = "--model none: there is nothing to tune; leave out --tune";
            return Err(CliError::Input(reason.into()));
        }
        Some(_) => {
            let untuned = trials(&base, args.k_shot, fast_steps);
            untuned.into_iter().chain(tuned).collect()
        }
        None => Vec::new(),
    };
    let (with_default, wanted) = chosen(all, &args.trials)?;
    let out = output::folder(&args.out)?;
    let bench = Bench {
        features: &features,
        repair: repair.as_ref(),
        prompts: &prompts,
        base: base.clone(),
        root: dataset.root.clone(),
        parts: output::folder(&out.join("parts"))?,
        config: json!({
            "version": env!("CARGO_PKG_VERSION"),
            "k_shot": args.k_shot,
            "subset": args.subset,
            "model": engine.model_identity(),
            "features": features_identity(&features),
            "device": engine.chosen.name,
            "options": base,
        }),
        hashes: Hashes::default(),
        quiet,
    };
    let jobs = |seeds: &[u64]| -> Outcome<Vec<Job>> {
        let mut jobs = Vec::new();
        for &seed in seeds {
            for class in &classes {
                jobs.push(Job {
                    good: drawn(given.as_ref(), class, args.k_shot, seed)?,
                    class: class.clone(),
                    seed,
                });
            }
        }
        Ok(jobs)
    };
    let trial_seeds = args.trial_seeds.as_ref().unwrap_or(&args.seeds);
    let first = trial_seeds.first().copied();
    let (alike, own): (Vec<Trial>, Vec<Trial>) =
        wanted.into_iter().partition(|trial| trial.paints_alike);
    let setting = Setting {
        k_shot: args.k_shot,
        model: engine.model_identity().map(|own| own.name),
        features: features_identity(&features).name,
        options: base,
    };
    let mut rows = Vec::new();
    if with_default || !alike.is_empty() {
        for job in jobs(&args.seeds)? {
            let beside = if trial_seeds.contains(&job.seed) {
                alike.as_slice()
            } else {
                &[]
            };
            rows.extend(bench.default_and(&job, beside, first == Some(job.seed))?);
        }
        table::write(&out, &rows, &setting, &bench.config)?;
    }
    for trial in &own {
        let seeds = if trial.few {
            first.as_slice()
        } else {
            trial_seeds
        };
        for &seed in seeds {
            let jobs = jobs(&[seed])?;
            rows.extend(match &trial.tuning {
                Some(tuning) => bench.tuned(&engine, args, &jobs, trial, tuning)?,
                None => {
                    let of_one = |job| bench.trial(job, trial);
                    jobs.iter().map(of_one).collect::<Outcome<Vec<_>>>()?
                }
            });
        }
        table::write(&out, &rows, &setting, &bench.config)?;
    }
    output::print(&table::markdown(&table::rows(&rows), &setting))
}

impl Bench<'_> {
    fn detector(&self, options: &DetectOptions) -> Outcome<OwnDetector<'_>> {
        Ok(Detector::new(self.repair, self.features, options.clone())?)
    }

    /// Hash of the program, the configuration and all that is read for a job.
    fn depends_on(&self, job: &Job, what: &Value) -> Outcome<String> {
        let prompts = self.prompts.get(&job.class.name);
        let tested = job.class.test.iter().map(|photo| {
            let mask = photo.mask.as_deref().map(|path| self.hashes.file(path));
            (self.hashes.file(&photo.path), &photo.defect, mask)
        });
        let depends = json!({
            "program": self.hashes.program(),
            "config": self.config,
            "what": what,
            "seed": job.seed,
            "good": job.good.iter().map(|path| self.hashes.file(path)).collect::<Vec<_>>(),
            "test": tested.collect::<Vec<_>>(),
            "prompts": { "both": prompts.both(), "detail": prompts.detail() },
        });
        Ok(hex(&Sha256::digest(output::to_json(&depends)?)))
    }

    fn path(&self, name: &str, job: &Job) -> PathBuf {
        let (class, seed) = (&job.class.name, job.seed);
        self.parts.join(format!("{name}-{class}-s{seed}.json"))
    }

    /// The default with every line that its maps hold, and beside it the configurations that paint the
    /// same. `few`: the default on the few photos of a costly configuration, too.
    fn default_and(&self, job: &Job, beside: &[Trial], few: bool) -> Outcome<Vec<Measured>> {
        let names: Vec<&str> = beside.iter().map(|own| own.line.name.as_str()).collect();
        let depends_on = self.depends_on(job, &json!([DEFAULT, names, few]))?;
        kept(&self.path(DEFAULT, job), depends_on, || {
            let mut sheet = Sheet::default();
            self.judge_default(job, beside, &mut sheet)?;
            let mut rows = sheet.measured(job);
            if few {
                rows.extend(sheet.on_few(job));
            }
            Ok(rows)
        })
    }

    fn judge_default(&self, job: &Job, beside: &[Trial], sheet: &mut Sheet) -> Outcome {
        let reporter = Reporter::new(
            &format!("{DEFAULT} {} {}", job.class.name, job.seed),
            self.quiet,
        );
        let good = read_all(&job.good)?;
        let baseline = Nearest::fit(self.features, &good)?;
        let prompts = self.prompts.get(&job.class.name);
        let own = self.detector(&self.base)?;
        let others = beside
            .iter()
            .map(|trial| self.detector(&trial.options))
            .collect::<Outcome<Vec<_>>>()?;
        let class = fit(&own, &prompts, &good)?;
        let fitted = others
            .iter()
            .map(|other| fit(other, &prompts, &good))
            .collect::<Outcome<Vec<_>>>()?;
        let scales: Vec<usize> = class.normalisers.scales.keys().copied().collect();
        let prepared = prepare(&own, &class)?;
        let mut ready = Vec::with_capacity(others.len());
        for (other, class) in others.iter().zip(&fitted) {
            ready.push((other, prepare(other, class)?));
        }
        let count = job.class.test.len();
        for (index, test) in job.class.test.iter().enumerate() {
            let photo = photos::read(&test.path)?;
            sheet.photo(self.shown(&test.path), truth_of(test, &photo)?);
            let painted = Painted::default();
            let detection = detect(&own, &prepared, &photo, &painted)?;
            for (line, judged) in lines(&detection, &self.base, &scales) {
                let whole = line.name == DEFAULT;
                sheet.put(&line, judged, whole.then_some(detection.threshold), false);
            }
            let (map, score) = baseline.judge(self.features, &photo)?;
            let line = Line::new(
                Group::Parts,
                "nearest-neighbour",
                "nearest neighbour, the plain baseline",
            );
            sheet.put(&line, Judged { map, score }, None, true);
            for (trial, (other, class)) in beside.iter().zip(&ready) {
                let detection = detect(other, class, &photo, &painted)?;
                sheet.put_whole(&trial.line, &detection);
            }
            reporter.set((index + 1) as f64 / count as f64);
        }
        Ok(())
    }

    /// A configuration that is painted on its own.
    fn trial(&self, job: &Job, trial: &Trial) -> Outcome<Measured> {
        let job = &Job {
            class: if trial.few {
                job.class.subset(FEW)
            } else {
                job.class.clone()
            },
            seed: job.seed,
            good: job.good.clone(),
        };
        let what = json!([trial.line, trial.options, trial.name_only]);
        let depends_on = self.depends_on(job, &what)?;
        let path = self.path(&trial.line.name, job);
        kept(&path, depends_on, || self.judge(self.repair, job, trial))
    }

    /// A configuration with weights that are tuned on the good photos of all classes of a draw.
    fn tuned(
        &self,
        engine: &Engine,
        args: &AblateArgs,
        jobs: &[Job],
        trial: &Trial,
        tuning: &Tuning,
    ) -> Outcome<Vec<Measured>> {
        let learned: Vec<(String, Vec<PathBuf>)> = jobs
            .iter()
            .map(|job| (job.class.name.clone(), job.good.clone()))
            .collect();
        let good = learned.iter().flat_map(|(_, files)| files);
        let good: Vec<_> = good.map(|file| self.hashes.file(file)).collect();
        let part = match &tuning.part {
            ForegroundChoice::Mode(mode) => json!(format!("{mode:?}")),
            ForegroundChoice::Masks(folder) => json!([folder, self.masks_in(folder)]),
        };
        let prompts: Vec<_> = jobs
            .iter()
            .map(|job| self.prompts.get(&job.class.name))
            .map(|own| [own.both(), own.detail()])
            .collect();
        let how = json!([
            self.hashes.program(),
            prompts,
            trial.options,
            trial.name_only,
            tuning.options,
            part,
            good,
            self.config
        ]);
        let digest = hex(&Sha256::digest(output::to_json(&how)?));
        let mut model: Option<InpaintModel> = None;
        let mut rows = Vec::with_capacity(jobs.len());
        for job in jobs {
            let depends_on = self.depends_on(job, &json!([trial.line, digest]))?;
            let path = self.path(&trial.line.name, job);
            rows.push(kept(&path, depends_on, || {
                if model.is_none() {
                    let name = format!("{}-s{}", trial.line.name, job.seed);
                    let work = args
                        .out
                        .join("tuned")
                        .join(format!("{name}-{}", &digest[..12]));
                    let place = (name.as_str(), work.as_path());
                    let own = self.detector(&trial.options)?;
                    let task = (&own, learned.as_slice(), self.prompts);
                    model = Some(tuned::tune(tuning, engine, args, task, place, self.quiet)?);
                }
                let repair = model.as_ref().map(DiffusionRepair::new);
                self.judge(repair.as_ref(), job, trial)
            })?);
        }
        Ok(rows)
    }

    /// The files below a folder with their hashes, sorted.
    fn masks_in(&self, folder: &Path) -> Vec<(PathBuf, Option<String>)> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            // What cannot be read is said when it is needed.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(self.hashes.file(&path));
                }
            }
        }
        found.sort();
        found
    }

    /// Judges the photos of a job with the weights of a repair.
    fn judge(
        &self,
        repair: Option<&DiffusionRepair<'_>>,
        job: &Job,
        trial: &Trial,
    ) -> Outcome<Measured> {
        let name = format!("{} {} {}", trial.line.name, job.class.name, job.seed);
        let reporter = Reporter::new(&name, self.quiet);
        let good = read_all(&job.good)?;
        let mut prompts = self.prompts.get(&job.class.name);
        if trial.name_only {
            prompts.parts = None;
        }
        let own = Detector::new(repair, self.features, trial.options.clone())?;
        let class = fit(&own, &prompts, &good)?;
        let prepared = prepare(&own, &class)?;
        let mut sheet = Sheet::default();
        let count = job.class.test.len();
        for (index, test) in job.class.test.iter().enumerate() {
            let photo = photos::read(&test.path)?;
            sheet.photo(self.shown(&test.path), truth_of(test, &photo)?);
            let detection = detect(&own, &prepared, &photo, &Painted::default())?;
            sheet.put_whole(&trial.line, &detection);
            reporter.set((index + 1) as f64 / count as f64);
        }
        let measured = sheet.measured(job).into_iter().next();
        measured.ok_or_else(|| CliError::Internal(format!("{name}: no photo was judged")))
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}
