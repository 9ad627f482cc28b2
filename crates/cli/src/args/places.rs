//! `--ignore`: places of the photos that do not count.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anomalysd_detect::ignore::Place;
use anomalysd_imaging::{DecodeLimits, decode_mask};
use clap::Args;

use crate::error::{CliError, Outcome};

/// Places to leave out.
#[derive(Debug, Clone, Args)]
pub struct IgnoreArgs {
    /// Places that do not count: a mask (white) as large as the photos are in proportion, or a rectangle in per
    /// cent of the photo; may be repeated. `fit` keeps them in the profile
    #[arg(long, value_name = "MASK|X,Y,W,H")]
    pub ignore: Vec<IgnoreChoice>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub enum IgnoreChoice {
    /// The white pixels of a picture.
    Mask(PathBuf),
    /// A rectangle.
    Place(Place),
}

impl IgnoreArgs {
    /// The rectangles of all of them.
    pub fn places(&self) -> Outcome<Vec<Place>> {
        let mut places = Vec::new();
        for choice in &self.ignore {
            match choice {
                IgnoreChoice::Place(place) => places.push(*place),
                IgnoreChoice::Mask(path) => {
                    let bytes = std::fs::read(path).map_err(|error| CliError::at(path, error))?;
                    let mask = decode_mask(&bytes, &DecodeLimits::default())
                        .map_err(|error| CliError::at(path, error))?;
                    let found = Place::of_mask(&mask).map_err(|error| CliError::at(path, error))?;
                    if found.is_empty() {
                        return Err(CliError::at(path, "no white pixel: nothing is ignored"));
                    }
                    places.extend(found);
                }
            }
        }
        Ok(places)
    }
}

impl FromStr for IgnoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<f32>> = text
            .split(',')
            .map(|part| part.trim().trim_end_matches('%').trim().parse().ok())
            .collect();
        match numbers.as_deref() {
            Some(&[x, y, width, height]) if !Path::new(text).exists() => {
                let share = |percent: f32| percent / 100.0;
                let place = Place {
                    x: share(x),
                    y: share(y),
                    width: share(width),
                    height: share(height),
                };
                if place.is_valid() {
                    Ok(Self::Place(place))
                } else {
                    Err("a rectangle is X,Y,W,H in per cent and lies in the photo".into())
                }
            }
            _ => Ok(Self::Mask(PathBuf::from(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_numbers_are_a_rectangle_and_all_else_a_file() {
        let place = |x, y, width, height| {
            IgnoreChoice::Place(Place {
                x,
                y,
                width,
                height,
            })
        };
        assert_eq!("75%, 0%, 25%, 50%".parse(), Ok(place(0.75, 0.0, 0.25, 0.5)));
        assert_eq!("75,0,25,50".parse(), Ok(place(0.75, 0.0, 0.25, 0.5)));
        let mask = IgnoreChoice::Mask("label.png".into());
        assert_eq!("label.png".parse(), Ok(mask));
        for wrong in ["75,0,50,10", "0,0,0,10", "-1,0,5,5", "nan,0,5,5"] {
            assert!(wrong.parse::<IgnoreChoice>().is_err(), "{wrong}");
        }
    }
}
