//! A class made ready for any number of photos.

use std::cell::Cell;

use super::timings::Meter;
use super::{ClassModel, Detector};
use crate::DetectError;
use crate::control::{Control, Stage};
use crate::features::FeatureNetwork;
use crate::repaint::Repair;

/// A class with its contexts and references on the device, for the detector that made it.
///
/// The good photos pass through the U-Net when a step first needs them; what comes of it stays here,
/// so that a batch computes it once.
pub struct PreparedClass<'c, R: Repair> {
    pub(super) model: &'c ClassModel,
    /// Absent without a model.
    pub(super) ready: Option<R::Class>,
    /// Milliseconds that are in no photo's timings yet.
    pub(super) spent_ms: Cell<Option<f64>>,
}

impl<R: Repair> PreparedClass<'_, R> {
    /// What is known of the class.
    pub fn model(&self) -> &ClassModel {
        self.model
    }
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Makes a class ready for [`Self::detect_prepared`].
    ///
    /// # Errors
    /// [`DetectError::Profile`] for contexts or latents that the model does not take; the networks'
    /// own; a stop by the caller.
    pub async fn prepare<'c>(
        &self,
        class: &'c ClassModel,
        control: &Control<'_>,
    ) -> Result<PreparedClass<'c, R>, DetectError> {
        let meter = Meter::new(control, 0, 1);
        meter.expect(1);
        // Each tile has a context of its own: the good tiles that are most like it.
        let contexts = match self.options.tile {
            Some(_) => None,
            None => class.contexts.as_ref(),
        };
        let ready = self.ready(contexts, &class.latents, &meter).await?;
        let spent_ms = meter.spent().remove(&Stage::Class);
        Ok(PreparedClass {
            model: class,
            ready,
            spent_ms: Cell::new(spent_ms),
        })
    }
}
