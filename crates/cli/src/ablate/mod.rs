//! `ablate`: what each part of the method is worth, and whether the rates that it states hold.
//!
//! Three questions, each with its own files:
//! - the table of parts ([`trials`] and [`tuned`] say what is run, [`derived`] what follows from the maps of one run,
//!   [`measure`] runs it, [`sheet`] keeps its figures, [`table`] writes them);
//! - recall by area of the defect ([`area`]), on drawn products;
//! - what held-out good photos promise ([`calibration`]), on drawn products or on a data set.
//!
//! The last two read scores that [`series`] measures of the photos that [`recipes`] name; [`judging`] is
//! what all of them do with the library. Nothing is scored here: maps, scores and p-values
//! are those of the library, figures and intervals those of `eval`.

mod area;
mod calibration;
mod derived;
mod judging;
mod measure;
mod recipes;
mod series;
mod sheet;
mod table;
mod trials;
mod tuned;

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::args::AblateArgs;
use crate::error::{CliError, Outcome};
use crate::output;

/// Answers the question that the flags ask.
pub fn run(args: &AblateArgs, quiet: bool) -> Outcome {
    output::check_folder(&args.out)?;
    if args.recall_by_area || args.calibration {
        if args.tuning.tune.method().is_some() || args.tuning.idle().is_some() {
            let reason = "--tune: the table of parts has rows for it; --recall-by-area and --calibration have none";
            return Err(CliError::Input(reason.into()));
        }
        series::run(args, quiet)
    } else {
        measure::run(args, quiet)
    }
}

/// A measurement with the hash of everything that it depends on.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    depends_on: String,
    measured: T,
}

/// What the file holds of the same photos, options and program; else measured now and kept there.
fn kept<T: Serialize + DeserializeOwned>(
    path: &Path,
    depends_on: String,
    measure: impl FnOnce() -> Outcome<T>,
) -> Outcome<T> {
    let read = || -> Option<Kept<T>> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
    if let Some(kept) = read().filter(|kept| kept.depends_on == depends_on) {
        return Ok(kept.measured);
    }
    let measured = measure()?;
    output::write_json(
        path,
        &Kept {
            depends_on,
            measured,
        },
    )?;
    // Reading JSON rounds a last digit here and there: both calls use what was read.
    let again = read().ok_or_else(|| CliError::at(path, "cannot be read back"))?;
    Ok(again.measured)
}
