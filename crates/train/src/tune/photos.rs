//! The good photos of all classes, the changes they are seen with, and their text contexts.

use anomalysd_detect::prompts::Prompts;
use anomalysd_detect::prototypes::Turn;
use anomalysd_detect::repaint::{DiffusionRepair, Repair};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::parallel::for_each_chunk;
use anomalysd_imaging::{Mask, Photo, Similarity, Target, dilate, pad_reflect};
use burn::tensor::Tensor;
use rand_chacha::rand_core::RngCore;

use super::cache::Picture;
use super::{Augmentation, Task};
use crate::fill::most_alike;
use crate::photos::{below, sample_rng};
use crate::pretrain::option;
use crate::{Result, TrainError};

/// Views of a single good photo that stand for others of its class.
const VIEWS: u64 = 8;
/// Sides that the networks need, in pixels.
const SMALLEST: usize = 32;

/// A good photo at the size that a detection works at, not padded.
#[derive(Debug, Clone, PartialEq)]
pub struct GoodPhoto {
    /// The photo.
    pub photo: Photo,
    /// The pixels of the part, of the photo's size.
    pub foreground: Mask,
}

/// A class and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneClass {
    /// Its name, in errors and in checkpoints.
    pub name: String,
    /// What the model is told about it.
    pub prompts: Prompts,
    /// At least one.
    pub photos: Vec<GoodPhoto>,
    /// Turns of a good photo that are still good.
    pub turns: Vec<Turn>,
}

/// Refuses classes that cannot be trained on.
pub(super) fn check(task: &Task<'_>) -> Result<()> {
    if task.classes.is_empty() {
        return Err(option("classes", 0, "at least one"));
    }
    for class in task.classes {
        if class.photos.is_empty() {
            let expected = "at least one good photo of every class";
            return Err(option(
                "photos",
                format!("none of `{}`", class.name),
                expected,
            ));
        }
        for GoodPhoto { photo, foreground } in &class.photos {
            let size = format!("{}x{}", photo.width, photo.height);
            if photo.width.min(photo.height) < SMALLEST {
                let expected = format!("at least {SMALLEST} pixels a side");
                return Err(option(
                    "photos",
                    format!("{size} of `{}`", class.name),
                    expected,
                ));
            }
            if (photo.width, photo.height) != (foreground.width, foreground.height) {
                let got = format!("{}x{}", foreground.width, foreground.height);
                return Err(option("foreground", got, format!("the photo's {size}")));
            }
        }
    }
    Ok(())
}

/// A hash of names, photos and foregrounds: what a checkpoint is told apart from another run's by.
pub(super) fn digest(classes: &[TuneClass]) -> String {
    // FNV-1a, 64 bits: nobody forges their own training photos.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for class in classes {
        add(class.name.as_bytes());
        add(class.prompts.both().as_bytes());
        add(format!("{:?}", class.turns).as_bytes());
        for GoodPhoto { photo, foreground } in &class.photos {
            add(&(photo.width as u64).to_le_bytes());
            add(&(photo.height as u64).to_le_bytes());
            photo
                .data
                .iter()
                .for_each(|value| add(&value.to_le_bytes()));
            foreground
                .data
                .iter()
                .for_each(|set| add(&[u8::from(*set)]));
        }
    }
    format!("{hash:016x}")
}

/// A class made ready for samples to be drawn.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// The good photos; where there is one alone, it and views of it.
    pub(super) photos: Vec<Photo>,
    /// Where rectangles may be hidden in each good photo: the part, dilated by two latent cells.
    pub(super) near: Vec<Mask>,
    /// The other photo that is most like each good photo.
    pub(super) most_alike: Vec<usize>,
    /// How each of [`Self::photos`] lies over each good photo, where it lies better so.
    pub(super) laid: Vec<Vec<Option<Similarity>>>,
    /// What may be changed in all of them at once: aligned photos stay aligned.
    pub(super) changes: Vec<Augmentation>,
    /// Object, detail and both, each `[tokens, width]`, row-major.
    pub(super) contexts: [Vec<f32>; 3],
}

impl Ready {
    /// How many of the photos are good photos, not views.
    pub(super) fn good(&self) -> usize {
        self.near.len()
    }

    /// A photo with a change, padded.
    pub(super) fn picture(&self, photo: usize, change: usize, multiple: usize) -> Photo {
        pad_reflect(&self.changes[change].photo(&self.photos[photo]), multiple)
    }

    /// A picture of this class, padded: the photo as it lies over another, if it does, and then changed.
    pub(super) fn laid_picture(&self, picture: Picture, multiple: usize) -> Photo {
        let Picture {
            photo,
            over,
            change,
            ..
        } = picture;
        match over.and_then(|target| self.laid[target][photo]) {
            Some(how) => {
                let laid = how.lay(&self.photos[photo]);
                pad_reflect(&self.changes[change].photo(&laid), multiple)
            }
            None => self.picture(photo, change, multiple),
        }
    }

    /// Photos of the class that may be references of one of them: all others, or all views.
    fn others(&self, target: usize) -> Vec<usize> {
        let all = 0..self.photos.len();
        all.filter(|index| *index != target).collect()
    }

    /// Draws `count` references of a photo, none twice while there are enough; where the one that is most
    /// like it is among them, it comes first, as a detection has it.
    pub(super) fn draw_references(
        &self,
        target: usize,
        count: usize,
        rng: &mut impl RngCore,
    ) -> Vec<usize> {
        let mut others = self.others(target);
        for last in (1..others.len()).rev() {
            others.swap(last, below(rng, last + 1));
        }
        if let Some(at) = others
            .iter()
            .position(|one| *one == self.most_alike[target])
        {
            others[..=at].rotate_right(1);
        }
        others.into_iter().cycle().take(count).collect()
    }
}

/// All classes, ready; and the empty text's context.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) classes: Vec<Ready>,
    pub(super) empty: Vec<f32>,
}

impl Classes {
    pub(super) fn new(task: &Task<'_>, stage: &'static str, most: f32, seed: u64) -> Result<Self> {
        let model = task.model;
        let near = 2 * model.vae.factor();
        let text = |texts: &[&str]| -> Result<Vec<f32>> { values(model.encode_text(texts)?) };
        let mut classes = Vec::with_capacity(task.classes.len());
        for (number, class) in task.classes.iter().enumerate() {
            task.go_on(stage)?;
            let good = class.photos.iter();
            let mut photos: Vec<Photo> = good.clone().map(|one| one.photo.clone()).collect();
            if let [only] = class.photos.as_slice() {
                photos.extend(views(&only.photo, number, most, seed));
            }
            let alike = |target: usize| {
                let nothing = Mask::new(photos[target].width, photos[target].height);
                let others = (0..photos.len()).filter(|other| *other != target);
                let others: Vec<usize> = others.collect();
                let shown: Vec<Photo> = others.iter().map(|one| photos[*one].clone()).collect();
                let best = most_alike(&photos[target], &shown, &nothing);
                best.map_or(target, |best| others[best])
            };
            let registers = model.config.reference_latents && task.detection.repair.registration;
            classes.push(Ready {
                laid: laid(&photos, class.photos.len(), registers, || task.go_on(stage))?,
                most_alike: (0..class.photos.len()).map(alike).collect(),
                photos,
                near: good
                    .map(|one| dilate(&one.foreground, near, near))
                    .collect(),
                changes: Augmentation::pool(&class.turns, most, seed, number),
                contexts: [
                    text(&[&class.prompts.object()])?,
                    text(&[&class.prompts.detail()])?,
                    text(&[&class.prompts.both()])?,
                ],
            });
        }
        Ok(Self {
            classes,
            empty: text(&[""])?,
        })
    }

    /// References of the class that has most.
    pub(super) fn most_references(&self) -> usize {
        let counts = self.classes.iter().map(|class| match class.good() {
            1 => 1,
            several => several - 1,
        });
        counts.max().unwrap_or(1)
    }
}

/// How each photo lies over each of the first `good`, asking before each of them whether to go on. Unlike a detection,
/// by all pixels, and photos of one size alone. The views of a single photo lie over it exactly, as no other photo
/// of a part does: they stay as they are, or the U-Net would learn that a good photo has nothing to be added to.
fn laid(
    photos: &[Photo],
    good: usize,
    registers: bool,
    go_on: impl Fn() -> Result<()>,
) -> Result<Vec<Vec<Option<Similarity>>>> {
    let mut all = vec![vec![None; photos.len()]; good];
    if !registers || good < 2 {
        return Ok(all);
    }
    for (index, row) in all.iter_mut().enumerate() {
        go_on()?;
        let own = &photos[index];
        let everywhere = Mask::new(own.width, own.height).inverted();
        let target = Target::new(own, &everywhere);
        for_each_chunk(row, 1, |other, slot| {
            let photo = &photos[other];
            if other != index && (photo.width, photo.height) == (own.width, own.height) {
                slot[0] = target.register(photo);
            }
        });
    }
    Ok(all)
}

/// Views of the single good photo of the class at this place: what stands for others.
pub(super) fn views(
    photo: &Photo,
    class: usize,
    most: f32,
    seed: u64,
) -> impl Iterator<Item = Photo> {
    (0..VIEWS).map(move |view| {
        let mut rng = sample_rng(seed, "tune views", class as u64 * VIEWS + view);
        Augmentation::draw(&[], most, &mut rng).photo(photo)
    })
}

/// What both sides of a padded photo are multiples of.
pub fn multiple(model: &InpaintModel) -> usize {
    DiffusionRepair::new(model).traits().multiple
}

/// A tensor's numbers on the host.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_to_vec::<f32>()
        .map_err(|_| TrainError::Worker { stage: "tune" })
}

/// Samples of equal size together, in the order of the first of each size.
pub(super) fn by_size<T>(samples: Vec<T>, size: impl Fn(&T) -> (usize, usize)) -> Vec<Vec<T>> {
    let mut groups: Vec<((usize, usize), Vec<T>)> = Vec::new();
    for sample in samples {
        let own = size(&sample);
        match groups.iter_mut().find(|(other, _)| *other == own) {
            Some((_, group)) => group.push(sample),
            None => groups.push((own, vec![sample])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(x: f32, y: f32) -> Photo {
        Photo::from_fn(64, 64, |column, row| {
            let (u, v) = (column as f32 - x, row as f32 - y);
            let edge = |value: f32| (value + 0.5).clamp(0.0, 1.0);
            let within = edge(u) * edge(30.0 - u) * edge(v) * edge(20.0 - v);
            [0.9 - 0.6 * within, 0.9 - 0.01 * u * within, 0.8]
        })
    }

    #[test]
    fn good_photos_are_laid_over_each_other_where_a_detection_would_and_views_are_not() {
        let photos = [part(16.0, 20.0), part(21.0, 17.0), part(16.0, 20.0)];
        let ways = laid(&photos, 3, true, || Ok(())).unwrap();
        assert!(ways.iter().all(|row| row.len() == 3));
        // The first and the last lie as each other already.
        assert_eq!((ways[0][0], ways[0][2]), (None, None));
        let how = ways[0][1].unwrap();
        let shift = [how.shift_x * 32.0, how.shift_y * 32.0];
        assert!(
            (shift[0] - 5.0).abs() < 1.0 && (shift[1] + 3.0).abs() < 1.0,
            "{how:?}"
        );
        let none = |good, registers| {
            let ways = laid(&photos, good, registers, || Ok(())).unwrap();
            ways.into_iter().flatten().all(|way| way.is_none())
        };
        assert!(none(3, false) && none(1, true));
        let stopped = || {
            Err(TrainError::Stopped {
                stage: "tune",
                step: 0,
            })
        };
        assert!(laid(&photos, 3, true, stopped).is_err());

        // What the input channels see is the photo where it lies over the other.
        let ready = Ready {
            photos: photos.to_vec(),
            near: Vec::new(),
            most_alike: Vec::new(),
            laid: ways,
            changes: Augmentation::pool(&[], 0.0, 5, 0),
            contexts: Default::default(),
        };
        let error = |over| {
            let picture = Picture {
                class: 0,
                photo: 1,
                over,
                change: 0,
            };
            let shown = ready.laid_picture(picture, 16);
            let pairs = shown.data.iter().zip(&photos[0].data);
            pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / shown.data.len() as f32
        };
        assert!(error(Some(0)) < error(None) / 4.0);
    }
}
