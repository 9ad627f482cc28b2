//! Caps from above: crown corks with a printed disc and screw caps with a ribbed edge.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::{Finish, saturated};
use crate::synth::glyphs::Text;
use crate::synth::math::{P, angle_turns, bevel, floor, length, mix3, scale3, sin_turns, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::toothed;

/// A print inside the radius `outer`: a disc, sectors or a star.
#[derive(Clone, Copy, Debug)]
struct Print {
    outer: f32,
    colour: [f32; 3],
    /// Sectors of two colours; 0 for one colour.
    sectors: usize,
    other: [f32; 3],
    /// Points of a star instead of a disc; 0 for a disc.
    points: usize,
}

/// A crown cork or a screw cap.
#[derive(Debug)]
pub(crate) struct Cap {
    finish: Finish,
    crown: bool,
    /// Flutes of a crown, ribs of a screw cap.
    flutes: usize,
    depth: f32,
    /// Radius of the flat top.
    top: f32,
    dome: f32,
    prints: Vec<Print>,
    groove: Option<f32>,
    text: Option<Text>,
    text_size: f32,
    ink: Option<[f32; 3]>,
}

impl Cap {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let crown = rng.chance(0.6);
        let bare = crown && rng.chance(0.3);
        let finish = if bare {
            Finish::metal(rng)
        } else {
            Finish::plastic(rng)
        };
        let top = if crown {
            rng.range(0.68, 0.8)
        } else {
            rng.range(0.84, 0.93)
        };
        let count = rng.int(usize::from(crown), 3);
        let mut prints = Vec::new();
        let mut outer = top * rng.range(0.8, 1.08);
        for _ in 0..count {
            let points = if rng.chance(0.3) { rng.int(5, 12) } else { 0 };
            prints.push(Print {
                outer,
                colour: ink(rng),
                sectors: if rng.chance(0.25) {
                    2 * rng.int(2, 8)
                } else {
                    0
                },
                other: ink(rng),
                points,
            });
            outer *= if points > 0 {
                rng.range(0.45, 0.6)
            } else {
                rng.range(0.6, 0.92)
            };
        }
        let ground = prints.last().map_or(finish.colour, |print| print.colour);
        let dark = ground.iter().sum::<f32>() < 1.4;
        let letters = rng.int(1, 5);
        let contrast = mix3([if dark { 0.95 } else { 0.06 }; 3], ink(rng), 0.25);
        Self {
            finish,
            crown,
            flutes: if crown {
                rng.pick(&[18, 21, 21, 24])
            } else {
                rng.int(36, 110)
            },
            depth: if crown {
                rng.range(0.05, 0.09)
            } else {
                rng.range(0.012, 0.03)
            },
            top,
            dome: rng.range(0.0, 0.08),
            prints,
            groove: rng.chance(0.35).then(|| rng.range(0.55, 0.95)),
            text: rng.chance(0.75).then(|| Text::draw(letters, rng)),
            text_size: (rng.range(1.0, 1.35) / letters as f32).min(0.48) * top,
            // Moulded letters stand out, printed ones do not.
            ink: (crown || rng.chance(0.5)).then_some(contrast),
        }
    }

    fn height(&self, p: P) -> f32 {
        let r = length(p);
        let wave = sin_turns(angle_turns(p) * self.flutes as f32);
        let dome = self.dome * (1.0 - r * r);
        let groove = self.groove.map_or(0.0, |share| {
            0.025 * smooth(0.025, 0.0, (r - share * self.top).abs())
        });
        let edge = if self.crown {
            let fall = smooth(1.02, self.top, r);
            0.04 + 0.3 * fall + 0.05 * wave * smooth(self.top - 0.02, 0.94, r)
        } else {
            let fall = bevel(r - 1.0, 1.0 - self.top);
            0.2 + 0.16 * fall + 0.03 * wave * smooth(self.top + 0.02, 0.98, r)
        };
        dome + edge - groove
    }

    /// The colour at `p`, if something is printed there.
    fn printed(&self, p: P) -> Option<[f32; 3]> {
        let inside = |print: &&Print| match print.points {
            0 => length(p) < print.outer,
            points => toothed(p, points, 0.6 * print.outer, print.outer, 0.9) < 0.0,
        };
        self.prints.iter().rev().find(inside).map(|print| {
            let sector = floor(angle_turns(p) * print.sectors as f32);
            if sector.rem_euclid(2) == 1 {
                print.other
            } else {
                print.colour
            }
        })
    }
}

/// A colour of a print: vivid, white or black.
fn ink(rng: &mut Rng) -> [f32; 3] {
    match rng.int(0, 5) {
        0 => [0.95, 0.94, 0.91],
        1 => [0.07, 0.07, 0.08],
        2 => [0.85, 0.7, 0.35],
        _ => saturated(rng),
    }
}

impl Design for Cap {
    fn name(&self) -> String {
        if self.crown {
            "bottle cap"
        } else {
            "screw cap"
        }
        .into()
    }

    fn features(&self) -> String {
        match (self.crown, self.text.is_some()) {
            (true, true) => "even flutes, a clear print and clean lettering",
            (true, false) => "even flutes and a clear print",
            (false, true) => "an even ribbed edge, a smooth top and clean lettering",
            (false, false) => "an even ribbed edge and a smooth top",
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.5,
            extent: 1.03,
        }
    }

    fn parts(&self) -> Vec<f32> {
        self.text
            .as_ref()
            .map_or(Vec::new(), |text| vec![0.3 * self.text_size; text.len()])
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        // The print never sits quite in the middle.
        let off = [scene.rng.jitter(0.025), scene.rng.jitter(0.025)];
        let tone = 1.0 + scene.rng.jitter(0.03);
        let outline = |p| toothed(p, self.flutes, 1.0 - self.depth, 1.0, 1.0);
        scene.canvas.stamp(&frame, 1.01, outline, |p, _, _| {
            let mut surface = self.finish.at(p, self.height(p), grain);
            if let Some(colour) = self.printed([p[0] - off[0], p[1] - off[1]]) {
                surface = Surface {
                    metal: 0.15 * surface.metal,
                    albedo: colour,
                    ..surface
                };
            }
            Surface {
                albedo: scale3(surface.albedo, tone),
                ..surface
            }
        });
        if let Some(text) = &self.text {
            text.stamp(scene, 0, off, self.text_size, |_, d, below| {
                match self.ink {
                    Some(colour) => Surface {
                        albedo: colour,
                        metal: 0.0,
                        ..*below
                    },
                    None => Surface {
                        height: below.height + 0.04 * bevel(d, 0.03),
                        ..*below
                    },
                }
            });
        }
    }
}
