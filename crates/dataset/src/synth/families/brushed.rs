//! Ground and brushed sheet metal: straight, crossed, circular and engine-turned.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{P, cos, floor, length, mix3, scale3, sin, smooth, sub};
use crate::synth::noise::{hash, value};
use crate::synth::scene::{Habit, Scene};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stroke {
    Straight,
    /// A second pass along this direction.
    Crossed(P),
    /// Spots ground by a turning pad, each over the one before: their distance, and how far they
    /// lie from a lattice (0 engine-turned, 1 an orbital sander).
    Spots(f32, f32),
}

/// A metal sheet with the lines of its last grinding.
#[derive(Debug)]
pub(crate) struct Brushed {
    name: &'static str,
    colour: [f32; 3],
    stroke: Stroke,
    /// Lines per unit and their length, in widths.
    fineness: f32,
    run: f32,
    contrast: f32,
    relief: f32,
    metal: f32,
    gloss: f32,
    /// Broad, faint bands along the strokes.
    bands: f32,
}

impl Brushed {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let (name, colour) = match rng.int(0, 7) {
            0 => ("brass", [0.90, 0.76, 0.46]),
            1 => ("copper", [0.88, 0.60, 0.46]),
            2 | 3 => ("aluminium", [0.80, 0.81, 0.82]),
            4 => ("anodised aluminium", mix3([0.4; 3], saturated(rng), 0.7)),
            5 => ("bronze", [0.62, 0.50, 0.38]),
            _ => ("steel", [0.78, 0.78, 0.78]),
        };
        let stroke = match rng.int(0, 6) {
            0 => Stroke::Spots(rng.range(0.16, 0.4), 0.0),
            1 => Stroke::Spots(rng.range(0.2, 0.6), 0.9),
            2 => {
                let angle = rng.range(0.4, 1.57);
                Stroke::Crossed([cos(angle), sin(angle)])
            }
            _ => Stroke::Straight,
        };
        Self {
            name,
            colour: scale3(colour, rng.range(0.72, 1.0)),
            stroke,
            fineness: rng.range(34.0, 64.0),
            run: rng.range(12.0, 60.0),
            contrast: rng.range(0.05, 0.2),
            relief: rng.range(0.3, 1.0),
            metal: rng.range(0.55, 1.0),
            gloss: rng.range(0.0, 0.25),
            bands: rng.range(0.01, 0.06),
        }
    }

    /// Lines along x, about `-1..1`.
    #[inline]
    fn lines(&self, p: P, seed: u32) -> f32 {
        let f = self.fineness;
        0.6 * value([p[0] * f / self.run, p[1] * f], seed)
            + 0.4 * value([p[0] * f * 2.3 / self.run + 7.1, p[1] * f * 1.7], seed ^ 1)
    }
}

impl Brushed {
    /// The lines at `p` and how much the spot they belong to turns towards `light`.
    fn spot(&self, p: P, pitch: f32, jitter: f32, light: P, seed: u32) -> P {
        let (column, row) = (floor(p[0] / pitch), floor(p[1] / pitch));
        let (mut from, mut name) = ([0.0; 2], 0);
        // The last spot that reaches the point lies on top.
        for (x, y) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (column + dx, row + dy))) {
            let h = hash(x, y, seed);
            let off = |shift: u32| 0.5 + jitter * ((h >> shift & 255) as f32 / 255.0 - 0.5);
            let centre = [(x as f32 + off(0)) * pitch, (y as f32 + off(8)) * pitch];
            let away = sub(p, centre);
            if away[0] * away[0] + away[1] * away[1] < 0.72 * pitch * pitch || name == 0 {
                (from, name) = (away, h | 1);
            }
        }
        let r = length(from);
        let ring = value([r * self.fineness * 1.3, (name >> 8 & 255) as f32], seed);
        let line = 0.45 * ring * smooth(0.0, 0.25, r / pitch);
        // Lines across the light shine: the bow tie on every ground spot.
        let facing = (from[0] * light[0] + from[1] * light[1]) / r.max(0.02);
        let edge = smooth(0.84, 0.7, r / pitch);
        [line, (2.0 * facing * facing - 1.0) * edge]
    }
}

impl Design for Brushed {
    fn name(&self) -> String {
        match self.stroke {
            Stroke::Spots(_, 0.0) => format!("engine-turned {}", self.name),
            _ => format!("brushed {}", self.name),
        }
    }

    fn features(&self) -> String {
        match self.stroke {
            Stroke::Straight => "fine parallel lines and an even shine".into(),
            Stroke::Crossed(_) => "fine crossed lines and an even shine".into(),
            Stroke::Spots(..) => "fine circular lines and an even shine".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.85,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let light = scene.light();
        let inverse = 1.0 / length(light).max(1e-3);
        let light = [light[0] * inverse, light[1] * inverse];
        scene.canvas.flood(&frame, |p, _| {
            let (line, shine) = match self.stroke {
                Stroke::Straight => (self.lines(p, grain), 0.0),
                Stroke::Crossed(along) => {
                    let q = [
                        p[0] * along[0] + p[1] * along[1],
                        p[1] * along[0] - p[0] * along[1],
                    ];
                    let second = self.lines(q, grain ^ 4);
                    (0.75 * (self.lines(p, grain) + second), 0.0)
                }
                Stroke::Spots(pitch, jitter) => {
                    let [line, shine] = self.spot(p, pitch, jitter, light, grain);
                    (line, shine)
                }
            };
            let band = value([p[0] * 0.35, p[1] * 3.1], grain ^ 8) + value([p[0], p[1]], grain ^ 9);
            let tone = 1.0 + self.contrast * line + self.bands * band + 0.2 * shine;
            Surface {
                metal: self.metal,
                ..Surface::shiny(
                    scale3(self.colour, tone),
                    0.0022 * self.relief * line,
                    self.gloss,
                )
            }
        });
    }
}
