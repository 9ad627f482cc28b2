//! How far the features of two pictures are apart, in a form that can be differentiated (METHOD § 4).

use anomalysd_detect::features::EfficientNetLite0;
use anomalysd_diffusion::nn::pixel_unshuffle;
use anomalysd_diffusion::vae::{Vae, VaeNetwork};
use anomalysd_diffusion::weights::train_only;
use burn::tensor::{Device, Tensor};

use super::{constant, on_device};
use crate::Result;

/// Taps of the feature network that are compared.
const TAPS: usize = 3;
/// Added to the squared length of features, so that no gradient is infinite.
const EPSILON: f64 = 1e-6;

/// The frozen network whose features are compared.
pub(super) enum Perceptual {
    /// The feature network of this build.
    Features(Box<EfficientNetLite0>),
    /// Without one, the autoencoder's own encoder.
    Encoder(Box<Vae>),
}

impl Perceptual {
    /// The network on the device that is trained on; `None` where there is none: an autoencoder
    /// without levels whose features could be compared, in a build without the feature network.
    pub(super) fn new(vae: &Vae, device: &Device) -> Result<Option<Self>> {
        if let Some(network) = EfficientNetLite0::embedded(device)? {
            return Ok(Some(Self::Features(Box::new(network))));
        }
        Ok(match vae.network {
            VaeNetwork::Kl(_) => {
                let vae = on_device(vae, device);
                Some(Self::Encoder(Box::new(train_only(vae, |_| false))))
            }
            VaeNetwork::Tiny(_) => None,
        })
    }

    /// Mean over places and sum over layers of ½‖a − b‖², a and b unit features.
    ///
    /// # Shapes
    /// `is` on the autodiff device and `should` on the plain one, `[batch, 3, H, W]` in 0..1.
    pub(super) fn distance(&self, is: Tensor<4>, should: Tensor<4>, device: &Device) -> Tensor<1> {
        let should = self.features(constant(should, device));
        let pairs = self.features(is).into_iter().zip(should);
        pairs.fold(Tensor::zeros([1], device), |sum, (is, should)| {
            let difference = unit(is) - unit(should);
            sum + difference.square().sum_dim(1).mean() * 0.5
        })
    }

    fn features(&self, photos: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::Features(network) => network.taps(photos, TAPS),
            Self::Encoder(vae) => match &vae.network {
                VaeNetwork::Kl(network) => {
                    let input = pixel_unshuffle(photos * 2.0 - 1.0, vae.pixel_unshuffle());
                    network.encoder_features(input)
                }
                // Never made.
                VaeNetwork::Tiny(_) => Vec::new(),
            },
        }
    }
}

fn unit(features: Tensor<4>) -> Tensor<4> {
    let length = (features.clone().square().sum_dim(1) + EPSILON).sqrt();
    features / length
}
