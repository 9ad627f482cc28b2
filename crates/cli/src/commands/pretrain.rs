//! `pretrain`: the small model from nothing.

use anomalysd_train::pretrain::{Options, run as train};

use crate::args::PretrainArgs;
use crate::dashboard::Dashboard;
use crate::error::{CliError, Outcome};
use crate::output;
use crate::watch::Watch;

/// Trains; Ctrl-C writes a checkpoint first.
pub fn run(args: &PretrainArgs, quiet: bool) -> Outcome {
    let options = options(args)?;
    if args.print_options {
        return output::print(&output::to_json(&options)?);
    }
    options.validate()?;
    if args.dashboard {
        Dashboard::check(quiet)?;
    }
    let chosen = args.device.open()?;
    let mut watch = Watch::new(args.dashboard, quiet)?;
    let trained = train(&options, &chosen.device, &mut |progress| {
        watch.step(progress, |progress| {
            format!(
                "{} {}/{} loss {:.4} after {:.0} s",
                progress.stage, progress.step, progress.steps, progress.loss, progress.seconds
            )
        })
    });
    // The terminal is given back before anything else is said.
    drop(watch);
    trained?;
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
