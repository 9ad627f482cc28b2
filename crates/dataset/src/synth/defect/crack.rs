//! Cracks: a jagged dark line that branches and thins out.

use super::field::{Field, Stroke, taper, wander};
use super::spot::Spot;
use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Surface};
use crate::synth::math::{P, cos, scale3, sin};
use crate::synth::noise::value;

/// Steps of the main line.
const STEPS: usize = 14;

pub(super) fn split(canvas: &mut Canvas, spot: &Spot, rng: &mut Rng) {
    let (darkness, seed) = (rng.range(0.7, 0.95), rng.bits());
    let gape = 0.006 * canvas.size as f32;
    let strokes: Vec<Stroke> = paths(rng)
        .into_iter()
        .map(|stroke| Stroke {
            from: spot.frame.to_pixel(stroke.from),
            to: spot.frame.to_pixel(stroke.to),
            radii: stroke.radii.map(|radius| {
                let wide = radius * spot.length;
                // Thinner than a pixel nobody would see it; a long crack gapes little more.
                (wide.min(gape) + 0.35 * (wide - gape).max(0.0)).max(0.3)
            }),
        })
        .collect();
    let mut field = Field::new(canvas.size);
    field.strokes(&strokes, 2.0);
    let coarse = 1.0 / (0.09 * spot.length).max(1.5);
    let ragged = (0.035 * spot.length).min(0.5 * gape);
    spot.alter(canvas, |_, pixel, surface| {
        let rough = ragged * value([pixel[0] * coarse, pixel[1] * coarse], seed);
        let open = (0.5 - field.at(pixel) + rough).clamp(0.0, 1.0);
        if open == 0.0 {
            return *surface;
        }
        Surface {
            albedo: scale3(surface.albedo, 1.0 - darkness * open),
            gloss: surface.gloss * (1.0 - open),
            // The lip that faces the light is bright.
            height: surface.height - 0.9 * open / spot.unit,
            ..*surface
        }
    });
}

/// The main line and its branches, in units of the spot.
fn paths(rng: &mut Rng) -> Vec<Stroke> {
    let length = rng.range(4.0, 6.5);
    let width = rng.range(0.05, 0.09);
    let main = wander(STEPS, length / STEPS as f32, 0.12, 0.9, rng);
    // Wide where it began, in the middle or at one end.
    let root = if rng.chance(0.5) { 0.1 } else { 0.5 };
    let radius = |t: f32| width * (1.0 - ((t - root) / (1.0 - root)).abs()).max(0.08);
    let mut strokes = taper(&jag(&jag(&main, 0.5, rng), 0.4, rng), radius);
    for _ in 0..rng.int(1, 4) {
        let node = rng.int(2, STEPS - 2);
        let along = [
            main[node + 1][0] - main[node - 1][0],
            main[node + 1][1] - main[node - 1][1],
        ];
        let aside = if rng.chance(0.5) { 1.0 } else { -1.0 } * rng.range(0.4, 1.0);
        let (c, s) = (cos(aside), sin(aside));
        let step = [
            0.5 * (c * along[0] - s * along[1]),
            0.5 * (s * along[0] + c * along[1]),
        ];
        let count = rng.int(2, 5);
        let branch: Vec<P> = (0..=count)
            .map(|number| {
                let far = number as f32;
                [main[node][0] + far * step[0], main[node][1] + far * step[1]]
            })
            .collect();
        let start = 0.7 * radius(node as f32 / STEPS as f32);
        let jagged = jag(&jag(&branch, 0.7, rng), 0.5, rng);
        strokes.extend(taper(&jagged, |t| start * (1.0 - 0.9 * t)));
    }
    strokes
}

/// The line with a corner in the middle of each step, up to `amount` of the step to the side.
fn jag(points: &[P], amount: f32, rng: &mut Rng) -> Vec<P> {
    let mut jagged = vec![points[0]];
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let aside = rng.jitter(amount);
        jagged.push([
            0.5 * (a[0] + b[0]) - aside * (b[1] - a[1]),
            0.5 * (a[1] + b[1]) + aside * (b[0] - a[0]),
        ]);
        jagged.push(b);
    }
    jagged
}
