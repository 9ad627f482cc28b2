//! Work for all threads, and the widest instructions there are.

/// Runs `work` on every task, on all threads. Their order says nothing about results.
pub(super) fn each<T: Send>(tasks: Vec<T>, work: impl Fn(T) + Sync + Send) {
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        tasks.into_par_iter().for_each(work);
    }
    #[cfg(target_family = "wasm")]
    tasks.into_iter().for_each(work);
}

/// Runs a block compiled for the widest vectors of this processor. What it calls has to be inlined for that, and so has
/// the block itself: a closure that the compiler leaves as a function of its own is compiled for the oldest processor.
macro_rules! vectorised {
    ($work:block) => {
        $crate::kernels::processor::threads::with_widest_vectors(
            #[inline(always)]
            || $work,
        )
    };
}
pub(super) use vectorised;

/// What [`vectorised`] is made of.
#[inline(always)]
pub(super) fn with_widest_vectors<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Work<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}

/// So many zeros, written by all threads where they are many: those of large results were 5 % of a detection's work, on
/// one thread.
pub(super) fn zeros(count: usize) -> Vec<f32> {
    #[cfg(not(target_family = "wasm"))]
    if count >= MANY_ZEROS {
        use rayon::prelude::*;
        let mut zeros = Vec::new();
        let values = (0..count).into_par_iter().with_min_len(MANY_ZEROS / 2);
        values.map(|_| 0.0).collect_into_vec(&mut zeros);
        return zeros;
    }
    vec![0.0; count]
}

/// A quarter of a MiB.
#[cfg(not(target_family = "wasm"))]
const MANY_ZEROS: usize = 1 << 16;

/// Calls `work` with slices of these lengths, which hold whatever the last call on this thread left in them: a fresh
/// vector would be zeroed first, and where it is large, fetched from the system and given back.
pub(super) fn scratch<const N: usize, R>(
    lengths: [usize; N],
    work: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    thread_local! {
        static LEFT: std::cell::Cell<Vec<f32>> = const { std::cell::Cell::new(Vec::new()) };
    }
    let mut values = LEFT.take();
    let total = lengths.iter().sum();
    if values.len() < total {
        values.resize(total, 0.0);
    }
    let mut rest = values.as_mut_slice();
    let slices = lengths.map(|length| {
        let (slice, after) = std::mem::take(&mut rest).split_at_mut(length);
        rest = after;
        slice
    });
    let result = work(slices);
    LEFT.set(values);
    result
}

/// Values that are added up side by side.
const LANES: usize = 32;

/// The sum of a function of pairs of values: in f32 within pieces short enough for it, in f64 over them.
/// The order is that of the values alone.
#[inline(always)]
pub(super) fn sum2(left: &[f32], right: &[f32], of: impl Fn(f32, f32) -> f32 + Copy) -> f64 {
    const PIECE: usize = 64 * LANES;
    let mut total = 0.0_f64;
    for (left, right) in left.chunks(PIECE).zip(right.chunks(PIECE)) {
        let mut lanes = [0.0_f32; LANES];
        let (mut rows, mut others) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
        for (row, other) in (&mut rows).zip(&mut others) {
            for ((lane, a), b) in lanes.iter_mut().zip(row).zip(other) {
                *lane += of(*a, *b);
            }
        }
        let rest = rows.remainder().iter().zip(others.remainder());
        let rest: f32 = rest.map(|(a, b)| of(*a, *b)).sum();
        total += lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>() + f64::from(rest);
    }
    total
}

/// The sum of a function of all values, as [`sum2`].
#[inline(always)]
pub(super) fn sum(values: &[f32], of: impl Fn(f32) -> f32 + Copy) -> f64 {
    sum2(values, values, |value, _| of(value))
}

/// The largest value; −∞ of none.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut rows = values.chunks_exact(LANES);
    for row in &mut rows {
        for (lane, value) in lanes.iter_mut().zip(row) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let rest = rows.remainder().iter().copied();
    lanes
        .into_iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_zeros_however_many() {
        for count in [0, 1, MANY_ZEROS - 1, MANY_ZEROS, 3 * MANY_ZEROS + 5] {
            let zeros = zeros(count);
            assert_eq!(zeros.len(), count);
            assert!(zeros.iter().all(|value| value.to_bits() == 0), "{count}");
        }
    }

    #[test]
    fn scratch_has_the_lengths_asked_for_within_another_one_too() {
        let inner = scratch([3, 0, 5], |[a, b, c]| {
            a.fill(1.0);
            c.fill(2.0);
            let inner = scratch([4], |[d]| {
                d.fill(3.0);
                d.len()
            });
            assert_eq!((a.len(), b.len(), c.len()), (3, 0, 5));
            assert!(a.iter().all(|value| *value == 1.0) && c.iter().all(|value| *value == 2.0));
            inner
        });
        assert_eq!(inner, 4);
        scratch([2], |[left]| assert_eq!(left.len(), 2));
    }
}
