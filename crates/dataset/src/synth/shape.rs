//! Signed distances of plane shapes: negative inside, positive outside, in the units of the point.

use super::math::{P, TURN, angle_turns, cos, length, sin_turns, sub};

pub(crate) fn circle(p: P, radius: f32) -> f32 {
    length(p) - radius
}

pub(crate) fn ring(p: P, inner: f32, outer: f32) -> f32 {
    let r = length(p);
    (r - outer).max(inner - r)
}

/// Rectangle of half extents `half`, its corners rounded by `round`.
pub(crate) fn rect(p: P, half: P, round: f32) -> f32 {
    let q = [p[0].abs() - half[0] + round, p[1].abs() - half[1] + round];
    length([q[0].max(0.0), q[1].max(0.0)]) + q[0].max(q[1]).min(0.0) - round
}

/// All points within `radius` of the segment `a..b`.
pub(crate) fn capsule(p: P, a: P, b: P, radius: f32) -> f32 {
    let (pa, ba) = (sub(p, a), sub(b, a));
    let square = (ba[0] * ba[0] + ba[1] * ba[1]).max(1e-12);
    let t = ((pa[0] * ba[0] + pa[1] * ba[1]) / square).clamp(0.0, 1.0);
    length([pa[0] - t * ba[0], pa[1] - t * ba[1]]) - radius
}

/// Ellipse of half axes `half`; exact on the axes, close to it near the outline.
pub(crate) fn ellipse(p: P, half: P) -> f32 {
    let k0 = length([p[0] / half[0], p[1] / half[1]]);
    let k1 = length([p[0] / (half[0] * half[0]), p[1] / (half[1] * half[1])]);
    if k1 < 1e-6 {
        -half[0].min(half[1])
    } else {
        k0 * (k0 - 1.0) / k1
    }
}

/// Regular polygon with `sides` sides, `apothem` from its centre to a side, corners rounded.
pub(crate) fn polygon(p: P, sides: usize, apothem: f32, round: f32) -> f32 {
    let n = sides as f32;
    let turns = angle_turns(p);
    let sector = turns * n;
    let local = (sector - (sector + 0.5).floor()) / n * TURN;
    let r = length(p);
    let (x, y) = (r * cos(local), r * super::math::sin(local).abs());
    let half_side = (apothem - round) * (1.0 / n * 0.5 * TURN).tan_exact();
    let (dx, dy) = (x - (apothem - round), (y - half_side).max(0.0));
    if dx <= 0.0 {
        dx.max(-apothem) - round
    } else {
        length([dx, dy]) - round
    }
}

/// Radius that swings between `inner` and `outer` `teeth` times a turn; `flat` sharpens the flanks
/// (1 sine, larger more square). Not an exact distance, but scaled so that its slope is at most 1.
pub(crate) fn toothed(p: P, teeth: usize, inner: f32, outer: f32, flat: f32) -> f32 {
    let wave = (sin_turns(angle_turns(p) * teeth as f32) * flat).clamp(-1.0, 1.0);
    let half = 0.5 * (outer - inner);
    let radius = 0.5 * (outer + inner) + half * wave;
    let slope = half * flat * teeth as f32 / (0.5 * (outer + inner));
    (length(p) - radius) / (1.0 + slope * slope).sqrt().min(2.5)
}

trait TanExact {
    fn tan_exact(self) -> f32;
}

impl TanExact for f32 {
    /// Tangent from our own sine, the same on every platform.
    fn tan_exact(self) -> f32 {
        super::math::sin(self) / cos(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right_on_the_axes() {
        assert!((circle([3.0, 4.0], 2.0) - 3.0).abs() < 1e-6);
        assert!((ring([0.5, 0.0], 0.4, 1.0) + 0.1).abs() < 1e-6);
        assert!((rect([2.0, 0.0], [1.0, 1.0], 0.2) - 1.0).abs() < 1e-6);
        assert!((capsule([0.0, 2.0], [-1.0, 0.0], [1.0, 0.0], 0.5) - 1.5).abs() < 1e-6);
        assert!((ellipse([3.0, 0.0], [2.0, 1.0]) - 1.0).abs() < 1e-5);
        assert!((polygon([2.0, 0.0], 6, 1.0, 0.0) - 1.0).abs() < 1e-4);
        assert!((polygon([0.5, 0.0], 6, 1.0, 0.1) + 0.5).abs() < 1e-4);
    }
}
