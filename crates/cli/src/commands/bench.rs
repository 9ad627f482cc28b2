//! `bench`: where the time of a detection goes.

use std::collections::BTreeMap;

use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_detect::control::Control;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::report::timings;
use anomalysd_imaging::{DecodeLimits, decode, encode_png};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::output;
use crate::progress::{cancelled, now_ms};

/// Side of the photo.
const SIDE: usize = 256;
/// Good photos fitted on.
const GOOD: u64 = 4;

/// bench.json.
#[derive(Serialize)]
struct Bench {
    schema: &'static str,
    rows: Vec<Row>,
}

/// One measured thing. `peer` is another program's time for the same work, where one was run.
#[derive(Serialize)]
struct Row {
    name: String,
    ours_ms: f64,
    peer: Option<String>,
    peer_ms: Option<f64>,
    ratio: Option<f64>,
    goal: Option<f64>,
    peak_mib: Option<f64>,
    device: String,
}

/// Fits a drawn product on four photos, judges another one several times, prints medians.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome {
    if args.runs == 0 {
        return Err(CliError::Input("--runs is 0, expected at least 1".into()));
    }
    let started = now_ms();
    let engine = Engine::load(&args.engine)?;
    let features = engine.features(&args.engine)?;
    let repair = engine.repair();
    let loaded = now_ms() - started;
    let detector = Detector::new(repair.as_ref(), &features, args.method.options())?;
    let product = Product::draw(Family::Nut, 0);
    let good: Vec<_> = (0..GOOD).map(|seed| product.instance(seed, SIDE)).collect();
    let suspect = product
        .defective(GOOD, SIDE, DefectKind::Hole)
        .map_or_else(|| product.instance(GOOD, SIDE), |(photo, _)| photo);
    let control = Control {
        cancelled: &cancelled,
        now_ms: &now_ms,
        ..Control::default()
    };
    let began = now_ms();
    let prompts = Prompts {
        name: product.name(),
        parts: Some(product.parts()),
    };
    let class = pollster::block_on(detector.fit(&prompts, &good, &control))?;
    let fitted = now_ms() - began;
    let png = encode_png(&suspect);
    let mut by_stage: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for run in 0..=args.runs {
        let began = now_ms();
        let suspect = decode(&png, &DecodeLimits::default())
            .map_err(|error| CliError::Internal(error.to_string()))?;
        let decode_ms = now_ms() - began;
        let detection = pollster::block_on(detector.detect(&class, &suspect, &control))?;
        // The first run warms caches up.
        if run > 0 {
            for (stage, spent) in timings(&detection.timings, decode_ms) {
                by_stage.entry(stage).or_default().push(spent);
            }
        }
        if !quiet {
            eprintln!("run {run} of {}", args.runs);
        }
    }
    let row = |name: String, ours_ms: f64| Row {
        name,
        ours_ms: (ours_ms * 1000.0).round() / 1000.0,
        peer: None,
        peer_ms: None,
        ratio: None,
        goal: None,
        peak_mib: peak_mib(),
        device: engine.chosen.name.clone(),
    };
    let mut rows = vec![
        row("load".into(), loaded),
        row(format!("fit {GOOD} photos"), fitted),
    ];
    let order = [
        "decode",
        "encode",
        "text",
        "denoise",
        "vae",
        "features",
        "prototypes",
        "fuse",
        "total",
    ];
    for stage in order {
        if let Some(times) = by_stage.get_mut(stage) {
            times.sort_by(f64::total_cmp);
            rows.push(row(
                format!("detect {SIDE}x{SIDE}: {stage}"),
                times[times.len() / 2],
            ));
        }
    }
    let mut text = String::new();
    for row in &rows {
        text.push_str(&format!("{:<28} {:>10.1} ms\n", row.name, row.ours_ms));
    }
    if let Some(peak) = peak_mib() {
        text.push_str(&format!("{:<28} {peak:>10.1} MiB\n", "peak memory"));
    }
    output::print(text.trim_end())?;
    match &args.out {
        Some(path) => output::write_json(
            path,
            &Bench {
                schema: "anomalysd.bench.v1",
                rows,
            },
        ),
        None => Ok(()),
    }
}

/// Largest resident memory of this process so far, where the system tells.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}
