//! Whether P(p ≤ a) ≤ a holds when good photos are held out for the calibration (METHOD § 8).
//!
//! Each product is fitted once and its good photos are scored once; then calibrations are drawn from
//! them again and again, and the photos left over get their p-values. Over all draws a photo's rank
//! among n + 1 is uniform, so that the mean keeps the promise whatever the scores are, unless they tie
//! or p is computed wrongly. What is learnt beside that is the spread: how far one set of n photos,
//! which is all that a person has, may be off.

use std::fmt::Write as _;
use std::path::Path;

use anomalysd_dataset::rng::Rng;
use anomalysd_detect::options::Mode;
use anomalysd_detect::verdict::{Calibration, CalibrationKind};
use anomalysd_metrics::mean_and_sd;
use serde::Serialize;
use serde_json::{Value, json};

use super::series::Series;
use crate::chart::{Axis, Chart, Line, Mark, PALETTE, Point};
use crate::error::{CliError, Outcome};
use crate::eval::rows::Method;
use crate::output;

/// Calibrations that are drawn per product.
const RESAMPLES: u64 = 200;
/// Rates of the table, in per cent.
const RATES: [usize; 3] = [5, 10, 20];
/// Highest rate of the plot, in per cent.
const HIGHEST: usize = 30;
/// Rates of the plot per per cent: p has steps, and the plot shows where they are.
const PER_CENT: usize = 8;
/// Draws are of this stream of their seed.
const STREAM: u64 = 0x6361_6c69;

/// How often good photos have a p-value of at most a rate.
#[derive(Debug, Serialize)]
pub struct Share {
    /// Photos held out for each calibration.
    held_out: usize,
    /// a.
    rate: f64,
    /// In the mean over products and calibrations.
    mean: f64,
    /// Standard error of that mean: over products, whose photos are not each other's.
    standard_error: f64,
    /// Of nine calibrations in ten, the share is at least this.
    low: f64,
    /// Of nine calibrations in ten, the share is at most this; 19 of 20 lie at or below it.
    high: f64,
}

/// Refuses what the pool cannot give, before anything is measured.
///
/// # Errors
/// No photo to hold out, or none left to judge.
pub fn check(held_out: &[usize], pool: usize, name: &str) -> Outcome {
    match held_out.iter().find(|&&n| n == 0 || n >= pool) {
        None if held_out.is_empty() => Err(CliError::Input("--held-out: no number".into())),
        None => Ok(()),
        Some(n) => Err(CliError::Input(format!(
            "--held-out: {n} of the {pool} good photos of `{name}` leave none to judge, or hold out none"
        ))),
    }
}

/// Writes calibration.json, .md and .svg, and prints the table. `what`: what has a series each.
pub fn write(
    out: &Path,
    all: &[Series],
    held_out: &[usize],
    what: &str,
    config: &Value,
) -> Outcome {
    let judged_by = |series: &Series| {
        let methods = [Method::AnomalySd, Method::FeaturesOnly];
        methods
            .into_iter()
            .find(|own| series.good.contains_key(own))
    };
    let Some(method) = all.first().and_then(judged_by) else {
        return Err(CliError::Internal("no product was judged".into()));
    };
    let pools: Vec<&[f32]> = all
        .iter()
        .filter_map(|series| series.good.get(&method).map(Vec::as_slice))
        .collect();
    let shares: Vec<Share> = held_out.iter().flat_map(|&n| shares(&pools, n)).collect();
    let json = json!({
        "schema": "anomalysd.calibration.v1",
        "method": method,
        "calibrations": RESAMPLES,
        "rows": &shares,
        "series": all,
        "config": config,
    });
    output::write_json(&out.join("calibration.json"), &json)?;
    let table = table(&shares, &pools, method, what);
    output::write(&out.join("calibration.md"), format!("{table}\n").as_bytes())?;
    let svg = chart(&shares, &pools, method, what).svg();
    output::write(&out.join("calibration.svg"), svg.as_bytes())?;
    output::print(&table)
}

/// Shares at every rate of the plot. `pools`: each product's scores of good photos, more
/// than `n` of them.
fn shares(pools: &[&[f32]], n: usize) -> Vec<Share> {
    // Rate → product → calibration.
    let mut by_rate: Vec<Vec<Vec<f64>>> = vec![Vec::new(); HIGHEST * PER_CENT];
    for (product, pool) in pools.iter().enumerate() {
        let mut own: Vec<Vec<f64>> = vec![Vec::new(); HIGHEST * PER_CENT];
        for draw in 0..RESAMPLES {
            let mut rng = Rng::new(product as u64 * RESAMPLES + draw, STREAM);
            let p = p_values(pool, n, &mut rng);
            for (step, shares) in (1..).zip(&mut own) {
                // Of a p that equals the rate, the last bit may say otherwise.
                let rate = rate_of(step) as f32 + 1e-6;
                let below = p.iter().filter(|p| **p <= rate).count();
                shares.push(below as f64 / p.len() as f64);
            }
        }
        for (all, own) in by_rate.iter_mut().zip(own) {
            all.push(own);
        }
    }
    let share = |(step, products): (usize, Vec<Vec<f64>>)| {
        let means: Vec<f64> = products
            .iter()
            .filter_map(|own| mean_and_sd(own).map(|(mean, _)| mean))
            .collect();
        let (mean, sd) = mean_and_sd(&means)?;
        let mut all: Vec<f64> = products.into_iter().flatten().collect();
        all.sort_unstable_by(f64::total_cmp);
        let quantile = |q: f64| all[((all.len() - 1) as f64 * q).round() as usize];
        Some(Share {
            held_out: n,
            rate: rate_of(step),
            mean,
            standard_error: sd / (means.len() as f64).sqrt(),
            low: quantile(0.05),
            high: quantile(0.95),
        })
    };
    (1..).zip(by_rate).filter_map(share).collect()
}

/// The rate of a step of the plot.
fn rate_of(step: usize) -> f64 {
    step as f64 / (100 * PER_CENT) as f64
}

/// p-values of the photos that one drawn calibration of `n` leaves.
fn p_values(pool: &[f32], n: usize, rng: &mut Rng) -> Vec<f32> {
    let mut scores = pool.to_vec();
    rng.shuffle(&mut scores);
    let rest = scores.split_off(n);
    // The mode sets margins alone, and those no p-value.
    let kind = CalibrationKind::HeldOut;
    let calibration = Calibration::new(kind, Mode::Fast, scores, &[], String::new());
    rest.iter()
        .filter_map(|score| calibration.p_value(*score))
        .collect()
}

fn photos(pools: &[&[f32]]) -> String {
    let smallest = pools.iter().map(|pool| pool.len()).min().unwrap_or(0);
    let largest = pools.iter().map(|pool| pool.len()).max().unwrap_or(0);
    if smallest == largest {
        smallest.to_string()
    } else {
        format!("{smallest} to {largest}")
    }
}

fn table(shares: &[Share], pools: &[&[f32]], method: Method, what: &str) -> String {
    let mut text = format!(
        "{}; {what}: {}; good photos of each: {}; calibrations drawn from them: {RESAMPLES}.\n\n\
         | held out | p at most | promised | share of good photos | standard error | 19 calibrations of 20 stay at or under |\n\
         | --- | --- | --- | --- | --- | --- |\n",
        method.name(),
        pools.len(),
        photos(pools),
    );
    let is_shown = |own: &&Share| {
        RATES
            .iter()
            .any(|rate| rate_of(rate * PER_CENT) == own.rate)
    };
    for own in shares.iter().filter(is_shown) {
        let steps = (own.held_out + 1) as f64;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.0} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
            own.held_out,
            100.0 * own.rate,
            100.0 * ((own.rate * steps + 1e-9).floor() / steps),
            100.0 * own.mean,
            100.0 * own.standard_error,
            100.0 * own.high
        );
    }
    text.trim_end().to_owned()
}

fn chart(shares: &[Share], pools: &[&[f32]], method: Method, what: &str) -> Chart {
    let mut numbers: Vec<usize> = shares.iter().map(|own| own.held_out).collect();
    numbers.dedup();
    let lines = numbers.into_iter().zip(PALETTE).map(|(n, colour)| Line {
        name: format!("{n} held out"),
        colour,
        points: shares
            .iter()
            .filter(|own| own.held_out == n)
            .map(|own| Point {
                x: own.rate,
                y: own.mean,
                low: own.low,
                high: own.high,
            })
            .collect(),
        mark: Mark::Band,
    });
    let tick = |percent: usize| (percent as f64 / 100.0, format!("{percent} %"));
    let highest = shares.iter().map(|own| own.high).fold(0.3, f64::max);
    let top = (highest * 10.0).ceil() / 10.0;
    Chart {
        title: "Good photos with a low p-value, other good photos held out".into(),
        subtitle: format!(
            "{}, {} {what}, {} good photos each, {RESAMPLES} calibrations of each; bands: nine calibrations in ten",
            method.name(),
            pools.len(),
            photos(pools)
        ),
        x: Axis {
            label: "a, a rate that is asked for".into(),
            low: 0.0,
            high: HIGHEST as f64 / 100.0,
            ticks: (0..=HIGHEST).step_by(5).map(tick).collect(),
            logarithmic: false,
        },
        y: Axis {
            label: "share of good photos with p ≤ a".into(),
            low: 0.0,
            high: top,
            ticks: (0..=(top * 100.0).round() as usize)
                .step_by(10)
                .map(tick)
                .collect(),
            logarithmic: false,
        },
        lines: lines.collect(),
        diagonal: Some("share = a".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of good photos that are each other's equals: no draw of the calibration is special.
    fn exchangeable(count: usize, seed: u64, levels: Option<f32>) -> Vec<f32> {
        let mut rng = Rng::new(seed, 1);
        let draw = |_| {
            let score = rng.unit() + rng.unit() * rng.unit();
            levels.map_or(score, |levels| (score * levels).floor())
        };
        (0..count).map(draw).collect()
    }

    #[test]
    fn good_photos_have_low_p_values_no_more_often_than_promised() {
        for levels in [None, Some(4.0)] {
            let pools: Vec<Vec<f32>> = (0..12).map(|seed| exchangeable(60, seed, levels)).collect();
            let pools: Vec<&[f32]> = pools.iter().map(Vec::as_slice).collect();
            for n in [5, 19, 40] {
                for own in shares(&pools, n) {
                    let error = 2.0 * own.standard_error + 1e-9;
                    assert!(own.mean <= own.rate + error, "{levels:?} {own:?}");
                    // Without ties the promise is kept to the step of p, not by far too much.
                    let step = (own.rate * (n + 1) as f64 + 1e-9).floor() / (n + 1) as f64;
                    assert!(
                        levels.is_some() || (own.mean - step).abs() < 0.02,
                        "{own:?}"
                    );
                    assert!(own.low <= own.high, "{own:?}");
                }
            }
        }
    }

    /// What the test above is able to see: scores of a calibration that flatters break the promise.
    #[test]
    fn a_calibration_on_easier_photos_breaks_the_promise() {
        let mut pool = exchangeable(60, 3, None);
        pool.sort_by(f32::total_cmp);
        let easy = Calibration::new(
            CalibrationKind::HeldOut,
            Mode::Fast,
            pool[..40].to_vec(),
            &[],
            String::new(),
        );
        let p = pool[40..].iter().filter_map(|score| easy.p_value(*score));
        assert!(p.filter(|p| *p <= 0.05).count() == 20);
    }

    #[test]
    fn a_pool_that_leaves_nothing_to_judge_is_refused() {
        assert!(check(&[19, 40], 60, "nut").is_ok());
        for (held_out, pool) in [(vec![19, 60], 60), (vec![0], 60), (vec![], 60)] {
            assert!(check(&held_out, pool, "nut").is_err(), "{held_out:?}");
        }
    }

    #[test]
    fn table_and_plot_say_what_was_measured() {
        let pool = exchangeable(30, 1, None);
        let pools = [pool.as_slice(), &pool[..25]];
        let all = shares(&pools, 12);
        let text = table(&all, &pools, Method::FeaturesOnly, "classes");
        assert!(
            text.contains("classes: 2; good photos of each: 25 to 30"),
            "{text}"
        );
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("| 12 |"))
                .count(),
            RATES.len()
        );
        let svg = chart(&all, &pools, Method::FeaturesOnly, "classes").svg();
        assert!(svg.contains("12 held out") && svg.contains("share = a"));
    }
}
