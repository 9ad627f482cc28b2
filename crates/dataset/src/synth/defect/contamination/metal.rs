//! Metal chips: splinters and curls.

use super::{MARGIN, Matter};
use crate::rng::Rng;
use crate::synth::defect::field::{Field, taper};
use crate::synth::defect::spot::Spot;
use crate::synth::math::{TURN, cos, length, sin};

/// Angular splinters of bright metal.
pub(super) fn flakes(size: usize, spot: &Spot, rng: &mut Rng) -> Matter {
    let mut field = Field::new(size);
    let count = rng.pick(&[1, 1, 2, 3]);
    for number in 0..count {
        let place = if number == 0 { 0.0 } else { 1.2 };
        let place = [rng.jitter(place), rng.jitter(place)];
        let turn = rng.range(0.0, TURN);
        let stretch = rng.range(1.0, 2.4).sqrt();
        let radius = 0.55 / (count as f32).sqrt();
        let frame = spot.frame.at(place, turn, radius);
        let corners = rng.int(3, 5);
        let sides: Vec<[f32; 3]> = (0..corners)
            .map(|side| {
                let toward = (side as f32 + rng.jitter(0.4)) * TURN / corners as f32;
                [cos(toward), sin(toward), rng.range(0.5, 1.0)]
            })
            .collect();
        let reach = 3.0 * stretch * frame.unit + MARGIN;
        let [x, y] = frame.to_pixel([0.0; 2]);
        field.add([x - reach, y - reach], [x + reach, y + reach], |p| {
            let q = frame.to_local(p);
            let q = [q[0] / stretch, q[1] * stretch];
            let cut = sides
                .iter()
                .map(|&[nx, ny, far]| nx * q[0] + ny * q[1] - far);
            frame.unit * cut.fold(length(q) - 1.6, f32::max) / stretch
        });
    }
    chip_metal(field, spot, rng)
}

/// A curl of bright metal from a cutting tool.
pub(super) fn swarf(size: usize, spot: &Spot, rng: &mut Rng) -> Matter {
    let radius = rng.range(0.07, 0.11);
    let turns = rng.range(0.7, 2.2);
    let long = 0.4 / radius;
    let steps = 40;
    let (mut heading, mut at) = (0.0, [-0.25 * long / (1.0 + turns), 0.0]);
    let mut line = vec![spot.frame.to_pixel(at)];
    for number in 0..steps {
        // Wound tighter towards its end.
        heading += turns * TURN / steps as f32 * (0.5 + number as f32 / steps as f32);
        let step = long / steps as f32;
        at = [at[0] + step * cos(heading), at[1] + step * sin(heading)];
        line.push(spot.frame.to_pixel(at));
    }
    let full = (radius * spot.length).max(0.45);
    let mut field = Field::new(size);
    field.strokes(&taper(&line, |t| full * (1.0 - 0.7 * t)), MARGIN);
    chip_metal(field, spot, rng)
}

fn chip_metal(field: Field, spot: &Spot, rng: &mut Rng) -> Matter {
    let brass = rng.chance(0.25);
    Matter {
        field,
        colour: if brass {
            [0.9, 0.76, 0.46]
        } else {
            [rng.range(0.75, 0.95); 3]
        },
        gloss: 0.6,
        metal: rng.range(0.7, 1.0),
        thickness: (0.12 * spot.length).clamp(0.8, 3.5),
        mottle: 0.35,
        grain: (0.15 * spot.length).max(1.5),
    }
}
