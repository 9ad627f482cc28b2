//! Farthest-first coreset: a few vectors such that every vector is near one of them.

use anomalysd_imaging::parallel::for_each_chunk;

use super::bank::half_squared_distance;

/// Vectors that one thread updates at a time.
const CHUNK: usize = 1024;

/// Indices of `count` vectors: the one nearest the mean, then always the one farthest from all
/// chosen; ties by index. Its radius is at most twice the best possible (Gonzalez, 1985).
///
/// # Shapes
/// `vectors`: `[n, dim]`, row-major.
pub fn coreset(vectors: &[f32], dim: usize, count: usize) -> Vec<usize> {
    let total = vectors.len().checked_div(dim).unwrap_or(0);
    let count = count.min(total);
    if count == 0 {
        return Vec::new();
    }
    let vector = |index: usize| &vectors[index * dim..(index + 1) * dim];
    let mut mean = vec![0.0f64; dim];
    for index in 0..total {
        for (sum, value) in mean.iter_mut().zip(vector(index)) {
            *sum += f64::from(*value) / total as f64;
        }
    }
    let mean: Vec<f32> = mean.iter().map(|value| *value as f32).collect();
    let first = (0..total)
        .min_by(|&a, &b| {
            let distance = |index| half_squared_distance(vector(index), &mean);
            distance(a).total_cmp(&distance(b))
        })
        .unwrap_or(0);
    let mut chosen = vec![first];
    let mut nearest = vec![f32::INFINITY; total];
    let bring_nearer = |nearest: &mut [f32], center: usize| {
        for_each_chunk(nearest, CHUNK, |chunk, slots| {
            for (offset, slot) in slots.iter_mut().enumerate() {
                let other = vector(chunk * CHUNK + offset);
                *slot = slot.min(half_squared_distance(other, vector(center)));
            }
        });
    };
    bring_nearer(&mut nearest, first);
    while chosen.len() < count {
        let mut farthest = 0;
        for (index, distance) in nearest.iter().enumerate() {
            if *distance > nearest[farthest] {
                farthest = index;
            }
        }
        chosen.push(farthest);
        bring_nearer(&mut nearest, farthest);
    }
    chosen
}

/// Largest distance (Euclidean) of any vector to the nearest chosen one.
pub fn radius(vectors: &[f32], dim: usize, chosen: &[usize]) -> f32 {
    let vector = |index: usize| &vectors[index * dim..(index + 1) * dim];
    let to_nearest = |index| {
        chosen
            .iter()
            .map(|&center| half_squared_distance(vector(index), vector(center)))
            .fold(f32::INFINITY, f32::min)
    };
    let total = vectors.len().checked_div(dim).unwrap_or(0);
    let most = (0..total).map(to_nearest).fold(0.0, f32::max);
    (2.0 * most).sqrt()
}
