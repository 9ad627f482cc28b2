//! Charts for documents: one SVG file each, without scripts, its own colours and white ground, so that
//! it looks the same in a browser, on a code host and on paper.

use std::fmt::Write as _;

use crate::eval::plots::path;
use crate::eval::rows::Method;
use crate::html::escape;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 62.0;
/// Half the width of the caps of an error bar.
const CAP: f64 = 5.0;
/// Distance between the error bars of two lines at one place.
const DODGE: f64 = 9.0;

/// Colours that people with any colour vision tell apart (Okabe and Ito 2008), dark enough on white.
pub const PALETTE: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#8a5a9e"];

/// The colour of a method in every chart.
pub fn colour(method: Method) -> &'static str {
    match method {
        Method::AnomalySd => PALETTE[0],
        Method::FeaturesOnly => PALETTE[2],
        Method::NearestNeighbour => PALETTE[3],
        Method::RepairOnly => PALETTE[1],
    }
}

/// An axis.
pub struct Axis {
    /// Below it or beside it.
    pub label: String,
    /// Value at its start; above 0 where it is logarithmic.
    pub low: f64,
    /// Value at its end.
    pub high: f64,
    /// Values with their texts.
    pub ticks: Vec<(f64, String)>,
    /// Equal ratios are equally far apart.
    pub logarithmic: bool,
}

impl Axis {
    /// 0 at the start, 1 at the end.
    fn share(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.ln() } else { value };
        let (low, high) = (scale(self.low), scale(self.high));
        ((scale(value) - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// A value with its interval.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// On the x axis.
    pub x: f64,
    /// On the y axis.
    pub y: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How intervals are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A bar at each point, for a few points.
    Bars,
    /// A band along the line, for many.
    Band,
}

/// A line with its name.
pub struct Line {
    /// In the legend.
    pub name: String,
    /// CSS colour.
    pub colour: &'static str,
    /// By rising x.
    pub points: Vec<Point>,
    /// How intervals are shown.
    pub mark: Mark,
}

/// A chart.
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// On how much it rests.
    pub subtitle: String,
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// In the order of the legend.
    pub lines: Vec<Line>,
    /// Name of the line y = x, where it is drawn.
    pub diagonal: Option<String>,
}

impl Chart {
    /// The file's content.
    pub fn svg(&self) -> String {
        let mut body = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "<text class=\"title\" x=\"{LEFT}\" y=\"34\">{}</text>\
<text class=\"faint\" x=\"{LEFT}\" y=\"56\">{}</text>",
            escape(&self.title),
            escape(&self.subtitle)
        );
        self.axes(&mut body);
        self.legend(&mut body);
        // Bands below all lines, so that none hides one.
        for line in self.lines.iter().filter(|line| line.mark == Mark::Band) {
            self.band(&mut body, line);
        }
        if self.diagonal.is_some() {
            let (low, high) = (self.x.low.max(self.y.low), self.x.high.min(self.y.high));
            let line = path([(low, low), (high, high)].map(|(x, y)| (self.x_of(x), self.y_of(y))));
            let _ = write!(body, "<path class=\"diagonal\" d=\"{line}\"/>");
        }
        for (index, line) in self.lines.iter().enumerate() {
            self.line(&mut body, index, line);
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\"><style>{STYLE}</style>\
<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>{body}</svg>\n",
            escape(&self.title)
        )
    }

    fn x_of(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_of(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, body: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, text) in &self.y.ticks {
            let y = self.y_of(*value);
            let _ = write!(
                body,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 10.0,
                y + 4.0,
                escape(text)
            );
        }
        for (value, text) in &self.x.ticks {
            let x = self.x_of(*value);
            let _ = write!(
                body,
                "<path class=\"axis\" d=\"M{x:.1} {bottom}v6\"/>\
<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 22.0,
                escape(text)
            );
        }
        let (across, down) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let _ = write!(
            body,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>\
<text class=\"label\" x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
<text class=\"label\" transform=\"translate(20 {down:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 16.0,
            escape(&self.x.label),
            escape(&self.y.label)
        );
    }

    fn legend(&self, body: &mut String) {
        let mut x = LEFT;
        let y = 84.0;
        for line in &self.lines {
            let colour = line.colour;
            let _ = write!(
                body,
                "<path d=\"M{x:.1} {:.1}h22\" stroke=\"{colour}\" stroke-width=\"2.5\"/>\
<text class=\"label\" x=\"{:.1}\" y=\"{y}\">{}</text>",
                y - 4.0,
                x + 30.0,
                escape(&line.name)
            );
            let _ = match line.mark {
                Mark::Bars => write!(
                    body,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>",
                    x + 11.0,
                    y - 4.0
                ),
                Mark::Band => write!(
                    body,
                    "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"22\" height=\"12\" fill=\"{colour}\" fill-opacity=\"0.14\"/>",
                    y - 10.0
                ),
            };
            x += 62.0 + 7.2 * line.name.chars().count() as f64;
        }
        if let Some(name) = &self.diagonal {
            let _ = write!(
                body,
                "<path class=\"diagonal\" d=\"M{x:.1} {:.1}h22\"/><text class=\"label\" x=\"{:.1}\" y=\"{y}\">{}</text>",
                y - 4.0,
                x + 30.0,
                escape(name)
            );
        }
    }

    fn band(&self, body: &mut String, line: &Line) {
        let upper = line
            .points
            .iter()
            .map(|own| (self.x_of(own.x), self.y_of(own.high)));
        let lower = line.points.iter().rev();
        let lower = lower.map(|own| (self.x_of(own.x), self.y_of(own.low)));
        let _ = write!(
            body,
            "<path d=\"{}Z\" fill=\"{}\" fill-opacity=\"0.14\"/>",
            path(upper.chain(lower)),
            line.colour
        );
    }

    fn line(&self, body: &mut String, index: usize, line: &Line) {
        let colour = line.colour;
        let beside = match line.mark {
            Mark::Bars => DODGE * (index as f64 - (self.lines.len() as f64 - 1.0) / 2.0),
            Mark::Band => 0.0,
        };
        let at = |own: &Point| (self.x_of(own.x) + beside, self.y_of(own.y));
        let _ = write!(
            body,
            "<path d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" stroke-linejoin=\"round\"/>",
            path(line.points.iter().map(at))
        );
        if line.mark == Mark::Band {
            return;
        }
        for point in &line.points {
            let (x, y) = at(point);
            let (low, high) = (self.y_of(point.low), self.y_of(point.high));
            let left = x - CAP;
            let width = 2.0 * CAP;
            let _ = write!(
                body,
                "<path d=\"M{x:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}h{width}M{left:.1} {high:.1}h{width}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.3\"/>\
<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{colour}\" stroke=\"#fff\" stroke-width=\"1.5\"><title>{}: {:.3} ({:.3} to {:.3})</title></circle>",
                escape(&line.name),
                point.y,
                point.low,
                point.high
            );
        }
    }
}

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif;font-size:13px;fill:#24292f}\
.ground{fill:#fff}.title{font-size:18px;font-weight:600}.faint,.tick{fill:#57606a}.faint,.tick{font-size:12px}\
.grid{stroke:#d8dee4;fill:none}.axis{stroke:#57606a;fill:none}\
.diagonal{stroke:#57606a;stroke-width:1.5;stroke-dasharray:5 4;fill:none}";

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64, logarithmic: bool) -> Axis {
        Axis {
            label: "<x>".into(),
            low,
            high,
            ticks: vec![(low, "low".into()), (high, "high".into())],
            logarithmic,
        }
    }

    #[test]
    fn equal_ratios_are_equally_far_apart_on_a_logarithmic_axis() {
        let axis = axis(0.01, 1.0, true);
        assert!((axis.share(0.1) - 0.5).abs() < 1e-12);
        assert_eq!((axis.share(0.001), axis.share(2.0)), (0.0, 1.0));
    }

    #[test]
    fn text_is_escaped_and_every_line_is_in_the_legend() {
        let point = |x| Point {
            x,
            y: x,
            low: 0.1,
            high: 0.9,
        };
        let line = |name: &str, mark| Line {
            name: name.into(),
            colour: PALETTE[0],
            points: vec![point(0.2), point(0.8)],
            mark,
        };
        let chart = Chart {
            title: "a & b".into(),
            subtitle: String::new(),
            x: axis(0.0, 1.0, false),
            y: axis(0.0, 1.0, false),
            lines: vec![line("bars", Mark::Bars), line("band", Mark::Band)],
            diagonal: Some("y = x".into()),
        };
        let svg = chart.svg();
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;x&gt;") && !svg.contains("<x>"));
        for name in ["bars", "band", "y = x"] {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        }
        assert_eq!(svg.matches("class=\"diagonal\"").count(), 2);
        assert!(!svg.contains("NaN") && svg.starts_with("<svg xmlns"));
    }
}
