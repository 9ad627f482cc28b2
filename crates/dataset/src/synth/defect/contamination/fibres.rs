//! Hairs and fibres.

use super::{MARGIN, Matter};
use crate::rng::Rng;
use crate::synth::defect::field::{Field, Stroke, taper, wander};
use crate::synth::defect::spot::Spot;
use crate::synth::finish::saturated;
use crate::synth::math::{P, mix3, smooth};

/// One to four thin curled lines.
pub(super) fn fibres(size: usize, spot: &Spot, rng: &mut Rng) -> Matter {
    let count = rng.pick(&[1, 1, 1, 2, 4]);
    let colour = if rng.chance(0.6) {
        mix3([0.04; 3], [0.42, 0.27, 0.14], rng.unit())
    } else {
        mix3([rng.range(0.1, 0.95); 3], saturated(rng), 0.7 * rng.unit())
    };
    let radius = rng.range(0.025, 0.045);
    let long = 0.42 / (radius * count as f32);
    let curl = rng.range(0.05, 0.3);
    // A long hair is hardly thicker than a short one.
    let hair = 0.006 * size as f32;
    let wide = radius * spot.length;
    let full = (wide.min(hair) + 0.35 * (wide - hair).max(0.0)).max(0.3);
    let strokes: Vec<Stroke> = (0..count)
        .flat_map(|_| {
            let steps = 36;
            let step = long * rng.range(0.6, 1.0) / steps as f32;
            let aside = if count == 1 { 0.0 } else { 0.45 * long };
            let place = [rng.jitter(aside), rng.jitter(aside)];
            let line = wander(steps, step, curl, 0.0, rng).into_iter();
            let line: Vec<P> = line
                .map(|p| spot.frame.to_pixel([p[0] + place[0], p[1] + place[1]]))
                .collect();
            // Even but for the tip.
            taper(&line, |t| full * smooth(1.05, 0.8, t).max(0.5))
        })
        .collect();
    let mut field = Field::new(size);
    field.strokes(&strokes, MARGIN);
    Matter {
        field,
        colour,
        gloss: rng.range(0.1, 0.4),
        metal: 0.0,
        thickness: (2.0 * full).clamp(1.0, 4.0),
        mottle: 0.15,
        grain: 4.0,
    }
}
