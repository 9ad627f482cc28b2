//! How well the model repaints what it cannot see: normal photos with every other cell hidden.
//!
//! No score and no threshold: this measures the repair itself, beside what anyone could fill the
//! holes with, the mean colour of what is visible and the good photo that is most alike.

use std::path::Path;

use anomalysd_dataset::folder::Class;
use anomalysd_detect::features::{FeatureLayers, FeatureNetwork, Features};
use anomalysd_detect::masks::{Frame, Pass, guided_pass};
use anomalysd_detect::options::DetectOptions;
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::repaint::{
    DiffusionRepair, Latents, PaintRequest, Prompt, Repair, blend_weights, colour_drift, composite,
};
use anomalysd_detect::score::feature_distance;
use anomalysd_imaging::{Mask, Photo, resize_lanczos};
use anomalysd_train::measure::psnr;
use anomalysd_train::pretrain::repaired::{hidden_error, with_mean_colour};
use anomalysd_train::sheet::write_sheet;
use serde::Serialize;

use crate::error::{CliError, Outcome};
use crate::photos;
use crate::prompts::PromptList;

/// Cells per side of the hidden set: every other one is hidden.
const CELLS: usize = 4;
/// Layers of the feature network that are compared: the fine ones.
const LAYERS: usize = 2;
/// Photos on a class's sheet.
const SHOWN: usize = 6;

/// How one way of filling the holes of a class did, means over its normal photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The class.
    pub class: String,
    /// `repair`, `mean-colour` or `nearest-good`.
    pub fill: &'static str,
    /// Good photos it was shown.
    pub references: usize,
    /// PSNR of the hidden cells, dB.
    pub psnr: f64,
    /// Feature distance in the hidden cells, 0 to 2.
    pub distance: f64,
    /// Photos measured.
    pub photos: usize,
}

/// What fills holes.
pub struct Holes<'a> {
    /// For the photos' size and the feature network.
    pub detector: &'a Detector<'a, DiffusionRepair<'a>, Features<'a>>,
    /// The model.
    pub repair: &'a DiffusionRepair<'a>,
    /// The feature network.
    pub features: &'a Features<'a>,
    /// Texts of the classes.
    pub prompts: &'a PromptList,
}

/// A photo as it is filled in different ways.
struct Filled<'p> {
    photo: &'p Photo,
    cores: &'p Mask,
    layers: FeatureLayers,
}

#[derive(Default)]
struct Sum {
    psnr: f64,
    distance: f64,
}

impl Holes<'_> {
    /// Measures the normal test photos of a class, with 0, 1, 2, 4, … of the `good` photos as
    /// references, and writes a sheet: photo, what is visible, the nearest good photo, the repair.
    pub fn class(
        &self,
        class: &Class,
        good: &[std::path::PathBuf],
        sheet: &Path,
    ) -> Outcome<Vec<Row>> {
        let read = |path: &std::path::PathBuf| -> Outcome<Photo> {
            Ok(self.detector.resized(&photos::read(path)?))
        };
        let good: Vec<Photo> = good.iter().map(read).collect::<Outcome<_>>()?;
        let normal = class.test.iter().filter(|photo| photo.defect.is_none());
        let normal: Vec<Photo> = normal
            .map(|photo| read(&photo.path))
            .collect::<Outcome<_>>()?;
        let counts: Vec<usize> = [0, 1, 2, 4, 8, 16]
            .into_iter()
            .filter(|&count| count <= good.len())
            .collect();
        let latents: Vec<Latents> = good
            .iter()
            .map(|photo| {
                pollster::block_on(async {
                    let scene = self.repair.open(photo).await?;
                    self.repair.latents(&scene).await
                })
            })
            .collect::<Result<_, _>>()?;
        let mut repairs: Vec<Sum> = counts.iter().map(|_| Sum::default()).collect();
        let (mut mean_colour, mut nearest) = (Sum::default(), Sum::default());
        let mut pictures = Vec::new();
        for photo in &normal {
            let pass = self.pass(photo)?;
            let filled = Filled {
                photo,
                cores: &pass.cores,
                layers: self.layers(photo)?,
            };
            let plain = with_mean_colour(photo, &pass.hidden);
            self.add(&mut mean_colour, &filled, &plain)?;
            let alike = most_alike(photo, &good, &pass.hidden);
            let pasted = alike.map(|index| pasted(photo, &good[index], &pass.cores));
            if let Some(pasted) = &pasted {
                self.add(&mut nearest, &filled, pasted)?;
            }
            let mut shown = None;
            for (sum, &count) in repairs.iter_mut().zip(&counts) {
                let best = most_alike(photo, &good[..count], &pass.hidden);
                let repaired = self.repaired(photo, &pass, &class.name, &latents[..count], best)?;
                self.add(sum, &filled, &repaired)?;
                shown = Some(repaired);
            }
            if pictures.len() < SHOWN {
                let row = [Some(photo.clone()), Some(plain), pasted, shown];
                pictures.push(row.into_iter().flatten().collect());
            }
        }
        write_sheet(sheet, &pictures).map_err(|error| CliError::Internal(error.to_string()))?;
        let row = |fill, references, sum: &Sum| Row {
            class: class.name.clone(),
            fill,
            references,
            psnr: sum.psnr / normal.len().max(1) as f64,
            distance: sum.distance / normal.len().max(1) as f64,
            photos: normal.len(),
        };
        let mut rows = vec![row("mean-colour", 0, &mean_colour)];
        if !good.is_empty() {
            rows.push(row("nearest-good", good.len(), &nearest));
        }
        let pairs = counts.iter().zip(&repairs);
        rows.extend(pairs.map(|(&count, sum)| row("repair", count, sum)));
        Ok(rows)
    }

    /// Every other cell as cores, hidden with a detection's own halo.
    fn pass(&self, photo: &Photo) -> Outcome<Pass> {
        let traits = self.repair.traits();
        let frame = Frame {
            width: photo.width,
            height: photo.height,
            factor: traits.factor,
            multiple: traits.multiple,
        };
        let cells = Mask::from_fn(CELLS, CELLS, |x, y| (x + y).is_multiple_of(2));
        guided_pass(&frame, &cells, self.options().masks.halo)
            .ok_or_else(|| CliError::Internal("no cell is hidden".into()))
    }

    fn options(&self) -> &DetectOptions {
        self.detector.options()
    }

    fn layers(&self, photo: &Photo) -> Outcome<FeatureLayers> {
        let mut found = pollster::block_on(self.features.extract(photo))?;
        found.layers.truncate(LAYERS);
        Ok(found)
    }

    fn add(&self, sum: &mut Sum, filled: &Filled<'_>, repaired: &Photo) -> Outcome {
        let (photo, cores) = (filled.photo, filled.cores);
        sum.psnr += psnr(hidden_error(photo, repaired, cores));
        let layers = self.layers(repaired)?;
        let map = feature_distance(&filled.layers, &layers, photo.width, photo.height);
        let inside = map.data.iter().zip(&cores.data).filter(|(_, core)| **core);
        let total: f64 = inside.map(|(value, _)| f64::from(*value)).sum();
        sum.distance += total / cores.count().max(1) as f64;
        Ok(())
    }

    /// The photo with its hidden cells repainted from pure noise.
    fn repaired(
        &self,
        photo: &Photo,
        pass: &Pass,
        class: &str,
        good: &[Latents],
        best_reference: Option<usize>,
    ) -> Outcome<Photo> {
        let options = self.options();
        let prompts = self.prompts.get(class);
        let painted = pollster::block_on(async {
            let contexts = self
                .repair
                .contexts(&prompts.both(), &prompts.detail())
                .await?;
            let ready = self.repair.class(&contexts, good).await?;
            let scene = self.repair.open(photo).await?;
            let request = PaintRequest {
                passes: std::slice::from_ref(pass),
                strength: 1.0,
                inference_steps: options.inference_steps(self.repair.traits().inference_steps),
                guidance_scale: options.repair.guidance_scale,
                seed: options.seed,
                prompt: Prompt::Both,
                best_reference,
                memory_mib: options.memory.mib,
            };
            let silent = |_, _| -> anomalysd_detect::repaint::Ticked<'_> {
                Box::pin(std::future::ready(Ok(())))
            };
            self.repair.paint(&scene, &ready, &request, &silent).await
        })?;
        let painted = painted
            .first()
            .ok_or_else(|| CliError::Internal("nothing was painted".into()))?;
        let weights = blend_weights(pass, options.masks.halo * self.repair.traits().factor);
        let drift = colour_drift(photo, painted, &pass.hidden, &options.repair);
        Ok(composite(photo, painted, &weights, drift))
    }
}

/// The good photo with the smallest squared difference in the visible pixels.
fn most_alike(photo: &Photo, good: &[Photo], hidden: &Mask) -> Option<usize> {
    let visible = Mask {
        data: hidden.data.iter().map(|hidden| !hidden).collect(),
        ..hidden.clone()
    };
    let difference = |other: &Photo| hidden_error(photo, &fitted(other, photo), &visible);
    let ranked = good.iter().map(difference).enumerate();
    ranked
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(index, _)| index)
}

/// The photo with a good photo's pixels in its hidden cells.
fn pasted(photo: &Photo, good: &Photo, cores: &Mask) -> Photo {
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

/// A table for people.
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "{:20} {:13} {:>10} {:>8} {:>9}",
        "class", "fill", "references", "PSNR dB", "distance"
    )];
    lines.extend(rows.iter().map(|row| {
        format!(
            "{:20} {:13} {:>10} {:>8.2} {:>9.4}",
            row.class, row.fill, row.references, row.psnr, row.distance
        )
    }));
    lines.join("\n")
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
