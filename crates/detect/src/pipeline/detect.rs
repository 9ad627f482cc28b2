//! Judging one photo.

use std::collections::BTreeMap;

use anomalysd_imaging::{Map, Photo};

use super::measure::{Context, Measurement};
use super::timings::Meter;
use super::{ClassModel, Detector, PreparedClass};
use crate::DetectError;
use crate::control::{Control, Stage};
use crate::features::FeatureNetwork;
use crate::options::{Mode, ScoreOptions};
use crate::prototypes::grid_of;
use crate::repaint::Repair;
use crate::score::{ClassNormalisers, fuse, guided_map, mean_over_scales, photo_score};
use crate::verdict::{Region, Verdict, regions, verdict_in};

/// A measurement, normalised and fused.
#[derive(Debug, Clone)]
pub struct Scored {
    /// q̃: features alone.
    pub features: Map,
    /// D̃_n by cells per side.
    pub scales: BTreeMap<usize, Map>,
    /// S_ms; absent without a model.
    pub multi_scale: Option<Map>,
    /// S_pg, which counts in the cores of the guided pass; absent without one.
    pub guided_repair: Option<Map>,
    /// g.
    pub guided: Map,
    /// S, blurred.
    pub map: Map,
    /// The photo's score.
    pub score: f32,
}

/// A judged photo.
#[derive(Debug, Clone)]
pub struct Detection {
    /// The photo's score; 1 is about the top of normal.
    pub score: f32,
    /// The score above which it is suspect.
    pub threshold: f32,
    /// The mode that it was judged in.
    pub mode: Mode,
    /// What it comes to.
    pub verdict: Verdict,
    /// P(a good photo scores at least this); `None` where the calibration supports none.
    pub p_value: Option<f32>,
    /// The class was calibrated under other options: there is no p-value, and the threshold is
    /// that of those options.
    pub calibration_stale: bool,
    /// Where it differs, by falling peak.
    pub regions: Vec<Region>,
    /// How it should look.
    pub repaired: Photo,
    /// Everything measured.
    pub measurement: Measurement,
    /// Everything normalised and fused.
    pub scored: Scored,
    /// Milliseconds by stage, by the caller's clock. What belongs to the class counts for the photo
    /// that first needed it.
    pub timings: BTreeMap<Stage, f64>,
}

impl Detection {
    /// The same photo at another threshold. `peak`: the highest value of S on any good photo, above
    /// which regions start.
    pub fn judge_at(&mut self, threshold: f32, peak: f32) {
        self.threshold = threshold;
        self.verdict = verdict_in(self.mode, self.score, threshold);
        self.regions = regions(&self.scored.map, threshold, peak, self.verdict);
    }
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Judges a photo against a class. For several photos, [`Self::prepare`] the class once.
    ///
    /// # Errors
    /// As [`Self::prepare`] and [`Self::detect_prepared`].
    pub async fn detect(
        &self,
        class: &ClassModel,
        photo: &Photo,
        control: &Control<'_>,
    ) -> Result<Detection, DetectError> {
        let prepared = self.prepare(class, control).await?;
        self.detect_prepared(&prepared, photo, control).await
    }

    /// Judges several photos of one class, which is made ready once.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub async fn detect_all(
        &self,
        class: &ClassModel,
        photos: &[Photo],
        control: &Control<'_>,
    ) -> Result<Vec<Detection>, DetectError> {
        let prepared = self.prepare(class, control).await?;
        let mut detections = Vec::with_capacity(photos.len());
        for (index, photo) in photos.iter().enumerate() {
            let meter = Meter::new(control, index, photos.len());
            detections.push(self.detect_with(&prepared, photo, &meter).await?);
        }
        Ok(detections)
    }

    /// Judges a photo against a class that was made ready.
    ///
    /// What belongs to the class is in the timings of the photo that first needs it. Passes that
    /// [`Control::painted`] holds are not painted again.
    ///
    /// # Errors
    /// The networks' own; descriptors of another length than this feature network's; a stop by the
    /// caller.
    pub async fn detect_prepared(
        &self,
        class: &PreparedClass<'_, R>,
        photo: &Photo,
        control: &Control<'_>,
    ) -> Result<Detection, DetectError> {
        let meter = Meter::new(control, 0, 1).resuming();
        self.detect_with(class, photo, &meter).await
    }

    async fn detect_with(
        &self,
        class: &PreparedClass<'_, R>,
        photo: &Photo,
        meter: &Meter<'_>,
    ) -> Result<Detection, DetectError> {
        if let Some(spent_ms) = class.spent_ms.take() {
            meter.add(Stage::Class, spent_ms);
        }
        let photo = self.resized(photo);
        let normalisers = Some(&class.model.normalisers);
        meter.expect(self.work((photo.width, photo.height), normalisers));
        let subject = self.open(photo, false, meter).await?;
        let model = class.model;
        let (own, given) = (subject.descriptors.dim, model.prototypes.bank.dim);
        if own != given {
            return Err(DetectError::Profile {
                reason: format!(
                    "its descriptors have {given} numbers, the feature network's {own}"
                ),
            });
        }
        let context = Context {
            prototypes: &model.prototypes,
            good: model.good.iter().collect(),
            class: class.ready.as_ref(),
            guide: model.guide,
            normalisers,
        };
        let measurement = self.measure(&subject, &context, meter).await?;
        self.judge(model, measurement, meter).await
    }

    async fn judge(
        &self,
        class: &ClassModel,
        measurement: Measurement,
        meter: &Meter<'_>,
    ) -> Result<Detection, DetectError> {
        let photo = &measurement.photo;
        let grid = grid_of(photo.width, photo.height, self.options.features.grid);
        let scored = score(&measurement, &class.normalisers, grid, &self.options.score);
        let calibration = &class.calibration;
        let said = verdict_in(self.options.mode, scored.score, calibration.threshold);
        let stale = calibration.depends_on != self.depends_on();
        let repaired = measurement
            .guided
            .as_ref()
            .map_or_else(|| photo.clone(), |guided| guided.repaired.clone());
        let regions = regions(&scored.map, calibration.threshold, calibration.peak, said);
        meter.tick(Stage::Fuse, 1).await?;
        Ok(Detection {
            score: scored.score,
            threshold: calibration.threshold,
            mode: self.options.mode,
            verdict: said,
            p_value: (!stale)
                .then(|| calibration.p_value(scored.score))
                .flatten(),
            calibration_stale: stale,
            regions,
            repaired,
            scored,
            timings: meter.spent(),
            measurement,
        })
    }
}

/// Normalises and fuses a measurement.
pub(super) fn score(
    measurement: &Measurement,
    normalisers: &ClassNormalisers,
    (columns, rows): (usize, usize),
    options: &ScoreOptions,
) -> Scored {
    let features = normalisers.features.apply(&measurement.q, options);
    let scales: BTreeMap<usize, Map> = measurement
        .scales
        .iter()
        .filter_map(|scale| {
            let normaliser = normalisers.scales.get(&scale.n_cells)?;
            Some((scale.n_cells, normaliser.apply(&scale.map, options)))
        })
        .collect();
    let maps: Vec<Map> = scales.values().cloned().collect();
    let multi_scale = mean_over_scales(&maps, options.mean_exponent);
    let repaired = measurement
        .guided
        .as_ref()
        .zip(normalisers.guided.as_ref())
        .map(|(guided, normaliser)| (&guided.cores, normaliser.apply(&guided.map, options)));
    let guided = guided_map(
        &features,
        repaired.as_ref().map(|(cores, map)| (*cores, map)),
        options.guided_weight,
    );
    let map = fuse(multi_scale.as_ref(), &guided, options).map;
    let score = photo_score(&map, columns, rows, options);
    Scored {
        features,
        scales,
        multi_scale,
        guided_repair: repaired.map(|(_, map)| map),
        guided,
        map,
        score,
    }
}
