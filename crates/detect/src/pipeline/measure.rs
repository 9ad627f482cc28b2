//! Painting the passes of a photo and measuring how far each repair is from it.

use anomalysd_imaging::{Map, Photo};

use super::subject::Subject;
use super::timings::Meter;
use super::{Detector, ReadyRepair};
use crate::DetectError;
use crate::control::Stage;
use crate::features::FeatureNetwork;
use crate::masks::{Pass, Scale, ScalePlan};
use crate::options::Compare;
use crate::repaint::{
    PaintRequest, Prompt, Repair, blend_weights, colour_drift, composite, partial_timesteps,
};
use crate::score::{merge_cores, pass_distance};

/// One pass, painted and measured.
#[derive(Debug, Clone)]
pub struct PassResult {
    /// What was hidden and what is scored.
    pub pass: Pass,
    /// The repaired photo: cores painted, halo blended, everything else the photo bit for bit.
    pub repaired: Photo,
    /// d(u) on the photo's pixels; it counts in the cores alone.
    pub distance: Map,
    /// Colour added to what was painted, per channel.
    pub drift: [f32; 3],
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

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Units of work of some passes: masked encode, steps, decode, features.
    pub(super) fn work(&self, scale: Scale, passes: usize) -> usize {
        let strength = self.strength(scale);
        let timesteps = partial_timesteps(strength, self.inference_steps, self.train_timesteps);
        passes * (timesteps.len() + 3)
    }

    /// Paints and measures one scale.
    pub(super) async fn measure_scale(
        &self,
        subject: &Subject<R>,
        ready: &ReadyRepair<R>,
        plan: &ScalePlan,
        finest: bool,
        meter: &Meter<'_>,
    ) -> Result<ScaleResult, DetectError> {
        let prompt = if finest { Prompt::Detail } else { Prompt::Both };
        let mut results = self.measure_passes(subject, ready, &plan.passes, prompt, meter).await?;
        let pairs = results.iter().map(|result| (&result.pass, &result.distance));
        let map = merge_cores(pairs, subject.photo.width, subject.photo.height);
        if !self.keep_intermediates {
            results.clear();
        }
        Ok(ScaleResult { n_cells: plan.n_cells, map, passes: results })
    }

    /// Paints and measures passes of one scale, a memory budget's worth at a time.
    pub(super) async fn measure_passes(
        &self,
        subject: &Subject<R>,
        ready: &ReadyRepair<R>,
        passes: &[Pass],
        prompt: Prompt,
        meter: &Meter<'_>,
    ) -> Result<Vec<PassResult>, DetectError> {
        let (Some(repair), Some(scene)) = (self.repair, &subject.scene) else {
            return Err(DetectError::NoModel);
        };
        let Some(first) = passes.first() else { return Ok(Vec::new()) };
        let batch = repair.batch_size(scene, self.options.memory.mib).max(1);
        let tick = |stage, passes| meter.tick(stage, passes);
        let mut results = Vec::with_capacity(passes.len());
        for passes in passes.chunks(batch) {
            let request = PaintRequest {
                passes,
                strength: self.strength(first.scale),
                inference_steps: self.inference_steps,
                guidance_scale: self.options.repair.guidance_scale,
                seed: self.options.seed,
                prompt,
                best_reference: ready.best_reference(subject),
            };
            let painted = repair.paint(scene, &ready.class, &request, &tick).await?;
            for (pass, painted) in passes.iter().zip(painted) {
                results.push(self.measure(subject, pass, &painted).await?);
                meter.tick(Stage::Features, 1)?;
            }
        }
        Ok(results)
    }

    /// Composites what was painted and measures its distance.
    async fn measure(
        &self,
        subject: &Subject<R>,
        pass: &Pass,
        painted: &Photo,
    ) -> Result<PassResult, DetectError> {
        if painted.data.iter().any(|value| !value.is_finite()) {
            return Err(DetectError::NotFinite { what: "a repaired photo" });
        }
        let weights = blend_weights(pass, self.options.masks.halo * subject.frame.factor);
        let original = &subject.compared;
        let drift = colour_drift(&original.photo, painted, &pass.hidden, &self.options.repair);
        let repaired = composite(&original.photo, painted, &weights, drift);
        let layers = self.features.extract(&repaired).await?;
        let distance = pass_distance(
            (&original.photo, &original.layers),
            (&repaired, &layers),
            &self.options.score,
        );
        let repaired = match self.options.repair.compare {
            Compare::Photo => repaired,
            Compare::Roundtrip => composite(&subject.photo, painted, &weights, drift),
        };
        Ok(PassResult { pass: pass.clone(), repaired, distance, drift })
    }

    /// λ of a scale.
    fn strength(&self, scale: Scale) -> f32 {
        match scale {
            Scale::Grid(cells) => self.options.strength(cells),
            Scale::Guided => self.options.repair.guided_strength,
        }
    }
}
