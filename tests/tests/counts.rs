//! Counts that do not depend on the machine: operations, allocations, bytes, dispatches. They are committed in
//! tests/counts.json, so that a change that costs something is seen where no time can be measured.
//!
//! Written anew with ANOMALYSD_WRITE_COUNTS=1. Operations and dispatches are exact; allocations and bytes may differ by
//! 2 %, since matrix products pack their inputs as the processor's registers want it. One thread, so that nothing is
//! allocated per thread. All is one test: the allocator counts for the whole process.

#![expect(unsafe_code, reason = "a global allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_detect::control::Control;
use anomalysd_detect::cost::{decoder_work, encoder_work, flops_of_detection, unet_work};
use anomalysd_detect::features::VaeFeatures;
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_tests::gpu_or_skip;
use burn::tensor::{Device, DeviceKind, Tensor};
use serde_json::{Value, json};

/// Side of the photos.
const SIDE: usize = 256;
const TIMESTEP: f32 = 501.0;
/// By how much allocations and bytes may differ from what is committed.
const TOLERANCE: f64 = 0.02;
/// Bytes of an f32.
const VALUE: f64 = 4.0;

/// The system's allocator, counted.
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

fn allocated(bytes: usize) {
    COUNT.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
    let live = LIVE.fetch_add(bytes as i64, Relaxed) + bytes as i64;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is the system allocator's own, with the arguments that came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        allocated(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What some work allocates: the second time, when caches are warm.
fn allocations(mut work: impl FnMut()) -> Value {
    work();
    let (count, bytes, live) = (COUNT.load(Relaxed), BYTES.load(Relaxed), LIVE.load(Relaxed));
    PEAK.store(live, Relaxed);
    work();
    json!({
        "allocations": COUNT.load(Relaxed) - count,
        "bytes_allocated": BYTES.load(Relaxed) - bytes,
        "peak_bytes": PEAK.load(Relaxed) - live,
    })
}

/// The networks of a model, each once, on one photo.
fn networks(model: &InpaintModel) -> BTreeMap<&'static str, Box<dyn Fn() + '_>> {
    let device = &model.device;
    let cells = SIDE / model.vae.factor();
    let photo = Tensor::<4>::ones([1, 3, SIDE, SIDE], device) * 0.5;
    let latents = Tensor::<4>::ones([1, model.vae.latent_channels(), cells, cells], device) * 0.5;
    let sample =
        Tensor::<4>::ones([1, model.unet.config().in_channels, cells, cells], device) * 0.5;
    let context = model.encode_text(&["a nut"]).unwrap();
    let read = |output: Tensor<4>| drop(output.into_data());
    let unet = move || {
        let output = model
            .unet
            .forward(sample.clone(), &[TIMESTEP], context.clone(), None);
        read(output.unwrap());
    };
    BTreeMap::from([
        ("unet_step", Box::new(unet) as Box<dyn Fn()>),
        (
            "vae_encode",
            Box::new(move || read(model.vae.enc(photo.clone()).unwrap())),
        ),
        (
            "vae_decode",
            Box::new(move || read(model.vae.dec(latents.clone()).unwrap())),
        ),
    ])
}

/// Operations, and the bytes that layers read as weights and put out: what has to move at least.
fn calculated(model: &InpaintModel, options: &DetectOptions, references: usize) -> Value {
    let cells = SIDE / model.vae.factor();
    let tokens = model.text.config().max_position_embeddings;
    let most = model.config.reference_max_tokens;
    let parts = [
        (
            "unet_step",
            unet_work(model.unet.config(), (cells, cells), tokens, 0, most),
        ),
        ("vae_encode", encoder_work(&model.vae, (SIDE, SIDE))),
        ("vae_decode", decoder_work(&model.vae, (SIDE, SIDE))),
    ];
    let mut all = json!({});
    for (name, work) in parts {
        all[name] = json!({
            "flop": work.flops,
            "weight_bytes": work.weights * VALUE,
            "result_bytes": work.values * VALUE,
        });
    }
    let flops = flops_of_detection(model, (SIDE, SIDE), options, references, 0.0);
    all["detection"] = json!({
        "flop": flops.total(),
        "flop_encode": flops.encode,
        "flop_denoise": flops.denoise,
        "flop_decode": flops.decode,
    });
    all
}

/// What a detection and its networks allocate on the processor.
fn on_processor(model: &InpaintModel, options: &DetectOptions) -> Value {
    let (repair, features) = (DiffusionRepair::new(model), VaeFeatures::new(model));
    let detector = Detector::new(Some(&repair), &features, options.clone()).unwrap();
    let product = Product::draw(Family::Nut, 0);
    let good: Vec<_> = (0..2).map(|seed| product.instance(seed, SIDE)).collect();
    let suspect = product.defective(2, SIDE, DefectKind::Hole).unwrap().0;
    let control = Control::default();
    let prompts = Prompts::named("nut");
    let class = pollster::block_on(detector.fit(&prompts, &good, &control)).unwrap();
    let mut counted = json!({});
    for (name, work) in networks(model) {
        counted[name] = allocations(work);
    }
    counted["detection"] = allocations(|| {
        drop(pollster::block_on(detector.detect(&class, &suspect, &control)).unwrap());
    });
    counted
}

/// Lines of cubecl's log that tell of a kernel's launch, once no more come.
fn launches(log: &Path) -> usize {
    let count = || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        text.lines()
            .filter(|line| line.contains("Executing "))
            .count()
    };
    let mut before = count();
    loop {
        // Another thread writes the log.
        std::thread::sleep(Duration::from_millis(300));
        let now = count();
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Kernels that the networks launch on a GPU, here one in software; `None` without one.
fn on_gpu(folder: &Path) -> Option<Value> {
    let log = folder.join("launches.log");
    let config = format!(
        "[profiling]\nlogger = {{ level = \"minimal\", file = \"{}\" }}\n",
        log.display()
    );
    std::fs::write(folder.join("cubecl.toml"), config).unwrap();
    // cubecl reads it from where it is started, when the first device is opened.
    std::env::set_current_dir(folder).unwrap();
    // The adapter in software: what one of hardware is given may depend on it.
    let device = Device::wgpu_options().device_kind(DeviceKind::Cpu).init();
    let device = gpu_or_skip(device, "dispatches are not counted")?;
    let model = InpaintModel::embedded(&device).unwrap();
    let mut counted = json!({});
    for (name, work) in networks(&model) {
        work();
        let before = launches(&log);
        work();
        counted[name] = json!(launches(&log) - before);
    }
    Some(counted)
}

/// Compares two trees of numbers; `exact` says of a path whether its numbers have to be equal.
fn compare(path: &str, committed: &Value, counted: &Value, wrong: &mut Vec<String>) {
    match (committed, counted) {
        (Value::Object(committed), Value::Object(counted)) => {
            for name in committed
                .keys()
                .chain(counted.keys())
                .collect::<std::collections::BTreeSet<_>>()
            {
                let both = (committed.get(name), counted.get(name));
                let path = format!("{path}/{name}");
                match both {
                    (Some(committed), Some(counted)) => compare(&path, committed, counted, wrong),
                    (known, _) => wrong.push(format!(
                        "{path} is {}",
                        if known.is_some() {
                            "counted no more"
                        } else {
                            "new"
                        }
                    )),
                }
            }
        }
        _ => {
            let (was, is) = (committed.as_f64(), counted.as_f64());
            let tolerance = if path.starts_with("/processor") {
                TOLERANCE
            } else {
                0.0
            };
            let near = |(was, is): (f64, f64)| (is - was).abs() <= tolerance * was.abs();
            if !was.zip(is).map_or(committed == counted, near) {
                wrong.push(format!(
                    "{path}: {committed} is committed, {counted} counted"
                ));
            }
        }
    }
}

#[test]
fn a_detection_costs_what_is_committed() {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .unwrap();
    let committed = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/counts.json"));
    let folder = tempfile::tempdir().unwrap();
    let options = DetectOptions::default();
    let model = InpaintModel::embedded(&Device::flex()).unwrap();
    let mut counted = json!({
        "schema": "anomalysd.counts.v1",
        "what": format!("mini, fast mode, {SIDE}x{SIDE}, 2 good photos, features of its own encoder, one thread, batch 1"),
        "calculated": calculated(&model, &options, 2),
        "processor": on_processor(&model, &options),
    });
    let read = std::fs::read_to_string(&committed).unwrap_or_default();
    let mut known: Value = serde_json::from_str(&read).unwrap_or_default();
    match on_gpu(folder.path()) {
        Some(dispatches) => counted["dispatches"] = dispatches,
        None => counted["dispatches"] = known["dispatches"].take(),
    }
    if std::env::var_os("ANOMALYSD_WRITE_COUNTS").is_some() {
        let text = serde_json::to_string_pretty(&counted).unwrap();
        std::fs::write(&committed, text + "\n").unwrap();
        return;
    }
    if known["dispatches"].is_null() {
        known["dispatches"] = counted["dispatches"].clone();
    }
    let mut wrong = Vec::new();
    compare("", &known, &counted, &mut wrong);
    assert!(
        wrong.is_empty(),
        "counts changed; where that is meant, ANOMALYSD_WRITE_COUNTS=1 cargo test --release --workspace --test counts \
         writes them anew:\n{}",
        wrong.join("\n")
    );
}
