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
        * (TURN
            + square
                * (-41.341_7 + square * (81.605_25 + square * (-76.705_86 + square * 42.058_7))))
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

/// Angle of `p` in turns, in `[-0.5, 0.5]`, absolute error under 3e-6 turns.
#[inline]
pub(crate) fn angle_turns(p: P) -> f32 {
    let (ax, ay) = (p[0].abs(), p[1].abs());
    let large = ax.max(ay);
    if large == 0.0 {
        return 0.0;
    }
    let t = ax.min(ay) / large;
    let s = t * t;
    // Odd polynomial of atan on 0..1 with the least largest error (1e-5 radians).
    let series = 0.999_977_26
        + s * (-0.332_623_47
            + s * (0.193_543_46 + s * (-0.116_432_87 + s * (0.052_653_32 + s * -0.011_721_2))));
    let octant = t * series / TURN;
    let quadrant = if ay > ax { 0.25 - octant } else { octant };
    let half = if p[0] < 0.0 { 0.5 - quadrant } else { quadrant };
    if p[1] < 0.0 { -half } else { half }
}

#[inline]
pub(crate) fn length(p: P) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

#[inline]
pub(crate) fn sub(a: P, b: P) -> P {
    [a[0] - b[0], a[1] - b[1]]
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
            // Half a turn to the left and to the right are the same direction.
            let error = angle_turns(p) - want;
            let error = (error - error.round()).abs();
            assert!(error < 3e-6, "angle of {p:?}: {error}");
        }
    }

    #[test]
    fn floor_is_the_floor() {
        for x in [-2.5f32, -2.0, -0.1, 0.0, 0.9, 1.0, 7.3] {
            assert_eq!(floor(x), x.floor() as i32);
        }
    }
}
