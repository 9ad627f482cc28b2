//! Crumbs, grit and dust.

use super::{MARGIN, Matter};
use crate::rng::Rng;
use crate::synth::defect::field::Field;
use crate::synth::defect::spot::Spot;
use crate::synth::finish::saturated;
use crate::synth::math::{P, TURN, cos, length, mix3, sin};
use crate::synth::noise::value;

/// A strewn handful of grains, a few large and more small.
pub(super) fn crumbs(size: usize, spot: &Spot, rng: &mut Rng) -> Matter {
    let count = rng.int(2, 12);
    let largest = rng.range(0.45, 0.6) / (0.4 + 0.1 * count as f32).sqrt();
    let spread = 0.9 * (count as f32).sqrt() * largest;
    let mut field = Field::new(size);
    for number in 0..count {
        let small = if number == 0 {
            1.0
        } else {
            rng.range(0.15, 1.0) * rng.range(0.5, 1.0)
        };
        let place = [rng.jitter(spread), rng.jitter(spread)];
        let place = if number == 0 { [0.0; 2] } else { place };
        let radius = (largest * small * spot.length).max(0.4);
        pebble(&mut field, spot.frame.to_pixel(place), radius, rng);
    }
    let earth = mix3([0.3, 0.2, 0.12], [0.75, 0.66, 0.5], rng.unit());
    let colour = match rng.int(0, 3) {
        0 => [rng.range(0.03, 0.25); 3],
        1 => mix3([0.85; 3], saturated(rng), 0.4 * rng.unit()),
        _ => earth,
    };
    Matter {
        field,
        colour,
        gloss: rng.range(0.0, 0.2),
        metal: 0.0,
        thickness: (0.55 * largest * spot.length).clamp(0.8, 8.0),
        mottle: rng.range(0.2, 0.5),
        grain: (0.12 * spot.length).max(1.2),
    }
}

/// Adds a ragged grain with a few flat sides.
fn pebble(field: &mut Field, centre: P, radius: f32, rng: &mut Rng) {
    let (seed, angle, stretch) = (rng.bits(), rng.range(0.0, TURN), rng.range(1.0, 1.5));
    let (c, s) = (cos(angle), sin(angle));
    let sides: Vec<[f32; 3]> = (0..5)
        .map(|_| {
            let toward = rng.range(0.0, TURN);
            [cos(toward), sin(toward), rng.range(0.6, 1.0)]
        })
        .collect();
    let reach = 1.8 * radius + MARGIN;
    let low = [centre[0] - reach, centre[1] - reach];
    let high = [centre[0] + reach, centre[1] + reach];
    field.add(low, high, |p| {
        let (x, y) = (p[0] - centre[0], p[1] - centre[1]);
        let q = [
            (c * x + s * y) / (radius * stretch),
            (c * y - s * x) / radius,
        ];
        let cut = sides
            .iter()
            .map(|&[nx, ny, far]| nx * q[0] + ny * q[1] - far);
        let rough = 0.22 * value([2.2 * q[0], 2.2 * q[1]], seed);
        radius * (cut.fold(length(q) - 1.0, f32::max) + rough)
    });
}
