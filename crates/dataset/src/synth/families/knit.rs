//! Knitted cloth: jersey, its purl side, rib, stripes and two-coloured patterns.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{P, floor, mix3, scale3, sin_turns};
use crate::synth::noise::{hash, unit, value};
use crate::synth::scene::{Habit, Scene};

/// How the rows are coloured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Colours {
    Plain,
    /// So many rows of the one and of the other colour.
    Rows(i32, i32),
    /// Stitches of the second colour in a repeat of so many wales and rows.
    Figure(i32, i32),
    /// Each stitch by chance, as with spun-together yarn.
    Melange,
}

/// Loops of yarn in columns (wales) and rows.
#[derive(Debug)]
pub(crate) struct Knit {
    /// Width of a loop; height of a row in widths.
    pitch: f32,
    row: f32,
    /// Columns of the face and of the purl side in turn; 0 for the face alone, -1 for purl alone.
    rib: i32,
    yarn: [[f32; 3]; 2],
    colours: Colours,
    /// Names the figure of the second colour.
    figure: u32,
    /// Half the thickness of the yarn, of the pitch.
    thick: f32,
    twist: f32,
    fluff: f32,
    relief: f32,
    uneven: f32,
}

impl Knit {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let level = rng.range(0.15, 0.95);
        let first = mix3([level; 3], saturated(rng), rng.unit() * 0.8);
        let colours = match rng.int(0, 6) {
            0 => Colours::Rows(rng.int(1, 6) as i32, rng.int(1, 6) as i32),
            1 => Colours::Figure(rng.int(4, 8) as i32, rng.int(4, 8) as i32),
            2 => Colours::Melange,
            _ => Colours::Plain,
        };
        let second = mix3(saturated(rng), [rng.unit(); 3], 0.4);
        Self {
            pitch: rng.range(0.07, 0.17),
            row: rng.range(0.62, 0.9),
            rib: rng.pick(&[0, 0, 0, -1, 1, 2, 3]),
            yarn: [
                first,
                match colours {
                    Colours::Melange => mix3(first, second, 0.4),
                    _ => second,
                },
            ],
            colours,
            figure: rng.bits(),
            thick: rng.range(0.2, 0.27),
            twist: rng.range(1.5, 3.5),
            fluff: rng.range(0.02, 0.12),
            relief: rng.range(0.4, 1.0),
            uneven: rng.range(0.02, 0.1),
        }
    }

    /// A point of one loop's yarn: how high it lies (0 where there is none) and how far along it.
    fn face(&self, u: f32, v: f32) -> (f32, f32, i32) {
        // Both legs of a loop lean together downwards, so that loops stand in each other as Vs.
        let across = u.abs();
        let lean = v + 0.95 * across;
        let row = floor(lean);
        let along = lean - row as f32 - 0.5;
        let side = across - 0.25 - 0.05 * along;
        let shape =
            1.0 - (side / self.thick) * (side / self.thick) - 3.2 * along * along * along * along;
        // The upper end of a leg disappears in the loop above.
        (
            shape.max(0.0).sqrt() * (0.84 - 0.34 * along),
            along + side,
            row,
        )
    }

    /// The purl side: arcs of the loop heads, above and below in turn.
    fn purl(&self, u: f32, v: f32) -> (f32, f32, i32) {
        let arc = 0.5 * (0.25 - u * u) * 2.0 - 0.25;
        let mut best = (0.0f32, 0.0, 0);
        for (bend, offset, high) in [(arc, 0.25, 1.0), (-arc, 0.75, 0.8)] {
            let lean = v - bend - offset;
            let row = floor(lean + 0.5);
            let side = (lean - row as f32) * 0.8;
            let shape = (1.0 - (side / self.thick) * (side / self.thick))
                .max(0.0)
                .sqrt()
                * high;
            let lift = shape
                * if offset < 0.5 {
                    1.0 - 1.2 * u * u
                } else {
                    0.6 + 1.4 * u * u
                };
            if lift > best.0 {
                best = (lift, u + side, row);
            }
        }
        best
    }

    fn second(&self, column: i32, row: i32, grain: u32) -> bool {
        match self.colours {
            Colours::Plain => false,
            Colours::Rows(one, other) => row.rem_euclid(one + other) >= one,
            Colours::Figure(wide, high) => {
                // Mirrored left and right, like most knitting charts.
                let half = column.rem_euclid(2 * wide);
                let column = half.min(2 * wide - 1 - half);
                hash(column, row.rem_euclid(high), self.figure) & 3 == 0
            }
            Colours::Melange => hash(column, row, grain) & 3 == 0,
        }
    }
}

impl Design for Knit {
    fn name(&self) -> String {
        if self.rib > 0 {
            "ribbed knit fabric".into()
        } else {
            "knitted fabric".into()
        }
    }

    fn features(&self) -> String {
        match self.colours {
            Colours::Plain | Colours::Melange => "regular loops without runs or snags".into(),
            _ => "regular loops and a regular pattern of colours".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.85,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, pitch) = (scene.frame, scene.grain, self.pitch);
        scene.canvas.flood(&frame, |p, _| {
            let wander: P = [
                0.3 * value([p[0] * 1.9, p[1] * 1.9], grain)
                    + 0.05 * value([p[0] / pitch, p[1] / pitch], grain ^ 1),
                0.3 * value([p[0] * 1.9, p[1] * 1.9], grain ^ 2),
            ];
            let (x, y) = (
                p[0] / pitch + wander[0],
                p[1] / (pitch * self.row) + wander[1],
            );
            let column = floor(x);
            let u = x - column as f32 - 0.5;
            let back = match self.rib {
                0 => false,
                -1 => true,
                rib => column.rem_euclid(2 * rib) >= rib,
            };
            let (lift, along, row) = if back {
                self.purl(u, y)
            } else {
                self.face(u, y)
            };
            let yarn = self.yarn[usize::from(self.second(column, row, grain))];
            let spun = 0.07 * sin_turns(self.twist * along);
            let fluff = self.fluff * value([x * 9.0, y * 7.0], grain ^ 4);
            let stitch = self.uneven * (unit(hash(column, row, grain ^ 5)) - 0.5);
            let light = (0.3 + 0.7 * lift) * (1.0 + spun + stitch) + fluff;
            let step = if back && self.rib > 0 { -0.25 } else { 0.0 };
            let height = pitch * self.relief * (0.45 * lift + step + 0.4 * fluff);
            Surface {
                gloss: 0.0,
                ..Surface::matt(scale3(yarn, light), height)
            }
        });
    }
}
