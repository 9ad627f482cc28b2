//! What the good photos look like, place by place: descriptors, bank, subspace, q (METHOD § 5.2).
//!
//! Plain arrays and one matrix product per photo; no diffusion model and no mask.

mod bank;
mod coreset;
mod descriptors;
pub mod eigen;
mod pose;
mod subspace;

pub use bank::Bank;
pub use coreset::{coreset, radius};
pub use descriptors::{Descriptors, describe, grid_of};
pub use pose::{Pose, Turn};
pub use subspace::Subspace;

use anomalysd_imaging::Map;

use crate::options::FeatureOptions;

/// Prototypes of one class: bank and subspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Prototypes {
    /// Unit vectors of the good photos.
    pub bank: Bank,
    /// Where they lie.
    pub subspace: Subspace,
    /// Radius in cells of the search among neighbours, for aligned classes; `None`: free search.
    pub radius: Option<usize>,
}

/// The distances of one photo's locations from the prototypes.
#[derive(Debug, Clone, PartialEq)]
pub struct PrototypeMaps {
    /// ½‖a − p‖² to the nearest prototype.
    pub nearest: Map,
    /// Squared residual outside the subspace.
    pub subspace: Map,
    /// q = √(nearest · subspace).
    pub q: Map,
}

impl Prototypes {
    /// Fits bank and subspace to the descriptors of good photos and of their allowed turns. An
    /// aligned class keeps all of them, since a coreset has lost the places.
    pub fn fit(good: &[&Descriptors], aligned: bool, options: &FeatureOptions) -> Self {
        let full = Bank::new(good);
        let subspace = Subspace::fit(&full.vectors, full.dim, options.subspace_variance);
        let (bank, radius) = if aligned {
            (full, Some(options.aligned_radius))
        } else {
            (full.reduced(options.bank_capacity), None)
        };
        Self {
            bank,
            subspace,
            radius,
        }
    }

    /// Distances of a photo.
    pub fn distances(&self, photo: &Descriptors) -> PrototypeMaps {
        let nearest = match self.radius {
            Some(radius) => self.bank.nearest_around(photo, radius),
            None => self.bank.nearest(photo),
        };
        let residual = self.subspace.residual(photo);
        let q = nearest
            .iter()
            .zip(&residual)
            .map(|(a, b)| (a * b).sqrt())
            .collect();
        let map = |data| Map {
            width: photo.width,
            height: photo.height,
            data,
        };
        PrototypeMaps {
            nearest: map(nearest),
            subspace: map(residual),
            q: map(q),
        }
    }
}

#[cfg(test)]
mod tests;
