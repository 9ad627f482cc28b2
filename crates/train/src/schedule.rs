//! The learning rate over the steps of a run.

/// Linear warm-up, then half a cosine down to a fraction of the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupCosine {
    /// Highest rate, reached after the warm-up.
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Last rate, as a fraction of the peak.
    pub floor: f64,
}

impl WarmupCosine {
    /// Rate of the step with this number, counted from 0; the last rate beyond the end.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let span = self.total.saturating_sub(self.warmup).max(1);
        let part = ((step - self.warmup) as f64 / span as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_linearly_falls_to_the_floor_and_stays_there() {
        let schedule = WarmupCosine {
            peak: 1.0,
            warmup: 10,
            total: 110,
            floor: 0.1,
        };
        assert!((schedule.rate(0) - 0.1).abs() < 1e-12);
        assert!((schedule.rate(9) - 1.0).abs() < 1e-12);
        assert!((schedule.rate(60) - 0.55).abs() < 1e-12);
        assert!((schedule.rate(110) - 0.1).abs() < 1e-12);
        assert!((schedule.rate(10_000) - 0.1).abs() < 1e-12);
        assert!((10..110).all(|step| schedule.rate(step + 1) <= schedule.rate(step)));
    }
}
