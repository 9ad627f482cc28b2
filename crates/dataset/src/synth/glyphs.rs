//! Lettering: letters and digits as strokes, so that prints and engravings have exact edges.

use super::canvas::Surface;
use super::math::P;
use super::scene::Scene;
use super::shape::capsule;
use crate::rng::Rng;

/// Polylines of each glyph on a grid of 5 columns and 7 rows: runs of two-digit points (column,
/// row counted downwards), separated by spaces.
const GLYPHS: [&str; 29] = [
    "10 01 05 16 36 45 41 30 10",                         // 0
    "11 20 26|16 36",                                     // 1
    "01 10 30 41 42 06 46",                               // 2
    "01 10 30 41 42 33 13|33 44 45 36 16 05",             // 3
    "36 30 04 44",                                        // 4
    "40 00 02 32 43 45 36 16 05",                         // 5
    "40 20 02 05 16 36 45 44 33 13 04",                   // 6
    "00 40 16",                                           // 7
    "10 01 02 13 33 42 41 30 10|13 04 05 16 36 45 44 33", // 8
    "42 33 13 02 01 10 30 41 44 26 06",                   // 9
    "06 20 46|14 34",                                     // A
    "00 06 36 45 44 33 03|00 30 41 42 33",                // B
    "41 30 10 01 05 16 36 45",                            // C
    "00 06 26 44 42 20 00",                               // D
    "40 00 06 46|03 33",                                  // E
    "40 00 06|03 33",                                     // F
    "41 30 10 01 05 16 36 45 43 23",                      // G
    "00 06|40 46|03 43",                                  // H
    "00 06|40 03 46",                                     // K
    "00 06 46",                                           // L
    "06 00 23 40 46",                                     // M
    "06 00 46 40",                                        // N
    "06 00 30 41 42 33 03",                               // P
    "06 00 30 41 42 33 03|23 46",                         // R
    "41 30 10 01 02 13 33 44 45 36 16 05",                // S
    "00 40|20 26",                                        // T
    "00 26 40",                                           // V
    "00 46|40 06",                                        // X
    "00 40 06 46",                                        // Z
];

/// One glyph: its segments, centred, 1 high.
type Strokes = Vec<(P, P)>;

/// A word of a print or an engraving.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    glyphs: Vec<Strokes>,
    /// Half the width of a stroke, of the letter's height.
    weight: f32,
    /// Distance from letter to letter, of the letter's height.
    advance: f32,
}

impl Text {
    /// A random word of `letters` letters and digits.
    pub(crate) fn draw(letters: usize, rng: &mut Rng) -> Self {
        let glyphs = (0..letters)
            .map(|_| strokes(rng.int(0, GLYPHS.len() - 1)))
            .collect();
        Self {
            glyphs,
            weight: rng.range(0.05, 0.1),
            advance: rng.range(0.82, 0.95),
        }
    }

    /// Another random word in the same hand.
    pub(crate) fn like(&self, letters: usize, rng: &mut Rng) -> Self {
        let glyphs = Self::draw(letters, rng).glyphs;
        Self { glyphs, ..*self }
    }

    /// Width of the word, of the letter's height.
    pub(crate) fn width(&self) -> f32 {
        self.len() as f32 * self.advance
    }

    /// Number of letters.
    pub(crate) fn len(&self) -> usize {
        self.glyphs.len()
    }

    /// Stamps the word, `height` high, centred at `centre`; the letters are the movable parts
    /// `first..first + len`. `paint` gets the point and distance in units of the product.
    pub(crate) fn stamp(
        &self,
        scene: &mut Scene,
        first: usize,
        centre: P,
        height: f32,
        paint: impl Fn(P, f32, &Surface) -> Surface,
    ) {
        let middle = 0.5 * (self.len() as f32 - 1.0);
        for (number, strokes) in self.glyphs.iter().enumerate() {
            let x = centre[0] + (number as f32 - middle) * self.advance * height;
            let Some(frame) = scene.part(first + number, [x, centre[1]], 0.0) else {
                continue;
            };
            let distance = |p: P| {
                let q = [p[0] / height, p[1] / height];
                strokes
                    .iter()
                    .map(|&(a, b)| capsule(q, a, b, self.weight))
                    .fold(f32::MAX, f32::min)
                    * height
            };
            scene.canvas.stamp(&frame, 0.75 * height, distance, &paint);
        }
    }
}

fn strokes(glyph: usize) -> Strokes {
    let mut found = Vec::new();
    for line in GLYPHS[glyph].split('|') {
        let points: Vec<P> = line.split(' ').filter_map(point).collect();
        found.extend(points.windows(2).map(|pair| (pair[0], pair[1])));
    }
    found
}

/// `"46"` is the lower right corner; the grid is centred and 1 high.
fn point(digits: &str) -> Option<P> {
    let mut values = digits.chars().filter_map(|c| c.to_digit(10));
    let (column, row) = (values.next()? as f32, values.next()? as f32);
    Some([(column - 2.0) / 6.0, (row - 3.0) / 6.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glyph_has_strokes_inside_its_box() {
        for glyph in 0..GLYPHS.len() {
            let strokes = strokes(glyph);
            assert!(strokes.len() >= 2, "glyph {glyph}");
            for (a, b) in strokes {
                for p in [a, b] {
                    assert!(p[0].abs() <= 0.34 && p[1].abs() <= 0.51);
                }
            }
        }
    }
}
