//! How the photos of a class lie: always the same way, or any way round (METHOD §§ 3, 5.2).

use anomalysd_imaging::Photo;
use serde::{Deserialize, Serialize};

use super::{Bank, Descriptors};
use crate::options::{Choice, FeatureOptions};

/// A quarter turn or a flip of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// 90° clockwise.
    Right,
    /// 180°.
    Around,
    /// 90° counter-clockwise.
    Left,
    /// Left and right swapped.
    Mirror,
    /// Top and bottom swapped.
    UpsideDown,
}

impl Turn {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Right,
        Self::Around,
        Self::Left,
        Self::Mirror,
        Self::UpsideDown,
    ];

    /// The turned photo; a quarter turn swaps width and height. No pixel is resampled.
    pub fn apply(self, photo: &Photo) -> Photo {
        let (last_x, last_y) = (photo.width - 1, photo.height - 1);
        let (width, height) = match self {
            Self::Right | Self::Left => (photo.height, photo.width),
            _ => (photo.width, photo.height),
        };
        Photo::from_fn(width, height, |x, y| match self {
            Self::Right => photo.pixel(y, last_y - x),
            Self::Around => photo.pixel(last_x - x, last_y - y),
            Self::Left => photo.pixel(last_x - y, x),
            Self::Mirror => photo.pixel(last_x - x, y),
            Self::UpsideDown => photo.pixel(x, last_y - y),
        })
    }
}

/// How the photos of a class lie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// A place is like the same place of the other photos: it is compared with its neighbourhood.
    pub aligned: bool,
    /// Turns of a good photo that are still good; the bank holds them.
    pub turns: Vec<Turn>,
}

impl Pose {
    /// Measures two and more photos against each other: each against the others as they are.
    ///
    /// Aligned where the search among neighbours costs at most `aligned_ratio` of the free one. A
    /// turn is allowed where the turned photo costs at most `turns_ratio` of the unturned one.
    /// `turned`: each photo's descriptors under every turn that may be allowed.
    pub fn measure(
        good: &[&Descriptors],
        turned: &[Vec<(Turn, Descriptors)>],
        options: &FeatureOptions,
    ) -> Self {
        let (mut free, mut near) = (Mean::default(), Mean::default());
        let mut views: Vec<(Turn, Mean)> = Turn::ALL.map(|turn| (turn, Mean::default())).into();
        for (index, photo) in good.iter().enumerate() {
            // One bank at a time: together they hold every photo as often as there are photos.
            let others = good.iter().enumerate().filter(|(other, _)| *other != index);
            let bank = Bank::new(&others.map(|(_, other)| *other).collect::<Vec<_>>());
            if [options.aligned, options.turns].contains(&Choice::Auto) {
                free.add(&bank.nearest(photo));
            }
            if options.aligned == Choice::Auto {
                near.add(&bank.nearest_around(photo, options.aligned_radius));
            }
            for (turn, view) in turned.get(index).into_iter().flatten() {
                if options.turns == Choice::Auto
                    && let Some((_, mean)) = views.iter_mut().find(|(other, _)| other == turn)
                {
                    mean.add(&bank.nearest(view));
                }
            }
        }
        let said = |choice, cost: &Mean, ratio| match choice {
            Choice::Auto => cost.get() <= ratio * free.get(),
            Choice::Yes => true,
            Choice::No => false,
        };
        let allowed = |(turn, cost): (Turn, Mean)| {
            said(options.turns, &cost, options.turns_ratio).then_some(turn)
        };
        Self {
            aligned: said(options.aligned, &near, options.aligned_ratio),
            turns: views.into_iter().filter_map(allowed).collect(),
        }
    }

    /// What is said of a single photo, which has no other to be measured against: turned where it
    /// is a texture, aligned by choice alone.
    pub fn of_one(texture: bool, options: &FeatureOptions) -> Self {
        let turns = match options.turns {
            Choice::Auto => texture,
            Choice::Yes => true,
            Choice::No => false,
        };
        Self {
            aligned: options.aligned == Choice::Yes,
            turns: if turns {
                Turn::ALL.to_vec()
            } else {
                Vec::new()
            },
        }
    }
}

/// A mean over all locations of some photos; infinite where there is none.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, distances: &[f32]) {
        self.sum += distances.iter().map(|value| f64::from(*value)).sum::<f64>();
        self.count += distances.len();
    }

    fn get(&self) -> f32 {
        if self.count == 0 {
            f32::INFINITY
        } else {
            (self.sum / self.count as f64) as f32
        }
    }
}
