//! Latents of targets that come again: encoded once, and kept within a limit.
//!
//! Augmentation makes a new picture of a photo for every sample. Without it the targets are finitely many,
//! each photo in each of its turns. Such a target is encoded alone, also when it does not fit in, so that
//! no number depends on what is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anomalysd_detect::prototypes::Turn;
use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::vae::Vae;
use burn::tensor::Tensor;

/// Which of finitely many targets a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Target {
    /// Index of the class.
    pub(super) class: usize,
    /// Index of the good photo in its class.
    pub(super) photo: usize,
    /// How it is turned.
    pub(super) turn: Option<Turn>,
}

/// Latents by target, on the device that made them.
pub(super) struct LatentCache {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    latents: HashMap<Target, Tensor<4>>,
    bytes: usize,
}

impl LatentCache {
    /// A cache of at most so many MiB.
    pub(super) fn new(limit_mib: usize) -> Self {
        Self {
            limit: limit_mib.saturating_mul(1 << 20),
            held: Mutex::default(),
        }
    }

    /// `enc(x)` of a batch, one target a photo; where any has none, the photos are encoded together.
    ///
    /// # Shapes
    /// `photos` `[batch, 3, H, W]` in 0..1 on the plain device, to `[batch, C, H/f, W/f]`.
    pub(super) fn encode(
        &self,
        vae: &Vae,
        photos: &Tensor<4>,
        targets: impl Iterator<Item = Option<Target>>,
    ) -> ModelResult<Tensor<4>> {
        let Some(targets) = targets.collect::<Option<Vec<Target>>>() else {
            return vae.enc(photos.clone());
        };
        let alone = targets
            .into_iter()
            .enumerate()
            .map(|(index, target)| self.of(target, || vae.enc(photos.clone().narrow(0, index, 1))));
        Ok(Tensor::cat(alone.collect::<ModelResult<_>>()?, 0))
    }

    fn of(
        &self,
        target: Target,
        encode: impl FnOnce() -> ModelResult<Tensor<4>>,
    ) -> ModelResult<Tensor<4>> {
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latents) = held().latents.get(&target) {
            return Ok(latents.clone());
        }
        // Not under the lock: another worker may be here with the same target, and makes the same bits.
        let latents = encode()?;
        let bytes = size_of::<f32>() * latents.dims().iter().product::<usize>();
        let mut held = held();
        if held.bytes + bytes <= self.limit && !held.latents.contains_key(&target) {
            held.bytes += bytes;
            held.latents.insert(target, latents.clone());
        }
        Ok(latents)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use burn::tensor::Device;

    use super::*;

    #[test]
    fn what_fits_in_is_made_once_and_the_rest_anew() {
        let device = Device::flex();
        // Two of 400 KiB fit into one MiB.
        let cache = LatentCache::new(1);
        let made = Cell::new(0);
        let of = |photo: usize, turn| {
            let target = Target {
                class: 0,
                photo,
                turn,
            };
            let latents = cache.of(target, || {
                made.set(made.get() + 1);
                Ok(Tensor::full([1, 1, 320, 320], photo as f32, &device))
            });
            let values = latents.unwrap().into_data().try_to_vec::<f32>().unwrap();
            assert!(values.iter().all(|value| *value == photo as f32));
            made.get()
        };
        assert_eq!((of(0, None), of(0, None)), (1, 1));
        assert_eq!((of(0, Some(Turn::Left)), of(0, Some(Turn::Left))), (2, 2));
        assert_eq!((of(1, None), of(1, None)), (3, 4));
        assert_eq!(of(0, None), 4);
    }
}
