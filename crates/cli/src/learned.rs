//! Good photos as weights are tuned on them: what `fit --tune` and `ablate --tune` share.

use std::path::{Path, PathBuf};

use anomalysd_detect::features::Features;
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_diffusion::checkpoint::ModelParts;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::{ForegroundMode, Mask, Photo, foreground, resize_lanczos};
use anomalysd_train::tune::{GoodPhoto, Options, Task, TuneClass};

use crate::args::ForegroundChoice;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::photos;
use crate::progress::cancelled;

/// Classes by name, with the files of their good photos.
pub type Chosen = [(String, Vec<PathBuf>)];

/// Classes with their photos and foregrounds, and the scales that a detection of them paints.
pub struct Learned {
    /// One for each class.
    pub classes: Vec<TuneClass>,
    /// Cells per side.
    pub scales: Vec<usize>,
}

impl Learned {
    /// Reads the photos as the detector sees them, and finds the part on each: by `part`, or automatically. The same
    /// photo under two names is taken once, which is said.
    pub fn new(
        detector: &Detector<'_, DiffusionRepair<'_>, Features<'_>>,
        chosen: &Chosen,
        prompts: impl Fn(&str) -> Prompts,
        part: Option<&ForegroundChoice>,
        quiet: bool,
    ) -> Outcome<Self> {
        let automatic = ForegroundChoice::Mode(ForegroundMode::Auto);
        let part = part.unwrap_or(&automatic);
        let mut classes = Vec::with_capacity(chosen.len());
        for (name, files) in chosen {
            let mut good = Vec::with_capacity(files.len());
            let mut shown: Vec<Photo> = Vec::with_capacity(files.len());
            let mut taken: Vec<&Path> = Vec::with_capacity(files.len());
            for file in files {
                if cancelled() {
                    return Err(CliError::Interrupted);
                }
                let photo = photos::read(file)?;
                if let Some(first) = shown.iter().position(|other| *other == photo) {
                    // As each other's reference they would teach to copy.
                    if !quiet {
                        let (first, again) = (taken[first].display(), file.display());
                        eprintln!("{again} is the same photo as {first}: tuned on once");
                    }
                    continue;
                }
                let seen = detector.shown(&photo);
                good.push(GoodPhoto {
                    foreground: pixels_of(part, name, file, &photo, &seen)?,
                    photo: seen,
                });
                shown.push(photo);
                taken.push(file);
            }
            classes.push(TuneClass {
                name: name.clone(),
                prompts: prompts(name),
                photos: good,
                turns: pollster::block_on(detector.allowed_turns(&shown))?,
            });
        }
        let scales = detector.scales();
        Ok(Self { classes, scales })
    }

    /// The task of tuning a model on these classes for such detections, which Ctrl-C stops; with `resume`, from the
    /// newest checkpoints in `work`.
    pub fn task<'a>(
        &'a self,
        model: &'a InpaintModel,
        parts: &'a ModelParts,
        detection: &'a DetectOptions,
        work: &'a Path,
        resume: bool,
    ) -> Task<'a> {
        Task {
            model,
            parts,
            classes: &self.classes,
            scales: &self.scales,
            detection,
            work,
            resume,
            stops: &cancelled,
        }
    }
}

/// The pixels of the part on a photo as the detector sees it.
fn pixels_of(
    part: &ForegroundChoice,
    class: &str,
    file: &Path,
    photo: &Photo,
    seen: &Photo,
) -> Outcome<Mask> {
    match part {
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

/// The options as they are for the engine's device.
pub fn on_device(options: &Options, engine: &Engine) -> Options {
    let mut options = options.clone();
    if engine.chosen.name != "cpu" {
        // One queue: workers would only take turns.
        options.workers = 1;
    }
    options
}
