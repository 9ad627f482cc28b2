//! Classes × draws, one after the other, each kept when it is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anomalysd_dataset::draws::{Draws, draw};
use anomalysd_dataset::folder::{Class, Dataset, TestPhoto};
use anomalysd_detect::control::Control;
use anomalysd_detect::features::Features;
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::{ClassModel, Detection, Detector};
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_detect::report::hex;
use anomalysd_imaging::render::{Cell, heat_map, panel};
use anomalysd_imaging::{Mask, Photo, encode_png};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::hashes::Hashes;
use super::holes::{self, Holes};
use super::nearest::{self, Nearest};
use super::part::{Case, Part, TestedPhoto, Truth, row};
use super::rows::{Judged, Method, of_detection};
use super::{report, summary};
use crate::args::EvalArgs;
use crate::engine::{Engine, features_identity};
use crate::error::{CliError, Outcome};
use crate::progress::{Reporter, cancelled, now_ms};
use crate::prompts::PromptList;
use crate::{output, photos};

/// Height of the pictures of cases.
const CASE_HEIGHT: usize = 160;

/// What a part is fitted on.
struct Job {
    class: Class,
    k_shot: usize,
    seed: u64,
    /// Good photos to fit on; empty with a profile.
    good: Vec<PathBuf>,
}

/// Everything that all jobs share.
struct Bench<'a> {
    detector: Detector<'a, DiffusionRepair<'a>, Features<'a>>,
    features: &'a Features<'a>,
    prompts: &'a PromptList,
    root: PathBuf,
    parts: PathBuf,
    config: Value,
    hashes: Hashes,
    quiet: bool,
}

/// Measures, and writes metrics.json, scores.csv and report.html.
pub fn run(args: &EvalArgs, quiet: bool) -> Outcome {
    output::check_folder(&args.out)?;
    let dataset = Dataset::read(&args.data)?;
    let prompts = PromptList::read(args.prompts.as_deref())?;
    let classes = chosen_classes(&dataset, &args.classes, args.subset)?;
    let profile = args
        .profile
        .as_deref()
        .map(crate::profile::read)
        .transpose()?;
    let own = profile.as_ref().map(|(profile, _)| profile);
    let engine = Engine::load_for(&args.engine, own)?;
    let features = engine.features(&args.engine)?;
    let repair = engine.repair();
    let options = match &profile {
        Some((profile, _)) => args.method.over(profile.options.clone()),
        None => args.method.options(),
    };
    if let Some((profile, _)) = &profile {
        crate::profile::check(profile, &engine, &features)?;
    }
    if !quiet {
        classes.iter().for_each(say_unmarked);
    }
    let jobs = jobs(args, classes)?;
    let out = output::folder(&args.out)?;
    if args.holes {
        let Some(repair) = &repair else {
            return Err(CliError::Input(
                "--holes needs a model that repaints".into(),
            ));
        };
        let detector = Detector::new(Some(repair), &features, options)?;
        let holes = Holes {
            detector: &detector,
            repair,
            features: &features,
            prompts: &prompts,
        };
        return fill_holes(&holes, &jobs, &out);
    }
    let sha256 = profile.as_ref().map(|(_, sha256)| sha256.as_str());
    let config = config(args, sha256, &engine, &features, &options)?;
    let bench = Bench {
        detector: Detector::new(repair.as_ref(), &features, options)?,
        features: &features,
        prompts: &prompts,
        root: dataset.root.clone(),
        parts: output::folder(&out.join("parts"))?,
        config: config.clone(),
        hashes: Hashes::default(),
        quiet,
    };
    let mut parts = Vec::with_capacity(jobs.len());
    let first_seed = jobs.first().map(|job| job.seed);
    let mut missing = Vec::new();
    let mine = |position| args.shard.is_none_or(|shard| shard.takes(position));
    for (_, job) in jobs
        .iter()
        .enumerate()
        .filter(|(position, _)| mine(*position))
    {
        if args.merge {
            match bench.kept(job, Some(job.seed) == first_seed)? {
                Some(part) => parts.push(part),
                None => missing.push(job.name()),
            }
            continue;
        }
        let class = match &profile {
            Some((profile, _)) => Some(profile.class(&job.class.name)?),
            None => None,
        };
        let part = bench.part(job, class, Some(job.seed) == first_seed)?;
        if !quiet {
            eprintln!("{}", summary::line(&part));
        }
        parts.push(part);
    }
    if !missing.is_empty() {
        return Err(CliError::Input(format!(
            "--merge: {} of {} parts are not in {} or are of other photos, options or another program: {}",
            missing.len(),
            jobs.len(),
            bench.parts.display(),
            missing.join(", ")
        )));
    }
    if let Some(shard) = args.shard {
        let said = format!("shard {shard}: {} of {} parts", parts.len(), jobs.len());
        return output::print(&said);
    }
    let metrics = summary::metrics(&parts, config);
    output::write_json(&out.join("metrics.json"), &metrics)?;
    output::write(&out.join("scores.csv"), &summary::scores_csv(&parts)?)?;
    let html = report::html(&parts, &metrics, &bench.parts)?;
    output::write(&out.join("report.html"), html.as_bytes())?;
    output::print(&summary::table(&metrics))?;
    output::print(&format!("report: {}", out.join("report.html").display()))
}

/// Each class once, with the largest of its draws of the first seed.
fn fill_holes(holes: &Holes<'_>, jobs: &[Job], out: &Path) -> Outcome {
    let mut rows = Vec::new();
    let first_seed = jobs.first().map(|job| job.seed);
    let mut largest: BTreeMap<&str, &Job> = BTreeMap::new();
    for job in jobs.iter().filter(|job| Some(job.seed) == first_seed) {
        let slot = largest.entry(&job.class.name).or_insert(job);
        if job.k_shot > slot.k_shot {
            *slot = job;
        }
    }
    for (name, job) in largest {
        let sheet = out.join(format!("holes-{name}.png"));
        rows.extend(holes.class(&job.class, &job.good, &sheet)?);
    }
    output::write_json(
        &out.join("holes.json"),
        &json!({ "schema": "anomalysd.holes.v1", "rows": &rows }),
    )?;
    output::print(&holes::table(&rows))
}

/// The classes of these names, or all, each with at most `subset` photos of a kind; both kinds have to be there.
pub fn chosen_classes(
    dataset: &Dataset,
    names: &[String],
    subset: Option<usize>,
) -> Outcome<Vec<Class>> {
    for wanted in names {
        if !dataset.classes.iter().any(|class| class.name == *wanted) {
            let known: Vec<&str> = dataset.classes.iter().map(|c| c.name.as_str()).collect();
            return Err(CliError::Input(format!(
                "--classes: no class `{wanted}` in {}; there are {}",
                dataset.root.display(),
                known.join(", ")
            )));
        }
    }
    let all = || dataset.classes.iter().cloned();
    let chosen = all().filter(|class| names.is_empty() || names.contains(&class.name));
    chosen
        .map(|class| {
            let class = match subset {
                Some(count) => class.subset(count),
                None => class,
            };
            let good = class.test.iter().filter(|photo| photo.defect.is_none()).count();
            if good == 0 || good == class.test.len() {
                return Err(CliError::Input(format!(
                    "class `{}` has {good} good and {} defective test photos; both kinds are needed",
                    class.name,
                    class.test.len() - good
                )));
            }
            Ok(class)
        })
        .collect()
}

/// Says how many defects nobody marked.
fn say_unmarked(class: &Class) {
    let defective = || class.test.iter().filter(|photo| photo.defect.is_some());
    let unmarked = defective().filter(|photo| photo.mask.is_none()).count();
    if unmarked > 0 {
        eprintln!(
            "{}: {unmarked} of {} defective photos have no ground truth; they count for photo scores alone",
            class.name,
            defective().count()
        );
    }
}

fn jobs(args: &EvalArgs, classes: Vec<Class>) -> Outcome<Vec<Job>> {
    let draws_named = !args.k_shot.is_empty() || !args.seeds.is_empty() || args.draws.is_some();
    if args.profile.is_some() && !args.holes && draws_named {
        return Err(CliError::Input(
            "--profile is measured as it is: --k-shot, --seeds and --draws go with --holes alone"
                .into(),
        ));
    }
    let given = args.draws.as_deref().map(Draws::read).transpose()?;
    let mut jobs = Vec::new();
    for class in classes {
        // The holes of a profile's model are filled with the good photos of the draws as references.
        if args.profile.is_some() && !args.holes {
            jobs.push(Job {
                class,
                k_shot: 0,
                seed: 0,
                good: Vec::new(),
            });
            continue;
        }
        for &k_shot in args.k_shots() {
            for &seed in args.draw_seeds() {
                let good = drawn(given.as_ref(), &class, k_shot, seed)?;
                jobs.push(Job {
                    class: class.clone(),
                    k_shot,
                    seed,
                    good,
                });
            }
        }
    }
    Ok(jobs)
}

/// The good photos of one draw: a given one, or the seed's own.
pub fn drawn(
    given: Option<&Draws>,
    class: &Class,
    k_shot: usize,
    seed: u64,
) -> Outcome<Vec<PathBuf>> {
    let Some(draws) = given else {
        return Ok(draw(class, k_shot, seed)?);
    };
    Ok(draws.get(class, k_shot, seed)?)
}

/// What is true of a test photo, with its mask where there is one.
pub fn truth_of(test: &TestPhoto, photo: &Photo) -> Outcome<Truth> {
    let mask = match (&test.defect, &test.mask) {
        (None, _) => Some(Mask::new(photo.width, photo.height)),
        (Some(_), Some(path)) => Some(photos::read_mask(path, test.labels, photo)?),
        (Some(_), None) => None,
    };
    Ok(Truth {
        defective: test.defect.is_some(),
        mask,
    })
}

fn config(
    args: &EvalArgs,
    profile_sha256: Option<&str>,
    engine: &Engine,
    features: &Features<'_>,
    options: &DetectOptions,
) -> Outcome<Value> {
    let options = serde_json::to_value(options)
        .map_err(|error| CliError::Internal(format!("options: {error}")))?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "data": args.data,
        "profile": args.profile,
        "profile_sha256": profile_sha256,
        "k_shot": args.k_shots(),
        "seeds": args.draw_seeds(),
        "draws": args.draws,
        "subset": args.subset,
        "model": engine.model_identity(),
        "features": features_identity(features),
        "device": engine.chosen.name,
        "options": options,
    }))
}

fn read_part(path: &Path) -> Option<Part> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Job {
    /// That of its part's files.
    fn name(&self) -> String {
        format!("{}-k{}-s{}", self.class.name, self.k_shot, self.seed)
    }
}

impl Bench<'_> {
    /// The part from its file, or measured now.
    fn part(&self, job: &Job, class: Option<&ClassModel>, pictures: bool) -> Outcome<Part> {
        if let Some(part) = self.kept(job, pictures)? {
            return Ok(part);
        }
        let depends_on = self.depends_on(job, pictures)?;
        let part = self.measure(job, class, depends_on, &job.name(), pictures)?;
        let path = self.path(job);
        output::write_json(&path, &part)?;
        // Reading JSON rounds a last digit here and there: both calls use what was read.
        read_part(&path).ok_or_else(|| CliError::at(&path, "cannot be read back"))
    }

    /// The part from its file, where that is of these photos, these options and this program.
    fn kept(&self, job: &Job, pictures: bool) -> Outcome<Option<Part>> {
        let depends_on = self.depends_on(job, pictures)?;
        Ok(read_part(&self.path(job)).filter(|part| part.depends_on == depends_on))
    }

    fn path(&self, job: &Job) -> PathBuf {
        self.parts.join(format!("{}.json", job.name()))
    }

    /// Hash of the configuration, the prompts and all that is read for the job.
    fn depends_on(&self, job: &Job, pictures: bool) -> Outcome<String> {
        let mut config = self.config.clone();
        if let Some(fields) = config.as_object_mut() {
            // Which other parts are asked for changes nothing here.
            for field in ["k_shot", "seeds", "draws", "subset"] {
                fields.remove(field);
            }
        }
        let prompts = self.prompts.get(&job.class.name);
        let depends = json!({
            "program": self.hashes.program(),
            "config": config,
            "good": job.good.iter().map(|path| self.hashes.file(path)).collect::<Vec<_>>(),
            "test": job
                .class
                .test
                .iter()
                .map(|photo| {
                    let mask = photo.mask.as_deref().map(|path| self.hashes.file(path));
                    (self.hashes.file(&photo.path), &photo.defect, mask)
                })
                .collect::<Vec<_>>(),
            "prompts": { "both": prompts.both(), "detail": prompts.detail() },
            "pictures": pictures,
        });
        Ok(hex(&Sha256::digest(output::to_json(&depends)?)))
    }

    fn measure(
        &self,
        job: &Job,
        class: Option<&ClassModel>,
        depends_on: String,
        name: &str,
        pictures: bool,
    ) -> Outcome<Part> {
        let reporter = Reporter::new(name, self.quiet);
        let good = job
            .good
            .iter()
            .map(|path| photos::read(path))
            .collect::<Outcome<Vec<Photo>>>()?;
        let control = Control {
            progress: &|progress| {
                reporter.within(0, job.class.test.len() + good.len().max(1), progress)
            },
            cancelled: &cancelled,
            now_ms: &now_ms,
            ..Control::default()
        };
        let (baseline, fitted);
        let class = if let Some(class) = class {
            baseline = None;
            class
        } else {
            baseline = Some(Nearest::fit(self.features, &good)?);
            let prompts = self.prompts.get(&job.class.name);
            fitted = pollster::block_on(self.detector.fit(&prompts, &good, &control))?;
            &fitted
        };
        let prepared = pollster::block_on(self.detector.prepare(class, &control))?;
        let count = job.class.test.len();
        let mut judged: BTreeMap<Method, Vec<Judged>> = BTreeMap::new();
        let mut truth = Vec::with_capacity(count);
        let mut tested = Vec::with_capacity(count);
        let mut times = Vec::with_capacity(count);
        let mut gallery = Gallery::default();
        for (index, test) in job.class.test.iter().enumerate() {
            let photo = photos::read(&test.path)?;
            let known = truth_of(test, &photo)?;
            if let Some(baseline) = &baseline {
                let (map, score) = baseline.judge(self.features, &photo)?;
                let (by_variant, parts) = Default::default();
                let all = judged.entry(Method::NearestNeighbour).or_default();
                all.push(Judged {
                    map,
                    score,
                    by_variant,
                    parts,
                });
            }
            let control = Control {
                progress: &|progress| reporter.within(index + 1, count + 1, progress),
                cancelled: &cancelled,
                now_ms: &now_ms,
                ..Control::default()
            };
            let began = now_ms();
            let judging = self.detector.detect_prepared(&prepared, &photo, &control);
            let detection = pollster::block_on(judging)?;
            times.push(now_ms() - began);
            let with_model = self.detector.has_model();
            for (method, one) in of_detection(&detection, self.detector.options(), with_model) {
                judged.entry(method).or_default().push(one);
            }
            let shown = test.path.strip_prefix(&self.root).unwrap_or(&test.path);
            let shown = shown.display().to_string();
            if pictures {
                gallery.offer(
                    &detection,
                    &shown,
                    test.defect.is_some(),
                    known.mask.as_ref(),
                );
            }
            tested.push(TestedPhoto {
                path: shown,
                defect: test.defect.clone(),
                verdict: detection.verdict.to_string(),
            });
            truth.push(known);
        }
        let threshold = |method| {
            let judged_by = if judged.contains_key(&Method::AnomalySd) {
                Method::AnomalySd
            } else {
                Method::FeaturesOnly
            };
            (method == judged_by).then_some(class.calibration.threshold)
        };
        let squeezed: Vec<Truth> = truth.iter().map(nearest::squeezed).collect();
        let rows = judged
            .iter()
            .map(|(&method, judged)| {
                // The baseline is measured by its own recipe, too: every photo counts the same.
                let own = method == Method::NearestNeighbour;
                let truth = if own { &squeezed } else { &truth };
                row(method, judged, truth, threshold(method))
            })
            .collect();
        let n_defect = truth.iter().filter(|truth| truth.defective).count();
        times.sort_by(f64::total_cmp);
        Ok(Part {
            depends_on,
            class: job.class.name.clone(),
            k_shot: class.good.len(),
            seed: job.seed,
            n_good: count - n_defect,
            n_defect,
            photos: tested,
            rows,
            cases: gallery.write(&self.parts, name)?,
            detect_ms: times.get(times.len() / 2).copied().unwrap_or(0.0),
        })
    }
}

/// The clearest and the most misleading photos so far.
#[derive(Default)]
struct Gallery {
    caught: Option<(f32, String, Vec<Cell>)>,
    missed: Option<(f32, String, Vec<Cell>)>,
    false_alarm: Option<(f32, String, Vec<Cell>)>,
}

impl Gallery {
    fn offer(&mut self, detection: &Detection, path: &str, defective: bool, mask: Option<&Mask>) {
        let score = detection.score;
        let entry = || (score, path.to_owned(), cells(detection, mask));
        let higher = |old: &Option<(f32, String, Vec<Cell>)>| {
            old.as_ref().is_none_or(|(old, ..)| score > *old)
        };
        if defective {
            if higher(&self.caught) {
                self.caught = Some(entry());
            }
            if self.missed.as_ref().is_none_or(|(old, ..)| score < *old) {
                self.missed = Some(entry());
            }
        } else if higher(&self.false_alarm) {
            self.false_alarm = Some(entry());
        }
    }

    fn write(self, folder: &Path, name: &str) -> Outcome<Vec<Case>> {
        let cases = [
            ("defect with the highest score", "caught", self.caught),
            ("defect with the lowest score", "missed", self.missed),
            (
                "good photo with the highest score",
                "false-alarm",
                self.false_alarm,
            ),
        ];
        let mut written = Vec::new();
        for (why, file, case) in cases {
            let Some((score, path, cells)) = case else {
                continue;
            };
            let picture = format!("{name}-{file}.png");
            output::write(
                &folder.join(&picture),
                &encode_png(&panel(&[cells], CASE_HEIGHT)),
            )?;
            written.push(Case {
                why: why.to_owned(),
                path,
                score,
                picture,
            });
        }
        Ok(written)
    }
}

fn cells(detection: &Detection, mask: Option<&Mask>) -> Vec<Cell> {
    let cell = |caption: &str, picture: Photo| Cell {
        caption: caption.to_owned(),
        picture,
    };
    let photo = &detection.measurement.photo;
    let mut cells = vec![
        cell("photo", photo.clone()),
        cell("repaired", detection.repaired.clone()),
        cell("map", heat_map(&detection.scored.map, detection.threshold)),
    ];
    if let Some(mask) = mask {
        let white = |x, y| [f32::from(u8::from(mask.at(x, y))); 3];
        cells.push(cell(
            "truth",
            Photo::from_fn(mask.width, mask.height, white),
        ));
    }
    cells
}
