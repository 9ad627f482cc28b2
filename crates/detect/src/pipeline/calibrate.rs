//! Setting the threshold of a fitted class from more good photos.

use anomalysd_imaging::Photo;
use sha2::{Digest, Sha256};

use super::{ClassModel, Detector};
use crate::DetectError;
use crate::control::Control;
use crate::features::FeatureNetwork;
use crate::options::{DetectOptions, MemoryBudget};
use crate::repaint::Repair;
use crate::verdict::{Calibration, CalibrationKind};

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// The class with its threshold from good photos that it was not fitted on (METHOD § 8).
    ///
    /// As soon as there are such photos, only they count; those of an earlier call under the same
    /// options are kept.
    ///
    /// # Errors
    /// No photo; the networks' own; a stop by the caller.
    pub async fn calibrate(
        &self,
        class: &ClassModel,
        good: &[Photo],
        control: &Control<'_>,
    ) -> Result<ClassModel, DetectError> {
        if good.is_empty() {
            return Err(DetectError::NoGoodPhotos);
        }
        let depends_on = self.depends_on();
        let old = &class.calibration;
        let (mut scores, mut peaks) = (Vec::new(), Vec::new());
        if old.kind == CalibrationKind::HeldOut && old.depends_on == depends_on {
            scores.clone_from(&old.scores);
            peaks.push(old.peak);
        }
        for detection in self.detect_all(class, good, control).await? {
            scores.push(detection.score);
            peaks.push(detection.scored.map.max());
        }
        let kind = CalibrationKind::HeldOut;
        Ok(ClassModel {
            calibration: Calibration::new(kind, self.options.mode, scores, &peaks, depends_on),
            ..class.clone()
        })
    }

    /// Hash of all options that a score depends on, and of the feature network. The model is not
    /// in it: a profile is refused with another one.
    pub(super) fn depends_on(&self) -> String {
        let options = DetectOptions {
            // Batches change nothing that counts.
            memory: MemoryBudget::default(),
            size: Some(self.longer_side()),
            ..self.options.clone()
        };
        let said = format!(
            "{} {:?} {} {} {}",
            constants(&options),
            self.scales(),
            self.inference_steps(),
            self.repair.is_some(),
            self.features.fingerprint()
        );
        let digest = Sha256::digest(said.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The options in words. A constant that could not be left out once is said as it was then, so that scores that were kept
/// with it stay good.
fn constants(options: &DetectOptions) -> String {
    let said = format!("{options:?}");
    match options.repair.guided_strength {
        Some(given) => said.replace(
            &format!("guided_strength: Some({given:?})"),
            &format!("guided_strength: {given:?}"),
        ),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_left_out_once_is_said_as_then() {
        let mut options = DetectOptions::default();
        assert!(constants(&options).contains("guided_strength: None, guidance_scale: 1.0"));
        options.repair.guided_strength = Some(0.8);
        assert!(constants(&options).contains("guided_strength: 0.8, guidance_scale: 1.0"));
    }
}
