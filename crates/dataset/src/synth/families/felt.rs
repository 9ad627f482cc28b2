//! Felt, needle fleece and cut or looped pile: fibres that lie in every direction.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{P, mix3, scale3, smooth};
use crate::synth::noise::{cells, fbm, value};
use crate::synth::scene::{Habit, Scene};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Felt,
    /// Punched by rows of needles; distance of the rows.
    Fleece(f32),
    /// Carpet with tufts this far apart, looped or cut.
    Pile {
        pitch: f32,
        cut: bool,
    },
}

/// Directions in which the fibres of one layer lie: sixths of half a turn.
const DIRECTIONS: [P; 4] = [[1.0, 0.0], [0.588, 0.809], [-0.309, 0.951], [-0.914, 0.407]];

/// A mat of fibres.
#[derive(Debug)]
pub(crate) struct Felt {
    kind: Kind,
    colour: [f32; 3],
    /// Colour of the other fibres and their share.
    other: [f32; 3],
    share: f32,
    /// Fibres per unit and their length in widths.
    fineness: f32,
    run: f32,
    curl: f32,
    contrast: f32,
    mottle: f32,
    relief: f32,
}

impl Felt {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let kind = match rng.int(0, 4) {
            0 => Kind::Fleece(rng.range(0.1, 0.25)),
            1 => Kind::Pile {
                pitch: rng.range(0.07, 0.14),
                cut: rng.chance(0.3),
            },
            2 => Kind::Pile {
                pitch: rng.range(0.04, 0.08),
                cut: true,
            },
            _ => Kind::Felt,
        };
        let level = rng.range(0.15, 0.9);
        let colour = mix3([level; 3], saturated(rng), rng.unit() * 0.8);
        let lighter = rng.chance(0.6);
        Self {
            kind,
            colour,
            other: if lighter {
                mix3(colour, [0.9; 3], rng.range(0.2, 0.55))
            } else {
                mix3(colour, saturated(rng), rng.range(0.3, 0.6))
            },
            share: if rng.chance(0.5) {
                rng.range(0.1, 0.5)
            } else {
                0.02
            },
            fineness: rng.range(30.0, 56.0),
            run: rng.range(4.0, 10.0),
            curl: rng.range(0.5, 2.2),
            contrast: rng.range(0.07, 0.24),
            mottle: rng.range(0.02, 0.1),
            relief: rng.range(0.3, 1.0),
        }
    }

    /// The topmost fibre at `p`: how high it lies, `0..1`, and the share of the other colour.
    fn fibres(&self, p: P, seed: u32) -> P {
        let bend = 0.014 * self.curl;
        let q = [
            p[0] + bend * value([p[0] * 9.0, p[1] * 9.0], seed ^ 11),
            p[1] + bend * value([p[0] * 8.0 + 3.3, p[1] * 8.0], seed ^ 12),
        ];
        let f = self.fineness;
        let (mut top, mut place) = (0.0f32, [0.0; 2]);
        for (layer, along) in DIRECTIONS.iter().enumerate() {
            let u = (q[0] * along[0] + q[1] * along[1]) * f / self.run;
            let v = (q[1] * along[0] - q[0] * along[1]) * f;
            let noise = value([u, v], seed.wrapping_add(layer as u32 * 0x9E37));
            // A fibre is where the noise crosses zero: a thin line that winds.
            let ridge = 1.0 - (noise * 3.2).abs();
            if ridge > top {
                top = ridge;
                place = [0.4 * u + 9.0 * layer as f32, 0.5 * v];
            }
        }
        let dyed = smooth(0.1, 0.3, value(place, seed ^ 13) + self.share - 0.5);
        [top, dyed * smooth(0.2, 0.6, top)]
    }
}

impl Design for Felt {
    fn name(&self) -> String {
        match self.kind {
            Kind::Felt => "felt",
            Kind::Fleece(_) => "needle felt",
            Kind::Pile { cut: true, .. } => "carpet",
            Kind::Pile { cut: false, .. } => "loop pile carpet",
        }
        .into()
    }

    fn features(&self) -> String {
        match self.kind {
            Kind::Pile { .. } => "an even pile and an even colour".into(),
            _ => "evenly matted fibres and an even colour".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.5,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        scene.canvas.flood(&frame, |p, _| {
            let [top, other] = self.fibres(p, grain);
            let cloud = fbm([p[0] * 2.7, p[1] * 2.7], 2, grain ^ 3);
            let mut tone = 1.0 - self.contrast + 1.6 * self.contrast * top + self.mottle * cloud;
            let mut height = 0.009 * self.relief * (top + 0.6 * cloud);
            let mut share = other;
            match self.kind {
                Kind::Felt => {}
                Kind::Fleece(row) => {
                    let cell = cells([p[0] / row, p[1] / row * 1.4], 0.35, grain ^ 6);
                    let hole = smooth(0.2, 0.0, cell.near);
                    tone *= 1.0 - 0.22 * hole;
                    height -= 0.02 * self.relief * hole;
                }
                Kind::Pile { pitch, cut } => {
                    let jitter = if cut { 0.9 } else { 0.3 };
                    let cell = cells([p[0] / pitch, p[1] / pitch], jitter, grain ^ 7);
                    let round = (1.0 - 1.7 * cell.near * cell.near).max(0.0);
                    let lean =
                        ((cell.id >> 9 & 255) as f32 / 255.0 - 0.5) * if cut { 0.3 } else { 0.1 };
                    // Between the tufts one looks into the dark.
                    tone = (0.7 + 0.3 * tone) * (0.35 + 0.65 * round) * (1.0 + lean);
                    height += pitch * self.relief * if cut { 0.3 } else { 0.55 } * round;
                    // Tufts are dyed whole.
                    let dyed = (cell.id >> 20) as f32 * (1.0 / 4096.0) < self.share;
                    share = if dyed { 1.0 } else { 0.0 };
                }
            }
            Surface {
                gloss: 0.0,
                ..Surface::matt(scale3(mix3(self.colour, self.other, share), tone), height)
            }
        });
    }
}
