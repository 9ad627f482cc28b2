//! Rough surfaces without a pattern: sand castings, blasted metal, concrete, plaster, hammer blows.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{P, mix, mix3, scale3, smooth};
use crate::synth::noise::{cells, fbm, value};
use crate::synth::scene::{Habit, Scene};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    SandCast,
    Blasted,
    /// Grey stone with air holes and the fine marks of its mould.
    Concrete,
    /// Ridges that a trowel left, along x.
    Plaster,
    /// Dents side by side.
    Hammered,
}

/// A rough surface.
#[derive(Debug)]
pub(crate) struct Cast {
    kind: Kind,
    colour: [f32; 3],
    /// Colour of stains, rust or bloom, and how strong they are.
    tint: [f32; 3],
    mottle: f32,
    /// Bumps per unit.
    fineness: f32,
    relief: f32,
    /// Share of places with a pit, and places per unit.
    pits: f32,
    spacing: f32,
    gloss: f32,
    metal: f32,
}

impl Cast {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let kind = match rng.int(0, 9) {
            0..=2 => Kind::SandCast,
            3 | 4 => Kind::Blasted,
            5 | 6 => Kind::Concrete,
            7 => Kind::Plaster,
            _ => Kind::Hammered,
        };
        let level = rng.range(0.3, 0.85);
        let warm = rng.jitter(0.06);
        let grey = [level + warm, level, level - warm];
        let (fineness, relief, pits, metal) = match kind {
            Kind::SandCast => (
                rng.range(18.0, 38.0),
                rng.range(0.6, 1.6),
                0.12,
                rng.range(0.2, 0.8),
            ),
            Kind::Blasted => (
                rng.range(38.0, 60.0),
                rng.range(0.3, 0.8),
                0.0,
                rng.range(0.5, 1.0),
            ),
            Kind::Concrete => (rng.range(14.0, 40.0), rng.range(0.2, 0.6), 0.5, 0.0),
            Kind::Plaster => (rng.range(6.0, 14.0), rng.range(1.0, 3.0), 0.0, 0.0),
            Kind::Hammered => (
                rng.range(4.0, 11.0),
                rng.range(0.5, 1.3),
                0.0,
                rng.range(0.6, 1.0),
            ),
        };
        let colour = match kind {
            Kind::Plaster => mix3(
                scale3(grey, 1.1),
                saturated(rng),
                rng.unit() * rng.unit() * 0.6,
            ),
            Kind::Hammered => rng.pick(&[[0.86, 0.62, 0.47], [0.86, 0.74, 0.46], [0.8; 3], grey]),
            _ => grey,
        };
        Self {
            kind,
            colour,
            tint: match kind {
                Kind::SandCast if rng.chance(0.4) => [0.45, 0.27, 0.16],
                _ => scale3(colour, rng.range(0.6, 0.9)),
            },
            mottle: rng.range(0.05, 0.45),
            fineness,
            relief,
            pits: pits * rng.range(0.2, 1.2),
            spacing: rng.range(3.0, 10.0),
            gloss: if metal > 0.0 {
                rng.range(0.0, 0.3)
            } else {
                0.02
            },
            metal,
        }
    }

    /// Bumps at `p`: tone and height, both about `-1..1`.
    fn bumps(&self, p: P, seed: u32) -> P {
        let f = self.fineness;
        match self.kind {
            Kind::Hammered => {
                let cell = cells([p[0] * f, p[1] * f], 0.85, seed);
                // Each blow leaves a bowl; the metal between stands as a soft ridge.
                let bowl = 1.0 - smooth(0.0, 0.35, cell.second - cell.near);
                let scuff = value([p[0] * 47.0, p[1] * 47.0], seed ^ 1);
                [
                    0.4 * scuff,
                    3.0 * (cell.near * cell.near + 0.06 * bowl) + 0.12 * scuff,
                ]
            }
            Kind::Plaster => {
                let bend = value([p[0] * 1.1, p[1] * 1.4], seed ^ 1);
                let q = [p[0] * f * 0.22 + bend, p[1] * f + 2.6 * bend];
                let ridge = 1.0 - 2.0 * value(q, seed).abs();
                let sand = value([p[0] * 52.0, p[1] * 52.0], seed ^ 2);
                [0.3 * ridge + 0.4 * sand, 0.8 * ridge + 0.22 * sand]
            }
            Kind::Concrete => {
                let sand = value([p[0] * 55.0, p[1] * 55.0], seed ^ 2);
                let coarse = fbm([p[0] * f, p[1] * f], 2, seed);
                [0.5 * sand + 0.5 * coarse, 0.5 * coarse + 0.35 * sand]
            }
            Kind::SandCast | Kind::Blasted => {
                let coarse = fbm([p[0] * f, p[1] * f], 3, seed);
                [0.7 * coarse, coarse]
            }
        }
    }
}

impl Design for Cast {
    fn name(&self) -> String {
        match self.kind {
            Kind::SandCast => "cast metal surface",
            Kind::Blasted => "sand-blasted metal",
            Kind::Concrete => "concrete surface",
            Kind::Plaster => "plaster wall",
            Kind::Hammered => "hammered metal",
        }
        .into()
    }

    fn features(&self) -> String {
        match self.kind {
            Kind::Hammered => "even hammer marks and an even shine".into(),
            Kind::Concrete => "an even grey with small air holes".into(),
            _ => "an even roughness and an even colour".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: if self.kind == Kind::Plaster { 0.8 } else { 0.3 },
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let step = 0.008 * self.relief;
        scene.canvas.flood(&frame, |p, _| {
            let [tone, bump] = self.bumps(p, grain);
            let cloud = fbm([p[0] * 1.8, p[1] * 1.8], 3, grain ^ 3);
            let stained = self.mottle * smooth(-0.3, 0.6, cloud);
            let mut albedo = scale3(mix3(self.colour, self.tint, stained), 1.0 + 0.12 * tone);
            let mut height = step * bump;
            if self.pits > 0.0 {
                let cell = cells([p[0] * self.spacing, p[1] * self.spacing], 1.0, grain ^ 5);
                let luck = (cell.id >> 20) as f32 * (1.0 / 4096.0);
                if luck < self.pits {
                    // Many small pits, few large ones.
                    let rare = luck / self.pits;
                    let radius = mix(0.07, 0.22, rare * rare * rare);
                    let ragged = radius * (1.0 + 0.5 * bump);
                    let pit = smooth(ragged, 0.6 * ragged, cell.near);
                    albedo = scale3(albedo, 1.0 - 0.5 * pit);
                    height -= 0.25 * radius / self.spacing * pit;
                }
            }
            Surface {
                metal: self.metal,
                ..Surface::shiny(albedo, height, self.gloss)
            }
        });
    }
}
