use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

/// A difference and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The difference on the data itself.
    pub value: f64,
    /// The 2.5 % quantile of the resamples.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// The paired bootstrap: resamples the items of each stratum with replacement, the same items for both methods, and
/// takes `statistic` of the chosen items.
///
/// `strata` holds the number of items per stratum (a class, or a class's good or defective photos × seeds);
/// `statistic` receives for each stratum the chosen indices and returns the difference, or `None` where it has none
/// (such a resample is drawn again, at most ten times as many in all). `None` where the data itself has no difference.
pub fn paired_bootstrap(
    strata: &[usize],
    resamples: usize,
    seed: u64,
    statistic: impl Fn(&[Vec<usize>]) -> Option<f64>,
) -> Option<Interval> {
    let value = statistic(
        &strata
            .iter()
            .map(|&count| (0..count).collect())
            .collect::<Vec<_>>(),
    )?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut differences = Vec::with_capacity(resamples);
    for _ in 0..10 * resamples {
        if differences.len() == resamples {
            break;
        }
        let chosen: Vec<Vec<usize>> = strata
            .iter()
            .map(|&count| (0..count).map(|_| below(&mut random, count)).collect())
            .collect();
        differences.extend(statistic(&chosen));
    }
    differences.sort_unstable_by(f64::total_cmp);
    let quantile = |q: f64| {
        differences
            .get(((differences.len() as f64 - 1.0) * q).round() as usize)
            .copied()
    };
    Some(Interval {
        value,
        low: quantile(0.025)?,
        high: quantile(0.975)?,
    })
}

/// A number in 0..count, by the high half of a product: the bias is below 2⁻³² for any count here.
fn below(random: &mut ChaCha8Rng, count: usize) -> usize {
    ((u128::from(random.next_u64()) * count as u128) >> 64) as usize
}

/// Mean and sample standard deviation (0 for one value); `None` for none.
pub fn mean_and_sd(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((
        mean,
        if values.len() > 1 {
            (squares / (values.len() - 1) as f64).sqrt()
        } else {
            0.0
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_near_the_normal_one() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let mean = |chosen: &[Vec<usize>]| {
            Some(chosen[0].iter().map(|&i| values[i]).sum::<f64>() / chosen[0].len() as f64)
        };
        let interval = paired_bootstrap(&[400], 2000, 5, mean).unwrap();
        let (expected, sd) = mean_and_sd(&values).unwrap();
        let half = 1.96 * sd / 20.0;
        assert!((interval.value - expected).abs() < 1e-12);
        assert!(
            (interval.low - (expected - half)).abs() < 0.1,
            "{interval:?} {half}"
        );
        assert!(
            (interval.high - (expected + half)).abs() < 0.1,
            "{interval:?} {half}"
        );
        assert_eq!(
            Some(interval),
            paired_bootstrap(&[400], 2000, 5, mean),
            "a seed fixes it"
        );
    }

    #[test]
    fn strata_keep_their_sizes() {
        let sizes = |chosen: &[Vec<usize>]| {
            assert_eq!(chosen.iter().map(Vec::len).collect::<Vec<_>>(), [3, 5]);
            assert!(chosen[0].iter().all(|&i| i < 3) && chosen[1].iter().all(|&i| i < 5));
            Some(1.0)
        };
        assert_eq!(
            paired_bootstrap(&[3, 5], 50, 1, sizes).map(|found| found.high),
            Some(1.0)
        );
    }

    #[test]
    fn mean_and_sd_of_few() {
        assert_eq!(mean_and_sd(&[]), None);
        assert_eq!(mean_and_sd(&[2.0]), Some((2.0, 0.0)));
        assert_eq!(mean_and_sd(&[1.0, 3.0]), Some((2.0, 2f64.sqrt())));
    }
}
