//! Nuts and washers from above.

use super::Design;
use crate::rng::Rng;
use crate::synth::finish::Finish;
use crate::synth::math::{angle_turns, bevel, length, sin_turns, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, polygon, ring, toothed};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outline {
    /// A polygon with this many sides.
    Sides(usize),
    /// Lobes like those of a wing or star nut.
    Lobes(usize),
}

/// A nut: flats, chamfer, threaded hole, sometimes a flange.
#[derive(Debug)]
pub(crate) struct Nut {
    finish: Finish,
    outline: Outline,
    hole: f32,
    chamfer: f32,
    flange: Option<f32>,
    threads: f32,
    /// Elliptic marks stamped into the top.
    marks: usize,
}

impl Nut {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let outline = match rng.int(0, 5) {
            0 => Outline::Sides(4),
            1 => Outline::Lobes(rng.int(3, 6)),
            2 => Outline::Sides(rng.pick(&[5, 8, 12])),
            _ => Outline::Sides(6),
        };
        Self {
            finish: Finish::metal(rng),
            outline,
            hole: rng.range(0.3, 0.5),
            chamfer: rng.range(0.03, 0.12),
            flange: if rng.chance(0.3) {
                Some(rng.range(1.1, 1.25))
            } else {
                None
            },
            threads: rng.range(0.02, 0.05),
            marks: if rng.chance(0.3) { rng.int(1, 6) } else { 0 },
        }
    }
}

impl Design for Nut {
    fn name(&self) -> String {
        match self.outline {
            Outline::Sides(4) => "square metal nut",
            Outline::Lobes(_) => "lobed metal nut",
            _ => "metal nut",
        }
        .into()
    }

    fn features(&self) -> String {
        match self.outline {
            Outline::Sides(_) => "flat sides, sharp corners and a clean threaded hole".into(),
            _ => "even lobes and a clean threaded hole".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.4,
            extent: self.flange.unwrap_or(1.08).max(1.12),
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, finish) = (scene.frame, scene.grain, self.finish);
        let hole = self.hole;
        if let Some(flange) = self.flange {
            scene.canvas.stamp(
                &frame,
                flange,
                |p| ring(p, hole, flange),
                |p, d, _| finish.at(p, 0.08 * bevel(d, 0.08), grain ^ 1),
            );
        }
        let outline = self.outline;
        let outer = |p| match outline {
            Outline::Sides(n) => polygon(p, n, 0.93, 0.03),
            Outline::Lobes(n) => toothed(p, n, 0.78, 1.05, 1.6),
        };
        let threads = self.threads;
        let chamfer = self.chamfer;
        let marks = self.marks as f32;
        scene.canvas.stamp(
            &frame,
            1.3,
            |p| outer(p).max(hole - length(p)),
            |p, d, _| {
                let r = length(p);
                // The corners of a nut are turned off by a cone.
                let cone = ((1.0 - r) * 0.8 + 0.1).clamp(-0.3, 0.0);
                let rim = 0.05 * smooth(hole + 0.09, hole, r);
                let mut height =
                    0.34 + cone - rim - chamfer * (1.0 - bevel(d.max(outer(p)), chamfer));
                if marks > 0.0 {
                    let ring = smooth(0.05, 0.0, (r - 0.5 * (hole + 0.9)).abs() - 0.02);
                    height -= 0.03 * ring * smooth(0.75, 0.9, sin_turns(angle_turns(p) * marks));
                }
                finish.at(p, height, grain)
            },
        );
        // The thread: rings that step down into the hole.
        scene.canvas.stamp(
            &frame,
            hole,
            |p| ring(p, hole * 0.82, hole),
            |p, _, _| {
                let r = length(p) + 0.012 * angle_turns(p) * (threads / 0.02);
                let step = sin_turns(r / threads);
                let mut surface = finish.at(p, 0.2 + 0.012 * step, grain ^ 2);
                surface.albedo = surface.albedo.map(|v| v * (0.55 + 0.15 * step));
                surface
            },
        );
    }
}

/// A flat, spring or toothed washer.
#[derive(Debug)]
pub(crate) struct Washer {
    finish: Finish,
    hole: f32,
    teeth: usize,
    inner_teeth: bool,
    split: bool,
    bevel: f32,
}

impl Washer {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let finish = if rng.chance(0.75) {
            Finish::metal(rng)
        } else {
            Finish::plastic(rng)
        };
        Self {
            finish,
            hole: rng.range(0.3, 0.72),
            teeth: if rng.chance(0.3) { rng.int(8, 24) } else { 0 },
            inner_teeth: rng.chance(0.5),
            split: rng.chance(0.2),
            bevel: rng.range(0.02, 0.2),
        }
    }
}

impl Design for Washer {
    fn name(&self) -> String {
        match (self.split, self.teeth) {
            (true, _) => "spring washer",
            (false, 0) => "washer",
            _ => "toothed washer",
        }
        .into()
    }

    fn features(&self) -> String {
        "a round outer edge, a round hole and an even face".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.3,
            extent: 1.05,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, finish) = (scene.frame, scene.grain, self.finish);
        let (hole, teeth, inner, split, width) = (
            self.hole,
            self.teeth,
            self.inner_teeth,
            self.split,
            self.bevel,
        );
        let shape = |p: [f32; 2]| {
            let mut d = if teeth == 0 {
                ring(p, hole, 1.0)
            } else if inner {
                circle(p, 1.0).max(-toothed(p, teeth, hole, hole + 0.14, 3.0))
            } else {
                toothed(p, teeth, 0.86, 1.0, 3.0).max(hole - length(p))
            };
            if split && p[0] > 0.0 {
                d = d.max(0.035 - (p[1] + 0.3 * (p[0] - 0.7)).abs());
            }
            d
        };
        scene.canvas.stamp(&frame, 1.05, shape, |p, d, _| {
            finish.at(p, 0.12 * bevel(d, width), grain)
        });
    }
}
