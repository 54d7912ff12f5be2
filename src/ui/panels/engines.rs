//! The engines of other programs, and how much each does for whomever, below the sessions.

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, row};
use crate::ui::fleet_view::{FIELDS, FleetField};
use crate::ui::theme::Meaning;
use domain::engine_metrics::{EngineMetrics, EngineSilence};
use domain::filter::{self, Filter};
use domain::units::{counted, span};

/// What is older than this says so, in seconds: engines are asked every other second.
const NEW: u64 = 10;

/// An engine as a row of the fleet.
struct Engine<'a>(&'a EngineMetrics);

impl filter::Row<FleetField> for Engine<'_> {
    fn has(&self, part: &str) -> bool {
        self.0.engine.to_lowercase().contains(part) || self.0.kind.name().contains(part)
    }

    fn is(&self, field: FleetField, part: &str) -> bool {
        matches!(field, FleetField::Name | FleetField::On) && self.0.engine.to_lowercase().contains(part)
    }

    fn figure(&self, _: FleetField) -> Option<f64> {
        None
    }
}

/// Those that pass the fleet's filter.
fn engines(state: &State) -> Vec<&EngineMetrics> {
    if state.domain.engines.is_empty() {
        return Vec::new();
    }
    let filter = Filter::parse(state.ui.fleet.filter.text(), FIELDS);
    state.domain.engines.iter().filter(|engine| filter.fits(&Engine(engine))).collect()
}

/// Rows of the fleet that they take: a head and one for each, or one for all where there is little room.
pub(crate) fn rows(state: &State, most: u16) -> u16 {
    match engines(state).len() {
        0 => 0,
        _ if most < LEAST => most.min(1),
        n => (n as u16 + 1).min(most),
    }
}

/// Rows from which on they are a list.
const LEAST: u16 = 3;

/// The busiest of them, in one row.
fn busiest(canvas: &mut Canvas<'_>, area: Rect, engines: &[&EngineMetrics]) {
    let n_running =
        |engine: &&&EngineMetrics| engine.answer.as_ref().ok().map(|reading| reading.n_running.unwrap_or(0));
    let Some(engine) = engines.iter().max_by_key(n_running) else { return };
    let more = match engines.len() {
        1 => String::new(),
        n => format!("  and {}", counted(n - 1, "more engine")),
    };
    let spans = [
        canvas.span(Meaning::Muted, "Engine "),
        canvas.span(Meaning::Text, format!("{}  {}", engine.engine, engine.line())),
        canvas.span(Meaning::Muted, more),
    ];
    canvas.put_spans(area.x + 1, area.y, area.width.saturating_sub(1), &spans);
}

/// Draw them.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    canvas.claim("engines", area);
    let width = area.width.saturating_sub(1);
    let engines = engines(state);
    if area.height == 1 {
        return busiest(canvas, area, &engines);
    }
    canvas.say(area.x + 1, area.y, width, "Engines of other programs", Meaning::Muted);
    let columns = engines.iter().map(|engine| engine.engine.chars().count()).max().unwrap_or(0);
    let room = usize::from(area.height) - 1;
    let n_shown = if engines.len() > room { room.saturating_sub(1) } else { room };
    if engines.len() > room && room > 0 {
        let more = format!("{} more, which `taffrail doctor` lists", engines.len() - n_shown);
        canvas.say(area.x + 1, area.bottom() - 1, width, &more, Meaning::Muted);
    }
    for (index, engine) in engines.into_iter().enumerate().take(n_shown) {
        let meaning = match &engine.answer {
            Ok(_) => Meaning::Text,
            Err(EngineSilence::NotReported { .. }) => Meaning::Muted,
            Err(EngineSilence::Failed { .. }) => Meaning::Bad,
        };
        let age = engine.age(state.domain.now);
        let age = if age.as_secs() >= NEW { format!("  {} ago", span(age)) } else { String::new() };
        let spans = [
            canvas.span(Meaning::Text, format!("{:<columns$}  ", engine.engine)),
            canvas.span(Meaning::Muted, format!("{:<12}  ", engine.kind.name())),
            canvas.span(meaning, engine.line()),
            canvas.span(Meaning::Muted, age),
        ];
        canvas.put_spans(area.x + 1, row(area, index as u16 + 1).y, width, &spans);
    }
}
