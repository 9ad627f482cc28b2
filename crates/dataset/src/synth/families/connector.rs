//! Plugs and sockets from the front: a body, cavities and a contact in each.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::Finish;
use crate::synth::glyphs::Text;
use crate::synth::math::{P, TURN, bevel, cos, length, mix3, scale3, sin, sin_turns, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, polygon, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// A plastic block with rows of contacts.
    Block,
    /// A metal shell with slanting sides on a plate with two screws.
    Shell,
    /// A round shell with rings of contacts and a key.
    Round,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contact {
    Pin,
    Blade,
    Socket,
}

/// A connector seen from the front.
#[derive(Debug)]
pub(crate) struct Connector {
    form: Form,
    contact: Contact,
    body: Finish,
    shell: Finish,
    metal: Finish,
    /// Half extents of the body.
    half: P,
    places: Vec<P>,
    /// Half the size of a contact.
    size: f32,
    /// A cavity around each contact, or a common trough.
    cavities: bool,
    square: bool,
    /// Latches or keys on the upper long side.
    latches: Vec<f32>,
    ribs: f32,
    label: Option<Text>,
}

impl Connector {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let form = rng.pick(&[
            Form::Block,
            Form::Block,
            Form::Block,
            Form::Shell,
            Form::Round,
        ]);
        let shell = form == Form::Shell;
        let rows = rng.int(1 + usize::from(shell), 3);
        let few = if shell { 3 + 2 * rows } else { 3 };
        let columns = rng.int(few, if rows == 1 { 8 } else { 10 });
        let (places, pitch, half) = match form {
            Form::Round => rings(rng),
            _ => grid(rows, columns, shell),
        };
        let latches = match rng.int(0, 3) {
            0 => vec![0.0],
            1 => vec![-0.5 * half[0], 0.5 * half[0]],
            2 => vec![rng.range(-0.6, 0.6) * half[0]],
            _ => Vec::new(),
        };
        let gold = mix3(
            [0.95, 0.76, 0.38],
            [0.9, 0.9, 0.88],
            if rng.chance(0.5) { 0.0 } else { 1.0 },
        );
        Self {
            form,
            contact: rng.pick(&[Contact::Pin, Contact::Blade, Contact::Socket]),
            body: Finish::plastic(rng),
            shell: Finish::metal(rng),
            metal: Finish::metal(rng).coloured(gold),
            half,
            places,
            size: (0.3 * pitch).min(0.1) * rng.range(0.7, 1.0),
            cavities: form != Form::Block || rng.chance(0.6),
            square: form == Form::Block && rng.chance(0.6),
            latches: if form == Form::Block {
                latches
            } else {
                Vec::new()
            },
            ribs: if rng.chance(0.4) {
                rng.range(0.05, 0.1)
            } else {
                0.0
            },
            label: if form == Form::Block && half[1] < 0.5 && rng.chance(0.6) {
                Some(Text::draw(rng.int(2, 5), rng))
            } else {
                None
            },
        }
    }

    fn paint_body(&self, scene: &mut Scene) {
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
                if !self.cavities {
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
    fn hollow(&self, p: P, d: f32, grain: u32) -> Surface {
        let floor = self.body.at(p, 0.1, grain ^ 3);
        let wall = smooth(-0.08, 0.0, d);
        Surface {
            albedo: scale3(floor.albedo, 0.5 - 0.25 * wall),
            gloss: 0.0,
            ..floor
        }
    }

    /// The contact around the origin.
    fn outline(&self, p: P) -> f32 {
        match self.contact {
            Contact::Blade => rect(p, [0.35 * self.size, 1.15 * self.size], 0.0),
            _ if self.square => rect(p, [0.75 * self.size; 2], 0.2 * self.size),
            _ => circle(p, 0.8 * self.size),
        }
    }
}

/// Places, pitch and half extents of a block; the rows of a shell are staggered.
fn grid(rows: usize, columns: usize, staggered: bool) -> (Vec<P>, f32, P) {
    let room = if staggered { 1.2 } else { 1.75 };
    let pitch = (room / columns as f32).min(0.36);
    let middle = |count: usize| 0.5 * (count as f32 - 1.0);
    let mut places = Vec::new();
    for row in 0..rows {
        let shift = if staggered {
            0.25 - 0.5 * (row % 2) as f32
        } else {
            0.0
        };
        for column in 0..columns {
            let (x, y) = (
                column as f32 - middle(columns) + shift,
                row as f32 - middle(rows),
            );
            places.push([x * pitch, y * pitch]);
        }
    }
    let half = [
        0.5 * pitch * columns as f32 + 0.12,
        0.5 * pitch * rows as f32 + 0.12,
    ];
    (places, pitch, half)
}

/// Places of a round connector: one or two rings, sometimes one in the middle.
fn rings(rng: &mut Rng) -> (Vec<P>, f32, P) {
    let outer = rng.int(4, 12);
    let mut places = Vec::new();
    let mut ring = |count: usize, radius: f32| {
        for number in 0..count {
            let angle = TURN * (number as f32 + 0.5) / count as f32;
            places.push([radius * cos(angle), radius * sin(angle)]);
        }
    };
    ring(outer, 0.56);
    if outer > 7 {
        ring(outer / 2, 0.28);
    } else {
        ring(outer % 2, 0.0);
    }
    (places, (3.2 / outer as f32).min(0.32), [0.98, 0.98])
}

impl Design for Connector {
    fn name(&self) -> String {
        match self.form {
            Form::Block => "plastic connector",
            Form::Shell => "metal connector",
            Form::Round => "round connector",
        }
        .into()
    }

    fn features(&self) -> String {
        match self.contact {
            Contact::Socket => "a contact in every cavity and an undamaged body",
            _ => "straight pins in even rows and an undamaged body",
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.75,
            extent: self.half[0]
                .max(self.half[1])
                .max(if self.form == Form::Shell { 1.0 } else { 0.0 })
                * 1.1
                + 0.05,
        }
    }

    fn parts(&self) -> Vec<f32> {
        vec![self.size; self.places.len()]
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, size) = (scene.frame, scene.grain, self.size);
        self.paint_body(scene);
        for (number, &place) in self.places.iter().enumerate() {
            let lean = [scene.rng.jitter(0.06) * size, scene.rng.jitter(0.06) * size];
            if self.cavities {
                let own = frame.at(place, 0.0, 1.0);
                let hole = |p: P| {
                    if self.square {
                        rect(p, [1.25 * size; 2], 0.1 * size)
                    } else {
                        circle(p, 1.3 * size)
                    }
                };
                scene
                    .canvas
                    .stamp(&own, 1.8 * size, hole, |p, d, _| self.hollow(p, d, grain));
            }
            let at = [place[0] + lean[0], place[1] + lean[1]];
            let Some(own) = scene.part(number, at, 0.0) else {
                continue;
            };
            scene.canvas.stamp(
                &own,
                1.3 * size,
                |p| self.outline(p),
                |p, d, _| {
                    let mut surface =
                        self.metal
                            .at(p, 0.24 + 0.6 * size * bevel(d, 0.6 * size), grain ^ 2);
                    if self.contact == Contact::Socket {
                        let hole = smooth(-0.35 * size, -0.5 * size, d);
                        surface.height -= 0.1 * hole;
                        surface.albedo = scale3(surface.albedo, 1.0 - 0.85 * hole);
                    }
                    surface
                },
            );
        }
        if let Some(label) = &self.label {
            let high = 0.16 * self.half[0].min(0.8);
            let strip = [0.0, self.half[1] + 0.12];
            let plate = |p: P| rect([p[0], p[1] - strip[1]], [0.75 * self.half[0], 0.14], 0.04);
            scene.canvas.stamp(&frame, 1.4, plate, |p, d, _| {
                self.body.at(p, 0.16 + 0.03 * bevel(d, 0.03), grain ^ 4)
            });
            label.stamp(scene, self.places.len(), strip, high, |_, _, below| {
                let bright = below.albedo.iter().sum::<f32>() < 1.3;
                Surface {
                    albedo: if bright { [0.93; 3] } else { [0.06; 3] },
                    ..*below
                }
            });
        }
    }
}
