//! Photos of a batch side by side.
//!
//! Between the kernels of a network one thread works alone, and what a layer hands to the next is as large as the
//! batch: two parts of it fill each other's gaps, and stay in the processor's cache.

use std::ops::Range;

use burn::tensor::Tensor;

use super::operator::is_plain;

/// Photos of a part. It has to be the same for any number of threads, as the bits of burn's own operators may depend on
/// the size of a batch.
const PHOTOS: usize = 4;

/// What `work` gives for each part of a batch, in their order; `None` where it is best taken as a whole: one photo, and
/// whatever is not f32 in the processor's memory with no gradient recorded.
///
/// # Shapes
/// `batch` `[photos, …]`; `work` gets a run of photos, all of which together are `0..photos`.
pub fn in_parts<T: Send, const D: usize>(
    batch: &Tensor<D>,
    work: impl Fn(Range<usize>) -> T + Sync + Send,
) -> Option<Vec<T>> {
    let photos = batch.dims()[0];
    if photos < 2 || !is_plain(batch) {
        return None;
    }
    let part = PHOTOS.min(photos.div_ceil(2));
    let starts: Vec<usize> = (0..photos).step_by(part).collect();
    let work = |start: usize| work(start..photos.min(start + part));
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        Some(starts.into_par_iter().map(work).collect())
    }
    #[cfg(target_family = "wasm")]
    Some(starts.into_iter().map(work).collect())
}
