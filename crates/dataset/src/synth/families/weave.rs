//! Cloth: plain weave, twill, basket, carpet.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{floor, mix3, scale3, sin_turns};
use crate::synth::noise::{hash, unit, value};
use crate::synth::scene::{Habit, Scene};

/// Threads over and under each other.
#[derive(Debug)]
pub(crate) struct Weave {
    pitch: f32,
    /// Threads that a float passes over, and the step from row to row.
    over: i32,
    step: i32,
    warp: [f32; 3],
    weft: [f32; 3],
    twist: f32,
    fluff: f32,
    relief: f32,
    /// Every so many warp threads has another colour; 0 none.
    stripes: i32,
    stripe: [f32; 3],
}

impl Weave {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let level = rng.range(0.2, 0.9);
        let warp = mix3([level; 3], saturated(rng), rng.unit() * 0.7);
        let weft = if rng.chance(0.5) {
            warp
        } else {
            mix3([level; 3], saturated(rng), rng.unit() * 0.7)
        };
        let over = rng.pick(&[1, 1, 2, 3]);
        Self {
            pitch: rng.range(0.045, 0.13),
            over,
            step: if over == 1 { 1 } else { rng.pick(&[1, 1, 2]) },
            warp,
            weft,
            twist: rng.range(1.0, 3.0),
            fluff: rng.range(0.03, 0.15),
            relief: rng.range(0.3, 1.0),
            stripes: if rng.chance(0.25) {
                rng.int(3, 9) as i32
            } else {
                0
            },
            stripe: saturated(rng),
        }
    }
}

impl Design for Weave {
    fn name(&self) -> String {
        if self.over > 1 && self.step == 1 {
            "twill fabric".into()
        } else {
            "woven fabric".into()
        }
    }

    fn features(&self) -> String {
        "regular threads and an even colour".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.8,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let pitch = self.pitch;
        let period = self.over + 1;
        scene.canvas.flood(&frame, |p, _| {
            // Threads wander a little, differently in every piece.
            let wander = 0.18 * value([p[0] * 1.7, p[1] * 1.7], grain);
            let (u, v) = (p[0] / pitch + wander, p[1] / pitch + 0.7 * wander);
            let (column, row) = (floor(u), floor(v));
            let (across, along) = (u - column as f32 - 0.5, v - row as f32 - 0.5);
            let warp_on_top = (column + row * self.step).rem_euclid(period) != 0;
            let (side, length, thread, seed) = if warp_on_top {
                (across, along, column, 1)
            } else {
                (along, across, row, 2)
            };
            let round = (1.0 - 3.6 * side * side).max(0.0).sqrt();
            let arch = if self.over == 1 || !warp_on_top {
                1.0 - 1.6 * length * length
            } else {
                0.9
            };
            let shade = 1.0 + 0.12 * (unit(hash(thread, seed, grain)) - 0.5);
            let spun = sin_turns((side + self.twist * length) * 2.0) * 0.06;
            let fluff = value([u * 7.0, v * 7.0], grain ^ 5) * self.fluff;
            let striped = self.stripes > 0 && warp_on_top && column.rem_euclid(self.stripes) == 0;
            let base = if striped {
                self.stripe
            } else if warp_on_top {
                self.warp
            } else {
                self.weft
            };
            let height = pitch * self.relief * (0.5 * round * arch + 0.15 * fluff);
            Surface::matt(
                scale3(base, (0.35 + 0.65 * round * arch) * shade + spun + fluff),
                height,
            )
        });
    }
}
