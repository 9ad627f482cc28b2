//! What can go wrong in a detection, each said once.

use anomalysd_imaging::ImagingError;

use crate::options::OptionsError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// A constant outside its range.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A photo, mask or map that does not fit.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
    /// The diffusion model or what was fed to it.
    #[error(transparent)]
    Diffusion(#[from] anomalysd_diffusion::DiffusionError),
    /// The weights of a feature network do not fit.
    #[error("feature network: {reason}")]
    FeatureWeights {
        /// What is wrong, in words.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A repair was asked for without a diffusion model.
    #[error("no diffusion model is loaded: only features can be compared")]
    NoModel,
    /// Fitting needs good photos.
    #[error("no good photo was given; one to four are needed")]
    NoGoodPhotos,
    /// More good photos than a profile holds.
    #[error("{got} good photos were given; a class is fitted on at most {most}")]
    TooManyGoodPhotos {
        /// Photos given.
        got: usize,
        /// Photos that a profile holds.
        most: usize,
    },
    /// A profile that is damaged, or was made with other weights.
    #[error("profile: {reason}")]
    Profile {
        /// What is wrong, in words.
        reason: String,
    },
    /// A profile of several classes, and none named.
    #[error("a class has to be named: the profile has {known}")]
    ClassNeeded {
        /// Those that there are.
        known: String,
    },
    /// A class that a profile does not have.
    #[error("no class `{name}` in the profile; it has {known}")]
    UnknownClass {
        /// The class asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A device failed to hand a tensor back.
    #[error("reading {what} back from the device failed: {reason}")]
    Device {
        /// What was read.
        what: &'static str,
        /// The device's own words.
        reason: String,
    },
    /// A network gave numbers that are none.
    #[error("{what} holds NaN or infinity")]
    NotFinite {
        /// Which values.
        what: &'static str,
    },
    /// Two things that belong together have different sizes.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Expected size, in words.
        expected: String,
        /// Actual size, in words.
        got: String,
    },
}
