//! Distance between a photo and its repair.

use anomalysd_imaging::{Map, Mask, Photo, delta_e, resize_bilinear_map};

use crate::features::{Comparison, FeatureLayers, Layer};
use crate::masks::Pass;
use crate::options::ScoreOptions;

/// Squared norm below which a feature vector counts as none, whatever the floor.
const NORM_EPS: f32 = 1e-10;
/// What LPIPS adds to the length that it divides by.
const LPIPS_EPS: f32 = 1e-10;

/// How far a place of the photo may lie from where the repair shows the same.
///
/// A grain, a speckle or an edge that was painted a few pixels away is no defect: so a place is compared with
/// the places of the repair around it, and the nearest counts. Only painted places are offered: beside a
/// hidden set lies the photo itself, where a defect would find its own edge.
#[derive(Debug, Clone, Copy)]
pub struct Displacement<'a> {
    /// Largest displacement along each axis, in pixels; 0: the same place alone.
    pub pixels: usize,
    /// Pixels that were painted, of the photo's size.
    pub painted: &'a Mask,
}

impl Displacement<'_> {
    /// Every place is compared with itself.
    pub const NONE: Displacement<'static> = Displacement {
        pixels: 0,
        painted: &Mask {
            width: 0,
            height: 0,
            data: Vec::new(),
        },
    };

    /// The displacement in cells of a layer, rounded half up.
    fn cells(&self, layer: &Layer) -> (usize, usize) {
        let rounded =
            |cells: usize, side: usize| (2 * self.pixels * cells + side) / (2 * side).max(1);
        (
            rounded(layer.width, self.painted.width),
            rounded(layer.height, self.painted.height),
        )
    }

    /// Which cells of a layer have a painted pixel at their centre.
    fn painted_cells(&self, layer: &Layer) -> Vec<bool> {
        let centre = |cell: usize, cells: usize, side: usize| (2 * cell + 1) * side / (2 * cells);
        let mut cells = Vec::with_capacity(layer.width * layer.height);
        for y in 0..layer.height {
            let row = centre(y, layer.height, self.painted.height) * self.painted.width;
            cells.extend(
                (0..layer.width)
                    .map(|x| self.painted.data[row + centre(x, layer.width, self.painted.width)]),
            );
        }
        cells
    }
}

/// Distance per location of one layer between the photo's features `first` and the repair's `second`: at each place
/// the least over the places of `second` that `displacement` offers.
///
/// [`Comparison::HalfSquare`]: ½‖a − b‖², `a = φ/√(‖φ‖² + floor)` of both alike. Exactly 0 where both are equal,
/// never negative, at most 2. The floor is `energy_floor` times the mean of ‖φ‖² over `first`: where the photo shows
/// next to nothing its features are short and mostly noise, and unit vectors of noise are far apart whatever was
/// painted. At 0 every place counts alike, however little it shows.
///
/// [`Comparison::Weighted`]: `Σ_c w_c (a_c − b_c)²` as LPIPS has it: `a = φ/(‖φ‖ + 1e-10)`, so that nothing seen
/// is 0. Exactly 0 where both are equal, never negative for weights from 0. `energy_floor` has no say.
///
/// # Shapes
/// `first`, `second`: `[C_l, H_l, W_l]` of one network at one size; the result: `[H_l · W_l]`.
pub fn layer_distance(
    first: &Layer,
    second: &Layer,
    energy_floor: f32,
    displacement: Displacement<'_>,
) -> Vec<f32> {
    let locations = first.width * first.height;
    if locations == 0 {
        return Vec::new();
    }
    let (first_energy, second_energy) = (squared_norms(first), squared_norms(second));
    let floor = energy_floor * mean(&first_energy) + NORM_EPS;
    let scale = |energy: &f32| match first.comparison {
        Comparison::HalfSquare => 1.0 / (energy + floor).sqrt(),
        Comparison::Weighted(_) => 1.0 / (energy.sqrt() + LPIPS_EPS),
    };
    let scaled = |layer: &Layer, energy: &[f32]| -> Vec<f32> {
        let scales: Vec<f32> = energy.iter().map(scale).collect();
        let rows = layer.data.chunks(locations);
        rows.flat_map(|row| row.iter().zip(&scales).map(|(value, scale)| value * scale))
            .collect()
    };
    let (a, b) = (scaled(first, &first_energy), scaled(second, &second_energy));
    let weights: &[f32] = match &first.comparison {
        Comparison::HalfSquare => &[],
        Comparison::Weighted(weights) => weights,
    };
    let at =
        |dx: isize, dy: isize| displaced(&a, &b, weights, (first.width, first.height), (dx, dy));
    let mut nearest = at(0, 0);
    let (columns, rows) = displacement.cells(first);
    if columns + rows == 0 {
        return nearest;
    }
    let painted = displacement.painted_cells(first);
    let (columns, rows) = (columns as isize, rows as isize);
    for (dy, dx) in (-rows..=rows).flat_map(|dy| (-columns..=columns).map(move |dx| (dy, dx))) {
        if (dy, dx) == (0, 0) {
            continue;
        }
        let other = at(dx, dy);
        for y in overlap(first.height, dy) {
            for x in overlap(first.width, dx) {
                let place = y * first.width + x;
                let there = (y as isize + dy) as usize * first.width + (x as isize + dx) as usize;
                if painted[there] && other[place] < nearest[place] {
                    nearest[place] = other[place];
                }
            }
        }
    }
    nearest
}

/// Places along an axis whose neighbour at `offset` exists.
fn overlap(side: usize, offset: isize) -> std::ops::Range<usize> {
    let beyond = offset.unsigned_abs().min(side);
    if offset < 0 {
        beyond..side
    } else {
        0..side - beyond
    }
}

/// Σ_c w_c (a_c(u) − b_c(u + offset))², w_c = ½ without weights; 0 where there is no such place.
fn displaced(
    a: &[f32],
    b: &[f32],
    weights: &[f32],
    (width, height): (usize, usize),
    (dx, dy): (isize, isize),
) -> Vec<f32> {
    let locations = width * height;
    let mut distance = vec![0.0f32; locations];
    let columns = overlap(width, dx);
    for (channel, (a, b)) in a.chunks(locations).zip(b.chunks(locations)).enumerate() {
        let weight = weights.get(channel).copied().unwrap_or(0.5);
        for y in overlap(height, dy) {
            let here = y * width + columns.start..y * width + columns.end;
            let from = (y as isize + dy) as usize * width + (columns.start as isize + dx) as usize;
            let there = from..from + columns.len();
            let pairs = a[here.clone()].iter().zip(&b[there]);
            for (sum, (a, b)) in distance[here].iter_mut().zip(pairs) {
                let difference = a - b;
                *sum += weight * difference * difference;
            }
        }
    }
    distance
}

/// Their mean, 0 of none.
fn mean(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
    (sum / values.len().max(1) as f64) as f32
}

/// ‖φ‖² per location.
fn squared_norms(layer: &Layer) -> Vec<f32> {
    let locations = layer.width * layer.height;
    let mut squares = vec![0.0f32; locations];
    for row in layer.data.chunks(locations) {
        for (square, value) in squares.iter_mut().zip(row) {
            *square += value * value;
        }
    }
    squares
}

/// (1/L)·Σ_l d_l on the photo's own pixels, each layer's map resized bilinearly; the rest as in [`layer_distance`].
/// Layers of different shape (networks that disagree) do not occur: both come from one network at one size.
pub fn feature_distance(
    first: &FeatureLayers,
    second: &FeatureLayers,
    width: usize,
    height: usize,
    energy_floor: f32,
    displacement: Displacement<'_>,
) -> Map {
    let mut total = Map::new(width, height);
    let weight = 1.0 / first.layers.len().max(1) as f32;
    for (a, b) in first.layers.iter().zip(&second.layers) {
        let small = Map {
            width: a.width,
            height: a.height,
            data: layer_distance(a, b, energy_floor, displacement),
        };
        let large = resize_bilinear_map(&small, width, height);
        for (sum, value) in total.data.iter_mut().zip(&large.data) {
            *sum += weight * value;
        }
    }
    total
}

/// d(u) of one pass: the feature distance plus `colour_weight`·ΔE/100.
///
/// `photo` is what the repair is compared with and `repaired` the repair composited over it, both
/// unpadded and of the same size; the layers are theirs. `painted` are the pixels that the pass repainted.
pub fn pass_distance(
    photo: (&Photo, &FeatureLayers),
    repaired: (&Photo, &FeatureLayers),
    painted: &Mask,
    options: &ScoreOptions,
) -> Map {
    let (width, height) = (photo.0.width, photo.0.height);
    let displacement = Displacement {
        pixels: options.displacement,
        painted,
    };
    let mut distance = feature_distance(
        photo.1,
        repaired.1,
        width,
        height,
        options.energy_floor,
        displacement,
    );
    if options.colour_weight > 0.0 {
        let colour = delta_e(photo.0, repaired.0, options.colour_radius);
        for (sum, value) in distance.data.iter_mut().zip(&colour.data) {
            *sum += options.colour_weight * value / 100.0;
        }
    }
    distance
}

/// D_n(u): at each pixel the distance of the pass whose core holds it; 0 where none does.
pub fn merge_cores<'a>(
    passes: impl IntoIterator<Item = (&'a Pass, &'a Map)>,
    width: usize,
    height: usize,
) -> Map {
    let mut merged = Map::new(width, height);
    for (pass, distance) in passes {
        let values = distance.data.iter().zip(&pass.cores.data);
        for (slot, (value, core)) in merged.data.iter_mut().zip(values) {
            if *core {
                *slot = *value;
            }
        }
    }
    merged
}
