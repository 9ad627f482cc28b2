//! Racks from above: tubes, vials or cells in the holes of a plate or between wires.

use super::Design;
use super::layout::grid;
use crate::rng::Rng;
use crate::synth::canvas::{Frame, Surface};
use crate::synth::finish::{Finish, saturated};
use crate::synth::glyphs::Text;
use crate::synth::math::{P, angle_turns, bevel, floor, length, mix3, scale3, sin_turns, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    /// Tube with a ribbed cap.
    Capped,
    /// Open glass tube with a liquid.
    Open,
    /// Vial closed by a crimped ring of metal around rubber.
    Vial,
    /// Electric cell with its positive end up.
    Cell,
}

/// A rack and what stands in it.
#[derive(Debug)]
pub(crate) struct Rack {
    plate: Finish,
    item: Item,
    columns: usize,
    pitch: f32,
    half: P,
    places: Vec<P>,
    /// Which places hold something, and its colour.
    items: Vec<Option<[f32; 3]>>,
    radius: f32,
    square: bool,
    /// Half the width of the wires, where the rack is a grid of them.
    wires: Option<f32>,
    /// One letter beside each row.
    letters: Vec<Text>,
}

impl Rack {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let columns = rng.int(3, 7);
        let rows = rng.int(2, columns.min(5));
        let wires = rng.chance(0.3).then(|| rng.range(0.012, 0.025));
        let lettered = wires.is_none() && rng.chance(0.6);
        let margin = if lettered { 0.12 } else { 0.04 };
        let pitch = (1.9 - 2.0 * margin) / columns as f32;
        let radius = (pitch * rng.range(0.36, 0.44)).min(0.125);
        // Racks for few things are as small as these ask for.
        let pitch = pitch.min(2.9 * radius);
        let palette: Vec<[f32; 3]> = (0..3)
            .map(|_| mix3(saturated(rng), [0.9; 3], rng.unit() * 0.3))
            .collect();
        let (order, empty) = (
            rng.int(0, 4),
            if rng.chance(0.35) {
                rng.int(1, columns)
            } else {
                0
            },
        );
        let items = (0..columns * rows).map(|number| {
            let (column, row) = (number % columns, number / columns);
            let colour = match order {
                0 => column % 3,
                1 => row % 3,
                2 => (row + column) % 2,
                _ => 0,
            };
            (number + empty < columns * rows).then(|| palette[colour])
        });
        Self {
            plate: if rng.chance(0.3) {
                Finish::metal(rng)
            } else {
                Finish::plastic(rng)
            },
            item: rng.pick(&[
                Item::Capped,
                Item::Capped,
                Item::Open,
                Item::Vial,
                Item::Cell,
            ]),
            columns,
            pitch,
            half: [
                0.5 * pitch * columns as f32 + margin,
                0.5 * pitch * rows as f32 + 0.05,
            ],
            places: grid(columns, rows, [pitch; 2], 0.0),
            items: items.collect(),
            radius,
            square: rng.chance(0.3),
            wires,
            letters: if lettered {
                (0..rows).map(|_| Text::draw(1, rng)).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// `p` relative to the middle of its cell, if the columns are as drawn.
    fn cell(&self, p: P) -> P {
        let middle = |count: usize| 0.5 * ((count + 1) % 2) as f32;
        let off = |x: f32, count: usize| {
            let turn = x / self.pitch + middle(count);
            (turn - floor(turn + 0.5) as f32) * self.pitch
        };
        [
            off(p[0], self.columns),
            off(p[1], self.places.len() / self.columns),
        ]
    }

    fn paint_plate(&self, scene: &mut Scene) {
        let (frame, grain, half) = (scene.frame, scene.grain, self.half);
        let hole = 1.12 * self.radius;
        if let Some(wire) = self.wires {
            let side = 0.5 * self.pitch - wire;
            let inner = [half[0] - 0.05, half[1] - 0.05];
            let mesh = |p| {
                let opening = rect(self.cell(p), [side; 2], 0.01).max(rect(p, inner, 0.0));
                rect(p, half, 0.08).max(-opening)
            };
            scene.canvas.stamp(&frame, 1.5, mesh, |p, d, _| {
                self.plate.at(p, 0.2 + 1.2 * wire * bevel(d, wire), grain)
            });
            return;
        }
        scene.canvas.stamp(
            &frame,
            1.5,
            |p| rect(p, half, 0.07),
            |p, d, _| self.plate.at(p, 0.2 + 0.05 * bevel(d, 0.05), grain),
        );
        for &place in &self.places {
            let own = frame.at(place, 0.0, 1.0);
            let shape = |p| {
                if self.square {
                    rect(p, [hole; 2], 0.02)
                } else {
                    circle(p, hole)
                }
            };
            scene.canvas.stamp(&own, 1.5 * hole, shape, |p, d, _| {
                let bottom = self.plate.at(p, 0.08, grain ^ 1);
                let wall = smooth(-0.05, 0.0, d);
                Surface {
                    albedo: scale3(bottom.albedo, 0.42 - 0.2 * wall),
                    gloss: 0.0,
                    ..bottom
                }
            });
        }
    }

    fn paint_item(&self, scene: &mut Scene, own: &Frame, colour: [f32; 3], level: f32) {
        let radius = self.radius;
        let (glass, steel) = ([0.82, 0.86, 0.86], [0.84; 3]);
        let metal = |height: f32| Surface {
            metal: 0.8,
            ..Surface::shiny(steel, height, 0.4)
        };
        scene.canvas.stamp(
            own,
            radius,
            |p| circle(p, radius),
            |p, d, _| {
                // From the middle, 0, to the wall, 1.
                let r = length(p) / radius;
                match self.item {
                    Item::Capped => {
                        let rib = sin_turns(angle_turns(p) * 22.0) * smooth(0.78, 0.86, r);
                        let rim = smooth(0.66, 0.74, r) - smooth(0.8, 0.9, r);
                        Surface::shiny(
                            scale3(colour, 1.0 + 0.08 * rib),
                            0.38 + 0.05 * bevel(d, 0.025) + 0.03 * rim + 0.008 * rib,
                            0.3,
                        )
                    }
                    Item::Open => {
                        let liquid = Surface::shiny(
                            scale3(colour, level * (1.0 - 0.35 * smooth(0.2, 0.8, r))),
                            0.12 + 0.02 * r * r,
                            0.5,
                        );
                        let wall = Surface::shiny(glass, 0.4 + 0.03 * bevel(d, 0.02), 0.8);
                        liquid.under(wall, smooth(0.8, 0.86, r))
                    }
                    Item::Vial => {
                        let rubber =
                            Surface::matt(scale3(colour, 0.75), 0.37 - 0.02 * smooth(0.3, 0.1, r));
                        rubber.under(metal(0.37 + 0.05 * bevel(d, 0.03)), smooth(0.48, 0.54, r))
                    }
                    Item::Cell => {
                        let nub = smooth(0.36, 0.3, r);
                        let top = metal(0.34 + 0.06 * nub - 0.02 * smooth(0.62, 0.7, r));
                        top.under(
                            Surface::shiny(colour, 0.36 + 0.04 * bevel(d, 0.03), 0.3),
                            smooth(0.8, 0.86, r),
                        )
                    }
                }
            },
        );
    }
}

impl Design for Rack {
    fn name(&self) -> String {
        match self.item {
            Item::Capped | Item::Open => "rack of test tubes",
            Item::Vial => "rack of vials",
            Item::Cell => "tray of batteries",
        }
        .into()
    }

    fn features(&self) -> String {
        match self.item {
            Item::Capped => "a closed tube in its place in every row",
            Item::Open => "an equally filled tube in its place in every row",
            Item::Vial => "a sealed vial in its place in every row",
            Item::Cell => "a cell in its place in every row, the same end up",
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.85,
            extent: (1.06 * self.half[0].max(self.half[1]))
                .max(0.85 * length(self.half))
                .max(0.95),
        }
    }

    fn parts(&self) -> Vec<f32> {
        self.items.iter().flatten().map(|_| self.radius).collect()
    }

    fn paint(&self, scene: &mut Scene) {
        self.paint_plate(scene);
        let mut number = 0;
        for (&place, item) in self.places.iter().zip(&self.items) {
            let slack = 0.1 * self.radius;
            let at = [
                place[0] + scene.rng.jitter(slack),
                place[1] + scene.rng.jitter(slack),
            ];
            let (turn, level) = (scene.rng.range(0.0, 1.0), 1.0 + scene.rng.jitter(0.12));
            let Some(colour) = item else {
                continue;
            };
            if let Some(own) = scene.part(number, at, turn) {
                self.paint_item(scene, &own, *colour, level);
            }
            number += 1;
        }
        for (row, letter) in self.letters.iter().enumerate() {
            let y = self.places[row * self.columns][1];
            letter.stamp(
                scene,
                self.places.len() + row,
                [0.07 - self.half[0], y],
                0.11,
                |_, _, below| {
                    let dark = below.albedo.iter().sum::<f32>() < 1.3;
                    Surface {
                        albedo: if dark { [0.92; 3] } else { [0.08; 3] },
                        metal: 0.0,
                        ..*below
                    }
                },
            );
        }
    }
}
