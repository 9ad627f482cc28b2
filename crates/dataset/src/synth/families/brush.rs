//! Brushes from the front: tufts of bristles in rows on a toothbrush, a block or a disc.

use super::Design;
use super::layout::{grid, ring};
use crate::rng::Rng;
use crate::synth::canvas::{Frame, Surface};
use crate::synth::finish::{Finish, saturated};
use crate::synth::math::{P, bevel, length, mix3, scale3, smooth};
use crate::synth::noise::{cells, unit, value};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{capsule, circle, ellipse, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// Head of these half extents on a neck of this half width.
    Toothbrush(P, f32),
    /// Oblong block of these half extents, its corners rounded.
    Block(P, f32),
    /// Disc with a hole of this radius.
    Disc(f32),
}

/// How the colours of the tufts are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Alike,
    Columns,
    Rows,
    /// Another colour within this distance from the middle.
    Middle(f32),
}

/// A brush, bristles up.
#[derive(Debug)]
pub(crate) struct Brush {
    form: Form,
    body: Finish,
    places: Vec<P>,
    pitch: f32,
    /// Half extents of a tuft.
    tuft: P,
    colours: [[f32; 3]; 2],
    order: Order,
    /// Bristles per unit.
    fine: f32,
    /// How far a tuft leans and frays.
    wild: f32,
    tall: f32,
}

impl Brush {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let form = match rng.int(0, 5) {
            0 => Form::Disc(rng.range(0.12, 0.3)),
            1 | 2 => {
                let half = [0.98, rng.range(0.35, 0.6)];
                Form::Block(half, half[1] * rng.range(0.15, 0.9))
            }
            _ => Form::Toothbrush(
                [rng.range(0.55, 0.68), rng.range(0.26, 0.34)],
                rng.range(0.09, 0.14),
            ),
        };
        let pitch = match form {
            Form::Toothbrush(half, _) => half[1] * rng.range(0.36, 0.52),
            _ => rng.range(0.17, 0.25),
        };
        let stagger = rng.pick(&[0.0, 1.0]);
        let bristles = |rng: &mut Rng| match rng.int(0, 4) {
            0 => [0.94, 0.94, 0.92],
            1 => [0.72, 0.58, 0.38],
            2 => [0.16, 0.14, 0.13],
            _ => mix3(saturated(rng), [0.95; 3], rng.unit() * 0.5),
        };
        let places = match form {
            Form::Disc(hole) => {
                let rings = ((0.84 - hole) / pitch) as usize;
                let radius = |number: usize| hole + 0.1 + pitch * number as f32;
                let count = |number: usize| (6.2 * radius(number) / pitch) as usize;
                (0..=rings)
                    .flat_map(|number| {
                        ring(count(number), radius(number), 0.5 * (number % 2) as f32)
                    })
                    .collect()
            }
            Form::Toothbrush(half, _) | Form::Block(half, _) => {
                let count = |axis: usize| ((2.0 * half[axis] - 0.06) / pitch) as usize;
                grid(count(0), count(1).max(2), [pitch; 2], stagger)
            }
        };
        let mut brush = Self {
            form,
            body: Finish::plastic(rng),
            places,
            pitch,
            tuft: [pitch * rng.range(0.42, 0.54), pitch * rng.range(0.42, 0.54)],
            colours: [bristles(rng), bristles(rng)],
            order: match rng.int(0, 3) {
                0 => Order::Columns,
                1 => Order::Rows,
                2 => Order::Middle(rng.range(0.2, 0.5)),
                _ => Order::Alike,
            },
            fine: rng.range(48.0, 85.0),
            wild: rng.range(0.3, 1.0),
            tall: rng.range(0.25, 0.4),
        };
        // A tuft has its hole in the body, not on its edge.
        let places = std::mem::take(&mut brush.places);
        brush.places = places
            .into_iter()
            .filter(|&place| brush.outline(place) < -0.42 * pitch)
            .collect();
        brush
    }

    fn outline(&self, p: P) -> f32 {
        match self.form {
            Form::Toothbrush(half, _) => rect(p, half, 0.85 * half[1]),
            Form::Block(half, round) => rect(p, half, round),
            Form::Disc(hole) => circle(p, 0.98).max(hole - length(p)),
        }
    }

    fn colour(&self, place: P) -> [f32; 3] {
        let odd = |x: f32| (x / self.pitch + 100.25) as i32 % 2;
        let other = match self.order {
            Order::Alike => 0,
            Order::Columns => odd(place[0]),
            Order::Rows => odd(place[1]),
            Order::Middle(reach) => i32::from(length(place) < reach),
        };
        self.colours[other as usize]
    }

    fn paint_tuft(&self, scene: &mut Scene, own: &Frame, colour: [f32; 3], grain: u32) {
        let tuft = self.tuft;
        let reach = 1.5 * tuft[0].max(tuft[1]);
        let seen = |p: P| {
            let frayed = 0.16 * self.wild * tuft[0] * value([p[0] * 60.0, p[1] * 60.0], grain);
            ellipse(p, tuft) + frayed
        };
        scene.canvas.stamp(own, reach, seen, |p, d, _| {
            let bristle = cells([p[0] * self.fine, p[1] * self.fine], 0.9, grain);
            let tip = smooth(0.55, 0.1, bristle.near);
            // Bristles end at different heights, those at the edge lower.
            let long = unit(bristle.id.wrapping_mul(0x9E37_79B1));
            let inner = bevel(d, 0.4 * tuft[0]);
            let tone = 0.32 + 0.36 * inner + 0.36 * tip * (0.5 + 0.5 * long);
            let height = 0.1 + self.tall * (0.8 + 0.2 * inner) + 0.006 * tip + 0.008 * long;
            Surface::shiny(scale3(colour, tone), height, 0.08)
        });
    }
}

impl Design for Brush {
    fn name(&self) -> String {
        match self.form {
            Form::Toothbrush(..) => "toothbrush",
            Form::Block(..) => "scrubbing brush",
            Form::Disc(_) => "disc brush",
        }
        .into()
    }

    fn features(&self) -> String {
        "full upright tufts in even rows and a clean body".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.75,
            extent: if matches!(self.form, Form::Toothbrush(..)) {
                0.82
            } else {
                1.05
            },
        }
    }

    fn parts(&self) -> Vec<f32> {
        vec![self.tuft[1]; self.places.len()]
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        if let Form::Toothbrush(half, neck) = self.form {
            // The handle leaves the picture.
            let handle = |p: P| {
                let swell = 0.12 * smooth(0.9, 2.2, -p[0]);
                capsule(p, [0.2 - half[0], 0.0], [-4.0, 0.0], neck + swell)
            };
            scene.canvas.stamp(&frame, 4.2, handle, |p, d, _| {
                self.body.at(p, 0.1 + 0.12 * bevel(d, neck), grain)
            });
        }
        scene.canvas.stamp(
            &frame,
            1.2,
            |p| self.outline(p),
            |p, d, _| self.body.at(p, 0.12 + 0.06 * bevel(d, 0.06), grain),
        );
        for &place in &self.places {
            let own = frame.at(place, 0.0, 1.0);
            let hole = 0.85 * self.tuft[0].min(self.tuft[1]);
            scene.canvas.stamp(
                &own,
                hole,
                |p| circle(p, hole),
                |_, _, below| Surface {
                    albedo: scale3(below.albedo, 0.4),
                    height: 0.1,
                    ..*below
                },
            );
        }
        for (number, &place) in self.places.iter().enumerate() {
            let lean = 0.16 * self.wild * self.pitch;
            let at = [
                place[0] + scene.rng.jitter(lean),
                place[1] + scene.rng.jitter(lean),
            ];
            let (turn, own_grain) = (scene.rng.jitter(0.3), scene.rng.bits());
            if let Some(own) = scene.part(number, at, turn) {
                self.paint_tuft(scene, &own, self.colour(place), own_grain);
            }
        }
    }
}
