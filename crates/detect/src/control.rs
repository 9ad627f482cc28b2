//! What a caller may watch, stop and resume: progress, cancellation, a clock, painted passes.
//!
//! The library has no clock and no global state of its own; whoever calls it brings them.

use std::future::Future;
use std::pin::Pin;

use anomalysd_imaging::Photo;
use serde::Serialize;

use crate::DetectError;

/// Where a detection or a fit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Resizing and encoding the photo.
    Encode,
    /// Text contexts and reference states of the class.
    Class,
    /// Denoising steps.
    Denoise,
    /// Decoding of repaired latents.
    Decode,
    /// The feature network.
    Features,
    /// Search among the prototypes.
    Prototypes,
    /// Normalising and fusing maps.
    Fuse,
}

/// One report of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Which photo, counted from 0; a detection has one.
    pub photo: usize,
    /// Photos in all.
    pub photos: usize,
    /// Passes or steps of this photo that are done.
    pub done: usize,
    /// Passes or steps of this photo in all.
    pub total: usize,
}

/// Callbacks of the caller.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Called at every step, on the calling thread.
    pub progress: &'a dyn Fn(Progress),
    /// Asked at every step; `true` ends the work with [`DetectError::Cancelled`].
    pub cancelled: &'a dyn Fn() -> bool,
    /// A clock in milliseconds from any origin, used for timings alone.
    pub now_ms: &'a dyn Fn() -> f64,
    /// Awaited at every step, between the report and the question whether to stop: a caller with an
    /// event loop lets it turn here.
    pub pause: &'a dyn Fn() -> Pause,
    /// Where the detection of one photo keeps the passes that are painted; a fit and a batch keep none.
    pub painted: &'a dyn PaintedPasses,
}

/// Keeps painted passes while a photo is judged, so that a detection whose device was lost resumes
/// at the pass where it stopped. A store belongs to one photo and one class.
pub trait PaintedPasses {
    /// What an earlier attempt painted under this key: `dec(ẑ)`, unpadded.
    fn get(&self, key: &str) -> Option<Photo>;

    /// Keeps what was painted.
    fn put(&self, key: &str, painted: &Photo);
}

/// Keeps nothing: a detection that fails starts anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepNone;

impl PaintedPasses for KeepNone {
    fn get(&self, _: &str) -> Option<Photo> {
        None
    }

    fn put(&self, _: &str, _: &Photo) {}
}

/// A wait that the caller chooses.
pub type Pause = Pin<Box<dyn Future<Output = ()>>>;

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

impl Default for Control<'_> {
    /// Reports nothing, never stops, measures nothing, waits for nothing, keeps nothing.
    fn default() -> Self {
        Self {
            progress: &|_| {},
            cancelled: &|| false,
            now_ms: &|| 0.0,
            pause: &no_pause,
            painted: &KeepNone,
        }
    }
}

impl Control<'_> {
    /// Stops here if the caller wants to stop.
    ///
    /// # Errors
    /// [`DetectError::Cancelled`].
    pub fn check(&self) -> Result<(), DetectError> {
        if (self.cancelled)() {
            Err(DetectError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// For callers without an event loop.
pub fn no_pause() -> Pause {
    Box::pin(std::future::ready(()))
}
