//! What a model makes of the good photos, for the eye: a hole filled, and a photo encoded and decoded.
//!
//! They are the photos that are learned from: such pictures show what was learned, and promise nothing for
//! others.

use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::repaint::{DiffusionRepair, Repair};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::vae::Vae;
use anomalysd_imaging::{Mask, Photo};
use burn::tensor::Device;

use super::TuneClass;
use super::photos::views;
use crate::Result;
use crate::fill::{Filler, encoded_and_decoded, hidden_error, most_alike, with_mean_colour};
use crate::measure::psnr;

/// Classes that are shown, at most; of more, so many at even distances.
const SHOWN: usize = 8;
/// Largest shift and change of scale and of brightness of the view that is the reference of a single photo.
const VIEW: f32 = 0.05;

/// One good photo of a class, and what the model made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The class.
    pub class: String,
    /// The photo.
    pub photo: Photo,
    /// What the model saw of it: the mean colour is in the hole. The photo itself where nothing was hidden.
    pub seen: Photo,
    /// What it made of that.
    pub made: Photo,
    /// How many other photos it was shown as references.
    pub references: usize,
    /// PSNR of what it made, of the hidden pixels where some were, dB.
    pub psnr: f64,
}

/// The first good photo of each class with every other of 4×4 cells repainted from pure noise, the other
/// photos of the class as references (of a single one, a view of it).
///
/// # Errors
/// The model's own.
pub fn repaired(
    model: &InpaintModel,
    classes: &[TuneClass],
    options: &DetectOptions,
) -> Result<Vec<Look>> {
    let repair = DiffusionRepair::new(model);
    let filler = Filler {
        repair: &repair,
        options,
    };
    let of_one = |(number, class): (usize, &TuneClass)| -> Result<Option<Look>> {
        let Some((first, others)) = class.photos.split_first() else {
            return Ok(None);
        };
        let photo = &first.photo;
        let mut good: Vec<Photo> = others.iter().map(|other| other.photo.clone()).collect();
        if good.is_empty() {
            good.extend(views(photo, number, VIEW, options.seed).next());
        }
        let own = if repair.traits().references_by_default {
            usize::MAX
        } else {
            0
        };
        good.truncate(options.repair.references.unwrap_or(own));
        let pass = filler.pass(photo);
        let best = most_alike(photo, &good, &pass.hidden);
        let latents = filler.latents(&good)?;
        let made = filler.fill(photo, &pass, &class.prompts, &latents, best)?;
        Ok(Some(Look {
            class: class.name.clone(),
            photo: photo.clone(),
            seen: with_mean_colour(photo, &pass.hidden),
            references: good.len(),
            psnr: psnr(hidden_error(photo, &made, &pass.cores)),
            made,
        }))
    };
    let looks = shown(classes).map(of_one).filter_map(Result::transpose);
    looks.collect()
}

/// The first good photo of each class, encoded and decoded; nothing is hidden.
///
/// # Errors
/// The autoencoder's own.
pub fn decoded(
    vae: &Vae,
    classes: &[TuneClass],
    multiple: usize,
    device: &Device,
) -> Result<Vec<Look>> {
    let of_one = |(_, class): (usize, &TuneClass)| -> Result<Option<Look>> {
        let Some(first) = class.photos.first() else {
            return Ok(None);
        };
        let photo = &first.photo;
        let made = encoded_and_decoded(vae, photo, multiple, device)?;
        let everywhere = Mask::from_fn(photo.width, photo.height, |_, _| true);
        Ok(Some(Look {
            class: class.name.clone(),
            photo: photo.clone(),
            seen: photo.clone(),
            references: 0,
            psnr: psnr(hidden_error(photo, &made, &everywhere)),
            made,
        }))
    };
    let looks = shown(classes).map(of_one).filter_map(Result::transpose);
    looks.collect()
}

/// The mean of the looks' PSNR, dB; 0 for none.
pub fn mean_psnr(looks: &[Look]) -> f64 {
    looks.iter().map(|look| look.psnr).sum::<f64>() / looks.len().max(1) as f64
}

/// A row of a sheet for each look: the photo, what was seen of it where something was hidden, what was made.
pub(super) fn rows(looks: Vec<Look>) -> Vec<Vec<Photo>> {
    let row = |look: Look| {
        let hidden = look.seen != look.photo;
        let seen = hidden.then_some(look.seen);
        [Some(look.photo), seen, Some(look.made)]
            .into_iter()
            .flatten()
            .collect()
    };
    looks.into_iter().map(row).collect()
}

/// Classes that are shown, with their places among all.
fn shown(classes: &[TuneClass]) -> impl Iterator<Item = (usize, &TuneClass)> {
    let count = classes.len().min(SHOWN);
    (0..count).map(move |index| {
        let place = index * classes.len() / count;
        (place, &classes[place])
    })
}
