//! Stains and holes: a ragged spot.

use super::overlay::Overlay;
use crate::rng::Rng;
use crate::synth::noise::value;

pub(super) fn blob(overlay: &mut Overlay, rng: &mut Rng, hole: bool) {
    let radius = overlay.side * rng.range(0.02, 0.09);
    let seed = rng.bits();
    let stretch = rng.range(0.6, 1.6);
    let colour: [f32; 3] = std::array::from_fn(|_| rng.unit());
    let colour = if hole { [0.06; 3] } else { colour };
    let opacity = if hole { 0.92 } else { rng.range(0.3, 0.95) };
    overlay.paint(4.0 * radius, |dx, dy| {
        let ragged = 1.0 + 0.35 * value([dx * 1.6 / radius, dy * 1.6 / radius], seed);
        let distance = (dx * dx * stretch + dy * dy / stretch).sqrt() / (radius * ragged);
        let share = ((1.0 - distance) * radius * 0.7).clamp(0.0, 1.0) * opacity;
        // The far edge of a chip catches the light.
        let bright = hole && distance > 0.7 && dx + dy > 0.0;
        (share, if bright { [0.85; 3] } else { colour })
    });
}
