//! Cables in section: sheath, screen, coloured cores and their strands.

use super::Design;
use super::layout::{bundle, grid, ring};
use super::wire::{PALETTE, Wire};
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::{Finish, saturated};
use crate::synth::math::{P, angle_turns, bevel, floor, mix3, scale3};
use crate::synth::noise::value;
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{capsule, circle};

/// What lies between the sheath and the cores.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Screen {
    None,
    Foil,
    /// Fine wires side by side.
    Braid,
}

/// A cut cable.
#[derive(Debug)]
pub(crate) struct Cable {
    sheath: Finish,
    filling: Finish,
    screen: Screen,
    /// Inner radius of the sheath; the outer one is 1.
    inner: f32,
    /// Half the distance between the outer cores of a flat cable, half its height.
    flat: Option<(f32, f32)>,
    places: Vec<P>,
    wire: Wire,
    colours: Vec<[f32; 3]>,
    /// The core with two colours, if one has.
    striped: Option<usize>,
    /// Cords of fibre between the cores: places and radius.
    cords: Vec<P>,
    cord: f32,
}

impl Cable {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let inner = rng.range(0.76, 0.9);
        let screen = rng.pick(&[Screen::None, Screen::None, Screen::Foil, Screen::Braid]);
        let room = if screen == Screen::None {
            inner
        } else {
            inner - 0.07
        };
        let flat = rng.chance(0.2);
        let count = if flat {
            rng.int(2, 5)
        } else {
            rng.pick(&[1, 2, 3, 3, 4, 5, 7, 12, 19])
        };
        let (places, radius) = if flat {
            row(count)
        } else {
            bundle(count, room)
        };
        let mut colours: Vec<[f32; 3]> = PALETTE.to_vec();
        rng.shuffle(&mut colours);
        if rng.chance(0.2) {
            colours = vec![colours[0]];
        }
        let tone = rng.range(0.85, 1.05);
        let cords = if !flat && (2..=4).contains(&count) && rng.chance(0.6) {
            ring(count, 0.8 * room, 0.5)
        } else {
            Vec::new()
        };
        let level = rng.range(0.3, 0.9);
        Self {
            sheath: Finish::plastic(rng),
            filling: Finish::powder(mix3([level; 3], saturated(rng), 0.15), rng),
            screen: if flat { Screen::None } else { screen },
            inner,
            flat: flat.then_some((1.15 * radius * (count as f32 - 1.0), 1.35 * radius)),
            wire: Wire::draw(radius, rng),
            colours: colours.iter().map(|&colour| scale3(colour, tone)).collect(),
            striped: (count > 2 && rng.chance(0.5)).then(|| rng.int(0, count - 1)),
            cord: 0.11,
            cords,
            places,
        }
    }

    fn outline(&self, p: P) -> f32 {
        match self.flat {
            Some((reach, half)) => capsule(p, [-reach, 0.0], [reach, 0.0], half),
            None => circle(p, 1.0),
        }
    }

    fn paint_sheath(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let round = |p: P| self.outline(p) + 0.008 * value([p[0] * 3.0, p[1] * 3.0], grain);
        scene.canvas.stamp(&frame, 1.05, round, |p, d, _| {
            self.sheath.at(p, 0.2 + 0.06 * bevel(d, 0.05), grain)
        });
        if self.flat.is_some() {
            return;
        }
        let inner = self.inner;
        scene.canvas.stamp(
            &frame,
            1.0,
            |p| circle(p, inner),
            |p, d, _| {
                if self.screen != Screen::None && d > -0.07 {
                    let wires = if self.screen == Screen::Braid {
                        46.0
                    } else {
                        4.0
                    };
                    let row = floor(d / 0.035) as f32;
                    let turn = angle_turns(p) * wires + 0.5 * row;
                    let off = (turn - floor(turn) as f32 - 0.5).abs();
                    let tone = if self.screen == Screen::Braid {
                        1.0 - 1.2 * off * off
                    } else {
                        0.95
                    };
                    let metal = Surface {
                        metal: 0.7,
                        ..Surface::shiny(scale3([0.82; 3], tone), 0.24 - 0.1 * off * off, 0.4)
                    };
                    return metal;
                }
                self.filling.at(p, 0.16, grain ^ 1)
            },
        );
    }
}

/// Places and radius of the cores of a flat cable.
fn row(count: usize) -> (Vec<P>, f32) {
    let radius = (0.74 / count as f32).min(0.3);
    (grid(count, 1, [2.3 * radius; 2], 0.0), radius)
}

impl Design for Cable {
    fn name(&self) -> String {
        if self.flat.is_some() {
            "flat cable"
        } else {
            "cable"
        }
        .into()
    }

    fn features(&self) -> String {
        match (self.places.len(), self.screen) {
            (1, _) => "a bright conductor, an even insulation and a closed sheath",
            (_, Screen::None) => "cores of the right colours, whole strands and a closed sheath",
            _ => "cores of the right colours, a closed screen and a closed sheath",
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.7,
            extent: 1.05,
        }
    }

    /// Cords, and cores where they are thin: a thick one would be more than a small defect.
    fn parts(&self) -> Vec<f32> {
        let cores = if self.wire.radius < 0.165 {
            self.places.len()
        } else {
            0
        };
        let cords = std::iter::repeat_n(self.cord, self.cords.len());
        cords
            .chain(std::iter::repeat_n(self.wire.radius, cores))
            .collect()
    }

    fn paint(&self, scene: &mut Scene) {
        let grain = scene.grain;
        self.paint_sheath(scene);
        for (number, &place) in self.cords.iter().enumerate() {
            if let Some(own) = scene.part(number, place, 0.0) {
                scene.canvas.stamp(
                    &own,
                    self.cord,
                    |p| circle(p, self.cord),
                    |p, d, _| {
                        let fibre = value([p[0] * 60.0, p[1] * 60.0], grain ^ number as u32);
                        Surface::matt(
                            scale3([0.88, 0.85, 0.76], 1.0 + 0.1 * fibre),
                            0.18 + 0.05 * bevel(d, 0.1),
                        )
                    },
                );
            }
        }
        for (number, &place) in self.places.iter().enumerate() {
            let slack = 0.03 * self.wire.radius;
            let at = [
                place[0] + scene.rng.jitter(slack),
                place[1] + scene.rng.jitter(slack),
            ];
            let turn = scene.rng.jitter(0.2);
            // The conductor never sits quite in the middle.
            let off = [
                scene.rng.jitter(0.06) * self.wire.radius,
                scene.rng.jitter(0.06) * self.wire.radius,
            ];
            let own_grain = scene.rng.bits();
            let Some(own) = scene.part(number + self.cords.len(), at, turn) else {
                continue;
            };
            let colours = match self.striped {
                Some(striped) if striped == number => [PALETTE[5], PALETTE[6]],
                _ => [self.colours[number % self.colours.len()]; 2],
            };
            self.wire
                .stamp(&mut scene.canvas, &own, off, colours, own_grain);
        }
    }
}
