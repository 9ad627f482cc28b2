//! All locations of the good photos, and the nearest of them.

use anomalysd_imaging::parallel::for_each_chunk;

use super::{Descriptors, coreset};

/// Query vectors that share one sweep over the bank.
const TILE: usize = 16;

/// Unit vectors of the good photos.
///
/// # Shapes
/// `vectors`: `[count, dim]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// Numbers per vector.
    pub dim: usize,
    /// The vectors.
    pub vectors: Vec<f32>,
    /// Columns and rows of each photo, whose vectors follow each other row by row; empty in a
    /// coreset, which has lost the places.
    pub grids: Vec<(usize, usize)>,
}

impl Bank {
    /// All locations of some photos, in order.
    pub fn new(photos: &[&Descriptors]) -> Self {
        let dim = photos.first().map_or(0, |photo| photo.dim);
        let vectors = photos
            .iter()
            .flat_map(|photo| photo.data.iter().copied())
            .collect();
        let grids = photos
            .iter()
            .map(|photo| (photo.width, photo.height))
            .collect();
        Self {
            dim,
            vectors,
            grids,
        }
    }

    /// Number of vectors.
    pub fn count(&self) -> usize {
        self.vectors.len().checked_div(self.dim).unwrap_or(0)
    }

    /// The bank itself, or a coreset of `capacity` vectors where it has more.
    pub fn reduced(self, capacity: usize) -> Self {
        if self.count() <= capacity {
            return self;
        }
        let chosen = coreset(&self.vectors, self.dim, capacity);
        let dim = self.dim;
        let vectors = chosen
            .iter()
            .flat_map(|&index| self.vectors[index * dim..(index + 1) * dim].iter().copied())
            .collect();
        Self {
            dim,
            vectors,
            grids: Vec::new(),
        }
    }

    /// `min_p ½‖a − p‖²` for each location: found by inner products, then computed by the formula,
    /// so that it is exactly 0 where a prototype equals the location. 0 for an empty bank.
    pub fn nearest(&self, photo: &Descriptors) -> Vec<f32> {
        let dim = self.dim;
        let mut distances = vec![0.0f32; photo.count()];
        if self.count() == 0 || dim == 0 {
            return distances;
        }
        for_each_chunk(&mut distances, TILE, |tile, slots| {
            let queries = tile * TILE..tile * TILE + slots.len();
            let mut best = [(f32::NEG_INFINITY, 0usize); TILE];
            for (index, prototype) in self.vectors.chunks_exact(dim).enumerate() {
                // ½‖a − p‖² is least where a·p − ½‖p‖² is largest.
                let half = 0.5 * dot(prototype, prototype);
                for (best, query) in best.iter_mut().zip(queries.clone()) {
                    let likeness = dot(photo.vector(query), prototype) - half;
                    if likeness > best.0 {
                        *best = (likeness, index);
                    }
                }
            }
            for ((slot, (_, index)), query) in slots.iter_mut().zip(best).zip(queries) {
                let prototype = &self.vectors[index * dim..(index + 1) * dim];
                *slot = half_squared_distance(photo.vector(query), prototype);
            }
        });
        distances
    }

    /// The same with the search limited to the `(2·radius + 1)²` places around each location, in
    /// every photo of the bank. Where no photo reaches there, the search is free.
    pub fn nearest_around(&self, photo: &Descriptors, radius: usize) -> Vec<f32> {
        let dim = self.dim;
        let mut distances = vec![f32::INFINITY; photo.count()];
        if dim == 0 {
            return self.nearest(photo);
        }
        for_each_chunk(&mut distances, photo.width.max(1), |y, slots| {
            for (x, slot) in slots.iter_mut().enumerate() {
                let vector = photo.vector(y * photo.width + x);
                let mut first = 0;
                for &(width, height) in &self.grids {
                    for row in y.saturating_sub(radius)..(y + radius + 1).min(height) {
                        for column in x.saturating_sub(radius)..(x + radius + 1).min(width) {
                            let index = first + row * width + column;
                            let prototype = &self.vectors[index * dim..(index + 1) * dim];
                            *slot = slot.min(half_squared_distance(vector, prototype));
                        }
                    }
                    first += width * height;
                }
            }
        });
        if distances.iter().any(|distance| distance.is_infinite()) {
            let free = self.nearest(photo);
            for (slot, free) in distances.iter_mut().zip(free) {
                if slot.is_infinite() {
                    *slot = free;
                }
            }
        }
        distances
    }
}

/// ½‖a − b‖², summed in eight lanes, which the compiler keeps in one register.
pub(super) fn half_squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(x, y)| (x - y) * (x - y))
        .sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += (x[lane] - y[lane]) * (x[lane] - y[lane]);
        }
    }
    0.5 * (lanes.iter().sum::<f32>() + rest)
}

/// Inner product, summed the same way.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
