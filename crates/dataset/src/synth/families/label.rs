//! What stands where on a label: title, lines of text, frame, rules, bar code, emblem.

use crate::rng::Rng;
use crate::synth::glyphs::Text;
use crate::synth::math::{P, floor, length, sub};
use crate::synth::noise::hash;
use crate::synth::shape::{polygon, rect, toothed};

/// A word, its centre and the height of its letters.
pub(crate) type Word = (Text, P, f32);

/// The composition of a label whose half width is 1.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Half the height.
    pub half: f32,
    /// Radius of the corners.
    pub round: f32,
    /// Lines of the frame and their distance from the edge.
    frame: usize,
    margin: f32,
    /// Lower edge of a filled head, in which the first word and the emblem are left blank.
    pub head: Option<f32>,
    pub words: Vec<Word>,
    /// Heights of thin rules.
    rules: Vec<f32>,
    /// Centre and half size of a bar code, and what it says.
    bars: Option<(P, P, u32)>,
    /// Centre, radius and number of corners of an emblem; above 8 a cog.
    emblem: Option<(P, f32, usize)>,
}

impl Layout {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let half = rng.range(0.42, 0.85);
        let frame = rng.int(0, 2);
        let margin = rng.range(0.04, 0.08);
        let mut layout = Self {
            half,
            round: rng.range(0.0, 0.12),
            frame,
            margin,
            head: None,
            words: Vec::new(),
            rules: Vec::new(),
            bars: None,
            emblem: None,
        };
        layout.compose(margin + 0.06 + 0.04 * frame as f32, rng);
        layout
    }

    /// Sets the text from the top down, `edge` within the label's border.
    fn compose(&mut self, edge: f32, rng: &mut Rng) {
        let (left, bottom) = (edge - 1.0, self.half - edge);
        let big = rng.range(0.15, 0.26);
        let mut y = -self.half + edge + 0.5 * big;
        let mut from = left;
        if rng.chance(0.5) {
            self.emblem = Some(([left + 0.6 * big, y], 0.6 * big, rng.int(3, 12)));
            from += 1.5 * big;
        }
        let letters = ((-left - from) / (0.95 * big)) as usize;
        let title = Text::draw(rng.int(3, 8).min(letters.max(2)), rng);
        let x = if rng.chance(0.5) {
            from + 0.5 * big * title.width()
        } else {
            0.5 * (from - left)
        };
        let hand = title.clone();
        self.words.push((title, [x, y], big));
        y += 0.5 * big;
        if rng.chance(0.4) {
            self.head = Some(y + 0.07);
            y += 0.12;
        } else if rng.chance(0.5) {
            self.rules.push(y + 0.06);
            y += 0.1;
        }
        let small = rng.range(0.085, 0.13);
        let step = small * rng.range(1.45, 1.9);
        if rng.chance(0.45) && bottom - y > 0.3 {
            let high = rng.range(0.1, 0.16);
            let wide = rng.range(0.35, 0.8) * -left;
            let x = rng.pick(&[0.0, left + wide]);
            self.bars = Some(([x, bottom - high], [wide, high], rng.bits()));
        }
        let floor = self
            .bars
            .map_or(bottom, |(_, half, _)| bottom - 2.0 * half[1] - 0.04);
        let centred = rng.chance(0.35);
        y += 0.6 * step;
        while y + 0.5 * small < floor {
            let room = rng.range(0.5, 1.0) * -2.0 * left;
            let (start, mut width) = (self.words.len(), 0.0);
            loop {
                let word = hand.like(rng.int(1, 7), rng);
                let wide = small * word.width();
                if width + wide > room {
                    break;
                }
                self.words
                    .push((word, [left + width + 0.5 * wide, y], small));
                width += wide + 0.6 * small;
            }
            if centred {
                let shift = -left - 0.5 * (width - 0.6 * small);
                self.words[start..]
                    .iter_mut()
                    .for_each(|word| word.1[0] += shift);
            }
            y += step;
        }
    }

    /// Signed distance to the frame, the rules, the bar code and, unless it is blank, the emblem.
    pub(crate) fn figure(&self, p: P) -> f32 {
        let mut d = f32::MAX;
        for line in 0..self.frame {
            let inset = self.margin + 0.045 * line as f32;
            let half = [1.0 - inset, self.half - inset];
            d = d.min(rect(p, half, (self.round - inset).max(0.0)).abs() - 0.009);
        }
        let side = p[0].abs() - 1.0 + self.margin + 0.05 * self.frame as f32;
        for &y in &self.rules {
            d = d.min(side.max((p[1] - y).abs() - 0.008));
        }
        if let Some((centre, half, code)) = self.bars {
            let q = sub(p, centre);
            // Dark modules side by side join into wide bars.
            let x = (q[0] + half[0]) / 0.022;
            let module = floor(x);
            let dark = |at: i32| hash(at / 2, at & at >> 1 & 1, code) & 1 == 0 || at % 9 == 0;
            let across = (x - module as f32 - 0.5).abs() - 0.5;
            let nearest = if x - module as f32 > 0.5 {
                module + 1
            } else {
                module - 1
            };
            let gap = match (dark(module), dark(nearest)) {
                (true, true) => -0.5,
                (true, false) => across,
                (false, true) => -across,
                (false, false) => 0.5,
            };
            d = d.min((0.022 * gap).max(rect(q, half, 0.0)));
        }
        if self.head.is_none() {
            d.min(self.badge(p))
        } else {
            d
        }
    }

    /// Signed distance to the emblem.
    pub(crate) fn badge(&self, p: P) -> f32 {
        let Some((centre, radius, corners)) = self.emblem else {
            return f32::MAX;
        };
        let q = sub(p, centre);
        if corners > 8 {
            toothed(q, corners, 0.75 * radius, radius, 2.0).max(0.35 * radius - length(q))
        } else {
            polygon(q, corners, 0.75 * radius, 0.01).max(0.3 * radius - length(q))
        }
    }
}
