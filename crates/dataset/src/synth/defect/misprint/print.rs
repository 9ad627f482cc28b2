//! Reads what is printed off the surface: where, with which ink, on which ground.

use crate::synth::canvas::Canvas;
use crate::synth::math::{P, length, smooth};
use crate::synth::shade::blur;

/// Least difference of a channel between print and what it is printed on.
const CONTRAST: f32 = 0.2;

/// Pixels at the edge of a print: the colour changes within a few pixels, the height does not, and
/// all of it lies on the product.
pub(super) fn printed(canvas: &Canvas, unit: f32) -> Vec<usize> {
    let size = canvas.size;
    let plane = |part: &dyn Fn(usize) -> f32| {
        let mut plane: Vec<f32> = (0..size * size).map(part).collect();
        blur(&mut plane, size, size / 128);
        plane
    };
    // The blur takes speckles and grain away.
    let colour: [Vec<f32>; 3] =
        std::array::from_fn(|channel| plane(&|at| canvas.pixels[at].albedo[channel]));
    let cover = plane(&|at| canvas.pixels[at].cover);
    let step = size / 64 + 1;
    let same = |a: usize, b: usize| {
        cover[b] > 0.995
            && (canvas.pixels[a].height - canvas.pixels[b].height).abs() * unit < 0.4 * step as f32
    };
    let differs = |a: usize, b: usize| {
        same(a, b) && (0..3).any(|c| (colour[c][a] - colour[c][b]).abs() > CONTRAST)
    };
    (0..size * size)
        .filter(|&at| {
            let (x, y) = (at % size, at / size);
            cover[at] > 0.995
                && ((x + step < size && differs(at, at + step))
                    || (y + step < size && differs(at, at + step * size)))
        })
        .collect()
}

/// The ink around a place: how much of it lies on each pixel.
pub(super) struct Print {
    pub size: usize,
    pub ink: Vec<f32>,
    /// What full ink adds to the colour below.
    pub tint: [f32; 3],
}

impl Print {
    /// Tells ink from ground by the colours around `centre`.
    pub(super) fn read(canvas: &Canvas, unit: f32, centre: P) -> Option<Self> {
        let size = canvas.size;
        let reach = 0.1 * size as f32;
        let near: Vec<[f32; 3]> = (0..size * size)
            .filter(|&at| {
                let (x, y) = (
                    (at % size) as f32 - centre[0],
                    (at / size) as f32 - centre[1],
                );
                x * x + y * y < reach * reach && canvas.pixels[at].cover > 0.995
            })
            .map(|at| canvas.pixels[at].albedo)
            .collect();
        let (ground, print) = two_colours(&near)?;
        let tint: [f32; 3] = std::array::from_fn(|channel| print[channel] - ground[channel]);
        let square = far(&print, &ground);
        let amount = |albedo: &[f32; 3]| {
            let along = (0..3)
                .map(|c| (albedo[c] - ground[c]) * tint[c])
                .sum::<f32>();
            smooth(0.2, 0.9, along / square)
        };
        let inks = canvas.pixels.iter().map(|surface| {
            let on = if surface.cover > 0.995 { 1.0 } else { 0.0 };
            on * amount(&surface.albedo)
        });
        let ink = lines(inks.collect(), size);
        let near = |at: usize| {
            let p = [
                (at % size) as f32 - centre[0],
                (at / size) as f32 - centre[1],
            ];
            ink[at] > 0.5 && length(p) < 0.03 * size as f32
        };
        let relief = relief(canvas, unit);
        ((0..size * size).any(near) && is_flat(&ink, &relief, centre, size)).then_some(Self {
            size,
            ink,
            tint,
        })
    }

    /// The amount of ink at the pixel that holds a position, none outside of the picture.
    pub(super) fn at(&self, p: P) -> f32 {
        let inside = |c: f32| (0.0..self.size as f32).contains(&c);
        if inside(p[0]) && inside(p[1]) {
            self.ink[p[1] as usize * self.size + p[0] as usize]
        } else {
            0.0
        }
    }
}

/// The frequent and the rare one of two even colours that differ; `None` for any other mixture.
fn two_colours(colours: &[[f32; 3]]) -> Option<([f32; 3], [f32; 3])> {
    let bright = |colour: &&[f32; 3]| (1000.0 * colour.iter().sum::<f32>()) as i32;
    let mut means = [
        *colours.iter().min_by_key(bright)?,
        *colours.iter().max_by_key(bright)?,
    ];
    let mut counts = [0; 2];
    for _ in 0..4 {
        let (mut sums, mut found) = ([[0.0; 3]; 2], [0; 2]);
        for colour in colours {
            let nearer = usize::from(far(colour, &means[1]) < far(colour, &means[0]));
            found[nearer] += 1;
            (0..3).for_each(|channel| sums[nearer][channel] += colour[channel]);
        }
        for group in 0..2 {
            means[group] = sums[group].map(|sum| sum / found[group].max(1) as f32);
        }
        counts = found;
    }
    // Threads, grain and shading spread; a print is one even colour on another.
    let nearest = |colour| far(colour, &means[0]).min(far(colour, &means[1]));
    let spread = colours.iter().map(nearest).sum::<f32>() / colours.len() as f32;
    let square = far(&means[0], &means[1]);
    let rarer = usize::from(counts[1] < counts[0]);
    (square >= CONTRAST * CONTRAST && square >= 20.0 * spread)
        .then(|| (means[1 - rarer], means[rarer]))
}

/// Heights above their surroundings, in shares of the picture's side.
fn relief(canvas: &Canvas, unit: f32) -> Vec<f32> {
    let size = canvas.size;
    let heights = canvas.pixels.iter().map(|surface| surface.height);
    let heights: Vec<f32> = heights.map(|h| h * unit / size as f32).collect();
    let mut around = heights.clone();
    blur(&mut around, size, size / 32 + 1);
    heights.iter().zip(&around).map(|(h, a)| h - a).collect()
}

/// True if ink lies neither higher nor lower than the ground around `centre`: threads, creases and
/// rings of another colour do.
fn is_flat(ink: &[f32], relief: &[f32], centre: P, size: usize) -> bool {
    let (mut sums, mut weights, mut square) = ([0.0; 2], [0.0f32; 2], 0.0);
    let reach = 0.1 * size as f32;
    for at in 0..ink.len() {
        let p = [
            (at % size) as f32 - centre[0],
            (at / size) as f32 - centre[1],
        ];
        if length(p) < reach {
            for (group, weight) in [(0, 1.0 - ink[at]), (1, ink[at])] {
                sums[group] += weight * relief[at];
                weights[group] += weight;
            }
            square += relief[at] * relief[at];
        }
    }
    let step = sums[1] / weights[1].max(1.0) - sums[0] / weights[0].max(1.0);
    let roughness = (square / (weights[0] + weights[1]).max(1.0)).sqrt();
    step.abs() < 0.0004 + 0.3 * roughness
}

/// The ink of lines and letters: specks of a speckled material and whole parts of that colour are
/// none.
fn lines(ink: Vec<f32>, size: usize) -> Vec<f32> {
    let blurred = |plane: &[f32], radius: usize| {
        let mut plane = plane.to_vec();
        blur(&mut plane, size, radius);
        plane
    };
    let around = |plane: &[f32], least: f32, radius: usize| {
        let marks: Vec<f32> = plane
            .iter()
            .map(|&share| if share > least { 1.0 } else { 0.0 })
            .collect();
        blurred(&marks, radius)
    };
    let (fine, coarse) = (size / 128, size / 24);
    let strokes = around(&blurred(&ink, fine), 0.5, 2 * fine + 1);
    let solid = around(&blurred(&ink, coarse), 0.97, coarse + 1);
    let kept = |at: usize| strokes[at] > 1e-3 && solid[at] < 1e-3;
    let amounts = ink.iter().enumerate();
    amounts
        .map(|(at, &amount)| if kept(at) { amount } else { 0.0 })
        .collect()
}

/// Square of the distance of two colours.
fn far(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    (0..3)
        .map(|channel| (a[channel] - b[channel]) * (a[channel] - b[channel]))
        .sum()
}
