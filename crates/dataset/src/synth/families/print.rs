//! Printed repeats on paper and cloth: motifs on a lattice, stripes, checks.

use super::Design;
use super::motif::Stamp;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{P, floor, mix3, scale3, sin_turns, smooth};
use crate::synth::noise::{fbm, value};
use crate::synth::scene::{Habit, Scene};

/// Bands behind the motifs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bands {
    None,
    Stripes,
    Checks,
    Waves,
}

/// Paper or cloth with a printed repeat.
#[derive(Debug)]
pub(crate) struct Print {
    cloth: bool,
    colour: [f32; 3],
    repeat: P,
    /// Every second column starts half a repeat lower.
    drop: bool,
    bands: Bands,
    /// Inks of bands and motifs; the number of bands in a repeat and their share of it.
    inks: [[f32; 3]; 4],
    count: f32,
    wide: f32,
    stamps: Vec<Stamp>,
    /// Opacity of the ink.
    cover: f32,
    /// Threads or fibres per unit.
    fineness: f32,
}

impl Print {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let cloth = rng.chance(0.5);
        let colour = if rng.chance(0.6) {
            mix3([rng.range(0.8, 0.97); 3], saturated(rng), 0.25 * rng.unit())
        } else {
            mix3([rng.range(0.1, 0.6); 3], saturated(rng), rng.unit())
        };
        let inks = palette(colour, rng);
        let bands = rng.pick(&[
            Bands::None,
            Bands::None,
            Bands::Stripes,
            Bands::Checks,
            Bands::Waves,
        ]);
        let motifs = if bands == Bands::None {
            rng.int(1, 4)
        } else {
            rng.int(0, 2)
        };
        let small = rng.chance(0.4);
        let stamps = (0..motifs)
            .map(|number| Stamp::draw(number, &inks, rng))
            .collect();
        let width = if small {
            rng.range(0.14, 0.3)
        } else {
            rng.range(0.3, 0.7)
        };
        Self {
            cloth,
            colour,
            repeat: [width, width * rng.pick(&[1.0, 1.0, 0.8, 1.3])],
            drop: rng.chance(0.5),
            bands,
            inks,
            count: rng.int(1, 3) as f32,
            wide: rng.range(0.15, 0.55),
            stamps,
            cover: rng.range(0.75, 1.0),
            fineness: rng.range(34.0, 60.0),
        }
    }

    /// The printed colour at `p`; `blur` is half a pixel, `ink` the opacity there.
    fn colour(&self, p: P, blur: f32, ink: f32) -> [f32; 3] {
        let (u, v) = (p[0] / self.repeat[0], p[1] / self.repeat[1]);
        let mut colour = self.colour;
        let band = |t: f32| {
            let phase = t * self.count;
            let off = (phase - floor(phase + 0.5) as f32).abs() - 0.5 * self.wide;
            let soft = blur * self.count / self.repeat[0];
            ink * smooth(soft, -soft, off)
        };
        match self.bands {
            Bands::None => {}
            Bands::Stripes => colour = mix3(colour, self.inks[0], band(u)),
            Bands::Checks => {
                // Where the bands cross, both inks lie on each other.
                colour = mix3(colour, self.inks[0], 0.6 * band(u));
                colour = mix3(colour, self.inks[1], 0.6 * band(v));
            }
            Bands::Waves => {
                let wave = 0.12 * sin_turns(v) / self.count;
                colour = mix3(colour, self.inks[0], band(u + wave));
            }
        }
        for stamp in &self.stamps {
            let x = u - stamp.place[0];
            let column = floor(x + 0.5);
            let lower = if self.drop && column & 1 == 1 {
                0.5
            } else {
                0.0
            };
            let y = v - stamp.place[1] + lower;
            let away = [
                (x - column as f32) * self.repeat[0],
                (y - floor(y + 0.5) as f32) * self.repeat[1],
            ];
            let size = stamp.size * self.repeat[0].min(self.repeat[1]);
            let q = [away[0] / size, away[1] / size];
            if q[0] * q[0] + q[1] * q[1] < 1.7 {
                colour = stamp.on(colour, q, blur / size, ink);
            }
        }
        colour
    }
}

/// Inks that go together on `ground`: one strong, its tint and shade, and one of another hue.
fn palette(ground: [f32; 3], rng: &mut Rng) -> [[f32; 3]; 4] {
    let mut strong = mix3(
        saturated(rng),
        [rng.range(0.1, 0.7); 3],
        rng.range(0.0, 0.6),
    );
    let level = |c: [f32; 3]| 0.3 * c[0] + 0.6 * c[1] + 0.1 * c[2];
    // A print that a grey camera cannot see is none.
    if (level(strong) - level(ground)).abs() < 0.22 {
        strong = if level(ground) > 0.4 {
            scale3(strong, 0.4)
        } else {
            mix3(strong, [1.0; 3], 0.6)
        };
    }
    let other = mix3(saturated(rng), [rng.unit(); 3], rng.range(0.1, 0.7));
    [
        strong,
        mix3(strong, ground, rng.range(0.4, 0.7)),
        scale3(strong, rng.range(0.3, 0.7)),
        other,
    ]
}

impl Design for Print {
    fn name(&self) -> String {
        if self.cloth {
            "printed fabric".into()
        } else {
            "printed paper".into()
        }
    }

    fn features(&self) -> String {
        "a sharp, complete and repeating print in even colours".into()
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
        let blur = 0.7 / frame.unit;
        let f = self.fineness;
        scene.canvas.flood(&frame, |p, _| {
            // Cloth stretches a little, differently in every piece.
            let give = if self.cloth { 0.012 } else { 0.0 };
            let q = [
                p[0] + give * value([p[0] * 1.5, p[1] * 1.5], grain ^ 5),
                p[1] + give * value([p[0] * 1.5, p[1] * 1.5], grain ^ 6),
            ];
            let (texture, height) = if self.cloth {
                let thread = sin_turns(q[0] * f * 0.5) * sin_turns(q[1] * f * 0.5);
                let fluff = value([p[0] * f, p[1] * f], grain);
                (0.05 * thread + 0.04 * fluff, 0.002 * thread)
            } else {
                let fibre = fbm([p[0] * f * 0.7, p[1] * f * 0.7], 2, grain);
                (0.025 * fibre, 0.0015 * fibre)
            };
            let cloud = value([p[0] * 2.1, p[1] * 2.1], grain ^ 7);
            let ink = self.cover * (1.0 - 0.05 * (1.0 + cloud) - texture.abs());
            let albedo = scale3(self.colour(q, blur, ink), 1.0 + texture);
            Surface::matt(albedo, height)
        });
    }
}
