//! Principal components of square patches: what a linear autoencoder can do, the starting point
//! of the VAE and the bar that it has to clear.

use anomalysd_detect::prototypes::eigen::eigen_symmetric;
use anomalysd_imaging::Photo;

/// A linear projection of patches onto their first principal components.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPca {
    /// Side of a patch.
    pub side: usize,
    /// Mean patch, `[3·side²]`, values in −1..1, in the order (channel, y, x).
    pub mean: Vec<f32>,
    /// Orthonormal components by falling variance, `[components, 3·side²]`.
    pub basis: Vec<Vec<f32>>,
    /// Variance along each component.
    pub variance: Vec<f32>,
}

/// All patches of the aligned grid as vectors in −1..1; a rest that fills no patch is left out.
pub fn patches(photo: &Photo, side: usize) -> Vec<Vec<f32>> {
    let (columns, rows) = (photo.width / side, photo.height / side);
    let mut all = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let mut patch = Vec::with_capacity(3 * side * side);
            for channel in 0..3 {
                for y in 0..side {
                    let start =
                        (channel * photo.height + row * side + y) * photo.width + column * side;
                    patch.extend(
                        photo.data[start..start + side]
                            .iter()
                            .map(|v| 2.0 * v - 1.0),
                    );
                }
            }
            all.push(patch);
        }
    }
    all
}

impl PatchPca {
    /// Fits `components` to all patches of `photos`.
    pub fn fit(photos: &[Photo], side: usize, components: usize) -> Self {
        let n = 3 * side * side;
        let mut sum = vec![0.0f64; n];
        let mut products = vec![0.0f64; n * n];
        let mut count = 0.0;
        for patch in photos.iter().flat_map(|photo| patches(photo, side)) {
            count += 1.0;
            for i in 0..n {
                let a = f64::from(patch[i]);
                sum[i] += a;
                for (product, b) in products[i * n..i * n + i + 1].iter_mut().zip(&patch) {
                    *product += a * f64::from(*b);
                }
            }
        }
        let count = f64::max(count, 1.0);
        let mean: Vec<f64> = sum.iter().map(|s| s / count).collect();
        let mut covariance = vec![0.0f64; n * n];
        for i in 0..n {
            for j in 0..=i {
                let value = products[i * n + j] / count - mean[i] * mean[j];
                covariance[i * n + j] = value;
                covariance[j * n + i] = value;
            }
        }
        let (values, vectors) = eigen_symmetric(covariance, n);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        order.truncate(components);
        Self {
            side,
            mean: mean.iter().map(|m| *m as f32).collect(),
            basis: order
                .iter()
                .map(|k| (0..n).map(|i| vectors[i * n + k] as f32).collect())
                .collect(),
            variance: order.iter().map(|k| values[*k].max(0.0) as f32).collect(),
        }
    }

    /// Mean squared error, in 0..1 units, of the photo's patches projected and put back, clamped
    /// to the range of a photo as a decoder's output is.
    pub fn reconstruction_error(&self, photo: &Photo) -> f64 {
        let (mut error, mut count) = (0.0f64, 0usize);
        for patch in patches(photo, self.side) {
            let mut back = self.mean.clone();
            for component in &self.basis {
                let along: f32 = patch
                    .iter()
                    .zip(&self.mean)
                    .zip(component)
                    .map(|((p, m), b)| (p - m) * b)
                    .sum();
                back.iter_mut()
                    .zip(component)
                    .for_each(|(value, b)| *value += along * b);
            }
            for (value, original) in back.iter().zip(&patch) {
                error += f64::from((value.clamp(-1.0, 1.0) - original) / 2.0).powi(2);
            }
            count += patch.len();
        }
        error / count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_components_reproduce_the_photo() {
        let data = (0..3 * 8 * 12)
            .map(|i| ((i * 37) % 101) as f32 / 100.0)
            .collect();
        let photo = Photo {
            width: 12,
            height: 8,
            data,
        };
        let full = PatchPca::fit(std::slice::from_ref(&photo), 2, 12);
        assert!(full.reconstruction_error(&photo) < 1e-9);
        let some = PatchPca::fit(std::slice::from_ref(&photo), 2, 3);
        assert!(some.reconstruction_error(&photo) > full.reconstruction_error(&photo));
    }
}
