//! Plots as inline SVG. Places across are shares of the width and texts keep their size, so that a plot is as wide as its
//! page and readable on a narrow one.

use maud::{Markup, html};

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
pub(super) fn bars(title: &str, bars: &[Bar], unit: &dyn Fn(f64) -> String) -> Markup {
    let ends = bars.iter().filter_map(|bar| Some(bar.value?.max(bar.range.map_or(0.0, |range| range.1))));
    let most = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
    html! {
        @if most > 0.0 {
            figure {
                figcaption { (title) }
                svg height=(ROW * bars.len()) role="img" aria-label=(title) {
                    @for (index, bar) in bars.iter().enumerate() { (row(bar, index * ROW, most, unit)) }
                }
            }
        }
    }
}

/// A bar at this height; `most` is the value of the longest.
fn row(bar: &Bar, y: usize, most: f64, unit: &dyn Fn(f64) -> String) -> Markup {
    let share = |value: f64| WIDEST * (value.clamp(0.0, most) / most);
    let percent = |share: f64| format!("{share:.2}%");
    let label: String = bar.label.chars().take(MAX_LABEL).collect();
    html! {
        text x="0" y=(y + 15) { (label) }
        @if let Some(value) = bar.value {
            @let width = share(value);
            @let end = bar.range.map_or(width, |(_, to)| share(to).max(width));
            rect.bar x="0" y=(y + 21) width=(percent(width)) height="14" rx="2" {}
            @if let Some((from, to)) = bar.range {
                line.whisker x1=(percent(share(from))) y1=(y + 28) x2=(percent(share(to))) y2=(y + 28) {}
            }
            text x=(percent(end)) dx="8" y=(y + 33) { (unit(value)) }
        } @else {
            text.m x="0" y=(y + 33) { "—" }
        }
    }
}

/// A curve through points, from 0 upwards where it is near, with its highest and lowest value. Fewer than two points draw
/// none. `x` writes a place on the axis.
pub(super) fn curve(title: &str, points: &[(f64, f64)], x: &dyn Fn(f64) -> String) -> Option<Markup> {
    let points: Vec<(f64, f64)> =
        points.iter().copied().filter(|(at, value)| at.is_finite() && value.is_finite()).collect();
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < 2 || last.0 <= first.0 {
        return None;
    }
    let highest = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let lowest = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    // At a high level small changes would not show.
    let floor = if lowest > 0.7 * highest { lowest - 0.2 * (highest - lowest) } else { lowest.min(0.0) };
    // A level that does not move runs through the middle.
    let (floor, height) = if lowest < highest { (floor, highest - floor) } else { (lowest - 1.0, 2.0) };
    let place = |(at, value): &(f64, f64)| {
        format!("{:.1},{:.1}", 1000.0 * (at - first.0) / (last.0 - first.0), 100.0 - 96.0 * (value - floor) / height)
    };
    let path = points.iter().map(place).collect::<Vec<_>>().join(" ");
    let span = if lowest < highest { format!("{} to {}", digits(lowest), digits(highest)) } else { digits(highest) };
    Some(html! {
        figure {
            figcaption { (title) ": " (span) }
            svg height="130" role="img" aria-label=(title) {
                svg y="6" width="100%" height="100" viewBox="0 0 1000 100" preserveAspectRatio="none" {
                    polyline.curve vector-effect="non-scaling-stroke" points=(path) {}
                }
                line.axis x1="0" y1="107" x2="100%" y2="107" {}
                text.m x="0" y="124" { (x(first.0)) }
                text.m x="100%" y="124" text-anchor="end" { (x(last.0)) }
            }
        }
    })
}
