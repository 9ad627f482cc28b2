//! One core of a cable in section: insulation and conductor.

use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Frame, Surface};
use crate::synth::math::{P, angle_turns, bevel, floor, scale3, smooth};
use crate::synth::noise::{cells, unit, value};
use crate::synth::shape::circle;

/// Colours of cores: brown, black, grey, blue, red, yellow, green, white, orange, violet.
pub(crate) const PALETTE: [[f32; 3]; 10] = [
    [0.42, 0.25, 0.15],
    [0.12, 0.12, 0.13],
    [0.55, 0.55, 0.56],
    [0.16, 0.32, 0.68],
    [0.78, 0.14, 0.13],
    [0.92, 0.78, 0.18],
    [0.20, 0.52, 0.25],
    [0.92, 0.91, 0.88],
    [0.92, 0.48, 0.14],
    [0.45, 0.25, 0.55],
];

/// An insulated wire.
#[derive(Debug)]
pub(crate) struct Wire {
    pub radius: f32,
    conductor: f32,
    copper: [f32; 3],
    /// Strands along the diameter of a conductor; 1 is one solid wire.
    strands: f32,
}

impl Wire {
    /// A wire that fits where there is room for the radius `room`.
    pub(crate) fn draw(room: f32, rng: &mut Rng) -> Self {
        let solid = rng.chance(0.15);
        Self {
            radius: room * rng.range(0.88, 0.98),
            conductor: room * rng.range(0.45, 0.72),
            copper: rng.pick(&[[0.85, 0.50, 0.32], [0.85, 0.50, 0.32], [0.80, 0.80, 0.80]]),
            strands: if solid { 1.0 } else { rng.range(3.0, 6.5) },
        }
    }

    /// Stamps the wire at the origin of `own`, its conductor moved by `off`, the insulation in two
    /// colours by quarters.
    pub(crate) fn stamp(
        &self,
        canvas: &mut Canvas,
        own: &Frame,
        off: P,
        colours: [[f32; 3]; 2],
        grain: u32,
    ) {
        let insulation = |p| circle(p, self.radius);
        canvas.stamp(own, self.radius, insulation, |p, d, _| {
            let quarter = floor(angle_turns(p) * 4.0 + 0.5).rem_euclid(2);
            let grit = value([p[0] * 40.0, p[1] * 40.0], grain);
            let colour = scale3(colours[quarter as usize], 1.0 + 0.04 * grit);
            Surface::shiny(colour, 0.24 + 0.03 * bevel(d, 0.03) + 0.002 * grit, 0.12)
        });
        let loose = self.conductor * if self.strands > 1.0 { 0.06 } else { 0.01 };
        let fine = 4.0 / self.conductor;
        let bare =
            |p: P| circle(p, self.conductor) + loose * value([p[0] * fine, p[1] * fine], grain);
        let inner = own.at(off, 0.0, 1.0);
        canvas.stamp(&inner, 1.1 * self.conductor, bare, |p, d, _| {
            self.copper(p, d, grain)
        });
    }

    /// The cut end of the conductor around the origin of `p`.
    fn copper(&self, p: P, d: f32, grain: u32) -> Surface {
        let metal = |tone: f32, height: f32| Surface {
            metal: 0.55,
            ..Surface::shiny(scale3(self.copper, tone), height, 0.35)
        };
        if self.strands <= 1.0 {
            // Marks of the saw.
            let saw = value([p[0] * 3.0, p[1] * 60.0], grain);
            return metal(1.0 + 0.06 * saw, 0.22 + 0.002 * saw + 0.03 * bevel(d, 0.04));
        }
        let pitch = 2.0 * self.conductor / self.strands;
        // Every other row is set off by half, as round wires lie.
        let row = p[1] / (0.87 * pitch);
        let shift = if floor(row) % 2 == 0 { 0.0 } else { 0.5 };
        let strand = cells([p[0] / pitch + shift, row], 0.35, grain);
        let dome = bevel(strand.near - 0.55, 0.4);
        let tone = 0.3 + (0.75 + 0.2 * (unit(strand.id) - 0.5)) * smooth(0.55, 0.42, strand.near);
        metal(tone, 0.18 + 0.5 * pitch * dome)
    }
}
