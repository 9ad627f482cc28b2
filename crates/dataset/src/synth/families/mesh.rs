//! Exact lattices with something behind them: perforated sheet, expanded metal, woven wire.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::Finish;
use crate::synth::math::{P, bevel, floor, scale3, sin_turns, smooth};
use crate::synth::noise::value;
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{capsule, circle, polygon, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hole {
    Round,
    Square,
    Hexagon,
    /// Long hole, its length in widths.
    Slot(f32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A sheet with holes; every second row may be shifted by half a pitch.
    Perforated { hole: Hole, staggered: bool },
    /// Slit and stretched sheet: rhombs, this much wider than high.
    Expanded(f32),
    /// Wires over and under each other.
    Woven,
    /// Straight rods welded onto straight rods.
    Welded,
}

/// A mesh or a grating.
#[derive(Debug)]
pub(crate) struct Mesh {
    kind: Kind,
    finish: Finish,
    pitch: f32,
    /// Half the size of a hole or of the wire, of the pitch.
    open: f32,
    behind: [f32; 3],
    /// How far behind the ground lies.
    depth: f32,
}

impl Mesh {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let kind = match rng.int(0, 6) {
            0 => Kind::Expanded(rng.range(1.3, 2.4)),
            1 => Kind::Welded,
            2 | 3 => Kind::Woven,
            _ => {
                let hole = match rng.int(0, 5) {
                    0 => Hole::Square,
                    1 => Hole::Hexagon,
                    2 => Hole::Slot(rng.range(1.8, 3.5)),
                    _ => Hole::Round,
                };
                Kind::Perforated {
                    hole,
                    staggered: hole == Hole::Hexagon || rng.chance(0.6),
                }
            }
        };
        let level = if rng.chance(0.6) {
            rng.range(0.02, 0.2)
        } else {
            rng.range(0.6, 1.0)
        };
        Self {
            kind,
            finish: if rng.chance(0.8) {
                Finish::metal(rng)
            } else {
                Finish::plastic(rng)
            },
            pitch: match kind {
                Kind::Woven => rng.range(0.08, 0.2),
                _ => rng.range(0.11, 0.3),
            },
            open: match kind {
                Kind::Perforated { .. } => rng.range(0.26, 0.42),
                Kind::Expanded(_) => rng.range(0.07, 0.13),
                Kind::Woven | Kind::Welded => rng.range(0.1, 0.22),
            },
            behind: std::array::from_fn(|_| level + rng.jitter(0.05)),
            depth: rng.range(0.05, 0.3),
        }
    }

    /// The lattice cell of `p` in pitches: the place in it, `-0.5..0.5`, and its numbers.
    fn cell(p: P, shifted: bool) -> (P, [i32; 2]) {
        let row = floor(p[1] + 0.5);
        let shift = if shifted && row & 1 == 1 { 0.5 } else { 0.0 };
        let column = floor(p[0] + shift + 0.5);
        (
            [p[0] + shift - column as f32, p[1] - row as f32],
            [column, row],
        )
    }

    /// Signed distance to the metal and its height there, both in pitches.
    fn metal(&self, p: P) -> P {
        let open = self.open;
        match self.kind {
            Kind::Perforated { hole, staggered } => {
                // Staggered round holes have six equal neighbours.
                let (width, height) = match hole {
                    Hole::Slot(long) => (long, 1.0),
                    _ if staggered => (1.0, 0.866),
                    _ => (1.0, 1.0),
                };
                let (q, _) = Self::cell([p[0] / width, p[1] / height], staggered);
                let q = [q[0] * width, q[1] * height];
                let d = match hole {
                    Hole::Round => circle(q, open),
                    Hole::Square => rect(q, [open; 2], 0.05),
                    // Flats face the neighbours, so that the webs are equally wide; the corners
                    // of the widest reach the border of the row.
                    Hole::Hexagon => polygon(q, 6, 0.88 * open, 0.03),
                    Hole::Slot(long) => {
                        let half = 0.5 * long - 0.5;
                        capsule(q, [-half, 0.0], [half, 0.0], open)
                    }
                };
                [-d, 0.3 * bevel(-d, 0.08)]
            }
            Kind::Expanded(wide) => {
                let (u, v) = (p[0] / wide + p[1], p[0] / wide - p[1]);
                let (a, b) = (u - floor(u + 0.5) as f32, v - floor(v + 0.5) as f32);
                // Strands are twisted out of the plane, one family against the other.
                let (side, lean) = if a.abs() < b.abs() {
                    (a, 0.5)
                } else {
                    (b, -0.5)
                };
                let scale = wide / (1.0 + wide * wide).sqrt();
                let d = side.abs() * scale - open;
                [d, 0.35 + 1.2 * lean * side + 0.1 * bevel(d, 0.05)]
            }
            Kind::Woven | Kind::Welded => {
                let (q, [column, row]) = Self::cell(p, false);
                let woven = self.kind == Kind::Woven;
                let wire = |side: f32, along: f32, number: i32, up: f32| {
                    let round = (open * open - side * side).max(0.0).sqrt();
                    // A wire of odd number passes over where one of even number passes under.
                    let swing = if woven {
                        let phase = 0.5 * along + 0.25 + 0.5 * (number & 1) as f32;
                        0.8 * open * sin_turns(phase) * up
                    } else {
                        0.8 * open * up
                    };
                    [side.abs() - open, 0.3 + swing + round]
                };
                let across = wire(q[0], p[1], column, 1.0);
                let along = wire(q[1], p[0], row, -1.0);
                if across[0] < 0.0 && (along[0] >= 0.0 || across[1] > along[1]) {
                    [across[0].min(along[0]), across[1]]
                } else if along[0] < 0.0 {
                    [along[0].min(across[0]), along[1]]
                } else {
                    [across[0].min(along[0]), 0.3]
                }
            }
        }
    }
}

impl Design for Mesh {
    fn name(&self) -> String {
        match self.kind {
            Kind::Perforated { .. } => "perforated sheet",
            Kind::Expanded(_) => "expanded metal",
            Kind::Woven => "wire mesh",
            Kind::Welded => "welded wire grid",
        }
        .into()
    }

    fn features(&self) -> String {
        match self.kind {
            Kind::Perforated { .. } => "a regular pattern of equal holes with clean edges".into(),
            Kind::Expanded(_) => "a regular pattern of equal meshes and unbroken strands".into(),
            Kind::Woven | Kind::Welded => "straight, evenly spaced and unbroken wires".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.8,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, pitch) = (scene.frame, scene.grain, self.pitch);
        let ground = Surface {
            cover: 0.0,
            ..Surface::matt(self.behind, -self.depth * pitch)
        };
        let light = scene.light();
        // Where the light that reaches the ground comes through the mesh.
        let shift = [0, 1].map(|axis| self.depth * light[axis] / scene.exposure.light[2]);
        let darkness = 0.7 * (1.0 - scene.exposure.ambient);
        scene.canvas.flood(&frame, |p, _| {
            let [d, height] = self.metal([p[0] / pitch, p[1] / pitch]);
            let share = 0.5 - d * pitch * frame.unit;
            if share <= 0.0 {
                let dust = value([p[0] * 9.0, p[1] * 9.0], grain ^ 2);
                let [over, _] = self.metal([p[0] / pitch + shift[0], p[1] / pitch + shift[1]]);
                let lit = 1.0 - darkness * smooth(0.06, -0.06, over);
                return Surface {
                    albedo: scale3(ground.albedo, (1.0 + 0.05 * dust) * lit),
                    ..ground
                };
            }
            let metal = self.finish.at(p, 0.35 * pitch * height, grain);
            ground.under(metal, share.min(1.0))
        });
    }
}
