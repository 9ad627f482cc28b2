//! Fitting and judging, with what a user may interrupt and what is painted once for several configurations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anomalysd_detect::control::{Control, PaintedPasses};
use anomalysd_detect::features::Features;
use anomalysd_detect::pipeline::{ClassModel, Detection, Detector, PreparedClass};
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_imaging::Photo;

use crate::error::Outcome;
use crate::photos;
use crate::progress::{cancelled, now_ms};

/// A detector with the command's own repair and features.
pub type OwnDetector<'a> = Detector<'a, DiffusionRepair<'a>, Features<'a>>;

/// Passes that the default painted on a photo, for those that compare them otherwise.
#[derive(Default)]
pub struct Painted(RefCell<BTreeMap<String, Photo>>);

impl PaintedPasses for Painted {
    fn get(&self, key: &str) -> Option<Photo> {
        self.0.borrow().get(key).cloned()
    }

    fn put(&self, key: &str, painted: &Photo) {
        self.0.borrow_mut().insert(key.to_owned(), painted.clone());
    }
}

/// Photos of files; an error names the first that cannot be read.
pub fn read_all(paths: &[PathBuf]) -> Outcome<Vec<Photo>> {
    paths.iter().map(|path| photos::read(path)).collect()
}

fn control() -> Control<'static> {
    Control {
        cancelled: &cancelled,
        now_ms: &now_ms,
        ..Control::default()
    }
}

/// Fits a class.
pub fn fit(detector: &OwnDetector<'_>, prompts: &Prompts, good: &[Photo]) -> Outcome<ClassModel> {
    Ok(pollster::block_on(detector.fit(prompts, good, &control()))?)
}

/// Makes a class ready.
pub fn prepare<'c, 'r>(
    detector: &OwnDetector<'r>,
    class: &'c ClassModel,
) -> Outcome<PreparedClass<'c, DiffusionRepair<'r>>> {
    Ok(pollster::block_on(detector.prepare(class, &control()))?)
}

/// Judges a photo; what is painted already is not painted again.
pub fn detect<'r>(
    detector: &OwnDetector<'r>,
    class: &PreparedClass<'_, DiffusionRepair<'r>>,
    photo: &Photo,
    painted: &Painted,
) -> Outcome<Detection> {
    let control = Control {
        painted,
        ..control()
    };
    let judging = detector.detect_prepared(class, photo, &control);
    Ok(pollster::block_on(judging)?)
}
