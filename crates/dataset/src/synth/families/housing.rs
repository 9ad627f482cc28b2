//! What the contacts of a connector stand in: a block, a shell on a plate, a round shell.

use crate::synth::canvas::Surface;
use crate::synth::finish::Finish;
use crate::synth::math::{P, bevel, length, scale3, sin_turns, smooth};
use crate::synth::scene::Scene;
use crate::synth::shape::{circle, polygon, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// A plastic block with rows of contacts.
    Block,
    /// A metal shell with slanting sides on a plate with two screws.
    Shell,
    /// A round shell with rings of contacts and a key.
    Round,
}

/// The body of a connector.
#[derive(Debug)]
pub(crate) struct Housing {
    pub form: Form,
    /// The plastic around the contacts, and the metal of shell and plate.
    pub body: Finish,
    pub shell: Finish,
    /// The metal of contacts and screws.
    pub metal: Finish,
    /// Half extents of the body.
    pub half: P,
    /// Latches or keys on the upper long side.
    pub latches: Vec<f32>,
    /// Distance from rib to rib; 0 for none.
    pub ribs: f32,
    /// True if the contacts of a block stand in one trough.
    pub trough: bool,
}

impl Housing {
    pub(crate) fn paint(&self, scene: &mut Scene) {
        let (frame, grain, half) = (scene.frame, scene.grain, self.half);
        match self.form {
            Form::Block => {
                for &x in &self.latches {
                    let latch = |p: P| rect([p[0] - x, p[1] + half[1] + 0.04], [0.15, 0.09], 0.03);
                    scene.canvas.stamp(&frame, 1.4, latch, |p, d, _| {
                        self.body.at(p, 0.2 + 0.04 * bevel(d, 0.04), grain ^ 1)
                    });
                }
                let block = |p| rect(p, half, 0.05);
                scene.canvas.stamp(&frame, 1.4, block, |p, d, _| {
                    let rib = if self.ribs > 0.0 {
                        smooth(0.0, 0.6, sin_turns(p[0] / self.ribs)) * smooth(-0.08, -0.05, d)
                    } else {
                        0.0
                    };
                    self.body
                        .at(p, 0.3 + 0.04 * bevel(d, 0.04) - 0.03 * rib, grain)
                });
                if self.trough {
                    let trough = |p| rect(p, [half[0] - 0.1, half[1] - 0.1], 0.03);
                    scene
                        .canvas
                        .stamp(&frame, 1.4, trough, |p, d, _| self.hollow(p, d, grain));
                }
            }
            Form::Shell => {
                let plate = |p| rect(p, [0.98, half[1] + 0.12], 0.06);
                scene.canvas.stamp(&frame, 1.4, plate, |p, d, _| {
                    self.shell.at(p, 0.1 + 0.03 * bevel(d, 0.03), grain)
                });
                for x in [-0.86, 0.86] {
                    let nut = |p: P| polygon([p[0] - x, p[1]], 6, 0.09, 0.0);
                    scene.canvas.stamp(&frame, 1.1, nut, |p, d, _| {
                        let hole = smooth(0.05, 0.04, length([p[0] - x, p[1]]));
                        let steel =
                            self.metal
                                .at(p, 0.2 + 0.03 * bevel(d, 0.03) - 0.1 * hole, grain);
                        Surface {
                            albedo: scale3(steel.albedo, 1.0 - 0.8 * hole),
                            ..steel
                        }
                    });
                }
                let slanting = |p: P| {
                    (0.97 * (p[0].abs() - half[0] + 0.16 * p[1])).max(rect(p, [2.0, half[1]], 0.0))
                };
                scene.canvas.stamp(&frame, 1.4, slanting, |p, d, _| {
                    self.shell.at(p, 0.22 + 0.06 * bevel(d, 0.05), grain)
                });
                scene.canvas.stamp(
                    &frame,
                    1.4,
                    |p| slanting(p) + 0.05,
                    |p, d, _| {
                        self.body
                            .at(p, 0.16 - 0.04 * smooth(0.0, -0.06, d), grain ^ 1)
                    },
                );
            }
            Form::Round => {
                scene.canvas.stamp(
                    &frame,
                    1.0,
                    |p| circle(p, 0.98),
                    |p, d, _| {
                        let thread =
                            0.012 * sin_turns(length(p) * 24.0) * smooth(0.8, 0.83, length(p));
                        self.shell
                            .at(p, 0.3 + 0.06 * bevel(d, 0.08) + thread, grain)
                    },
                );
                let key = |p: P| circle(p, 0.8).min(rect([p[0], p[1] + 0.8], [0.09, 0.07], 0.0));
                scene.canvas.stamp(&frame, 1.0, key, |p, d, _| {
                    let floor = self.body.at(p, 0.16, grain ^ 1);
                    Surface {
                        albedo: scale3(floor.albedo, 1.0 - 0.5 * smooth(-0.12, 0.0, d)),
                        ..floor
                    }
                });
            }
        }
    }

    /// The inside of a cavity: the same plastic, with little light.
    pub(crate) fn hollow(&self, p: P, d: f32, grain: u32) -> Surface {
        let floor = self.body.at(p, 0.1, grain ^ 3);
        let wall = smooth(-0.08, 0.0, d);
        Surface {
            albedo: scale3(floor.albedo, 0.5 - 0.25 * wall),
            gloss: 0.0,
            ..floor
        }
    }
}
