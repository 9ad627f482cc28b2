//! Fitting a class on its good photos: prototypes, normalisers, calibration.

use anomalysd_imaging::Photo;

use super::detect::score;
use super::measure::{Context, Guide, Measurement};
use super::subject::Subject;
use super::timings::Meter;
use super::{Detector, views};
use crate::DetectError;
use crate::control::Control;
use crate::features::FeatureNetwork;
use crate::options::ScoreOptions;
use crate::profile::round_to_half;
use crate::prompts::Prompts;
use crate::prototypes::{Descriptors, Pose, Prototypes, grid_of};
use crate::repaint::{Contexts, Latents, Repair};
use crate::score::{ClassNormalisers, Normaliser};
use crate::verdict::{Calibration, CalibrationKind};

/// What is known of a class.
#[derive(Debug, Clone)]
pub struct ClassModel {
    /// Its name: that of the prompts, unless the caller gives another.
    pub name: String,
    /// What the model is told about it.
    pub prompts: Prompts,
    /// How its photos lie.
    pub pose: Pose,
    /// Bank and subspace of all good photos and their allowed turns.
    pub prototypes: Prototypes,
    /// Descriptors of each good photo.
    pub good: Vec<Descriptors>,
    /// Latents of each good photo; empty without a model.
    pub latents: Vec<Latents>,
    /// Text contexts; absent without a model.
    pub contexts: Option<Contexts>,
    /// Quantiles of good photos' q: seeds and growth of the guided mask.
    pub guide: (f32, f32),
    /// What is normal.
    pub normalisers: ClassNormalisers,
    /// Scores of good photos and the threshold.
    pub calibration: Calibration,
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Fits a class.
    ///
    /// With two and more photos each is measured against the others; one photo is measured
    /// against its own views.
    ///
    /// # Errors
    /// No photo; the networks' own.
    pub async fn fit(
        &self,
        prompts: &Prompts,
        good: &[Photo],
        control: &Control<'_>,
    ) -> Result<ClassModel, DetectError> {
        if good.is_empty() {
            return Err(DetectError::NoGoodPhotos);
        }
        let good: Vec<Photo> = good.iter().map(|photo| self.resized(photo)).collect();
        let single = good.len() == 1;
        let views = if single {
            views::views(&good[0], &self.pose_of_one(&good[0]).turns)
        } else {
            Vec::new()
        };
        let meter = Meter::new(control, 0, 1);
        let measured = if single { &views } else { &good };
        meter.expect(
            measured
                .iter()
                .map(|photo| self.work(photo.width, photo.height))
                .sum(),
        );
        let contexts = match self.repair {
            Some(repair) => {
                let contexts = repair.contexts(&prompts.both(), &prompts.detail()).await?;
                Some(rounded(contexts))
            }
            None => None,
        };
        let mut subjects = Vec::with_capacity(good.len());
        for photo in good {
            let mut subject = self.open(photo, true, &meter).await?;
            // What a profile stores is rounded here, so that a loaded one judges the same.
            if let Some(latents) = &mut subject.latents {
                round_to_half(&mut latents.data);
            }
            subjects.push(subject);
        }
        let all: Vec<&Descriptors> = subjects
            .iter()
            .map(|subject| &subject.descriptors)
            .collect();
        let (pose, turned) = {
            let good: Vec<_> = subjects
                .iter()
                .map(|subject| (&subject.photo, &subject.descriptors))
                .collect();
            self.pose(&good).await?
        };
        let shown: Vec<&Descriptors> = turned.iter().flatten().collect();
        let prototypes = Prototypes::fit(&shown, pose.aligned, &self.options.features);
        let latents: Vec<Latents> = subjects
            .iter()
            .filter_map(|subject| subject.latents.clone())
            .collect();
        let measurements = if single {
            let mut opened = Vec::with_capacity(views.len());
            for view in views {
                opened.push(self.open(view, false, &meter).await?);
            }
            let context = Context {
                prototypes: &prototypes,
                good: all.clone(),
                class: self.ready(contexts.as_ref(), &latents).await?,
                guide: Guide::Forced,
            };
            let mut measurements = Vec::with_capacity(opened.len());
            for view in &opened {
                measurements.push(self.measure(view, &context, &meter).await?);
            }
            measurements
        } else {
            self.leave_one_out(
                &subjects,
                &turned,
                pose.aligned,
                contexts.as_ref(),
                &latents,
                &meter,
            )
            .await?
        };
        let kind = if single {
            CalibrationKind::Views
        } else {
            CalibrationKind::LeaveOneOut
        };
        let score_options = &self.options.score;
        let grid = |photo: &Photo| grid_of(photo.width, photo.height, self.options.features.grid);
        let located = pose.aligned;
        let normalisers = normalisers(
            &measurements,
            grid(&measurements[0].photo),
            located,
            score_options,
        );
        let mut scores = Vec::with_capacity(measurements.len());
        let mut peaks = Vec::with_capacity(measurements.len());
        for (index, measurement) in measurements.iter().enumerate() {
            // What is normal is taken from the others, so that the photo does not excuse itself.
            let others: Vec<Measurement> = measurements
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .map(|(_, other)| other.clone())
                .collect();
            let grid = grid(&measurement.photo);
            let own = self::normalisers(&others, grid, located, score_options);
            let scored = score(measurement, &own, grid, score_options);
            scores.push(scored.score);
            peaks.push(scored.map.max());
        }
        let guide = quantiles(&measurements, &self.options.masks);
        let calibration = Calibration::new(kind, scores, &peaks, self.depends_on());
        Ok(ClassModel {
            name: prompts.name.clone(),
            prompts: prompts.clone(),
            good: subjects
                .iter()
                .map(|subject| subject.descriptors.clone())
                .collect(),
            pose,
            prototypes,
            latents,
            contexts,
            guide,
            normalisers,
            calibration,
        })
    }

    /// Each good photo measured with bank, subspace and references of the others.
    async fn leave_one_out(
        &self,
        subjects: &[Subject<R::Scene>],
        turned: &[Vec<Descriptors>],
        aligned: bool,
        contexts: Option<&Contexts>,
        latents: &[Latents],
        meter: &Meter<'_>,
    ) -> Result<Vec<Measurement>, DetectError> {
        let mut measurements = Vec::with_capacity(subjects.len());
        for (index, subject) in subjects.iter().enumerate() {
            let others = |other: &usize| *other != index;
            let good: Vec<&Descriptors> = (0..subjects.len())
                .filter(others)
                .map(|i| &subjects[i].descriptors)
                .collect();
            let shown: Vec<&Descriptors> = (0..turned.len())
                .filter(others)
                .flat_map(|i| &turned[i])
                .collect();
            let prototypes = Prototypes::fit(&shown, aligned, &self.options.features);
            let latents: Vec<Latents> = (0..latents.len())
                .filter(others)
                .map(|i| latents[i].clone())
                .collect();
            let context = Context {
                prototypes: &prototypes,
                good,
                class: self.ready(contexts, &latents).await?,
                guide: Guide::Forced,
            };
            measurements.push(self.measure(subject, &context, meter).await?);
        }
        Ok(measurements)
    }
}

/// Contexts as a profile stores them.
fn rounded(mut contexts: Contexts) -> Contexts {
    for values in [
        &mut contexts.both,
        &mut contexts.detail,
        &mut contexts.empty,
    ] {
        round_to_half(values);
    }
    contexts
}

/// What is normal on some measurements of good photos.
fn normalisers(
    measurements: &[Measurement],
    grid: (usize, usize),
    located: bool,
    options: &ScoreOptions,
) -> ClassNormalisers {
    let q: Vec<_> = measurements
        .iter()
        .map(|measurement| measurement.q.clone())
        .collect();
    let scales = measurements.first().map_or(&[][..], |first| &first.scales);
    let by_scale = scales.iter().map(|scale| {
        let maps: Vec<_> = measurements
            .iter()
            .flat_map(|measurement| &measurement.scales)
            .filter(|other| other.n_cells == scale.n_cells)
            .map(|other| other.map.clone())
            .collect();
        (
            scale.n_cells,
            Normaliser::fit(&maps, grid, located, options),
        )
    });
    let guided: Vec<Vec<f32>> = measurements
        .iter()
        .filter_map(|measurement| measurement.guided.as_ref())
        .map(|guided| {
            let pairs = guided.map.data.iter().zip(&guided.cores.data);
            pairs
                .filter_map(|(value, core)| core.then_some(*value))
                .collect()
        })
        .collect();
    ClassNormalisers {
        features: Normaliser::fit(&q, grid, located, options),
        scales: by_scale.collect(),
        guided: (!guided.is_empty()).then(|| Normaliser::fit_values(&guided, options)),
    }
}

/// Quantiles of the pooled q of good photos.
fn quantiles(measurements: &[Measurement], options: &crate::options::MaskOptions) -> (f32, f32) {
    let mut pooled: Vec<f32> = measurements
        .iter()
        .flat_map(|measurement| measurement.prototypes.q.data.iter().copied())
        .collect();
    pooled.sort_by(f32::total_cmp);
    let at = |share: f32| {
        let index = (share * pooled.len().saturating_sub(1) as f32).ceil() as usize;
        pooled.get(index).copied().unwrap_or(f32::INFINITY)
    };
    (at(options.seed_quantile), at(options.grow_quantile))
}
