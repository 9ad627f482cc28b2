//! Frozen networks whose features say how alike two places are.
//!
//! All of them are behind one trait, chosen by name. Nothing here knows prototypes or scores.

mod efficientnet;
mod vae;

pub use efficientnet::EfficientNetLite0;
pub use vae::VaeFeatures;

use anomalysd_imaging::Photo;
use burn::tensor::{Device, Tensor};

use crate::DetectError;
use crate::repaint::transfer::download;

/// Features of one layer.
///
/// # Shapes
/// `data`: `[channels, height, width]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// C_l.
    pub channels: usize,
    /// H_l.
    pub height: usize,
    /// W_l.
    pub width: usize,
    /// φ_l.
    pub data: Vec<f32>,
}

/// Features of a photo, from fine to coarse.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureLayers {
    /// One per tap of the network.
    pub layers: Vec<Layer>,
}

/// A frozen network. Futures stay on the thread that made them.
#[expect(
    async_fn_in_trait,
    reason = "browser futures are not Send, and nobody moves these"
)]
pub trait FeatureNetwork {
    /// Its name on the command line and in profiles.
    fn name(&self) -> &str;

    /// Hash of its weights.
    fn fingerprint(&self) -> String;

    /// Features of an unpadded photo of any size.
    ///
    /// # Errors
    /// A device that cannot hand values back; values that are not finite.
    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError>;
}

/// The networks of this build.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per program, never in a collection"
)]
pub enum Features<'a> {
    /// EfficientNet-Lite0, ImageNet weights.
    EfficientNetLite0(EfficientNetLite0),
    /// The encoder of the diffusion model.
    Vae(VaeFeatures<'a>),
}

impl FeatureNetwork for Features<'_> {
    fn name(&self) -> &str {
        match self {
            Self::EfficientNetLite0(network) => network.name(),
            Self::Vae(network) => network.name(),
        }
    }

    fn fingerprint(&self) -> String {
        match self {
            Self::EfficientNetLite0(network) => network.fingerprint(),
            Self::Vae(network) => network.fingerprint(),
        }
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        match self {
            Self::EfficientNetLite0(network) => network.extract(photo).await,
            Self::Vae(network) => network.extract(photo).await,
        }
    }
}

/// A photo as `[1, 3, H, W]`, 0..1.
fn upload(photo: &Photo, device: &Device) -> Tensor<4> {
    crate::repaint::transfer::upload_photo(photo, device)
}

/// Taps `[1, C, H, W]` on the host.
async fn layers(taps: Vec<Tensor<4>>) -> Result<FeatureLayers, DetectError> {
    let mut layers = Vec::with_capacity(taps.len());
    for tap in taps {
        let [_, channels, height, width] = tap.dims();
        let data = download(tap, "features").await?;
        layers.push(Layer {
            channels,
            height,
            width,
            data,
        });
    }
    Ok(FeatureLayers { layers })
}
