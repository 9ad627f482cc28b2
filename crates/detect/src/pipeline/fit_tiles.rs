//! Fitting a class whose photos are judged in tiles: the bank holds places of all tiles, and each good photo is
//! measured as a detection would, against the tiles of the others.

use anomalysd_imaging::Photo;

use super::fit::{ClassModel, Held, quantiles};
use super::tiles::{TileContext, Windows};
use super::timings::Meter;
use super::{Detector, views};
use crate::DetectError;
use crate::control::{Control, Stage};
use crate::features::FeatureNetwork;
use crate::ignore::ignored;
use crate::options::Choice;
use crate::profile::round_to_half;
use crate::prompts::Prompts;
use crate::prototypes::{Descriptors, Pose, PrototypeMaps, Prototypes, Turn};
use crate::repaint::{Contexts, Latents, Repair};
use crate::verdict::CalibrationKind;

/// Tiles of good photos that a class keeps for comparison and as context.
const MOST_GOOD_TILES: usize = 64;
/// The coreset is drawn from so many times its size, at even distances, since drawing it takes as long as the
/// product of both.
const THINNED: usize = 4;

/// A tile of a good photo.
struct GoodTile {
    /// Index of its photo.
    owner: usize,
    descriptors: Descriptors,
    /// Those of its turns, where turned photos are good.
    turned: Vec<Descriptors>,
    latents: Option<Latents>,
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// [`Self::fit`] for photos that are judged in tiles of `side`, resized and painted over already.
    pub(super) async fn fit_tiles(
        &self,
        prompts: &Prompts,
        good: &[Photo],
        side: usize,
        control: &Control<'_>,
    ) -> Result<ClassModel, DetectError> {
        let meter = Meter::new(control, 0, 1);
        let hidden = |photo: &Photo| ignored(&self.ignored, photo.width, photo.height);
        let held: Vec<(Option<usize>, Photo)> = match good {
            [only] => views::views(only, &[])
                .into_iter()
                .map(|view| (None, view))
                .collect(),
            _ => good
                .iter()
                .cloned()
                .enumerate()
                .map(|(index, photo)| (Some(index), photo))
                .collect(),
        };
        let tile_work = |photo: &Photo| {
            let windows = self.windows(photo, side);
            windows.count() * (self.work(windows.size(), None) + self.guided_work())
        };
        meter.expect(held.iter().map(|(_, photo)| tile_work(photo)).sum());
        let contexts = self.contexts(prompts, &meter).await?;
        let mut tiles = Vec::new();
        for (owner, photo) in good.iter().enumerate() {
            // Side by side: overlapping ones would show the same places twice.
            for window in Windows::new(photo.width, photo.height, side, 0).iter() {
                let tile = photo.crop(window.x, window.y, window.width, window.height);
                tiles.push(self.good_tile(owner, &tile, &meter).await?);
            }
        }
        let all: Vec<&GoodTile> = tiles.iter().collect();
        let prototypes = self.prototypes_of(&all);
        let mut measured: Vec<Held> = Vec::with_capacity(held.len());
        let mut banks = Vec::new();
        for (left_out, _) in &held {
            let others = all.iter().filter(|tile| Some(tile.owner) != *left_out);
            let others: Vec<&GoodTile> = others.copied().collect();
            let bank = left_out.map(|_| self.prototypes_of(&others));
            banks.push((others, bank));
        }
        // Guided masks take the quantiles of the other photos, so that q comes before the passes.
        let mut q = Vec::with_capacity(held.len());
        for ((_, photo), (_, bank)) in held.iter().zip(&banks) {
            let bank = bank.as_ref().unwrap_or(&prototypes);
            q.push(self.tiled_distances(photo, side, bank).await?);
        }
        for (index, ((left_out, photo), (others, bank))) in held.iter().zip(&banks).enumerate() {
            let rest: Vec<&PrototypeMaps> = q
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .flat_map(|(_, maps)| maps)
                .collect();
            let kept = kept(others);
            let known = TileContext {
                prototypes: bank.as_ref().unwrap_or(&prototypes),
                good: kept.iter().map(|tile| &tile.descriptors).collect(),
                latents: kept
                    .iter()
                    .filter_map(|tile| tile.latents.as_ref())
                    .collect(),
                contexts: contexts.as_ref(),
                guide: quantiles(&rest, &self.options.masks),
                normalisers: None,
                registered: left_out.is_some(),
            };
            let one = self
                .measure_tiles(photo, &hidden(photo), side, &known, true, &meter)
                .await?;
            measured.push(one);
        }
        self.tiled_class(
            prompts,
            good.len(),
            contexts,
            prototypes,
            &q,
            &measured,
            kept(&all),
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "everything that a class consists of"
    )]
    fn tiled_class(
        &self,
        prompts: &Prompts,
        photos: usize,
        contexts: Option<Contexts>,
        prototypes: Prototypes,
        q: &[Vec<PrototypeMaps>],
        measured: &[Held],
        kept: Vec<&GoodTile>,
    ) -> Result<ClassModel, DetectError> {
        let normalisers = self.normalisers(&measured.iter().collect::<Vec<_>>(), false);
        let kind = CalibrationKind::of_fit(photos);
        let calibration = self.threshold(kind, measured, false);
        let all: Vec<&PrototypeMaps> = q.iter().flatten().collect();
        Ok(ClassModel {
            name: prompts.name.clone(),
            prompts: prompts.clone(),
            good: kept.iter().map(|tile| tile.descriptors.clone()).collect(),
            pose: Pose {
                aligned: false,
                turns: self.tile_turns().to_vec(),
            },
            prototypes,
            latents: kept
                .iter()
                .filter_map(|tile| tile.latents.clone())
                .collect(),
            contexts,
            guide: quantiles(&all, &self.options.masks),
            normalisers,
            calibration,
            ignored: self.ignored.clone(),
        })
    }

    /// Turns that are good: only where the caller says so. A large photo shows a surface in many places, and the
    /// turns of all of them would crowd the bank.
    fn tile_turns(&self) -> &'static [Turn] {
        match self.options.features.turns {
            Choice::Yes => &Turn::ALL,
            _ => &[],
        }
    }

    async fn good_tile(
        &self,
        owner: usize,
        tile: &Photo,
        meter: &Meter<'_>,
    ) -> Result<GoodTile, DetectError> {
        let descriptors = self.described(tile).await?.1;
        let mut turned = Vec::new();
        for turn in self.tile_turns() {
            turned.push(self.described(&turn.apply(tile)).await?.1);
        }
        meter.tick(Stage::Features, 0).await?;
        let latents = match self.repair {
            Some(repair) => {
                let scene = repair.open(tile).await?;
                let mut latents = repair.latents(&scene, tile).await?;
                round_to_half(&mut latents.data);
                meter.tick(Stage::Encode, 0).await?;
                Some(latents)
            }
            None => None,
        };
        Ok(GoodTile {
            owner,
            descriptors,
            turned,
            latents,
        })
    }

    /// Bank and subspace of tiles.
    fn prototypes_of(&self, tiles: &[&GoodTile]) -> Prototypes {
        let options = &self.options.features;
        let views = |tile: &'_ &GoodTile| 1 + tile.turned.len();
        let count: usize = tiles.iter().map(|t| views(t) * t.descriptors.count()).sum();
        // Odd, so that no column of a grid is left out altogether.
        let every = match count.div_ceil(options.bank_capacity * THINNED) {
            0 | 1 => 1,
            more => more | 1,
        };
        let thinned: Vec<Descriptors> = tiles
            .iter()
            .flat_map(|tile| std::iter::once(&tile.descriptors).chain(&tile.turned))
            .map(|own| thinned(own, every))
            .collect();
        let shown: Vec<&[Descriptors]> = thinned.iter().map(std::slice::from_ref).collect();
        Prototypes::fit(&shown, false, options)
    }

    /// Distances of a photo's tiles from prototypes.
    async fn tiled_distances(
        &self,
        photo: &Photo,
        side: usize,
        prototypes: &Prototypes,
    ) -> Result<Vec<PrototypeMaps>, DetectError> {
        let mut maps = Vec::new();
        for window in self.windows(photo, side).iter() {
            let tile = photo.crop(window.x, window.y, window.width, window.height);
            maps.push(prototypes.distances(&self.described(&tile).await?.1));
        }
        Ok(maps)
    }
}

/// Tiles that a class keeps: all of them, or so many at even distances.
fn kept<'t>(tiles: &[&'t GoodTile]) -> Vec<&'t GoodTile> {
    let count = tiles.len().min(MOST_GOOD_TILES);
    (0..count)
        .map(|index| tiles[index * tiles.len() / count])
        .collect()
}

/// Every so-manieth location.
fn thinned(descriptors: &Descriptors, every: usize) -> Descriptors {
    if every == 1 {
        return descriptors.clone();
    }
    let data: Vec<f32> = (0..descriptors.count())
        .step_by(every)
        .flat_map(|location| descriptors.vector(location).iter().copied())
        .collect();
    Descriptors {
        width: data.len() / descriptors.dim.max(1),
        height: 1,
        dim: descriptors.dim,
        data,
    }
}
