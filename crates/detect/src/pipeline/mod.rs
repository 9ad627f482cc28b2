//! The whole method: fit a class on its good photos, judge a photo.
//!
//! Asynchronous, cancellable, with progress; no file system, no clock, no global state. The same
//! code runs natively, in the browser and in the tests.

mod calibrate;
mod detect;
mod fit;
mod fit_tiles;
mod measure;
mod pose;
mod prepared;
mod subject;
mod tiles;
mod timings;
mod views;

pub use detect::{Detection, Scored};
pub use fit::ClassModel;
pub use measure::{GuidedResult, Measurement, PassResult, ScaleResult};
pub use prepared::PreparedClass;

use anomalysd_imaging::Photo;

use crate::DetectError;
use crate::features::FeatureNetwork;
use crate::ignore::{MinArea, Place, ignored, painted_over};
use crate::options::{DetectOptions, OptionsError, error};
use crate::repaint::{Repair, RepairTraits};

/// Smallest side of a photo in pixels.
const SMALLEST: usize = 32;

/// Judges photos with a repair (or none: features alone) and a feature network.
#[derive(Debug)]
pub struct Detector<'a, R, F> {
    repair: Option<&'a R>,
    features: &'a F,
    options: DetectOptions,
    traits: Option<RepairTraits>,
    keep_intermediates: bool,
    ignored: Vec<Place>,
    min_area: Option<MinArea>,
}

impl<'a, R: Repair, F: FeatureNetwork> Detector<'a, R, F> {
    /// A detector; without a `repair` only features are compared.
    ///
    /// # Errors
    /// Options out of their range; tiles smaller than what they are judged at.
    pub fn new(
        repair: Option<&'a R>,
        features: &'a F,
        options: DetectOptions,
    ) -> Result<Self, DetectError> {
        options.validate()?;
        let detector = Self {
            repair,
            features,
            options,
            traits: repair.map(Repair::traits),
            keep_intermediates: false,
            ignored: Vec::new(),
            min_area: None,
        };
        detector.check_tile()?;
        Ok(detector)
    }

    /// A tile that is enlarged would show nothing more and take longer.
    fn check_tile(&self) -> Result<(), OptionsError> {
        match self.options.tile {
            Some(tile) if tile < self.longer_side() => Err(error(
                "tile",
                format!("{tile} pixels"),
                "at least the size that a tile is judged at (`size`, else the model's own)",
            )),
            _ => Ok(()),
        }
    }

    /// Keeps the repair of every pass in the measurements.
    #[must_use]
    pub fn keeping_intermediates(mut self) -> Self {
        self.keep_intermediates = true;
        self
    }

    /// Keeps places out of fitting, score and regions: a fit makes them the class's, a detection adds
    /// them to the class's own.
    #[must_use]
    pub fn ignoring(mut self, places: Vec<Place>) -> Self {
        self.ignored = places;
        self
    }

    /// Lets only places of at least this area count in a detection.
    #[must_use]
    pub fn smallest(mut self, min_area: Option<MinArea>) -> Self {
        self.min_area = min_area;
        self
    }

    /// The options.
    pub fn options(&self) -> &DetectOptions {
        &self.options
    }

    /// Whether there is something that repaints.
    pub fn has_model(&self) -> bool {
        self.repair.is_some()
    }

    /// The photo at the size that this detector works at: longer side as the options or the model
    /// say (of a tile, where there are tiles), aspect kept, but no side under 32 pixels, which the
    /// networks need.
    pub fn resized(&self, photo: &Photo) -> Photo {
        let longer = self.longer_side();
        let (width, height) = match self.options.tile {
            Some(tile) => {
                let side = |length: usize| (length * longer + tile / 2) / tile;
                (side(photo.width), side(photo.height))
            }
            None => anomalysd_imaging::fit_longer_side(photo.width, photo.height, longer),
        };
        anomalysd_imaging::resize_lanczos(photo, width.max(SMALLEST), height.max(SMALLEST))
    }

    /// Longer side of what the networks see at once, in pixels.
    fn longer_side(&self) -> usize {
        let own = self.traits.as_ref().and_then(|traits| traits.size);
        self.options.longer_side(own)
    }

    /// The photo as the method sees it: resized, its ignored places painted over.
    pub fn shown(&self, photo: &Photo) -> Photo {
        let photo = self.resized(photo);
        let places = ignored(&self.ignored, photo.width, photo.height);
        painted_over(&photo, &places)
    }

    fn inference_steps(&self) -> usize {
        let own = self
            .traits
            .as_ref()
            .and_then(|traits| traits.inference_steps);
        self.options.inference_steps(own)
    }

    /// Cells per side of each scale of the plan.
    pub fn scales(&self) -> Vec<usize> {
        let own = self
            .traits
            .as_ref()
            .and_then(|traits| traits.scales.as_deref());
        self.options.scales(own)
    }

    /// How many good photos become context.
    fn references(&self, good: usize) -> usize {
        let by_default = self
            .traits
            .as_ref()
            .is_some_and(|traits| traits.references_by_default);
        self.options
            .repair
            .references
            .unwrap_or(if by_default { good } else { 0 })
            .min(good)
    }
}

#[cfg(test)]
mod tests;
