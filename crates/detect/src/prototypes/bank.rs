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
}

impl Bank {
    /// All locations of some photos, in order.
    pub fn new(photos: &[&Descriptors]) -> Self {
        let dim = photos.first().map_or(0, |photo| photo.dim);
        let vectors = photos
            .iter()
            .flat_map(|photo| photo.data.iter().copied())
            .collect();
        Self { dim, vectors }
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
        Self { dim, vectors }
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
}

/// ½‖a − b‖².
pub(super) fn half_squared_distance(a: &[f32], b: &[f32]) -> f32 {
    0.5 * a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()
}

/// Inner product in eight lanes, which the compiler keeps in one register.
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
