//! Scaling of a loss whose gradients are computed in f16.
//!
//! Gradients under 6·10⁻⁸ are 0 in f16, and those over 65,504 infinite. So the loss is multiplied by a power
//! of two before it is differentiated, and the gradients are divided by it in f32. A step whose gradients
//! are not finite is skipped and the scale halved; it is doubled after many steps without.
//!
//! Source: Micikevicius et al., "Mixed Precision Training", 2017; numbers as in `torch.amp.GradScaler`.

use std::collections::BTreeMap;

use anomalysd_diffusion::weights::HostTensor;

/// Scale of the first step.
const FIRST: f32 = 65_536.0;
/// Finite steps in a row after which the scale is doubled.
const GROWTH_INTERVAL: f32 = 2000.0;
/// Largest scale; the smallest is 1.
const LARGEST: f32 = 16_777_216.0;
/// Name of the state in a checkpoint.
const STATE: &str = "loss_scale";

/// The scale, and what it will be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossScaler {
    scale: f32,
    /// Finite steps since the scale changed.
    finite: f32,
    skipped: f32,
}

impl Default for LossScaler {
    fn default() -> Self {
        Self {
            scale: FIRST,
            finite: 0.0,
            skipped: 0.0,
        }
    }
}

impl LossScaler {
    /// What the loss is multiplied by: a power of two.
    pub fn scale(&self) -> f64 {
        f64::from(self.scale)
    }

    /// Steps that were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped as u64
    }

    /// After a step whose gradients were finite, or were not. False where no smaller scale could help.
    pub fn update(&mut self, finite: bool) -> bool {
        if !finite {
            if self.scale <= 1.0 {
                return false;
            }
            self.scale *= 0.5;
            self.finite = 0.0;
            self.skipped += 1.0;
            return true;
        }
        self.finite += 1.0;
        if self.finite >= GROWTH_INTERVAL {
            self.scale = (self.scale * 2.0).min(LARGEST);
            self.finite = 0.0;
        }
        true
    }

    /// What a checkpoint keeps of it.
    pub fn state(&self) -> (String, HostTensor) {
        let tensor = HostTensor {
            shape: vec![3],
            values: vec![self.scale, self.finite, self.skipped],
        };
        (STATE.to_owned(), tensor)
    }

    /// From a checkpoint's tensors; as at the beginning where they lack it.
    pub fn restored(tensors: &BTreeMap<String, HostTensor>) -> Self {
        match tensors.get(STATE).map(|tensor| tensor.values.as_slice()) {
            Some(&[scale, finite, skipped]) => Self {
                scale,
                finite,
                skipped,
            },
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_halves_and_patience_doubles_within_limits() {
        let mut scaler = LossScaler::default();
        assert!(scaler.update(false));
        assert_eq!((scaler.scale(), scaler.skipped()), (32_768.0, 1));
        for step in 1..=2000 {
            let before = scaler.scale();
            assert!(scaler.update(true));
            assert_eq!(
                scaler.scale() / before,
                if step == 2000 { 2.0 } else { 1.0 }
            );
        }
        // One overflow begins the count anew.
        (0..1999).for_each(|_| assert!(scaler.update(true)));
        scaler.update(false);
        (0..1999).for_each(|_| assert!(scaler.update(true)));
        assert_eq!((scaler.scale(), scaler.skipped()), (32_768.0, 2));
        let tensors = BTreeMap::from([scaler.state()]);
        let mut other = LossScaler::restored(&tensors);
        assert_eq!(other, scaler);
        assert!(scaler.update(true) && other.update(true));
        assert_eq!((other.scale(), other), (65_536.0, scaler));
        (0..100_000).for_each(|_| assert!(scaler.update(true)));
        assert_eq!(scaler.scale(), 16_777_216.0);
        (0..24).for_each(|_| assert!(scaler.update(false)));
        assert_eq!(scaler.scale(), 1.0);
        assert!(!scaler.update(false));
    }
}
