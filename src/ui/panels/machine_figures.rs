//! The machine in one row: processor, memory, graphics cards, power.

use super::super::canvas::{Canvas, Spans};
use super::super::theme::Meaning;
use crate::core::State;
use crate::core::energy::range;
use crate::core::figure::Grade;
use crate::core::machine::{Domain, Gpu, Sample};
use crate::core::units::{Ratio, or_dash};

/// The figures of the header, least important first. Where there is little room each is `brief`, so that all of them
/// stand in 80 columns.
pub(crate) fn parts<'a>(canvas: &Canvas<'_>, state: &State, brief: bool) -> Vec<Spans<'a>> {
    let Some(sample) = &state.machine.sample else {
        return vec![vec![canvas.span(Meaning::Muted, "reading sensors …")]];
    };
    let mut parts = Vec::new();
    for gpu in &sample.gpus {
        let usage = gpu.usage.value().map_or_else(|| "  —".to_owned(), |usage| format!("{usage:>4}"));
        let (name, figures) = if brief { ("G", brief_figures(sample, gpu)) } else { ("gpu", memory_figure(gpu)) };
        let name = if sample.gpus.len() > 1 { format!("{name}{} ", gpu.index) } else { format!("{name} ") };
        parts.push(vec![
            canvas.span(Meaning::Muted, name),
            canvas.span(level(gpu.usage.value().copied()), usage),
            canvas.span(Meaning::Text, figures),
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
        canvas.span(Meaning::Text, if brief { "G".to_owned() } else { format!("/{:.0} GB", memory.total.gigabytes()) }),
    ]);
    parts.push(match sample.total() {
        Some((watts, Grade::Estimated)) => vec![canvas.span(Meaning::Muted, range(watts))],
        Some((watts, grade)) => vec![canvas.span(Meaning::Text, format!("{:>6}", format!("{}{watts}", grade.mark())))],
        None => vec![canvas.span(Meaning::Muted, "power —")],
    });
    parts
}

fn memory_figure(gpu: &Gpu) -> String {
    format!("  {:.1}/{:.0} GB", gpu.memory_used.gigabytes(), gpu.memory_total.gigabytes())
}

/// A card's memory in use and its power, in ten columns.
fn brief_figures(sample: &Sample, gpu: &Gpu) -> String {
    let gigabytes = gpu.memory_used.gigabytes();
    let memory = if gigabytes < 9.95 { format!("{gigabytes:.1}G") } else { format!("{gigabytes:.0}G") };
    let meter = sample.power.iter().find(|power| power.domain == Domain::Gpu(gpu.index));
    let watts = meter.and_then(|power| power.watts.value()).map(|watts| format!(" {:>4}", format!("{:.0}W", watts.0)));
    format!(" {memory:>4}{}", watts.unwrap_or_default())
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
