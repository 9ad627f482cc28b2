//! What is soldered onto circuit boards.

use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Frame, Surface};
use crate::synth::math::{P, bevel, floor, length, smooth};
use crate::synth::noise::value;
use crate::synth::shape::{circle, rect};

/// A component, its body in the x direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Component {
    /// Chip with pins on two or on four sides.
    Chip { pins: usize, all_round: bool },
    /// Two metal ends and a body between.
    Small { body: [f32; 3] },
    /// Round can with a dark segment.
    Can { sleeve: [f32; 3] },
    /// Row of pins in a plastic strip.
    Header { pins: usize },
    /// Silver can of a crystal.
    Crystal,
}

/// Bare, tinned or gilded metal.
pub(crate) fn tin(colour: [f32; 3], height: f32) -> Surface {
    Surface {
        metal: 0.6,
        ..Surface::shiny(colour, height, 0.4)
    }
}

/// Plastic of a body.
fn black(level: f32, height: f32) -> Surface {
    Surface::shiny([level; 3], height, 0.15)
}

/// Distance from the middle of the nearest of `count` steps of `pitch` around the origin.
fn step(x: f32, pitch: f32, count: usize) -> f32 {
    let turn = x / pitch + 0.5 * (count % 2) as f32;
    (turn - floor(turn) as f32 - 0.5).abs() * pitch
}

impl Component {
    /// A chip or a header and its half extents.
    pub(crate) fn large(rng: &mut Rng) -> (Self, P) {
        let long = rng.range(0.22, 0.34);
        let (pins, kind) = (rng.int(4, 9), rng.int(0, 3));
        match kind {
            0 => (
                Self::Chip {
                    pins: pins + 2,
                    all_round: true,
                },
                [long, long],
            ),
            1 => (Self::Header { pins }, [1.3 * long, 0.06]),
            _ => (
                Self::Chip {
                    pins,
                    all_round: false,
                },
                [long, 0.6 * long],
            ),
        }
    }

    /// A resistor, capacitor or crystal and its half extents.
    pub(crate) fn small(rng: &mut Rng) -> (Self, P) {
        let long = rng.range(0.05, 0.09);
        match rng.int(0, 7) {
            0 => {
                let sleeve = rng.pick(&[[0.1; 3], [0.12, 0.16, 0.35]]);
                (Self::Can { sleeve }, [1.3 * long; 2])
            }
            1 => (Self::Crystal, [0.13, 0.055]),
            2..=4 => (
                Self::Small {
                    body: [0.12, 0.12, 0.13],
                },
                [long, 0.5 * long],
            ),
            _ => (
                Self::Small {
                    body: [0.62, 0.46, 0.3],
                },
                [long, 0.55 * long],
            ),
        }
    }

    /// Stamps the component of half extents `half` at the origin of `own`; `gold` is the colour of
    /// its contacts.
    pub(crate) fn stamp(
        self,
        canvas: &mut Canvas,
        own: &Frame,
        half: P,
        gold: [f32; 3],
        grain: u32,
    ) {
        let reach = length(half) + 0.02;
        match self {
            Self::Chip { pins, all_round } => {
                let body = [half[0] - 0.05, half[1] - 0.05];
                // Legs are a comb across the body, and one along it.
                let comb = |u: f32, v: f32, inner: f32, outer: f32| {
                    let pitch = 2.0 * inner / pins as f32;
                    let side = step(u, pitch, pins) - 0.24 * pitch;
                    side.max(v.abs() - outer).max(u.abs() - inner)
                };
                let legs = |p: P| {
                    let other = if all_round {
                        comb(p[1], p[0], body[1], half[0])
                    } else {
                        1.0
                    };
                    comb(p[0], p[1], body[0], half[1]).min(other)
                };
                canvas.stamp(own, reach, legs, |_, d, _| {
                    tin(gold, 0.14 + 0.02 * bevel(d, 0.01))
                });
                let case = |p| rect(p, body, 0.015);
                canvas.stamp(own, reach, case, |p, d, _| {
                    // A dimple marks the first pin.
                    let dimple = circle([p[0] + body[0] - 0.05, p[1] - body[1] + 0.05], 0.022);
                    let speck = value([p[0] * 70.0, p[1] * 70.0], grain);
                    let height =
                        0.24 + 0.02 * bevel(d, 0.02) - 0.01 * smooth(0.004, -0.004, dimple);
                    black(0.13 + 0.012 * speck, height)
                });
            }
            Self::Small { body } => {
                let block = |p| rect(p, half, 0.012);
                canvas.stamp(own, reach, block, |p, d, _| {
                    let end = smooth(0.62, 0.66, p[0].abs() / half[0]);
                    let height = 0.18 + 0.02 * bevel(d, 0.02);
                    Surface::shiny(body, height, 0.15).under(tin(gold, height), end)
                });
            }
            Self::Can { sleeve } => {
                let disc = |p| circle(p, half[0]);
                canvas.stamp(own, reach, disc, |p, d, _| {
                    let mark = smooth(0.5, 0.54, p[0] / half[0]);
                    let top = tin([0.84; 3], 0.4).under(Surface::shiny(sleeve, 0.4, 0.2), mark);
                    let edge = Surface::shiny(sleeve, 0.26 + 0.12 * bevel(d, 0.03), 0.3);
                    edge.under(top, smooth(-0.02, -0.03, d))
                });
            }
            Self::Header { pins } => {
                let strip = |p| rect(p, half, 0.02);
                canvas.stamp(own, reach, strip, |p, d, _| {
                    let along = step(p[0], 2.0 * half[0] / pins as f32, pins);
                    let pin = smooth(0.026, 0.02, along.max(p[1].abs()));
                    black(0.1, 0.24 + 0.02 * bevel(d, 0.02)).under(tin(gold, 0.34), pin)
                });
            }
            Self::Crystal => {
                let can = |p| rect(p, half, half[1]);
                canvas.stamp(own, reach, can, |_, d, _| {
                    let lid = 0.05 * bevel(d + 0.02, 0.03);
                    tin([0.84; 3], 0.16 + lid + 0.02 * bevel(d, 0.02))
                });
            }
        }
    }
}
