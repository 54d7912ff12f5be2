//! The machines: one card for each with its power, and the sessions of their servers.

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Spans, below, row, spans_width};
use crate::ui::fleet_view::{FIELDS, FleetField};
use crate::ui::theme::Meaning;
use domain::figure::{Figure, Grade};
use domain::filter::{self, Filter};
use domain::machine::Sample;
use domain::machine::remote::{LinkState, RemoteFigures, RemoteMachine, RemotePower, RemoteSession};
use domain::units::{Watts, counted, or_dash};

/// Columns of a machine's name.
const NAME: u16 = 12;

/// From this height of the screen on a card has a second row.
const AIRY: u16 = 26;

/// Rows that the cards take of a screen of this height; none without other machines.
pub(crate) fn rows(state: &State, height: u16) -> u16 {
    let n = state.domain.machines.len() as u16;
    if n == 0 {
        return 0;
    }
    (1 + (n + 1) * card_rows(height)).min(height / 2)
}

fn card_rows(height: u16) -> u16 {
    if height >= AIRY { 2 } else { 1 }
}

/// Draw the cards: this machine's, then the others'.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample, height: u16) {
    if area.height == 0 {
        return;
    }
    canvas.claim("machines", area);
    let own = RemoteFigures::of(sample);
    canvas.say(area.x, area.y, area.width, "Machines", Meaning::Accent);
    let all = [canvas.span(Meaning::Muted, "together "), canvas.span(Meaning::Text, together(state, sample))];
    canvas.put_right(area.x, area.y, area.width, &all);
    let mut rest = below(area, 1);
    let n_live = |machine: Option<&str>| {
        let there = state.domain.sessions.iter().filter(|session| session.machine() == machine && session.is_live());
        there.count()
    };
    let n_own = state.domain.library.models.iter().filter(|model| model.machine.is_none()).count();
    let detail = format!("{} · {} · {}", own.processor, counted(n_own, "model"), counted(n_live(None), "session"));
    rest = card(canvas, rest, ("here", Meaning::Good), &figures(canvas, &own), (&detail, Meaning::Muted), height);
    for machine in &state.domain.machines {
        let name = machine.name.as_str();
        let (head, detail) = match (&machine.link, machine.figures.as_deref()) {
            (LinkState::Connecting, _) => (vec![canvas.span(Meaning::Muted, "connecting …")], String::new()),
            (LinkState::Lost { reason, hint, again }, _) => {
                let hint = hint.as_ref().map_or_else(String::new, |hint| format!("{hint}; "));
                (
                    vec![canvas.span(Meaning::Bad, reason.clone())],
                    format!("{hint}tried again every {} s", again.as_secs()),
                )
            }
            (LinkState::Connected, None) => (vec![canvas.span(Meaning::Muted, "reading its sensors …")], String::new()),
            (LinkState::Connected, Some(figures_there)) => {
                let n_sessions = n_live(Some(name)) + machine.sessions.len();
                let detail = match &machine.differs {
                    Some(differs) => differs.clone(),
                    None => {
                        format!(
                            "{} · {} · {}",
                            figures_there.processor,
                            counted(machine.n_models, "model"),
                            counted(n_sessions, "session")
                        )
                    }
                };
                (figures(canvas, figures_there), detail)
            }
        };
        let meaning = match (&machine.link, &machine.differs) {
            (LinkState::Connected, None) => Meaning::Good,
            (LinkState::Connected, Some(_)) => Meaning::Warn,
            (LinkState::Connecting, _) => Meaning::Muted,
            (LinkState::Lost { .. }, _) => Meaning::Bad,
        };
        let of_detail = if machine.differs.is_some() { Meaning::Warn } else { Meaning::Muted };
        rest = card(canvas, rest, (name, meaning), &head, (&detail, of_detail), height);
    }
}

fn card(
    canvas: &mut Canvas<'_>,
    area: Rect,
    (name, meaning): (&str, Meaning),
    head: &Spans<'_>,
    (detail, of_detail): (&str, Meaning),
    height: u16,
) -> Rect {
    if area.height == 0 {
        return area;
    }
    canvas.say(area.x + 1, area.y, NAME, name, meaning);
    let (x, width) = (area.x + 2 + NAME, area.width.saturating_sub(NAME + 2));
    canvas.put_spans(x, area.y, width, head);
    if card_rows(height) > 1 {
        if area.height > 1 {
            canvas.say(x, area.y + 1, width, detail, of_detail);
        }
        return below(area, 2);
    }
    // Without a second row it stands behind, as far as there is room.
    let used = spans_width(head) as u16 + 2;
    canvas.say(x + used.min(width), area.y, width.saturating_sub(used), detail, of_detail);
    below(area, 1)
}

fn figures<'a>(canvas: &Canvas<'_>, figures: &RemoteFigures) -> Spans<'a> {
    let memory = figures.memory.map(|(used, total)| format!("{:.1}/{:.0} GB", used.gigabytes(), total.gigabytes()));
    let mut spans = vec![
        canvas.span(Meaning::Muted, "cpu "),
        canvas.span(Meaning::Text, format!("{:>4}", or_dash(figures.cpu))),
        canvas.span(Meaning::Muted, "  ram "),
        canvas.span(Meaning::Text, or_dash(memory)),
    ];
    for gpu in figures.gpus.iter().take(MAX_GPUS) {
        let memory = gpu.memory.map(|(used, total)| format!("{:.1}/{:.0} GB", used.gigabytes(), total.gigabytes()));
        spans.push(canvas.span(Meaning::Muted, "  gpu "));
        spans.push(canvas.span(Meaning::Text, or_dash(memory)));
    }
    if let Some(RemotePower { watts: Figure::Known { value, grade, .. }, boundary }) = &figures.power {
        spans.push(canvas.span(Meaning::Text, format!("  {}{value}", grade.mark())));
        spans.push(canvas.span(Meaning::Muted, format!(" {boundary}")));
    } else {
        let why = figures.why_no_power.clone().unwrap_or_else(|| "not reported".to_owned());
        spans.push(canvas.span(Meaning::Muted, format!("  power — {why}")));
    }
    spans
}

/// GPUs of a machine that its card has room for.
const MAX_GPUS: usize = 4;

/// The power of all machines: of those that report it, with the worst grade, and how many don't.
fn together(state: &State, sample: &Sample) -> String {
    let own = sample.total();
    let others = state.domain.machines.iter().map(RemoteMachine::power);
    let others = others.map(|power| power.value().copied().zip(power.grade()));
    let all: Vec<Option<(Watts, Grade)>> = std::iter::once(own).chain(others).collect();
    let known = all.iter().flatten();
    let n_unknown = all.iter().filter(|power| power.is_none()).count();
    let Some(grade) = known.clone().map(|(_, grade)| *grade).max() else {
        return format!("power — ({} machines, none reports it)", all.len());
    };
    let watts = Watts(known.map(|(watts, _)| watts.0).sum());
    let unknown = if n_unknown > 0 { format!(" + {n_unknown} unknown") } else { String::new() };
    format!("{}{watts}{unknown}", grade.mark())
}

/// A session of a machine's server.
struct There<'a>(&'a str, &'a RemoteSession);

impl filter::Row<FleetField> for There<'_> {
    fn has(&self, part: &str) -> bool {
        [self.0, &self.1.name, &self.1.phase].iter().any(|text| text.to_lowercase().contains(part))
    }

    fn is(&self, field: FleetField, part: &str) -> bool {
        match field {
            FleetField::State => self.1.phase.starts_with(part),
            FleetField::Name | FleetField::Model => self.1.name.to_lowercase().contains(part),
            FleetField::On => self.0.to_lowercase().contains(part),
            _ => false,
        }
    }

    fn figure(&self, _: FleetField) -> Option<f64> {
        None
    }
}

/// The sessions of other machines' servers that pass the fleet's filter.
fn sessions(state: &State) -> Vec<(&str, &RemoteSession)> {
    if state.domain.machines.is_empty() {
        return Vec::new();
    }
    let filter = Filter::parse(state.ui.fleet.filter.text(), FIELDS);
    let all = state
        .domain
        .machines
        .iter()
        .flat_map(|machine| machine.sessions.iter().map(move |session| (machine.name.as_str(), session)));
    all.filter(|(machine, session)| filter.fits(&There(machine, session))).collect()
}

/// Rows of the fleet that they take: a head and one for each.
pub(crate) fn fleet_rows(state: &State, most: u16) -> u16 {
    match sessions(state).len() {
        0 => 0,
        n => (n as u16 + 1).min(most),
    }
}

/// Draw them below the sessions of this program.
pub(crate) fn draw_fleet(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    canvas.claim("there", area);
    canvas.say(area.x + 1, area.y, area.width.saturating_sub(1), "Sessions of other machines' servers", Meaning::Muted);
    for (index, (machine, session)) in sessions(state).into_iter().enumerate().take(usize::from(area.height) - 1) {
        let spans = [
            canvas.span(Meaning::Muted, format!("{machine}/")),
            canvas.span(Meaning::Text, format!("{}  ", session.name)),
            canvas.span(Meaning::Muted, session.phase.clone()),
        ];
        canvas.put_spans(area.x + 1, row(area, index as u16 + 1).y, area.width.saturating_sub(1), &spans);
    }
}
