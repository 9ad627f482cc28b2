//! The plain baseline: distance to the nearest feature of a good photo.
//!
//! A recipe of its own, on purpose: photos squeezed to 256×256 whatever their aspect, all places of
//! all good photos in the bank, cosine distance, σ = 4 px, mean of the top 1 % of pixels; masks are
//! taken to 256×256 as well (nearest), so that a small photo counts as much as a large one.

use anomalysd_detect::features::{FeatureNetwork, Features};
use anomalysd_detect::prototypes::{Bank, Descriptors, describe};
use anomalysd_detect::score::top_mean;
use anomalysd_imaging::{Map, Mask, Photo, gaussian_blur, resize_bilinear_map, resize_lanczos};

use super::part::Truth;
use crate::error::Outcome;

const SIDE: usize = 256;
const GRID: usize = 32;
const SIGMA: f32 = 4.0;
const TOP: f32 = 0.01;
const CAPACITY: usize = 8192;

/// A fitted baseline.
pub struct Nearest {
    bank: Bank,
}

impl Nearest {
    /// Fits on good photos.
    pub fn fit(features: &Features<'_>, good: &[Photo]) -> Outcome<Self> {
        let mut described = Vec::with_capacity(good.len());
        for photo in good {
            described.push(descriptors(features, photo)?);
        }
        let all: Vec<&Descriptors> = described.iter().collect();
        Ok(Self {
            bank: Bank::new(&all).reduced(CAPACITY),
        })
    }

    /// Map (256×256) and score of a photo.
    pub fn judge(&self, features: &Features<'_>, photo: &Photo) -> Outcome<(Map, f32)> {
        let described = descriptors(features, photo)?;
        let cells = Map {
            width: described.width,
            height: described.height,
            data: self.bank.nearest(&described),
        };
        let map = gaussian_blur(&resize_bilinear_map(&cells, SIDE, SIDE), SIGMA);
        let count = ((map.data.len() as f32 * TOP) as usize).max(1);
        let score = top_mean(&map.data, count);
        Ok((map, score))
    }
}

/// The truth at the size of the baseline's maps.
pub fn squeezed(truth: &Truth) -> Truth {
    let squeeze = |mask: &Mask| {
        Mask::from_fn(SIDE, SIDE, |x, y| {
            mask.at(x * mask.width / SIDE, y * mask.height / SIDE)
        })
    };
    Truth {
        defective: truth.defective,
        mask: truth.mask.as_ref().map(squeeze),
    }
}

fn descriptors(features: &Features<'_>, photo: &Photo) -> Outcome<Descriptors> {
    let squeezed = resize_lanczos(photo, SIDE, SIDE);
    let layers = pollster::block_on(features.extract(&squeezed))?;
    Ok(describe(&layers, GRID, GRID))
}
