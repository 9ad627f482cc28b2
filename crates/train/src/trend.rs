//! Whether a loss that is still a number has left the range that it began in.

use std::collections::BTreeMap;

use anomalysd_diffusion::weights::HostTensor;

/// Steps whose mean loss is what the others are compared with.
const FIRST: f32 = 10.0;
/// Share of a new loss in the running mean.
const SHARE: f32 = 0.05;
/// Times the first mean from which a running mean counts as diverged.
const DIVERGED: f32 = 10.0;
/// Times the first mean up to which a state counts as good.
const GOOD: f32 = 2.0;
/// Name of the state in a checkpoint.
const STATE: &str = "trend";

/// The mean loss of a stage's first steps, and the running mean since.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Trend {
    /// Steps that make up `first`, up to [`FIRST`].
    steps: f32,
    first: f32,
    recent: f32,
}

impl Trend {
    /// The loss of one step more.
    pub fn add(&mut self, loss: f32) {
        if self.steps < FIRST {
            self.steps += 1.0;
            self.first += (loss - self.first) / self.steps;
            self.recent = self.first;
        } else {
            self.recent += (loss - self.recent) * SHARE;
        }
    }

    /// Mean loss of the first steps.
    pub fn first(&self) -> f32 {
        self.first
    }

    /// Whether the running mean is ten times the first one.
    pub fn has_diverged(&self) -> bool {
        self.recent > DIVERGED * self.first
    }

    /// Whether the running mean is at most twice the first one.
    pub fn is_good(&self) -> bool {
        self.recent <= GOOD * self.first
    }

    /// What a checkpoint keeps of it.
    pub fn state(&self) -> (String, HostTensor) {
        let tensor = HostTensor {
            shape: vec![3],
            values: vec![self.steps, self.first, self.recent],
        };
        (STATE.to_owned(), tensor)
    }

    /// From a checkpoint's tensors; as at the beginning where they lack it.
    pub fn restored(tensors: &BTreeMap<String, HostTensor>) -> Self {
        match tensors.get(STATE).map(|tensor| tensor.values.as_slice()) {
            Some(&[steps, first, recent]) => Self {
                steps,
                first,
                recent,
            },
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_is_seen_and_an_outlier_is_none() {
        let mut trend = Trend::default();
        for step in 0..200 {
            // As much noise as the timesteps make.
            trend.add(if step % 7 == 0 { 1.5 } else { 0.1 });
            assert!(trend.is_good() && !trend.has_diverged(), "{step} {trend:?}");
        }
        let first = trend.first();
        trend.add(50.0 * first);
        assert!(!trend.has_diverged());
        let mut rising = trend;
        let steps = (1..100)
            .find(|_| {
                rising.add(30.0 * first);
                rising.has_diverged()
            })
            .unwrap();
        assert!((3..20).contains(&steps), "{steps}");
        assert!(!rising.is_good());
        let tensors = BTreeMap::from([rising.state()]);
        assert_eq!(Trend::restored(&tensors), rising);
        assert_eq!(Trend::restored(&BTreeMap::new()), Trend::default());
    }
}
