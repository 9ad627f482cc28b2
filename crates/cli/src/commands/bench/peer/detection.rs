//! Whole detections: our faithful mode and diffusers on the same passes, with our fast mode beside them.
//!
//! The peer's maps are D_n of each scale and of the guided pass. What leads to the guided mask (prototypes) and what
//! follows from the maps (normalisers, fusion, regions) is in our time alone.

use std::path::PathBuf;

use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_detect::control::Control;
use anomalysd_detect::masks::{Frame, MaskPlan, Pass, Scale};
use anomalysd_detect::options::{Compare, DetectOptions, Mode};
use anomalysd_detect::pipeline::{ClassModel, Detector, Measurement};
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::{Repair, RepairTraits, blend_weights};
use anomalysd_diffusion::noise;
use anomalysd_diffusion::scheduler::partial::PartialNoising;
use anomalysd_imaging::{Map, Mask, Photo, dilate, pad_reflect};
use serde_json::{Value, json};

use super::tensors::{Tensors, difference};
use super::{Bench, check};
use crate::commands::bench::row::{Row, median};
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::photos;
use crate::progress::{cancelled, now_ms};

/// Name of the rows, for `--only`.
pub const NAME: &str = "detection";
const FAITHFUL_GOAL: f64 = 0.9;
const FAST_GOAL: f64 = 0.1;
/// What maps may differ by, over their largest value: forty passes through networks in f32 lie between.
const MAP_TOLERANCE: f64 = 1e-3;
/// Good photos that are fitted on.
const GOOD: usize = 4;
/// Scales of the faithful mode.
const SCALES: [usize; 4] = [1, 2, 4, 8];

/// What the peer is asked to do on one photo, and what is to come of it.
struct Job {
    given: Tensors,
    request: Value,
    expected: Vec<(String, Map)>,
}

/// Passes that are painted together.
struct Group {
    name: String,
    passes: Vec<Pass>,
    strength: f32,
    detail: bool,
    expected: Map,
}

impl Bench<'_> {
    /// Both modes and the peer in turns, photo by photo.
    pub(super) fn detections(&mut self, engine: &Engine) -> Outcome<Vec<Row>> {
        let fast = self.args.method.options();
        let faithful = faithful(&fast)?;
        if self.feature_weights()?.is_none() {
            return Err(CliError::Input(
                "--peer judges by EfficientNet-Lite0 alone: choose it with --features, or add --networks-only".into(),
            ));
        }
        let repair = engine.repair();
        let control = Control {
            cancelled: &cancelled,
            now_ms: &now_ms,
            ..Control::default()
        };
        let (good, suspects) = self.photos()?;
        let product = Product::draw(Family::Nut, 0);
        let prompts = Prompts {
            name: product.name(),
            parts: Some(product.parts()),
        };
        // In the mode that is quicker: of a class, the maps need its prototypes and texts alone.
        let mut fitting = fast.clone();
        fitting.masks.scales = Some(SCALES.to_vec());
        self.tell(&format!("fit {} photo(s)", good.len()));
        let fit = Detector::new(repair.as_ref(), self.features, fitting)?;
        let class = pollster::block_on(fit.fit(&prompts, &good, &control))?;
        let detectors = [faithful.clone(), fast]
            .map(|options| Detector::new(repair.as_ref(), self.features, options));
        let [ours, ours_fast] = detectors;
        let (ours, ours_fast) = (ours?, ours_fast?);
        let (mut own, mut quick, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let (mut apart, mut size) = (0.0f64, (0, 0));
        for (index, photo) in suspects.iter().enumerate() {
            let began = now_ms();
            let detection = pollster::block_on(ours.detect(&class, photo, &control))?;
            own.push(now_ms() - began);
            let job = self.job(&faithful, &class, &detection.measurement)?;
            size = (
                detection.measurement.photo.width,
                detection.measurement.photo.height,
            );
            let (spent, differs) = self.judged_by_peer(job)?;
            apart = apart.max(differs);
            others.push(spent);
            let began = now_ms();
            pollster::block_on(ours_fast.detect(&class, photo, &control))?;
            quick.push(now_ms() - began);
            self.tell(&format!(
                "photo {} of {}: ours {:.0} ms, peer {spent:.0} ms, ours fast {:.0} ms",
                index + 1,
                suspects.len(),
                own[index],
                quick[index]
            ));
        }
        check("detection", apart, MAP_TOLERANCE)?;
        let name = |mode| format!("{NAME} {}x{}, {mode}", size.0, size.1);
        let theirs = median(&mut others);
        let row = |mode, times: &mut [f64], goal| {
            Row::ours(name(mode), median(times), self.device).beside(
                &self.program.name,
                theirs,
                goal,
            )
        };
        let mut first = row("faithful", &mut own, FAITHFUL_GOAL);
        first.difference = Some(apart);
        let second = row("fast", &mut quick, FAST_GOAL);
        self.tell(
            "fast at equal AUROC: compare both modes of `anomalysd eval DATA --k-shot 4 --seeds 0 --subset 6 --mode MODE \
             --out DIR` (faithful with --references 0: its maps are the peer's)",
        );
        Ok(vec![first, second])
    }

    /// Good photos and those to be judged: of a folder, or drawn.
    fn photos(&self) -> Outcome<(Vec<Photo>, Vec<Photo>)> {
        let count = self.args.photo_count;
        let Some(folder) = &self.args.photos else {
            let product = Product::draw(Family::Nut, 0);
            let side = crate::commands::bench::SIDE;
            let instance = |seed| product.instance(seed, side);
            let defective = |seed| {
                let drawn = product.defective(seed, side, DefectKind::Hole);
                drawn.map_or_else(|| product.instance(seed, side), |(photo, _)| photo)
            };
            let (good, end) = (GOOD as u64, (GOOD + count) as u64);
            return Ok((
                (0..good).map(instance).collect(),
                (good..end).map(defective).collect(),
            ));
        };
        let paths: Vec<PathBuf> = photos::listed(std::slice::from_ref(folder))?;
        if paths.is_empty() {
            return Err(CliError::at(folder, "holds no photos"));
        }
        let read = |most: usize| -> Outcome<Vec<Photo>> {
            paths
                .iter()
                .take(most)
                .map(|path| photos::read(path))
                .collect()
        };
        Ok((read(GOOD)?, read(count)?))
    }

    /// Everything that the peer needs to repair and compare what was judged.
    fn job(
        &self,
        options: &DetectOptions,
        class: &ClassModel,
        judged: &Measurement,
    ) -> Outcome<Job> {
        let repair = anomalysd_detect::repaint::DiffusionRepair::new(self.model);
        let RepairTraits {
            factor,
            multiple,
            inference_steps,
            ..
        } = repair.traits();
        let photo = &judged.photo;
        let frame = Frame {
            width: photo.width,
            height: photo.height,
            factor,
            multiple,
        };
        let contexts = class
            .contexts
            .as_ref()
            .ok_or_else(|| CliError::Internal("the class has no texts".into()))?;
        let steps = options.inference_steps(inference_steps);
        let mut job = Job {
            given: Tensors::default(),
            request: json!({
                "op": "detect",
                "width": photo.width,
                "height": photo.height,
                "inference_steps": steps,
                "reference_residual": self.model.config.reference_residual,
                "drift_min_pixels": options.repair.drift_min_pixels,
                "energy_floor": options.score.energy_floor,
                "displacement": options.score.displacement,
                "colour_weight": options.score.colour_weight,
                "colour_radius": options.score.colour_radius,
                "groups": [],
            }),
            expected: Vec::new(),
        };
        let padded = pad_reflect(photo, multiple);
        job.given
            .put("photo", &[1, 3, padded.height, padded.width], padded.data);
        let mut described = Vec::new();
        for group in groups(&frame, options, steps, judged) {
            let plan =
                PartialNoising::new(&self.model.scheduler, f64::from(group.strength), steps)?;
            self.check_schedule(&plan, steps)?;
            let text = if group.detail {
                &contexts.detail
            } else {
                &contexts.both
            };
            let context = (vec![1, contexts.tokens, contexts.width], text.clone());
            described.push(json!({
                "name": group.name,
                "steps": plan.timesteps().len(),
                "pure": group.strength == 1.0,
            }));
            let shape = [
                self.model.vae.latent_channels(),
                frame.latent_height(),
                frame.latent_width(),
            ];
            give(&mut job.given, &group, &frame, options, (shape, context));
            job.expected.push((group.name, group.expected));
        }
        job.request["groups"] = described.into();
        Ok(job)
    }

    /// diffusers' scheduler steps at even distances that end with its timesteps': ours have to be those.
    fn check_schedule(&self, plan: &PartialNoising, steps: usize) -> Outcome {
        let total = self.model.scheduler.config().num_train_timesteps;
        let theirs: Vec<usize> = (0..steps)
            .map(|j| total * (steps - j) / steps - 1)
            .collect();
        let even = total.is_multiple_of(steps) && theirs.ends_with(plan.timesteps());
        if even && !plan.timesteps().is_empty() {
            return Ok(());
        }
        Err(CliError::Input(format!(
            "--peer: with {steps} inference steps and these strengths our timesteps are not those of diffusers' scheduler; \
             choose steps that divide {total}, and strengths that are whole numbers of them"
        )))
    }

    /// The peer's time, and how far its maps are from ours.
    fn judged_by_peer(&mut self, mut job: Job) -> Outcome<(f64, f64)> {
        let (input, output) = (self.file("in.safetensors"), self.file("out.safetensors"));
        job.given.write(&input)?;
        job.request["in"] = json!(input);
        job.request["out"] = json!(output);
        let spent = self.program.timed(&job.request)?;
        let maps = Tensors::read(&output)?;
        let mut apart = 0.0f64;
        for (name, expected) in &job.expected {
            apart = apart.max(difference(&expected.data, maps.get(name)?));
        }
        Ok((spent, apart))
    }
}

/// The options of the faithful mode, which has to be what the peer does.
fn faithful(options: &DetectOptions) -> Outcome<DetectOptions> {
    let refuse = |what| Err(CliError::Input(format!("--peer does not do {what}")));
    if options.repair.guidance_scale != 1.0 {
        return refuse("classifier-free guidance: leave out --guidance-scale");
    }
    if options.repair.compare != Compare::Roundtrip {
        return refuse("other comparisons than that after a round trip: leave out --compare");
    }
    if !options.repair.drift_correction {
        return refuse("repairs without correction of drift");
    }
    if options.tile.is_some() {
        return refuse("tiles: leave out --tile");
    }
    let mut options = options.clone();
    options.mode = Mode::Faithful;
    options.masks.scales = Some(SCALES.to_vec());
    options.repair.references = Some(0);
    Ok(options)
}

/// The passes of a detection, by what was painted together.
fn groups(
    frame: &Frame,
    options: &DetectOptions,
    steps: usize,
    judged: &Measurement,
) -> Vec<Group> {
    let plan = MaskPlan::new(frame, &options.scales(None), options.mode, &options.masks);
    let measured = |cells| judged.scales.iter().find(|scale| scale.n_cells == cells);
    let finest = judged.scales.iter().map(|scale| scale.n_cells).max();
    let mut groups: Vec<Group> = plan
        .scales
        .into_iter()
        .filter_map(|scale| {
            Some(Group {
                name: scale.n_cells.to_string(),
                expected: measured(scale.n_cells)?.map.clone(),
                strength: options.strength(scale.n_cells),
                detail: Some(scale.n_cells) == finest,
                passes: scale.passes,
            })
        })
        .collect();
    if let Some(guided) = &judged.guided {
        groups.push(Group {
            name: "guided".into(),
            passes: vec![Pass {
                scale: Scale::Guided,
                index: 0,
                cores: guided.cores.clone(),
                hidden: guided.hidden.clone(),
            }],
            strength: options.guided_strength(steps),
            detail: true,
            expected: within(&guided.map, &guided.cores),
        });
    }
    groups
}

/// A map in a mask, 0 elsewhere.
fn within(map: &Map, mask: &Mask) -> Map {
    let mut map = map.clone();
    for (value, set) in map.data.iter_mut().zip(&mask.data) {
        if !set {
            *value = 0.0;
        }
    }
    map
}

/// Masks, halo weights, noise and text of a group.
fn give(
    given: &mut Tensors,
    group: &Group,
    frame: &Frame,
    options: &DetectOptions,
    (latents, context): ([usize; 3], (Vec<usize>, Vec<f32>)),
) {
    let passes = &group.passes;
    let count = passes.len();
    let mut put = |name: &str, shape: &[usize], values: Vec<f32>| {
        given.put(format!("{}.{name}", group.name), shape, values);
    };
    let each = |mask: &dyn Fn(&Pass) -> Mask| -> Vec<f32> {
        let masks = passes.iter().flat_map(|pass| mask(pass).data);
        masks.map(|set| f32::from(u8::from(set))).collect()
    };
    let pixels = [count, 1, frame.height, frame.width];
    put(
        "hidden",
        &[count, 1, frame.padded_height(), frame.padded_width()],
        each(&|pass| pass.padded_hidden(frame)),
    );
    let [channels, height, width] = latents;
    put(
        "latent_mask",
        &[count, 1, height, width],
        each(&|pass| pass.latent_mask(frame)),
    );
    put("cores", &pixels, each(&|pass| pass.cores.clone()));
    let radius = options.repair.drift_radius;
    put("near", &pixels, each(&|pass| near(&pass.hidden, radius)));
    let halo = options.masks.halo * frame.factor;
    put(
        "weights",
        &pixels,
        passes
            .iter()
            .flat_map(|pass| blend_weights(pass, halo))
            .collect(),
    );
    let stream = passes.first().map_or(0, |pass| pass.scale.stream());
    let noise = noise::field(options.seed, stream, [channels, height, width]);
    put("noise", &[1, channels, height, width], noise);
    put("context", &context.0, context.1);
}

/// Visible pixels near a hidden set, which tell the drift of colours.
fn near(hidden: &Mask, radius: usize) -> Mask {
    let mut near = dilate(hidden, radius, radius);
    for (near, hidden) in near.data.iter_mut().zip(&hidden.data) {
        *near &= !hidden;
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_peer_does_not_do_is_refused() {
        let options = faithful(&DetectOptions::default()).unwrap();
        assert_eq!(options.mode, Mode::Faithful);
        assert_eq!(options.repair.references, Some(0));
        let mut guided = DetectOptions::default();
        guided.repair.guidance_scale = 2.0;
        assert_eq!(faithful(&guided).unwrap_err().exit_code(), 2);
        let tiled = DetectOptions {
            tile: Some(256),
            ..DetectOptions::default()
        };
        assert!(faithful(&tiled).unwrap_err().to_string().contains("--tile"));
    }

    #[test]
    fn drift_is_told_by_visible_pixels_alone() {
        let mut hidden = Mask::new(9, 1);
        hidden.data[4] = true;
        let near = near(&hidden, 2);
        let set: Vec<usize> = (0..9).filter(|at| near.data[*at]).collect();
        assert_eq!(set, [2, 3, 5, 6]);
    }
}
