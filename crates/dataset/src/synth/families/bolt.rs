//! Bolts and screws: lying with head and thread, or seen onto the head.

use super::Design;
use crate::rng::Rng;
use crate::synth::finish::Finish;
use crate::synth::glyphs::Text;
use crate::synth::math::{P, angle_turns, bevel, length, mix, sin_turns, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, polygon, rect, toothed};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Head {
    Hexagon,
    /// Cylinder, its side knurled.
    Cylinder,
    /// Half round.
    Pan,
    /// Cone that sinks into the work.
    Countersunk,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Drive {
    None,
    Slot,
    Cross,
    Hexagon,
    Star,
}

/// A bolt or a screw.
#[derive(Debug)]
pub(crate) struct Bolt {
    finish: Finish,
    head: Head,
    drive: Drive,
    /// True if the camera looks along the shank.
    onto_head: bool,
    flange: Option<f32>,
    /// Half width of the head when the whole is 2 long, and its height.
    half: f32,
    height: f32,
    shank: f32,
    /// Where the thread begins; the head ends at `height - 1`, the tip is at 1.
    thread: f32,
    pitch: f32,
    depth: f32,
    /// Length of the tip: a chamfer or a point.
    tip: f32,
    mark: Option<Text>,
}

impl Bolt {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let head = rng.pick(&[
            Head::Hexagon,
            Head::Hexagon,
            Head::Cylinder,
            Head::Pan,
            Head::Countersunk,
        ]);
        let onto_head = rng.chance(0.4);
        let pick = [Drive::Slot, Drive::Cross, Drive::Hexagon, Drive::Star];
        let drive = if head == Head::Hexagon && rng.chance(0.7) {
            Drive::None
        } else {
            rng.pick(&pick)
        };
        let half = rng.range(0.26, 0.46);
        let height = half * rng.range(0.6, 1.1);
        let shank = half * rng.range(0.46, 0.62);
        let pointed = matches!(head, Head::Pan | Head::Countersunk) && rng.chance(0.6);
        let pitch = shank * rng.range(0.26, 0.42);
        let bare = if rng.chance(0.5) {
            0.04
        } else {
            rng.range(0.1, 0.9)
        };
        Self {
            finish: Finish::metal(rng),
            head,
            drive,
            onto_head,
            flange: (head == Head::Hexagon && rng.chance(0.4)).then(|| rng.range(1.12, 1.3)),
            half,
            height,
            shank,
            thread: height - 1.0 + bare,
            pitch: if pointed { 1.4 * pitch } else { pitch },
            depth: shank * if pointed { 0.3 } else { 0.17 },
            tip: shank
                * if pointed {
                    rng.range(1.2, 2.2)
                } else {
                    rng.range(0.1, 0.5)
                },
            mark: (drive == Drive::None && rng.chance(0.75))
                .then(|| Text::draw(rng.int(1, 3), rng)),
        }
    }

    /// Half width of the head at the distance `along` from its top, in `0..1`.
    fn head_half(&self, along: f32) -> f32 {
        let t = along.clamp(0.0, 1.0);
        self.half
            * match self.head {
                Head::Hexagon => 1.0 - 0.12 * smooth(0.18, 0.0, t),
                Head::Cylinder => 1.0 - 0.14 * smooth(0.12, 0.0, t),
                Head::Pan => bevel(-t, 0.95),
                Head::Countersunk => mix(1.0, self.shank / self.half, smooth(-0.3, 1.0, t)),
            }
    }

    fn paint_side(&self, scene: &mut Scene) {
        let (frame, grain, finish) = (scene.frame, scene.grain, self.finish);
        let neck = self.height - 1.0;
        // The turn of the thread under the camera.
        let phase = scene.rng.unit();
        let taper = |x: f32| {
            let t = ((1.0 - x) / self.tip).clamp(0.0, 1.0);
            if self.tip > self.shank {
                t
            } else {
                mix(0.7, 1.0, t)
            }
        };
        // 0 on the crest of the thread, 1 in its groove.
        let groove = |p: P| {
            let turn = p[0] / self.pitch + 0.5 * p[1] / self.shank + phase;
            let ridge = 0.5 - 0.5 * sin_turns(turn);
            ridge * smooth(self.thread, self.thread + self.pitch, p[0])
        };
        let radius = |p: P| (self.shank - self.depth * groove(p)) * taper(p[0]);
        let shank =
            |p: P| (0.8 * (p[1].abs() - radius(p))).max((p[0] - 1.0).max(neck - 0.02 - p[0]));
        scene.canvas.stamp(&frame, 1.02, shank, |p, _, _| {
            let r = radius(p);
            let deep = groove(p);
            let round = (r * r - p[1] * p[1]).max(0.0).sqrt();
            let mut surface = finish.at([p[1], p[0]], 0.1 + round, grain);
            surface.albedo = surface.albedo.map(|v| v * (1.0 - 0.62 * deep));
            surface
        });
        let head = |p: P| {
            let side = p[1].abs() - self.head_half((p[0] + 1.0) / self.height);
            (0.9 * side).max((p[0] - neck).max(-1.0 - p[0]))
        };
        scene.canvas.stamp(&frame, 1.05, head, |p, d, _| {
            let half = self.head_half((p[0] + 1.0) / self.height);
            let y = p[1].abs();
            let round = if self.head == Head::Hexagon {
                // The face in front is flat, its neighbours fall away by 60 degrees.
                0.866 * half - 1.5 * (y - 0.5 * half).max(0.0)
            } else {
                (half * half - y * y).max(0.0).sqrt()
            };
            let knurl = if self.head == Head::Cylinder {
                0.012 * sin_turns(angle_turns([round, p[1]]) * 44.0)
            } else {
                0.0
            };
            finish.at(
                p,
                0.1 + round + knurl - 0.04 * (1.0 - bevel(d, 0.04)),
                grain ^ 1,
            )
        });
        if let Some(flange) = self.flange {
            let half = self.half * flange;
            let disc = |p: P| rect([p[0] - neck, p[1]], [0.045, half], 0.03);
            scene.canvas.stamp(&frame, 1.05, disc, |p, d, _| {
                let round = (half * half - p[1] * p[1]).max(0.0).sqrt();
                finish.at(p, 0.1 + round - 0.03 * (1.0 - bevel(d, 0.03)), grain ^ 2)
            });
        }
    }

    fn paint_top(&self, scene: &mut Scene) {
        let (frame, grain, finish) = (scene.frame, scene.grain, self.finish);
        if let Some(flange) = self.flange {
            let disc = |p| circle(p, flange);
            scene.canvas.stamp(&frame, flange, disc, |p, d, _| {
                finish.at(p, 0.1 * bevel(d, 0.2), grain ^ 1)
            });
        }
        let outline = |p| match self.head {
            Head::Hexagon => polygon(p, 6, 0.9, 0.03),
            Head::Cylinder => toothed(p, 48, 0.95, 0.985, 1.0),
            _ => circle(p, 0.95),
        };
        scene.canvas.stamp(&frame, 1.06, outline, |p, d, _| {
            let top = match self.head {
                Head::Hexagon => 0.3 + (0.7 * (0.97 - length(p))).min(0.0),
                Head::Cylinder => 0.2 + 0.1 * bevel(d + 0.04, 0.08),
                Head::Pan => 0.05 + 0.35 * bevel(d, 0.9),
                Head::Countersunk => 0.16 + 0.03 * bevel(d, 0.05),
            };
            finish.at(p, top, grain)
        });
        let recess = |p: P| match self.drive {
            Drive::None => 1.0,
            Drive::Slot => rect(p, [1.0, 0.09], 0.0).max(circle(p, 0.9)),
            Drive::Cross => rect(p, [0.5, 0.09], 0.03).min(rect(p, [0.09, 0.5], 0.03)),
            Drive::Hexagon => polygon(p, 6, 0.42, 0.0),
            Drive::Star => toothed(p, 6, 0.3, 0.46, 1.2),
        };
        if self.drive != Drive::None {
            scene.canvas.stamp(&frame, 1.0, recess, |p, d, below| {
                // Little light reaches the bottom.
                let wall = smooth(-0.1, 0.0, d);
                let mut surface = finish.at(p, below.height - 0.16 + 0.1 * wall, grain ^ 3);
                surface.albedo = surface.albedo.map(|v| v * (0.28 + 0.22 * wall));
                surface
            });
        }
        if let Some(mark) = &self.mark {
            mark.stamp(scene, 0, [0.0, 0.0], 0.36, |_, d, below| {
                let mut raised = *below;
                raised.height += 0.035 * bevel(d, 0.03);
                raised
            });
        }
    }
}

impl Design for Bolt {
    fn name(&self) -> String {
        match (self.head, self.onto_head) {
            (Head::Hexagon | Head::Cylinder, false) => "metal bolt",
            (Head::Hexagon | Head::Cylinder, true) => "bolt head",
            (_, false) => "metal screw",
            (_, true) => "screw head",
        }
        .into()
    }

    fn features(&self) -> String {
        match (self.onto_head, self.drive) {
            (false, _) => "an even thread, a straight shank and an intact head".into(),
            (true, Drive::None) => "sharp corners and clear marks".into(),
            (true, _) => "a smooth head and a clean recess".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.5,
            extent: if self.onto_head {
                self.flange.unwrap_or(1.0).max(1.05)
            } else {
                1.04
            },
        }
    }

    fn parts(&self) -> Vec<f32> {
        match &self.mark {
            Some(mark) if self.onto_head => vec![0.14; mark.len()],
            _ => Vec::new(),
        }
    }

    fn paint(&self, scene: &mut Scene) {
        if self.onto_head {
            self.paint_top(scene);
        } else {
            self.paint_side(scene);
        }
    }
}
