//! Frozen networks whose features say how alike two places are.
//!
//! All of them are behind one trait, chosen by name. Nothing here knows prototypes or scores.

mod alexnet;
mod dinov2;
mod efficientnet;
mod file;
mod vae;

pub use alexnet::AlexNetLpips;
pub use dinov2::Dinov2;
pub use efficientnet::EfficientNetLite0;
pub use vae::VaeFeatures;

use std::sync::Arc;

use anomalysd_diffusion::weights::ReadAt;
use anomalysd_imaging::Photo;
use burn::tensor::{Device, Tensor};

use self::file::{Architecture, WeightsFile};
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
    /// What makes a distance of two places.
    pub comparison: Comparison,
}

/// How two places of a layer are compared, when a repair is measured. Prototypes know nothing of it:
/// what is searched are plain unit vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Comparison {
    /// `½‖a − b‖²`, `a = φ/√(‖φ‖² + 1e-10)`.
    #[default]
    HalfSquare,
    /// LPIPS: `Σ_c w_c (a_c − b_c)²`, `a = φ/(‖φ‖ + 1e-10)`; a weight from 0 per channel.
    Weighted(Arc<[f32]>),
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

/// The networks of this build. A clone shares the weights.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one per program, never in a collection; on 32 bits the variants differ by less"
)]
pub enum Features<'a> {
    /// EfficientNet-Lite0, ImageNet weights.
    EfficientNetLite0(EfficientNetLite0),
    /// DINOv2, small, base or large.
    Dinov2(Dinov2),
    /// AlexNet with LPIPS' linear weights.
    AlexNetLpips(AlexNetLpips),
    /// The encoder of the diffusion model.
    Vae(VaeFeatures<'a>),
}

impl Features<'static> {
    /// The network that a safetensors file holds, by the names of its tensors. The file is read tensor
    /// by tensor.
    ///
    /// # Errors
    /// A file of none of the networks; what the network's own `load` refuses.
    pub fn load(
        what: &str,
        bytes: impl ReadAt + 'static,
        device: &Device,
    ) -> Result<Self, DetectError> {
        let file = WeightsFile::open(what, bytes)?;
        Ok(match file.architecture()? {
            Architecture::EfficientNetLite0 => {
                Self::EfficientNetLite0(EfficientNetLite0::from_file(&file, device)?)
            }
            Architecture::Dinov2 => Self::Dinov2(Dinov2::from_file(&file, device)?),
            Architecture::AlexNet => Self::AlexNetLpips(AlexNetLpips::from_file(&file, device)?),
        })
    }
}

impl FeatureNetwork for Features<'_> {
    fn name(&self) -> &str {
        match self {
            Self::EfficientNetLite0(network) => network.name(),
            Self::Dinov2(network) => network.name(),
            Self::AlexNetLpips(network) => network.name(),
            Self::Vae(network) => network.name(),
        }
    }

    fn fingerprint(&self) -> String {
        match self {
            Self::EfficientNetLite0(network) => network.fingerprint(),
            Self::Dinov2(network) => network.fingerprint(),
            Self::AlexNetLpips(network) => network.fingerprint(),
            Self::Vae(network) => network.fingerprint(),
        }
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        match self {
            Self::EfficientNetLite0(network) => network.extract(photo).await,
            Self::Dinov2(network) => network.extract(photo).await,
            Self::AlexNetLpips(network) => network.extract(photo).await,
            Self::Vae(network) => network.extract(photo).await,
        }
    }
}

/// A photo as `[1, 3, H, W]`, 0..1.
fn upload(photo: &Photo, device: &Device) -> Tensor<4> {
    crate::repaint::transfer::upload_photo(photo, device)
}

/// One number per colour as `[1, 3, 1, 1]`.
fn per_channel(values: [f32; 3], device: &Device) -> Tensor<4> {
    Tensor::<1>::from_floats(values, device).reshape([1, 3, 1, 1])
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
            comparison: Comparison::default(),
        });
    }
    Ok(FeatureLayers { layers })
}
