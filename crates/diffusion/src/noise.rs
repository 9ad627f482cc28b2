//! Gaussian noise that is the same on every platform.
//!
//! Counter-based: the value at (channel, y, x) depends on these numbers, the seed and the stream
//! alone, never on how many values were drawn before or by how many threads. SplitMix64's
//! finaliser hashes the counter; Box–Muller turns two uniform numbers into a normal one. `ln` and
//! `cos` are our own polynomials in f64, made of additions, multiplications and one square root,
//! which IEEE 754 rounds the same everywhere, while the platforms' own libraries differ in the
//! last bit.

/// A field of independent standard normal numbers.
///
/// # Shapes
/// `shape` is `[channels, height, width]`; the result is row-major in this order. A smaller field
/// of the same seed and stream is the upper left part of a larger one.
pub fn field(seed: u64, stream: u64, shape: [usize; 3]) -> Vec<f32> {
    let [channels, height, width] = shape;
    let mut values = Vec::with_capacity(channels * height * width);
    for channel in 0..channels {
        for y in 0..height {
            for x in 0..width {
                values.push(normal(seed, stream, counter(channel, y, x)) as f32);
            }
        }
    }
    values
}

/// The `index`-th standard normal number of a stream.
pub fn normal(seed: u64, stream: u64, index: u64) -> f64 {
    let key = mix(seed ^ mix(stream.wrapping_add(GOLDEN)));
    let radius = (-2.0 * ln(uniform(mix(key ^ mix(2 * index))))).sqrt();
    radius * cos_turn(uniform(mix(key ^ mix(2 * index + 1))))
}

/// The `index`-th number of a stream, uniform in the open interval (0, 1).
pub fn unit(seed: u64, stream: u64, index: u64) -> f64 {
    let key = mix(seed ^ mix(stream.wrapping_add(GOLDEN)));
    uniform(mix(key ^ mix(index)))
}

/// A stream number for a name, so that streams need no table (FNV-1a).
pub fn stream_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// 21 bits for the channel, 21 for y, 21 for x: no two places share a counter.
fn counter(channel: usize, y: usize, x: usize) -> u64 {
    const BITS: u64 = (1 << 21) - 1;
    (channel as u64 & BITS) << 42 | (y as u64 & BITS) << 21 | (x as u64 & BITS)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The upper 52 bits as a number in (0, 1): never 0, so its logarithm exists.
fn uniform(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// Natural logarithm of a positive normal number: exponent · ln 2 plus the series of
/// 2·artanh((m − 1)/(m + 1)) for the mantissa m in [√½, √2).
fn ln(value: f64) -> f64 {
    let bits = value.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for odd in (1..=19).rev().step_by(2) {
        sum = sum * square + 1.0 / f64::from(odd);
    }
    2.0 * ratio * sum + exponent as f64 * std::f64::consts::LN_2
}

/// cos(2π·turn) for a turn in [0, 1): folded to the first eighth, then Taylor's series.
fn cos_turn(turn: f64) -> f64 {
    let half = if turn > 0.5 { 1.0 - turn } else { turn };
    let (quarter, sign) = if half > 0.25 {
        (0.5 - half, -1.0)
    } else {
        (half, 1.0)
    };
    let value = if quarter > 0.125 {
        sine(std::f64::consts::TAU * (0.25 - quarter))
    } else {
        cosine(std::f64::consts::TAU * quarter)
    };
    sign * value
}

/// Taylor's series of sin on [0, π/4].
fn sine(angle: f64) -> f64 {
    let square = angle * angle;
    let mut sum = 1.0;
    for factor in [
        16.0 * 17.0,
        14.0 * 15.0,
        12.0 * 13.0,
        10.0 * 11.0,
        72.0,
        42.0,
        20.0,
        6.0,
    ] {
        sum = 1.0 - square / factor * sum;
    }
    angle * sum
}

/// Taylor's series of cos on [0, π/4].
fn cosine(angle: f64) -> f64 {
    let square = angle * angle;
    let mut sum = 1.0;
    for factor in [
        15.0 * 16.0,
        13.0 * 14.0,
        11.0 * 12.0,
        90.0,
        56.0,
        30.0,
        12.0,
        2.0,
    ] {
        sum = 1.0 - square / factor * sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_equal_the_library() {
        for step in 1..20_000 {
            let value = f64::from(step) / 20_000.0;
            assert!((ln(value) - value.ln()).abs() <= 4e-15 * value.ln().abs().max(1.0));
            let cos = (std::f64::consts::TAU * value).cos();
            assert!((cos_turn(value) - cos).abs() < 1e-14, "{value}");
        }
        assert!((ln(1e-16) - 1e-16f64.ln()).abs() < 1e-13);
    }

    #[test]
    fn moments_and_tails_are_those_of_a_normal_distribution() {
        let values = field(7, 3, [4, 200, 250]);
        let n = values.len() as f64;
        let moment = |power: i32| {
            values
                .iter()
                .map(|v| f64::from(*v).powi(power))
                .sum::<f64>()
                / n
        };
        // Standard errors at n = 200,000: 0.0022, 0.0032, 0.0087, 0.022.
        assert!(moment(1).abs() < 0.009);
        assert!((moment(2) - 1.0).abs() < 0.013);
        assert!(moment(3).abs() < 0.035);
        assert!((moment(4) - 3.0).abs() < 0.09);
        let beyond = values.iter().filter(|v| v.abs() > 1.959_964).count() as f64 / n;
        assert!((beyond - 0.05).abs() < 0.002);
    }

    #[test]
    fn neighbours_channels_and_streams_are_uncorrelated() {
        let a = field(1, 0, [2, 128, 128]);
        let b = field(1, 1, [2, 128, 128]);
        let plane = 128 * 128;
        let correlation = |x: &[f32], y: &[f32]| {
            let sum: f64 = x.iter().zip(y).map(|(p, q)| f64::from(p * q)).sum();
            sum / x.len() as f64
        };
        for value in [
            correlation(&a[1..plane], &a[..plane - 1]),
            correlation(&a[128..plane], &a[..plane - 128]),
            correlation(&a[..plane], &a[plane..]),
            correlation(&a, &b),
        ] {
            assert!(value.abs() < 0.032, "{value}");
        }
    }

    #[test]
    fn a_smaller_field_is_the_corner_of_a_larger_one() {
        let small = field(5, 9, [2, 3, 4]);
        let large = field(5, 9, [3, 6, 8]);
        for c in 0..2 {
            for y in 0..3 {
                for x in 0..4 {
                    assert_eq!(small[(c * 3 + y) * 4 + x], large[(c * 6 + y) * 8 + x]);
                }
            }
        }
    }
}
