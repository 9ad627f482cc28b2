//! Leather and moulded grain: pebbles with creases between them.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{mix3, scale3, smooth};
use crate::synth::noise::{cells, fbm};
use crate::synth::scene::{Habit, Scene};

/// Leather, real or moulded.
#[derive(Debug)]
pub(crate) struct Leather {
    colour: [f32; 3],
    pitch: f32,
    crease: f32,
    relief: f32,
    mottle: f32,
    gloss: f32,
}

impl Leather {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let level = rng.range(0.12, 0.85);
        Self {
            colour: mix3([level; 3], saturated(rng), rng.unit() * 0.6),
            pitch: rng.range(0.03, 0.12),
            crease: rng.range(0.05, 0.3),
            relief: rng.range(0.2, 0.9),
            mottle: rng.range(0.02, 0.14),
            gloss: rng.range(0.0, 0.5),
        }
    }
}

impl Design for Leather {
    fn name(&self) -> String {
        "leather".into()
    }

    fn features(&self) -> String {
        "an even grain and an even colour".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: true,
            oriented: 0.5,
            extent: 1.0,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let pitch = self.pitch;
        scene.canvas.flood(&frame, |p, _| {
            let bend = 0.3 * fbm([p[0] * 3.0, p[1] * 3.0], 2, grain ^ 9);
            let cell = cells([p[0] / pitch + bend, p[1] / pitch - bend], 0.9, grain);
            let pebble = smooth(0.0, self.crease.max(0.02) * 2.0, cell.second - cell.near);
            let shade = fbm([p[0] * 5.0, p[1] * 5.0], 3, grain ^ 3) * self.mottle;
            let albedo = scale3(self.colour, (0.72 + 0.28 * pebble) * (1.0 + shade));
            Surface::shiny(albedo, pitch * self.relief * 0.3 * pebble, self.gloss)
        });
    }
}
