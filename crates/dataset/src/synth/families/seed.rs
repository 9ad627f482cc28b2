//! Seeds and nuts: beans, almonds, hazelnuts, coffee and sunflower, one or a tray of them.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::{Frame, Surface};
use crate::synth::finish::Finish;
use crate::synth::math::{P, TURN, bevel, length, mix, mix3, scale3, sin_turns, smooth};
use crate::synth::noise::{fbm, value};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{ellipse, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Bent, smooth, often mottled, with a pale navel.
    Bean,
    /// A drop with furrows along it.
    Almond,
    /// Nearly round, with a pale rough base.
    Hazelnut,
    /// An oval with a furrow.
    Coffee,
    /// A drop with stripes.
    Sunflower,
}

/// A seed, or a tray with rows of them.
#[derive(Debug)]
pub(crate) struct Seed {
    kind: Kind,
    colour: [f32; 3],
    other: [f32; 3],
    /// Half width when the half length is 1.
    width: f32,
    bend: f32,
    taper: f32,
    streaks: f32,
    gloss: f32,
    /// Places and angles on the tray; one seed has none.
    places: Vec<(P, f32)>,
    scale: f32,
    tray: Finish,
}

impl Seed {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let kind = rng.pick(&[
            Kind::Bean,
            Kind::Almond,
            Kind::Hazelnut,
            Kind::Coffee,
            Kind::Sunflower,
        ]);
        let (colour, other, width, taper) = match kind {
            Kind::Bean => {
                let colours = [
                    [0.93, 0.89, 0.78],
                    [0.45, 0.12, 0.10],
                    [0.12, 0.10, 0.10],
                    [0.72, 0.50, 0.32],
                    [0.52, 0.56, 0.3],
                ];
                (
                    rng.pick(&colours),
                    rng.pick(&[[0.42, 0.12, 0.12], [0.25, 0.15, 0.1]]),
                    rng.range(0.5, 0.66),
                    0.0,
                )
            }
            Kind::Almond => (
                [0.66, 0.40, 0.22],
                [0.42, 0.22, 0.11],
                rng.range(0.52, 0.64),
                rng.range(0.3, 0.45),
            ),
            Kind::Hazelnut => (
                [0.60, 0.36, 0.19],
                [0.80, 0.68, 0.5],
                rng.range(0.84, 0.98),
                rng.range(0.08, 0.2),
            ),
            Kind::Coffee => (
                [0.36, 0.22, 0.14],
                [0.6, 0.42, 0.28],
                rng.range(0.66, 0.78),
                0.0,
            ),
            Kind::Sunflower => (
                [0.14, 0.13, 0.13],
                [0.88, 0.86, 0.8],
                rng.range(0.42, 0.56),
                rng.range(0.3, 0.45),
            ),
        };
        let mut places = Vec::new();
        let count = rng.int(3, 5);
        if rng.chance(0.45) {
            // Every seed in its place, all alike or each turned its own way.
            let (pitch, wild) = (1.7 / count as f32, rng.chance(0.5));
            for cell in 0..count * count {
                let at = |index: usize| (index as f32 + 0.5) * pitch - 0.85;
                let angle = if wild { rng.range(0.0, TURN) } else { 0.0 };
                places.push(([at(cell % count), at(cell / count)], angle));
            }
        }
        Self {
            kind,
            colour: scale3(colour, rng.range(0.8, 1.1)),
            other,
            width,
            bend: if kind == Kind::Bean {
                rng.range(0.1, 0.35)
            } else {
                0.0
            },
            taper,
            streaks: rng.range(0.4, 1.0),
            gloss: if kind == Kind::Almond {
                0.05
            } else {
                rng.range(0.08, 0.45)
            },
            scale: if places.is_empty() {
                0.96
            } else {
                (0.68 / count as f32).min(0.175) * rng.range(0.9, 1.0)
            },
            places,
            tray: Finish::plastic(rng),
        }
    }

    fn distance(&self, p: P) -> f32 {
        let bent = p[1] + self.bend * (p[0] * p[0] - 0.3);
        ellipse([p[0], bent / (1.0 - self.taper * p[0])], [1.0, self.width])
    }

    /// The surface of one seed in its own coordinates; lengths of `height` are in those, too.
    fn surface(&self, p: P, d: f32, grain: u32) -> Surface {
        let dome = 0.75 * self.width * bevel(d, 0.8 * self.width);
        let spread = p[1] / (1.0 - self.taper * p[0]) / self.width;
        let fine = fbm([p[0] * 9.0, p[1] * 9.0], 2, grain);
        // Streaks run together at both ends, as meridians do.
        let round = (1.05 - p[0] * p[0]).max(0.08).sqrt();
        let streak = fbm([p[0] * 1.6, spread / round * 7.0], 2, grain ^ 1) * self.streaks;
        let (share, dent) = match self.kind {
            Kind::Bean => {
                let mottle = smooth(0.15, 0.3, fbm([p[0] * 3.2, p[1] * 3.2], 2, grain ^ 2))
                    * smooth(0.6, 0.8, self.streaks);
                (mottle, 0.0)
            }
            Kind::Almond => (0.5 + 0.9 * streak, 0.09 * streak),
            Kind::Hazelnut => {
                let base = smooth(-0.5, -0.58, p[0] + 0.16 * spread * spread + 0.03 * fine);
                (
                    base * (0.8 + 0.2 * fine),
                    0.03 * base * fine - 0.01 * streak + 0.02 * base,
                )
            }
            Kind::Coffee => {
                let furrow = smooth(0.09, 0.02, (p[1] - 0.08 * sin_turns(p[0] * 0.5)).abs())
                    * smooth(0.98, 0.85, p[0].abs());
                (0.7 * furrow * (0.8 + 0.4 * fine), 0.16 * furrow)
            }
            Kind::Sunflower => {
                let stripe = smooth(
                    0.0,
                    0.45,
                    sin_turns(spread / round * 2.2 + 0.15 * streak + 0.25),
                );
                (stripe * (0.85 + 0.15 * fine), 0.015 * stripe)
            }
        };
        let mut colour = mix3(self.colour, self.other, share.clamp(0.0, 1.0));
        colour = scale3(
            colour,
            1.0 + 0.1 * fine
                + if self.kind == Kind::Hazelnut {
                    0.16 * streak
                } else {
                    0.0
                },
        );
        if self.kind == Kind::Bean {
            // The navel lies where the bean is hollow.
            let navel = ellipse(
                [p[0], p[1] - 0.72 * self.width + 0.5 * self.bend],
                [0.15, 0.06],
            );
            colour = mix3(colour, [0.9, 0.86, 0.78], 0.85 * smooth(0.02, -0.02, navel));
        }
        Surface::shiny(colour, dome - dent + 0.008 * fine, self.gloss)
    }

    fn stamp(&self, scene: &mut Scene, frame: &Frame, base: f32, look: [f32; 3], grain: u32) {
        let [size, tone, reddish] = look;
        let scale = self.scale * size;
        let own = frame.at([0.0; 2], 0.0, scale);
        let outline = |p: P| self.distance(p) + 0.03 * value([p[0] * 2.0, p[1] * 2.0], grain);
        scene.canvas.stamp(&own, 1.45, outline, |p, d, _| {
            let mut surface = self.surface(p, d, grain);
            surface.height = base + scale * surface.height;
            let tint = [tone + reddish, tone, tone - reddish];
            surface.albedo = std::array::from_fn(|channel| surface.albedo[channel] * tint[channel]);
            surface
        });
    }
}

impl Design for Seed {
    fn name(&self) -> String {
        let (one, many) = match self.kind {
            Kind::Bean => ("bean", "beans"),
            Kind::Almond => ("almond", "almonds"),
            Kind::Hazelnut => ("hazelnut", "hazelnuts"),
            Kind::Coffee => ("coffee bean", "coffee beans"),
            Kind::Sunflower => ("sunflower seed", "sunflower seeds"),
        };
        if self.places.is_empty() {
            one.into()
        } else {
            format!("tray of {many}")
        }
    }

    fn features(&self) -> String {
        if self.places.is_empty() {
            "an unbroken shell, an even colour and a whole outline"
        } else {
            "a whole seed in every place and a clean tray"
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: if self.places.is_empty() { 0.35 } else { 0.8 },
            extent: if self.places.is_empty() { 1.05 } else { 1.1 },
        }
    }

    fn parts(&self) -> Vec<f32> {
        vec![self.scale; self.places.len()]
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let slack = if self.places.is_empty() { 0.0 } else { 1.0 };
        let single = [([0.0; 2], 0.0)];
        let places = if slack > 0.0 {
            &self.places[..]
        } else {
            &single
        };
        if slack > 0.0 {
            scene.canvas.stamp(
                &frame,
                1.5,
                |p| rect(p, [1.0, 1.0], 0.12),
                |p, d, _| {
                    let wells = self
                        .places
                        .iter()
                        .map(|(place, _)| length([p[0] - place[0], p[1] - place[1]]));
                    let well = smooth(
                        1.25 * self.scale,
                        0.9 * self.scale,
                        wells.fold(f32::MAX, f32::min),
                    );
                    let wall = smooth(-0.09, -0.06, d);
                    self.tray.at(
                        p,
                        0.12 * bevel(d, 0.03) - 0.05 * (1.0 - wall) + 0.02 - 0.05 * well,
                        grain,
                    )
                },
            );
        }
        for (number, &(place, angle)) in places.iter().enumerate() {
            // All is drawn before it is known whether the seed is there.
            let wander = [
                scene.rng.jitter(0.03) * slack,
                scene.rng.jitter(0.03) * slack,
            ];
            let turn = angle + scene.rng.jitter(0.35) * slack;
            let look = [
                1.0 + scene.rng.jitter(0.08),
                1.0 + scene.rng.jitter(0.14),
                scene.rng.jitter(0.05),
            ];
            let at = [place[0] + wander[0], place[1] + wander[1]];
            if let Some(own) = scene.part(number, at, turn) {
                let base = mix(0.04, 0.1, slack);
                self.stamp(
                    scene,
                    &own,
                    base,
                    look,
                    grain.wrapping_add(977 * number as u32),
                );
            }
        }
    }
}
