//! Holes in normal photos, filled: how well a model repaints what it cannot see, by the code that a
//! detection runs, beside what anyone could fill them with.

use anomalysd_detect::DetectError;
use anomalysd_detect::masks::{Frame, Pass, Scale, guided_pass};
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::repaint::{
    DiffusionRepair, Latents, PaintRequest, Prompt, Repair, Ticked, blend_weights, colour_drift,
    composite, with_details,
};
use anomalysd_diffusion::vae::Vae;
use anomalysd_imaging::{Mask, Photo, pad_reflect, resize_lanczos};
use burn::tensor::Device;

use crate::Result;
use crate::measure::{photo_of, photos_tensor};

/// Cells per side of the hidden set: every other one is hidden.
const CELLS: usize = 4;

/// Fills holes from pure noise.
#[derive(Debug, Clone, Copy)]
pub struct Filler<'a> {
    /// The model.
    pub repair: &'a DiffusionRepair<'a>,
    /// Halo, steps, guidance, seed, colour drift and memory of a detection.
    pub options: &'a DetectOptions,
}

impl Filler<'_> {
    /// Every other cell of the photo as cores, hidden with a detection's own halo.
    pub fn pass(&self, photo: &Photo) -> Pass {
        let traits = self.repair.traits();
        let frame = Frame {
            width: photo.width,
            height: photo.height,
            factor: traits.factor,
            multiple: traits.multiple,
        };
        let cells = Mask::from_fn(CELLS, CELLS, |x, y| (x + y).is_multiple_of(2));
        // Some cell is always hidden; where none were, nothing would be.
        guided_pass(&frame, &cells, self.options.masks.halo).unwrap_or_else(|| Pass {
            scale: Scale::Guided,
            index: 0,
            cores: Mask::new(photo.width, photo.height),
            hidden: Mask::new(photo.width, photo.height),
        })
    }

    /// Latents of good photos, to be shown as references.
    ///
    /// # Errors
    /// The model's own.
    pub fn latents(&self, good: &[Photo]) -> Result<Vec<Latents>> {
        let of_one = |photo| async move {
            let scene = self.repair.open(photo).await?;
            self.repair.latents(&scene, photo).await
        };
        let all = good.iter().map(|photo| pollster::block_on(of_one(photo)));
        Ok(all.collect::<std::result::Result<_, DetectError>>()?)
    }

    /// The photo with its hidden cells repainted from pure noise, with `good` photos as references of
    /// which `best` is the most alike.
    ///
    /// # Errors
    /// The model's own.
    pub fn fill(
        &self,
        photo: &Photo,
        pass: &Pass,
        prompts: &Prompts,
        good: &[Latents],
        best: Option<usize>,
    ) -> Result<Photo> {
        let (repair, options) = (self.repair, self.options);
        let silent = |_, _| -> Ticked<'_> { Box::pin(std::future::ready(Ok(()))) };
        let painted = pollster::block_on(async {
            let contexts = repair.contexts(&prompts.both(), &prompts.detail()).await?;
            let class = repair.class(&contexts, good).await?;
            let scene = repair.open(photo).await?;
            if best.is_some() && options.repair.registration {
                let visible = pass.hidden.inverted();
                repair
                    .register(&scene, &class, photo, &visible, &silent)
                    .await?;
            }
            let request = PaintRequest {
                passes: std::slice::from_ref(pass),
                strength: 1.0,
                inference_steps: options.inference_steps(repair.traits().inference_steps),
                guidance_scale: options.repair.guidance_scale,
                seed: options.seed,
                prompt: Prompt::Both,
                best_reference: best,
                memory_mib: options.memory.mib,
            };
            let painted = repair.paint(&scene, &class, &request, &silent).await?;
            let details = repair.details(&scene, &class, &request, &silent).await?;
            let details = details.and_then(|details| details.into_iter().next());
            let painted = painted.into_iter().next();
            let painted = painted.ok_or(DetectError::NotFinite {
                what: "a repaired photo",
            })?;
            Ok::<_, DetectError>(match details {
                Some(details) => with_details(&painted, &details),
                None => painted,
            })
        })?;
        let weights = blend_weights(pass, options.masks.halo * repair.traits().factor);
        let drift = colour_drift(photo, &painted, &pass.hidden, &options.repair);
        Ok(composite(photo, &painted, &weights, drift))
    }
}

/// What the autoencoder makes of a photo of which nothing is hidden.
///
/// # Errors
/// The autoencoder's own.
pub fn encoded_and_decoded(
    vae: &Vae,
    photo: &Photo,
    multiple: usize,
    device: &Device,
) -> Result<Photo> {
    let padded = pad_reflect(photo, multiple);
    let input = photos_tensor(std::slice::from_ref(&padded), device);
    let output = photo_of(vae.dec(vae.enc(input)?)?, 0);
    Ok(output.crop(0, 0, photo.width, photo.height))
}

/// The good photo with the smallest squared difference in the visible pixels.
pub fn most_alike(photo: &Photo, good: &[Photo], hidden: &Mask) -> Option<usize> {
    let visible = hidden.inverted();
    let difference = |other: &Photo| hidden_error(photo, &fitted(other, photo), &visible);
    let ranked = good.iter().map(difference).enumerate();
    ranked
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(index, _)| index)
}

/// The photo with a good photo's pixels in its hidden cells.
pub fn pasted(photo: &Photo, good: &Photo, cores: &Mask) -> Photo {
    let good = fitted(good, photo);
    let area = photo.width * photo.height;
    let mut filled = photo.clone();
    for at in (0..3 * area).filter(|at| cores.data[at % area]) {
        filled.data[at] = good.data[at];
    }
    filled
}

fn fitted(good: &Photo, photo: &Photo) -> Photo {
    if (good.width, good.height) == (photo.width, photo.height) {
        good.clone()
    } else {
        resize_lanczos(good, photo.width, photo.height)
    }
}

/// The photo with the mean colour of its visible pixels in the hidden ones.
pub fn with_mean_colour(photo: &Photo, hidden: &Mask) -> Photo {
    let mut filled = photo.clone();
    let area = photo.width * photo.height;
    for channel in 0..3 {
        let plane = &mut filled.data[channel * area..(channel + 1) * area];
        let visible: Vec<f32> = plane
            .iter()
            .zip(&hidden.data)
            .filter_map(|(value, hidden)| (!hidden).then_some(*value))
            .collect();
        let mean = visible.iter().sum::<f32>() / visible.len().max(1) as f32;
        plane
            .iter_mut()
            .zip(&hidden.data)
            .filter(|(_, hidden)| **hidden)
            .for_each(|(value, _)| *value = mean);
    }
    filled
}

/// Mean squared error on the hidden pixels of two photos of the mask's size.
pub fn hidden_error(a: &Photo, b: &Photo, hidden: &Mask) -> f64 {
    let area = a.width * a.height;
    let sum: f64 = (0..3 * area)
        .filter(|at| hidden.data[at % area])
        .map(|at| f64::from(a.data[at] - b.data[at]).powi(2))
        .sum();
    sum / (3 * hidden.count()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_take_visible_pixels_alone() {
        let photo = Photo::from_fn(4, 1, |x, _| [x as f32 / 4.0; 3]);
        let hidden = Mask::from_fn(4, 1, |x, _| x >= 2);
        let filled = with_mean_colour(&photo, &hidden);
        assert_eq!(filled.data[..4], [0.0, 0.25, 0.125, 0.125]);
        // The second differs where it cannot be seen.
        let other = Photo::from_fn(4, 1, |_, _| [0.9; 3]);
        let alike = Photo::from_fn(4, 1, |x, _| [if x < 2 { x as f32 / 4.0 } else { 1.0 }; 3]);
        let good = [other, alike];
        assert_eq!(most_alike(&photo, &good, &hidden), Some(1));
        assert_eq!(most_alike(&photo, &[], &hidden), None);
        assert_eq!(
            pasted(&photo, &good[1], &hidden).data[..4],
            [0.0, 0.25, 1.0, 1.0]
        );
    }
}
