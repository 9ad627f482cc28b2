//! One seed of each kind, in its own coordinates.

use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Frame, Surface};
use crate::synth::math::{P, bevel, mix3, scale3, sin_turns, smooth};
use crate::synth::noise::{fbm, value};
use crate::synth::shape::ellipse;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Bent, smooth, often mottled, with a pale navel.
    Bean,
    /// A drop with furrows along it.
    Almond,
    /// Nearly round, with a pale rough base.
    Hazelnut,
    /// An oval with a furrow.
    Coffee,
    /// A drop with stripes.
    Sunflower,
}

/// A seed, 2 long.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub kind: Kind,
    colour: [f32; 3],
    other: [f32; 3],
    /// Half width when the half length is 1.
    width: f32,
    bend: f32,
    taper: f32,
    streaks: f32,
    gloss: f32,
}

impl Kernel {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let kind = rng.pick(&[
            Kind::Bean,
            Kind::Almond,
            Kind::Hazelnut,
            Kind::Coffee,
            Kind::Sunflower,
        ]);
        let (colour, other, width, taper) = match kind {
            Kind::Bean => {
                let colours = [
                    [0.93, 0.89, 0.78],
                    [0.45, 0.12, 0.10],
                    [0.12, 0.10, 0.10],
                    [0.72, 0.50, 0.32],
                    [0.52, 0.56, 0.3],
                ];
                (
                    rng.pick(&colours),
                    rng.pick(&[[0.42, 0.12, 0.12], [0.25, 0.15, 0.1]]),
                    rng.range(0.5, 0.66),
                    0.0,
                )
            }
            Kind::Almond => (
                [0.66, 0.40, 0.22],
                [0.42, 0.22, 0.11],
                rng.range(0.52, 0.64),
                rng.range(0.3, 0.45),
            ),
            Kind::Hazelnut => (
                [0.60, 0.36, 0.19],
                [0.80, 0.68, 0.5],
                rng.range(0.84, 0.98),
                rng.range(0.08, 0.2),
            ),
            Kind::Coffee => (
                [0.36, 0.22, 0.14],
                [0.6, 0.42, 0.28],
                rng.range(0.66, 0.78),
                0.0,
            ),
            Kind::Sunflower => (
                [0.14, 0.13, 0.13],
                [0.88, 0.86, 0.8],
                rng.range(0.42, 0.56),
                rng.range(0.3, 0.45),
            ),
        };
        let (bent, polished) = (kind == Kind::Bean, kind != Kind::Almond);
        Self {
            kind,
            colour: scale3(colour, rng.range(0.8, 1.1)),
            other,
            width,
            bend: if bent { rng.range(0.1, 0.35) } else { 0.0 },
            taper,
            streaks: rng.range(0.4, 1.0),
            gloss: if polished {
                rng.range(0.08, 0.45)
            } else {
                0.05
            },
        }
    }

    fn distance(&self, p: P) -> f32 {
        let bent = p[1] + self.bend * (p[0] * p[0] - 0.3);
        ellipse([p[0], bent / (1.0 - self.taper * p[0])], [1.0, self.width])
    }

    /// The surface of one seed in its own coordinates; lengths of `height` are in those, too.
    fn surface(&self, p: P, d: f32, grain: u32) -> Surface {
        let dome = 0.75 * self.width * bevel(d, 0.8 * self.width);
        let spread = p[1] / (1.0 - self.taper * p[0]) / self.width;
        let fine = fbm([p[0] * 9.0, p[1] * 9.0], 2, grain);
        // Streaks run together at both ends, as meridians do.
        let round = (1.05 - p[0] * p[0]).max(0.08).sqrt();
        let streak = fbm([p[0] * 1.6, spread / round * 7.0], 2, grain ^ 1) * self.streaks;
        let (share, dent) = match self.kind {
            Kind::Bean => {
                let mottle = smooth(0.15, 0.3, fbm([p[0] * 3.2, p[1] * 3.2], 2, grain ^ 2))
                    * smooth(0.6, 0.8, self.streaks);
                (mottle, 0.0)
            }
            Kind::Almond => (0.5 + 0.9 * streak, 0.09 * streak),
            Kind::Hazelnut => {
                let base = smooth(-0.5, -0.58, p[0] + 0.16 * spread * spread + 0.03 * fine);
                (
                    base * (0.8 + 0.2 * fine),
                    0.03 * base * fine - 0.01 * streak + 0.02 * base,
                )
            }
            Kind::Coffee => {
                let furrow = smooth(0.09, 0.02, (p[1] - 0.08 * sin_turns(p[0] * 0.5)).abs())
                    * smooth(0.98, 0.85, p[0].abs());
                (0.7 * furrow * (0.8 + 0.4 * fine), 0.16 * furrow)
            }
            Kind::Sunflower => {
                let stripe = smooth(
                    0.0,
                    0.45,
                    sin_turns(spread / round * 2.2 + 0.15 * streak + 0.25),
                );
                (stripe * (0.85 + 0.15 * fine), 0.015 * stripe)
            }
        };
        let darker = if self.kind == Kind::Hazelnut {
            0.16 * streak
        } else {
            0.0
        };
        let mut colour = mix3(self.colour, self.other, share.clamp(0.0, 1.0));
        colour = scale3(colour, 1.0 + 0.1 * fine + darker);
        if self.kind == Kind::Bean {
            // The navel lies where the bean is hollow.
            let navel = ellipse(
                [p[0], p[1] + 0.78 * self.width - 0.3 * self.bend],
                [0.15, 0.06],
            );
            colour = mix3(colour, [0.9, 0.86, 0.78], 0.85 * smooth(0.02, -0.02, navel));
        }
        Surface::shiny(colour, dome - dent + 0.008 * fine, self.gloss)
    }

    /// Stamps the seed at the origin of `own`, its half length `scale`, lying `base` high, its
    /// colour times `tint`.
    pub(crate) fn stamp(
        &self,
        canvas: &mut Canvas,
        own: &Frame,
        [scale, base]: P,
        tint: [f32; 3],
        grain: u32,
    ) {
        let own = own.at([0.0; 2], 0.0, scale);
        let outline = |p: P| self.distance(p) + 0.03 * value([p[0] * 2.0, p[1] * 2.0], grain);
        canvas.stamp(&own, 1.45, outline, |p, d, _| {
            let mut surface = self.surface(p, d, grain);
            surface.height = base + scale * surface.height;
            surface.albedo = std::array::from_fn(|channel| surface.albedo[channel] * tint[channel]);
            surface
        });
    }
}
