//! The pictures that `mini` learns from.

use std::path::Path;
use std::sync::Arc;

use anomalysd_dataset::synth::{Family, Product};
use anomalysd_imaging::Photo;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use crate::Result;
use crate::photos::{below, crop, random_crop, read_folder, sample_rng, turn, unit};

/// Drawn products and free photographs. Cheap to clone.
#[derive(Clone)]
pub struct Pictures {
    photos: Arc<Vec<Photo>>,
    families: Arc<[Family]>,
    seed: u64,
}

impl Pictures {
    /// Reads the photographs of a folder; drawn products need nothing.
    ///
    /// # Errors
    /// A folder without photographs.
    pub fn open(photos: Option<&Path>, families: Vec<Family>, seed: u64) -> Result<Self> {
        let photos = photos.map(read_folder).transpose()?.unwrap_or_default();
        Ok(Self {
            photos: Arc::new(photos),
            families: families.into(),
            seed,
        })
    }

    /// The `index`-th square crop with sides of `size` pixels: of a product drawn at twice this
    /// size, or of a photograph in `photo_share` of the cases.
    pub fn crop(&self, index: u64, size: usize, photo_share: f32) -> Photo {
        let mut rng = sample_rng(self.seed, "pretrain crop", index);
        if !self.photos.is_empty() && unit(&mut rng) < photo_share {
            return random_crop(&self.photos, size, &mut rng);
        }
        let picture = self
            .product(rng.next_u64())
            .instance(rng.next_u64(), 2 * size);
        let (x, y) = (below(&mut rng, size + 1), below(&mut rng, size + 1));
        turn(crop(&picture, x, y, size, size), below(&mut rng, 8))
    }

    /// The product of a seed.
    pub fn product(&self, seed: u64) -> Product {
        Product::random_of(&self.families, seed)
    }

    /// A crop of a photograph in `share` of the calls.
    pub fn photograph(&self, size: usize, share: f32, rng: &mut ChaCha8Rng) -> Option<Photo> {
        (!self.photos.is_empty() && unit(rng) < share).then(|| random_crop(&self.photos, size, rng))
    }

    /// Whole drawn pictures that training never sees.
    pub fn held_out(&self, count: usize, size: usize) -> Vec<Photo> {
        (0..count as u64)
            .map(|index| {
                let mut rng = sample_rng(self.seed, "pretrain held out", index);
                self.product(rng.next_u64()).instance(rng.next_u64(), size)
            })
            .collect()
    }
}
