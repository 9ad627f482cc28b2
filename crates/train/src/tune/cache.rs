//! Latents of pictures that come again: encoded once, and kept within a limit.
//!
//! The U-Net sees the photos of a class with finitely many changes; the decoder does where nothing but
//! turns is drawn. Such a picture is encoded alone, also when it does not fit in, so that no number
//! depends on what is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::vae::Vae;
use burn::tensor::Tensor;

/// One of finitely many pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Picture {
    /// Index of the class.
    pub(super) class: usize,
    /// Index of the good photo in its class.
    pub(super) photo: usize,
    /// Index of the good photo that it is laid over, where it is.
    pub(super) over: Option<usize>,
    /// Index of what is changed in it, among the changes of its class.
    pub(super) change: usize,
}

/// Latents by picture, on the device that made them.
pub(super) struct LatentCache {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    latents: HashMap<Picture, Tensor<4>>,
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

    /// `enc(x)` of a batch, each photo one of the pictures; where any is none, they are encoded together.
    ///
    /// # Shapes
    /// `photos` `[batch, 3, H, W]` in 0..1 on the plain device, to `[batch, C, H/f, W/f]`.
    pub(super) fn encode(
        &self,
        vae: &Vae,
        photos: &Tensor<4>,
        pictures: impl Iterator<Item = Option<Picture>>,
    ) -> ModelResult<Tensor<4>> {
        let Some(pictures) = pictures.collect::<Option<Vec<Picture>>>() else {
            return vae.enc(photos.clone());
        };
        let alone = pictures.into_iter().enumerate().map(|(index, picture)| {
            self.of(picture, || vae.enc(photos.clone().narrow(0, index, 1)))
        });
        Ok(Tensor::cat(alone.collect::<ModelResult<_>>()?, 0))
    }

    /// The latents of a picture, encoded where they are not kept.
    pub(super) fn of(
        &self,
        picture: Picture,
        encode: impl FnOnce() -> ModelResult<Tensor<4>>,
    ) -> ModelResult<Tensor<4>> {
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latents) = held().latents.get(&picture) {
            return Ok(latents.clone());
        }
        // Not under the lock: another worker may be here with the same picture, and makes the same bits.
        let latents = encode()?;
        let bytes = size_of::<f32>() * latents.dims().iter().product::<usize>();
        let mut held = held();
        if held.bytes + bytes <= self.limit && !held.latents.contains_key(&picture) {
            held.bytes += bytes;
            held.latents.insert(picture, latents.clone());
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
        let of = |photo: usize, change| {
            let picture = Picture {
                class: 0,
                photo,
                over: None,
                change,
            };
            let latents = cache.of(picture, || {
                made.set(made.get() + 1);
                Ok(Tensor::full([1, 1, 320, 320], photo as f32, &device))
            });
            let values = latents.unwrap().into_data().try_to_vec::<f32>().unwrap();
            assert!(values.iter().all(|value| *value == photo as f32));
            made.get()
        };
        assert_eq!((of(0, 0), of(0, 0)), (1, 1));
        assert_eq!((of(0, 1), of(0, 1)), (2, 2));
        assert_eq!((of(1, 0), of(1, 0)), (3, 4));
        assert_eq!(of(0, 0), 4);
    }
}
