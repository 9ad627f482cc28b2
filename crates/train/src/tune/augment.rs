//! Changes of a good photo that leave it good: a small shift, another scale and brightness, and the
//! turns that its class allows.

use anomalysd_detect::prototypes::Turn;
use anomalysd_imaging::{Mask, Photo, reflect, resize_lanczos};
use rand_chacha::rand_core::RngCore;

use crate::photos::{below, between, sample_rng};

/// One change, drawn once and applied alike to a photo and to its foreground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Applied first.
    pub turn: Option<Turn>,
    /// About the centre.
    pub scale: f32,
    /// To the right and downwards, as parts of the photo's sides.
    pub shift: [f32; 2],
    /// What every value is multiplied with.
    pub gain: f32,
}

/// Changes of a class's photos, where they are drawn.
const POOL: u64 = 32;

impl Augmentation {
    /// No change.
    const NONE: Self = Self {
        turn: None,
        scale: 1.0,
        shift: [0.0; 2],
        gain: 1.0,
    };

    /// Draws a change of at most `most` in every respect; each of `turns` and none are as likely.
    pub fn draw(turns: &[Turn], most: f32, rng: &mut impl RngCore) -> Self {
        let chosen = below(rng, turns.len() + 1);
        Self {
            turn: turns.get(chosen).copied(),
            scale: between(rng, 1.0 - most, 1.0 + most),
            shift: [between(rng, -most, most), between(rng, -most, most)],
            gain: between(rng, 1.0 - most, 1.0 + most),
        }
    }

    /// Whether augmentation of at most `most` leaves finitely many pictures of a photo: its turns alone.
    pub(super) fn only_turns(most: f32) -> bool {
        most == 0.0
    }

    /// The changes that the photos of a class are seen with: none and its turns, or so many draws of
    /// [`draw`](Self::draw) that repetition does not show, and few enough for their latents to be kept.
    pub(super) fn pool(turns: &[Turn], most: f32, seed: u64, class: usize) -> Vec<Self> {
        if Self::only_turns(most) {
            let turned = std::iter::once(None).chain(turns.iter().copied().map(Some));
            return turned.map(|turn| Self { turn, ..Self::NONE }).collect();
        }
        let drawn = |change: u64| {
            let mut rng = sample_rng(seed, "tune changes", class as u64 * POOL + change);
            Self::draw(turns, most, &mut rng)
        };
        (0..POOL).map(drawn).collect()
    }

    /// The changed photo; what comes in from beyond its border is its mirror image.
    pub fn photo(&self, photo: &Photo) -> Photo {
        let turned = self.turn.map(|turn| turn.apply(photo));
        let photo = turned.as_ref().unwrap_or(photo);
        let place = Place::new(self, photo.width, photo.height);
        let resized = if place.size == [photo.width, photo.height] {
            photo.clone()
        } else {
            resize_lanczos(photo, place.size[0], place.size[1])
        };
        let mut changed = Photo::from_fn(photo.width, photo.height, |x, y| {
            let [x, y] = place.of(x, y);
            resized.pixel(x, y)
        });
        changed
            .data
            .iter_mut()
            .for_each(|value| *value = (*value * self.gain).clamp(0.0, 1.0));
        changed
    }

    /// The same change of a mask of the photo's size.
    pub fn mask(&self, mask: &Mask) -> Mask {
        let turned = self.turn.map(|turn| {
            let shown = Photo::from_fn(mask.width, mask.height, |x, y| {
                [f32::from(u8::from(mask.at(x, y))); 3]
            });
            let turned = turn.apply(&shown);
            Mask::from_fn(turned.width, turned.height, |x, y| {
                turned.pixel(x, y)[0] > 0.5
            })
        });
        let mask = turned.as_ref().unwrap_or(mask);
        let place = Place::new(self, mask.width, mask.height);
        Mask::from_fn(mask.width, mask.height, |x, y| {
            let [x, y] = place.of(x, y);
            mask.at(
                x * mask.width / place.size[0],
                y * mask.height / place.size[1],
            )
        })
    }
}

/// Where a pixel of the changed picture comes from in the resized one.
struct Place {
    size: [usize; 2],
    offset: [isize; 2],
}

impl Place {
    fn new(change: &Augmentation, width: usize, height: usize) -> Self {
        let sides = [width, height];
        let size = sides.map(|side| ((side as f32 * change.scale).round() as usize).max(1));
        let offset = std::array::from_fn(|axis| {
            let moved = (change.shift[axis] * sides[axis] as f32).round() as isize;
            (size[axis] as isize - sides[axis] as isize) / 2 - moved
        });
        Self { size, offset }
    }

    fn of(&self, x: usize, y: usize) -> [usize; 2] {
        [
            reflect(x as isize + self.offset[0], self.size[0]),
            reflect(y as isize + self.offset[1], self.size[1]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> (Photo, Mask) {
        let inside = |x: usize, y: usize| (10..30).contains(&x) && (20..50).contains(&y);
        let photo = Photo::from_fn(48, 64, |x, y| [if inside(x, y) { 0.9 } else { 0.1 }; 3]);
        (photo, Mask::from_fn(48, 64, inside))
    }

    #[test]
    fn a_foreground_moves_with_its_photo() {
        let (photo, mask) = part();
        let mut changed = 0;
        for index in 0..40 {
            let mut rng = sample_rng(3, "augment", index);
            let drawn = Augmentation::draw(&Turn::ALL, 0.05, &mut rng);
            let (view, moved) = (drawn.photo(&photo), drawn.mask(&mask));
            assert_eq!((view.width, view.height), (moved.width, moved.height));
            let quarter = matches!(drawn.turn, Some(Turn::Right | Turn::Left));
            assert_eq!(view.width, if quarter { 64 } else { 48 });
            // All but the pixels along the edge, which a resize mixes.
            let wrong = (0..moved.data.len())
                .filter(|at| (view.data[*at] > 0.5) != moved.data[*at])
                .count();
            assert!(wrong < 110, "{index}: {wrong} {drawn:?}");
            changed += usize::from(view != photo);
        }
        assert_eq!(changed, 40);
    }

    #[test]
    fn a_pool_is_the_turns_alone_or_many_changes_of_its_class() {
        let turns = [Turn::Around, Turn::Mirror];
        let plain = Augmentation::pool(&turns, 0.0, 1, 0);
        let expected = [None, Some(Turn::Around), Some(Turn::Mirror)];
        assert_eq!(plain.len(), 3);
        for (change, turn) in plain.iter().zip(expected) {
            assert_eq!(
                *change,
                Augmentation {
                    turn,
                    ..Augmentation::NONE
                }
            );
        }
        let drawn = Augmentation::pool(&turns, 0.05, 1, 0);
        assert_eq!(drawn.len(), 32);
        assert!(drawn.windows(2).all(|two| two[0] != two[1]));
        assert_eq!(drawn, Augmentation::pool(&turns, 0.05, 1, 0));
        assert_ne!(drawn, Augmentation::pool(&turns, 0.05, 1, 1));
    }

    #[test]
    fn no_change_is_no_change_and_shifts_move_to_the_right_and_down() {
        let (photo, mask) = part();
        let none = Augmentation::NONE;
        assert_eq!(none.photo(&photo), photo);
        assert_eq!(none.mask(&mask), mask);
        let shifted = Augmentation {
            shift: [2.0 / 48.0, 3.0 / 64.0],
            ..none
        };
        let view = shifted.photo(&photo);
        assert_eq!(view.pixel(12, 23), photo.pixel(10, 20));
        assert_eq!(view.pixel(11, 23), photo.pixel(9, 20));
        assert!(shifted.mask(&mask).at(31, 52) && !shifted.mask(&mask).at(32, 52));
    }
}
