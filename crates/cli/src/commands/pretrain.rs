//! `pretrain`: the small model from nothing.

use std::cell::Cell;

use anomalysd_train::pretrain::{Options, run as train};
use anomalysd_train::stage::Control;

use crate::args::PretrainArgs;
use crate::error::{CliError, Outcome};
use crate::output;
use crate::progress::cancelled;

/// Trains; Ctrl-C writes a checkpoint first.
pub fn run(args: &PretrainArgs, quiet: bool) -> Outcome {
    let options = options(args)?;
    if args.print_options {
        return output::print(&output::to_json(&options)?);
    }
    options.validate()?;
    let chosen = args.device.open()?;
    let shown = Cell::new(("", 0));
    train(&options, &chosen.device, &mut |progress| {
        let now = (progress.stage, 10 * progress.step / progress.steps.max(1));
        if !quiet && shown.replace(now) != now {
            eprintln!(
                "{} {}/{} loss {:.4} after {:.0} s",
                progress.stage, progress.step, progress.steps, progress.loss, progress.seconds
            );
        }
        if cancelled() {
            Control::Stop
        } else {
            Control::Continue
        }
    })?;
    output::print(&options.out.join("mini.safetensors").display().to_string())
}

fn options(args: &PretrainArgs) -> Outcome<Options> {
    let mut options = match &args.options {
        None => Options::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
            serde_json::from_str(&text).map_err(|error| CliError::at(path, error))?
        }
    };
    let given = |slot: &mut u64, value: Option<u64>| *slot = value.unwrap_or(*slot);
    given(&mut options.seed, args.seed);
    given(&mut options.vae.steps, args.vae_steps);
    given(&mut options.unet.steps, args.unet_steps);
    given(&mut options.checkpoint_every, args.checkpoint_every);
    given(&mut options.sheet_every, args.sheet_every);
    if let Some(out) = &args.out {
        options.out.clone_from(out);
    }
    options.workers = args.workers.unwrap_or(options.workers);
    options.photos = args.photos.clone().or(options.photos);
    options.probe = args.probe.clone().or(options.probe);
    options.from = args.from.clone().or(options.from);
    options.resume |= args.resume;
    Ok(options)
}
