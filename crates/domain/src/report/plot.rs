//! Plots as inline SVG. Places across are shares of the width and texts keep their size, so that a plot is as wide as its
//! page and readable on a narrow one.

use std::fmt::Write as _;

use super::page::escape;
use crate::figure::Graded;
use crate::units::digits;

/// A bar with its label; a value that is not known has none.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: Option<f64>,
    /// From where to where it may lie.
    pub(super) range: Option<(f64, f64)>,
}

impl Bar {
    /// An energy, its grade in its label.
    pub(super) fn energy(label: &str, energy: Option<Graded>) -> Self {
        let grade = energy.map_or_else(String::new, |energy| format!(" · {}", energy.word()));
        let label = format!("{label}{grade}");
        Self { label, value: energy.map(|energy| energy.value), range: energy.and_then(Graded::range) }
    }
}

/// Height of a bar with its label above it, in pixels.
const ROW: usize = 42;
/// The part of the width that the longest bar takes; the rest is for its figure.
const WIDEST: f64 = 84.0;
/// The most characters of a label.
const MAX_LABEL: usize = 60;

/// Bars from 0; nothing where no value is known. `unit` writes a value.
pub(super) fn bars(page: &mut String, title: &str, bars: &[Bar], unit: &dyn Fn(f64) -> String) {
    let ends = bars.iter().filter_map(|bar| Some(bar.value?.max(bar.range.map_or(0.0, |range| range.1))));
    let most = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    let share = |value: f64| WIDEST * (value.clamp(0.0, most) / most);
    let _ = write!(
        page,
        "<figure><figcaption>{0}</figcaption><svg height=\"{1}\" role=\"img\" aria-label=\"{0}\">",
        escape(title),
        ROW * bars.len()
    );
    for (index, bar) in bars.iter().enumerate() {
        let y = index * ROW;
        let label: String = bar.label.chars().take(MAX_LABEL).collect();
        let _ = write!(page, "<text x=\"0\" y=\"{}\">{}</text>", y + 15, escape(&label));
        let Some(value) = bar.value else {
            let _ = write!(page, "<text class=\"m\" x=\"0\" y=\"{}\">—</text>", y + 33);
            continue;
        };
        let width = share(value);
        let _ =
            write!(page, "<rect class=\"bar\" x=\"0\" y=\"{}\" width=\"{width:.2}%\" height=\"14\" rx=\"2\"/>", y + 21);
        let mut end = width;
        if let Some((from, to)) = bar.range {
            end = share(to).max(width);
            let _ = write!(
                page,
                "<line class=\"whisker\" x1=\"{:.2}%\" y1=\"{y1}\" x2=\"{:.2}%\" y2=\"{y1}\"/>",
                share(from),
                share(to),
                y1 = y + 28
            );
        }
        let _ = write!(page, "<text x=\"{end:.2}%\" dx=\"8\" y=\"{}\">{}</text>", y + 33, escape(&unit(value)));
    }
    page.push_str("</svg></figure>\n");
}

/// A curve through points, from 0 upwards where it is near, with its highest and lowest value. Fewer than two points draw
/// none. `x` writes a place on the axis.
pub(super) fn curve(page: &mut String, title: &str, points: &[(f64, f64)], x: &dyn Fn(f64) -> String) {
    let points: Vec<(f64, f64)> =
        points.iter().copied().filter(|(at, value)| at.is_finite() && value.is_finite()).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    if points.len() < 2 || last.0 <= first.0 {
        return;
    }
    let highest = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let lowest = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    // Beside a high level small changes would not show.
    let floor = if lowest > 0.7 * highest { lowest - 0.2 * (highest - lowest) } else { lowest.min(0.0) };
    // A level that does not move runs through the middle.
    let (floor, height) = if lowest < highest { (floor, highest - floor) } else { (lowest - 1.0, 2.0) };
    let place = |(at, value): &(f64, f64)| {
        format!("{:.1},{:.1}", 1000.0 * (at - first.0) / (last.0 - first.0), 100.0 - 96.0 * (value - floor) / height)
    };
    let path: Vec<String> = points.iter().map(place).collect();
    let said = if lowest < highest { format!("{} to {}", digits(lowest), digits(highest)) } else { digits(highest) };
    let _ = writeln!(
        page,
        "<figure><figcaption>{0}: {said}</figcaption><svg height=\"130\" role=\"img\" aria-label=\"{0}\">\
         <svg y=\"6\" width=\"100%\" height=\"100\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\">\
         <polyline class=\"curve\" vector-effect=\"non-scaling-stroke\" points=\"{1}\"/></svg>\
         <line class=\"axis\" x1=\"0\" y1=\"107\" x2=\"100%\" y2=\"107\"/>\
         <text class=\"m\" x=\"0\" y=\"124\">{2}</text><text class=\"m\" x=\"100%\" y=\"124\" text-anchor=\"end\">{3}</text>\
         </svg></figure>",
        escape(title),
        path.join(" "),
        escape(&x(first.0)),
        escape(&x(last.0)),
    );
}
