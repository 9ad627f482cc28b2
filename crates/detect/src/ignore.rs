//! Places that do not count, and defects too small to count.
//!
//! An ignored place (a serial number, a gauge in the picture, the edge of the fixture) is painted over with what
//! is around it before anything looks at the photo, in fitting and in judging alike; so it reaches neither
//! prototypes nor references nor the features beside it. In the map it is 0.

use anomalysd_imaging::{Map, Mask, Photo, components, fill};
use serde::{Deserialize, Serialize};

use crate::options::{OptionsError, error};

/// Ignored rectangles that a class may have.
pub(crate) const MOST_PLACES: usize = 4096;

/// A rectangle in shares of the photo: of its width from the left, of its height from the top.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Left edge, 0..1.
    pub x: f32,
    /// Top edge, 0..1.
    pub y: f32,
    /// Width, above 0; the right edge is at most 1.
    pub width: f32,
    /// Height, above 0; the lower edge is at most 1.
    pub height: f32,
}

impl Place {
    /// Whether it lies in the photo and has an area.
    pub fn is_valid(&self) -> bool {
        let inside =
            |from: f32, length: f32| from >= 0.0 && length > 0.0 && from + length <= 1.0001;
        inside(self.x, self.width) && inside(self.y, self.height)
    }

    /// Refuses places that are not in the photo, and more of them than a profile holds.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(places: &[Self]) -> Result<(), OptionsError> {
        if places.len() > MOST_PLACES {
            return Err(error(
                "ignore",
                format!("{} rectangles", places.len()),
                "at most 4,096 rectangles",
            ));
        }
        match places.iter().find(|place| !place.is_valid()) {
            None => Ok(()),
            Some(place) => Err(error(
                "ignore",
                format!("{place:?}"),
                "a rectangle that lies in the photo, in shares of its sides",
            )),
        }
    }

    /// The places that a mask hides, as few rectangles as rows of equal runs make.
    ///
    /// # Errors
    /// More than 4,096 rectangles: a mask of noise.
    pub fn of_mask(mask: &Mask) -> Result<Vec<Self>, OptionsError> {
        let (width, height) = (mask.width, mask.height);
        // Left, right, top and bottom; those at the front of `open` end at the current row.
        let mut done: Vec<[usize; 4]> = Vec::new();
        let mut open: Vec<[usize; 4]> = Vec::new();
        for y in 0..=height {
            let runs = if y < height {
                runs(mask, y)
            } else {
                Vec::new()
            };
            let (going_on, ended): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|[left, right, ..]| runs.contains(&(*left, *right)));
            done.extend(ended);
            open = runs
                .iter()
                .map(|&(left, right)| {
                    let same = |place: &&[usize; 4]| place[..2] == [left, right];
                    let top = going_on.iter().find(same).map_or(y, |place| place[2]);
                    [left, right, top, y + 1]
                })
                .collect();
            if done.len() + open.len() > MOST_PLACES {
                return Err(error(
                    "ignore",
                    format!("a mask of more than {MOST_PLACES} rectangles"),
                    "a mask of few connected places",
                ));
            }
        }
        let share = |place: [usize; 4]| {
            let [left, right, top, bottom] = place;
            Self {
                x: left as f32 / width as f32,
                y: top as f32 / height as f32,
                width: (right - left) as f32 / width as f32,
                height: (bottom - top) as f32 / height as f32,
            }
        };
        Ok(done.into_iter().map(share).collect())
    }
}

/// Runs of set pixels of a row, from left to right: first pixel and the one after the last.
fn runs(mask: &Mask, y: usize) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut start = None;
    for x in 0..=mask.width {
        let set = x < mask.width && mask.at(x, y);
        match (set, start) {
            (true, None) => start = Some(x),
            (false, Some(from)) => {
                runs.push((from, x));
                start = None;
            }
            _ => {}
        }
    }
    runs
}

/// The pixels of a photo that any of the places touches.
pub fn ignored(places: &[Place], width: usize, height: usize) -> Mask {
    let mut mask = Mask::new(width, height);
    for place in places {
        let edge = |share: f32, length: usize| share * length as f32;
        // A pixel that is touched by less than a thousandth of its side is not meant.
        let first = |at: f32| (at + 1e-3).max(0.0) as usize;
        let last = |at: f32, length: usize| ((at - 1e-3).max(0.0).ceil() as usize).min(length);
        let (left, right) = (edge(place.x, width), edge(place.x + place.width, width));
        let (top, bottom) = (edge(place.y, height), edge(place.y + place.height, height));
        for y in first(top)..last(bottom, height) {
            for x in first(left)..last(right, width) {
                mask.data[y * width + x] = true;
            }
        }
    }
    mask
}

/// A part of a mask.
pub(crate) fn cut_mask(mask: &Mask, x: usize, y: usize, width: usize, height: usize) -> Mask {
    Mask::from_fn(width, height, |column, row| mask.at(x + column, y + row))
}

/// The photo with its ignored places painted over.
pub(crate) fn painted_over(photo: &Photo, mask: &Mask) -> Photo {
    if mask.count() == 0 {
        return photo.clone();
    }
    fill(photo, mask)
}

/// A photo with another's pixels in a mask.
pub(crate) fn restored(painted: &Photo, original: &Photo, mask: &Mask) -> Photo {
    let mut photo = painted.clone();
    let area = photo.width * photo.height;
    for (index, value) in photo.data.iter_mut().enumerate() {
        if mask.data[index % area] {
            *value = original.data[index];
        }
    }
    photo
}

/// The smallest defect that counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum MinArea {
    /// Pixels of the photo as it was given.
    Pixels(f32),
    /// Share of the photo, 0..1.
    Share(f32),
}

impl MinArea {
    /// As a share of a photo of so many pixels.
    pub fn share(self, pixels: usize) -> f32 {
        match self {
            Self::Pixels(area) => area / pixels.max(1) as f32,
            Self::Share(share) => share,
        }
    }
}

impl std::str::FromStr for MinArea {
    type Err = OptionsError;

    /// `25` (pixels) or `0.1%`.
    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let refused = || {
            error(
                "min_area",
                text.to_owned(),
                "a number of pixels (25) or per cent of the photo (0.1%, at most 100%)",
            )
        };
        let number = |text: &str| text.trim().parse::<f32>().map_err(|_| refused());
        let area = match text.trim().strip_suffix('%') {
            Some(percent) => Self::Share(number(percent)? / 100.0),
            None => Self::Pixels(number(text)?),
        };
        let right = match area {
            Self::Pixels(pixels) => (0.0..=1e9).contains(&pixels),
            Self::Share(share) => (0.0..=1.0).contains(&share),
        };
        if right { Ok(area) } else { Err(refused()) }
    }
}

/// The map with every place above `level` that has fewer than `smallest` pixels cut down to it.
pub fn without_small(map: &Map, level: f32, smallest: usize) -> Map {
    let above = Mask::from_fn(map.width, map.height, |x, y| map.at(x, y) > level);
    let mut cut = map.clone();
    for place in components(&above) {
        if place.area < smallest {
            for pixel in place.pixels {
                cut.data[pixel] = level;
            }
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_becomes_rectangles_that_cover_exactly_it() {
        let masks = [
            Mask::from_fn(20, 12, |x, y| (3..9).contains(&x) && (2..7).contains(&y)),
            Mask::from_fn(20, 12, |x, y| {
                (x as i32 - 9).pow(2) + (y as i32 - 5).pow(2) < 20
            }),
            Mask::from_fn(20, 12, |x, y| x < 2 || (y == 11 && x % 3 == 0)),
            Mask::from_fn(7, 5, |_, _| true),
        ];
        for mask in &masks {
            let places = Place::of_mask(mask).unwrap();
            assert!(places.iter().all(Place::is_valid), "{places:?}");
            assert_eq!(ignored(&places, mask.width, mask.height), *mask);
        }
        assert_eq!(Place::of_mask(&masks[0]).unwrap().len(), 1);
        assert_eq!(Place::of_mask(&masks[3]).unwrap().len(), 1);
        let noise = Mask::from_fn(200, 200, |x, y| (x + y) % 2 == 0);
        assert!(Place::of_mask(&noise).is_err());
    }

    #[test]
    fn places_scale_with_the_photo() {
        let place = Place {
            x: 0.25,
            y: 0.5,
            width: 0.5,
            height: 0.25,
        };
        for (width, height) in [(64, 64), (100, 40), (384, 256)] {
            let mask = ignored(&[place], width, height);
            assert_eq!(mask.count(), width / 2 * height / 4);
        }
    }

    #[test]
    fn small_places_are_cut_down_and_large_ones_stay() {
        let map = Map::from_fn(16, 16, |x, y| match (x, y) {
            (2, 2) => 5.0,
            (8..12, 8..12) => 3.0,
            _ => 0.5,
        });
        let cut = without_small(&map, 1.0, 4);
        assert_eq!(cut.at(2, 2), 1.0);
        assert_eq!(cut.at(9, 9), 3.0);
        assert_eq!(cut.at(0, 0), 0.5);
        assert_eq!(without_small(&map, 1.0, 1), map);
    }

    #[test]
    fn areas_are_pixels_or_per_cent() {
        assert_eq!("25".parse(), Ok(MinArea::Pixels(25.0)));
        assert_eq!("0.5 %".parse(), Ok(MinArea::Share(0.005)));
        assert_eq!(MinArea::Pixels(25.0).share(10_000), 0.0025);
        for wrong in ["", "-1", "many", "101%", "nan", "%"] {
            assert!(wrong.parse::<MinArea>().is_err(), "{wrong}");
        }
    }
}
