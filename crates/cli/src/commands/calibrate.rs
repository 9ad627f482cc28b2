//! `calibrate`: a better threshold from more good photos, without fitting again.

use anomalysd_detect::control::Control;
use anomalysd_detect::pipeline::Detector;

use crate::args::CalibrateArgs;
use crate::engine::Engine;
use crate::error::Outcome;
use crate::progress::{Reporter, cancelled, now_ms};
use crate::{output, photos, profile};

/// Sets the threshold of one class.
pub fn run(args: &CalibrateArgs, quiet: bool) -> Outcome {
    let (mut made, _) = profile::read(&args.profile)?;
    output::check_file(args.out.as_ref().unwrap_or(&args.profile))?;
    let name = made.choose(args.class.as_deref())?.name.clone();
    let good = photos::listed(&args.good)?;
    let good = good
        .iter()
        .map(|path| photos::read(path))
        .collect::<Outcome<Vec<_>>>()?;
    let engine = Engine::load_for(&args.engine, Some(&made))?;
    let features = engine.features(&args.engine)?;
    profile::check(&made, &engine, &features)?;
    let repair = engine.repair();
    let detector = Detector::new(repair.as_ref(), &features, made.options.clone())?;
    let reporter = Reporter::new("calibrate", quiet);
    let control = Control {
        progress: &|progress| reporter.within(0, 1, progress),
        cancelled: &cancelled,
        now_ms: &now_ms,
        ..Control::default()
    };
    for class in made.classes.iter_mut().filter(|class| class.name == name) {
        *class = pollster::block_on(detector.calibrate(class, &good, &control))?;
    }
    drop(reporter);
    let out = args.out.as_ref().unwrap_or(&args.profile);
    profile::write(out, &made)?;
    let calibration = &made.class(&name)?.calibration;
    let n = calibration.scores.len();
    output::print(&format!(
        "{name}: threshold {:.3} from {n} held-out good photo(s); false-alarm rates from {:.1} % are supported{}",
        calibration.threshold,
        100.0 / (n + 1) as f32,
        if n < 19 {
            format!(", {} more support 5 %", 19 - n)
        } else {
            String::new()
        }
    ))
}
