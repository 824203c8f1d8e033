//! Curves as SVG that reads on light and on dark paper.

use std::fmt::Write;

/// A direction of the paper.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Each step is ten times the last.
    pub(crate) log: bool,
    /// How a number is written.
    pub(crate) write: fn(f64) -> String,
}

/// One curve: its name and its points, in order.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A picture.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What it shows, for those who do not see it.
    pub(crate) told: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
/// The frame: left, top, right, bottom.
const FRAME: (f64, f64, f64, f64) = (70.0, 44.0, 740.0, 330.0);

const STYLE: &str = r#"<style>
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; font-size: 13px; fill: #161a17 }
  .head { font-size: 16px; font-weight: 600 }
  .quiet { fill: #4e5751 }
  .paper { fill: #fff }
  .grid { stroke: #dde3df }
  .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round }
  .c0 { stroke: #0c6a4b } .c1 { stroke: #a85400; stroke-dasharray: 7 4 } .c2 { stroke: #24589c; stroke-dasharray: 2 3 } .c3 { stroke: #7b3a8c; stroke-dasharray: 9 3 2 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e9edea } .quiet { fill: #b0b9b3 } .paper { fill: #141715 } .grid { stroke: #343b36 }
    .c0 { stroke: #58c497 } .c1 { stroke: #f0a860 } .c2 { stroke: #86b6f2 } .c3 { stroke: #d09be0 }
  }
</style>"#;

impl Axis {
    /// From 0 to 1 along the axis.
    fn place(&self, value: f64) -> f64 {
        let place = match self.log {
            true => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        };
        place.clamp(0.0, 1.0)
    }
    /// Where numbers stand.
    fn marks(&self) -> Vec<f64> {
        if self.log {
            let decades = self.from.log10().ceil() as i32..=self.to.log10().floor() as i32;
            return decades.map(|power| 10_f64.powi(power)).collect();
        }
        let rough = (self.to - self.from) / 6.0;
        let ten = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * ten).find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.from / step).ceil() as i64;
        (first..).map(|n| n as f64 * step).take_while(|mark| *mark <= self.to + step * 1e-9).collect()
    }
}

impl Chart {
    /// The picture's text.
    pub(crate) fn svg(&self) -> String {
        let (left, top, right, bottom) = FRAME;
        let x = |value: f64| left + self.x.place(value) * (right - left);
        let y = |value: f64| bottom - self.y.place(value) * (bottom - top);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-labelledby=\"title desc\">\n<title id=\"title\">{0}</title>\n<desc id=\"desc\">{1}</desc>\n{STYLE}\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n<text class=\"head\" x=\"{left}\" \
             y=\"26\">{0}</text>\n",
            self.title, self.told
        );
        // Writing to a string cannot fail.
        for mark in self.x.marks() {
            let (at, text) = (x(mark), (self.x.write)(mark));
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/>");
            let _ = writeln!(
                out,
                "<text class=\"quiet\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{}\">{text}</text>",
                bottom + 18.0
            );
        }
        for mark in self.y.marks() {
            let (at, text) = (y(mark), (self.y.write)(mark));
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>");
            let (near, below) = (left - 8.0, at + 4.0);
            let _ =
                writeln!(out, "<text class=\"quiet\" text-anchor=\"end\" x=\"{near}\" y=\"{below:.1}\">{text}</text>");
        }
        let middle = (left + right) / 2.0;
        let _ = writeln!(
            out,
            "<text class=\"quiet\" text-anchor=\"middle\" x=\"{middle}\" y=\"{}\">{}</text>",
            bottom + 38.0,
            self.x.label
        );
        let _ = writeln!(
            out,
            "<text class=\"quiet\" text-anchor=\"middle\" transform=\"translate(16 {}) rotate(-90)\">{}</text>",
            (top + bottom) / 2.0,
            self.y.label
        );
        let mut key = left;
        for (n, line) in self.lines.iter().enumerate() {
            let points: Vec<String> =
                line.points.iter().map(|(px, py)| format!("{:.1} {:.1}", x(*px), y(*py))).collect();
            let _ = writeln!(out, "<path class=\"curve c{n}\" d=\"M{}\"/>", points.join("L"));
            let at = HEIGHT - 12.0;
            let _ = writeln!(out, "<path class=\"curve c{n}\" d=\"M{key} {}h26\"/>", at - 4.0);
            let _ = writeln!(out, "<text x=\"{}\" y=\"{at}\">{}</text>", key + 32.0, line.name);
            key += 54.0 + 7.0 * line.name.chars().count() as f64;
        }
        out.push_str("</svg>\n");
        out
    }
}
