//! Features of the loaded model's own encoder: nothing else is needed.

use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::{Photo, resize_lanczos};

use super::{FeatureLayers, FeatureNetwork, layers, upload};
use crate::DetectError;

/// The latents of the VAE as features. A photo whose sides are no multiples of the VAE's factor is
/// resized to the nearest ones, so that the latents cover the photo exactly: beside a padded one they
/// would lie off their places, and describe what was mirrored.
#[derive(Debug, Clone, Copy)]
pub struct VaeFeatures<'a> {
    model: &'a InpaintModel,
}

impl<'a> VaeFeatures<'a> {
    /// What results and profiles call it.
    pub const NAME: &'static str = "vae";

    /// The encoder of this model.
    pub fn new(model: &'a InpaintModel) -> Self {
        Self { model }
    }
}

impl FeatureNetwork for VaeFeatures<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn fingerprint(&self) -> String {
        self.model.fingerprint.clone()
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        let factor = self.model.vae.factor();
        let side = |pixels: usize| ((pixels + factor / 2) / factor).max(1) * factor;
        let resized = resize_lanczos(photo, side(photo.width), side(photo.height));
        let latents = self.model.vae.enc(upload(&resized, &self.model.device))?;
        layers(vec![latents]).await
    }
}
