//! Arithmetic that gives the same bits on every platform.
//!
//! The platform's `sin`, `atan2` and `powf` differ in the last place between systems, so pictures
//! are drawn with polynomials built from additions, multiplications and square roots only, which
//! IEEE 754 rounds in one way.

/// A point or vector in the plane.
pub(crate) type P = [f32; 2];

/// Full turn in radians.
pub(crate) const TURN: f32 = std::f32::consts::TAU;

/// Largest whole number not above `x`, for `|x| < 2³¹`.
#[inline]
pub(crate) fn floor(x: f32) -> i32 {
    let cut = x as i32;
    cut - i32::from((cut as f32) > x)
}

/// `sin(TURN · t)`, absolute error under 4e-6.
#[inline]
pub(crate) fn sin_turns(t: f32) -> f32 {
    let t = t - floor(t + 0.5) as f32;
    let folded = if t > 0.25 {
        0.5 - t
    } else if t < -0.25 {
        -0.5 - t
    } else {
        t
    };
    let square = folded * folded;
    folded
        * (6.283_185_3
            + square * (-41.341_7 + square * (81.605_25 + square * (-76.705_86 + square * 42.058_7))))
}

/// `sin(x)` with `x` in radians.
#[inline]
pub(crate) fn sin(x: f32) -> f32 {
    sin_turns(x * (1.0 / TURN))
}

/// `cos(x)` with `x` in radians.
#[inline]
pub(crate) fn cos(x: f32) -> f32 {
    sin_turns(x * (1.0 / TURN) + 0.25)
}

/// Angle of `p` in turns, in `[-0.5, 0.5]`, absolute error under 1e-5 turns.
#[inline]
pub(crate) fn angle_turns(p: P) -> f32 {
    let (ax, ay) = (p[0].abs(), p[1].abs());
    let (small, large) = if ax < ay { (ax, ay) } else { (ay, ax) };
    if large == 0.0 {
        return 0.0;
    }
    let t = small / large;
    let s = t * t;
    // Abramowitz and Stegun 4.4.49, scaled from radians to turns.
    let eighth = t
        * (0.159_154_9
            + s * (-0.053_043_6
                + s * (0.031_707_6 + s * (-0.021_961_8 + s * (0.013_205_2 - s * 0.004_196_2)))));
    let mut turns = if ax < ay { 0.25 - eighth } else { eighth };
    if p[0] < 0.0 {
        turns = 0.5 - turns;
    }
    if p[1] < 0.0 { -turns } else { turns }
}

#[inline]
pub(crate) fn length(p: P) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

#[inline]
pub(crate) fn sub(a: P, b: P) -> P {
    [a[0] - b[0], a[1] - b[1]]
}

/// `p` turned counter-clockwise (y down: clockwise as seen) by `radians`.
#[inline]
pub(crate) fn turned(p: P, radians: f32) -> P {
    let (s, c) = (sin(radians), cos(radians));
    [c * p[0] - s * p[1], s * p[0] + c * p[1]]
}

#[inline]
pub(crate) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

#[inline]
pub(crate) fn mix3(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

#[inline]
pub(crate) fn scale3(a: [f32; 3], s: f32) -> [f32; 3] {
    [a[0] * s, a[1] * s, a[2] * s]
}

/// 0 below `low`, 1 above `high`, smooth between.
#[inline]
pub(crate) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A rounded bevel: 0 at the edge (`d = 0`), 1 at `width` inside (`d ≤ -width`).
#[inline]
pub(crate) fn bevel(d: f32, width: f32) -> f32 {
    let t = (-d / width).clamp(0.0, 1.0);
    (t * (2.0 - t)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_angle_agree_with_the_library() {
        for step in -2000..2000 {
            let x = step as f32 * 0.007;
            assert!((sin(x) - x.sin()).abs() < 1e-5, "sin({x})");
            assert!((cos(x) - x.cos()).abs() < 1e-5, "cos({x})");
            let p = [x.cos() * 2.0, x.sin() * 2.0];
            let want = p[1].atan2(p[0]) / TURN;
            assert!((angle_turns(p) - want).abs() < 2e-5, "angle of {p:?}");
        }
    }

    #[test]
    fn floor_is_the_floor() {
        for x in [-2.5f32, -2.0, -0.1, 0.0, 0.9, 1.0, 7.3] {
            assert_eq!(floor(x), x.floor() as i32);
        }
    }
}
