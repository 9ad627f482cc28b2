//! Foreign matter on top of the product: hairs and fibres, crumbs, metal chips, each with the small
//! shadow that tells that it lies there.

mod crumbs;
mod fibres;
mod metal;

use self::crumbs::crumbs;
use self::fibres::fibres;
use self::metal::{flakes, swarf};
use super::field::Field;
use super::spot::Spot;
use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Surface};
use crate::synth::math::{P, bevel, scale3, smooth};
use crate::synth::noise::{fbm, value};

/// What lies there.
struct Matter {
    field: Field,
    colour: [f32; 3],
    gloss: f32,
    metal: f32,
    /// Height above the surface, in pixels.
    thickness: f32,
    /// Change of brightness within it, and the length of that change in pixels.
    mottle: f32,
    grain: f32,
}

/// Pixels around a shape in which its distance is needed, for its shadow.
const MARGIN: f32 = 6.0;

pub(super) fn drop(canvas: &mut Canvas, spot: &Spot, rng: &mut Rng) {
    let matter = match rng.int(0, 6) {
        0..=2 => fibres(canvas.size, spot, rng),
        3 | 4 => crumbs(canvas.size, spot, rng),
        5 => flakes(canvas.size, spot, rng),
        _ => swarf(canvas.size, spot, rng),
    };
    let (seed, toward) = (rng.bits(), [spot.light[0], spot.light[1]]);
    // A low light throws a long shadow.
    let throw = (0.5 + 0.8 * matter.thickness / spot.light[2].max(0.4)).min(0.5 * spot.length);
    let throw = throw.min(MARGIN);
    let soft = 0.6 + 0.4 * throw;
    // A speck hardly throws one.
    let dark = (0.08 * spot.length).min(0.5);
    for index in 0..canvas.pixels.len() {
        let surface = canvas.pixels[index];
        let (x, y) = (index % canvas.size, index / canvas.size);
        let pixel = [x as f32 + 0.5, y as f32 + 0.5];
        let between = [pixel[0] + throw * toward[0], pixel[1] + throw * toward[1]];
        let shade = dark * smooth(soft, -soft, matter.field.at(between)) * surface.cover;
        let below = Surface {
            albedo: scale3(surface.albedo, 1.0 - shade),
            gloss: surface.gloss * (1.0 - shade),
            ..surface
        };
        let share = (0.5 - matter.field.at(pixel)).clamp(0.0, 1.0);
        canvas.pixels[index] = below.under(matter.at(pixel, &surface, spot, seed), share);
    }
}

impl Matter {
    /// Its surface at a pixel position, on top of `below`.
    fn at(&self, pixel: P, below: &Surface, spot: &Spot, seed: u32) -> Surface {
        let q = [pixel[0] / self.grain, pixel[1] / self.grain];
        let tone = 1.0 + self.mottle * fbm(q, 2, seed);
        let round = bevel(self.field.at(pixel), self.thickness.max(1.0));
        let bumps = 1.0 + 0.5 * self.mottle * value(q, seed ^ 1);
        Surface {
            albedo: scale3(self.colour, tone).map(|level| level.clamp(0.0, 1.0)),
            height: below.height + self.thickness * round * bumps / spot.unit,
            gloss: self.gloss,
            metal: self.metal,
            // The shadow of the whole product on the table stays as it is.
            cover: below.cover,
            glow: 0.0,
        }
    }
}
