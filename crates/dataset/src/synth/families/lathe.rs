//! Turned and blown things from above: bottles, caps, lids, buttons. A profile of rings.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::math::{angle_turns, length, mix, mix3, scale3, sin_turns, smooth};
use crate::synth::noise::value;
use crate::synth::scene::{Habit, Scene};

/// One ring of the profile, from its outer radius inwards.
#[derive(Clone, Copy, Debug)]
struct Ring {
    outer: f32,
    /// Height at the outer and at the inner radius.
    height: [f32; 2],
    /// How far the ring bulges between.
    bulge: f32,
    colour: [[f32; 3]; 2],
    gloss: f32,
}

/// A bottle seen from above: body, shoulder, neck, mouth, darkness inside.
#[derive(Debug)]
pub(crate) struct Bottle {
    rings: Vec<Ring>,
    /// Faint irregularities of the glass, per turn.
    waves: usize,
    uneven: f32,
    /// Light that comes through from below, strongest at this radius.
    lens: f32,
}

impl Bottle {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let glass = match rng.int(0, 5) {
            0 => [0.40, 0.20, 0.07],
            1 => [0.10, 0.30, 0.12],
            2 => [0.75, 0.80, 0.80],
            3 => [0.12, 0.18, 0.38],
            _ => scale3(saturated(rng), 0.6),
        };
        let mouth = rng.range(0.42, 0.7);
        let lip = rng.range(0.07, 0.15);
        let dark = scale3(glass, rng.range(0.05, 0.3));
        let light = mix3(glass, [1.0; 3], rng.range(0.2, 0.6));
        let mut rings = vec![
            Ring {
                outer: 1.0,
                height: [0.1, 0.16],
                bulge: 0.04,
                colour: [scale3(glass, 0.7), glass],
                gloss: 0.4,
            },
            Ring {
                outer: rng.range(0.86, 0.95),
                height: [0.16, 0.3],
                bulge: 0.03,
                colour: [glass, dark],
                gloss: 0.3,
            },
        ];
        let collar = mouth + lip + rng.range(0.03, 0.12);
        rings.push(Ring {
            outer: collar,
            height: [0.34, 0.36],
            bulge: 0.03,
            colour: [scale3(glass, 0.5), glass],
            gloss: 0.5,
        });
        rings.push(Ring {
            outer: mouth + lip,
            height: [0.38, 0.40],
            bulge: 0.07,
            colour: [glass, light],
            gloss: 0.8,
        });
        rings.push(Ring {
            outer: mouth,
            height: [0.2, 0.1],
            bulge: 0.0,
            colour: [scale3(glass, 0.45), dark],
            gloss: 0.1,
        });
        for _ in 0..rng.int(0, 2) {
            let outer = mouth * rng.range(0.3, 0.9);
            let tone = scale3(glass, rng.range(0.05, 0.6));
            rings.push(Ring {
                outer,
                height: [0.1, 0.05],
                bulge: 0.0,
                colour: [tone, mix3(tone, dark, 0.6)],
                gloss: 0.1,
            });
        }
        Self {
            rings,
            waves: rng.int(2, 9),
            uneven: rng.range(0.0, 0.12),
            lens: rng.range(0.0, 0.35),
        }
    }
}

impl Design for Bottle {
    fn name(&self) -> String {
        "bottle".into()
    }

    fn features(&self) -> String {
        "an intact round mouth, smooth rim and clean dark inside".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.7,
            extent: 1.02,
        }
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let (waves, uneven, lens) = (self.waves as f32, self.uneven, self.lens);
        // Every bottle is blown a little differently.
        let phase = scene.rng.unit();
        let tone = 1.0 + scene.rng.jitter(0.08);
        for (number, ring) in self.rings.iter().enumerate() {
            let inner = self.rings.get(number + 1).map_or(0.0, |next| next.outer);
            scene.canvas.stamp(
                &frame,
                ring.outer,
                |p| length(p) - ring.outer,
                |p, _, _| {
                    let r = length(p);
                    let t = ((ring.outer - r) / (ring.outer - inner)).clamp(0.0, 1.0);
                    let turn = angle_turns(p);
                    let wave = sin_turns(turn * waves + phase + r) * 0.5
                        + value([p[0] * 4.0, p[1] * 4.0], grain) * 0.5;
                    let through = lens * smooth(0.25, 0.0, (t - 0.5).abs()) * (0.5 + 0.5 * wave);
                    let colour = mix3(ring.colour[0], ring.colour[1], t);
                    let height =
                        mix(ring.height[0], ring.height[1], t) + ring.bulge * 4.0 * t * (1.0 - t);
                    Surface::shiny(
                        scale3(
                            mix3(colour, [1.0; 3], through * 0.4),
                            tone * (1.0 + uneven * wave),
                        ),
                        height + 0.004 * wave,
                        ring.gloss,
                    )
                },
            );
        }
    }
}
