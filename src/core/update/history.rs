//! What goes into the history, and what follows from its answers.

use super::super::answer;
use super::super::editor::Editor;
use super::super::effect::Effect;
use super::super::event::HistoryEvent;
use super::super::history::{Filter, Page, Record};
use super::super::session::SessionId;
use super::super::state::{Screen, State};
use super::{bench, next_id, notify};

/// Keep the answer that a session has just ended. A race's answer is kept with the race.
pub(super) fn remember_answer(state: &mut State, id: SessionId) -> Vec<Effect> {
    let at = now_ms(state);
    let sample = state.machine.sample.as_deref();
    let wait = state.settings.engine.wait_policy;
    let Some(session) = state.fleet.sessions.iter().find(|session| session.id == id) else { return Vec::new() };
    if state.race.race.as_mut().is_some_and(|race| race.measure(session, wait, sample)) {
        return Vec::new();
    }
    let record = answer::record(state, session, at);
    remember(state, record)
}

/// Keep a record, unless the user wants none.
pub(super) fn remember(state: &mut State, record: Record) -> Vec<Effect> {
    if !state.settings.history.keep {
        return Vec::new();
    }
    vec![Effect::Remember { ask: next_id(state), record: Box::new(record) }]
}

/// Now by the wall clock, milliseconds since 1970.
pub(super) fn now_ms(state: &State) -> i64 {
    state.now.unix.saturating_mul(1000)
}

/// Take an answer of the history.
pub(super) fn heard(state: &mut State, event: HistoryEvent) -> Vec<Effect> {
    match event {
        HistoryEvent::Measured(latest) => state.library.take_measured(latest),
        HistoryEvent::Kept { ask, id: _, earlier } => bench::compared(state, ask, earlier),
        HistoryEvent::NotKept { ask, reason } => {
            notify(state, reason, true);
            bench::compared(state, ask, Vec::new());
        }
        HistoryEvent::Listed { generation, entries, more } => {
            let list = &mut state.history;
            if generation == list.generation {
                if list.before.is_none() {
                    list.entries.clear();
                }
                list.entries.extend(entries);
                list.more = more;
                list.asked = false;
                list.chosen = list.chosen.min(list.entries.len().saturating_sub(1));
            }
        }
        HistoryEvent::Trouble(reason) => {
            state.history.asked = false;
            notify(state, reason, true);
        }
    }
    Vec::new()
}

/// Rows that are asked for at once: more than a screen has.
const PAGE: usize = 200;

/// Show the history, or the bench again.
pub(super) fn turn(state: &mut State) -> Vec<Effect> {
    state.history.open = state.screen != Screen::Bench || !state.history.open;
    state.screen = Screen::Bench;
    if state.history.open { ask(state) } else { Vec::new() }
}

/// Ask for the newest records that pass the filter.
pub(super) fn ask(state: &mut State) -> Vec<Effect> {
    state.history.generation = next_id(state);
    state.history.before = None;
    state.history.chosen = 0;
    list(state)
}

/// Ask for older records where the choice comes near the last one.
pub(super) fn ask_older(state: &mut State) -> Vec<Effect> {
    let history = &mut state.history;
    if history.asked || !history.more || history.chosen + PAGE / 2 < history.entries.len() {
        return Vec::new();
    }
    history.before = history.entries.last().map(|entry| entry.id);
    list(state)
}

fn list(state: &mut State) -> Vec<Effect> {
    let history = &mut state.history;
    history.asked = true;
    vec![Effect::ListHistory {
        generation: history.generation,
        filter: Filter::parse(history.filter.text()),
        page: Page { before: history.before, rows: PAGE },
    }]
}

/// Esc: the filter goes first, then the face.
pub(super) fn back(state: &mut State) -> Vec<Effect> {
    if state.history.filtering || !state.history.filter.is_empty() {
        state.history.filtering = false;
        state.history.filter = Editor::default();
        return ask(state);
    }
    state.history.open = false;
    Vec::new()
}
