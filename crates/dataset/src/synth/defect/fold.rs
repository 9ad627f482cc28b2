//! Folds: a long soft ridge or crease, or several side by side, that take the pattern with them.

use super::spot::Spot;
use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Surface};
use crate::synth::math::{P, cos, scale3, sin, smooth};
use crate::synth::noise::value;

/// One ridge along x.
struct Ridge {
    place: P,
    turn: P,
    /// Half its length and half its width, in units of the spot.
    half: P,
    bend: f32,
    /// Steepness of its flanks, negative for a valley.
    slope: f32,
    seed: u32,
}

/// What a ridge does at a point.
struct Lift {
    /// Height, in units of the spot.
    height: f32,
    /// How near the top, 0..1.
    top: f32,
    /// From where the material came, in units of the spot.
    pull: P,
}

impl Ridge {
    fn lift(&self, p: P) -> Option<Lift> {
        let [x, y] = [p[0] - self.place[0], p[1] - self.place[1]];
        let along = (x * self.turn[0] + y * self.turn[1]) / self.half[0];
        if along.abs() >= 1.0 {
            return None;
        }
        let wave = 0.5 * value([2.0 * along, 0.5], self.seed);
        let side = y * self.turn[0] - x * self.turn[1];
        let across = side / self.half[1] - self.bend * along * along - wave;
        // One flank falls off faster.
        let across = if across > 0.0 { across } else { 0.75 * across };
        let ends = smooth(1.0, 0.45, along.abs());
        let flank = (1.0 - across * across).max(0.0);
        let profile = flank * flank * ends;
        let pull = 0.9 * across * profile * self.half[1];
        (profile > 0.0).then(|| Lift {
            height: 0.65 * self.slope * self.half[1] * profile,
            top: smooth(0.22, 0.0, across.abs()) * ends,
            pull: [-self.turn[1] * pull, self.turn[0] * pull],
        })
    }
}

pub(super) fn crease(canvas: &mut Canvas, spot: &Spot, rng: &mut Rng) {
    let ridges = ridges(rng);
    let (worn, per_height) = (rng.range(-0.4, 0.12), spot.length / spot.unit);
    let before = canvas.clone();
    spot.alter(canvas, |p, pixel, surface| {
        let lifts: Vec<Lift> = ridges.iter().filter_map(|ridge| ridge.lift(p)).collect();
        if lifts.is_empty() {
            return *surface;
        }
        let sum = |part: fn(&Lift) -> f32| lifts.iter().map(part).sum::<f32>();
        let from = spot
            .frame
            .to_pixel([p[0] + sum(|l| l.pull[0]), p[1] + sum(|l| l.pull[1])]);
        let moved = before.sample(from);
        // The outline of a stiff part stays where it is.
        let kept = moved.cover > 0.99 && surface.cover > 0.99;
        let material = if kept { moved } else { before.sample(pixel) };
        Surface {
            albedo: scale3(material.albedo, 1.0 + worn * sum(|l| l.top).min(1.0)),
            height: material.height + per_height * sum(|l| l.height),
            cover: surface.cover,
            ..material
        }
    });
}

/// A main ridge through the spot and up to two shorter ones beside it.
fn ridges(rng: &mut Rng) -> Vec<Ridge> {
    let aspect = rng.range(5.0, 14.0);
    let count = rng.int(1, 3);
    let width = 0.5 / (aspect * count as f32).sqrt();
    let sign = if rng.chance(0.65) { 1.0 } else { -1.0 };
    (0..count)
        .map(|number| {
            let turn = if number == 0 { 0.0 } else { rng.jitter(0.35) };
            let beside = [0.0, 2.3, -2.3][number] * width * rng.range(0.8, 1.3);
            let length = aspect
                * width
                * if number == 0 {
                    1.0
                } else {
                    rng.range(0.35, 0.8)
                };
            Ridge {
                place: [
                    rng.jitter(0.6 * aspect * width) * number.min(1) as f32,
                    beside,
                ],
                turn: [cos(turn), sin(turn)],
                half: [length, width],
                bend: rng.jitter(2.5),
                slope: sign * rng.range(1.0, 1.6),
                seed: rng.bits(),
            }
        })
        .collect()
}
