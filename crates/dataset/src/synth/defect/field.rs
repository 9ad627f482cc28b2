//! Signed distances of irregular shapes, one per pixel: hairs, cracks, heaps of crumbs.

use crate::rng::Rng;
use crate::synth::math::{P, TURN, cos, floor, length, mix, sin, sub};

/// Distance to the nearest shape in pixels, negative inside, `FAR` where none is near.
pub(super) struct Field {
    size: usize,
    data: Vec<f32>,
}

/// Stands for every distance beyond the margin of a shape.
const FAR: f32 = 1e6;

/// A tapering line: half its width at both ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub from: P,
    pub to: P,
    pub radii: P,
}

impl Field {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            data: vec![FAR; size * size],
        }
    }

    /// Adds a shape within the box `low..high`.
    pub(super) fn add(&mut self, low: P, high: P, distance: impl Fn(P) -> f32) {
        let bound = |c: f32| c.clamp(0.0, self.size as f32) as usize;
        let (x0, x1) = (bound(low[0]), bound(high[0] + 1.0));
        for y in bound(low[1])..bound(high[1] + 1.0) {
            for x in x0..x1 {
                let nearest = &mut self.data[y * self.size + x];
                *nearest = nearest.min(distance([x as f32 + 0.5, y as f32 + 0.5]));
            }
        }
    }

    /// Adds lines; distances are known up to `margin` pixels from them.
    pub(super) fn strokes(&mut self, strokes: &[Stroke], margin: f32) {
        for stroke in strokes {
            let (a, b) = (stroke.from, stroke.to);
            let reach = stroke.radii[0].max(stroke.radii[1]) + margin;
            let low = [a[0].min(b[0]) - reach, a[1].min(b[1]) - reach];
            let high = [a[0].max(b[0]) + reach, a[1].max(b[1]) + reach];
            self.add(low, high, |p| {
                let (pa, ba) = (sub(p, a), sub(b, a));
                let square = (ba[0] * ba[0] + ba[1] * ba[1]).max(1e-12);
                let t = ((pa[0] * ba[0] + pa[1] * ba[1]) / square).clamp(0.0, 1.0);
                length([pa[0] - t * ba[0], pa[1] - t * ba[1]])
                    - mix(stroke.radii[0], stroke.radii[1], t)
            });
        }
    }

    /// The distance at a pixel position, that of the border outside of the picture.
    #[inline]
    pub(super) fn at(&self, p: P) -> f32 {
        let last = self.size as i32 - 1;
        let (x, y) = (floor(p[0]).clamp(0, last), floor(p[1]).clamp(0, last));
        self.data[y as usize * self.size + x as usize]
    }
}

/// A line of `steps` steps of length `step` through the origin, half of it to each side: its
/// heading drifts by up to `drift` a step, and every step turns aside by up to `kink` for itself.
pub(super) fn wander(steps: usize, step: f32, drift: f32, kink: f32, rng: &mut Rng) -> Vec<P> {
    let (mut heading, mut curl) = (rng.range(0.0, TURN), 0.0);
    let mut at: P = [0.0; 2];
    let mut points = vec![at];
    for _ in 0..steps {
        curl = 0.8 * curl + rng.jitter(drift);
        heading += curl;
        let aside = heading + rng.jitter(kink);
        at = [at[0] + step * cos(aside), at[1] + step * sin(aside)];
        points.push(at);
    }
    let middle = points[steps / 2];
    points.iter().map(|&p| sub(p, middle)).collect()
}

/// The line through `points` as strokes, its half width `radius(t)` with `t` from 0 to 1 along it.
pub(super) fn taper(points: &[P], radius: impl Fn(f32) -> f32) -> Vec<Stroke> {
    let last = (points.len() - 1) as f32;
    let pairs = points.windows(2).enumerate();
    pairs
        .map(|(number, pair)| Stroke {
            from: pair[0],
            to: pair[1],
            radii: [
                radius(number as f32 / last),
                radius((number + 1) as f32 / last),
            ],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_holds_the_nearest_of_its_lines() {
        let mut field = Field::new(32);
        let line = |y: f32| Stroke {
            from: [4.5, y],
            to: [27.5, y],
            radii: [1.0, 3.0],
        };
        field.strokes(&[line(8.5), line(20.5)], 6.0);
        assert!((field.at([4.5, 10.5]) - 1.0).abs() < 1e-5);
        assert!((field.at([27.5, 17.5]) - 0.0).abs() < 1e-5);
        assert!(field.at([16.5, 31.5]) > 100.0);
    }

    #[test]
    fn a_wandering_line_has_its_middle_at_the_origin_and_even_steps() {
        let points = wander(20, 2.0, 0.3, 0.5, &mut Rng::new(4, 0));
        assert_eq!((points.len(), points[10]), (21, [0.0, 0.0]));
        for pair in points.windows(2) {
            assert!((length(sub(pair[1], pair[0])) - 2.0).abs() < 1e-3);
        }
    }
}
