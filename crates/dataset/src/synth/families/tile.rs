//! Tiles with joints, and slabs: glaze, speckle, marble veins, terrazzo.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{P, bevel, floor, mix, mix3, scale3, smooth};
use crate::synth::noise::{cells, fbm, hash, unit, value};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::rect;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Body {
    Glaze,
    /// Fine grains of two colours.
    Speckle,
    Marble,
    /// Chips of stone in cement.
    Terrazzo,
}

/// Ceramic or stone, whole or laid in tiles.
#[derive(Debug)]
pub(crate) struct Tile {
    body: Body,
    /// Width and height of a tile; none for a slab.
    tile: Option<P>,
    /// Shift from row to row, of the width.
    bond: f32,
    joint: f32,
    grout: [f32; 3],
    edge: f32,
    colour: [f32; 3],
    others: [[f32; 3]; 3],
    /// Every second tile has the first of the other colours.
    checked: bool,
    uneven: f32,
    /// Size of the pattern and its strength.
    pitch: f32,
    strength: f32,
    gloss: f32,
}

impl Tile {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let body = rng.pick(&[
            Body::Glaze,
            Body::Glaze,
            Body::Speckle,
            Body::Marble,
            Body::Terrazzo,
        ]);
        let level = rng.range(0.25, 0.95);
        let warm = rng.jitter(0.05);
        let stone = [level + warm, level, level - warm];
        let colour = match body {
            Body::Glaze => mix3(stone, saturated(rng), rng.unit() * 0.8),
            _ => mix3(stone, saturated(rng), rng.unit() * rng.unit() * 0.4),
        };
        let mut others: [[f32; 3]; 3] = std::array::from_fn(|_| {
            let grey = [rng.range(0.1, 0.95); 3];
            match body {
                Body::Marble | Body::Speckle => mix3(colour, grey, rng.range(0.3, 0.9)),
                _ => mix3(grey, saturated(rng), rng.unit() * 0.6),
            }
        });
        if body == Body::Marble {
            // Veins stand out: dark in light stone, light in dark stone.
            others[0] = if level > 0.45 {
                scale3(colour, rng.range(0.3, 0.65))
            } else {
                mix3(colour, [0.95; 3], rng.range(0.4, 0.8))
            };
        }
        let slab = body != Body::Glaze && rng.chance(0.45);
        let width = rng.range(0.35, 1.1);
        let shape = match rng.int(0, 3) {
            0 => [width, width * rng.range(0.3, 0.5)],
            // A mosaic; nobody cuts one from terrazzo or marble.
            1 if body == Body::Glaze => [0.4 * width, 0.4 * width],
            _ => [width, width],
        };
        Self {
            body,
            tile: (!slab).then_some(shape),
            bond: rng.pick(&[0.0, 0.0, 0.5, 0.333]),
            joint: rng.range(0.008, 0.022),
            grout: [rng.range(0.2, 0.85); 3],
            edge: rng.range(0.01, 0.05),
            colour,
            others,
            checked: rng.chance(0.2),
            uneven: rng.range(0.01, 0.1),
            pitch: rng.range(0.05, 0.2),
            strength: rng.range(0.4, 1.0),
            gloss: rng.range(0.05, 0.6),
        }
    }

    /// Colour at `p` of a tile of base colour `base`; `seed` names the tile.
    fn colour(&self, p: P, base: [f32; 3], seed: u32) -> [f32; 3] {
        match self.body {
            Body::Glaze => {
                let cloud = fbm([p[0] * 2.2, p[1] * 2.2], 2, seed);
                let fine = value([p[0] * 41.0, p[1] * 41.0], seed ^ 1);
                scale3(base, 1.0 + self.strength * (0.05 * cloud + 0.012 * fine))
            }
            Body::Speckle => {
                let f = (4.0 / self.pitch).min(55.0);
                let cell = cells([p[0] * f, p[1] * f], 1.0, seed);
                let luck = (cell.id >> 22) as f32 / 1024.0;
                let size = mix(0.15, 0.6, (cell.id >> 12 & 255) as f32 / 255.0);
                let grain = smooth(size, 0.6 * size, cell.near);
                let other = self.others[usize::from(luck > 0.6 * self.strength)];
                let dust = value([p[0] * 57.0, p[1] * 57.0], seed ^ 1);
                let share = if luck < self.strength { grain } else { 0.0 };
                mix3(scale3(base, 1.0 + 0.05 * dust), other, share)
            }
            Body::Marble => {
                let cloud = fbm([p[0] * 1.3, p[1] * 1.3], 3, seed);
                let bend = value([p[0] * 2.9, p[1] * 2.9], seed ^ 1);
                let (u, v) = (
                    p[0] + 0.5 * cloud + 0.1 * bend,
                    p[1] + 0.35 * cloud - 0.1 * bend,
                );
                // Veins run along the lines where a noise is zero.
                let wide = fbm([u * 1.6 + v, v * 1.1 - 0.4 * u], 2, seed ^ 2).abs();
                let thin = value([u * 3.1 - v, v * 2.3], seed ^ 3).abs();
                let vein = smooth(0.11, 0.0, wide) * (0.55 + 0.45 * bend)
                    + 0.5 * smooth(0.06, 0.0, thin) * smooth(-0.2, 0.5, cloud);
                let milky = mix3(base, self.others[1], 0.16 * smooth(-0.5, 0.7, cloud));
                mix3(milky, self.others[0], (vein * self.strength).min(1.0))
            }
            Body::Terrazzo => {
                let mut colour = scale3(base, 1.0 + 0.05 * value([p[0] * 48.0, p[1] * 48.0], seed));
                // Small chips first, so that the large ones lie over them.
                for (layer, size, share) in [(1, 0.4, 0.5), (2, 1.0, self.strength * 0.75)] {
                    let f = 1.0 / (self.pitch * size);
                    let cell = cells([p[0] * f, p[1] * f], 1.0, seed ^ layer);
                    let luck = (cell.id >> 22) as f32 / 1024.0;
                    if luck < share {
                        let gap = mix(0.1, 0.45, (cell.id >> 6 & 63) as f32 / 63.0);
                        let chip = smooth(gap, gap + 0.09, cell.second - cell.near);
                        let tone = 0.88 + 0.24 * (cell.id >> 12 & 63) as f32 / 63.0;
                        let stone = self.others[(cell.id >> 18 & 15) as usize % 3];
                        colour = mix3(colour, scale3(stone, tone), chip);
                    }
                }
                colour
            }
        }
    }
}

impl Design for Tile {
    fn name(&self) -> String {
        let material = match self.body {
            Body::Glaze => "ceramic",
            Body::Speckle => "porcelain stoneware",
            Body::Marble => "marble",
            Body::Terrazzo => "terrazzo",
        };
        let form = if self.tile.is_some() { "tiles" } else { "slab" };
        format!("{material} {form}")
    }

    fn features(&self) -> String {
        match self.tile {
            Some(_) => "even joints, whole edges and a clean surface".into(),
            None => "an even pattern and a clean, smooth surface".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.75,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, gloss) = (scene.frame, scene.grain, self.gloss);
        let Some([width, height]) = self.tile else {
            scene.canvas.flood(&frame, |p, _| {
                let wave = 0.002 * value([p[0] * 2.0, p[1] * 2.0], grain ^ 9);
                Surface::shiny(self.colour(p, self.colour, grain), wave, gloss)
            });
            return;
        };
        let half = [0.5 * (width - self.joint), 0.5 * (height - self.joint)];
        scene.canvas.flood(&frame, |p, _| {
            let row = floor(p[1] / height);
            let along = p[0] / width + self.bond * row as f32;
            let column = floor(along);
            let seed = hash(column, row, grain);
            let luck = |shift: u32| unit(seed.rotate_left(shift)) - 0.5;
            // Laid by hand: each a hair off its place and not quite level.
            let q = [
                (along - column as f32 - 0.5) * width + 0.1 * self.joint * luck(3),
                (p[1] / height - row as f32 - 0.5) * height + 0.1 * self.joint * luck(9),
            ];
            let d = rect(q, half, 0.3 * self.edge);
            let sand = value([p[0] * 50.0, p[1] * 50.0], grain ^ 4);
            let joint = Surface {
                gloss: 0.0,
                ..Surface::matt(scale3(self.grout, 1.0 + 0.12 * sand), 0.003 * sand)
            };
            let share = 0.5 - d * frame.unit;
            if share <= 0.0 {
                return joint;
            }
            let base = if self.checked && (column + row) & 1 == 1 {
                self.others[0]
            } else {
                self.colour
            };
            let base = scale3(base, 1.0 + self.uneven * luck(17));
            let tilt = 0.006 * (luck(5) * q[0] + luck(13) * q[1]);
            let top = 0.012 + 0.5 * self.edge * bevel(d, self.edge) + tilt;
            joint.under(
                Surface::shiny(self.colour(p, base, seed), top, gloss),
                share.min(1.0),
            )
        });
    }
}
