//! What a step of the U-Net learns from: a good photo, changed a little, a hole in it, other good photos
//! of its class, a prompt, a timestep.

use std::sync::Arc;

use anomalysd_imaging::{Mask, Photo, pad_reflect_mask};

use super::super::cache::Picture;
use super::super::holes::Holes;
use super::super::options::UnetOptions;
use super::super::photos::Classes;
use crate::photos::{below, sample_rng, unit};

/// Good photos that the attentions of a step see, at most.
const MOST_ATTENDED: usize = 4;

/// The text that a sample is seen with (METHOD § 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Level 1, level 2 or both of its class.
    Of(usize),
    /// None.
    Empty,
}

/// One training sample.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) number: u64,
    /// Which photo of which class, and how it is changed.
    pub(super) picture: Picture,
    /// The same, padded.
    pub(super) target: Photo,
    /// Of the target's size.
    pub(super) hidden: Mask,
    /// Other photos of its class, seen with the same change, as many in every sample of a step. Input channels of
    /// models that have some for them get them laid over the photo: the first one, or all to choose from.
    pub(super) references: Vec<usize>,
    /// Whether it sees them.
    pub(super) present: bool,
    pub(super) timestep: usize,
    pub(super) text: Text,
}

/// Draws the sample of a number: the same on every thread.
pub(super) struct Source {
    pub(super) classes: Arc<Classes>,
    pub(super) holes: Holes,
    /// Timesteps of the schedule.
    pub(super) timesteps: usize,
    pub(super) multiple: usize,
    pub(super) options: UnetOptions,
    pub(super) seed: u64,
}

impl Source {
    pub(super) fn sample(&self, index: u64) -> Sample {
        let options = &self.options;
        let mut rng = sample_rng(self.seed, "tune unet", index);
        let number = (index % self.classes.classes.len() as u64) as usize;
        let class = &self.classes.classes[number];
        let photo = below(&mut rng, class.good());
        let change = below(&mut rng, class.changes.len());
        let near = class.changes[change].mask(&class.near[photo]);
        let hidden = self.holes.draw(&near, &mut rng);
        let per_step = options.train_batch_size * options.gradient_accumulation_steps;
        let attended = self.attended(index / per_step as u64);
        let references = class.draw_references(photo, attended, &mut rng);
        // A view of the photo itself must not become a habit: half of the samples do without.
        let present = class.good() > 1 || unit(&mut rng) < 0.5;
        let timestep = if unit(&mut rng) < options.noisiest_share {
            self.timesteps - 1
        } else {
            below(&mut rng, self.timesteps)
        };
        Sample {
            number: index,
            picture: Picture {
                class: number,
                photo,
                over: None,
                change,
            },
            target: class.picture(photo, change, self.multiple),
            hidden: pad_reflect_mask(&hidden, self.multiple),
            references,
            present,
            timestep,
            text: self.text(unit(&mut rng)),
        }
    }

    /// The empty text, else level 1 (¼), level 2 (¼) or both (½).
    fn text(&self, drawn: f32) -> Text {
        let empty = self.options.empty_share;
        if drawn < empty {
            return Text::Empty;
        }
        match (drawn - empty) / (1.0 - empty) {
            share if share < 0.25 => Text::Of(0),
            share if share < 0.5 => Text::Of(1),
            _ => Text::Of(2),
        }
    }

    /// How many good photos the attentions of a step see: all samples of a step see as many.
    fn attended(&self, step: u64) -> usize {
        let most = self.classes.most_references().min(MOST_ATTENDED);
        let mut rng = sample_rng(self.seed, "tune unet references", step);
        // More often all than one: that is what a detection shows.
        1 + below(&mut rng, most).max(below(&mut rng, most))
    }
}

#[cfg(test)]
mod tests {
    use anomalysd_detect::options::MaskOptions;
    use anomalysd_detect::prototypes::Turn;

    use super::super::super::Augmentation;
    use super::super::super::photos::Ready;
    use super::*;

    fn class(good: usize, turns: &[Turn]) -> Ready {
        let shown = if good == 1 { 9 } else { good };
        let photo =
            |index: usize| Photo::from_fn(40, 48, |x, y| [(x * (index + 1) + y) as f32 / 300.0; 3]);
        Ready {
            photos: (0..shown).map(photo).collect(),
            near: vec![Mask::from_fn(40, 48, |_, _| true); good],
            most_alike: (0..good).map(|photo| (photo + 1) % shown).collect(),
            laid: vec![vec![None; shown]; good],
            changes: Augmentation::pool(turns, 0.0, 5, 0),
            contexts: Default::default(),
        }
    }

    fn source() -> Source {
        Source {
            classes: Arc::new(Classes {
                classes: vec![class(1, &[]), class(3, &[Turn::Right])],
                empty: Vec::new(),
            }),
            holes: Holes {
                scales: vec![2, 4],
                masks: MaskOptions::default(),
                factor: 8,
                multiple: 16,
                rectangle_share: 0.4,
                pass_share: 0.4,
            },
            timesteps: 1000,
            multiple: 16,
            options: UnetOptions::default(),
            seed: 5,
        }
    }

    #[test]
    fn classes_take_turns_and_no_photo_is_its_own_reference() {
        let source = source();
        let (mut turned, mut absent, mut noisiest) = (0, 0, 0);
        for index in 0..400 {
            let sample = source.sample(index);
            assert_eq!(sample.picture.class as u64, index % 2);
            assert_eq!(sample.references.len(), source.attended(index / 4));
            let target = &sample.target;
            assert_eq!((target.width, target.height), (48, 48));
            assert_eq!((sample.hidden.width, sample.hidden.height), (48, 48));
            if sample.picture.class == 1 {
                // Two others: no more than both, and both where two are wanted.
                let mut seen = sample.references.clone();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), sample.references.len());
                assert!(
                    seen.iter()
                        .all(|one| *one < 3 && *one != sample.picture.photo)
                );
                assert!(sample.present);
                turned += sample.picture.change;
            } else {
                assert!(sample.references.iter().all(|one| (1..9).contains(one)));
                absent += u32::from(!sample.present);
            }
            noisiest += u32::from(sample.timestep == 999);
        }
        assert!((70..130).contains(&turned), "{turned}");
        assert!((70..130).contains(&absent), "{absent}");
        assert!((50..110).contains(&noisiest), "{noisiest}");
        // The same number, the same sample.
        let (a, b) = (source.sample(7), source.sample(7));
        assert_eq!(
            (a.target, a.hidden, a.references),
            (b.target, b.hidden, b.references)
        );
    }

    #[test]
    fn texts_have_the_shares_of_the_method() {
        let source = source();
        let mut counts = [0.0_f64; 4];
        for step in 0..1000 {
            let kind = match source.text((step as f32 + 0.5) / 1000.0) {
                Text::Of(level) => level,
                Text::Empty => 3,
            };
            counts[kind] += 0.001;
        }
        for (share, expected) in counts.iter().zip([0.225, 0.225, 0.45, 0.1]) {
            assert!((share - expected).abs() < 2e-3, "{counts:?}");
        }
    }
}
