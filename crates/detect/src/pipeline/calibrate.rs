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
        let mut constants = format!("{options:?}");
        // As it was said before it could be left out: scores that were kept stay good.
        if let Some(given) = options.repair.guided_strength {
            let now = format!("guided_strength: Some({given:?})");
            constants = constants.replace(&now, &format!("guided_strength: {given:?}"));
        }
        let said = format!(
            "{constants} {:?} {} {} {}",
            self.scales(),
            self.inference_steps(),
            self.repair.is_some(),
            self.features.fingerprint()
        );
        let digest = Sha256::digest(said.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
