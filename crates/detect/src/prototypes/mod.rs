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

use crate::DetectError;
use crate::options::FeatureOptions;

/// Prototypes that no class has more of, whatever its options say: 64 photos of 32×32 places, or ten
/// and their turns. EfficientNet-Lite0's descriptors of so many places take 46 MB, which a browser
/// can hold for a class.
pub const MOST_PROTOTYPES: usize = 1 << 16;

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
    /// Fits bank and subspace to good photos, each with its own descriptors followed by those of its
    /// allowed turns. A coreset has lost the places, so that the bank of an aligned class holds whole
    /// photos: the [`located`] ones.
    pub fn fit(good: &[&[Descriptors]], aligned: bool, options: &FeatureOptions) -> Self {
        let full = bank_of(good.iter().copied());
        let subspace = Subspace::fit(&full.vectors, full.dim, options.subspace_variance);
        let places: Vec<usize> = good
            .iter()
            .map(|views| views.iter().map(Descriptors::count).sum())
            .collect();
        let located = if aligned {
            located(&places)
        } else {
            Vec::new()
        };
        let (bank, radius) = if located.is_empty() {
            (full.reduced(options.bank_capacity), None)
        } else {
            let bank = bank_of(located.iter().map(|&index| good[index]));
            (bank, Some(options.aligned_radius))
        };
        Self {
            bank,
            subspace,
            radius,
        }
    }

    /// Refuses descriptors of another feature network.
    ///
    /// # Errors
    /// [`DetectError::Profile`] with both lengths.
    pub fn check(&self, photo: &Descriptors) -> Result<(), DetectError> {
        let (own, given) = (photo.dim, self.bank.dim);
        if own == given {
            return Ok(());
        }
        Err(DetectError::Profile {
            reason: format!("its descriptors have {given} numbers, the feature network's {own}"),
        })
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

/// Which photos of an aligned class its bank holds, given the places of each with its turns: all of
/// them, or as many at even distances from the first as have at most [`MOST_PROTOTYPES`] places
/// together; none where the first alone has more.
pub fn located(places: &[usize]) -> Vec<usize> {
    let evenly = |count: usize| (0..count).map(move |index| index * places.len() / count);
    let sum = |count| evenly(count).fold(0usize, |sum, at| sum.saturating_add(places[at]));
    let most = (1..=places.len())
        .rev()
        .find(|&count| sum(count) <= MOST_PROTOTYPES);
    evenly(most.unwrap_or(0)).collect()
}

fn bank_of<'a>(photos: impl Iterator<Item = &'a [Descriptors]>) -> Bank {
    Bank::new(&photos.flatten().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
