//! Painting the passes of a photo and measuring how far each repair is from it.

use anomalysd_imaging::{Map, Mask, Photo, resize_bilinear_map};
use sha2::{Digest, Sha256};

use super::Detector;
use super::subject::Subject;
use super::timings::Meter;
use crate::DetectError;
use crate::control::Stage;
use crate::features::FeatureNetwork;
use crate::masks::{MaskPlan, Pass, Scale, guided_cells, guided_pass, top_cores};
use crate::options::{Compare, ScoreOptions};
use crate::prototypes::{Descriptors, PrototypeMaps, Prototypes, grid_of};
use crate::repaint::{
    Contexts, Latents, PaintRequest, Prompt, Repair, Ticked, blend_weights, colour_drift,
    composite, with_details,
};
use crate::report::hex;
use crate::score::{ClassNormalisers, merge_cores, pass_distance};

/// One pass, painted and measured.
#[derive(Debug, Clone)]
pub struct PassResult {
    /// What was hidden and what is scored.
    pub pass: Pass,
    /// The repaired photo: cores painted, halo blended, everything else the photo bit for bit.
    pub repaired: Photo,
    /// d(u) on the photo's pixels; it counts in the cores alone.
    pub distance: Map,
}

/// One scale, measured.
#[derive(Debug, Clone)]
pub struct ScaleResult {
    /// Cells per side.
    pub n_cells: usize,
    /// D_n(u).
    pub map: Map,
    /// Its passes; empty unless intermediates are kept.
    pub passes: Vec<PassResult>,
}

/// The guided pass, measured.
#[derive(Debug, Clone)]
pub struct GuidedResult {
    /// Pixels that are scored.
    pub cores: Mask,
    /// Pixels that were repainted: cores and halo.
    pub hidden: Mask,
    /// D_pg(u); it counts in the cores alone.
    pub map: Map,
    /// The repaired photo.
    pub repaired: Photo,
}

/// What was measured on one photo, before anything is normalised.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The photo as it was judged, resized.
    pub photo: Photo,
    /// Longer side of what the networks saw at once, in pixels: the photo's own, or a tile's.
    pub side: usize,
    /// Distances from the prototypes, per feature cell.
    pub prototypes: PrototypeMaps,
    /// q(u) on the photo's pixels.
    pub q: Map,
    /// One per scale; empty without a model.
    pub scales: Vec<ScaleResult>,
    /// Absent where nothing looked suspicious, or without a model.
    pub guided: Option<GuidedResult>,
    /// `dec(enc(x))`; absent unless intermediates are kept and repairs are compared with it.
    pub round_trip: Option<Photo>,
}

impl Measurement {
    /// Columns and rows of the feature cells, of which the longer side of what the networks saw has `longer`.
    pub fn grid(&self, longer: usize) -> (usize, usize) {
        let (width, height) = (self.photo.width, self.photo.height);
        let most = width.max(height);
        let cells = (longer * most + self.side / 2) / self.side.max(1);
        grid_of(width, height, cells)
    }

    /// The options for a photo of this size: what they say in shares of a photo is said of a tile.
    pub fn score_options(&self, options: &ScoreOptions) -> ScoreOptions {
        let (width, height) = (self.photo.width, self.photo.height);
        let (columns, rows) = (width.min(self.side), height.min(self.side));
        let share = (columns * rows) as f32 / (width * height).max(1) as f32;
        let blurred = width.min(height) as f32 / columns.min(rows).max(1) as f32;
        ScoreOptions {
            top_fraction: options.top_fraction * share,
            blur_divisor: options.blur_divisor * blurred,
            ..options.clone()
        }
    }
}

/// What was painted in one pass.
struct Painted<'a> {
    /// As the model decodes it.
    plain: &'a Photo,
    /// With the details of the good photos that it was filled with, where they are known.
    detailed: &'a Photo,
}

/// What a photo is measured against: some good photos of its class.
pub(super) struct Context<'a, R: Repair> {
    pub prototypes: &'a Prototypes,
    /// Good photos' descriptors, in the order of the class's latents.
    pub good: Vec<&'a Descriptors>,
    pub class: Option<&'a R::Class>,
    /// Quantiles of good photos' q: what seeds the guided mask, and what seeds grow to.
    pub guide: (f32, f32),
    /// What is known of normal maps, where it is known: a scale that nothing is known of would be
    /// painted for nothing. A fit, which finds it out, has none.
    pub normalisers: Option<&'a ClassNormalisers>,
    /// Whether the good photos are laid over the photo. A photo lies over its own views exactly, as it does over no
    /// other photo: they would say that a repair has no error.
    pub registered: bool,
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// A class made ready on the device; `None` without a model.
    pub(super) async fn ready(
        &self,
        contexts: Option<&Contexts>,
        good: &[Latents],
        meter: &Meter<'_>,
    ) -> Result<Option<R::Class>, DetectError> {
        let ready = match (self.repair, contexts) {
            (Some(repair), Some(contexts)) => {
                let good = &good[..self.references(good.len())];
                Some(repair.class(contexts, good).await?)
            }
            _ => None,
        };
        meter.tick(Stage::Class, 0).await?;
        Ok(ready)
    }

    /// Units of work of one photo; `normalisers` as in [`Context`].
    pub(super) fn work(
        &self,
        (width, height): (usize, usize),
        normalisers: Option<&ClassNormalisers>,
    ) -> usize {
        let Some(repair) = self.repair else { return 2 };
        let (factor, multiple) = self
            .traits
            .as_ref()
            .map_or((8, 8), |traits| (traits.factor, traits.multiple));
        let frame = crate::masks::Frame {
            width,
            height,
            factor,
            multiple,
        };
        let steps = |scale| repair.steps(self.strength(scale), self.inference_steps());
        let scales = self.plan(&frame, normalisers).scales;
        let passes: usize = scales
            .iter()
            .map(|scale| scale.passes.len() * (steps(Scale::Grid(scale.n_cells)) + 3))
            .sum();
        5 + self.guided_work() + passes
    }

    /// Units of work of one guided pass.
    pub(super) fn guided_work(&self) -> usize {
        match self.repair {
            Some(repair) if self.options.masks.guided => {
                repair.steps(self.strength(Scale::Guided), self.inference_steps()) + 3
            }
            _ => 0,
        }
    }

    fn plan(
        &self,
        frame: &crate::masks::Frame,
        normalisers: Option<&ClassNormalisers>,
    ) -> MaskPlan {
        let options = &self.options;
        let mut plan = MaskPlan::new(frame, &self.scales(), options.mode, &options.masks);
        if let Some(known) = normalisers {
            plan.scales
                .retain(|scale| known.scales.contains_key(&scale.n_cells));
        }
        plan
    }

    /// Measures a photo that was made ready.
    pub(super) async fn measure(
        &self,
        subject: &Subject<R::Scene>,
        context: &Context<'_, R>,
        meter: &Meter<'_>,
    ) -> Result<Measurement, DetectError> {
        let prototypes = context.prototypes.distances(&subject.descriptors);
        meter.tick(Stage::Prototypes, 1).await?;
        let (width, height) = (subject.photo.width, subject.photo.height);
        let q = resize_bilinear_map(&prototypes.q, width, height);
        let (mut scales, mut guided) = (Vec::new(), None);
        if let Some(class) = context.class {
            let best = self.best_reference(&subject.descriptors, &context.good);
            if best.is_some() && context.registered {
                self.register(subject, class, meter).await?;
            }
            let plan = self.plan(&subject.frame, context.normalisers);
            let finest = plan.scales.iter().map(|scale| scale.n_cells).max();
            for scale in &plan.scales {
                let prompt = if Some(scale.n_cells) == finest {
                    Prompt::Detail
                } else {
                    Prompt::Both
                };
                let results = self
                    .passes(subject, class, &scale.passes, (prompt, false), best, meter)
                    .await?;
                let pairs = results
                    .iter()
                    .map(|result| (&result.pass, &result.distance));
                let map = merge_cores(pairs, width, height);
                let passes = if self.keep_intermediates {
                    results
                } else {
                    Vec::new()
                };
                scales.push(ScaleResult {
                    n_cells: scale.n_cells,
                    map,
                    passes,
                });
            }
            let cells = guided_cells(&prototypes.q, context.guide, self.options.masks.max_share);
            guided = self.guided(subject, context, &cells, meter).await?;
        }
        let photo = subject.photo.clone();
        let side = width.max(height);
        let kept = self.keep_intermediates
            && subject.scene.is_some()
            && self.options.repair.compare == Compare::Roundtrip;
        Ok(Measurement {
            photo,
            side,
            prototypes,
            q,
            scales,
            guided,
            round_trip: kept.then(|| subject.compared.0.clone()),
        })
    }

    /// Lays the class's good photos over a photo. Places that do not count say nothing about how it lies.
    async fn register(
        &self,
        subject: &Subject<R::Scene>,
        class: &R::Class,
        meter: &Meter<'_>,
    ) -> Result<(), DetectError> {
        let (Some(repair), Some(scene)) = (self.repair, &subject.scene) else {
            return Ok(());
        };
        if self.options.repair.registration {
            let visible = subject.ignored.inverted();
            let tick = |stage, passes| -> Ticked<'_> { Box::pin(meter.tick(stage, passes)) };
            repair
                .register(scene, class, &subject.photo, &visible, &tick)
                .await?;
        }
        Ok(())
    }

    /// The guided pass over the cells with the highest q, suspicious or not: good photos have cores, too, from which
    /// one learns what is normal in them.
    pub(super) async fn forced(
        &self,
        subject: &Subject<R::Scene>,
        context: &Context<'_, R>,
        q: &Map,
        meter: &Meter<'_>,
    ) -> Result<Option<GuidedResult>, DetectError> {
        let share = self.options.masks.forced_share;
        let cells = top_cores(&q.data, q.width, q.height, share);
        self.guided(subject, context, &cells, meter).await
    }

    /// The guided pass over some cells; `None` where there is none, or no model.
    async fn guided(
        &self,
        subject: &Subject<R::Scene>,
        context: &Context<'_, R>,
        cells: &Mask,
        meter: &Meter<'_>,
    ) -> Result<Option<GuidedResult>, DetectError> {
        let options = &self.options.masks;
        let pass = options
            .guided
            .then(|| guided_pass(&subject.frame, cells, options.halo));
        let (Some(Some(pass)), Some(class)) = (pass, context.class) else {
            return Ok(None);
        };
        let best = self.best_reference(&subject.descriptors, &context.good);
        let passes = std::slice::from_ref(&pass);
        // Nobody sees what a fit repairs.
        let how = (Prompt::Detail, context.normalisers.is_some());
        let results = self
            .passes(subject, class, passes, how, best, meter)
            .await?;
        Ok(results.into_iter().next().map(|result| GuidedResult {
            cores: result.pass.cores,
            hidden: result.pass.hidden,
            map: result.distance,
            repaired: result.repaired,
        }))
    }

    /// Paints and measures passes of one scale, a memory budget's worth at a time; `detailed`: the repaired photo is shown.
    pub(super) async fn passes(
        &self,
        subject: &Subject<R::Scene>,
        class: &R::Class,
        passes: &[Pass],
        (prompt, detailed): (Prompt, bool),
        best_reference: Option<usize>,
        meter: &Meter<'_>,
    ) -> Result<Vec<PassResult>, DetectError> {
        let (Some(repair), Some(scene), Some(first)) =
            (self.repair, &subject.scene, passes.first())
        else {
            return Ok(Vec::new());
        };
        let memory_mib = self.options.memory.mib;
        let tick = |stage, passes| -> Ticked<'_> { Box::pin(meter.tick(stage, passes)) };
        let mut results = Vec::with_capacity(passes.len());
        for passes in passes.chunks(repair.batch_size(scene, memory_mib).max(1)) {
            let request = PaintRequest {
                passes,
                strength: self.strength(first.scale),
                inference_steps: self.inference_steps(),
                guidance_scale: self.options.repair.guidance_scale,
                seed: self.options.seed,
                prompt,
                best_reference,
                memory_mib,
            };
            let key = |pass: &Pass| key(subject.origin, &request, pass);
            let painted = match painted_before(passes, &key, meter) {
                Some(painted) => {
                    // What painting would have ticked: encode, steps, decode.
                    let steps = repair.steps(request.strength, request.inference_steps);
                    meter
                        .tick(Stage::Decode, passes.len() * (steps + 2))
                        .await?;
                    painted
                }
                None => {
                    let painted = repair.paint(scene, class, &request, &tick).await?;
                    for (pass, painted) in passes.iter().zip(&painted) {
                        meter.painted().put(&key(pass), painted);
                    }
                    painted
                }
            };
            // What is compared with what the autoencoder makes of the photo lacks details as that does.
            let details = if detailed || self.options.repair.compare == Compare::Photo {
                repair.details(scene, class, &request, &tick).await?
            } else {
                None
            };
            for (index, (pass, painted)) in passes.iter().zip(painted).enumerate() {
                let detailed = details
                    .as_ref()
                    .and_then(|details| details.get(index))
                    .map(|details| with_details(&painted, details));
                let painted = Painted {
                    detailed: detailed.as_ref().unwrap_or(&painted),
                    plain: &painted,
                };
                results.push(self.compare(subject, pass, &painted).await?);
                meter.tick(Stage::Features, 1).await?;
            }
        }
        Ok(results)
    }

    /// Composites what was painted and measures its distance.
    async fn compare(
        &self,
        subject: &Subject<R::Scene>,
        pass: &Pass,
        painted: &Painted<'_>,
    ) -> Result<PassResult, DetectError> {
        let mut weights = blend_weights(pass, self.options.masks.halo * subject.frame.factor);
        for (weight, ignored) in weights.iter_mut().zip(&subject.ignored.data) {
            if *ignored {
                *weight = 0.0;
            }
        }
        let (original, original_layers) = &subject.compared;
        let own = match self.options.repair.compare {
            Compare::Photo => painted.detailed,
            Compare::Roundtrip => painted.plain,
        };
        let drift = colour_drift(original, own, &pass.hidden, &self.options.repair);
        let compared = composite(original, own, &weights, drift);
        let layers = self.features.extract(&compared).await?;
        let distance = pass_distance(
            (original, original_layers),
            (&compared, &layers),
            &pass.hidden,
            &self.options.score,
        );
        let repaired = match self.options.repair.compare {
            Compare::Photo => compared,
            Compare::Roundtrip => composite(&subject.photo, painted.detailed, &weights, drift),
        };
        Ok(PassResult {
            pass: pass.clone(),
            repaired,
            distance,
        })
    }

    /// The most alike of the good photos that are references; `None` without one.
    fn best_reference(&self, photo: &Descriptors, good: &[&Descriptors]) -> Option<usize> {
        best_reference(photo, &good[..self.references(good.len())])
    }

    /// λ of a scale.
    fn strength(&self, scale: Scale) -> f32 {
        match scale {
            Scale::Grid(cells) => self.options.strength(cells),
            Scale::Guided => self.options.guided_strength(self.inference_steps()),
        }
    }
}

/// What an earlier attempt painted for this request: all of its passes or none, since those that are
/// painted together are painted together again.
fn painted_before(
    passes: &[Pass],
    key: &dyn Fn(&Pass) -> String,
    meter: &Meter<'_>,
) -> Option<Vec<Photo>> {
    let kept = |pass| meter.painted().get(&key(pass));
    passes.iter().map(kept).collect()
}

/// Everything that decides what is painted on a photo, or on the tile of it at `origin`. The hidden set is part of it: that of the
/// guided pass may differ where a detection goes on on another device.
fn key(origin: (usize, usize), request: &PaintRequest<'_>, pass: &Pass) -> String {
    let PaintRequest {
        strength,
        inference_steps,
        guidance_scale,
        seed,
        prompt,
        best_reference,
        ..
    } = request;
    let said = format!(
        "{origin:?} {} {strength} {inference_steps} {guidance_scale} {seed} {prompt:?} {best_reference:?}",
        pass.scale
    );
    let hidden: Vec<u8> = pass
        .hidden
        .data
        .iter()
        .map(|hidden| u8::from(*hidden))
        .collect();
    let digest = Sha256::new()
        .chain_update(said)
        .chain_update(hidden)
        .finalize();
    hex(&digest)
}

/// The good photo that is most alike, place by place; `None` without one.
fn best_reference(photo: &Descriptors, good: &[&Descriptors]) -> Option<usize> {
    (0..good.len()).min_by(|&a, &b| {
        let rank = |index: usize| likeness(photo, good[index]);
        rank(a).total_cmp(&rank(b))
    })
}

/// Squared distance of two photos, place by place: the lower, the more alike. Photos of another shape cannot be
/// laid over each other; they come last.
pub(super) fn likeness(photo: &Descriptors, other: &Descriptors) -> f32 {
    if (photo.width, photo.height) != (other.width, other.height) {
        return f32::INFINITY;
    }
    let pairs = photo.data.iter().zip(&other.data);
    pairs.map(|(a, b)| (a - b) * (a - b)).sum()
}
