//! Dents: the surface pressed in, in its own colour.

use super::spot::Spot;
use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Surface};
use crate::synth::math::{P, TURN, cos, length, scale3, sin, smooth};
use crate::synth::noise::{fbm, value};

/// One blow: an ellipse with a bent outline.
struct Blow {
    place: P,
    turn: P,
    half: P,
    depth: f32,
    /// Where in the noise its outline lies, and which noise.
    phase: P,
    seed: u32,
}

impl Blow {
    fn draw(spread: f32, size: f32, rng: &mut Rng) -> Self {
        let angle = rng.range(0.0, TURN);
        // A knock by a corner is round, one by an edge long.
        let stretch = if rng.chance(0.6) {
            rng.range(1.0, 1.35)
        } else {
            rng.range(1.6, 2.6)
        };
        let root = stretch.sqrt();
        Self {
            place: [rng.jitter(spread), rng.jitter(spread)],
            turn: [cos(angle), sin(angle)],
            half: [size * root, size / root],
            depth: rng.range(0.35, 0.75),
            phase: [rng.range(0.0, 50.0), rng.range(0.0, 50.0)],
            seed: rng.bits(),
        }
    }

    /// Distance from the middle, 1 at the outline.
    fn distance(&self, p: P) -> f32 {
        let [x, y] = [p[0] - self.place[0], p[1] - self.place[1]];
        let q = [
            (x * self.turn[0] + y * self.turn[1]) / self.half[0],
            (y * self.turn[0] - x * self.turn[1]) / self.half[1],
        ];
        let bent = [1.3 * q[0] + self.phase[0], 1.3 * q[1] + self.phase[1]];
        length(q) * (1.0 + 0.25 * value(bent, self.seed))
    }

    /// Height in units of the spot: a bowl, and the material that it pushed up around it.
    fn height(&self, distance: f32) -> f32 {
        let bowl = (1.0 - distance * distance).max(0.0);
        let rim = (1.0 - (distance - 1.15) * (distance - 1.15) * 12.0).max(0.0);
        self.depth * self.half[1] * (0.1 * rim * rim - bowl * bowl)
    }
}

pub(super) fn press(canvas: &mut Canvas, spot: &Spot, rng: &mut Rng) {
    let blows: Vec<Blow> = if rng.chance(0.7) {
        vec![Blow::draw(0.0, 0.5, rng)]
    } else {
        (0..3).map(|_| Blow::draw(0.7, 0.34, rng)).collect()
    };
    let (scuff, seed) = (rng.range(0.05, 0.35), rng.bits());
    let per_height = spot.length / spot.unit;
    spot.alter(canvas, |p, pixel, surface| {
        let (mut height, mut deepest) = (surface.height, 0.0f32);
        for blow in &blows {
            let distance = blow.distance(p);
            height += per_height * blow.height(distance);
            deepest = deepest.max(smooth(0.8, 0.2, distance));
        }
        // Where it was struck the surface is rubbed and does not shine as before.
        let rubbed = deepest * (0.6 + 0.4 * fbm([0.4 * pixel[0], 0.4 * pixel[1]], 2, seed));
        Surface {
            albedo: scale3(surface.albedo, 1.0 - scuff * rubbed),
            gloss: surface.gloss * (1.0 - 0.6 * rubbed),
            height,
            ..*surface
        }
    });
}
