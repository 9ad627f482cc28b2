//! AnomalySD: prompts, masks, repair, features, prototypes, scores, calibration, profiles.

pub mod control;
pub mod cost;
pub mod error;
/// Placeholder of the contract's types until `features/` is there: replace these lines by `pub mod features;`.
#[allow(missing_docs, async_fn_in_trait)]
pub mod features {
    #[derive(Debug, Clone)]
    pub struct Layer {
        pub channels: usize,
        pub height: usize,
        pub width: usize,
        pub data: Vec<f32>,
    }
    #[derive(Debug, Clone)]
    pub struct FeatureLayers {
        pub layers: Vec<Layer>,
    }
    pub trait FeatureNetwork {
        fn name(&self) -> &str;
        fn fingerprint(&self) -> String;
        async fn extract(
            &self,
            photo: &anomalysd_imaging::Photo,
        ) -> Result<FeatureLayers, crate::DetectError>;
    }
}
pub mod masks;
pub mod options;
pub mod repaint;
pub mod score;

pub use error::DetectError;
