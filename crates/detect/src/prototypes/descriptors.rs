//! One unit vector per place of a photo, from the layers of a feature network.

use anomalysd_imaging::resize_bilinear_planes;

use crate::features::{FeatureLayers, Layer};

/// Squared norm below which a feature vector counts as none: a = φ/√(‖φ‖² + this).
const NORM_EPS: f32 = 1e-10;

/// Descriptors of a photo on a grid of locations.
///
/// # Shapes
/// `data`: `[height·width, dim]`, row-major: a vector's numbers lie together.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptors {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Numbers per location.
    pub dim: usize,
    /// Unit vectors (zero features stay near zero).
    pub data: Vec<f32>,
}

impl Descriptors {
    /// Number of locations.
    pub fn count(&self) -> usize {
        self.width * self.height
    }

    /// One location's vector.
    pub fn vector(&self, location: usize) -> &[f32] {
        &self.data[location * self.dim..(location + 1) * self.dim]
    }
}

/// Columns and rows of the grid whose longer side has `longer` cells, for a photo of this size.
pub fn grid_of(width: usize, height: usize, longer: usize) -> (usize, usize) {
    let most = width.max(height).max(1);
    let side = |length: usize| ((length * longer + most / 2) / most).max(1);
    (side(width), side(height))
}

/// Each layer 3×3-averaged at its own size, resized bilinearly to the grid, normalised per layer,
/// concatenated, divided by √L.
pub fn describe(features: &FeatureLayers, width: usize, height: usize) -> Descriptors {
    let dim: usize = features.layers.iter().map(|layer| layer.channels).sum();
    let scale = 1.0 / (features.layers.len().max(1) as f32).sqrt();
    let mut data = vec![0.0; width * height * dim];
    let mut first = 0;
    for layer in &features.layers {
        let averaged = average_3x3(layer);
        let planes = resize_bilinear_planes(
            &averaged,
            layer.channels,
            layer.height,
            layer.width,
            height,
            width,
        );
        for location in 0..width * height {
            let value = |channel: usize| planes[channel * width * height + location];
            let squares: f32 = (0..layer.channels)
                .map(|channel| value(channel).powi(2))
                .sum();
            let factor = scale / (squares + NORM_EPS).sqrt();
            let start = location * dim + first;
            for (channel, slot) in data[start..start + layer.channels].iter_mut().enumerate() {
                *slot = value(channel) * factor;
            }
        }
        first += layer.channels;
    }
    Descriptors {
        width,
        height,
        dim,
        data,
    }
}

/// Mean over the 3×3 neighbours, zeros beyond the border counted, as `avg_pool2d` has it.
fn average_3x3(layer: &Layer) -> Vec<f32> {
    let (width, height) = (layer.width, layer.height);
    let mut out = vec![0.0; layer.data.len()];
    let mut rows = vec![0.0; width * height];
    for channel in 0..layer.channels {
        let plane = &layer.data[channel * width * height..(channel + 1) * width * height];
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let left = if x > 0 { plane[at - 1] } else { 0.0 };
                let right = if x + 1 < width { plane[at + 1] } else { 0.0 };
                rows[at] = left + plane[at] + right;
            }
        }
        let target = &mut out[channel * width * height..(channel + 1) * width * height];
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                let above = if y > 0 { rows[at - width] } else { 0.0 };
                let below = if y + 1 < height {
                    rows[at + width]
                } else {
                    0.0
                };
                target[at] = (above + rows[at] + below) / 9.0;
            }
        }
    }
    out
}
