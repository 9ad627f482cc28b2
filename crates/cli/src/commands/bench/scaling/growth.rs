//! Measured points and the exponents of their growth.

use serde::Serialize;

/// By how much the exponent of time or memory may exceed that of the work: the noise of a few points.
const SLACK: f64 = 0.15;

/// One measured size.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// What grows.
    pub x: f64,
    /// Milliseconds.
    pub ms: f64,
    /// Largest resident memory while it ran, MiB; absent where the system does not tell.
    pub peak_mib: Option<f64>,
    /// Floating-point operations.
    pub flop: f64,
}

/// What was measured while one thing grew.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// What was done.
    pub name: String,
    /// What x counts.
    pub unit: &'static str,
    /// By rising x.
    pub points: Vec<Sample>,
    /// Exponents; absent with fewer than two points.
    pub growth: Growth,
}

/// Exponents: y ∝ xᵉ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Growth {
    /// Of the time.
    pub time: Option<f64>,
    /// Of the memory.
    pub memory: Option<f64>,
    /// Of the operations.
    pub work: Option<f64>,
    /// Neither time nor memory grows faster than the work.
    pub held: Option<bool>,
}

impl Series {
    /// Fits the exponents.
    pub fn new(name: impl Into<String>, unit: &'static str, points: Vec<Sample>) -> Self {
        let fitted = |y: &dyn Fn(&Sample) -> Option<f64>| {
            let pairs = points.iter().map(|point| Some((point.x, y(point)?)));
            exponent(&pairs.collect::<Option<Vec<_>>>()?)
        };
        let time = fitted(&|point| Some(point.ms));
        let memory = fitted(&|point| point.peak_mib);
        let work = fitted(&|point| Some(point.flop));
        let within = |exponent: f64, work: f64| exponent <= work.max(0.0) + SLACK;
        let held = time.zip(work).map(|(time, work)| {
            within(time, work) && memory.is_none_or(|memory| within(memory, work))
        });
        let growth = Growth {
            time,
            memory,
            work,
            held,
        };
        Self {
            name: name.into(),
            unit,
            points,
            growth,
        }
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let shown = |exponent: Option<f64>| exponent.map_or("–".into(), |e| format!("{e:.2}"));
        let said = match self.growth.held {
            Some(true) => ", no faster than its work",
            Some(false) => ", FASTER THAN ITS WORK",
            None => "",
        };
        format!(
            "{:<34} time x^{}, memory x^{}, work x^{}{said}",
            self.name,
            shown(self.growth.time),
            shown(self.growth.memory),
            shown(self.growth.work)
        )
    }
}

/// The slope of the straight line through (ln x, ln y) by least squares; `None` for fewer than two different x, or
/// numbers that have no logarithm.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    if points.iter().any(|(x, y)| *x <= 0.0 || *y <= 0.0) {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(&|log| log.0), mean(&|log| log.1));
    let spread: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let joint: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (logs.len() > 1 && spread > 1e-12).then(|| joint / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(time: f64, work: f64) -> Series {
        let point = |x: f64| Sample {
            x,
            ms: 3.0 * x.powf(time),
            peak_mib: Some(100.0),
            flop: 7.0 * x.powf(work),
        };
        Series::new("s", "pixels", [256.0, 512.0, 1024.0].map(point).to_vec())
    }

    #[test]
    fn exponents_are_those_of_powers() {
        let growth = series(2.0, 2.0).growth;
        assert!((growth.time.unwrap() - 2.0).abs() < 1e-9);
        assert!(growth.memory.unwrap().abs() < 1e-9);
        assert_eq!(growth.held, Some(true));
        assert_eq!(series(2.3, 2.0).growth.held, Some(false));
        assert!(series(2.3, 2.0).line().contains("FASTER"));
    }

    #[test]
    fn too_little_to_fit_is_no_exponent() {
        assert_eq!(exponent(&[(1.0, 2.0)]), None);
        assert_eq!(exponent(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(exponent(&[(1.0, 2.0), (2.0, 0.0)]), None);
        let one = Series::new("s", "photos", series(1.0, 1.0).points[..1].to_vec());
        assert_eq!(one.growth.held, None);
    }
}
