//! The machine in one row: processor, memory, graphics cards, power.

use super::super::canvas::{Canvas, Spans};
use super::super::theme::Meaning;
use crate::core::State;
use crate::core::figure::Grade;
use crate::core::machine::{Domain, Sample};
use crate::core::units::{Ratio, Watts, or_dash};

/// The figures of the header, least important first.
pub(crate) fn parts<'a>(canvas: &Canvas<'_>, state: &State) -> Vec<Spans<'a>> {
    let Some(sample) = &state.machine.sample else {
        return vec![vec![canvas.span(Meaning::Muted, "reading sensors …")]];
    };
    let mut parts = Vec::new();
    for gpu in &sample.gpus {
        let name = if sample.gpus.len() > 1 { format!("gpu{} ", gpu.index) } else { "gpu ".to_owned() };
        let usage = gpu.usage.value().map_or_else(|| "  —".to_owned(), |usage| format!("{usage:>4}"));
        let memory = format!("  {:.1}/{:.0} GB", gpu.memory_used.gigabytes(), gpu.memory_total.gigabytes());
        parts.push(vec![
            canvas.span(Meaning::Muted, name),
            canvas.span(level(gpu.usage.value().copied()), usage),
            canvas.span(Meaning::Text, memory),
        ]);
    }
    parts.push(vec![
        canvas.span(Meaning::Muted, "cpu "),
        canvas.span(level(sample.cpu), format!("{:>4}", or_dash(sample.cpu))),
    ]);
    let memory = &sample.memory;
    let in_use = memory.total.saturating_sub(memory.available);
    let share = Ratio(in_use.0 as f64 / memory.total.0.max(1) as f64);
    parts.push(vec![
        canvas.span(Meaning::Muted, "ram "),
        canvas.span(level(Some(share)), format!("{:>4.1}", in_use.gigabytes())),
        canvas.span(Meaning::Text, format!("/{:.0} GB", memory.total.gigabytes())),
    ]);
    parts.push(match total(sample) {
        Some((watts, grade)) => vec![canvas.span(Meaning::Text, format!("{:>6}", format!("{}{watts}", grade.mark())))],
        None => vec![canvas.span(Meaning::Muted, "power —")],
    });
    parts
}

/// The metered power with the worst grade of its parts.
pub(crate) fn total(sample: &Sample) -> Option<(Watts, Grade)> {
    let grades = sample.power.iter().filter(|power| power.adds).filter_map(|power| power.watts.grade());
    Some((sample.total_power()?, grades.max()?))
}

/// What the metered power covers, as `[gpu+cpu]`.
pub(crate) fn boundary(sample: &Sample) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for power in sample.power.iter().filter(|power| power.adds && power.watts.value().is_some()) {
        let part = match power.domain {
            Domain::Gpu(_) => "gpu",
            Domain::Package(_) | Domain::PackagePart(_) => "cpu",
            Domain::Dram(_) => "dram",
            Domain::Platform => "platform",
            Domain::Battery | Domain::Meter(_) => "machine",
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    format!("[{}]", parts.join("+"))
}

/// Why power is not known and what mends it: of the sources that would tell, the first that gives a remedy.
pub(crate) fn why_no_power(sample: &Sample) -> (String, Option<String>) {
    use crate::core::figure::Figure;
    let of_power = sample.power.iter().filter_map(|power| match &power.watts {
        Figure::Unknown { reason, remedy } => Some((reason.clone(), remedy.clone())),
        Figure::Known { .. } => None,
    });
    let of_sources = sample.sources.iter().filter_map(|source| match &source.reading {
        Figure::Unknown { reason, remedy } if source.covers.contains("power") || source.covers.contains("energy") => {
            Some((format!("{}: {reason}", source.name), remedy.clone()))
        }
        _ => None,
    });
    let mut all: Vec<_> = of_power.chain(of_sources).collect();
    let best = all.iter().position(|(_, remedy)| remedy.is_some()).unwrap_or(0);
    if all.is_empty() { ("no sensor was found".to_owned(), None) } else { all.swap_remove(best) }
}

/// The look of a share that should not be near the whole.
pub(crate) fn level(share: Option<Ratio>) -> Meaning {
    match share {
        None => Meaning::Muted,
        Some(Ratio(share)) if share >= 0.95 => Meaning::Bad,
        Some(Ratio(share)) if share >= 0.85 => Meaning::Warn,
        Some(_) => Meaning::Text,
    }
}
