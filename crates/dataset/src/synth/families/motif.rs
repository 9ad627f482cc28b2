//! The single motifs of a printed repeat.

use crate::rng::Rng;
use crate::synth::math::{P, TURN, cos, length, mix3, sin, smooth};
use crate::synth::shape::{circle, ellipse, polygon, rect, ring, toothed};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Motif {
    Dot,
    Ring(f32),
    Flower(usize),
    Star(usize),
    Rhomb(f32),
    Leaf(f32),
    Polygon(usize),
    Cross(f32),
}

/// One motif of the repeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    motif: Motif,
    /// Place in the repeat, `-0.5..0.5`.
    pub place: P,
    turn: P,
    /// Radius, of the repeat's shorter side.
    pub size: f32,
    colour: [f32; 3],
    /// Colour and relative size of its middle.
    heart: Option<([f32; 3], f32)>,
}

impl Stamp {
    /// The motif number `number` of a repeat, in one of its inks.
    pub(crate) fn draw(number: usize, inks: &[[f32; 3]; 4], rng: &mut Rng) -> Self {
        let motif = match rng.int(0, 9) {
            0 => Motif::Dot,
            1 => Motif::Ring(rng.range(0.4, 0.75)),
            2 => Motif::Star(rng.int(4, 8)),
            3 => Motif::Rhomb(rng.range(0.4, 1.0)),
            4 | 5 => Motif::Leaf(rng.range(0.3, 0.5)),
            6 => Motif::Polygon(rng.int(3, 6)),
            7 => Motif::Cross(rng.range(0.2, 0.4)),
            _ => Motif::Flower(rng.int(4, 8)),
        };
        let angle = rng.int(0, 7) as f32 * TURN / 8.0;
        // The first motif is the largest and stands in the middle, the others around it.
        let place = match number {
            0 => [0.0, 0.0],
            1 => [0.5, 0.5],
            _ => [
                rng.pick(&[0.0, 0.5, 0.25, -0.25]),
                rng.pick(&[0.5, 0.25, -0.25]),
            ],
        };
        Self {
            motif,
            place,
            turn: [cos(angle), sin(angle)],
            size: match number {
                0 => rng.range(0.22, 0.42),
                1 => rng.range(0.12, 0.25),
                _ => rng.range(0.06, 0.14),
            },
            colour: inks[(number + rng.int(0, 1)) % 4],
            heart: rng
                .chance(0.5)
                .then(|| (rng.pick(inks), rng.range(0.2, 0.5))),
        }
    }

    /// Signed distance of the outline in units of the motif.
    fn distance(&self, p: P) -> f32 {
        let (c, s) = (self.turn[0], self.turn[1]);
        let q = [c * p[0] + s * p[1], c * p[1] - s * p[0]];
        match self.motif {
            Motif::Dot => circle(q, 0.9),
            Motif::Ring(inner) => ring(q, inner, 1.0),
            Motif::Flower(petals) => toothed(q, petals, 0.45, 1.0, 1.3),
            Motif::Star(points) => toothed(q, points, 0.35, 1.0, 1.0),
            Motif::Rhomb(slim) => (q[0].abs() + q[1].abs() / slim - 1.0) * 0.7 * slim,
            Motif::Leaf(slim) => {
                let vein = 0.03 - q[1].abs();
                ellipse(q, [1.0, slim * (1.0 - 0.4 * q[0])]).max(vein)
            }
            Motif::Polygon(sides) => polygon(q, sides, 0.8, 0.05),
            Motif::Cross(arm) => rect(q, [1.0, arm], 0.02).min(rect(q, [arm, 1.0], 0.02)),
        }
    }

    /// The colour `below` with the motif on it at `q`, the point in units of the motif.
    pub(crate) fn on(&self, below: [f32; 3], q: P, blur: f32, ink: f32) -> [f32; 3] {
        let mut colour = mix3(
            below,
            self.colour,
            ink * smooth(blur, -blur, self.distance(q)),
        );
        if let Some((middle, size)) = self.heart {
            colour = mix3(colour, middle, ink * smooth(blur, -blur, length(q) - size));
        }
        colour
    }
}
