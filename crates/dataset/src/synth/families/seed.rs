//! Seeds and nuts: beans, almonds, hazelnuts, coffee and sunflower, one or a tray of them.

use super::Design;
use super::kernel::{Kernel, Kind};
use super::layout::grid;
use crate::rng::Rng;
use crate::synth::finish::Finish;
use crate::synth::math::{P, TURN, bevel, length, smooth, sub};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::rect;

/// A seed, or a tray with rows of them.
#[derive(Debug)]
pub(crate) struct Seed {
    kernel: Kernel,
    /// Places and angles on the tray; one seed has none.
    places: Vec<(P, f32)>,
    scale: f32,
    tray: Finish,
}

impl Seed {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut places = Vec::new();
        let count = rng.int(3, 5);
        if rng.chance(0.45) {
            // Every seed in its place, all alike or each turned its own way.
            let (pitch, wild) = (1.7 / count as f32, rng.chance(0.5));
            for place in grid(count, count, [pitch; 2], 0.0) {
                let angle = if wild { rng.range(0.0, TURN) } else { 0.0 };
                places.push((place, angle));
            }
        }
        Self {
            kernel: Kernel::draw(rng),
            scale: if places.is_empty() {
                0.96
            } else {
                (0.68 / count as f32).min(0.175) * rng.range(0.9, 1.0)
            },
            places,
            tray: Finish::plastic(rng),
        }
    }

    /// The tray: a rim and a well under each seed.
    fn paint_tray(&self, scene: &mut Scene) {
        let (frame, grain) = (scene.frame, scene.grain);
        let tray = |p| rect(p, [1.0, 1.0], 0.12);
        scene.canvas.stamp(&frame, 1.5, tray, |p, d, _| {
            let wells = self.places.iter().map(|(place, _)| length(sub(p, *place)));
            let near = wells.fold(f32::MAX, f32::min);
            let well = smooth(1.25 * self.scale, 0.9 * self.scale, near);
            let sunk = 0.05 * (smooth(-0.06, -0.09, d) + well);
            self.tray.at(p, 0.12 * bevel(d, 0.03) + 0.02 - sunk, grain)
        });
    }
}

impl Design for Seed {
    fn name(&self) -> String {
        let (one, many) = match self.kernel.kind {
            Kind::Bean => ("bean", "beans"),
            Kind::Almond => ("almond", "almonds"),
            Kind::Hazelnut => ("hazelnut", "hazelnuts"),
            Kind::Coffee => ("coffee bean", "coffee beans"),
            Kind::Sunflower => ("sunflower seed", "sunflower seeds"),
        };
        if self.places.is_empty() {
            one.into()
        } else {
            format!("tray of {many}")
        }
    }

    fn features(&self) -> String {
        if self.places.is_empty() {
            "an unbroken shell, an even colour and a whole outline"
        } else {
            "a whole seed in every place and a clean tray"
        }
        .into()
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: if self.places.is_empty() { 0.35 } else { 0.8 },
            extent: if self.places.is_empty() { 1.05 } else { 1.1 },
        }
    }

    fn parts(&self) -> Vec<f32> {
        vec![self.scale; self.places.len()]
    }

    fn paint(&self, scene: &mut Scene) {
        let grain = scene.grain;
        let alone = [([0.0; 2], 0.0)];
        let (places, slack) = if self.places.is_empty() {
            (&alone[..], 0.0)
        } else {
            self.paint_tray(scene);
            (&self.places[..], 1.0)
        };
        for (number, &(place, angle)) in places.iter().enumerate() {
            // All is drawn before it is known whether the seed is there.
            let wander = [scene.rng.jitter(0.03), scene.rng.jitter(0.03)];
            let turn = angle + slack * scene.rng.jitter(0.35);
            let scale = self.scale * (1.0 + scene.rng.jitter(0.08));
            let (tone, red) = (1.0 + scene.rng.jitter(0.14), scene.rng.jitter(0.05));
            let at = [place[0] + slack * wander[0], place[1] + slack * wander[1]];
            if let Some(own) = scene.part(number, at, turn) {
                let (lie, tint) = ([scale, 0.04 + 0.06 * slack], [tone + red, tone, tone - red]);
                let own_grain = grain.wrapping_add(977 * number as u32);
                self.kernel
                    .stamp(&mut scene.canvas, &own, lie, tint, own_grain);
            }
        }
    }
}
