//! Where do memory, power and heat go, and what can't be read?

use ratatui::layout::Rect;

use crate::ui::Screen;
use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, inset, row, split_columns, split_rows};
use crate::ui::panels::{cores, energy, graphs, machine_figures, machines, memory_bar, sources};
use crate::ui::theme::Meaning;
use crate::ui::view_state::ViewState;
use crate::ui::widgets::bar;
use crate::ui::{Action, Mode};
use domain::machine::{Domain, Sample};
use domain::units::{Bytes, Ratio, or_dash, span};

/// From this width on the sources stand beside the rest.
const WIDE: u16 = 130;

/// Draw the screen.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    let area = inset(area, 1);
    let Some(sample) = &state.domain.machine.sample else {
        canvas.say(area.x, area.y, area.width, "Reading the sensors for the first time …", Meaning::Muted);
        return;
    };
    host(canvas, area, state, sample);
    let area = below(area, 1);
    let (cards, rest) = split_rows(area, machines::rows(state, area.height));
    machines::draw(canvas, cards, state, sample, area.height);
    let area = rest;
    view_state.page_rows = usize::from(area.height / 2);
    if area.width >= WIDE && !canvas.plain {
        let (left, right) = split_columns(area, area.width * 52 / 100);
        let left = Rect { width: left.width - 2, ..left };
        let wanted = sources::rows(state, sample, left.width) + 1;
        let (graph, lower) = split_rows(left, left.height.saturating_sub(wanted).max(left.height / 2));
        graphs::draw(canvas, graph, state);
        sensors(canvas, lower, state, sample);
        canvas.vertical(right.x, right.y, right.height, Meaning::Border);
        let right = Rect { x: right.x + 2, width: right.width - 2, ..right };
        parts(canvas, right, state, sample, true);
        return;
    }
    let airy = area.height >= 40;
    let least = match area.height {
        30.. => 10,
        18.. => 7,
        _ => 1,
    };
    // The graphs have what nothing else needs.
    let others =
        PARTS + 2 * u16::from(airy) * PARTS / 3 + (sample.gpus.len() + sample.rpc.len() + sample.disks.len()) as u16;
    let others = others + if sample.total().is_some() { ENERGY } else { 0 };
    let spare = area.height.saturating_sub(others + sources::rows(state, sample, area.width) + 1);
    let graph_rows = spare.clamp(least, (area.height / 2).max(least));
    let (graph, area) = split_rows(area, graph_rows);
    graphs::draw(canvas, graph, state);
    // The sensors have what is left, and a few rows in any case.
    let wanted = sources::rows(state, sample, area.width) + 1;
    let least = if state.ui.machine.shows_missing { area.height / 2 } else { 4 };
    let room = area.height.saturating_sub(wanted.min(least));
    let rest = parts(canvas, Rect { height: room, ..area }, state, sample, airy);
    sensors(canvas, below(area, rest.y - area.y), state, sample);
}

fn sensors(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample) {
    heading(canvas, row(area, 0), "Sensors");
    sources::draw(canvas, below(area, 1), state, sample);
}

/// What the machine is, and what taffrail itself takes of it.
pub(super) fn host(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample) {
    if area.height == 0 {
        return;
    }
    let host = &sample.host;
    let line = format!("{} · {} · {}", host.name, host.processor, host.system);
    let watts = &state.domain.machine.own_watts;
    let watts = watts.value().map_or_else(String::new, |_| format!(", {watts}"));
    let own = match &sample.own {
        None => "taffrail itself —".to_owned(),
        Some(own) => format!("taffrail itself {:.1}% of a core, {}{watts}", own.cores * 100.0, own.resident),
    };
    let own_columns = (own.chars().count() as u16).min(area.width);
    canvas.say(area.x, area.y, area.width.saturating_sub(own_columns + 2), &line, Meaning::Muted);
    canvas.say(area.right() - own_columns, area.y, own_columns, &own, Meaning::Text);
}

fn heading(canvas: &mut Canvas<'_>, area: Rect, text: &str) {
    if area.height > 0 {
        canvas.say(area.x, area.y, area.width, text, Meaning::Accent);
    }
}

/// Everything but the sources; returns what it left.
pub(super) fn parts(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample, airy: bool) -> Rect {
    let gap = u16::from(airy);
    let mut rest = area;
    let core_rows = cores::rows(sample, area.width).min((area.height / 3).max(1));
    cores::draw(canvas, split_rows(rest, core_rows).0, sample);
    rest = below(rest, core_rows);
    rest = temperatures(canvas, rest, sample);
    rest = below(rest, gap);
    if airy {
        let less = sample.allowed.less_memory().map_or_else(String::new, |less| format!(", {less}"));
        let text = match &sample.memory {
            Some(memory) => format!("Memory  {} of {} available{less}", memory.available, memory.total),
            None => "Memory  —".to_owned(),
        };
        heading(canvas, row(rest, 0), &text);
        rest = below(rest, 1);
    }
    let bar_rows = memory_bar::draw(canvas, rest, state, sample);
    rest = below(rest, bar_rows + gap);
    // `taffrail top` starts nothing that could be given a budget.
    if state.ui.screen != Screen::Top {
        if airy {
            heading(canvas, row(rest, 0), "Session budgets");
            rest = below(rest, 1);
        }
        rest = below(budgets(canvas, rest, state, sample, airy), gap);
    }
    let before = rest;
    // What it means in all is worth the rows that nothing else needs.
    let has_room = rest.height >= ENERGY + sample.gpus.len() as u16 + 2;
    rest = energy::draw(canvas, rest, state, sample, airy || has_room);
    if rest != before {
        rest = below(rest, gap);
    }
    if airy && !sample.gpus.is_empty() {
        heading(canvas, row(rest, 0), "GPUs");
        rest = below(rest, 1);
    }
    rest = gpus(canvas, rest, sample);
    if !sample.gpus.is_empty() {
        rest = below(rest, gap);
    }
    if airy && !sample.rpc.is_empty() {
        heading(canvas, row(rest, 0), "Other machines");
        rest = below(rest, 1);
    }
    rest = machines(canvas, rest, sample);
    if !sample.rpc.is_empty() {
        rest = below(rest, gap);
    }
    // A heading alone says nothing.
    if airy && rest.height > 1 {
        heading(canvas, row(rest, 0), "Disks");
        rest = below(rest, 1);
    }
    let left = below(disks(canvas, rest, sample, airy), gap);
    canvas.claim("parts", Rect { height: left.y - area.y, ..area });
    left
}

/// Rows of cores, memory, budgets and power, about.
const PARTS: u16 = 11;

/// Rows of all that is told of energy.
const ENERGY: u16 = 9;

/// Columns of the labels, and of a disk's bar.
const LABEL: u16 = 16;
const BAR: u16 = 8;

fn line(canvas: &mut Canvas<'_>, area: Rect, label: &str, text: &str) -> Rect {
    if area.height > 0 {
        let value = [canvas.span(Meaning::Text, text)];
        canvas.pair(row(area, 0), label, LABEL, &value);
    }
    below(area, 1)
}

fn temperatures(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample) -> Rect {
    if sample.temperatures.is_empty() || area.height == 0 {
        return area;
    }
    let mut spans: Spans<'_> = Vec::new();
    for temperature in &sample.temperatures {
        let is_hot = temperature.critical.is_some_and(|critical| temperature.celsius.0 >= critical.0 - 5.0);
        spans.push(canvas.span(Meaning::Muted, format!("{} ", temperature.label)));
        spans.push(
            canvas.span(if is_hot { Meaning::Bad } else { Meaning::Text }, format!("{}   ", temperature.celsius)),
        );
    }
    canvas.put_spans(area.x + 1, area.y, area.width.saturating_sub(1), &spans);
    below(area, 1)
}

/// Threads and memory: used, promised, left.
fn budgets(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample, airy: bool) -> Rect {
    let threads: u32 = state.domain.sessions.iter().map(|session| session.threads).sum();
    let limit = state.domain.thread_limit();
    let keys = [(Action::FewerThreads, "fewer"), (Action::MoreThreads, "more")]
        .map(|(action, word)| format!("{} {word}", canvas.key(Mode::Machine, action)));
    let mut spans = vec![canvas.span(Meaning::Text, format!("{threads} of {limit} in use"))];
    if let Some(fewer) = sample.allowed.fewer_threads(sample.cores.len()) {
        spans.push(canvas.span(Meaning::Muted, format!(", {} cores, {fewer}", sample.cores.len())));
    }
    spans.push(canvas.span(Meaning::Muted, format!("   {}", keys.join("  "))));
    if area.height > 0 {
        canvas.pair(row(area, 0), "threads", LABEL, &spans);
    }
    let planned: Bytes =
        state.domain.sessions.iter().filter(|session| session.is_live()).map(|session| session.planned.total()).sum();
    let budget = &state.domain.settings.budget;
    let limit = budget.memory.map(|memory| format!(" of {memory}")).unwrap_or_default();
    let less = sample.allowed.less_memory().filter(|_| !airy).map_or_else(String::new, |less| format!("; {less}"));
    let available = or_dash(sample.memory.map(|memory| memory.available));
    let text = format!("{planned} reserved{limit}, {available} available, {} kept free{less}", budget.reserve);
    let rest = line(canvas, below(area, 1), "memory", &text);
    let bandwidth = match &state.domain.machine.bandwidth {
        _ if state.domain.machine.measuring => "being measured …".to_owned(),
        Some(bandwidth) => format!("{bandwidth}, {}", measured(state, bandwidth.unix)),
        None if !airy => return rest,
        None => format!("— not measured; press {} to measure it", canvas.key(Mode::Machine, Action::MeasureBandwidth)),
    };
    line(canvas, rest, "bandwidth", &bandwidth)
}

fn measured(state: &State, unix: i64) -> String {
    let age = std::time::Duration::from_secs(state.domain.now.unix.saturating_sub(unix).max(0).cast_unsigned());
    if age < std::time::Duration::from_mins(2) {
        "measured just now".to_owned()
    } else {
        format!("measured {} ago", span(age))
    }
}

fn gpus(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample) -> Rect {
    let mut rest = area;
    for gpu in &sample.gpus {
        let usage = gpu.usage.value().copied();
        let memory = gpu.memory().map(|(used, total)| format!("{used} of {total}"));
        let watts = sample.power.iter().find(|power| power.domain == Domain::Gpu(gpu.index)).map(|power| &power.watts);
        let figures = [
            memory,
            gpu.temperature.map(|celsius| celsius.to_string()),
            watts.filter(|watts| watts.value().is_some()).map(ToString::to_string),
            gpu.mhz.filter(|_| area.width >= WITH_CLOCKS).map(|mhz| format!("{mhz} MHz")),
        ];
        let mut spans = vec![canvas.span(machine_figures::level(usage), format!("{:>4}", or_dash(usage)))];
        spans.extend(figures.into_iter().flatten().map(|text| canvas.span(Meaning::Text, format!("   {text}"))));
        if !gpu.held_by.is_empty() {
            spans.push(canvas.span(Meaning::Warn, format!("   throttled by {}", gpu.held_by)));
        }
        spans.push(canvas.span(Meaning::Muted, format!("   {}", gpu.name)));
        if rest.height > 0 {
            canvas.pair(row(rest, 0), &format!("gpu {}", gpu.index), LABEL, &spans);
        }
        rest = below(rest, 1);
    }
    rest
}

/// Devices of other machines, each with its memory; or why a machine can't be used.
fn machines(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample) -> Rect {
    let mut rest = area;
    for machine in &sample.rpc {
        let meaning = if machine.problem.is_some() { Meaning::Bad } else { Meaning::Text };
        for (name, text) in machine.lines() {
            if rest.height > 0 {
                let spans = [canvas.span(meaning, text)];
                canvas.pair(row(rest, 0), &name, LABEL, &spans);
            }
            rest = below(rest, 1);
        }
    }
    rest
}

/// From this width on a card's clock stands beside its other figures.
const WITH_CLOCKS: u16 = 90;

fn disks(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample, airy: bool) -> Rect {
    let mut rest = area;
    for disk in sample.disks.iter().take(if airy { 6 } else { 2 }) {
        let used = Ratio(1.0 - disk.free.0 as f64 / disk.total.0.max(1) as f64);
        let line = row(rest, 0);
        if line.height == 0 {
            break;
        }
        canvas.say(line.x, line.y, LABEL - 1, &disk.mount, Meaning::Muted);
        let style = canvas.style(match machine_figures::level(Some(used)) {
            Meaning::Text => Meaning::Accent,
            other => other,
        });
        bar::share(canvas, Rect { x: line.x + LABEL, width: BAR, ..line }, used.0, style);
        let rate = |bytes: Option<Bytes>| or_dash(bytes.map(|bytes| format!("{bytes}/s")));
        let (read, written) = (rate(disk.read), rate(disk.written));
        let text = format!("  {} free of {}  read {read}  write {written}", disk.free, disk.total);
        canvas.say(line.x + LABEL + BAR, line.y, line.width.saturating_sub(LABEL + BAR), &text, Meaning::Text);
        rest = below(rest, 1);
    }
    rest
}
