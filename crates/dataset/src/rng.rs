//! The seeded generator behind every draw of this crate.
//!
//! ChaCha8 gives the words; the helpers that turn words into numbers are our own, so that a seed
//! means the same picture and the same k photos whatever the version of the `rand` crates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers named by a seed and a stream number.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream number `stream` of `seed`; equal arguments give equal numbers on every platform.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(b"anomalys");
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 random bits, e.g. a seed for another stream.
    pub fn seed(&mut self) -> u64 {
        u64::from(self.bits()) | (u64::from(self.bits()) << 32)
    }

    /// A number in `[0, 1)`, of 24 bits.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// A number in `[low, high)`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A number within `±amount`, small values more often (mean of two uniform draws).
    pub fn jitter(&mut self, amount: f32) -> f32 {
        (self.unit() + self.unit() - 1.0) * amount
    }

    /// A whole number in `low..=high`.
    pub fn int(&mut self, low: usize, high: usize) -> usize {
        debug_assert!(low <= high);
        let span = (high - low + 1) as u64;
        low + ((u64::from(self.bits()) * span) >> 32) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// One of `items`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.int(0, items.len() - 1)]
    }

    /// Fisher-Yates shuffle in place, from the last item down.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.int(0, last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn a_seed_is_a_stream_for_ever() {
        let mut rng = Rng::new(7, 0);
        let first: Vec<u32> = (0..3).map(|_| rng.bits()).collect();
        let mut again = Rng::new(7, 0);
        assert_eq!(first, (0..3).map(|_| again.bits()).collect::<Vec<_>>());
        let mut other = Rng::new(7, 1);
        assert_ne!(first[0], other.bits());
    }

    #[test]
    fn whole_numbers_cover_their_range() {
        let mut rng = Rng::new(1, 0);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[rng.int(2, 6) - 2] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..50).collect();
        Rng::new(3, 0).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
