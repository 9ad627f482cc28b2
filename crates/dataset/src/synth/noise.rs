//! Cheap lattice noise: the grain of every surface.

use super::math::{P, floor, mix};

/// A well-mixed 32-bit hash of a lattice point.
#[inline]
pub(crate) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// A hash as a number in `[0, 1)`.
#[inline]
pub(crate) fn unit(h: u32) -> f32 {
    (h >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Smooth value noise in `-1..1`, one bump per unit square.
#[inline]
pub(crate) fn value(p: P, seed: u32) -> f32 {
    let (ix, iy) = (floor(p[0]), floor(p[1]));
    let (fx, fy) = (p[0] - ix as f32, p[1] - iy as f32);
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let corner = |dx, dy| unit(hash(ix.wrapping_add(dx), iy.wrapping_add(dy), seed));
    let top = mix(corner(0, 0), corner(1, 0), sx);
    let bottom = mix(corner(0, 1), corner(1, 1), sx);
    mix(top, bottom, sy) * 2.0 - 1.0
}

/// `octaves` of value noise, each twice as fine and half as strong; about `-1..1`.
#[inline]
pub(crate) fn fbm(p: P, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    let mut q = p;
    for octave in 0..octaves {
        sum += weight * value(q, seed.wrapping_add(octave.wrapping_mul(0x51ED_270B)));
        total += weight;
        weight *= 0.5;
        // A turn of 37 degrees between octaves hides the lattice.
        q = [1.6 * q[0] - 1.2 * q[1] + 3.7, 1.2 * q[0] + 1.6 * q[1] - 1.3];
    }
    sum / total
}

/// The nearest of scattered points, one per unit square.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Distance to the nearest point.
    pub near: f32,
    /// Distance to the second nearest point.
    pub second: f32,
    /// Hash that names the nearest point.
    pub id: u32,
}

/// Worley noise; `jitter` 0 gives a square lattice, 1 fully scattered points.
#[inline]
pub(crate) fn cells(p: P, jitter: f32, seed: u32) -> Cell {
    let (ix, iy) = (floor(p[0]), floor(p[1]));
    let mut found = Cell {
        near: 9.0,
        second: 9.0,
        id: 0,
    };
    for dy in -1..=1 {
        for dx in -1..=1 {
            let (x, y) = (ix.wrapping_add(dx), iy.wrapping_add(dy));
            let h = hash(x, y, seed);
            let ox = 0.5 + jitter * ((h & 0xFFFF) as f32 * (1.0 / 65_536.0) - 0.5);
            let oy = 0.5 + jitter * ((h >> 16) as f32 * (1.0 / 65_536.0) - 0.5);
            let (vx, vy) = (x as f32 + ox - p[0], y as f32 + oy - p[1]);
            let square = vx * vx + vy * vy;
            if square < found.near {
                found = Cell {
                    near: square,
                    second: found.near,
                    id: h,
                };
            } else if square < found.second {
                found.second = square;
            }
        }
    }
    Cell {
        near: found.near.sqrt(),
        second: found.second.sqrt(),
        id: found.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_stays_in_range_and_is_continuous() {
        let mut last = value([0.0, 0.3], 5);
        for step in 1..4000 {
            let p = [step as f32 * 0.005 - 10.0, 0.3];
            let v = value(p, 5);
            assert!((-1.0..=1.0).contains(&v));
            if step > 1 {
                assert!((v - last).abs() < 0.03);
            }
            last = v;
            assert!(fbm(p, 4, 1).abs() <= 1.0);
            let cell = cells(p, 1.0, 2);
            assert!(cell.near <= cell.second);
        }
    }
}
