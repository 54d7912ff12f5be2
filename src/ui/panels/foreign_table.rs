//! Processes of other programs that run or train models: rows below the sessions, and the chosen one in full.

use ratatui::layout::Rect;

use crate::ui::FleetSort;
use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, inset, row, split_rows};
use crate::ui::hits::List;
use crate::ui::theme::Meaning;
use crate::ui::widgets::table::{self, Align, Column, Row};
use crate::ui::{Action, Mode};
use domain::figure::Figure;
use domain::machine::other_processes::OtherProcess;

const fn column(head: &'static str, width: u16, align: Align, rank: u8) -> Column {
    Column { head, width, align, rank }
}

const COLUMNS: [Column; 6] = [
    column("Program", 16, Align::Left, 0),
    column("Model", 12, Align::Grow(40), 0),
    column("CPU", 5, Align::Right, 3),
    column("Mem GB", 7, Align::Right, 1),
    column("GPU GB", 7, Align::Right, 4),
    column("Power W", 7, Align::Right, 2),
];

const PROGRAM: usize = 0;
const PROCESSOR: usize = 2;
const MEMORY: usize = 3;
const GPU_MEMORY: usize = 4;
const POWER: usize = 5;

/// Columns of the labels.
const LABEL: u16 = 12;

/// The most rows of processes beside sessions.
const MAX_ROWS: u16 = 6;

/// Rows that the table wants where it has so many to share with the sessions: a rule, a head, and one for each.
pub(crate) fn rows(state: &State, room: u16) -> u16 {
    let count = state.ui.fleet.foreign.rows.len() as u16;
    if count == 0 || room < 5 { 0 } else { (count.min(MAX_ROWS) + 2).min(room / 2) }
}

/// Draw the rule, the head and the rows.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let Some(sample) = state.domain.machine.sample.as_ref().filter(|_| area.height > 0) else { return };
    let (rule, rest) = split_rows(area, 1);
    canvas.horizontal(rule.x, rule.y, rule.width, Meaning::Border);
    let rows = &state.ui.fleet.foreign.rows;
    let shown = usize::from(rest.height.saturating_sub(1));
    let text = if shown < rows.len() {
        format!(" other processes {shown}/{} ", rows.len())
    } else {
        " other processes ".to_owned()
    };
    canvas.say(rule.x + 2, rule.y, rule.width.saturating_sub(2), &text, Meaning::Muted);
    let chosen = state.chosen_foreign().map(OtherProcess::id);
    let chosen = rows.iter().position(|id| Some(*id) == chosen);
    // The choice alone says which rows show, so that nothing is to be kept between frames.
    let mut offset = 0;
    let count = rows.len();
    table::draw(canvas, rest, &COLUMNS, sorted(state), (rows.len(), chosen, true), &mut offset, |canvas, index| {
        let foreign = rows.get(index).and_then(|id| sample.foreign.iter().find(|foreign| foreign.id() == *id));
        Row { cells: foreign.map(|foreign| cells(canvas, state, foreign)).unwrap_or_default(), instead: None }
    });
    canvas.hit_rows(rest, List::OtherProcesses, offset, count);
}

/// The column that sorts, and its sign.
fn sorted(state: &State) -> Option<(usize, &'static str)> {
    let index = match state.ui.fleet.sort {
        FleetSort::Name => PROGRAM,
        FleetSort::Processor => PROCESSOR,
        FleetSort::Memory => MEMORY,
        FleetSort::GpuMemory => GPU_MEMORY,
        FleetSort::Power => POWER,
        _ => return None,
    };
    Some((index, if state.ui.fleet.reverse { "▾" } else { "▴" }))
}

fn cells<'a>(canvas: &Canvas<'_>, state: &State, foreign: &'a OtherProcess) -> Vec<Spans<'a>> {
    let dash = || vec![canvas.span(Meaning::Muted, "—")];
    let text = |text: String| vec![canvas.span(Meaning::Text, text)];
    let power = state.domain.attribution.foreign_power(&foreign.process);
    let power = power.value().zip(power.grade()).map(|(watts, grade)| format!("{}{:.1}", grade.mark(), watts.0));
    vec![
        vec![canvas.span(Meaning::Text, foreign.engine.as_str())],
        foreign.model_name().map_or_else(dash, |name| vec![canvas.span(Meaning::Text, name)]),
        text(format!("{:.0}%", foreign.process.cores * 100.0)),
        text(format!("{:.2}", foreign.process.resident.gigabytes())),
        foreign.gpu_memory.map_or_else(dash, |memory| text(format!("{:.2}", memory.gigabytes()))),
        power.map_or_else(dash, text),
    ]
}

/// Draw all that is known of the chosen one.
pub(crate) fn card(canvas: &mut Canvas<'_>, area: Rect, state: &State, foreign: &OtherProcess) {
    if state.domain.machine.sample.is_none() {
        return;
    }
    let mut rest = inset(area, 1);
    let style = canvas.style(Meaning::Text).add_modifier(ratatui::style::Modifier::BOLD);
    let rows = canvas.paragraph(rest, &foreign.engine, style);
    rest = below(rest, rows);
    let stop = canvas.key(Mode::Fleet, Action::Stop);
    let note = format!("Not started by taffrail, which only observes it. {stop} terminates it (SIGTERM).");
    let style = canvas.style(Meaning::Muted);
    let rows = canvas.paragraph(rest, &note, style);
    rest = below(rest, rows + 1);
    let process = &foreign.process;
    let power = state.domain.attribution.foreign_power(process);
    let mapped = if foreign.closed {
        "— not readable: the process of another user".to_owned()
    } else {
        format!("{}, {} of it in memory", foreign.mapped, foreign.weights_in_memory())
    };
    let gpu = foreign.gpu_memory.map_or_else(|| "— not reported by a driver".to_owned(), |memory| memory.to_string());
    let power = match &power {
        Figure::Known { grade, source, .. } => format!("{power} {}, {source}", grade.word()),
        Figure::Unknown { reason, .. } => format!("— {reason}"),
    };
    let share = process.cpu_share.map(|share| format!(", {share} of all load")).unwrap_or_default();
    for (label, text) in [
        ("process", process.pid.to_string()),
        ("model", foreign.model_name().unwrap_or("— unknown").to_owned()),
        ("from", foreign.model.clone().unwrap_or_else(|| "—".to_owned())),
        ("processor", format!("{:.0}% of a core{share}", process.cores * 100.0)),
        ("resident", format!("{}, {} anonymous", process.resident, process.anonymous)),
        ("swapped out", process.swapped.to_string()),
        ("model files", mapped),
        ("on GPUs", gpu),
        ("power", power),
    ] {
        if rest.height == 0 {
            return;
        }
        canvas.say(row(rest, 0).x, rest.y, LABEL, label, Meaning::Muted);
        let style = canvas.style(Meaning::Text);
        let indent = LABEL.min(rest.width);
        let value = Rect { x: rest.x + indent, width: rest.width - indent, height: rest.height.min(3), ..rest };
        let rows = canvas.paragraph(value, &text, style).max(1);
        rest = below(rest, rows);
    }
}
