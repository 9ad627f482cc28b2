//! Discoloured regions: burnt, faded, damp, tinted, tempered, with a soft ragged edge.

use super::spot::Spot;
use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Surface};
use crate::synth::finish::saturated;
use crate::synth::math::{P, length, mix, mix3, scale3, smooth};
use crate::synth::noise::fbm;

#[derive(Clone, Copy, Debug)]
enum Change {
    /// Brown at the edge, black in the middle.
    Burnt,
    /// Lighter and greyer.
    Faded(f32),
    /// Darker, and it shines.
    Damp(f32),
    /// Seen through a coloured film.
    Tinted([f32; 3]),
    /// Straw, purple and blue, as heat leaves them on metal.
    Tempered,
}

impl Change {
    fn draw(metal: bool, rng: &mut Rng) -> Self {
        match rng.int(0, 4) {
            0 if metal => Self::Tempered,
            0 | 1 => Self::Burnt,
            2 => Self::Faded(rng.range(0.35, 0.75)),
            3 => Self::Damp(rng.range(0.55, 0.8)),
            _ => Self::Tinted(mix3([1.0; 3], saturated(rng), rng.range(0.35, 0.7))),
        }
    }

    /// The surface changed to the degree `share`, 0 at the edge of the region, 1 in the middle.
    fn apply(self, surface: &Surface, share: f32) -> Surface {
        let albedo = surface.albedo;
        let times = |factor: [f32; 3]| {
            std::array::from_fn(|channel| albedo[channel] * mix(1.0, factor[channel], share))
        };
        match self {
            Self::Burnt => {
                let brown = mix3(
                    [0.8, 0.62, 0.42],
                    [0.2, 0.15, 0.12],
                    smooth(0.45, 1.0, share),
                );
                Surface {
                    albedo: times(brown),
                    gloss: surface.gloss * (1.0 - 0.7 * share),
                    metal: surface.metal * (1.0 - 0.5 * share),
                    ..*surface
                }
            }
            Self::Faded(strength) => {
                let grey = 0.3 * albedo[0] + 0.6 * albedo[1] + 0.1 * albedo[2];
                let pale = mix3(albedo, [mix(grey, 0.92, 0.45); 3], strength * share);
                Surface {
                    albedo: pale,
                    ..*surface
                }
            }
            Self::Damp(dark) => Surface {
                albedo: scale3(albedo, mix(1.0, dark, share)),
                gloss: mix(surface.gloss, 0.5, 0.6 * share),
                ..*surface
            },
            Self::Tinted(film) => Surface {
                albedo: times(film),
                ..*surface
            },
            Self::Tempered => {
                let warm = mix3(
                    [0.98, 0.84, 0.5],
                    [0.62, 0.38, 0.6],
                    smooth(0.3, 0.65, share),
                );
                let hue = mix3(warm, [0.4, 0.5, 0.85], smooth(0.6, 0.95, share));
                Surface {
                    albedo: times(hue),
                    ..*surface
                }
            }
        }
    }
}

pub(super) fn discolour(canvas: &mut Canvas, spot: &Spot, rng: &mut Rng) {
    let metal = canvas.sample(spot.frame.to_pixel([0.0; 2])).metal > 0.4;
    let change = Change::draw(metal, rng);
    let stretch = rng.range(1.0, 2.0).sqrt();
    let (soft, wild, seed) = (rng.range(0.35, 0.85), rng.range(0.5, 1.1), rng.bits());
    // The lattice of the noise must not have a corner in the middle: the region would be square.
    let place: P = [rng.range(0.0, 50.0), rng.range(0.0, 50.0)];
    spot.alter(canvas, |p, pixel, surface| {
        let q: P = [p[0] / (0.62 * stretch), p[1] * stretch / 0.62];
        let reach = length(q);
        if reach > 2.4 {
            return *surface;
        }
        let noise = fbm([1.1 * q[0] + place[0], 1.1 * q[1] + place[1]], 4, seed);
        let cloudy = 0.8 + 0.2 * fbm([0.25 * pixel[0], 0.25 * pixel[1]], 3, seed ^ 1);
        let share = smooth(1.0, 1.0 - soft, reach + wild * noise);
        change.apply(surface, share * cloudy)
    });
}
