//! Scores of many good photos of a product, and of its defects by area: what both plots rest on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anomalysd_dataset::synth::{DefectKind, Product};
use anomalysd_detect::features::Features;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::Repair;
use anomalysd_detect::report::hex;
use anomalysd_imaging::Photo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::judging::{OwnDetector, Painted, detect, fit, prepare, read_all};
use super::recipes::{Recipe, recipes};
use super::{area, calibration, kept};
use crate::args::AblateArgs;
use crate::engine::{Engine, features_identity};
use crate::error::Outcome;
use crate::eval::hashes::Hashes;
use crate::eval::nearest::Nearest;
use crate::eval::rows::{Method, of_detection};
use crate::output;
use crate::progress::Reporter;
use crate::prompts::PromptList;

/// Instances of one purpose are drawn with seeds from here on, so that no two purposes share one.
const PURPOSE: u64 = 1_000_000;
/// Shares of the picture that drawn defects cover.
pub const AREAS: [f32; 4] = [0.0002, 0.001, 0.005, 0.02];
/// Draws of defects of an area, per wanted one, until the product is taken to have no more.
const TRIES: u64 = 8;

/// Scores by method, one per photo.
pub type Scores = BTreeMap<Method, Vec<f32>>;

/// One product or class, measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series {
    /// The product or class.
    pub name: String,
    /// Of good photos that nothing was fitted on.
    pub good: Scores,
    /// Of defective ones, by share of the picture.
    pub defects: Vec<Defects>,
}

/// The defects of one area.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Defects {
    /// Share of the picture that was asked for; the drawn ones are within a factor of 1.5.
    pub area: f32,
    /// Kinds, in the order of the scores.
    pub kinds: Vec<String>,
    /// Scores.
    pub scores: Scores,
}

/// Measures the products, then answers what is asked.
pub fn run(args: &AblateArgs, quiet: bool) -> Outcome {
    let wanted = if args.recall_by_area {
        args.defective
    } else {
        0
    };
    let recipes = recipes(args)?;
    if args.calibration {
        for (name, recipe) in &recipes {
            let pool = match recipe {
                Recipe::Drawn(_) => args.good as usize,
                Recipe::Files { good, .. } => good.len(),
            };
            calibration::check(&args.held_out, pool, name)?;
        }
    }
    let engine = Engine::load(&args.engine)?;
    let features = engine.features(&args.engine)?;
    let repair = engine.repair();
    let options = args.method.options();
    let detector = Detector::new(repair.as_ref(), &features, options)?;
    let out = output::folder(&args.out)?;
    let parts = output::folder(&out.join("parts"))?;
    let side = detector
        .options()
        .longer_side(repair.as_ref().and_then(|own| own.traits().size));
    let config = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "k_shot": args.k_shot,
        "model": engine.model_identity(),
        "features": features_identity(&features),
        "device": engine.chosen.name,
        "options": detector.options(),
        "side": side,
    });
    let bench = Bench {
        detector,
        features: &features,
        prompts: PromptList::read(args.prompts.as_deref())?,
        hashes: Hashes::default(),
        side,
        k_shot: args.k_shot,
        n_good: args.good,
        n_defective: wanted,
    };
    let mut all = Vec::with_capacity(recipes.len());
    let reporter = Reporter::new("ablate", quiet);
    for (index, (name, recipe)) in recipes.iter().enumerate() {
        let depends_on = bench.depends_on(name, recipe, &config)?;
        let path = parts.join(format!("series-{name}.json"));
        let report = |share: f64| reporter.set((index as f64 + share) / recipes.len() as f64);
        all.push(kept(&path, depends_on, || {
            bench.measure(name, recipe, &report)
        })?);
    }
    drop(reporter);
    if args.recall_by_area {
        area::write(&out, &all, &config)?;
    }
    if args.calibration {
        let what = if args.data.is_some() {
            "classes"
        } else {
            "products"
        };
        calibration::write(&out, &all, &args.held_out, what, &config)?;
    }
    Ok(())
}

/// Everything that all products share.
struct Bench<'a> {
    detector: OwnDetector<'a>,
    features: &'a Features<'a>,
    prompts: PromptList,
    hashes: Hashes,
    side: usize,
    k_shot: usize,
    n_good: u64,
    n_defective: u64,
}

impl Bench<'_> {
    fn depends_on(&self, name: &str, recipe: &Recipe, config: &Value) -> Outcome<String> {
        let photos = match recipe {
            // Another program draws other photos, and its hash is among what is hashed.
            Recipe::Drawn(product) => {
                json!([format!("{product:?}"), self.n_good, self.n_defective, AREAS])
            }
            Recipe::Files { fit, good } => {
                let hashes = |paths: &[PathBuf]| {
                    let all = paths.iter().map(|path| self.hashes.file(path));
                    all.collect::<Vec<_>>()
                };
                json!([hashes(fit), hashes(good)])
            }
        };
        let depends = json!({
            "program": self.hashes.program(),
            "config": config,
            "name": name,
            "photos": photos,
            "prompts": self.prompts_of(name, recipe),
        });
        Ok(hex(&Sha256::digest(output::to_json(&depends)?)))
    }

    fn prompts_of(&self, name: &str, recipe: &Recipe) -> Prompts {
        match recipe {
            Recipe::Drawn(product) => Prompts {
                name: product.name(),
                parts: Some(product.parts()),
            },
            Recipe::Files { .. } => self.prompts.get(name),
        }
    }

    fn measure(&self, name: &str, recipe: &Recipe, report: &dyn Fn(f64)) -> Outcome<Series> {
        let fitted_on = match recipe {
            Recipe::Drawn(product) => (0..self.k_shot as u64)
                .map(|seed| product.instance(seed, self.side))
                .collect(),
            Recipe::Files { fit, .. } => read_all(fit)?,
        };
        // Calibrations are of what gives verdicts, and the baseline gives none.
        let baseline = (self.n_defective > 0).then(|| Nearest::fit(self.features, &fitted_on));
        let baseline = baseline.transpose()?;
        let class = fit(&self.detector, &self.prompts_of(name, recipe), &fitted_on)?;
        let prepared = prepare(&self.detector, &class)?;
        let judge = |photo: &Photo, scores: &mut Scores| -> Outcome {
            if let Some(baseline) = &baseline {
                let (_, score) = baseline.judge(self.features, photo)?;
                let all = scores.entry(Method::NearestNeighbour).or_default();
                all.push(score);
            }
            let detection = detect(&self.detector, &prepared, photo, &Painted::default())?;
            let with_model = self.detector.has_model();
            for (method, judged) in of_detection(&detection, self.detector.options(), with_model) {
                scores.entry(method).or_default().push(judged.score);
            }
            Ok(())
        };
        let defective = self.n_defective * AREAS.len() as u64;
        let n_good = match recipe {
            Recipe::Drawn(_) => self.n_good as usize,
            Recipe::Files { good, .. } => good.len(),
        };
        let all = n_good + defective as usize;
        let mut good = Scores::new();
        for index in 0..n_good {
            let photo = match recipe {
                Recipe::Drawn(product) => product.instance(PURPOSE + index as u64, self.side),
                Recipe::Files { good, .. } => crate::photos::read(&good[index])?,
            };
            judge(&photo, &mut good)?;
            report((index + 1) as f64 / all as f64);
        }
        let mut defects = Vec::new();
        if let (Recipe::Drawn(product), 1..) = (recipe, self.n_defective) {
            for (index, area) in AREAS.into_iter().enumerate() {
                defects.push(self.defects(product, area, &judge)?);
                let done = n_good + (index + 1) * self.n_defective as usize;
                report(done as f64 / all as f64);
            }
        }
        Ok(Series {
            name: name.to_owned(),
            good,
            defects,
        })
    }

    /// Defects of one area: the kinds take turns, and a draw that cannot have the area is passed over.
    fn defects(
        &self,
        product: &Product,
        area: f32,
        judge: &dyn Fn(&Photo, &mut Scores) -> Outcome,
    ) -> Outcome<Defects> {
        let mut found = Defects {
            area,
            kinds: Vec::new(),
            scores: Scores::new(),
        };
        let turns = DefectKind::ALL.iter().cycle();
        for (turn, &kind) in (0..self.n_defective * TRIES).zip(turns) {
            if found.kinds.len() as u64 == self.n_defective {
                break;
            }
            let seed = 2 * PURPOSE + turn;
            let drawn = product.defective_sized(seed, self.side, kind, area);
            if let Some((photo, _)) = drawn {
                judge(&photo, &mut found.scores)?;
                found.kinds.push(kind.name().to_owned());
            }
        }
        Ok(found)
    }
}
