//! The linear subspace in which the descriptors of good photos lie.

use super::Descriptors;
use super::eigen::eigen_symmetric;

/// Mean and orthonormal basis that keep a share of the variance of the bank.
///
/// # Shapes
/// `mean`: `[dim]`; `basis`: `[rank, dim]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Subspace {
    /// Mean of the bank.
    pub mean: Vec<f32>,
    /// Directions by falling variance.
    pub basis: Vec<f32>,
}

impl Subspace {
    /// Fits `variance` (0..1) of the variance of `[n, dim]` vectors.
    pub fn fit(vectors: &[f32], dim: usize, variance: f32) -> Self {
        let count = vectors.len().checked_div(dim).unwrap_or(0);
        let mut mean = vec![0.0f64; dim];
        for vector in vectors.chunks_exact(dim.max(1)) {
            for (sum, value) in mean.iter_mut().zip(vector) {
                *sum += f64::from(*value) / count as f64;
            }
        }
        let mut covariance = vec![0.0f64; dim * dim];
        let mut centred = vec![0.0f64; dim];
        for vector in vectors.chunks_exact(dim.max(1)) {
            for ((slot, value), mean) in centred.iter_mut().zip(vector).zip(&mean) {
                *slot = f64::from(*value) - mean;
            }
            for i in 0..dim {
                let a = centred[i] / count as f64;
                for (slot, b) in covariance[i * dim..i * dim + i + 1]
                    .iter_mut()
                    .zip(&centred)
                {
                    *slot += a * b;
                }
            }
        }
        for i in 0..dim {
            for j in 0..i {
                covariance[j * dim + i] = covariance[i * dim + j];
            }
        }
        let (values, vectors) = eigen_symmetric(covariance, dim);
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        let total: f64 = values.iter().map(|value| value.max(0.0)).sum();
        let mut kept = 0.0;
        let mut basis = Vec::new();
        for &column in &order {
            if kept >= f64::from(variance) * total {
                break;
            }
            kept += values[column].max(0.0);
            basis.extend((0..dim).map(|row| vectors[row * dim + column] as f32));
        }
        Self {
            mean: mean.iter().map(|value| *value as f32).collect(),
            basis,
        }
    }

    /// Squared length of what lies outside the subspace, per location; never negative.
    pub fn residual(&self, photo: &Descriptors) -> Vec<f32> {
        let dim = photo.dim;
        let mut centred = vec![0.0f32; dim];
        (0..photo.count())
            .map(|location| {
                for ((slot, value), mean) in centred
                    .iter_mut()
                    .zip(photo.vector(location))
                    .zip(&self.mean)
                {
                    *slot = value - mean;
                }
                let mut rest: f32 = centred.iter().map(|value| value * value).sum();
                for direction in self.basis.chunks_exact(dim.max(1)) {
                    let along: f32 = centred.iter().zip(direction).map(|(a, b)| a * b).sum();
                    rest -= along * along;
                }
                rest.max(0.0)
            })
            .collect()
    }
}
