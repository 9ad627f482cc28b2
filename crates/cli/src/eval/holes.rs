//! How well the model repaints what it cannot see: normal photos with every other cell hidden.
//!
//! No score and no threshold: this measures the repair itself, beside what anyone could fill the
//! holes with, the mean colour of what is visible and the good photo that is most alike; and the
//! autoencoder alone, since no repair is better than that.

use std::path::Path;

use anomalysd_dataset::folder::Class;
use anomalysd_detect::features::{FeatureLayers, FeatureNetwork, Features};
use anomalysd_detect::pipeline::Detector;
use anomalysd_detect::repaint::{DiffusionRepair, Repair};
use anomalysd_detect::score::{Displacement, feature_distance};
use anomalysd_imaging::{Mask, Photo};
use anomalysd_train::fill::{
    Filler, encoded_and_decoded, hidden_error, most_alike, pasted, with_mean_colour,
};
use anomalysd_train::measure::psnr;
use anomalysd_train::sheet::write_sheet;
use serde::Serialize;

use crate::error::{CliError, Outcome};
use crate::photos;
use crate::prompts::PromptList;

/// Layers of the feature network that are compared: the fine ones.
const LAYERS: usize = 2;
/// Photos on a class's sheet.
const SHOWN: usize = 6;

/// How one way of filling the holes of a class did, means over its normal photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The class.
    pub class: String,
    /// `repair`, `mean-colour` or `nearest-good`; `autoencoder`: nothing hidden, encoded and decoded.
    pub fill: &'static str,
    /// Good photos it was shown.
    pub references: usize,
    /// PSNR of the hidden cells, dB; of the autoencoder's, of the whole photo.
    pub psnr: f64,
    /// Feature distance at the same places, 0 to 2.
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
        let filler = Filler {
            repair: self.repair,
            options: self.detector.options(),
        };
        let prompts = self.prompts.get(&class.name);
        let latents = filler.latents(&good)?;
        let mut repairs: Vec<Sum> = counts.iter().map(|_| Sum::default()).collect();
        let [mut mean_colour, mut nearest, mut autoencoder] = [(); 3].map(|()| Sum::default());
        let model = self.repair.model();
        let multiple = self.repair.traits().multiple;
        let mut pictures = Vec::new();
        for photo in &normal {
            let pass = filler.pass(photo);
            let filled = Filled {
                photo,
                cores: &pass.cores,
                layers: self.layers(photo)?,
            };
            let coded = encoded_and_decoded(&model.vae, photo, multiple, &model.device)?;
            let everywhere = Mask::from_fn(photo.width, photo.height, |_, _| true);
            let whole = Filled {
                photo,
                cores: &everywhere,
                layers: filled.layers.clone(),
            };
            self.add(&mut autoencoder, &whole, &coded)?;
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
                let repaired = filler.fill(photo, &pass, &prompts, &latents[..count], best)?;
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
        let mut rows = vec![
            row("autoencoder", 0, &autoencoder),
            row("mean-colour", 0, &mean_colour),
        ];
        if !good.is_empty() {
            rows.push(row("nearest-good", good.len(), &nearest));
        }
        let pairs = counts.iter().zip(&repairs);
        rows.extend(pairs.map(|(&count, sum)| row("repair", count, sum)));
        Ok(rows)
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
        let map = feature_distance(
            &filled.layers,
            &layers,
            photo.width,
            photo.height,
            0.0,
            Displacement::NONE,
        );
        let inside = map.data.iter().zip(&cores.data).filter(|(_, core)| **core);
        let total: f64 = inside.map(|(value, _)| f64::from(*value)).sum();
        sum.distance += total / cores.count().max(1) as f64;
        Ok(())
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
