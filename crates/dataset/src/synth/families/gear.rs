//! Gear wheels: teeth outside or inside, a web with openings, a hub with a bore.

use super::Design;
use super::layout::ring;
use crate::rng::Rng;
use crate::synth::finish::Finish;
use crate::synth::math::{P, TURN, angle_turns, bevel, cos, floor, length, mix, sin, smooth};
use crate::synth::scene::{Habit, Scene};
use crate::synth::shape::{circle, polygon, rect};

#[derive(Clone, Copy, Debug)]
enum Web {
    Solid,
    /// Round openings of this radius.
    Holes(usize, f32),
    /// Arms of this half width.
    Spokes(usize, f32),
}

/// A spur gear or a ring with teeth inside.
#[derive(Debug)]
pub(crate) struct Gear {
    finish: Finish,
    screws: Finish,
    teeth: usize,
    depth: f32,
    /// Half the width of a tooth at its root and at its tip, of the pitch.
    width: [f32; 2],
    inside: bool,
    /// Radii of the rim's inner edge, of the hub and of the bore.
    rim: f32,
    hub: f32,
    bore: f32,
    keyway: bool,
    web: Web,
    sunk: f32,
    screw_count: usize,
    /// Teeth of a smaller wheel in one piece with this one.
    pinion: Option<usize>,
}

impl Gear {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let finish = if rng.chance(0.7) {
            Finish::metal(rng)
        } else {
            Finish::plastic(rng)
        };
        let most = 18 + 8 * rng.int(0, 4);
        let teeth = rng.int(11, most);
        let depth = (3.6 / teeth as f32 * rng.range(0.8, 1.1)).clamp(0.06, 0.22);
        let rim = 1.0 - depth - rng.range(0.06, 0.16);
        let inside = rng.chance(0.15);
        let hub = rng.range(0.26, 0.42);
        let room = 0.5 * (rim - hub);
        let web = match rng.int(0, 4) {
            0 | 1 => Web::Holes(rng.int(3, 8), room * rng.range(0.5, 0.85)),
            2 | 3 => Web::Spokes(rng.int(3, 7), rng.range(0.05, 0.1)),
            _ => Web::Solid,
        };
        let solid = matches!(web, Web::Solid) || inside;
        Self {
            finish,
            screws: Finish::metal(rng),
            teeth,
            depth,
            width: [rng.range(0.31, 0.38), rng.range(0.1, 0.18)],
            inside,
            rim,
            hub,
            bore: hub * rng.range(0.4, 0.65),
            keyway: rng.chance(0.5),
            web,
            sunk: rng.range(0.03, 0.16),
            screw_count: if solid { rng.int(0, 2) * 3 } else { 0 },
            pinion: rng.chance(0.25).then(|| rng.int(9, 14)),
        }
    }

    /// The wheel without bore and openings.
    fn outline(&self, p: P) -> f32 {
        if self.inside {
            let gap = wheel(p, self.teeth, self.rim, self.depth, self.width);
            circle(p, 1.0).max(-gap)
        } else {
            wheel(p, self.teeth, 1.0, self.depth, self.width)
        }
    }

    /// Negative in the bore and in the openings of the web.
    fn opening(&self, p: P) -> f32 {
        if self.inside {
            return 1.0;
        }
        let mut bore = circle(p, self.bore);
        if self.keyway {
            let key = 0.28 * self.bore;
            bore = bore.min(rect([p[0] - self.bore, p[1]], [key, key], 0.0));
        }
        let (r, middle) = (length(p), 0.5 * (self.rim + self.hub));
        let web = match self.web {
            Web::Solid => 1.0,
            Web::Holes(count, radius) => circle(fold(p, count, middle), radius),
            Web::Spokes(count, half) => {
                let arm = half - fold(p, count, 0.0)[1].abs();
                let corner = arm.max(r - self.rim).max(self.hub + 0.05 - r);
                // Where arm and rim meet, the casting is rounded.
                let fillet = smooth(-0.06, 0.0, arm)
                    * smooth(
                        -0.06,
                        0.0,
                        (r - middle).abs() - 0.5 * (self.rim - self.hub) + 0.02,
                    );
                corner + 0.03 * fillet
            }
        };
        bore.min(web)
    }

    fn screw_places(&self) -> Vec<P> {
        let radius = if self.inside {
            0.5 * (1.0 + self.rim)
        } else {
            0.5 * (self.hub + self.rim)
        };
        ring(self.screw_count, radius, 0.5)
    }
}

/// A wheel of `teeth` teeth with its tips at `outer`; `width` as in [`Gear`].
fn wheel(p: P, teeth: usize, outer: f32, depth: f32, width: [f32; 2]) -> f32 {
    let (r, n) = (length(p), teeth as f32);
    let turn = angle_turns(p) * n;
    let off = (turn - floor(turn + 0.5) as f32).abs();
    let root = outer - depth;
    // The flanks bulge like an involute: wide for long, then quickly narrow.
    let up = ((r - root) / depth).clamp(0.0, 1.0);
    let half = mix(width[0], width[1], up * (0.5 + 0.5 * up));
    let flank = (off - half) * TURN * r / n * 0.9;
    (r - root).min(flank.max(r - outer))
}

/// The point `p` relative to the nearest of `count` places at `radius`.
fn fold(p: P, count: usize, radius: f32) -> P {
    let turn = angle_turns(p) * count as f32;
    let nearest = floor(turn + 0.5) as f32 / count as f32 * TURN;
    let (s, c) = (sin(nearest), cos(nearest));
    [c * p[0] + s * p[1] - radius, c * p[1] - s * p[0]]
}

impl Design for Gear {
    fn name(&self) -> String {
        if self.inside {
            "ring gear"
        } else {
            "gear wheel"
        }
        .into()
    }

    fn features(&self) -> String {
        match (self.inside, self.screw_count) {
            (true, _) => "even teeth inside and a round outer edge".into(),
            (false, 0) => "even unbroken teeth, a round bore and a clean face".into(),
            _ => "even unbroken teeth, a round bore and all screws in place".into(),
        }
    }

    fn habit(&self) -> Habit {
        Habit {
            texture: false,
            oriented: 0.4,
            extent: 1.04,
        }
    }

    fn parts(&self) -> Vec<f32> {
        vec![0.06; self.screw_count]
    }

    fn paint(&self, scene: &mut Scene) {
        let (frame, grain, finish) = (scene.frame, scene.grain, self.finish);
        let (rim, hub) = (self.rim, self.hub);
        let body = |p| self.outline(p).max(-self.opening(p));
        scene.canvas.stamp(&frame, 1.02, body, |p, d, _| {
            let r = length(p);
            let web = smooth(rim + 0.03, rim, r) * smooth(hub, hub + 0.03, r);
            let sunk = if self.inside { 0.0 } else { self.sunk * web };
            finish.at(p, 0.26 - sunk + 0.05 * bevel(d, 0.03), grain)
        });
        if let Some(teeth) = self.pinion.filter(|_| !self.inside) {
            let shape = |p| wheel(p, teeth, hub + 0.06, 0.11, self.width).max(-self.opening(p));
            scene.canvas.stamp(&frame, hub + 0.1, shape, |p, d, _| {
                finish.at(p, 0.42 + 0.05 * bevel(d, 0.03), grain ^ 1)
            });
        }
        for (number, place) in self.screw_places().into_iter().enumerate() {
            let Some(frame) = scene.part(number, place, number as f32) else {
                continue;
            };
            let head = |p| circle(p, 0.06);
            scene.canvas.stamp(&frame, 0.06, head, |p, d, _| {
                let socket = smooth(0.0, -0.01, polygon(p, 6, 0.03, 0.0));
                let mut surface =
                    self.screws
                        .at(p, 0.32 + 0.03 * bevel(d, 0.03) - 0.04 * socket, grain ^ 2);
                surface.albedo = surface.albedo.map(|v| v * (1.0 - 0.75 * socket));
                surface
            });
        }
    }
}
