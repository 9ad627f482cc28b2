//! Large photos in overlapping tiles: each is measured as a photo of its own, and what was measured is laid
//! over each other so that no seam shows.
//!
//! Tiles are opened one after the other, so that only the maps grow with the photo.

use anomalysd_imaging::{Map, Mask, Photo};

use super::measure::{Context, GuidedResult, Measurement, ScaleResult, likeness};
use super::timings::Meter;
use super::{ClassModel, Detector};
use crate::DetectError;
use crate::features::FeatureNetwork;
use crate::ignore::cut_mask;
use crate::prototypes::{Descriptors, PrototypeMaps, Prototypes};
use crate::repaint::{Contexts, Latents, Repair};
use crate::score::{ClassNormalisers, cell_means};

/// Tiles of good photos that become context of a tile, unless the options say otherwise.
const REFERENCES: usize = 4;

/// A part of a photo, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// Windows that cover a photo, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows {
    columns: Vec<usize>,
    rows: Vec<usize>,
    width: usize,
    height: usize,
}

impl Windows {
    /// Windows of `side` × `side` pixels (less where the photo has less) that overlap by `overlap` or more.
    pub fn new(width: usize, height: usize, side: usize, overlap: usize) -> Self {
        Self {
            columns: starts(width, side, overlap),
            rows: starts(height, side, overlap),
            width: width.min(side),
            height: height.min(side),
        }
    }

    /// Width and height of each.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.columns.len() * self.rows.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Window> + '_ {
        let (width, height) = (self.width, self.height);
        let row = move |&y: &usize| {
            let window = move |&x: &usize| Window {
                x,
                y,
                width,
                height,
            };
            self.columns.iter().map(window)
        };
        self.rows.iter().flat_map(row)
    }

    /// The share that a window has in each of its columns or rows: highest in its middle, falling to its edges,
    /// 1 over all windows; exactly 1 where it is alone.
    fn shares(starts: &[usize], length: usize, start: usize) -> Vec<f32> {
        let tent = |at: usize| (at + 1).min(length - at) as f32;
        let at = |pixel: usize| {
            let over = |from: &usize| {
                let inside = (*from..*from + length).contains(&pixel);
                inside.then(|| tent(pixel - from))
            };
            starts.iter().filter_map(over).sum::<f32>()
        };
        (0..length)
            .map(|offset| tent(offset) / at(start + offset))
            .collect()
    }
}

/// Where windows start: at both ends, and between them at even distances.
fn starts(length: usize, side: usize, overlap: usize) -> Vec<usize> {
    if length <= side {
        return vec![0];
    }
    let step = side.saturating_sub(overlap).max(1);
    let steps = (length - side).div_ceil(step);
    (0..=steps)
        .map(|index| index * (length - side) / steps)
        .collect()
}

/// A map that is put together from those of windows.
struct Laid<'w> {
    windows: &'w Windows,
    map: Map,
}

impl<'w> Laid<'w> {
    fn new(windows: &'w Windows, width: usize, height: usize) -> Self {
        let map = Map::new(width, height);
        Self { windows, map }
    }

    /// Adds `value(pixel of the window)` by the window's share.
    fn add(&mut self, window: Window, value: impl Fn(usize) -> f32) {
        let columns = Windows::shares(&self.windows.columns, window.width, window.x);
        let rows = Windows::shares(&self.windows.rows, window.height, window.y);
        for (row, row_share) in rows.iter().enumerate() {
            let from = (window.y + row) * self.map.width + window.x;
            let line = &mut self.map.data[from..from + window.width];
            for ((column, slot), share) in line.iter_mut().enumerate().zip(&columns) {
                *slot += value(row * window.width + column) * (share * row_share);
            }
        }
    }
}

/// Guided passes of windows, put together: each map counts in its cores alone.
struct LaidGuided<'w> {
    sum: Laid<'w>,
    shares: Laid<'w>,
    planes: [Laid<'w>; 3],
    hidden: Mask,
    any: bool,
}

impl<'w> LaidGuided<'w> {
    fn new(windows: &'w Windows, width: usize, height: usize) -> Self {
        let empty = || Laid::new(windows, width, height);
        Self {
            sum: empty(),
            shares: empty(),
            planes: [empty(), empty(), empty()],
            hidden: Mask::new(width, height),
            any: false,
        }
    }

    fn add(&mut self, window: Window, photo: &Photo, guided: Option<&GuidedResult>) {
        let repaired = guided.map_or(photo, |guided| &guided.repaired);
        for (channel, plane) in self.planes.iter_mut().enumerate() {
            plane.add(window, |at| repaired.plane(channel)[at]);
        }
        let Some(guided) = guided else { return };
        self.any = true;
        let core = |at: usize| f32::from(u8::from(guided.cores.data[at]));
        self.sum.add(window, |at| core(at) * guided.map.data[at]);
        self.shares.add(window, core);
        for row in 0..window.height {
            for column in 0..window.width {
                let at = (window.y + row) * self.hidden.width + window.x + column;
                self.hidden.data[at] |= guided.hidden.at(column, row);
            }
        }
    }

    /// `photo`: what was judged; outside the hidden set the repaired photo is it, bit for bit.
    fn finish(self, photo: &Photo) -> Option<GuidedResult> {
        if !self.any {
            return None;
        }
        let mut repaired = photo.clone();
        let area = photo.width * photo.height;
        for (channel, plane) in self.planes.iter().enumerate() {
            let values = &mut repaired.data[channel * area..(channel + 1) * area];
            for ((slot, value), hidden) in values
                .iter_mut()
                .zip(&plane.map.data)
                .zip(&self.hidden.data)
            {
                if *hidden {
                    *slot = *value;
                }
            }
        }
        let (width, height) = (photo.width, photo.height);
        let mut map = self.sum.map;
        for (value, share) in map.data.iter_mut().zip(&self.shares.map.data) {
            if *share > 0.0 {
                *value /= share;
            }
        }
        let cores = Mask::from_fn(width, height, |x, y| self.shares.map.at(x, y) > 0.0);
        Some(GuidedResult {
            cores,
            hidden: self.hidden,
            map,
            repaired,
        })
    }
}

/// What tiles are measured against.
pub(super) struct TileContext<'a> {
    pub prototypes: &'a Prototypes,
    /// Tiles of good photos, in the order of the latents.
    pub good: Vec<&'a Descriptors>,
    /// Theirs; fewer, or none, where they are not kept.
    pub latents: Vec<&'a Latents>,
    pub contexts: Option<&'a Contexts>,
    /// As in [`Context`].
    pub guide: (f32, f32),
    /// As in [`Context`].
    pub normalisers: Option<&'a ClassNormalisers>,
    /// As in [`Context`].
    pub registered: bool,
}

impl<'a> TileContext<'a> {
    /// All of a class.
    ///
    /// # Errors
    /// [`DetectError::Profile`] for a class whose places are searched where they lie in the whole photo.
    pub fn of(class: &'a ClassModel) -> Result<Self, DetectError> {
        if class.prototypes.radius.is_some() {
            return Err(DetectError::Profile {
                reason: format!(
                    "class `{}` was fitted on whole photos that lie alike; fit it in tiles to judge tiles",
                    class.name
                ),
            });
        }
        Ok(Self {
            prototypes: &class.prototypes,
            good: class.good.iter().collect(),
            latents: class.latents.iter().collect(),
            contexts: class.contexts.as_ref(),
            guide: class.guide,
            normalisers: Some(&class.normalisers),
            registered: true,
        })
    }
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Side of a tile at the size that it is judged at; `None` where photos are judged whole.
    pub(super) fn tile_side(&self) -> Option<usize> {
        self.options.tile.map(|_| self.longer_side())
    }

    /// Overlapping tiles of a photo that is judged.
    pub(super) fn windows(&self, photo: &Photo, side: usize) -> Windows {
        Windows::new(photo.width, photo.height, side, side / 4)
    }

    /// Measures a photo tile by tile; with `forced`, also its guided passes over forced masks.
    pub(super) async fn measure_tiles(
        &self,
        photo: &Photo,
        ignored: &Mask,
        side: usize,
        known: &TileContext<'_>,
        forced: bool,
        meter: &Meter<'_>,
    ) -> Result<(Measurement, Option<GuidedResult>), DetectError> {
        let windows = self.windows(photo, side);
        let (width, height) = (photo.width, photo.height);
        let laid = || Laid::new(&windows, width, height);
        let (mut nearest, mut subspace, mut q) = (laid(), laid(), laid());
        let mut scales: Vec<(usize, Laid<'_>)> = Vec::new();
        let mut guided = LaidGuided::new(&windows, width, height);
        let mut guided_by_force = forced.then(|| LaidGuided::new(&windows, width, height));
        for window in windows.iter() {
            let tile = photo.crop(window.x, window.y, window.width, window.height);
            let hidden = cut_mask(ignored, window.x, window.y, window.width, window.height);
            let mut subject = self.open(tile, hidden, false, meter).await?;
            subject.origin = (window.x, window.y);
            known.prototypes.check(&subject.descriptors)?;
            let (good, latents) = self.most_alike(&subject.descriptors, known);
            let ready = self.ready(known.contexts, &latents, meter).await?;
            let context = Context {
                prototypes: known.prototypes,
                good,
                class: ready.as_ref(),
                guide: known.guide,
                normalisers: known.normalisers,
                registered: known.registered,
            };
            let own = self.measure(&subject, &context, meter).await?;
            let PrototypeMaps {
                nearest: own_nearest,
                subspace: own_subspace,
                ..
            } = &own.prototypes;
            for (whole, part) in [(&mut nearest, own_nearest), (&mut subspace, own_subspace)] {
                let part =
                    anomalysd_imaging::resize_bilinear_map(part, window.width, window.height);
                whole.add(window, |at| part.data[at]);
            }
            q.add(window, |at| own.q.data[at]);
            for scale in &own.scales {
                let known = scales
                    .iter()
                    .position(|(n_cells, _)| *n_cells == scale.n_cells);
                let index = known.unwrap_or_else(|| {
                    scales.push((scale.n_cells, laid()));
                    scales.len() - 1
                });
                scales[index].1.add(window, |at| scale.map.data[at]);
            }
            guided.add(window, &subject.photo, own.guided.as_ref());
            if let Some(laid) = &mut guided_by_force {
                let by_force = self
                    .forced(&subject, &context, &own.prototypes.q, meter)
                    .await?;
                laid.add(window, &subject.photo, by_force.as_ref());
            }
        }
        let side = side.min(width.max(height));
        let mut whole = Measurement {
            photo: photo.clone(),
            side,
            // Filled in below, since the grid follows from the sizes.
            prototypes: PrototypeMaps {
                nearest: Map::new(0, 0),
                subspace: Map::new(0, 0),
                q: Map::new(0, 0),
            },
            q: q.map,
            scales: scales
                .into_iter()
                .map(|(n_cells, laid)| ScaleResult {
                    n_cells,
                    map: laid.map,
                    passes: Vec::new(),
                })
                .collect(),
            guided: guided.finish(photo),
            round_trip: None,
        };
        let (columns, rows) = whole.grid(self.options.features.grid);
        whole.prototypes = PrototypeMaps {
            nearest: cell_means(&nearest.map, columns, rows),
            subspace: cell_means(&subspace.map, columns, rows),
            q: cell_means(&whole.q, columns, rows),
        };
        Ok((whole, guided_by_force.and_then(|laid| laid.finish(photo))))
    }

    /// The good tiles that are most alike, those first that are more so, and their latents.
    fn most_alike<'k>(
        &self,
        tile: &Descriptors,
        known: &TileContext<'k>,
    ) -> (Vec<&'k Descriptors>, Vec<Latents>) {
        let most = self.references(known.good.len().min(known.latents.len()));
        let most = match self.options.repair.references {
            Some(_) => most,
            None => most.min(REFERENCES),
        };
        let mut order: Vec<usize> = (0..known.good.len().min(known.latents.len())).collect();
        order.sort_by(|&a, &b| {
            let rank = |index: usize| likeness(tile, known.good[index]);
            rank(a).total_cmp(&rank(b)).then(a.cmp(&b))
        });
        order.truncate(most);
        let latents = order.iter().map(|&index| known.latents[index].clone());
        let latents = latents.collect();
        (
            order.iter().map(|&index| known.good[index]).collect(),
            latents,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_photo_overlap_and_share_each_pixel_among_them() {
        for (width, height, side, overlap) in [
            (100, 60, 40, 10),
            (40, 40, 40, 10),
            (41, 300, 40, 10),
            (17, 90, 32, 8),
        ] {
            let windows = Windows::new(width, height, side, overlap);
            let mut ones = Laid::new(&windows, width, height);
            for window in windows.iter() {
                assert!(window.x + window.width <= width && window.y + window.height <= height);
                ones.add(window, |_| 1.0);
            }
            assert!(ones.map.data.iter().all(|value| (value - 1.0).abs() < 1e-5));
            for pair in windows.columns.windows(2).chain(windows.rows.windows(2)) {
                assert!(pair[0] + side >= pair[1] + overlap, "{windows:?}");
            }
        }
    }

    /// Tiles that each say something else are the worst case: the whole still changes gently from pixel to pixel.
    #[test]
    fn tiles_that_disagree_leave_no_seam() {
        let windows = Windows::new(160, 130, 64, 16);
        let mut laid = Laid::new(&windows, 160, 130);
        for (index, window) in windows.iter().enumerate() {
            laid.add(window, |_| (index % 2) as f32);
        }
        let map = &laid.map;
        let mut steepest = 0.0f32;
        for (x, y) in (1..130).flat_map(|y| (1..160).map(move |x| (x, y))) {
            let here = map.at(x, y);
            steepest = steepest.max((here - map.at(x - 1, y)).abs());
            steepest = steepest.max((here - map.at(x, y - 1)).abs());
        }
        // Two tiles that differ by 1 pass into each other over 16 pixels or more.
        assert!(map.max() > 0.99 && steepest < 2.0 / 16.0, "{steepest}");
    }
}
