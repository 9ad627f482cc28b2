//! The measurements: whole photos and tiles, batches, photos in a row, prototypes.

use anomalysd_dataset::synth::{Family, Product};
use anomalysd_detect::control::Control;
use anomalysd_detect::cost::{flops_of_detection, unet_work};
use anomalysd_detect::features::{FeatureNetwork, Features};
use anomalysd_detect::options::{Choice, DetectOptions};
use anomalysd_detect::pipeline::{ClassModel, Detector};
use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::prototypes::{Descriptors, Prototypes, describe, grid_of};
use anomalysd_detect::repaint::DiffusionRepair;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::Photo;
use burn::tensor::Tensor;

use super::growth::{Sample, Series};
use crate::args::BenchArgs;
use crate::commands::bench::row::median;
use crate::commands::bench::{PROMPT, TIMESTEP};
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::memory;
use crate::progress::{cancelled, now_ms};

/// Longest side that is judged whole; larger photos are judged in tiles of it.
const WHOLE: usize = 512;
/// Smallest photo that the options take.
const SMALLEST: usize = 64;
/// Sizes that are measured at most: each is half of the next.
const SIZES: usize = 4;
const BATCHES: [usize; 5] = [1, 2, 4, 8, 16];
const GOOD_PHOTOS: [usize; 6] = [1, 2, 4, 10, 20, 40];
/// Good photos that are fitted on for whole detections.
const FITTED: u64 = 2;
/// Operations of the feature network per pixel: 0.76 GFLOP at 256×256.
const FEATURE_FLOP_PER_PIXEL: f64 = 0.76e9 / 65_536.0;

/// What is measured with.
pub struct Measure<'a> {
    args: &'a BenchArgs,
    quiet: bool,
    model: &'a InpaintModel,
    repair: Option<DiffusionRepair<'a>>,
    features: &'a Features<'a>,
    product: Product,
}

impl<'a> Measure<'a> {
    pub fn new(
        args: &'a BenchArgs,
        quiet: bool,
        engine: &'a Engine,
        model: &'a InpaintModel,
        features: &'a Features<'a>,
    ) -> Self {
        Self {
            args,
            quiet,
            model,
            repair: engine.repair(),
            features,
            product: Product::draw(Family::Nut, 0),
        }
    }

    /// All series.
    pub fn all(&self) -> Outcome<Vec<Series>> {
        let sizes = sizes(self.args.largest);
        let mut series = vec![self.sizes(&sizes)?];
        series.push(self.batches()?);
        series.push(self.photos(sizes.first().copied().unwrap_or(SMALLEST))?);
        for aligned in [true, false] {
            series.push(self.prototypes(aligned)?);
        }
        Ok(series)
    }

    fn tell(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// The median of `runs` times after one that warms caches up, and the most memory meanwhile.
    fn sample(&self, x: usize, flop: f64, mut work: impl FnMut() -> Outcome) -> Outcome<Sample> {
        work()?;
        memory::forget_peak();
        let mut times = Vec::with_capacity(self.args.runs);
        for _ in 0..self.args.runs {
            let began = now_ms();
            work()?;
            times.push(now_ms() - began);
        }
        let sample = Sample {
            x: x as f64,
            ms: median(&mut times),
            peak_mib: memory::peak_mib(),
            flop,
        };
        self.tell(&format!("  {x}: {:.1} ms", sample.ms));
        Ok(sample)
    }

    fn control(&self) -> Control<'static> {
        Control {
            cancelled: &cancelled,
            now_ms: &now_ms,
            ..Control::default()
        }
    }

    /// Options for photos of `side` pixels that lie anywhere, as tiles have to.
    fn options(&self, side: usize) -> DetectOptions {
        let mut options = self.args.method.options();
        options.size = Some(side);
        options.tile = None;
        options.features.aligned = Choice::No;
        options
    }

    fn fitted(&self, side: usize) -> Outcome<ClassModel> {
        self.tell(&format!("  fit at {side}"));
        let good: Vec<Photo> = (0..FITTED)
            .map(|seed| self.product.instance(seed, side))
            .collect();
        let detector = Detector::new(self.repair.as_ref(), self.features, self.options(side))?;
        let prompts = Prompts::named(&self.product.name());
        Ok(pollster::block_on(detector.fit(
            &prompts,
            &good,
            &self.control(),
        ))?)
    }

    fn flops(&self, side: usize, options: &DetectOptions) -> f64 {
        let features = FEATURE_FLOP_PER_PIXEL * (side * side) as f64;
        flops_of_detection(self.model, (side, side), options, FITTED as usize, features).total()
    }

    /// One detection, by the longer side of its photo.
    fn sizes(&self, sizes: &[usize]) -> Outcome<Series> {
        self.tell("size of the photo");
        let mut points = Vec::new();
        let mut class = None;
        for &side in sizes {
            let judged = side.min(WHOLE);
            let mut options = self.options(judged);
            if side > WHOLE {
                options.tile = Some(WHOLE);
            }
            if side <= WHOLE || class.is_none() {
                class = Some(self.fitted(judged)?);
            }
            let tiles = tiles(side) as f64;
            let flop = tiles * self.flops(judged, &options);
            let detector = Detector::new(self.repair.as_ref(), self.features, options)?;
            let suspect = self.product.instance(FITTED, side);
            let Some(class) = &class else { continue };
            points.push(self.sample(side, flop, || {
                pollster::block_on(detector.detect(class, &suspect, &self.control()))?;
                Ok(())
            })?);
        }
        Ok(Series::new("detection by size", "pixels a side", points))
    }

    /// One step of the U-Net, by its batch.
    fn batches(&self) -> Outcome<Series> {
        self.tell("batch of the U-Net");
        let (model, device) = (self.model, &self.model.device);
        let cells = model.config.image_size.min(self.args.largest) / model.vae.factor();
        let tokens = model.text.config().max_position_embeddings;
        let most = model.config.reference_max_tokens;
        let flop = unet_work(model.unet.config(), (cells, cells), tokens, 0, most).flops;
        let context = model.encode_text(&[PROMPT])?;
        let mut points = Vec::new();
        for batch in BATCHES {
            let channels = model.unet.config().in_channels;
            let input = Tensor::<4>::ones([batch, channels, cells, cells], device) * 0.5;
            let [_, tokens, width] = context.dims();
            let context = context.clone().expand([batch, tokens, width]);
            points.push(self.sample(batch, batch as f64 * flop, || {
                let output =
                    model
                        .unet
                        .forward(input.clone(), &[TIMESTEP], context.clone(), None)?;
                output
                    .narrow(1, 0, 1)
                    .into_data()
                    .try_to_vec::<f32>()
                    .map(drop)
                    .map_err(|error| CliError::Internal(format!("reading back: {error:?}")))
            })?);
        }
        Ok(Series::new("U-Net step by batch", "photos a batch", points))
    }

    /// Detections in a row: memory is to stay where it is.
    fn photos(&self, side: usize) -> Outcome<Series> {
        self.tell("photos in a row");
        let side = side.min(WHOLE);
        let class = self.fitted(side)?;
        let options = self.options(side);
        let flop = self.flops(side, &options);
        let detector = Detector::new(self.repair.as_ref(), self.features, options)?;
        let control = self.control();
        let mut points = Vec::new();
        for count in doubling(self.args.in_a_row) {
            points.push(self.sample(count, count as f64 * flop, || {
                let prepared = pollster::block_on(detector.prepare(&class, &control))?;
                for seed in 0..count as u64 {
                    let suspect = self.product.instance(FITTED + seed, side);
                    pollster::block_on(detector.detect_prepared(&prepared, &suspect, &control))?;
                }
                Ok(())
            })?);
        }
        Ok(Series::new("detections in a row", "photos", points))
    }

    /// The search of one photo's places among prototypes, by the number of good photos.
    fn prototypes(&self, aligned: bool) -> Outcome<Series> {
        self.tell(if aligned {
            "prototypes, aligned"
        } else {
            "prototypes, anywhere"
        });
        let options = self.args.method.options().features;
        let side = self.model.config.image_size.min(self.args.largest);
        let described = |seed| -> Outcome<Descriptors> {
            let photo = self.product.instance(seed, side);
            let layers = pollster::block_on(self.features.extract(&photo))?;
            let (columns, rows) = grid_of(photo.width, photo.height, options.grid);
            Ok(describe(&layers, columns, rows))
        };
        let suspect = described(FITTED)?;
        let most = self.args.most_good.max(1);
        let counts = GOOD_PHOTOS.into_iter().filter(|count| *count <= most);
        let mut good: Vec<Descriptors> = Vec::new();
        let mut points = Vec::new();
        for count in counts {
            while good.len() < count {
                good.push(described(100 + good.len() as u64)?);
            }
            let photos: Vec<&[Descriptors]> = good.iter().map(std::slice::from_ref).collect();
            let prototypes = Prototypes::fit(&photos, aligned, &options);
            let cells = suspect.count();
            let width = suspect.vector(0).len();
            let compared = if aligned {
                count * (2 * options.aligned_radius + 1).pow(2)
            } else {
                (count * cells).min(options.bank_capacity)
            };
            let flop = 2.0 * (cells * compared * width) as f64;
            points.push(self.sample(count, flop, || {
                std::hint::black_box(prototypes.distances(&suspect));
                Ok(())
            })?);
        }
        let name = if aligned {
            "search near the same place"
        } else {
            "search anywhere"
        };
        Ok(Series::new(name, "good photos", points))
    }
}

/// Sides from the smallest to `largest`, each half of the next.
fn sizes(largest: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = (0..SIZES)
        .map(|halved| largest >> halved)
        .filter(|side| *side >= SMALLEST)
        .collect();
    sizes.reverse();
    sizes
}

/// Tiles of a square photo: those of `WHOLE` pixels that overlap by a quarter.
fn tiles(side: usize) -> usize {
    if side <= WHOLE {
        return 1;
    }
    let step = WHOLE - WHOLE / 4;
    let along = (side - WHOLE).div_ceil(step) + 1;
    along * along
}

/// 1, 2, 4, … up to `most`, and `most` itself.
fn doubling(most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |count| Some(count * 2))
        .take_while(|count| *count < most)
        .collect();
    counts.push(most.max(1));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_tiles_and_counts_are_what_is_said() {
        assert_eq!(sizes(2048), [256, 512, 1024, 2048]);
        assert_eq!(sizes(128), [64, 128]);
        assert_eq!((tiles(512), tiles(1024), tiles(2048)), (1, 9, 25));
        assert_eq!(doubling(8), [1, 2, 4, 8]);
        assert_eq!(doubling(200), [1, 2, 4, 8, 16, 32, 64, 128, 200]);
        assert_eq!(doubling(1), [1]);
    }
}
