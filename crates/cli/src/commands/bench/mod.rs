//! `bench`: where the time of a detection goes, and what a peer takes for the same.

mod peer;
mod row;
mod scaling;

use std::collections::BTreeMap;

use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_detect::control::Control;
use anomalysd_detect::features::Features;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::report::timings;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::{DecodeLimits, decode, encode_png};
use burn::tensor::Tensor;

use crate::args::BenchArgs;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::memory::peak_mib;
use crate::output;
use crate::progress::{cancelled, now_ms};

use row::{Bench, Row, median};

/// Side of the photo.
const SIDE: usize = 256;
/// What the text encoder reads, and the timestep of a step: any would do.
const PROMPT: &str = "A perfect metal nut with intact edges.";
const TIMESTEP: f32 = 501.0;
/// Good photos fitted on.
const GOOD: u64 = 4;

/// Times loading and the networks one by one; then, unless told not to, fits a drawn product on four
/// photos and judges another one. Prints medians. With `--peer` all of it in turns with another program.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome {
    if args.runs == 0 {
        return Err(CliError::Input("--runs is 0, expected at least 1".into()));
    }
    if args.photo_count == 0 {
        return Err(CliError::Input(
            "--photo-count is 0, expected at least 1".into(),
        ));
    }
    if !(64..=16_384).contains(&args.largest) {
        return Err(CliError::Input(format!(
            "--largest is {}, expected 64 to 16384",
            args.largest
        )));
    }
    let started_peer = args.peer.then(|| peer::start(args)).transpose()?;
    let started = now_ms();
    let engine = Engine::load(&args.engine)?;
    let features = engine.features(&args.engine)?;
    let loaded = now_ms() - started;
    if args.scaling {
        return scaling::run(args, quiet, &engine, &features);
    }
    let rows = match started_peer {
        Some(program) => peer::rows(args, quiet, &engine, &features, program)?,
        None => stages(args, quiet, &engine, &features, loaded)?,
    };
    print(args, rows)
}

/// Loading, the networks and the stages of a detection, ours alone.
fn stages(
    args: &BenchArgs,
    quiet: bool,
    engine: &Engine,
    features: &Features<'_>,
    loaded: f64,
) -> Outcome<Vec<Row>> {
    let mut measured = vec![("load".to_owned(), loaded)];
    if let Some(model) = &engine.model {
        measured.extend(networks(args, model)?);
    }
    if !args.networks_only {
        measured.extend(detection(args, quiet, engine, features)?);
    }
    let row = |(name, spent)| Row::ours(name, spent, &engine.chosen.name);
    Ok(measured.into_iter().map(row).collect())
}

/// A table for people, and bench.json where it is asked for.
fn print(args: &BenchArgs, mut rows: Vec<Row>) -> Outcome {
    if let Some(label) = &args.label {
        for row in &mut rows {
            row.name = format!("{label}: {}", row.name);
        }
    }
    let mut text: Vec<String> = rows.iter().map(Row::line).collect();
    if let Some(peak) = peak_mib() {
        text.push(format!("{:<34} {peak:>10.1} MiB", "peak memory"));
    }
    output::print(&text.join("\n"))?;
    let Some(path) = &args.out else { return Ok(()) };
    let mut bench = Bench::new(rows);
    if args.merge {
        bench = bench.over(path)?;
    }
    output::write_json(path, &bench)
}

/// A fit on good photos, and the stages of a detection.
fn detection(
    args: &BenchArgs,
    quiet: bool,
    engine: &Engine,
    features: &Features<'_>,
) -> Outcome<Vec<(String, f64)>> {
    let repair = engine.repair();
    let detector = Detector::new(repair.as_ref(), features, args.method.options())?;
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
    let mut rows = vec![(format!("fit {GOOD} photos"), fitted)];
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
            rows.push((format!("detect {SIDE}x{SIDE}: {stage}"), median(times)));
        }
    }
    Ok(rows)
}

/// Each network alone, on one square photo of the size that the model works at.
fn networks(args: &BenchArgs, model: &InpaintModel) -> Outcome<Vec<(String, f64)>> {
    let multiple = model.vae.factor() << (model.unet.config().block_out_channels.len() - 1);
    let asked = args.method.size.unwrap_or(model.config.image_size);
    let side = asked.div_ceil(multiple) * multiple;
    let device = &model.device;
    let photo = Tensor::<4>::ones([1, 3, side, side], device) * 0.5;
    let latents = model.vae.enc(photo.clone())?;
    let cells = side / model.vae.factor();
    let input = Tensor::<4>::ones([1, model.unet.config().in_channels, cells, cells], device) * 0.5;
    let context = model.encode_text(&[PROMPT])?;
    // What was asked of the device has been computed when a value of it is there.
    let finish = |output: Tensor<4>| {
        output
            .narrow(1, 0, 1)
            .narrow(2, 0, 1)
            .into_data()
            .try_to_vec::<f32>()
            .map(|_| ())
            .map_err(|error| CliError::Internal(format!("reading back: {error:?}")))
    };
    let time = |work: &dyn Fn() -> Outcome| -> Outcome<f64> {
        let mut times = Vec::new();
        for run in 0..=args.runs {
            let began = now_ms();
            work()?;
            // The first run warms caches up.
            if run > 0 {
                times.push(now_ms() - began);
            }
        }
        Ok(median(&mut times))
    };
    let text = time(&|| {
        let context = model.encode_text(&[PROMPT])?;
        finish(context.unsqueeze_dim(1))
    })?;
    let encode = time(&|| finish(model.vae.enc(photo.clone())?))?;
    let step = time(&|| {
        let prediction = model
            .unet
            .forward(input.clone(), &[TIMESTEP], context.clone(), None)?;
        finish(prediction)
    })?;
    let decode = time(&|| finish(model.vae.dec(latents.clone())?))?;
    Ok(vec![
        ("text of one prompt".into(), text),
        (format!("VAE encode {side}x{side}"), encode),
        (format!("U-Net step {side}x{side}"), step),
        (format!("VAE decode {side}x{side}"), decode),
    ])
}
