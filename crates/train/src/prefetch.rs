//! Batches made ahead by other threads while the model trains.
//!
//! Sample n is a pure function of n, so a resumed run sees the batches that an uninterrupted one
//! would have seen, whatever the number of threads.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Hands out the batches of consecutive steps.
pub struct Prefetch<T> {
    /// Thread n makes every n-th batch.
    batches: Vec<Receiver<Vec<T>>>,
    turn: Cell<usize>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `threads` threads that make batches of `batch` samples with `sample(index)`, from
    /// step `first` on; at most `ahead` of each wait.
    pub fn start<F>(first: u64, batch: usize, ahead: usize, threads: usize, sample: F) -> Self
    where
        F: Fn(u64) -> T + Send + Sync + 'static,
    {
        let sample = Arc::new(sample);
        let threads = threads.max(1);
        let produce = |thread: usize| {
            let (sender, batches) = sync_channel(ahead);
            let sample = Arc::clone(&sample);
            thread::spawn(move || {
                // What a sample divides among threads stays on this one: the trainer may be one of the program's
                // workers, the only one even, and waits for this batch.
                let _alone = rayon::ThreadPoolBuilder::new()
                    .num_threads(1)
                    .use_current_thread()
                    .build();
                for step in (first + thread as u64..).step_by(threads) {
                    let start = step * batch as u64;
                    let samples = (start..start + batch as u64).map(&*sample).collect();
                    // The trainer has left: so do we.
                    if sender.send(samples).is_err() {
                        return;
                    }
                }
            });
            batches
        };
        Self {
            batches: (0..threads).map(produce).collect(),
            turn: Cell::new(0),
        }
    }

    /// The next step's batch; `None` if the thread that makes it died.
    pub fn next(&self) -> Option<Vec<T>> {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.batches.len());
        self.batches[turn].recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_do_not_wait_for_workers_that_wait_for_them() {
        let alone = |_| (rayon::current_thread_index(), rayon::current_num_threads());
        let batches = Prefetch::start(0, 1, 1, 2, alone);
        for _ in 0..4 {
            assert_eq!(batches.next(), Some(vec![(Some(0), 1)]));
        }
    }

    #[test]
    fn a_resumed_run_sees_the_same_batches() {
        let all = Prefetch::start(0, 3, 2, 3, |index| index * 7);
        let later = Prefetch::start(4, 3, 1, 2, |index| index * 7);
        for _ in 0..4 {
            all.next();
        }
        for first in [84, 105, 126] {
            let batch = all.next();
            assert_eq!(batch, later.next());
            assert_eq!(batch, Some(vec![first, first + 7, first + 14]));
        }
    }
}
