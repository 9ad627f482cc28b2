//! From repaired photos to an anomaly map and a score (METHOD § 6).
//!
//! Distance of each pass, a map per scale, division by the top of normal, mean over scales, fusion with
//! the prototype-guided part, the photo's score. Plain arrays in and out: no tensor, no model.

mod distance;
mod fuse;
mod normalise;
mod photo_score;

pub use distance::{Displacement, feature_distance, layer_distance, merge_cores, pass_distance};
pub use fuse::{Fusion, fuse, guided_map, mean_over_scales, power_mean};
pub use normalise::{ClassNormalisers, Normaliser, NormaliserTensor};
pub use photo_score::{cell_means, photo_score, top_mean};

#[cfg(test)]
mod tests;
