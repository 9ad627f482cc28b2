//! Boards: rings of a log cut open, knots, pores and joints between planks.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::math::{P, floor, mix, mix3, scale3, sin_turns, smooth};
use crate::synth::noise::{fbm, hash, unit, value};
use crate::synth::scene::{Habit, Scene};

/// A kind of tree: light wood, dark wood, share of pores, contrast of the rings, knots.
type Species = (&'static str, [f32; 3], [f32; 3], f32, f32, f32);

#[rustfmt::skip]
const SPECIES: [Species; 7] = [
    ("oak", [0.80, 0.67, 0.49], [0.63, 0.47, 0.30], 0.9, 0.6, 0.05),
    ("pine", [0.90, 0.78, 0.56], [0.76, 0.53, 0.30], 0.0, 0.95, 0.4),
    ("walnut", [0.50, 0.36, 0.26], [0.28, 0.18, 0.13], 0.6, 0.8, 0.08),
    ("beech", [0.84, 0.68, 0.52], [0.75, 0.57, 0.41], 0.35, 0.4, 0.0),
    ("cherry", [0.74, 0.49, 0.33], [0.58, 0.33, 0.20], 0.15, 0.6, 0.05),
    ("ash", [0.90, 0.82, 0.69], [0.70, 0.57, 0.42], 0.7, 0.9, 0.03),
    ("wenge", [0.33, 0.25, 0.21], [0.15, 0.11, 0.10], 0.8, 0.9, 0.0),
];

/// One wide board or a floor of planks.
#[derive(Debug)]
pub(crate) struct Wood {
    species: Species,
    /// Width and length of a plank, none for one wide board.
    plank: Option<P>,
    joint: f32,
    /// Rings per unit, where the cut is furthest from the pith.
    rings: f32,
    /// Distance of the cut from the pith: small gives arches, large gives straight lines.
    pith: f32,
    /// How fast that distance changes along the board.
    taper: f32,
    wave: f32,
    knots: f32,
    /// Difference of tone between planks.
    uneven: f32,
    gloss: f32,
    relief: f32,
}

impl Wood {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let species = rng.pick(&SPECIES);
        let planks = rng.chance(0.55);
        let stain = rng.range(0.85, 1.08);
        let (name, light, dark, pores, contrast, knots) = species;
        Self {
            species: (
                name,
                scale3(light, stain),
                scale3(dark, stain),
                pores * rng.range(0.6, 1.1),
                contrast * rng.range(0.7, 1.0),
                knots,
            ),
            plank: planks.then(|| [rng.range(0.3, 0.8), rng.range(1.8, 5.0)]),
            joint: rng.range(0.006, 0.016),
            rings: rng.range(9.0, 24.0),
            pith: rng.range(0.05, 1.1),
            taper: rng.range(0.02, 0.12),
            wave: rng.range(0.05, 0.22),
            knots: if rng.chance(0.6) { knots } else { 0.0 },
            uneven: rng.range(0.02, 0.12),
            gloss: rng.range(0.0, 0.35),
            relief: rng.range(0.1, 1.0),
        }
    }

    /// Knot in this plank near `y`: how deep in it the point lies (0 outside, 1 in its heart) and
    /// what it adds to the distance from the pith, because the grain flows around it.
    fn knot(&self, x: f32, y: f32, seed: u32) -> P {
        if self.knots == 0.0 {
            return [0.0; 2];
        }
        let (mut deep, mut push) = (0.0f32, 0.0);
        let cell = floor(y);
        for near in cell - 1..=cell + 1 {
            let h = hash(near, 77, seed);
            if unit(h) >= self.knots {
                continue;
            }
            let at = |shift: u32| (h >> shift & 255) as f32 / 255.0;
            let radius = mix(0.025, 0.07, at(0));
            let half = self.plank.map_or(0.45, |plank| 0.3 * plank[0]);
            let dx = (x - (at(4) * 2.0 - 1.0) * half) / radius;
            let dy = (y - near as f32 - 0.2 - 0.6 * at(12)) / (radius * 1.25);
            let square = dx * dx + dy * dy;
            deep = deep.max(1.0 - square.sqrt());
            // Drawn out along the board, as the fibres part slowly, but not beyond the next cell.
            let near = smooth(1.2, 0.5, dy.abs() * radius * 1.25);
            push += 3.2 * radius * near / (1.0 + 0.5 * dx * dx + 0.1 * dy * dy);
        }
        [deep.max(0.0), push]
    }

    /// Colour and height of the plank `seed` at `x` from its middle and `y` along it.
    fn grain(&self, x: f32, y: f32, seed: u32) -> ([f32; 3], f32) {
        let (_, light, dark, pores, contrast, _) = self.species;
        let at = |shift: u32| (seed >> shift & 255) as f32 / 255.0 - 0.5;
        let [deep, push] = self.knot(x, y, seed);
        let sway = self.wave * fbm([x * 1.3, y * 0.6], 2, seed ^ 1);
        let across = x + 0.6 * at(3) + sway;
        let depth = self.pith * (1.0 + at(11)) + self.taper * y + 0.5 * sway;
        let distance = (across * across + depth * depth).sqrt() + push;
        // No ring is as wide as the next.
        let ring = distance * self.rings + 0.8 * value([distance * 3.0, 0.5], seed ^ 2);
        let phase = ring - floor(ring) as f32;
        // Summer wood darkens slowly and ends at once with the winter.
        let late = phase * phase * smooth(1.0, 0.86, phase);
        let fibre = fbm([x * 46.0, y * 2.2], 2, seed ^ 3);
        let pore = value([x * 88.0, y * 9.0], seed ^ 4);
        // Ring-porous woods open their pores in spring.
        let open = smooth(0.3, 0.9, pore + 0.35 * (0.5 - phase)) * pores;
        let broad = value([x * 2.4, y * 0.5], seed ^ 6);
        let mut colour = mix3(
            light,
            dark,
            (contrast * late + 0.12 * fibre + 0.1 * broad).clamp(0.0, 1.2),
        );
        colour = scale3(colour, 1.0 + 0.04 * fibre);
        colour = mix3(colour, scale3(dark, 0.72), 0.75 * open);
        if deep > 0.0 {
            let age = sin_turns(deep * 3.2 + 0.15 * fibre);
            let heart = scale3(mix3(dark, [0.30, 0.16, 0.09], 0.55), 0.9 + 0.14 * age);
            let bark = 1.0 - 0.35 * smooth(0.25, 0.05, deep);
            colour = mix3(colour, scale3(heart, bark), smooth(0.0, 0.22, deep));
        }
        let height = 0.004 * self.relief * (0.5 * fibre - 1.6 * open - late);
        (scale3(colour, 1.0 + self.uneven * 2.0 * at(19)), height)
    }
}

impl Design for Wood {
    fn name(&self) -> String {
        let form = if self.plank.is_some() {
            "planks"
        } else {
            "board"
        };
        format!("{} {form}", self.species.0)
    }

    fn features(&self) -> String {
        match self.plank {
            Some(_) => "a natural grain, tight joints and an even finish".into(),
            None => "a natural grain and an even finish".into(),
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
        let (frame, grain) = (scene.frame, scene.grain);
        let gloss = self.gloss;
        let Some([width, length]) = self.plank else {
            // Every board is cut near its own pith, wherever the camera stands.
            let half = 0.5 * scene.canvas.size as f32;
            let centre = frame.to_local([half; 2]);
            let place = [scene.rng.jitter(0.7), scene.rng.jitter(1.5)];
            scene.canvas.flood(&frame, |p, _| {
                let (x, y) = (p[0] - centre[0] + place[0], p[1] - centre[1] + place[1]);
                let (albedo, height) = self.grain(x, y, grain);
                Surface::shiny(albedo, height, gloss)
            });
            return;
        };
        scene.canvas.flood(&frame, |p, _| {
            let row = floor(p[0] / width);
            let shift = unit(hash(row, 0, grain));
            let place = p[1] / length + shift;
            let number = floor(place);
            let seed = hash(row, number, grain ^ 7);
            let x = (p[0] / width - row as f32 - 0.5) * width;
            let y = (place - number as f32 - 0.5) * length;
            let (albedo, height) = self.grain(x, y, seed);
            let edge = (0.5 * width - x.abs()).min(0.5 * length - y.abs());
            let groove = smooth(self.joint, 0.3 * self.joint, edge);
            Surface::shiny(
                scale3(albedo, 1.0 - 0.8 * groove),
                height - 0.02 * groove,
                gloss * (1.0 - groove),
            )
        });
    }
}
