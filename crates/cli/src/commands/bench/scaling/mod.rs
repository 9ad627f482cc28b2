//! `--scaling`: how time and memory grow with size, batch, number of photos and prototypes, beside how the work does.
//!
//! The exponent of a growth is the slope of a straight line through the logarithms: 2 with the side of a photo is what
//! its pixels do. Nothing should grow faster than its work.

mod growth;
mod measure;
mod report;

use serde::Serialize;

use self::growth::Series;
use crate::args::BenchArgs;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::output;
use anomalysd_detect::features::Features;

/// What `--out` gets.
#[derive(Serialize)]
struct Scaling<'a> {
    schema: &'static str,
    device: &'a str,
    series: &'a [Series],
}

/// Measures all series, prints their exponents, writes JSON and report.
pub fn run(args: &BenchArgs, quiet: bool, engine: &Engine, features: &Features<'_>) -> Outcome {
    let model = engine.model.as_ref().ok_or_else(|| {
        CliError::Input("--scaling measures models: leave out `--model none`".into())
    })?;
    let measure = measure::Measure::new(args, quiet, engine, model, features);
    let series = measure.all()?;
    let lines: Vec<String> = series.iter().map(Series::line).collect();
    output::print(&lines.join("\n"))?;
    let device = &engine.chosen.name;
    if let Some(path) = &args.report {
        output::write(path, report::page(&series, device).as_bytes())?;
        output::print(&path.display().to_string())?;
    }
    match &args.out {
        Some(path) => output::write_json(
            path,
            &Scaling {
                schema: "anomalysd.scaling.v1",
                device,
                series: &series,
            },
        ),
        None => Ok(()),
    }
}
