//! The history's list on the Bench screen, and the record that shows.

use domain::command::What;
use domain::event::HistoryEvent;
use domain::record::{Filter, Page, Record, report};

use super::{Client, notify};
use crate::ui::editor::Editor;
use crate::ui::{BenchTab, Effect, Overlay, Screen};

/// Take an answer of the history that is for this client.
pub(super) fn on_event(state: &mut Client<'_>, event: &HistoryEvent) -> Vec<Effect> {
    match event {
        HistoryEvent::Revealed(_) => return ask(state),
        HistoryEvent::Deleted { id, .. } => {
            let list = &mut state.ui.history;
            list.entries.retain(|entry| entry.id != *id);
            list.chosen = list.chosen.min(list.entries.len().saturating_sub(1));
        }
        HistoryEvent::Listed { generation, entries, more } => {
            let list = &mut state.ui.history;
            if *generation == list.generation {
                if list.before.is_none() {
                    list.entries.clear();
                }
                list.entries.extend(entries.iter().cloned());
                list.more = *more;
                list.asked = false;
                list.chosen = list.chosen.min(list.entries.len().saturating_sub(1));
            }
        }
        HistoryEvent::Record(record) => open(state, record.as_deref()),
        HistoryEvent::Trouble(_) => state.ui.history.asked = false,
        _ => {}
    }
    Vec::new()
}

/// Rows that are asked for at once: more than a screen has.
const PAGE: usize = 200;

fn is_open(state: &Client<'_>) -> bool {
    state.ui.bench_tab == BenchTab::History
}

/// Show the history, or the bench again.
pub(super) fn turn(state: &mut Client<'_>) -> Vec<Effect> {
    let shows = state.ui.screen == Screen::Bench && is_open(state);
    state.ui.bench_tab = if shows { BenchTab::Benches } else { BenchTab::History };
    state.ui.screen = Screen::Bench;
    if shows { Vec::new() } else { ask(state) }
}

/// Ask for the newest records that pass the filter.
pub(super) fn ask(state: &mut Client<'_>) -> Vec<Effect> {
    state.ui.history.generation += 1;
    state.ui.history.before = None;
    state.ui.history.chosen = 0;
    list(state)
}

/// Ask for older records where the choice comes near the last one.
pub(super) fn ask_older(state: &mut Client<'_>) -> Vec<Effect> {
    let history = &mut state.ui.history;
    if history.asked || !history.more || history.chosen + PAGE / 2 < history.entries.len() {
        return Vec::new();
    }
    history.before = history.entries.last().map(|entry| entry.id);
    list(state)
}

fn list(state: &mut Client<'_>) -> Vec<Effect> {
    let history = &mut state.ui.history;
    history.asked = true;
    vec![Effect::ListHistory {
        generation: history.generation,
        filter: Filter::parse(history.filter.text()),
        page: Page { before: history.before, rows: PAGE },
    }]
}

/// Ask for the chosen record, to show it.
pub(super) fn choose(state: &Client<'_>) -> Vec<Effect> {
    let chosen = state.ui.history.entries.get(state.ui.history.chosen).filter(|_| is_open(state));
    chosen.map(|entry| Effect::GetRecord(entry.id)).into_iter().collect()
}

/// Show a record.
fn open(state: &mut Client<'_>, record: Option<&Record>) {
    let Some(record) = record else { return notify(state, "this record is gone", true) };
    let title = format!("{} {}", record.kind().name(), record.id);
    state.ui.overlay = Some(Overlay::Record { title, text: report::plain_text(record), scroll: 0 });
}

/// Ask whether the chosen record shall go.
pub(super) fn delete(state: &mut Client<'_>) -> Vec<Effect> {
    let Some(entry) = state.ui.history.entries.get(state.ui.history.chosen).filter(|_| is_open(state)) else {
        return Vec::new();
    };
    let question = format!("Delete {} {} ({}) from the history for good?", entry.kind.name(), entry.id, entry.title);
    state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(What::DeleteRecord(entry.id).into()) });
    Vec::new()
}

/// Ask whether the names of the chosen blind race shall be told.
pub(super) fn reveal(state: &mut Client<'_>) {
    match state.ui.history.entries.get(state.ui.history.chosen).filter(|_| is_open(state)) {
        Some(entry) if entry.is_sealed => {
            let question = format!("Tell the names of race {} ({}) without a vote?", entry.id, entry.title);
            state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(What::RevealRace(entry.id).into()) });
        }
        _ => notify(state, "no names are hidden here", true),
    }
}

/// Esc: the filter goes first, then the face.
pub(super) fn back(state: &mut Client<'_>) -> Vec<Effect> {
    if state.ui.history.filtering || !state.ui.history.filter.is_empty() {
        state.ui.history.filtering = false;
        state.ui.history.filter = Editor::default();
        return ask(state);
    }
    state.ui.bench_tab = BenchTab::Benches;
    Vec::new()
}
