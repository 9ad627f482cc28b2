//! A photo made ready: everything about it that all passes share, computed once.

use anomalysd_imaging::{Mask, Photo};

use super::Detector;
use super::timings::Meter;
use crate::DetectError;
use crate::control::Stage;
use crate::features::{FeatureLayers, FeatureNetwork};
use crate::masks::Frame;
use crate::options::Compare;
use crate::profile::round_to_half;
use crate::prototypes::{Descriptors, describe, grid_of};
use crate::repaint::{Latents, Repair};

/// A resized photo with its features and, with a model, its latents.
pub(super) struct Subject<S> {
    pub photo: Photo,
    pub frame: Frame,
    pub descriptors: Descriptors,
    pub scene: Option<S>,
    /// What repairs are compared with: the photo itself or `dec(enc(x))`, and its features.
    pub compared: (Photo, FeatureLayers),
    /// `enc(x)` on the host, where it may serve as a reference.
    pub latents: Option<Latents>,
    /// Pixels that do not count: repairs leave them as they are, so that nothing differs there.
    pub ignored: Mask,
    /// Where it lies in the photo of which it is a tile, in pixels.
    pub origin: (usize, usize),
}

impl<R: Repair, F: FeatureNetwork> Detector<'_, R, F> {
    /// Features of a photo and its descriptors.
    pub(super) async fn described(
        &self,
        photo: &Photo,
    ) -> Result<(FeatureLayers, Descriptors), DetectError> {
        let layers = self.features.extract(photo).await?;
        let (columns, rows) = grid_of(photo.width, photo.height, self.options.features.grid);
        let mut descriptors = describe(&layers, columns, rows);
        // As a profile stores those of good photos: the same photo is at no distance from itself.
        round_to_half(&mut descriptors.data);
        Ok((layers, descriptors))
    }

    /// Makes a photo of the detector's own size ready, whose ignored places are painted over already.
    pub(super) async fn open(
        &self,
        photo: Photo,
        ignored: Mask,
        keep_latents: bool,
        meter: &Meter<'_>,
    ) -> Result<Subject<R::Scene>, DetectError> {
        let (layers, descriptors) = self.described(&photo).await?;
        meter.tick(Stage::Features, 1).await?;
        let (factor, multiple) = self
            .traits
            .as_ref()
            .map_or((8, 8), |traits| (traits.factor, traits.multiple));
        let frame = Frame {
            width: photo.width,
            height: photo.height,
            factor,
            multiple,
        };
        let Some(repair) = self.repair else {
            let compared = (photo.clone(), layers);
            return Ok(Subject {
                photo,
                frame,
                descriptors,
                scene: None,
                compared,
                latents: None,
                ignored,
                origin: (0, 0),
            });
        };
        let scene = repair.open(&photo).await?;
        let latents = if keep_latents {
            Some(repair.latents(&scene, &photo).await?)
        } else {
            None
        };
        meter.tick(Stage::Encode, 1).await?;
        let compared = match self.options.repair.compare {
            Compare::Photo => (photo.clone(), layers),
            Compare::Roundtrip => {
                let back = repair.round_trip(&scene).await?;
                meter.tick(Stage::Decode, 1).await?;
                let layers = self.features.extract(&back).await?;
                meter.tick(Stage::Features, 1).await?;
                (back, layers)
            }
        };
        Ok(Subject {
            photo,
            frame,
            descriptors,
            scene: Some(scene),
            compared,
            latents,
            ignored,
            origin: (0, 0),
        })
    }
}
