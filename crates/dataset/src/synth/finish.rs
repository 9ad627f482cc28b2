//! Materials: a colour, a shine and a grain that differs from instance to instance.

use super::canvas::Surface;
use super::math::{P, length, mix3, scale3, smooth};
use super::noise::{cells, fbm, value};
use crate::rng::Rng;

#[derive(Clone, Copy, Debug)]
enum Grain {
    Smooth,
    /// Fine lines along x.
    Brushed {
        fineness: f32,
        strength: f32,
    },
    /// Fine circles around the origin.
    Turned {
        fineness: f32,
        strength: f32,
    },
    /// Pits and bumps of a casting or of a coarse moulding.
    Cast {
        fineness: f32,
        strength: f32,
    },
    /// Crumbs of another colour.
    Speckled {
        fineness: f32,
        other: [f32; 3],
        share: f32,
    },
}

/// The material of a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish {
    pub colour: [f32; 3],
    gloss: f32,
    metal: f32,
    grain: Grain,
}

impl Finish {
    /// Steel, brass, copper, blackened or zinc-plated metal.
    pub(crate) fn metal(rng: &mut Rng) -> Self {
        let tone = rng.range(0.78, 1.0);
        let colour = match rng.int(0, 9) {
            0 => [0.93, 0.78, 0.48],
            1 => [0.90, 0.62, 0.48],
            2 => [0.42, 0.42, 0.44],
            3 => [0.88, 0.86, 0.76],
            _ => [0.86, 0.87, 0.88],
        };
        let strength = rng.range(0.3, 1.0);
        let grain = match rng.int(0, 3) {
            0 => Grain::Smooth,
            1 => Grain::Brushed {
                fineness: rng.range(40.0, 90.0),
                strength,
            },
            2 => Grain::Turned {
                fineness: rng.range(30.0, 80.0),
                strength,
            },
            _ => Grain::Cast {
                fineness: rng.range(20.0, 60.0),
                strength: 0.7 * strength,
            },
        };
        Self {
            colour: scale3(colour, tone),
            gloss: rng.range(0.05, 0.5),
            metal: rng.range(0.6, 1.0),
            grain,
        }
    }

    /// Coloured, white, grey or black plastic, rubber or lacquer.
    pub(crate) fn plastic(rng: &mut Rng) -> Self {
        let level = rng.range(0.06, 0.95);
        let hue = saturated(rng);
        let share = if rng.chance(0.45) {
            0.0
        } else {
            rng.range(0.3, 1.0)
        };
        let grain = if rng.chance(0.5) {
            Grain::Smooth
        } else {
            Grain::Cast {
                fineness: rng.range(30.0, 70.0),
                strength: rng.range(0.1, 0.5),
            }
        };
        Self {
            colour: mix3([level; 3], hue, share),
            gloss: rng.range(0.03, 0.5),
            metal: 0.0,
            grain,
        }
    }

    /// Pressed powder, baked dough, paper: matt, with crumbs.
    pub(crate) fn powder(colour: [f32; 3], rng: &mut Rng) -> Self {
        let grain = if rng.chance(0.6) {
            let other = mix3(colour, saturated(rng), rng.range(0.3, 0.8));
            Grain::Speckled {
                fineness: rng.range(10.0, 34.0),
                other,
                share: rng.range(0.1, 0.7),
            }
        } else {
            Grain::Cast {
                fineness: rng.range(25.0, 60.0),
                strength: rng.range(0.15, 0.5),
            }
        };
        Self {
            colour,
            gloss: rng.range(0.0, 0.1),
            metal: 0.0,
            grain,
        }
    }

    /// This finish in another colour.
    pub(crate) fn coloured(self, colour: [f32; 3]) -> Self {
        Self { colour, ..self }
    }

    /// The surface at the point `p` of the part, at the height `height`.
    #[inline]
    pub(crate) fn at(&self, p: P, height: f32, seed: u32) -> Surface {
        let (tone, bump, colour) = match self.grain {
            Grain::Smooth => (0.0, 0.0, self.colour),
            Grain::Brushed { fineness, strength } => {
                let line = fbm([p[0] * fineness * 0.04, p[1] * fineness], 2, seed) * strength;
                (0.10 * line, 0.0016 * line, self.colour)
            }
            Grain::Turned { fineness, strength } => {
                let line = value([length(p) * fineness, 0.5], seed) * strength;
                (0.07 * line, 0.0018 * line, self.colour)
            }
            Grain::Cast { fineness, strength } => {
                let pit = fbm([p[0] * fineness, p[1] * fineness], 2, seed) * strength;
                (0.10 * pit, 0.006 * pit, self.colour)
            }
            Grain::Speckled {
                fineness,
                other,
                share,
            } => {
                let cell = cells([p[0] * fineness, p[1] * fineness], 1.0, seed);
                let present = (cell.id >> 20) as f32 * (1.0 / 4096.0) < share;
                let size = 0.15 + 0.3 * ((cell.id >> 10 & 255) as f32 / 255.0);
                let spot = if present {
                    smooth(size, size * 0.5, cell.near)
                } else {
                    0.0
                };
                let dust = value([p[0] * 37.0, p[1] * 37.0], seed ^ 9) * 0.02;
                (dust, 0.002 * dust, mix3(self.colour, other, spot))
            }
        };
        Surface {
            albedo: scale3(colour, 1.0 + tone),
            height: height + bump,
            gloss: self.gloss,
            metal: self.metal,
            cover: 1.0,
            glow: 0.0,
        }
    }
}

/// A vivid colour of random hue.
pub(crate) fn saturated(rng: &mut Rng) -> [f32; 3] {
    let hue = rng.range(0.0, 6.0);
    let value = rng.range(0.35, 0.95);
    let floor = value * rng.range(0.0, 0.4);
    std::array::from_fn(|channel| {
        let offset = (hue + 2.0 * channel as f32) % 6.0;
        let ramp = ((offset - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        floor + (value - floor) * ramp
    })
}
