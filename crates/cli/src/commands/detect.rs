//! `detect`: photos in, verdicts out.

use std::path::{Path, PathBuf};

use anomalysd_detect::control::Control;
use anomalysd_detect::features::Features;
use anomalysd_detect::pipeline::{ClassModel, Detection, Detector, PreparedClass};
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_detect::report::{DetectionResult, Shared};
use anomalysd_detect::verdict::Verdict;
use anomalysd_imaging::Photo;

use super::explain;
use crate::args::{DetectArgs, FailOn, Format};
use crate::cache::{Conditions, Slot};
use crate::engine::{Engine, features_identity};
use crate::error::{CliError, Outcome};
use crate::progress::{Reporter, cancelled, now_ms};
use crate::prompts::PromptList;
use crate::{output, photos, pictures, profile};

/// The class that photos without one belong to.
const UNNAMED: &str = "object";

/// Judges every photo; one that cannot be judged does not stop the others.
pub fn run(args: &DetectArgs, quiet: bool) -> Outcome {
    for folder in [&args.out, &args.explain].into_iter().flatten() {
        output::check_folder(folder)?;
    }
    let images = photos::listed(&args.images)?;
    let good = photos::listed(&args.good)?;
    let prompts = PromptList::read(args.prompts.as_deref())?;
    let profile = args.profile.as_deref().map(profile::read).transpose()?;
    let ignored = args.ignore.places()?;
    // Good photos first: without them nothing can be judged, and loading a model takes a while.
    let good = good
        .iter()
        .map(|path| photos::read_with_bytes(path))
        .collect::<Outcome<Vec<(Photo, Vec<u8>)>>>()?;
    let own = profile.as_ref().map(|(profile, _)| profile);
    let engine = Engine::load_for(&args.engine, own)?;
    let features = engine.features(&args.engine)?;
    let repair = engine.repair();
    let options = match &profile {
        Some((profile, _)) => {
            profile::check(profile, &engine, &features)?;
            args.method.over(profile.options.clone())
        }
        None => args.method.options(),
    };
    let shared = Shared {
        model: engine.model_identity(),
        features: features_identity(&features),
        profile: profile.as_ref().map(|(_, sha256)| sha256.clone()),
        device: engine.chosen.name.clone(),
        mode: options.mode,
        seed: options.seed,
    };
    let mut detector = Detector::new(repair.as_ref(), &features, options.clone())?
        .ignoring(ignored.clone())
        .smallest(args.min_area);
    if args.explain.is_some() {
        detector = detector.keeping_intermediates();
    }
    let fitted;
    let class = match &profile {
        Some((profile, _)) => profile.choose(args.class.as_deref())?,
        None => {
            let class = args.class.as_deref();
            let conditions = Conditions {
                engine: &engine,
                features: &features,
                options: &options,
                class,
                ignored: &ignored,
                prompts: &prompts.get(class.unwrap_or(UNNAMED)),
            };
            fitted = fit(&detector, args, &conditions, good, quiet)?;
            &fitted
        }
    };
    let control = Control {
        cancelled: &cancelled,
        now_ms: &now_ms,
        ..Control::default()
    };
    let prepared = pollster::block_on(detector.prepare(class, &control))?;
    let judge = Judge {
        args,
        detector,
        class: prepared,
        shared,
        quiet,
    };
    judge.all(&images)
}

/// The class from the cache, else fitted and kept.
fn fit(
    detector: &Detector<'_, DiffusionRepair<'_>, Features<'_>>,
    args: &DetectArgs,
    conditions: &Conditions<'_>,
    good: Vec<(Photo, Vec<u8>)>,
    quiet: bool,
) -> Outcome<ClassModel> {
    let (good, bytes): (Vec<Photo>, Vec<Vec<u8>>) = good.into_iter().unzip();
    let slot = (!args.no_cache)
        .then(|| Slot::new(conditions, &bytes))
        .flatten();
    if let Some(class) = slot.as_ref().and_then(|slot| slot.read(conditions)) {
        return Ok(class);
    }
    let reporter = Reporter::new("fit", quiet);
    let control = Control {
        progress: &|progress| reporter.within(0, 1, progress),
        cancelled: &cancelled,
        now_ms: &now_ms,
        ..Control::default()
    };
    let fitted = detector.fit(conditions.prompts, &good, &control);
    let mut class = pollster::block_on(fitted)?;
    if let Some(name) = conditions.class {
        class.name = name.to_owned();
    }
    if let Some(slot) = slot {
        slot.write(conditions, &class);
    }
    Ok(class)
}

struct Judge<'a> {
    args: &'a DetectArgs,
    detector: Detector<'a, DiffusionRepair<'a>, Features<'a>>,
    class: PreparedClass<'a, DiffusionRepair<'a>>,
    shared: Shared,
    quiet: bool,
}

impl Judge<'_> {
    fn all(&self, images: &[PathBuf]) -> Outcome {
        let stems = photos::unique_stems(images);
        let mut batch = Batch::new(self.args.format);
        let reporter = Reporter::new("detect", self.quiet);
        // Names of results are given to all photos first, so that no two shards take the same.
        let own: Vec<(&PathBuf, &String)> = images
            .iter()
            .zip(&stems)
            .enumerate()
            .filter(|(position, _)| self.args.shard.is_none_or(|shard| shard.takes(*position)))
            .map(|(_, named)| named)
            .collect();
        for (index, (path, stem)) in own.iter().enumerate() {
            batch.take(self.one(path, stem, index, own.len(), &reporter))?;
            if batch.interrupted {
                break;
            }
        }
        drop(reporter);
        batch.printer.finish()?;
        if !self.quiet && self.args.format == Format::Table {
            eprintln!("{}", self.class.model().calibration.support());
        }
        if let Some(out) = &self.args.out
            && !self.quiet
        {
            eprintln!("pictures: {}", out.display());
        }
        batch.end(own.len(), self.args.fail_on)
    }

    fn one(
        &self,
        path: &Path,
        stem: &str,
        index: usize,
        count: usize,
        reporter: &Reporter,
    ) -> Outcome<DetectionResult> {
        let began = now_ms();
        let photo = photos::read(path)?;
        let decode_ms = now_ms() - began;
        let control = Control {
            progress: &|progress| reporter.within(index, count, progress),
            cancelled: &cancelled,
            now_ms: &now_ms,
            ..Control::default()
        };
        let detection: Detection =
            pollster::block_on(self.detector.detect_prepared(&self.class, &photo, &control))?;
        let shown = path.display().to_string();
        let class = self.class.model();
        let mut result = DetectionResult::new(shown, decode_ms, class, &detection, &self.shared);
        if let Some(out) = &self.args.out {
            pictures::write(&out.join(stem), &mut result, &detection)?;
        }
        if let Some(folder) = &self.args.explain {
            // One photo gets the folder itself, several a folder each.
            let folder = if count == 1 && self.args.shard.is_none() {
                folder.clone()
            } else {
                folder.join(stem)
            };
            explain::write(
                &folder,
                &result,
                &detection,
                &self.class.model().calibration,
            )?;
        }
        // A result that names no file of the map carries its values.
        if self.args.out.is_none() && matches!(self.args.format, Format::Json | Format::Jsonl) {
            result.map.data = Some(pictures::base64(&detection.scored.map));
        }
        Ok(result)
    }
}

/// What has become of a batch so far.
struct Batch {
    printer: Printer,
    worst: Verdict,
    /// Photos that the user has to mend.
    refused: usize,
    /// Photos on which we failed.
    broken: usize,
    interrupted: bool,
}

impl Batch {
    fn new(format: Format) -> Self {
        Self {
            printer: Printer::new(format),
            worst: Verdict::Ok,
            refused: 0,
            broken: 0,
            interrupted: false,
        }
    }

    /// Takes what came of one photo: an error is said here and now, and counted.
    fn take(&mut self, judged: Outcome<DetectionResult>) -> Outcome {
        match judged {
            Ok(result) => {
                self.worst = self.worst.max(result.verdict);
                return self.printer.add(result);
            }
            Err(CliError::Interrupted) => self.interrupted = true,
            Err(error) => {
                match error {
                    CliError::Internal(_) => self.broken += 1,
                    _ => self.refused += 1,
                }
                eprintln!("anomalysd: {error}");
            }
        }
        Ok(())
    }

    /// How the command ends.
    fn end(&self, count: usize, fail_on: Option<FailOn>) -> Outcome {
        if self.interrupted {
            return Err(CliError::Interrupted);
        }
        let failed = self.refused + self.broken;
        let said = format!("{failed} of {count} photos could not be judged");
        match (self.broken, self.refused) {
            (0, 0) => {}
            (0, _) => return Err(CliError::Input(said)),
            _ => return Err(CliError::Internal(said)),
        }
        let limit = match fail_on {
            None => return Ok(()),
            Some(FailOn::Suspect) => Verdict::Suspect,
            Some(FailOn::Anomalous) => Verdict::Anomalous,
        };
        if self.worst >= limit {
            let worst = self.worst;
            return Err(CliError::FailOn(format!("--fail-on: a photo is {worst}")));
        }
        Ok(())
    }
}

/// Results on stdout.
struct Printer {
    format: Format,
    results: Vec<DetectionResult>,
}

impl Printer {
    fn new(format: Format) -> Self {
        Self {
            format,
            results: Vec::new(),
        }
    }

    fn add(&mut self, result: DetectionResult) -> Outcome {
        if self.format == Format::Jsonl {
            let line = serde_json::to_string(&result)
                .map_err(|error| CliError::Internal(format!("JSON: {error}")))?;
            return output::print(&line);
        }
        self.results.push(result);
        Ok(())
    }

    fn finish(&self) -> Outcome {
        match self.format {
            Format::Jsonl => Ok(()),
            Format::Json => output::print(&output::to_json(&self.results)?),
            Format::Csv => output::print(csv_text(&self.results)?.trim_end()),
            Format::Table if self.results.is_empty() => Ok(()),
            Format::Table => output::print(table(&self.results).trim_end()),
        }
    }
}

fn p_text(result: &DetectionResult) -> String {
    match result.p_value {
        None => "-".into(),
        Some(p) if result.p_approximate => format!("~{p:.3}"),
        Some(p) => format!("{p:.3}"),
    }
}

fn table(results: &[DetectionResult]) -> String {
    let longest = results
        .iter()
        .map(|result| result.image.chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    let mut text = format!(
        "{:<longest$}  {:<9}  {:>7}  {:>9}  {:>7}  regions\n",
        "photo", "verdict", "score", "threshold", "p"
    );
    for result in results {
        let regions: Vec<String> = result
            .regions
            .iter()
            .take(3)
            .map(|region| {
                format!(
                    "{}x{} at {},{}",
                    region.width, region.height, region.x, region.y
                )
            })
            .collect();
        text.push_str(&format!(
            "{:<longest$}  {:<9}  {:>7.3}  {:>9.3}  {:>7}  {}\n",
            result.image,
            result.verdict.to_string(),
            result.score,
            result.threshold,
            p_text(result),
            regions.join("; ")
        ));
    }
    text
}

fn csv_text(results: &[DetectionResult]) -> Outcome<String> {
    let failed = |error: String| CliError::Internal(format!("CSV: {error}"));
    let mut csv = csv::Writer::from_writer(Vec::new());
    let head = [
        "image",
        "class",
        "verdict",
        "score",
        "threshold",
        "p_value",
        "p_approximate",
        "regions",
    ];
    csv.write_record(head)
        .map_err(|error| failed(error.to_string()))?;
    for result in results {
        let p = result.p_value.map_or_else(String::new, |p| p.to_string());
        csv.write_record([
            result.image.as_str(),
            &result.class,
            &result.verdict.to_string(),
            &result.score.to_string(),
            &result.threshold.to_string(),
            &p,
            &result.p_approximate.to_string(),
            &result.regions.len().to_string(),
        ])
        .map_err(|error| failed(error.to_string()))?;
    }
    let bytes = csv
        .into_inner()
        .map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use anomalysd_detect::options::Mode;
    use anomalysd_detect::report::{CalibrationSummary, Identity, MapFile, SCHEMA};
    use anomalysd_detect::verdict::CalibrationKind;

    use super::*;

    fn result(verdict: Verdict) -> DetectionResult {
        DetectionResult {
            schema: SCHEMA,
            image: "a.png".into(),
            class: "nut".into(),
            score: 1.0,
            p_value: None,
            p_approximate: false,
            threshold: 1.0,
            verdict,
            calibration: CalibrationSummary {
                kind: CalibrationKind::Views,
                n: 7,
                false_alarm_rate_supported: None,
                stale: false,
                peak: 1.0,
            },
            regions: Vec::new(),
            map: MapFile {
                width: 1,
                height: 1,
                max: 1.0,
                file: None,
                data: None,
            },
            repaired: None,
            model: None,
            features: Identity {
                name: "vae".into(),
                sha256: String::new(),
            },
            profile: None,
            device: "cpu".into(),
            mode: Mode::Fast,
            seed: 0,
            timings_ms: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_batch_goes_on_after_any_error_of_one_photo_and_ends_with_the_gravest() {
        let refused = || Err(CliError::Input("cut".into()));
        let broken = || Err(CliError::Internal("NaN".into()));
        let fine = || Ok(result(Verdict::Ok));
        let bad = || Ok(result(Verdict::Anomalous));
        let interrupted = || Err(CliError::Interrupted);
        let cases: [(Vec<Outcome<DetectionResult>>, u8, usize); 6] = [
            (vec![fine(), fine()], 0, 2),
            (vec![refused(), fine()], 2, 1),
            (vec![broken(), fine(), refused()], 1, 1),
            (vec![fine(), bad(), fine()], 3, 3),
            (vec![refused(), bad()], 2, 1),
            (vec![fine(), broken(), interrupted()], 130, 1),
        ];
        for (outcomes, code, printed) in cases {
            let count = outcomes.len();
            let mut batch = Batch::new(Format::Table);
            for outcome in outcomes {
                assert!(!batch.interrupted);
                batch.take(outcome).unwrap();
            }
            assert_eq!(batch.printer.results.len(), printed);
            let ended = batch.end(count, Some(FailOn::Suspect));
            assert_eq!(ended.map_or_else(|error| error.exit_code(), |()| 0), code);
        }
    }
}
