//! Curves and histograms as SVG, drawn without scripts.

use std::fmt::Write as _;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 36.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;

/// Colours of the methods, as variables of the page.
pub const COLOURS: [&str; 4] = ["var(--d)", "var(--a)", "var(--c)", "var(--b)"];

/// A named curve with its colour.
pub struct Curve<'a> {
    /// Shown when pointed at.
    pub name: &'a str,
    /// CSS colour.
    pub colour: &'a str,
    /// In data units.
    pub points: &'a [(f64, f64)],
}

fn frame(body: &str, right: f64, x_label: &str, y_label: &str) -> String {
    let (bottom, middle) = (HEIGHT - BOTTOM, (LEFT + WIDTH) / 2.0);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\
<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{WIDTH}\" fill=\"none\"/>{body}\
<text x=\"{LEFT}\" y=\"{y}\">0</text><text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{right}</text>\
<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{x_label}</text>\
<text x=\"{LEFT}\" y=\"{TOP}\" dx=\"4\" dy=\"8\">{y_label}</text></svg>",
        y = HEIGHT - 10.0,
    )
}

/// The `d` of a path through points, in pixels.
pub fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.into_iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    path
}

/// Curves over 0..`right` on the x axis and 0..1 on the y axis.
pub fn curves(curves: &[Curve<'_>], right: f64, x_label: &str, y_label: &str) -> String {
    let mut body = String::new();
    for curve in curves {
        let path = path(curve.points.iter().map(|(x, y)| {
            let x = LEFT + (x / right).clamp(0.0, 1.0) * (WIDTH - LEFT);
            let y = TOP + (1.0 - y.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM);
            (x, y)
        }));
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"><title>{}</title></path>",
            curve.colour, curve.name
        );
    }
    frame(&body, right, x_label, y_label)
}

/// Histograms of the scores of good and defective photos, with the threshold.
pub fn histogram(good: &[f32], defective: &[f32], threshold: Option<f32>) -> String {
    const BINS: usize = 24;
    let highest = good.iter().chain(defective).fold(0.0f32, |a, &b| a.max(b));
    let right = f64::from(highest.max(threshold.unwrap_or(0.0)) * 1.05).max(1e-6);
    let counts = |scores: &[f32]| {
        let mut counts = [0usize; BINS];
        for &score in scores {
            let bin = (f64::from(score) / right * BINS as f64) as usize;
            counts[bin.min(BINS - 1)] += 1;
        }
        counts
    };
    let (good, defective) = (counts(good), counts(defective));
    let tallest = good
        .iter()
        .chain(&defective)
        .copied()
        .max()
        .unwrap_or(0)
        .max(1) as f64;
    let step = (WIDTH - LEFT) / BINS as f64;
    let mut body = String::new();
    for (name, colour, counts, shift) in [
        ("good", "var(--good)", good, 0.0),
        ("defective", "var(--bad)", defective, step / 2.0),
    ] {
        for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = count as f64 / tallest * (HEIGHT - TOP - BOTTOM - 12.0);
            let (x, y) = (LEFT + bin as f64 * step + shift, HEIGHT - BOTTOM - height);
            let _ = write!(
                body,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"><title>{count} {name}</title></rect>",
                step / 2.0 - 0.5
            );
        }
    }
    if let Some(threshold) = threshold {
        let x = LEFT + f64::from(threshold) / right * (WIDTH - LEFT);
        let _ = write!(
            body,
            "<path d=\"M{x:.1} {TOP}V{}\" stroke=\"currentColor\" stroke-dasharray=\"3 3\"><title>threshold {threshold:.3}</title></path>",
            HEIGHT - BOTTOM
        );
    }
    frame(&body, (right * 100.0).round() / 100.0, "score", "photos")
}
