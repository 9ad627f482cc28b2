//! Scores of many good photos of a product, and of its defects by area: what both plots rest on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anomalysd_dataset::draws::Draws;
use anomalysd_dataset::folder::Dataset;
use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_detect::control::Control;
use anomalysd_detect::features::Features;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::{DiffusionRepair, Repair};
use anomalysd_detect::report::hex;
use anomalysd_imaging::Photo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::measure::{fit, prepare, read_all};
use super::{area, calibration, kept};
use crate::args::AblateArgs;
use crate::engine::{Engine, features_identity};
use crate::error::{CliError, Outcome};
use crate::eval::drawn;
use crate::eval::hashes::Hashes;
use crate::eval::nearest::Nearest;
use crate::eval::rows::{Method, of_detection};
use crate::output;
use crate::progress::{Reporter, cancelled, now_ms};
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

/// Where the photos come from.
enum Recipe {
    /// Drawn instances of a product.
    Drawn(Product),
    /// Files: fitted on, and judged.
    Files {
        fit: Vec<PathBuf>,
        good: Vec<PathBuf>,
    },
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

/// Products or classes with their names.
fn recipes(args: &AblateArgs) -> Outcome<Vec<(String, Recipe)>> {
    let Some(&first) = args.seeds.first() else {
        return Err(CliError::Input("--seeds: at least one is needed".into()));
    };
    if let Some(data) = &args.data {
        return pooled(args, &Dataset::read(data)?, first);
    }
    let families = if args.families.is_empty() {
        Family::ALL
    } else {
        &args.families
    };
    let products = args.products.unwrap_or(families.len() as u64);
    if products == 0 || args.good == 0 {
        return Err(CliError::Input(
            "--products and --good have to be at least 1".into(),
        ));
    }
    let drawn = (0..products).map(|number| {
        let family = families[number as usize % families.len()];
        let seed = first.wrapping_add(number);
        let name = format!("{number:03}-{}", family.name());
        (name, Recipe::Drawn(Product::draw(family, seed)))
    });
    Ok(drawn.collect())
}

/// The good photos of each class, `train` and `test` together, but for those that are fitted on.
fn pooled(args: &AblateArgs, dataset: &Dataset, seed: u64) -> Outcome<Vec<(String, Recipe)>> {
    let given = args.draws.as_deref().map(Draws::read).transpose()?;
    let is_wanted = |name: &String| args.classes.is_empty() || args.classes.contains(name);
    let mut all = Vec::new();
    for class in dataset
        .classes
        .iter()
        .filter(|class| is_wanted(&class.name))
    {
        let fit = drawn(given.as_ref(), class, args.k_shot, seed)?;
        let tested = class.test.iter().filter(|photo| photo.defect.is_none());
        let good = class
            .train_good
            .iter()
            .chain(tested.map(|photo| &photo.path))
            .filter(|path| !fit.contains(path))
            .cloned()
            .collect();
        all.push((class.name.clone(), Recipe::Files { fit, good }));
    }
    if all.is_empty() {
        return Err(CliError::Input(format!(
            "--classes: none of them is in {}",
            dataset.root.display()
        )));
    }
    Ok(all)
}

/// Everything that all products share.
struct Bench<'a> {
    detector: Detector<'a, DiffusionRepair<'a>, Features<'a>>,
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
        let control = Control {
            cancelled: &cancelled,
            now_ms: &now_ms,
            ..Control::default()
        };
        let judge = |photo: &Photo, scores: &mut Scores| -> Outcome {
            let (_, score) = baseline.judge(self.features, photo)?;
            scores
                .entry(Method::NearestNeighbour)
                .or_default()
                .push(score);
            let judging = self.detector.detect_prepared(&prepared, photo, &control);
            let detection = pollster::block_on(judging)?;
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
