//! Biscuits: pressed butter biscuits, crackers with holes, cookies with chips of chocolate.

use super::Design;
use crate::rng::Rng;
use crate::synth::canvas::Surface;
use crate::synth::finish::saturated;
use crate::synth::glyphs::Text;
use crate::synth::math::{P, bevel, floor, length, mix3, scale3, sin_turns, smooth};
use crate::synth::noise::{cells, fbm, value};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, ellipse, rect, toothed};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Round,
    Scalloped(usize),
    Oval(f32),
    /// Half height and number of scallops along two units of edge.
    Square(f32, f32),
}

/// A piece of chocolate, sugar or nut: place, radius, stretch.
type Chip = (P, f32, f32);

/// A biscuit from above.
#[derive(Debug)]
pub(crate) struct Biscuit {
    form: Form,
    dough: [f32; 3],
    baked: [f32; 3],
    /// How far the browning reaches in from the edge.
    browning: f32,
    thickness: f32,
    crumb: f32,
    cracks: f32,
    /// Distance from hole to hole; 0 for none.
    holes: f32,
    /// A line pressed in along the edge at this distance.
    border: Option<f32>,
    text: Option<Text>,
    chips: Vec<Chip>,
    chip: [f32; 3],
    /// Dipped: chocolate or icing covers what lies beyond this x.
    dipped: Option<(f32, [f32; 3])>,
}

impl Biscuit {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let cookie = rng.chance(0.35);
        let form = match rng.int(0, if cookie { 0 } else { 6 }) {
            0 | 1 => Form::Round,
            2 | 3 => Form::Scalloped(rng.int(12, 36)),
            4 => Form::Oval(rng.range(0.6, 0.85)),
            _ => Form::Square(
                rng.range(0.55, 0.92),
                rng.range(5.0, 13.0) * rng.pick(&[0.0, 1.0, 1.0]),
            ),
        };
        let cocoa = rng.chance(0.2);
        let golden = mix3([0.93, 0.80, 0.56], [0.80, 0.58, 0.32], rng.unit());
        let dough = if cocoa { [0.34, 0.21, 0.14] } else { golden };
        let icing = mix3([0.96, 0.93, 0.9], saturated(rng), rng.unit() * rng.unit());
        let brown = mix3([0.2, 0.1, 0.06], [0.38, 0.22, 0.13], rng.unit());
        let text = !cookie && rng.chance(0.45);
        let mut chips = Vec::new();
        // Chips keep their distance, or they would run into one blot.
        for _ in 0..if cookie { 40 } else { 0 } {
            let (place, radius) = (
                [rng.range(-0.7, 0.7), rng.range(-0.7, 0.7)],
                rng.range(0.05, 0.1),
            );
            let free = |&(other, size, _): &Chip| {
                length([place[0] - other[0], place[1] - other[1]]) > radius + size + 0.06
            };
            if chips.len() < 12 && length(place) < 0.74 && chips.iter().all(free) {
                chips.push((place, radius, rng.range(0.7, 1.0)));
            }
        }
        Self {
            form,
            dough,
            baked: mix3(
                scale3(dough, 0.62),
                [0.5, 0.25, 0.1],
                if cocoa { 0.0 } else { 0.5 },
            ),
            browning: rng.range(0.1, 0.35),
            thickness: rng.range(0.12, 0.3),
            crumb: if cookie {
                rng.range(0.5, 1.0)
            } else {
                rng.range(0.15, 0.5)
            },
            cracks: if cookie { rng.range(0.0, 0.5) } else { 0.0 },
            holes: if !cookie && rng.chance(0.7) {
                rng.range(0.2, 0.34)
            } else {
                0.0
            },
            border: (!cookie && rng.chance(0.5)).then(|| rng.range(0.1, 0.2)),
            text: text.then(|| Text::draw(rng.int(3, 6), rng)),
            chips,
            chip: if rng.chance(0.7) { brown } else { icing },
            dipped: if !cookie && !text && rng.chance(0.3) {
                Some((
                    rng.range(-0.2, 0.5),
                    if rng.chance(0.7) { brown } else { icing },
                ))
            } else {
                None
            },
        }
    }

    fn distance(&self, p: P) -> f32 {
        match self.form {
            Form::Round => circle(p, 0.96),
            Form::Scalloped(count) => toothed(p, count, 1.0 - 1.3 / count as f32, 1.0, 1.0),
            Form::Oval(half) => ellipse(p, [1.0, half]),
            Form::Square(half, scallops) => {
                let bump = 0.022
                    * (sin_turns(p[0] * scallops * 0.5 + 0.25)
                        + sin_turns(p[1] * scallops * 0.5 + 0.25));
                rect(p, [0.95, half], 0.1) - if scallops > 0.0 { bump } else { 0.0 }
            }
        }
    }

    /// Depth of the pressed pattern at `p`, `d` from the edge.
    fn pressed(&self, p: P, d: f32) -> f32 {
        let line = self
            .border
            .map_or(0.0, |at| 0.03 * smooth(0.03, 0.0, (d + at).abs()));
        if self.holes == 0.0 || d > -0.16 || (self.text.is_some() && p[1].abs() < 0.28) {
            return line;
        }
        let off = |x: f32| x - self.holes * floor(x / self.holes + 0.5) as f32;
        line + 0.07 * smooth(0.036, 0.018, length([off(p[0]), off(p[1])]))
    }
}

impl Design for Biscuit {
    fn name(&self) -> String {
        match (self.chips.is_empty(), self.holes > 0.0) {
            (false, _) => "cookie",
            (true, true) => "cracker",
            _ => "biscuit",
        }
        .into()
    }

    fn features(&self) -> String {
        match (self.chips.is_empty(), self.text.is_some()) {
            (false, _) => "an even crumb, a round edge and scattered chips",
            (true, true) => "an unbroken edge, an even crumb and clear lettering",
            _ => "an unbroken edge, an even colour and a crisp crumb",
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.5,
            extent: if matches!(self.form, Form::Square(..)) {
                1.2
            } else {
                1.05
            },
        }
    }

    fn parts(&self) -> Vec<f32> {
        let letters = self.text.as_ref().map_or(0, Text::len);
        let chips = self.chips.iter().map(|&(_, radius, _)| radius);
        chips.chain(std::iter::repeat_n(0.1, letters)).collect()
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let tone = 1.0 + scene.rng.jitter(0.06);
        let baked = self.browning * (1.0 + scene.rng.jitter(0.3));
        let outline = |p: P| self.distance(p) + 0.012 * value([p[0] * 3.0, p[1] * 3.0], grain);
        scene.canvas.stamp(&frame, 1.1, outline, |p, d, _| {
            let crumb = fbm([p[0] * 22.0, p[1] * 22.0], 3, grain ^ 1) * self.crumb;
            let blotch = value([p[0] * 2.6, p[1] * 2.6], grain ^ 2);
            let crack = if self.cracks > 0.0 {
                let cell = cells(
                    [p[0] * 2.4 + 0.2 * crumb, p[1] * 2.4 + 0.2 * blotch],
                    1.0,
                    grain ^ 3,
                );
                self.cracks * smooth(0.09, 0.0, cell.second - cell.near) * smooth(-0.1, 0.5, blotch)
            } else {
                0.0
            };
            let pressed = self.pressed(p, d);
            let brown = smooth(-baked, 0.02, d) + 0.25 * blotch - 3.0 * pressed;
            let dough = mix3(self.dough, self.baked, brown.clamp(0.0, 1.0));
            let height = self.thickness * bevel(d, 0.16) + 0.018 * crumb - 0.05 * crack - pressed;
            let mut surface = Surface::matt(
                scale3(
                    dough,
                    tone * (1.0 + 0.16 * crumb - 0.4 * crack - 5.0 * pressed),
                ),
                height,
            );
            if let Some((from, colour)) = self.dipped {
                let edge = from + 0.04 * value([p[1] * 4.0, 0.5], grain ^ 4);
                let coat = Surface::shiny(colour, height + 0.03, 0.35);
                surface = surface.under(coat, smooth(edge, edge + 0.02, p[0]));
            }
            surface
        });
        for (number, &(place, radius, stretch)) in self.chips.iter().enumerate() {
            if let Some(frame) = scene.part(number, place, 2.4 * number as f32) {
                let lump = |p: P| {
                    let ragged = 0.2 * radius * value([p[0] * 20.0, p[1] * 20.0], number as u32);
                    ellipse(p, [radius, radius * stretch]) + ragged
                };
                scene
                    .canvas
                    .stamp(&frame, 1.3 * radius, lump, |_, d, below| {
                        Surface::shiny(self.chip, below.height + 0.05 * bevel(d, radius), 0.25)
                    });
            }
        }
        if let Some(text) = &self.text {
            let size = (1.35 / text.len() as f32).min(0.34);
            text.stamp(scene, self.chips.len(), [0.0; 2], size, |_, d, below| {
                Surface {
                    height: below.height - 0.05 * bevel(d, 0.03),
                    albedo: scale3(below.albedo, 0.86),
                    ..*below
                }
            });
        }
    }
}
