//! Plugs and sockets from the front: a body, cavities and a contact in each.

use super::Design;
use super::housing::{Form, Housing};
use super::layout::{grid, ring};
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::Finish;
use crate::synth::glyphs::Text;
use crate::synth::math::{P, bevel, mix3, scale3, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contact {
    Pin,
    Blade,
    Socket,
}

/// A connector seen from the front.
#[derive(Debug)]
pub(crate) struct Connector {
    housing: Housing,
    contact: Contact,
    places: Vec<P>,
    /// Half the size of a contact.
    size: f32,
    /// A cavity around each contact, or a common trough.
    cavities: bool,
    square: bool,
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
            _ => block(rows, columns, shell),
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
        let cavities = form != Form::Block || rng.chance(0.6);
        let ribbed = rng.chance(0.4);
        let housing = Housing {
            form,
            body: Finish::plastic(rng),
            shell: Finish::metal(rng),
            metal: Finish::metal(rng).coloured(gold),
            half,
            latches,
            ribs: if ribbed { rng.range(0.05, 0.1) } else { 0.0 },
            trough: !cavities,
        };
        let labelled = form == Form::Block && half[1] < 0.5 && rng.chance(0.6);
        Self {
            housing,
            contact: rng.pick(&[Contact::Pin, Contact::Blade, Contact::Socket]),
            places,
            size: (0.3 * pitch).min(0.1) * rng.range(0.7, 1.0),
            cavities,
            square: form == Form::Block && rng.chance(0.6),
            label: labelled.then(|| Text::draw(rng.int(2, 5), rng)),
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
fn block(rows: usize, columns: usize, staggered: bool) -> (Vec<P>, f32, P) {
    let (room, stagger) = if staggered { (1.2, 1.0) } else { (1.75, 0.0) };
    let pitch = (room / columns as f32).min(0.36);
    let half = |count: usize| 0.5 * pitch * count as f32 + 0.12;
    let places = grid(columns, rows, [pitch; 2], stagger);
    (places, pitch, [half(columns), half(rows)])
}

/// Places of a round connector: one or two rings, sometimes one in the middle.
fn rings(rng: &mut Rng) -> (Vec<P>, f32, P) {
    let outer = rng.int(4, 12);
    let mut places = ring(outer, 0.56, 0.5);
    places.extend(if outer > 7 {
        ring(outer / 2, 0.28, 0.5)
    } else {
        ring(outer % 2, 0.0, 0.5)
    });
    (places, (3.2 / outer as f32).min(0.32), [0.98, 0.98])
}

impl Design for Connector {
    fn name(&self) -> String {
        match self.housing.form {
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
        let width = match self.housing.form {
            Form::Shell => 1.0,
            _ => self.housing.half[0],
        };
        Habit {
            texture: false,
            oriented: 0.75,
            extent: 1.1 * width.max(self.housing.half[1]) + 0.05,
        }
    }

    fn parts(&self) -> Vec<f32> {
        vec![self.size; self.places.len()]
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, size) = (scene.frame, scene.grain, self.size);
        self.housing.paint(scene);
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
                scene.canvas.stamp(&own, 1.8 * size, hole, |p, d, _| {
                    self.housing.hollow(p, d, grain)
                });
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
                    let mut surface = self.housing.metal.at(
                        p,
                        0.24 + 0.6 * size * bevel(d, 0.6 * size),
                        grain ^ 2,
                    );
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
            let high = 0.16 * self.housing.half[0].min(0.8);
            let strip = [0.0, self.housing.half[1] + 0.12];
            let plate = |p: P| {
                rect(
                    [p[0], p[1] - strip[1]],
                    [0.75 * self.housing.half[0], 0.14],
                    0.04,
                )
            };
            scene.canvas.stamp(&frame, 1.4, plate, |p, d, _| {
                self.housing
                    .body
                    .at(p, 0.16 + 0.03 * bevel(d, 0.03), grain ^ 4)
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
