//! Labels and name plates, printed or engraved.

use super::Design;
use super::label::{Layout, Word};
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::{Finish, saturated};
use crate::synth::math::{P, bevel, length, mix3, scale3, sub};
use crate::synth::noise::value;
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::rect;

/// A printed label or an engraved plate with always the same words.
#[derive(Debug)]
pub(crate) struct Lettering {
    plate: bool,
    finish: Finish,
    ink: [f32; 3],
    layout: Layout,
}

impl Lettering {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let plate = rng.chance(0.3);
        let dark = rng.chance(0.25);
        let level = if dark {
            rng.range(0.1, 0.35)
        } else {
            rng.range(0.75, 0.96)
        };
        let paper = mix3([level; 3], saturated(rng), rng.unit() * rng.unit() * 0.5);
        let ink = if plate || rng.chance(0.6) {
            [0.08; 3]
        } else {
            scale3(saturated(rng), 0.6)
        };
        Self {
            plate,
            finish: if plate {
                Finish::metal(rng)
            } else {
                Finish::plastic(rng).coloured(paper)
            },
            ink: if dark && !plate {
                mix3([0.95; 3], paper, 0.1)
            } else {
                ink
            },
            layout: Layout::draw(rng),
        }
    }
}

impl Design for Lettering {
    fn name(&self) -> String {
        if self.plate {
            "name plate".into()
        } else {
            "printed label".into()
        }
    }

    fn features(&self) -> String {
        "complete, sharp lettering, a straight frame and a clean surface".into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.9,
            extent: 0.96 * length([1.0, self.layout.half]),
        }
    }

    fn parts(&self) -> Vec<f32> {
        let letters = |(text, _, height): &Word| vec![0.5 * height; text.len()];
        self.layout.words.iter().flat_map(letters).collect()
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, layout) = (scene.frame, scene.grain, &self.layout);
        // The print sits a little elsewhere on every label and is more or less inked.
        let shift = [scene.rng.jitter(0.012), scene.rng.jitter(0.012)];
        let ink = 0.95 + scene.rng.jitter(0.05);
        let outline = |p| rect(p, [1.0, layout.half], layout.round);
        scene.canvas.stamp(&frame, 1.5, outline, |p, d, _| {
            self.finish.at(p, 0.02 + 0.02 * bevel(d, 0.02), grain)
        });
        let printed = |p: P, below: &Surface| {
            let speck = value([p[0] * 45.0, p[1] * 45.0], grain ^ 3);
            let top = Surface {
                albedo: self.ink,
                height: below.height - if self.plate { 0.015 } else { 0.0 },
                metal: 0.0,
                ..*below
            };
            below.under(top, ink - 0.06 * (1.0 + speck))
        };
        let figure = |p: P| {
            let q = sub(p, shift);
            let head = layout
                .head
                .map_or(f32::MAX, |y| (q[1] - y).max(-layout.badge(q)));
            layout.figure(q).min(head).max(outline(p))
        };
        scene
            .canvas
            .stamp(&frame, 1.5, figure, |p, _, below| printed(p, below));
        let mut first = 0;
        for (number, (text, place, height)) in layout.words.iter().enumerate() {
            let blank = number == 0 && layout.head.is_some();
            let place = [place[0] + shift[0], place[1] + shift[1]];
            text.stamp(scene, first, place, *height, |p, _, below| {
                if blank {
                    self.finish.at(p, below.height, grain)
                } else {
                    printed(p, below)
                }
            });
            first += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::synth::{DefectKind, Family, Product};

    #[test]
    fn a_letter_can_be_missing_from_every_label() {
        for seed in 0..12 {
            let product = Product::draw(Family::Lettering, seed);
            let found = (0..8).find_map(|n| product.defective(n, 128, DefectKind::Part));
            let share = found.unwrap().1.count() as f32 / (128.0 * 128.0);
            assert!(share < 0.03, "{seed}: {share}");
        }
    }
}
