//! Judging one photo.

use std::collections::BTreeMap;

use anomalysd_imaging::{Map, Mask, Photo};

use super::measure::{Context, Measurement};
use super::tiles::TileContext;
use super::timings::Meter;
use super::{ClassModel, Detector, PreparedClass};
use crate::DetectError;
use crate::control::{Control, Stage};
use crate::features::FeatureNetwork;
use crate::ignore::{Place, ignored, painted_over, restored, without_small};
use crate::options::{Mode, ScoreOptions};
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
    /// Pixels of the smallest place that counts; 1 where all do.
    pub smallest: usize,
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
        let map = without_small(&self.scored.map, threshold, self.smallest);
        self.regions = regions(&map, threshold, peak, self.verdict);
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
        let original = self.resized(photo);
        let places = [class.model.ignored.as_slice(), &self.ignored].concat();
        let hidden = ignored(&places, original.width, original.height);
        let pixels = photo.width * photo.height;
        let photo = painted_over(&original, &hidden);
        let normalisers = Some(&class.model.normalisers);
        let model = class.model;
        let mut measurement = match self.tile_side() {
            Some(side) => {
                let windows = self.windows(&photo, side);
                meter.expect(windows.count() * self.work(windows.size(), normalisers));
                let known = TileContext::of(model)?;
                let whole = self.measure_tiles(&photo, &hidden, side, &known, false, meter);
                whole.await?.0
            }
            None => {
                meter.expect(self.work((photo.width, photo.height), normalisers));
                let subject = self.open(photo, hidden.clone(), false, meter).await?;
                model.prototypes.check(&subject.descriptors)?;
                let context = Context {
                    prototypes: &model.prototypes,
                    good: model.good.iter().collect(),
                    class: class.ready.as_ref(),
                    guide: model.guide,
                    normalisers,
                    registered: true,
                };
                self.measure(&subject, &context, meter).await?
            }
        };
        // What was painted over was for the networks alone; people see their photo.
        if let Some(guided) = &mut measurement.guided {
            guided.repaired = restored(&guided.repaired, &original, &hidden);
        }
        measurement.photo = original;
        let smallest = self.min_area.map_or(1, |area| {
            (area.share(pixels) * hidden.data.len() as f32).ceil() as usize
        });
        self.judge(model, measurement, &places, smallest, meter)
            .await
    }

    async fn judge(
        &self,
        class: &ClassModel,
        measurement: Measurement,
        places: &[Place],
        smallest: usize,
        meter: &Meter<'_>,
    ) -> Result<Detection, DetectError> {
        let photo = &measurement.photo;
        let grid = measurement.grid(self.options.features.grid);
        let options = &measurement.score_options(&self.options.score);
        let mut scored = score(&measurement, &class.normalisers, grid, places, options);
        let calibration = &class.calibration;
        if smallest > 1 {
            scored.map = without_small(&scored.map, calibration.threshold, smallest);
            scored.score = photo_score(&scored.map, grid.0, grid.1, options);
        }
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
            smallest,
            repaired,
            scored,
            timings: meter.spent(),
            measurement,
        })
    }
}

/// The map with 0 in a mask.
fn zeroed(mut map: Map, mask: &Mask) -> Map {
    for (value, hidden) in map.data.iter_mut().zip(&mask.data) {
        if *hidden {
            *value = 0.0;
        }
    }
    map
}

/// Normalises and fuses a measurement.
pub(super) fn score(
    measurement: &Measurement,
    normalisers: &ClassNormalisers,
    (columns, rows): (usize, usize),
    places: &[Place],
    options: &ScoreOptions,
) -> Scored {
    let hidden = ignored(places, measurement.q.width, measurement.q.height);
    let counted = |map: Map| zeroed(map, &hidden);
    let features = counted(normalisers.features.apply(&measurement.q, options));
    let scales: BTreeMap<usize, Map> = measurement
        .scales
        .iter()
        .filter_map(|scale| {
            let normaliser = normalisers.scales.get(&scale.n_cells)?;
            Some((
                scale.n_cells,
                counted(normaliser.apply(&scale.map, options)),
            ))
        })
        .collect();
    let maps: Vec<Map> = scales.values().cloned().collect();
    let multi_scale = mean_over_scales(&maps, options.mean_exponent);
    let repaired = measurement
        .guided
        .as_ref()
        .zip(normalisers.guided.as_ref())
        .map(|(guided, normaliser)| {
            (
                &guided.cores,
                counted(normaliser.apply(&guided.map, options)),
            )
        });
    let guided = guided_map(
        &features,
        repaired.as_ref().map(|(cores, map)| (*cores, map)),
        options.guided_weight,
    );
    // Before it is blurred, so that nothing of them comes out; and after, so that nothing comes in.
    let map = counted(fuse(multi_scale.as_ref(), &guided, options).map);
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
