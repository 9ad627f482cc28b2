//! Fitting a class on its good photos: prototypes, normalisers, calibration.

use std::collections::BTreeMap;

use anomalysd_imaging::{Map, Photo};

use super::detect::score;
use super::measure::{Context, GuidedResult, Measurement};
use super::subject::Subject;
use super::timings::Meter;
use super::{Detector, views};
use crate::DetectError;
use crate::control::{Control, Stage};
use crate::features::FeatureNetwork;
use crate::ignore::{Place, ignored};
use crate::options::MaskOptions;
use crate::profile::{MOST_PHOTOS, round_to_half};
use crate::prompts::Prompts;
use crate::prototypes::{Descriptors, Pose, PrototypeMaps, Prototypes};
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
    /// Places that count in none of its photos.
    pub ignored: Vec<Place>,
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Fits a class.
    ///
    /// With two and more photos each is measured against the others; one photo is measured
    /// against its own views.
    ///
    /// # Errors
    /// No photo, or more than a profile holds; the networks' own.
    pub async fn fit(
        &self,
        prompts: &Prompts,
        good: &[Photo],
        control: &Control<'_>,
    ) -> Result<ClassModel, DetectError> {
        if good.is_empty() {
            return Err(DetectError::NoGoodPhotos);
        }
        if good.len() > MOST_PHOTOS {
            return Err(DetectError::TooManyGoodPhotos {
                got: good.len(),
                most: MOST_PHOTOS,
            });
        }
        let good: Vec<Photo> = good.iter().map(|photo| self.shown(photo)).collect();
        if let Some(side) = self.tile_side() {
            return self.fit_tiles(prompts, &good, side, control).await;
        }
        let views = match good.as_slice() {
            [only] => views::views(only, &self.pose_of_one(only).turns),
            _ => Vec::new(),
        };
        let single = good.len() == 1;
        let meter = Meter::new(control, 0, 1);
        let held = if single { &views } else { &good };
        let work =
            |photo: &Photo| self.work((photo.width, photo.height), None) + self.guided_work();
        meter.expect(held.iter().map(work).sum());
        let contexts = self.contexts(prompts, &meter).await?;
        let subjects = self.open_all(good, true, &meter).await?;
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
        let shown: Vec<&[Descriptors]> = turned.iter().map(Vec::as_slice).collect();
        let prototypes = Prototypes::fit(&shown, pose.aligned, &self.options.features);
        let latents: Vec<Latents> = subjects
            .iter()
            .filter_map(|subject| subject.latents.clone())
            .collect();
        let opened = self.open_all(views, false, &meter).await?;
        let folds = if single {
            vec![Fold {
                held: opened.iter().collect(),
                shown: vec![0],
                prototypes: prototypes.clone(),
            }]
        } else {
            self.leave_one_out(&subjects, &turned, pose.aligned)
        };
        let held = self
            .measure_held(&folds, &all, contexts.as_ref(), &latents, &meter)
            .await?;
        let normalisers = self.normalisers(&held.iter().collect::<Vec<_>>(), pose.aligned);
        let q: Vec<&PrototypeMaps> = held.iter().map(|(photo, _)| &photo.prototypes).collect();
        let kind = CalibrationKind::of_fit(subjects.len());
        let calibration = self.threshold(kind, &held, pose.aligned);
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
            guide: quantiles(&q, &self.options.masks),
            normalisers,
            calibration,
            ignored: self.ignored.clone(),
        })
    }

    /// Text contexts of a class, as a profile stores them; `None` without a model.
    pub(super) async fn contexts(
        &self,
        prompts: &Prompts,
        meter: &Meter<'_>,
    ) -> Result<Option<Contexts>, DetectError> {
        let Some(repair) = self.repair else {
            return Ok(None);
        };
        let contexts = repair.contexts(&prompts.both(), &prompts.detail()).await?;
        meter.tick(Stage::Class, 0).await?;
        Ok(Some(rounded(contexts)))
    }

    async fn open_all(
        &self,
        photos: Vec<Photo>,
        keep_latents: bool,
        meter: &Meter<'_>,
    ) -> Result<Vec<Subject<R::Scene>>, DetectError> {
        let mut subjects = Vec::with_capacity(photos.len());
        for photo in photos {
            let hidden = ignored(&self.ignored, photo.width, photo.height);
            let mut subject = self.open(photo, hidden, keep_latents, meter).await?;
            // What a profile stores is rounded here, so that a loaded one judges the same.
            if let Some(latents) = &mut subject.latents {
                round_to_half(&mut latents.data);
            }
            subjects.push(subject);
        }
        Ok(subjects)
    }

    /// Each good photo on its own, against bank and subspace of the others.
    fn leave_one_out<'s>(
        &self,
        subjects: &'s [Subject<R::Scene>],
        turned: &[Vec<Descriptors>],
        aligned: bool,
    ) -> Vec<Fold<'s, R::Scene>> {
        let fold = |(index, subject)| {
            let shown: Vec<usize> = (0..subjects.len()).filter(|i| *i != index).collect();
            let described: Vec<&[Descriptors]> =
                shown.iter().map(|i| turned[*i].as_slice()).collect();
            Fold {
                held: vec![subject],
                prototypes: Prototypes::fit(&described, aligned, &self.options.features),
                shown,
            }
        };
        subjects.iter().enumerate().map(fold).collect()
    }

    /// Every photo held out, measured as a detection measures a photo, with the guided mask by the quantiles of the
    /// others; and its guided pass over a forced mask, which says what is normal in one.
    async fn measure_held(
        &self,
        folds: &[Fold<'_, R::Scene>],
        good: &[&Descriptors],
        contexts: Option<&Contexts>,
        latents: &[Latents],
        meter: &Meter<'_>,
    ) -> Result<Vec<Held>, DetectError> {
        let distances = |fold: &Fold<'_, R::Scene>| {
            let of = |held: &&Subject<R::Scene>| fold.prototypes.distances(&held.descriptors);
            fold.held.iter().map(of).collect::<Vec<_>>()
        };
        let q: Vec<PrototypeMaps> = folds.iter().flat_map(distances).collect();
        let mut measured: Vec<Held> = Vec::with_capacity(q.len());
        for fold in folds {
            let shown = |index: &usize| latents.get(*index).cloned();
            let latents: Vec<Latents> = fold.shown.iter().filter_map(shown).collect();
            let ready = self.ready(contexts, &latents, meter).await?;
            let mut context = Context {
                prototypes: &fold.prototypes,
                good: fold.shown.iter().map(|index| good[*index]).collect(),
                class: ready.as_ref(),
                guide: (0.0, 0.0),
                normalisers: None,
                registered: good.len() > 1,
            };
            for subject in &fold.held {
                let others = all_but(&q, measured.len());
                context.guide = quantiles(&others, &self.options.masks);
                let own = self.measure(subject, &context, meter).await?;
                let forced = self
                    .forced(subject, &context, &own.prototypes.q, meter)
                    .await?;
                if let (Some(repair), Some(scene)) = (self.repair, &subject.scene) {
                    repair.release(scene);
                }
                measured.push((own, forced));
            }
        }
        Ok(measured)
    }

    /// The calibration from photos held out, each against what the others say is normal, so that it does not excuse
    /// itself.
    pub(super) fn threshold(
        &self,
        kind: CalibrationKind,
        held: &[Held],
        located: bool,
    ) -> Calibration {
        let (mut scores, mut peaks) = (Vec::new(), Vec::new());
        for (index, (photo, _)) in held.iter().enumerate() {
            let own = self.normalisers(&all_but(held, index), located);
            let grid = photo.grid(self.options.features.grid);
            let options = photo.score_options(&self.options.score);
            let scored = score(photo, &own, grid, &self.ignored, &options);
            scores.push(scored.score);
            peaks.push(scored.map.max());
        }
        Calibration::new(kind, self.options.mode, scores, &peaks, self.depends_on())
    }

    /// What is normal on some photos held out. `located`: place by place.
    pub(super) fn normalisers(&self, held: &[&Held], located: bool) -> ClassNormalisers {
        let options = &self.options.score;
        let Some((first, _)) = held.first() else {
            return ClassNormalisers {
                features: Normaliser::fit_values(&[], options),
                scales: BTreeMap::new(),
                guided: None,
            };
        };
        let grid = first.grid(self.options.features.grid);
        let q: Vec<Map> = held.iter().map(|(photo, _)| photo.q.clone()).collect();
        let by_scale = first.scales.iter().map(|scale| {
            let of_scale = |photo: &Measurement| -> Option<Map> {
                let mut scales = photo.scales.iter();
                let own = scales.find(|other| other.n_cells == scale.n_cells)?;
                Some(own.map.clone())
            };
            let maps: Vec<Map> = held.iter().filter_map(|(own, _)| of_scale(own)).collect();
            let normaliser = Normaliser::fit(&maps, grid, located, options);
            (scale.n_cells, normaliser)
        });
        let in_cores = |guided: &GuidedResult| -> Vec<f32> {
            let pairs = guided.map.data.iter().zip(&guided.cores.data);
            pairs
                .filter_map(|(value, core)| core.then_some(*value))
                .collect()
        };
        let forced = held.iter().filter_map(|(_, forced)| forced.as_ref());
        let guided: Vec<Vec<f32>> = forced.map(in_cores).collect();
        ClassNormalisers {
            // One number, aligned or not: ARCHITECTURE, "Normalisers".
            features: Normaliser::fit(&q, grid, false, options),
            scales: by_scale.collect(),
            guided: (!guided.is_empty()).then(|| Normaliser::fit_values(&guided, options)),
        }
    }
}

/// Photos held out, and what they are measured against.
struct Fold<'s, S> {
    held: Vec<&'s Subject<S>>,
    /// Indices of the good photos that are not held out: references.
    shown: Vec<usize>,
    /// Bank and subspace of those.
    prototypes: Prototypes,
}

/// A photo held out, measured as a detection would, and its guided pass over a forced mask.
pub(super) type Held = (Measurement, Option<GuidedResult>);

/// All but one.
fn all_but<T>(all: &[T], index: usize) -> Vec<&T> {
    let others = all.iter().enumerate().filter(|(other, _)| *other != index);
    others.map(|(_, other)| other).collect()
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

/// Quantiles of the pooled q of good photos.
pub(super) fn quantiles(photos: &[&PrototypeMaps], options: &MaskOptions) -> (f32, f32) {
    let mut pooled: Vec<f32> = photos
        .iter()
        .flat_map(|photo| photo.q.data.iter().copied())
        .collect();
    pooled.sort_by(f32::total_cmp);
    let at = |share: f32| {
        let index = (share * pooled.len().saturating_sub(1) as f32).ceil() as usize;
        pooled.get(index).copied().unwrap_or(f32::INFINITY)
    };
    (at(options.seed_quantile), at(options.grow_quantile))
}
