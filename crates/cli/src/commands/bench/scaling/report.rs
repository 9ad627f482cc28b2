//! The report: charts of time and memory beside the work for each series, and its numbers.

use base64::Engine as _;

use super::growth::{Sample, Series};
use crate::chart::{Axis, Chart, Line, Mark, PALETTE, Point};
use crate::html;

/// A page with all series.
pub fn page(series: &[Series], device: &str) -> String {
    let intro = format!(
        "<h1>How time and memory grow</h1><p>On {}. Both axes are logarithmic, so that a power is a straight line; the \
work is drawn through the first measured value. Exponents are slopes by least squares; memory is all that the process holds.</p>",
        html::escape(device)
    );
    let parts: Vec<String> = series.iter().map(section).collect();
    html::page("Growth", &format!("{intro}{}", parts.concat()))
}

fn section(series: &Series) -> String {
    let said = match series.growth.held {
        Some(true) => "Neither time nor memory grows faster than the work.",
        Some(false) => "<strong>Something grows faster than the work.</strong>",
        None => "Too few points for an exponent.",
    };
    let charts: String = [
        chart(series, "milliseconds", "time", &|point| Some(point.ms)),
        chart(series, "MiB", "memory", &|point| point.peak_mib),
    ]
    .into_iter()
    .flatten()
    .map(|chart| {
        let svg = base64::engine::general_purpose::STANDARD.encode(chart.svg());
        let name = html::escape(&chart.title);
        format!("<p><img src=\"data:image/svg+xml;base64,{svg}\" alt=\"{name}\"></p>")
    })
    .collect();
    let number = |value: Option<f64>, digits| {
        value.map_or("–".into(), |value: f64| format!("{value:.digits$}"))
    };
    let rows: Vec<String> = series
        .points
        .iter()
        .map(|point| {
            format!(
                "<tr><td>{}</td><td>{:.1}</td><td>{}</td><td>{:.2}</td><td>{:.1}</td></tr>",
                point.x,
                point.ms,
                number(point.peak_mib, 0),
                point.flop / 1e9,
                point.flop / point.ms.max(1e-9) / 1e6,
            )
        })
        .collect();
    let growth = series.growth;
    format!(
        "<h2>{}</h2><p>{said}</p>{charts}<table><thead><tr><th>{}</th><th>ms</th><th>peak MiB</th><th>GFLOP</th>\
<th>GFLOP/s</th></tr></thead><tbody>{}<tr class=\"mean\"><td>exponent</td><td>{}</td><td>{}</td><td>{}</td><td></td></tr>\
</tbody></table>",
        html::escape(&series.name),
        html::escape(series.unit),
        rows.concat(),
        number(growth.time, 2),
        number(growth.memory, 2),
        number(growth.work, 2),
    )
}

/// What was measured, and the work scaled to the first of it; nothing for fewer than two points.
fn chart(
    series: &Series,
    unit: &str,
    name: &str,
    measured: &dyn Fn(&Sample) -> Option<f64>,
) -> Option<Chart> {
    let (first, last) = (series.points.first()?, series.points.last()?);
    let begin = measured(first)?;
    if first.x >= last.x || begin <= 0.0 || first.flop <= 0.0 {
        return None;
    }
    let work = |point: &Sample| point.flop / first.flop * begin;
    let own = |point: &Sample| measured(point).unwrap_or(begin);
    let all = series
        .points
        .iter()
        .flat_map(|point| [work(point), own(point)]);
    let (mut low, mut high) = (f64::INFINITY, 0.0f64);
    for value in all {
        (low, high) = (low.min(value), high.max(value));
    }
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let y = Axis {
        label: unit.into(),
        low: 10f64.powi(*decades.start()),
        high: 10f64.powi(*decades.end()),
        ticks: decades
            .map(|power| (10f64.powi(power), format!("{}", 10f64.powi(power))))
            .collect(),
        logarithmic: true,
    };
    let x = Axis {
        label: series.unit.into(),
        low: first.x,
        high: last.x,
        ticks: series
            .points
            .iter()
            .map(|point| (point.x, point.x.to_string()))
            .collect(),
        logarithmic: true,
    };
    let line = |name: &str, colour, of: &dyn Fn(&Sample) -> f64| Line {
        name: name.into(),
        colour,
        points: series
            .points
            .iter()
            .map(|point| Point {
                x: point.x,
                y: of(point),
                low: of(point),
                high: of(point),
            })
            .collect(),
        mark: Mark::Band,
    };
    Some(Chart {
        title: format!("{}: {name}", series.name),
        subtitle: "both axes logarithmic; the work begins where the measurement does".into(),
        x,
        y,
        lines: vec![
            line(name, PALETTE[0], &own),
            line("work", PALETTE[1], &work),
        ],
        diagonal: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_chart_and_the_numbers_of_each_series() {
        let point = |x: f64| Sample {
            x,
            ms: x * x,
            peak_mib: Some(200.0),
            flop: 1e9 * x * x,
        };
        let series = [
            Series::new("by size", "pixels", [1.0, 2.0, 4.0].map(point).to_vec()),
            Series::new("<one>", "photos", vec![point(1.0)]),
        ];
        let page = page(&series, "cpu");
        assert_eq!(page.matches("data:image/svg+xml").count(), 2);
        assert!(page.contains("Neither time nor memory grows faster"));
        assert!(page.contains("&lt;one&gt;") && page.contains("Too few points"));
    }
}
