//! Features of the loaded model's own encoder: nothing else is needed.

use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::{Photo, pad_reflect};

use super::{FeatureLayers, FeatureNetwork, layers, upload};
use crate::DetectError;

/// The latents of the VAE as features.
#[derive(Debug, Clone, Copy)]
pub struct VaeFeatures<'a> {
    model: &'a InpaintModel,
}

impl<'a> VaeFeatures<'a> {
    /// The encoder of this model.
    pub fn new(model: &'a InpaintModel) -> Self {
        Self { model }
    }
}

impl FeatureNetwork for VaeFeatures<'_> {
    fn name(&self) -> &str {
        "vae"
    }

    fn fingerprint(&self) -> String {
        self.model.fingerprint.clone()
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        let factor = self.model.vae.factor();
        let padded = pad_reflect(photo, factor);
        let latents = self.model.vae.enc(upload(&padded, &self.model.device))?;
        layers(vec![latents]).await
    }
}
