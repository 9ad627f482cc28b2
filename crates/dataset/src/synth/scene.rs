//! The table, the camera and the pose of one instance.

use super::canvas::{Canvas, Frame, Surface};
use super::math::{P, TURN, cos, mix3, scale3, sin};
use super::noise::{cells, fbm, value};
use super::shade::Exposure;
use crate::rng::Rng;

/// How a family likes to be photographed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// True for a surface that fills the picture.
    pub texture: bool,
    /// Probability that all instances lie the same way round.
    pub oriented: f32,
    /// Half the extent of the product in its own units.
    pub extent: f32,
}

/// What lies under a product.
#[derive(Clone, Debug)]
enum Ground {
    /// One colour, slightly uneven; `level` beyond `0..1` is clipped to pure white or black.
    Plain {
        colour: [f32; 3],
        glow: bool,
    },
    Paper {
        colour: [f32; 3],
    },
    Boards {
        colour: [f32; 3],
        width: f32,
    },
    Cloth {
        colour: [f32; 3],
        pitch: f32,
    },
    Speckles {
        colour: [f32; 3],
        other: [f32; 3],
        pitch: f32,
    },
    Steel {
        colour: [f32; 3],
    },
}

/// Camera, light and table, the same for all instances of a product.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    habit: Habit,
    oriented: bool,
    angle: f32,
    zoom: f32,
    ground: Ground,
    exposure: Exposure,
    azimuth: f32,
    elevation: f32,
    drift: f32,
    fixed_ground: bool,
}

impl Setup {
    pub(crate) fn draw(habit: Habit, rng: &mut Rng) -> Self {
        let oriented = rng.chance(habit.oriented);
        let ground = Ground::draw(rng);
        let soft = rng.chance(0.35);
        let grey = rng.chance(0.22);
        let warm = rng.jitter(0.06);
        let glowing = matches!(ground, Ground::Plain { glow: true, .. });
        Self {
            habit,
            oriented,
            angle: if rng.chance(0.5) {
                0.0
            } else {
                rng.range(0.0, TURN)
            },
            zoom: if habit.texture {
                rng.range(0.8, 1.25)
            } else {
                rng.range(0.62, 0.94)
            },
            ground,
            azimuth: rng.range(0.0, TURN),
            elevation: if soft {
                rng.range(1.05, 1.4)
            } else {
                rng.range(0.7, 1.1)
            },
            drift: rng.range(0.3, 1.0),
            fixed_ground: rng.chance(0.5),
            exposure: Exposure {
                light: [0.0, 0.0, 1.0],
                ambient: if soft {
                    rng.range(0.55, 0.8)
                } else {
                    rng.range(0.25, 0.5)
                },
                gain: rng.range(0.85, 1.15),
                tint: [1.0 + warm, 1.0, 1.0 - warm],
                shadow: if glowing { 0.0 } else { rng.range(0.1, 0.7) },
                vignette: rng.range(0.0, 0.25) * rng.unit(),
                defocus: rng.range(0.0, 0.24) * rng.unit(),
                noise: rng.range(0.002, 0.018) * rng.unit() + 0.001,
                grey,
                seed: 0,
            },
        }
    }

    /// True if the instances of this product lie the same way round.
    pub(crate) fn oriented(&self) -> bool {
        self.oriented
    }

    /// The pose, light and ground of one instance on an empty canvas of `size` pixels a side.
    /// An oriented product lies off its place, turn and size by `looseness` times what it would.
    pub(crate) fn scene(&self, rng: &mut Rng, size: usize, looseness: f32) -> Scene {
        let drift = self.drift;
        let slack = if self.habit.texture {
            40.0
        } else if self.oriented {
            0.025
        } else {
            0.07
        };
        let turn = if self.oriented {
            rng.jitter(0.05 * drift) * looseness
        } else {
            rng.range(0.0, TURN)
        };
        let half = 0.5 * size as f32;
        let zoom = self.zoom * (1.0 + rng.jitter(0.04 * drift) * looseness);
        let unit = half * zoom / self.habit.extent;
        let looseness = if self.habit.texture { 1.0 } else { looseness };
        let shift: P = [
            rng.jitter(slack) * half * looseness,
            rng.jitter(slack) * half * looseness,
        ];
        let origin = [half + shift[0], half + shift[1]];
        let azimuth = self.azimuth + rng.jitter(0.16 * drift);
        let elevation = self.elevation + rng.jitter(0.06 * drift);
        let flat = cos(elevation);
        let exposure = Exposure {
            light: [cos(azimuth) * flat, sin(azimuth) * flat, sin(elevation)],
            gain: self.exposure.gain * (1.0 + rng.jitter(0.1 * drift)),
            tint: self
                .exposure
                .tint
                .map(|gain| gain * (1.0 + rng.jitter(0.015))),
            defocus: (self.exposure.defocus + rng.jitter(0.04)).clamp(0.0, 0.32),
            seed: rng.bits(),
            ..self.exposure.clone()
        };
        let grain = rng.bits();
        let mut canvas = Canvas::new(
            size,
            Surface {
                cover: 0.0,
                ..Surface::matt([0.5; 3], 0.0)
            },
        );
        if !self.habit.texture {
            let place = if self.fixed_ground {
                [0.0; 2]
            } else {
                [rng.jitter(9.0), rng.jitter(9.0)]
            };
            let table = Frame::new([half, half], 0.0, half).at(place, 0.0, 1.0);
            self.ground.lay(&mut canvas, &table, grain);
        }
        Scene {
            canvas,
            frame: Frame::new(origin, self.angle + turn, unit),
            exposure,
            rng: rng.clone(),
            grain,
            fault: None,
        }
    }
}

impl Ground {
    fn draw(rng: &mut Rng) -> Self {
        let shade = rng.range(0.08, 0.95);
        let hue: [f32; 3] = std::array::from_fn(|_| rng.unit());
        let colour = mix3([shade; 3], hue, rng.unit() * rng.unit() * 0.6);
        match rng.int(0, 11) {
            0 | 1 => Self::Plain {
                colour: [1.12; 3],
                glow: true,
            },
            2 | 3 => Self::Plain {
                colour: [-0.08; 3],
                glow: true,
            },
            4 => Self::Plain {
                colour: [rng.range(0.0, 1.0); 3],
                glow: true,
            },
            5 | 6 => Self::Plain {
                colour,
                glow: false,
            },
            7 => Self::Paper { colour },
            8 => Self::Boards {
                colour: [
                    shade.min(0.7) + 0.15,
                    shade.min(0.7) * 0.8 + 0.1,
                    shade * 0.5,
                ],
                width: rng.range(0.25, 0.9),
            },
            9 => Self::Cloth {
                colour,
                pitch: rng.range(0.03, 0.08),
            },
            10 => Self::Speckles {
                colour,
                other: hue,
                pitch: rng.range(0.02, 0.1),
            },
            _ => Self::Steel {
                colour: [shade * 0.5 + 0.3; 3],
            },
        }
    }

    fn lay(&self, canvas: &mut Canvas, table: &Frame, grain: u32) {
        let ground = |albedo, height| Surface {
            cover: 0.0,
            ..Surface::matt(albedo, height)
        };
        match *self {
            Self::Plain { colour, glow } => {
                let flat = Surface {
                    glow: if glow { 1.0 } else { 0.0 },
                    ..ground(colour, 0.0)
                };
                canvas.pixels.fill(flat);
            }
            Self::Paper { colour } => canvas.flood(table, |p, _| {
                let fibre = fbm([p[0] * 30.0, p[1] * 30.0], 2, grain);
                ground(scale3(colour, 1.0 + 0.05 * fibre), 0.002 * fibre)
            }),
            Self::Boards { colour, width } => canvas.flood(table, |p, _| {
                let board = super::math::floor(p[0] / width);
                let across = (p[0] / width - board as f32 - 0.5).abs();
                let figure = fbm([p[0] * 26.0, p[1] * 1.7 + board as f32 * 7.3], 3, 77);
                let gap = super::math::smooth(0.47, 0.5, across);
                ground(
                    scale3(colour, (1.0 + 0.16 * figure) * (1.0 - 0.6 * gap)),
                    0.004 * figure - 0.02 * gap,
                )
            }),
            Self::Cloth { colour, pitch } => canvas.flood(table, |p, _| {
                let (u, v) = (p[0] / pitch, p[1] / pitch);
                let thread = super::math::sin_turns(u) * super::math::sin_turns(v);
                let fluff = value([u * 2.1, v * 2.1], grain);
                ground(
                    scale3(colour, 1.0 + 0.14 * thread + 0.07 * fluff),
                    0.008 * thread,
                )
            }),
            Self::Speckles {
                colour,
                other,
                pitch,
            } => canvas.flood(table, |p, _| {
                let cell = cells([p[0] / pitch, p[1] / pitch], 1.0, 11);
                let spot =
                    super::math::smooth(0.42, 0.3, cell.near) * (cell.id >> 8 & 255) as f32 / 255.0;
                ground(mix3(colour, other, 0.8 * spot), 0.0)
            }),
            Self::Steel { colour } => canvas.flood(table, |p, _| {
                let brush = fbm([p[0] * 2.0, p[1] * 90.0], 2, 5);
                Surface {
                    gloss: 0.3,
                    metal: 0.6,
                    ..ground(scale3(colour, 1.0 + 0.08 * brush), 0.0015 * brush)
                }
            }),
        }
    }
}

/// What is wrong with a part of this instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Part `0` is not there.
    Missing(usize),
    /// Part `0` lies moved by `by` and turned.
    Moved(usize, P, f32),
}

/// An instance being drawn.
pub(crate) struct Scene {
    pub canvas: Canvas,
    /// The product's own coordinates.
    pub frame: Frame,
    pub exposure: Exposure,
    /// For what varies between instances; parts drawn later than a fault must not depend on it.
    pub rng: Rng,
    /// Names the grain of this instance.
    pub grain: u32,
    pub fault: Option<Fault>,
}

impl Scene {
    /// Where the light comes from in the product's own coordinates: the horizontal part of the unit
    /// vector towards it.
    pub(crate) fn light(&self) -> P {
        let (light, unit) = (self.exposure.light, self.frame.unit);
        let [from, to] =
            [[0.0; 2], [light[0] * unit, light[1] * unit]].map(|p| self.frame.to_local(p));
        [to[0] - from[0], to[1] - from[1]]
    }

    /// The frame of the movable part number `part` at `place`, or none where the part is missing.
    pub(crate) fn part(&self, part: usize, place: P, angle: f32) -> Option<Frame> {
        match self.fault {
            Some(Fault::Missing(missing)) if missing == part => None,
            Some(Fault::Moved(moved, by, turn)) if moved == part => Some(self.frame.at(
                [place[0] + by[0], place[1] + by[1]],
                angle + turn,
                1.0,
            )),
            _ => Some(self.frame.at(place, angle, 1.0)),
        }
    }
}
