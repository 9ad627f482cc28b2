//! The interface between a detection and whatever paints its hidden sets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anomalysd_imaging::{Mask, Photo};

use crate::DetectError;
use crate::control::Stage;
use crate::masks::Pass;

/// Text contexts of one class. Kept in the profile, so that a detection needs no text encoder.
///
/// # Shapes
/// Each `[tokens, width]`, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contexts {
    /// Tokens of a context: 77 for Stable Diffusion.
    pub tokens: usize,
    /// Numbers per token.
    pub width: usize,
    /// Object and detail in one text: coarse scales.
    pub both: Vec<f32>,
    /// Detail alone: the finest scale and the guided pass.
    pub detail: Vec<f32>,
    /// The empty text, for classifier-free guidance.
    pub empty: Vec<f32>,
}

/// Which context a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Prompt {
    /// Object and detail.
    Both,
    /// Detail alone.
    Detail,
    /// No text.
    Empty,
}

/// Latents `enc(x)` of a padded good photo, on the host, and the photo itself for models that have a use for it.
///
/// # Shapes
/// `[channels, height, width]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// C.
    pub channels: usize,
    /// In latent cells.
    pub height: usize,
    /// In latent cells.
    pub width: usize,
    /// Scaled as the U-Net sees them.
    pub data: Vec<f32>,
    /// The unpadded photo in 8 bits: it is laid over other photos, and has details that latents lose. `None`: the
    /// model has no use for it, or the profile is from before it was kept.
    pub picture: Option<Arc<Picture>>,
}

/// A photo in 8 bits: three planes of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// `[3, height, width]`.
    pub data: Vec<u8>,
}

impl From<&Photo> for Picture {
    fn from(photo: &Photo) -> Self {
        let level = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        Self {
            width: photo.width,
            height: photo.height,
            data: photo.data.iter().map(level).collect(),
        }
    }
}

impl From<&Picture> for Photo {
    fn from(picture: &Picture) -> Self {
        let value = |level: &u8| f32::from(*level) / 255.0;
        Self {
            width: picture.width,
            height: picture.height,
            data: picture.data.iter().map(value).collect(),
        }
    }
}

/// What a detection has to know of the thing that paints.
#[derive(Debug, Clone, PartialEq)]
pub struct RepairTraits {
    /// Pixels per latent cell and side.
    pub factor: usize,
    /// What both sides of the padded photo are multiples of, in pixels.
    pub multiple: usize,
    /// Longer side it was trained for, in pixels.
    pub size: Option<usize>,
    /// DDIM steps that suit it in fast mode.
    pub inference_steps: Option<usize>,
    /// Cells per side of the scales that earn their place with it in fast mode.
    pub scales: Option<Vec<usize>>,
    /// Whether good photos are used as context unless the caller says otherwise.
    pub references_by_default: bool,
}

/// Passes of one scale to paint on one photo.
#[derive(Debug, Clone)]
pub struct PaintRequest<'a> {
    /// All of the same scale.
    pub passes: &'a [Pass],
    /// Noise strength λ, 0..1.
    pub strength: f32,
    /// DDIM steps for λ = 1.
    pub inference_steps: usize,
    /// 1: no classifier-free guidance.
    pub guidance_scale: f32,
    /// Seed of the noise fields.
    pub seed: u64,
    /// Text.
    pub prompt: Prompt,
    /// The best-matching good photo, for models that take its latents as channels.
    pub best_reference: Option<usize>,
    /// Memory for one batch, in MiB.
    pub memory_mib: usize,
}

/// Awaited by whatever works after each piece of work: a stage and the passes it brought forward.
/// An error ends the work.
pub type Tick<'a> = &'a dyn Fn(Stage, usize) -> Ticked<'a>;

/// A report on its way.
pub type Ticked<'a> = Pin<Box<dyn Future<Output = Result<(), DetectError>> + 'a>>;

/// Something that paints hidden sets. Futures stay on the thread that made them.
#[expect(
    async_fn_in_trait,
    reason = "browser futures are not Send, and nobody moves these"
)]
pub trait Repair {
    /// A class made ready: contexts and reference states on the device.
    type Class;
    /// A photo made ready: encoded once for all passes.
    type Scene;

    /// Sizes and defaults.
    fn traits(&self) -> RepairTraits;

    /// Denoising steps that noise strength `strength` takes of `inference_steps`.
    fn steps(&self, strength: f32, inference_steps: usize) -> usize;

    /// Contexts of a class from its two texts.
    async fn contexts(&self, both: &str, detail: &str) -> Result<Contexts, DetectError>;

    /// `enc(x)` of the scene of an unpadded photo, to be kept as a reference.
    async fn latents(&self, scene: &Self::Scene, photo: &Photo) -> Result<Latents, DetectError>;

    /// Makes a class ready, with `good` photos' latents as context.
    async fn class(
        &self,
        contexts: &Contexts,
        good: &[Latents],
    ) -> Result<Self::Class, DetectError>;

    /// Makes an unpadded photo ready.
    async fn open(&self, photo: &Photo) -> Result<Self::Scene, DetectError>;

    /// Lays the class's good photos over an unpadded photo, whose scene it is: what [`Self::paint`] of this scene
    /// and class goes by from then on where it takes good photos as channels. `visible`: pixels that tell
    /// how the part lies. Ticks after each good photo, without a unit of work. Nothing to do for what takes none.
    async fn register(
        &self,
        _scene: &Self::Scene,
        _class: &Self::Class,
        _photo: &Photo,
        _visible: &Mask,
        _tick: Tick<'_>,
    ) -> Result<(), DetectError> {
        Ok(())
    }

    /// What the good photos that [`Self::paint`] filled the hidden sets with show beyond their own `dec(enc(x))`, by
    /// pass, unpadded, below and above 0: added to what was painted it looks like the photo, not like what an
    /// autoencoder makes of it. `None` where nothing is filled so, or the good photos themselves are not known. Ticks
    /// without a unit of work.
    async fn details(
        &self,
        _scene: &Self::Scene,
        _class: &Self::Class,
        _request: &PaintRequest<'_>,
        _tick: Tick<'_>,
    ) -> Result<Option<Vec<Photo>>, DetectError> {
        Ok(None)
    }

    /// Forgets what was laid over a scene: it is not painted any more, but stays.
    fn release(&self, _scene: &Self::Scene) {}

    /// `dec(enc(x))`, unpadded.
    async fn round_trip(&self, scene: &Self::Scene) -> Result<Photo, DetectError>;

    /// Passes that one request may hold so that its activations stay within `memory_mib`; 1 at least.
    fn batch_size(&self, scene: &Self::Scene, memory_mib: usize) -> usize;

    /// `dec(ẑ)` of each pass, unpadded, in the order of the request. Ticks once after the masked
    /// encodes, after each denoising step and after the decodes, and without a unit of work where
    /// the class was made ready a little more.
    async fn paint(
        &self,
        scene: &Self::Scene,
        class: &Self::Class,
        request: &PaintRequest<'_>,
        tick: Tick<'_>,
    ) -> Result<Vec<Photo>, DetectError>;
}

/// Stands where no model is loaded; every request of it is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRepair;

impl Contexts {
    /// The numbers of one context.
    pub fn get(&self, prompt: Prompt) -> &[f32] {
        match prompt {
            Prompt::Both => &self.both,
            Prompt::Detail => &self.detail,
            Prompt::Empty => &self.empty,
        }
    }
}

impl Repair for NoRepair {
    type Class = std::convert::Infallible;
    type Scene = std::convert::Infallible;

    fn traits(&self) -> RepairTraits {
        RepairTraits {
            factor: 1,
            multiple: 1,
            size: None,
            inference_steps: None,
            scales: None,
            references_by_default: false,
        }
    }

    fn steps(&self, _strength: f32, _inference_steps: usize) -> usize {
        0
    }

    async fn contexts(&self, _both: &str, _detail: &str) -> Result<Contexts, DetectError> {
        Err(DetectError::NoModel)
    }

    async fn latents(&self, scene: &Self::Scene, _: &Photo) -> Result<Latents, DetectError> {
        match *scene {}
    }

    async fn class(&self, _: &Contexts, _: &[Latents]) -> Result<Self::Class, DetectError> {
        Err(DetectError::NoModel)
    }

    async fn open(&self, _photo: &Photo) -> Result<Self::Scene, DetectError> {
        Err(DetectError::NoModel)
    }

    async fn round_trip(&self, scene: &Self::Scene) -> Result<Photo, DetectError> {
        match *scene {}
    }

    fn batch_size(&self, scene: &Self::Scene, _memory_mib: usize) -> usize {
        match *scene {}
    }

    async fn paint(
        &self,
        scene: &Self::Scene,
        _class: &Self::Class,
        _request: &PaintRequest<'_>,
        _tick: Tick<'_>,
    ) -> Result<Vec<Photo>, DetectError> {
        match *scene {}
    }
}
