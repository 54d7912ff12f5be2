//! The machine in one row: processor, memory, graphics cards, power.

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans};
use crate::ui::theme::Meaning;
use domain::energy::range;
use domain::figure::Grade;
use domain::machine::{Domain, Gpu, Sample};
use domain::units::{Bytes, Ratio, or_dash};

/// How much room the figures take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// With what there is in all.
    Full,
    /// So that all stand in 80 columns, where there is one card at most.
    Brief,
    /// The same without the power of each card, which the sum holds.
    Tight,
    /// All cards as one: how many, the busiest, their memory in use.
    Joined,
}

impl Form {
    /// From the one that tells most to the one that takes least.
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::Brief, Self::Tight, Self::Joined];
}

/// The figures of the header, least important first.
pub(crate) fn parts<'a>(canvas: &Canvas<'_>, state: &State, form: Form) -> Vec<Spans<'a>> {
    let Some(sample) = &state.domain.machine.sample else {
        return vec![vec![canvas.span(Meaning::Muted, "reading sensors …")]];
    };
    let brief = form != Form::Full;
    let mut parts = gpus(canvas, sample, form);
    parts.push(vec![
        canvas.span(Meaning::Muted, "cpu "),
        canvas.span(level(sample.cpu), format!("{:>4}", or_dash(sample.cpu))),
    ]);
    parts.push(match &sample.memory {
        None => vec![canvas.span(Meaning::Muted, "ram —")],
        Some(memory) => {
            let in_use = memory.in_use();
            let share = Ratio(in_use.0 as f64 / memory.total.0.max(1) as f64);
            let of = if brief { "G".to_owned() } else { format!("/{:.0} GB", memory.total.gigabytes()) };
            vec![
                canvas.span(Meaning::Muted, "ram "),
                canvas.span(level(Some(share)), format!("{:>4.1}", in_use.gigabytes())),
                canvas.span(Meaning::Text, of),
            ]
        }
    });
    parts.push(match sample.total() {
        Some((watts, Grade::Estimated)) => vec![canvas.span(Meaning::Muted, range(watts))],
        Some((watts, grade)) => vec![canvas.span(Meaning::Text, format!("{:>6}", format!("{}{watts}", grade.mark())))],
        None => vec![canvas.span(Meaning::Muted, "power —")],
    });
    parts
}

/// A part for each card, or one for all.
fn gpus<'a>(canvas: &Canvas<'_>, sample: &Sample, form: Form) -> Vec<Spans<'a>> {
    let gpus = &sample.gpus;
    let part = |name: String, usage: Option<Ratio>, figures: String| {
        vec![
            canvas.span(Meaning::Muted, name),
            canvas.span(level(usage), format!("{:>4}", or_dash(usage))),
            canvas.span(Meaning::Text, figures),
        ]
    };
    let number = |gpu: &Gpu| if gpus.len() > 1 { gpu.index.to_string() } else { String::new() };
    let of_each = |gpu: &Gpu| {
        let usage = gpu.usage.value().copied();
        let memory = brief_memory(gpu.memory_used);
        match form {
            Form::Full => {
                let memory = gpu.memory().map(|(used, total)| {
                    let (used, total) = (used.gigabytes(), total.gigabytes());
                    format!("{used:.1}/{total:.0} GB")
                });
                part(format!("gpu{} ", number(gpu)), usage, format!("  {}", or_dash(memory)))
            }
            Form::Brief => part(format!("G{} ", number(gpu)), usage, format!("{memory}{}", power_of(sample, gpu))),
            _ => part(format!("G{} ", number(gpu)), usage, memory),
        }
    };
    if form != Form::Joined || gpus.len() < 2 {
        return gpus.iter().map(of_each).collect();
    }
    let busiest = gpus.iter().filter_map(|gpu| gpu.usage.value().copied()).max_by(|a, b| a.0.total_cmp(&b.0));
    let memory = gpus.iter().filter_map(|gpu| gpu.memory_used).reduce(|one, other| one + other);
    vec![part(format!("gpu {}× ", gpus.len()), busiest, brief_memory(memory))]
}

/// Memory in five columns.
fn brief_memory(used: Option<Bytes>) -> String {
    let Some(used) = used else { return format!(" {:>4}", "—") };
    let gigabytes = used.gigabytes();
    let text = match gigabytes {
        small if small < 9.95 => format!("{small:.1}G"),
        large if large < 999.5 => format!("{large:.0}G"),
        huge => format!("{:.1}T", huge / 1000.0),
    };
    format!(" {text:>4}")
}

/// A card's power in five columns, where it is known.
fn power_of(sample: &Sample, gpu: &Gpu) -> String {
    let meter = sample.power.iter().find(|power| power.domain == Domain::Gpu(gpu.index));
    let watts = meter.and_then(|power| power.watts.value());
    watts.map_or_else(String::new, |watts| format!(" {:>4}", format!("{:.0}W", watts.0)))
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
