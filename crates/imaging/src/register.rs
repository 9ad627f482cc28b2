//! How a photo of the same thing lies over another: turned, scaled and shifted a little.
//!
//! Direct registration from coarse to fine: the mean colour distance of both photos falls with each step of one
//! of the four numbers, and steps that lead nowhere are halved. No sine, no cosine and no order of threads in
//! it, so that every platform finds the same numbers for the same pixels.

use crate::pad::reflect;
use crate::{Mask, Photo};

/// First steps: of scale and turn, and of the shift in halves of the longer side.
const STEPS: [f32; 4] = [0.03, 0.06, 0.06, 0.06];
/// Steps of a finer level, against those of the next coarser one.
const FINER: f32 = 0.4;
/// Turns that the coarsest level starts from, besides none: s·cos φ − 1 and s·sin φ of every 30°.
const TURNS: [[f32; 2]; 11] = [
    [COS_30 - 1.0, 0.5],
    [-0.5, COS_30],
    [-1.0, 1.0],
    [-1.5, COS_30],
    [-1.0 - COS_30, 0.5],
    [-2.0, 0.0],
    [-1.0 - COS_30, -0.5],
    [-1.5, -COS_30],
    [-1.0, -1.0],
    [-0.5, -COS_30],
    [COS_30 - 1.0, -0.5],
];
const COS_30: f32 = 0.866_025_4;
/// Rounds over the four numbers at each level.
const ROUNDS: usize = 8;
/// The longer side of the coarsest level is at most this, in pixels.
const COARSEST: usize = 40;
/// The longer side of the finest level is at most this.
const FINEST: usize = 160;
/// A photo lies better where the colour distance, of either photo from the other, is at most this share of what it
/// was; else it stays as it is.
const BETTER: f32 = 0.7;

/// A part is seen at most so much larger in one photo than in the other.
const LARGER: f32 = 1.25;
/// And the photo's centre lies at most so far away, along either side, in halves of the longer side.
const FARTHER: f32 = 0.5;

/// Where a pixel of one photo lies in another: turned and scaled about the centre, then shifted.
///
/// With (u, v) the place from the centre in halves of the longer side,
/// `u' = (1 + scale)·u − turn·v + shift_x` and `v' = turn·u + (1 + scale)·v + shift_y`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Similarity {
    /// s·cos φ − 1.
    pub scale: f32,
    /// s·sin φ.
    pub turn: f32,
    /// In halves of the longer side.
    pub shift_x: f32,
    /// In halves of the longer side.
    pub shift_y: f32,
}

impl Similarity {
    fn of([scale, turn, shift_x, shift_y]: [f32; 4]) -> Self {
        Self {
            scale,
            turn,
            shift_x,
            shift_y,
        }
    }

    /// Whether photos of one part may lie so: a search among all ways would look for a way not to see a part that is
    /// missing in one of them.
    fn plausible(&self) -> bool {
        let larger = self.square();
        let farther = self.shift_x.abs().max(self.shift_y.abs());
        (1.0 / (LARGER * LARGER)..=LARGER * LARGER).contains(&larger) && farther <= FARTHER
    }

    /// s².
    fn square(&self) -> f32 {
        (1.0 + self.scale) * (1.0 + self.scale) + self.turn * self.turn
    }

    /// The way back: where a pixel of the other photo lies in the first.
    fn inverse(&self) -> Self {
        let square = self.square();
        let (along, across) = ((1.0 + self.scale) / square, -self.turn / square);
        Self {
            scale: along - 1.0,
            turn: across,
            shift_x: across * self.shift_y - along * self.shift_x,
            shift_y: -across * self.shift_x - along * self.shift_y,
        }
    }

    /// The place in the other photo, in pixels, of the middle of pixel (0, 0), and its change from column to column;
    /// from row to row it is the same turned by a quarter.
    fn walk(&self, width: usize, height: usize) -> ([f32; 2], [f32; 2]) {
        let half = width.max(height) as f32 / 2.0;
        let [centre_x, centre_y] = [width as f32 / 2.0 - 0.5, height as f32 / 2.0 - 0.5];
        let step = [1.0 + self.scale, self.turn];
        let first = [
            centre_x + self.shift_x * half - step[0] * centre_x + step[1] * centre_y,
            centre_y + self.shift_y * half - step[1] * centre_x - step[0] * centre_y,
        ];
        (first, step)
    }

    /// `photo` laid over another of its size: each pixel is what lies there, by cubic interpolation (Catmull-Rom),
    /// mirrored at the borders.
    pub fn lay(&self, photo: &Photo) -> Photo {
        let (width, height) = (photo.width, photo.height);
        let (first, step) = self.walk(width, height);
        Photo::from_fn(width, height, |x, y| {
            let (column, row) = (x as f32, y as f32);
            let left = taps(first[0] + step[0] * column - step[1] * row, width);
            let top = taps(first[1] + step[1] * column + step[0] * row, height);
            let mut pixel = [0.0f32; 3];
            for (y, across) in top {
                for (x, along) in left {
                    let seen = photo.pixel(x, y);
                    for (sum, value) in pixel.iter_mut().zip(seen) {
                        *sum += across * along * value;
                    }
                }
            }
            pixel.map(|value| value.clamp(0.0, 1.0))
        })
    }
}

/// Four pixels around a place, and their weights.
fn taps(at: f32, size: usize) -> [(usize, f32); 4] {
    let floor = at.floor();
    let t = at - floor;
    let weights = [
        ((2.0 - t) * t - 1.0) * t / 2.0,
        ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
        ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
        (t - 1.0) * t * t / 2.0,
    ];
    let pixel = |tap: usize| reflect(floor as isize + tap as isize - 1, size);
    [0, 1, 2, 3].map(|tap| (pixel(tap), weights[tap]))
}

/// A place beyond the first or the last pixel, mirrored as [`taps`] does; in the farthest one where it is farther out.
fn mirrored(at: f32, last: f32) -> f32 {
    let at = at.abs();
    (if at > last { 2.0 * last - at } else { at }).clamp(0.0, last)
}

/// A photo that others are laid over.
#[derive(Debug)]
pub struct Target {
    /// From coarse to fine.
    levels: Vec<Level>,
}

impl Target {
    /// `visible`: the pixels that count.
    ///
    /// # Panics
    /// A mask of another size than the photo's.
    pub fn new(photo: &Photo, visible: &Mask) -> Self {
        let weights = visible.data.iter().map(|&set| f32::from(u8::from(set)));
        Self {
            levels: pyramid(photo, weights.collect()),
        }
    }

    /// How `other`, of the same size, lies over this photo; `None` where it lies no better in any other way than as
    /// it is.
    pub fn register(&self, other: &Photo) -> Option<Similarity> {
        let others = pyramid(other, vec![1.0; other.width * other.height]);
        let pairs: Vec<(&Level, &Level)> = self.levels.iter().zip(&others).collect();
        let (finest, finest_other) = pairs.last()?;
        let (coarsest, coarsest_other) = pairs.first()?;
        let turned = TURNS.map(|[scale, turn]| [scale, turn, 0.0, 0.0]);
        let starts = std::iter::once([0.0f32; 4]).chain(turned);
        let found = starts.map(|start| climb(coarsest, coarsest_other, start, STEPS));
        let (_, mut numbers) = found.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let mut steps = STEPS;
        for (level, other) in &pairs[1..] {
            steps = steps.map(|step| step * FINER);
            (_, numbers) = climb(level, other, numbers, steps);
        }
        let found = Similarity::of(numbers);
        // Each must explain the other: a part that is missing in this photo could be moved out of it.
        let better = |one: &Level, other: &Level, how: &Similarity| {
            one.distance(other, how) <= BETTER * one.distance(other, &Similarity::default())
        };
        let accepted = numbers != [0.0; 4]
            && better(finest, finest_other, &found)
            && better(finest_other, finest, &found.inverse());
        accepted.then_some(found)
    }
}

/// Steps of one number after the other, as long as the distance falls: what it comes to, and the numbers.
fn climb(
    level: &Level,
    other: &Level,
    mut numbers: [f32; 4],
    mut steps: [f32; 4],
) -> (f32, [f32; 4]) {
    let mut least = level.distance(other, &Similarity::of(numbers));
    for _ in 0..ROUNDS {
        let mut better = false;
        for index in 0..4 {
            for step in [steps[index], -steps[index]] {
                let mut tried = numbers;
                tried[index] += step;
                let tried_as = Similarity::of(tried);
                if !tried_as.plausible() {
                    continue;
                }
                let distance = level.distance(other, &tried_as);
                if distance < least {
                    (least, numbers, better) = (distance, tried, true);
                    break;
                }
            }
        }
        if !better {
            steps = steps.map(|step| step / 2.0);
        }
    }
    (least, numbers)
}

/// A photo at one size.
#[derive(Debug, Clone)]
struct Level {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
    /// 1 where a pixel counts.
    weights: Vec<f32>,
}

impl Level {
    /// Half the size: means of four pixels, of those that count where some do; only where all do it counts itself.
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        let mut weights = Vec::with_capacity(width * height);
        for at in 0..width * height {
            let from = 2 * (at / width) * self.width + 2 * (at % width);
            let four = [from, from + 1, from + self.width, from + self.width + 1];
            let sum: f32 = four.iter().map(|&one| self.weights[one]).sum();
            let mean = |channel: usize| -> f32 {
                let seen = four.map(|one| self.pixels[one][channel] * self.weights[one]);
                seen.iter().sum::<f32>() / sum.max(1.0)
            };
            pixels.push([mean(0), mean(1), mean(2)]);
            weights.push(f32::from(u8::from(sum == 4.0)));
        }
        Self {
            width,
            height,
            pixels,
            weights,
        }
    }

    /// Mean colour distance over the pixels that count, of this photo and of the other one, which is mirrored at its
    /// borders as [`Similarity::lay`] mirrors. A distance, not its square, so that a defect has no more say than its
    /// area.
    fn distance(&self, other: &Level, how: &Similarity) -> f32 {
        let (first, step) = how.walk(self.width, self.height);
        let most = [(other.width - 1) as f32, (other.height - 1) as f32];
        let (mut sum, mut count) = (0.0f64, 0.0f64);
        for y in 0..self.height {
            let row = [first[0] - step[1] * y as f32, first[1] + step[0] * y as f32];
            let mut line = 0.0f32;
            for x in 0..self.width {
                let at = y * self.width + x;
                if self.weights[at] == 0.0 {
                    continue;
                }
                let from_x = mirrored(row[0] + step[0] * x as f32, most[0]);
                let from_y = mirrored(row[1] + step[1] * x as f32, most[1]);
                let (left, top) = (from_x as usize, from_y as usize);
                let (along, down) = (from_x - left as f32, from_y - top as f32);
                let corner = top * other.width + left;
                let right = usize::from(left + 1 < other.width);
                let below = if top + 1 < other.height {
                    other.width
                } else {
                    0
                };
                let four = [
                    corner,
                    corner + right,
                    corner + below,
                    corner + below + right,
                ];
                if four.iter().any(|&one| other.weights[one] == 0.0) {
                    continue;
                }
                let [a, b, c, d] = four.map(|one| other.pixels[one]);
                let mut square = 0.0f32;
                for channel in 0..3 {
                    let upper = a[channel] + along * (b[channel] - a[channel]);
                    let lower = c[channel] + along * (d[channel] - c[channel]);
                    let seen = upper + down * (lower - upper);
                    let difference = self.pixels[at][channel] - seen;
                    square += difference * difference;
                }
                line += square.sqrt();
                count += 1.0;
            }
            sum += f64::from(line);
        }
        (sum / count.max(1.0)) as f32
    }
}

/// The sizes that a photo is registered at, from coarse to fine; none of a photo without pixels.
fn pyramid(photo: &Photo, weights: Vec<f32>) -> Vec<Level> {
    let area = photo.width * photo.height;
    if area == 0 {
        return Vec::new();
    }
    let pixel = |at: usize| [0, 1, 2].map(|channel| photo.data[channel * area + at]);
    let mut level = Level {
        width: photo.width,
        height: photo.height,
        pixels: (0..area).map(pixel).collect(),
        weights,
    };
    let mut levels = Vec::new();
    loop {
        let (longer, shorter) = (level.width.max(level.height), level.width.min(level.height));
        let last = longer <= COARSEST || shorter < 4;
        let next = (!last).then(|| level.halved());
        if longer <= FINEST || last {
            levels.push(level);
        }
        match next {
            Some(next) => level = next,
            None => break,
        }
    }
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A part with marks on it, on a plain ground, drawn at any place: (x, y) in pixels of a photo of 128.
    fn drawn(x: f32, y: f32) -> [f32; 3] {
        let within = |left: f32, top: f32, right: f32, bottom: f32| {
            let edge = |value: f32| (value + 0.5).clamp(0.0, 1.0);
            edge(x - left) * edge(right - x) * edge(y - top) * edge(bottom - y)
        };
        let part = within(30.0, 40.0, 100.0, 90.0);
        let mark = within(40.0, 50.0, 55.0, 80.0) + within(70.0, 45.0, 90.0, 55.0);
        [
            0.9 - 0.5 * part,
            0.9 - 0.7 * part + 0.4 * mark,
            0.85 - 0.2 * part - 0.3 * mark,
        ]
    }

    fn photo() -> Photo {
        Photo::from_fn(128, 128, |x, y| drawn(x as f32, y as f32))
    }

    fn all() -> Mask {
        Mask::from_fn(128, 128, |_, _| true)
    }

    fn apart(a: &Photo, b: &Photo) -> f32 {
        let sum: f32 = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).sum();
        sum / a.data.len() as f32
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_part_that_lies_elsewhere_is_found(
            scale in -0.05f32..0.05, turn in -0.12f32..0.12, x in -0.12f32..0.12, y in -0.12f32..0.12,
        ) {
            let moved = Similarity::of([scale, turn, x, y]).lay(&photo());
            let target = Target::new(&moved, &all());
            let before = apart(&moved, &photo());
            let laid = target.register(&photo()).map_or_else(photo, |how| how.lay(&photo()));
            let after = apart(&moved, &laid);
            prop_assert!(after < 0.004 || after < before / 4.0, "{before} to {after}");
        }
    }

    #[test]
    fn what_lies_right_stays_as_it_is_and_hidden_pixels_have_no_say() {
        let target = Target::new(&photo(), &all());
        assert_eq!(target.register(&photo()), None);
        let shifted = Similarity::of([0.0, 0.0, 0.1, 0.0]).lay(&photo());
        let hidden = |x: usize, y: usize| (60..80).contains(&x) && (50..80).contains(&y);
        let visible = Mask::from_fn(128, 128, |x, y| !hidden(x, y));
        let painted = Photo::from_fn(128, 128, |x, y| {
            if hidden(x, y) {
                [1.0, 0.0, 1.0]
            } else {
                shifted.pixel(x, y)
            }
        });
        let how = Target::new(&shifted, &visible).register(&photo());
        assert_eq!(Target::new(&painted, &visible).register(&photo()), how);
        let how = how.unwrap();
        assert!(
            (how.shift_x - 0.1).abs() < 0.01 && how.shift_y.abs() < 0.01,
            "{how:?}"
        );
        // Nothing visible, nothing to go by; a plain photo; a photo of one pixel.
        assert_eq!(
            Target::new(&shifted, &Mask::new(128, 128)).register(&photo()),
            None
        );
        let plain = Photo::from_fn(128, 128, |_, _| [0.5; 3]);
        assert_eq!(Target::new(&plain, &all()).register(&plain), None);
        let one = Photo::from_fn(1, 1, |_, _| [0.5; 3]);
        assert_eq!(
            Target::new(&one, &Mask::from_fn(1, 1, |_, _| true)).register(&one),
            None
        );
    }

    #[test]
    fn a_defect_of_a_twentieth_of_the_photo_does_not_lead_away() {
        let shifted = Similarity::of([0.0, 0.05, -0.08, 0.04]).lay(&photo());
        let torn = Photo::from_fn(128, 128, |x, y| {
            if (30..58).contains(&x) && (40..69).contains(&y) {
                [0.0, 0.0, 0.0]
            } else {
                shifted.pixel(x, y)
            }
        });
        let laid = Target::new(&torn, &all())
            .register(&photo())
            .unwrap()
            .lay(&photo());
        assert!(apart(&laid, &shifted) < 0.01, "{}", apart(&laid, &shifted));
    }

    /// The same part, off the centre.
    fn near_the_border(x: f32, y: f32) -> [f32; 3] {
        drawn(x + 28.0, y + 30.0)
    }

    #[test]
    fn a_part_at_the_border_is_found() {
        let good = Photo::from_fn(128, 128, |x, y| near_the_border(x as f32, y as f32));
        let moved = Photo::from_fn(128, 128, |x, y| {
            near_the_border(x as f32 - 6.0, y as f32 + 5.0)
        });
        let laid = Target::new(&moved, &all())
            .register(&good)
            .unwrap()
            .lay(&good);
        assert!(apart(&moved, &laid) < 0.01, "{}", apart(&moved, &laid));
    }

    #[test]
    fn a_missing_part_does_not_move_the_good_one_away() {
        let empty = Photo::from_fn(128, 128, |_, _| drawn(-50.0, -50.0));
        let part = |photo: &Photo| {
            let dark = |at: &usize| photo.data[128 * 128 + at] < 0.6;
            (0..128 * 128).filter(dark).count()
        };
        for good in [drawn as fn(f32, f32) -> [f32; 3], near_the_border] {
            let good = Photo::from_fn(128, 128, |x, y| good(x as f32, y as f32));
            let how = Target::new(&empty, &all()).register(&good);
            let laid = how.map_or_else(|| good.clone(), |how| how.lay(&good));
            assert!(part(&laid) * 10 > part(&good) * 7, "{how:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_where_one_was(
            numbers in [-0.2f32..0.2, -1.0f32..1.0, -0.5f32..0.5, -0.5f32..0.5],
            at in [-1.0f32..1.0, -1.0f32..1.0],
        ) {
            let at_of = |how: &Similarity, [u, v]: [f32; 2]| [
                (1.0 + how.scale) * u - how.turn * v + how.shift_x,
                how.turn * u + (1.0 + how.scale) * v + how.shift_y,
            ];
            let how = Similarity::of(numbers);
            let back = at_of(&how.inverse(), at_of(&how, at));
            prop_assert!((back[0] - at[0]).abs() < 1e-4 && (back[1] - at[1]).abs() < 1e-4, "{back:?}");
        }
    }

    #[test]
    fn nothing_to_do_lays_the_photo_itself() {
        assert!(apart(&Similarity::default().lay(&photo()), &photo()) < 1e-6);
    }
}
