//! Configurations whose weights are tuned before they are measured (METHOD § 7): the stages, the holes and
//! the prompts that are tuned with.
//!
//! One model is tuned for all classes of a draw, in a folder of its own below the output, where a run that was
//! stopped continues.

use std::path::{Path, PathBuf};

use anomalysd_detect::options::DetectOptions;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::ForegroundMode;
use anomalysd_train::stage::Control;
use anomalysd_train::tune::{Method, Options, run};

use super::judging::OwnDetector;
use super::trials::{Group, Line, Trial};
use crate::args::{AblateArgs, ForegroundChoice};
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::learned::{Chosen, Learned, on_device};
use crate::progress::{Reporter, cancelled};
use crate::prompts::PromptList;
use crate::{model, output};

/// The line that tuned lines of another tuning are compared with.
const UNET: &str = "tuned-unet";

/// How the weights of a configuration are tuned.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Constants.
    pub options: Options,
    /// Where rectangles may be hidden.
    pub part: ForegroundChoice,
    /// The prompts are the class's name alone.
    name_only: bool,
}

/// The tuned configurations of the flags; none without `--tune`.
pub fn trials(args: &AblateArgs, base: &DetectOptions) -> Outcome<Vec<Trial>> {
    let flags = &args.tuning;
    let checked = flags.checked(&args.engine, &args.method, base.seed)?;
    for (flag, given) in [("--work", &flags.work), ("--resume", &flags.resume)] {
        if given.is_some() {
            return Err(CliError::Input(format!(
                "{flag}: `ablate` keeps a folder for each tuning below --out, and continues there"
            )));
        }
    }
    if flags.dashboard {
        let reason = "--dashboard: `ablate` tunes several models and shows one line for all";
        return Err(CliError::Input(reason.into()));
    }
    let Some(options) = checked else {
        return Ok(Vec::new());
    };
    let all = all(options, flags.foreground.clone(), base);
    for tuning in all.iter().filter_map(|own| own.tuning.as_ref()) {
        // The decoder alone is no stage that the others could be compared with.
        tuning.options.validate()?;
    }
    Ok(all)
}

fn all(options: Options, part: Option<ForegroundChoice>, base: &DetectOptions) -> Vec<Trial> {
    let method = match options.method {
        Method::Lora => "LoRA",
        Method::Full => "all weights",
    };
    let auto = ForegroundChoice::Mode(ForegroundMode::Auto);
    let tuning = Tuning {
        options,
        part: part.unwrap_or(auto),
        name_only: false,
    };
    let mut unet = tuning.clone();
    unet.options.decoder.max_train_steps = 0;
    let mut rectangles = unet.clone();
    (
        rectangles.options.unet.rectangle_share,
        rectangles.options.unet.pass_share,
    ) = (1.0, 0.0);
    let mut anywhere = rectangles.clone();
    anywhere.part = ForegroundChoice::Mode(ForegroundMode::Full);
    let mut named = unet.clone();
    named.name_only = true;
    let trial = |name: &str, label: String, against: Option<&str>, own: Tuning| {
        let mut line = Line::new(Group::Tuned, name, label);
        if let Some(against) = against {
            line.against = against.into();
        }
        Trial {
            line,
            options: base.clone(),
            name_only: own.name_only,
            few: false,
            paints_alike: false,
            tuning: Some(own),
        }
    };
    let label = |what: &str| format!("U-Net ({method}) tuned {what}");
    vec![
        trial(UNET, format!("U-Net tuned ({method})"), None, unet),
        trial(
            "tuned",
            format!("U-Net ({method}) and decoder tuned"),
            None,
            tuning,
        ),
        trial(
            "tuned-rectangles",
            label("on rectangles anywhere alone"),
            Some(UNET),
            anywhere,
        ),
        trial(
            "tuned-foreground",
            label("on rectangles on the part alone"),
            Some(UNET),
            rectangles,
        ),
        trial(
            "tuned-class-name",
            label("with the class's name alone"),
            Some(UNET),
            named,
        ),
    ]
}

/// Tunes a model on the classes of a draw; in a folder that a run has left it continues.
pub fn tune(
    tuning: &Tuning,
    engine: &Engine,
    args: &AblateArgs,
    (detector, chosen, prompts): (&OwnDetector<'_>, &Chosen, &PromptList),
    (name, work): (&str, &Path),
    quiet: bool,
) -> Outcome<InpaintModel> {
    let parts = || -> Outcome<_> {
        let none = || CliError::Input("--model none: there is nothing to tune".into());
        model::open(&args.engine.model)?.ok_or_else(none)
    };
    let named = |class: &str| {
        let mut own = prompts.get(class);
        if tuning.name_only {
            own.parts = None;
        }
        own
    };
    let learned = Learned::new(detector, chosen, named, Some(&tuning.part), quiet)?;
    let opened = parts()?;
    let work: PathBuf = output::folder(work)?;
    let task = learned.task(engine.tuned_on()?, &opened, detector.options(), &work, true);
    let options = on_device(&tuning.options, engine);
    let reporter = Reporter::new(name, quiet);
    let steps = (
        options.unet.max_train_steps,
        options.decoder.max_train_steps,
    );
    let whole = (steps.0 + steps.1).max(1) as f64;
    let tuned = run(&task, &options, &mut |progress| {
        // The U-Net comes first.
        let before = if progress.steps == steps.0 && progress.stage == "tune-unet" {
            0
        } else {
            steps.0
        };
        reporter.set((before + progress.step) as f64 / whole);
        if cancelled() {
            Control::Stop
        } else {
            Control::Continue
        }
    })?;
    Ok(InpaintModel::assemble(
        &tuned.merge_into(parts()?)?,
        &engine.chosen.device,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tuning_is_another_one_and_only_one_trains_the_decoder() {
        let base = DetectOptions::default();
        let all = all(Options::default(), None, &base);
        let of = |own: &Trial| own.tuning.clone().unwrap();
        let names: Vec<&str> = all.iter().map(|own| own.line.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "tuned-unet",
                "tuned",
                "tuned-rectangles",
                "tuned-foreground",
                "tuned-class-name"
            ]
        );
        let decoders: Vec<bool> = all
            .iter()
            .map(|own| of(own).options.decoder.max_train_steps > 0)
            .collect();
        assert_eq!(decoders, [false, true, false, false, false]);
        for (index, own) in all.iter().enumerate() {
            of(own).options.validate().unwrap();
            for other in &all[index + 1..] {
                let (a, b) = (of(own), of(other));
                assert!(
                    a.options != b.options || a.part != b.part || a.name_only != b.name_only,
                    "{} {}",
                    own.line.name,
                    other.line.name
                );
            }
            let known = own.line.against == super::super::trials::DEFAULT
                || names.contains(&own.line.against.as_str());
            assert!(known);
        }
    }
}
