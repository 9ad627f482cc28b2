//! `fit`: one profile for all classes of a data set.

use std::path::{Path, PathBuf};

use anomalysd_dataset::draws::draw;
use anomalysd_dataset::folder::{Class, Dataset, evenly};
use anomalysd_detect::control::Control;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::profile::Profile;

use super::tune::Plan;
use crate::args::{FitArgs, MOST_FITTED};
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::progress::{Reporter, cancelled, now_ms};
use crate::prompts::PromptList;
use crate::{output, photos, profile};

/// Fits every class, and writes the profile.
pub fn run(args: &FitArgs, quiet: bool) -> Outcome {
    let options = args.method.options();
    let classes = classes(args, options.seed, quiet)?;
    let prompts = PromptList::read(args.prompts.as_deref())?;
    let plan = Plan::new(args, options.seed, quiet)?;
    if args.dry_run {
        for (name, good) in &classes {
            output::print(&format!(
                "{name}: {} good photo(s), \"{}\"",
                good.len(),
                prompts.get(name).both()
            ))?;
        }
        return plan.map_or(Ok(()), |plan| plan.try_out(&classes, &prompts, &options));
    }
    output::check_file(&args.out)?;
    if let Some(plan) = &plan {
        plan.prepare()?;
    }
    let mut engine = Engine::load(&args.engine)?;
    let carried = plan
        .map(|plan| plan.carry_out(&mut engine, &classes, &prompts, &options, quiet))
        .transpose()?;
    let features = engine.features(&args.engine)?;
    let repair = engine.repair();
    let detector =
        Detector::new(repair.as_ref(), &features, options.clone())?.ignoring(args.ignore.places()?);
    let reporter = Reporter::new("fit", quiet);
    let mut fitted = Vec::with_capacity(classes.len());
    for (index, (name, good)) in classes.iter().enumerate() {
        let good = good
            .iter()
            .map(|path| photos::read(path))
            .collect::<Outcome<Vec<_>>>()?;
        let control = Control {
            progress: &|progress| reporter.within(index, classes.len(), progress),
            cancelled: &cancelled,
            now_ms: &now_ms,
            ..Control::default()
        };
        let mut class = pollster::block_on(detector.fit(&prompts.get(name), &good, &control))?;
        class.name.clone_from(name);
        fitted.push(class);
    }
    drop(reporter);
    let (model, features) = profile::weights(&engine, &features);
    let mut made = Profile {
        model,
        features,
        options,
        classes: fitted,
        tuned: carried.as_ref().and_then(|carried| carried.tuned.clone()),
    };
    if args.no_references {
        made = made.without_references();
    }
    profile::write(&args.out, &made)?;
    for class in &made.classes {
        let (n, threshold) = (class.good.len(), class.calibration.threshold);
        let what = profile::counted(&made.options);
        output::print(&format!(
            "{}: {n} {what}, threshold {threshold:.3}",
            class.name
        ))?;
    }
    if let Some(carried) = &carried {
        let report = carried.report(&made)?;
        output::print(&format!("report: {}", report.display()))?;
    }
    output::print(&args.out.display().to_string())
}

/// Classes and their good photos: a data set, one class of it, or a folder of good photos.
fn classes(args: &FitArgs, seed: u64, quiet: bool) -> Outcome<Vec<(String, Vec<PathBuf>)>> {
    let flat = photos_inside(&args.data);
    let (dataset, flat) = match (Dataset::read(&args.data), flat) {
        (Ok(dataset), _) => (dataset.classes, None),
        (Err(_), Some(good)) => (Vec::new(), Some(good)),
        (Err(error), None) => return Err(error.into()),
    };
    if let Some(good) = flat {
        let name = args
            .class
            .clone()
            .unwrap_or_else(|| folder_name(&args.data));
        let class = Class {
            name: name.clone(),
            train_good: good,
            test: Vec::new(),
        };
        return Ok(vec![(name, chosen(args, &class, seed, quiet)?)]);
    }
    if let (Some(_), count @ 2..) = (&args.class, dataset.len()) {
        return Err(CliError::Input(format!(
            "--class: {} has {count} classes with names of their own",
            args.data.display()
        )));
    }
    dataset
        .iter()
        .map(|class| {
            let name = args.class.clone().unwrap_or_else(|| class.name.clone());
            Ok((name, chosen(args, class, seed, quiet)?))
        })
        .collect()
}

/// The good photos of a class that are fitted on: a draw, or all within reason.
fn chosen(args: &FitArgs, class: &Class, seed: u64, quiet: bool) -> Outcome<Vec<PathBuf>> {
    if let Some(k) = args.k_shot {
        if k == 0 {
            let reason = "--k-shot 0: at least one good photo of a class is needed";
            return Err(CliError::Input(reason.into()));
        }
        return Ok(draw(class, k, seed)?);
    }
    let all = &class.train_good;
    if all.len() > MOST_FITTED && !quiet {
        eprintln!(
            "{}: {MOST_FITTED} of {} good photos, at even distances; --k-shot takes another number, \
             and `calibrate` makes use of the others",
            class.name,
            all.len()
        );
    }
    Ok(evenly(all.clone(), MOST_FITTED))
}

fn photos_inside(folder: &Path) -> Option<Vec<PathBuf>> {
    anomalysd_dataset::folder::photos(folder).ok()
}

fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(
        || "object".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}
