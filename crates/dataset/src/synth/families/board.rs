//! Circuit boards: traces, holes, chips, small parts and lettering.

use super::Design;
use super::component::{Component, tin};
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::glyphs::Text;
use crate::synth::math::{P, TURN, bevel, length, scale3, smooth};
use crate::synth::noise::{fbm, value};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{capsule, circle, rect};

/// Number of letters that never move: beyond all parts.
const FIXED: usize = usize::MAX / 2;

/// A component at its place.
#[derive(Debug)]
struct Mounted {
    component: Component,
    place: P,
    angle: f32,
    half: P,
    text: Option<Text>,
}

impl Mounted {
    /// Half extents on the board.
    fn extent(&self) -> P {
        if self.angle == 0.0 {
            self.half
        } else {
            [self.half[1], self.half[0]]
        }
    }

    /// True for what may be missing: a chip would be more than a small defect.
    fn movable(&self) -> bool {
        self.half[0] < 0.15
    }
}

/// A populated circuit board.
#[derive(Debug)]
pub(crate) struct Board {
    half: P,
    lacquer: [f32; 3],
    copper: f32,
    print: [f32; 3],
    gold: [f32; 3],
    /// Bends of each trace and half its width.
    traces: Vec<([P; 4], f32)>,
    vias: Vec<P>,
    components: Vec<Mounted>,
    label: Text,
}

impl Board {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let half = [0.95, rng.range(0.55, 0.95)];
        let lacquer = rng.pick(&[
            [0.08, 0.32, 0.16],
            [0.08, 0.32, 0.16],
            [0.10, 0.20, 0.48],
            [0.55, 0.10, 0.10],
            [0.10, 0.10, 0.11],
            [0.86, 0.86, 0.84],
            [0.55, 0.42, 0.2],
        ]);
        let pale = lacquer[1] > 0.7;
        let mut board = Self {
            half,
            lacquer: scale3(lacquer, rng.range(0.85, 1.2)),
            copper: if pale { 0.9 } else { rng.range(1.2, 1.5) },
            print: if pale { [0.1; 3] } else { [0.92; 3] },
            gold: rng.pick(&[[0.92, 0.74, 0.36], [0.84, 0.84, 0.82]]),
            traces: Vec::new(),
            vias: Vec::new(),
            components: Vec::new(),
            label: Text::draw(rng.int(3, 6), rng),
        };
        for _ in 0..rng.int(8, 22) {
            board.trace(rng);
        }
        // Large parts first, small ones where room is left.
        let large = rng.int(1, 3);
        for number in 0..large + rng.int(8, 20) {
            board.mount(number < large, rng);
        }
        board
    }

    /// A line that goes along, across by 45 degrees and along again, a via at each end.
    fn trace(&mut self, rng: &mut Rng) {
        let at = [
            rng.jitter(self.half[0] - 0.1),
            rng.jitter(self.half[1] - 0.1),
        ];
        let (run, rise) = (rng.range(0.1, 0.6), rng.jitter(0.4));
        let lanes = rng.int(1, 4);
        let width = rng.range(0.008, 0.018);
        let end = [self.half[0] - 0.06, self.half[1] - 0.06];
        for lane in 0..lanes {
            let y = at[1] + 0.06 * lane as f32;
            let bends = [
                [at[0] - run, y],
                [at[0], y],
                [at[0] + rise.abs(), y + rise],
                [at[0] + rise.abs() + run, y + rise],
            ];
            let bends = bends.map(|p| [p[0].clamp(-end[0], end[0]), p[1].clamp(-end[1], end[1])]);
            self.vias.extend([bends[0], bends[3]]);
            self.traces.push((bends, width));
        }
    }

    /// Adds a component where it touches no other, if a few tries find such a place.
    fn mount(&mut self, large: bool, rng: &mut Rng) {
        let (component, half) = if large {
            Component::large(rng)
        } else {
            Component::small(rng)
        };
        let angle = if rng.chance(0.5) { 0.0 } else { 0.25 * TURN };
        let letters = rng.int(2, 4);
        let chip = matches!(component, Component::Chip { .. });
        let text = chip.then(|| Text::draw(letters, rng));
        let mut mounted = Mounted {
            component,
            place: [0.0; 2],
            angle,
            half,
            text,
        };
        let reach = mounted.extent();
        // The strip below is for the label.
        let room = [
            self.half[0] - reach[0] - 0.08,
            self.half[1] - reach[1] - 0.16,
        ];
        for _ in 0..8 {
            let place = [
                rng.range(-room[0], room[0]),
                rng.range(-room[1], room[1]) - 0.08,
            ];
            let free = |other: &Mounted| {
                let wide = other.extent();
                (0..2).any(|axis| {
                    (place[axis] - other.place[axis]).abs() > reach[axis] + wide[axis] + 0.05
                })
            };
            // The corners are for the screws.
            let corner = (0..2).all(|axis| place[axis].abs() + reach[axis] > self.half[axis] - 0.2);
            if room[1] > 0.0 && !corner && self.components.iter().all(free) {
                mounted.place = place;
                self.components.push(mounted);
                return;
            }
        }
    }

    fn paint_board(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let hole = self.half.map(|half| half - 0.09);
        let drilled = |p: P| length([p[0].abs() - hole[0], p[1].abs() - hole[1]]);
        let outline = |p| rect(p, self.half, 0.05).max(0.045 - drilled(p));
        scene.canvas.stamp(&frame, 1.4, outline, |p, d, _| {
            let glass =
                value([p[0] * 55.0, p[1] * 55.0], 3) + fbm([p[0] * 4.0, p[1] * 4.0], 2, grain);
            let ring = smooth(0.085, 0.075, drilled(p));
            let lacquer = Surface::shiny(
                scale3(self.lacquer, 1.0 + 0.025 * glass),
                0.1 + 0.02 * bevel(d, 0.02),
                0.18,
            );
            lacquer.under(tin(self.gold, 0.12), ring)
        });
        for (bends, width) in &self.traces {
            for pair in bends.windows(2) {
                let middle = [
                    0.5 * (pair[0][0] + pair[1][0]),
                    0.5 * (pair[0][1] + pair[1][1]),
                ];
                let own = frame.at(middle, 0.0, 1.0);
                let end = [pair[1][0] - middle[0], pair[1][1] - middle[1]];
                let line = |p| capsule(p, end, [-end[0], -end[1]], *width);
                scene
                    .canvas
                    .stamp(&own, length(end) + width, line, |_, _, below| Surface {
                        albedo: scale3(self.lacquer, self.copper),
                        height: 0.128,
                        ..*below
                    });
            }
        }
        for &via in &self.vias {
            let own = frame.at(via, 0.0, 1.0);
            scene.canvas.stamp(
                &own,
                0.035,
                |p| circle(p, 0.033),
                |_, d, _| {
                    let tin = tin(self.gold, 0.13);
                    Surface {
                        albedo: scale3(tin.albedo, 1.0 - 0.85 * smooth(-0.014, -0.02, d)),
                        ..tin
                    }
                },
            );
        }
    }

    /// Pads and printed frame, which stay when the component is gone.
    fn paint_pads(&self, scene: &mut Scene, mounted: &Mounted) {
        let own = scene.frame.at(mounted.place, mounted.angle, 1.0);
        let half = mounted.half;
        let frame = [half[0] + 0.03, half[1] + 0.03];
        let line = |p| rect(p, frame, 0.01).abs() - 0.006;
        scene
            .canvas
            .stamp(&own, length(half) + 0.06, line, |_, _, below| {
                self.printed(below)
            });
        if mounted.movable() {
            let pad = |p: P| {
                rect(
                    [p[0].abs() - 0.8 * half[0], p[1]],
                    [0.3 * half[0], 0.8 * half[1]],
                    0.0,
                )
            };
            scene
                .canvas
                .stamp(&own, length(half) + 0.05, pad, |_, _, _| {
                    tin(self.gold, 0.13)
                });
        }
    }

    fn printed(&self, below: &Surface) -> Surface {
        Surface {
            albedo: self.print,
            ..*below
        }
    }
}

impl Design for Board {
    fn name(&self) -> String {
        "circuit board".into()
    }

    fn features(&self) -> String {
        "all components in their places, clean traces and clear lettering".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.85,
            extent: 1.08,
        }
    }

    fn parts(&self) -> Vec<f32> {
        let movable = self.components.iter().filter(|mounted| mounted.movable());
        movable.map(|mounted| 0.8 * mounted.half[0]).collect()
    }

    fn paint(&self, scene: &mut Scene) {
        self.paint_board(scene);
        let mut number = 0;
        for mounted in &self.components {
            self.paint_pads(scene, mounted);
            let slack = [scene.rng.jitter(0.008), scene.rng.jitter(0.008)];
            let turn = mounted.angle + scene.rng.jitter(0.03);
            let place = [mounted.place[0] + slack[0], mounted.place[1] + slack[1]];
            let own = if mounted.movable() {
                number += 1;
                scene.part(number - 1, place, turn)
            } else {
                Some(scene.frame.at(place, turn, 1.0))
            };
            let Some(own) = own else {
                continue;
            };
            let half = mounted.half;
            mounted
                .component
                .stamp(&mut scene.canvas, &own, half, self.gold, scene.grain);
            if let Some(text) = &mounted.text {
                let high = (0.7 * half[1])
                    .min(1.3 * half[0] / text.len() as f32)
                    .min(0.16);
                let board = std::mem::replace(&mut scene.frame, own);
                text.stamp(scene, FIXED, [0.0; 2], high, |_, _, below| Surface {
                    albedo: [0.62; 3],
                    ..*below
                });
                scene.frame = board;
            }
        }
        let place = [0.0, self.half[1] - 0.1];
        self.label
            .stamp(scene, FIXED, place, 0.12, |_, _, below| self.printed(below));
    }
}
