//! The one place that knows whether there are threads.

/// Calls `work(index, chunk)` for every chunk of `chunk` values, in parallel where there are threads; the result does
/// not depend on the order.
pub fn for_each_chunk<T: Send>(
    data: &mut [T],
    chunk: usize,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        data.par_chunks_mut(chunk.max(1))
            .enumerate()
            .for_each(|(index, chunk)| work(index, chunk));
    }
    #[cfg(target_family = "wasm")]
    data.chunks_mut(chunk.max(1))
        .enumerate()
        .for_each(|(index, chunk)| work(index, chunk));
}
