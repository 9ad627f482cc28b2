//! Batches made ahead by other threads while the model trains.
//!
//! Sample n is a pure function of n, so a resumed run sees the batches that an uninterrupted one
//! would have seen, whatever the number of threads.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Hands out the batches of consecutive steps.
pub struct Prefetch<T> {
    batches: Receiver<Vec<T>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts making batches of `batch` samples with `sample(index)`, from step `first` on; at
    /// most `ahead` of them wait.
    pub fn start<F>(first: u64, batch: usize, ahead: usize, sample: F) -> Self
    where
        F: Fn(u64) -> T + Send + 'static,
    {
        let (sender, batches) = sync_channel(ahead);
        thread::spawn(move || {
            for step in first.. {
                let start = step * batch as u64;
                let samples = (start..start + batch as u64).map(&sample).collect();
                // The trainer has left: so do we.
                if sender.send(samples).is_err() {
                    return;
                }
            }
        });
        Self { batches }
    }

    /// The next step's batch; `None` if the producing thread died.
    pub fn next(&self) -> Option<Vec<T>> {
        self.batches.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_sees_the_same_batches() {
        let all = Prefetch::start(0, 3, 2, |index| index * 7);
        let later = Prefetch::start(4, 3, 1, |index| index * 7);
        let mut fourth = None;
        for _ in 0..5 {
            fourth = all.next();
        }
        assert_eq!(fourth, later.next());
        assert_eq!(fourth, Some(vec![84, 91, 98]));
    }
}
