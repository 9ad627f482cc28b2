//! A thin bright or dark line.

use super::overlay::Overlay;
use crate::rng::Rng;
use crate::synth::math::{TURN, cos, sin};

pub(super) fn scratch(overlay: &mut Overlay, rng: &mut Rng) {
    let side = overlay.side;
    let direction = rng.range(0.0, TURN);
    let (step_x, step_y) = (cos(direction), sin(direction));
    let length = side * rng.range(0.06, 0.3);
    // A larger scratch is longer rather than wider.
    let width = side / overlay.scale.max(1.0).sqrt() * rng.range(0.004, 0.012);
    let bend = rng.jitter(0.15);
    let dark = rng.chance(0.5);
    let depth = rng.range(0.25, 0.7);
    overlay.paint(length, |dx, dy| {
        let along = dx * step_x + dy * step_y;
        let across = dy * step_x - dx * step_y - bend * along * along / length;
        let end = 1.0 - (along.abs() * 2.0 / length).powi(8);
        let share = (1.0 - across.abs() / width).clamp(0.0, 1.0) * end.max(0.0);
        (share * depth, [if dark { 0.02 } else { 0.97 }; 3])
    });
}
