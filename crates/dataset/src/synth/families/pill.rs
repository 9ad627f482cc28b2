//! Tablets and capsules: powder or gelatine, an imprint, a score line.

use super::Design;
use crate::rng::Rng;
use crate::synth::finish::{Finish, saturated};
use crate::synth::glyphs::Text;
use crate::synth::math::{P, bevel, mix3, scale3, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{capsule, circle, ellipse, rect};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Round,
    Oval(f32),
    Caplet(f32),
    Square,
    Capsule(f32),
}

#[derive(Debug)]
pub(crate) struct Pill {
    form: Form,
    finish: Finish,
    second: [f32; 3],
    dome: f32,
    score: bool,
    imprint: Option<Text>,
    /// Printed in this colour, or pressed in.
    ink: Option<[f32; 3]>,
    text_size: f32,
}

impl Pill {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let form = match rng.int(0, 6) {
            0 | 1 => Form::Round,
            2 => Form::Oval(rng.range(0.55, 0.8)),
            3 => Form::Caplet(rng.range(0.4, 0.55)),
            4 => Form::Square,
            _ => Form::Capsule(rng.range(0.3, 0.4)),
        };
        let pale = mix3(
            [0.95, 0.94, 0.9],
            saturated(rng),
            rng.range(0.0, 1.0) * rng.unit(),
        );
        let gelatine = matches!(form, Form::Capsule(_));
        let finish = if gelatine {
            Finish::plastic(rng).coloured(pale)
        } else {
            Finish::powder(pale, rng)
        };
        let letters = if matches!(form, Form::Round | Form::Square) {
            rng.int(1, 3)
        } else {
            rng.int(2, 5)
        };
        Self {
            form,
            finish,
            second: if gelatine && rng.chance(0.7) {
                saturated(rng)
            } else {
                pale
            },
            dome: rng.range(0.12, 0.4),
            score: !gelatine && rng.chance(0.35),
            imprint: if rng.chance(0.75) {
                Some(Text::draw(letters, rng))
            } else {
                None
            },
            ink: if gelatine || rng.chance(0.4) {
                Some(scale3(saturated(rng), rng.range(0.1, 0.8)))
            } else {
                None
            },
            text_size: rng.range(0.75, 1.0),
        }
    }

    fn distance(&self, p: P) -> f32 {
        match self.form {
            Form::Round => circle(p, 0.9),
            Form::Oval(b) => ellipse(p, [1.0, b]),
            Form::Caplet(b) => rect(p, [1.0, b], b * 0.85),
            Form::Square => rect(p, [0.82, 0.82], 0.25),
            Form::Capsule(b) => capsule(p, [b - 1.0, 0.0], [1.0 - b, 0.0], b),
        }
    }

    fn half_height(&self) -> f32 {
        match self.form {
            Form::Round => 0.9,
            Form::Square => 0.82,
            Form::Oval(b) | Form::Caplet(b) | Form::Capsule(b) => b,
        }
    }
}

impl Design for Pill {
    fn name(&self) -> String {
        if matches!(self.form, Form::Capsule(_)) {
            "capsule".into()
        } else {
            "pill".into()
        }
    }

    fn features(&self) -> String {
        match (self.imprint.is_some(), self.score) {
            (true, _) => "a smooth surface, an even edge and a clear imprint".into(),
            (false, true) => "a smooth surface, an even edge and a straight score line".into(),
            (false, false) => "a smooth surface, even colour and an unbroken edge".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.6,
            extent: 1.03,
        }
    }

    fn parts(&self) -> Vec<f32> {
        self.imprint
            .as_ref()
            .map_or(Vec::new(), |text| vec![0.12; text.len()])
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let half = self.half_height();
        let tone = 1.0 + scene.rng.jitter(0.03);
        let width = half * 0.9;
        let seam = if matches!(self.form, Form::Capsule(_)) {
            scene.rng.jitter(0.03) + 0.1
        } else {
            f32::MAX
        };
        scene.canvas.stamp(
            &frame,
            1.3,
            |p| self.distance(p),
            |p, d, _| {
                let mut height = self.dome * bevel(d, width) + 0.05;
                let mut finish = self.finish.coloured(scale3(self.finish.colour, tone));
                if p[0] > seam {
                    finish = finish.coloured(self.second);
                    height -= 0.025;
                }
                if self.score {
                    height -= 0.06 * smooth(0.035, 0.0, p[0].abs());
                }
                finish.at(p, height, grain)
            },
        );
        if let Some(text) = &self.imprint {
            let room = if self.score { 0.35 } else { 0.62 };
            let size = (half * 0.5 * self.text_size).min(room * 2.0 / text.len() as f32);
            let centre = if self.score { [-0.45, 0.0] } else { [0.0, 0.0] };
            let ink = self.ink;
            text.stamp(scene, 0, centre, size, |p, d, below| {
                let _ = p;
                match ink {
                    Some(colour) => below.under(
                        crate::synth::canvas::Surface {
                            albedo: colour,
                            ..*below
                        },
                        0.85,
                    ),
                    None => {
                        let mut pressed = *below;
                        pressed.height -= 0.05 * bevel(d, 0.03);
                        pressed
                    }
                }
            });
        }
    }
}
