//! eˣ, σ and Φ, computed for as many values at once as the processor holds.

/// eˣ within 2 units in the last place between −87 and 88; beyond, its value there.
///
/// Source: Cephes `expf`: x = n·ln 2 + r, a polynomial of r, and n added to the exponent's bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// 1.5·2²³: what is added to it is rounded to a whole number, which its last bits then hold.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_65;
    p = p * r + 0.5;
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits());
    let scale = f32::from_bits(power.wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * scale
}

/// σ(x).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Φ(x), the distribution function of the normal distribution, within 2·10⁻⁷.
///
/// Source: Abramowitz and Stegun, 7.1.26.
#[inline(always)]
pub(super) fn normal(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut p = 1.061_405_4;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_7;
    p = p * t - 0.284_496_74;
    p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * exp(-z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// φ(x), its density.
#[inline(always)]
pub(super) fn density(x: f32) -> f32 {
    const FACTOR: f32 = 0.398_942_3;
    FACTOR * exp(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_digits() {
        for step in -87_000..=88_000 {
            let x = step as f32 / 1000.0;
            let (got, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (got / expected - 1.0).abs() < 2.5e-7,
                "{x}: {got} {expected}"
            );
        }
        assert!(exp(f32::NAN).is_nan() && exp(1000.0).is_finite());
    }

    #[test]
    fn the_distribution_has_its_known_values_and_its_density_is_its_slope() {
        for (x, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746),
            (-2.0, 0.022_750_132),
            (3.0, 0.998_650_102),
        ] {
            assert!((f64::from(normal(x)) - expected).abs() < 2e-7, "{x}");
        }
        for step in -40..=40 {
            let x = step as f32 / 10.0;
            let slope = (normal(x + 0.02) - normal(x - 0.02)) / 0.04;
            assert!((slope - density(x)).abs() < 1e-4, "{x}");
        }
    }
}
