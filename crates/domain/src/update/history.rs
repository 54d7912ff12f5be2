//! What goes into the history, and what follows from its answers.

use std::time::Duration;

use super::{bench, next_id, notify, race, session};
use crate::answer;
use crate::command::What;
use crate::editor::Editor;
use crate::effect::Effect;
use crate::event::HistoryEvent;
use crate::history::{Draft, Filter, Held, Page, Record};
use crate::moment::Moment;
use crate::race::rating::MAX_VOTES;
use crate::report;
use crate::session::{End, Figures, SessionId, Turn};
use crate::state::State;
use crate::ui::{Overlay, Screen};
use crate::units::counted;

/// With longer periods of sampling the last tick is not waited for, and its energy is missing.
const LONGEST_PERIOD: Duration = Duration::from_secs(2);
/// A tick that is late by more than this, and a period, is waited for no more.
const SLACK: Duration = Duration::from_secs(1);

/// Whether the last part of an answer's energy may still come: with the tick after its end, where a meter ticks soon.
pub(super) fn may_settle(state: &State, since: Moment) -> bool {
    let interval = state.domain.settings.telemetry.interval;
    let is_metered = state.domain.machine.sample.as_ref().is_some_and(|sample| sample.total_power().is_some());
    let waited = state.domain.now.uptime.saturating_sub(since.uptime);
    is_metered && interval <= LONGEST_PERIOD && waited < 2 * interval + SLACK
}

/// Keep the answer that a session has just ended, whole or in part, once its energy is booked. A session that was asked
/// nothing since the last one has none. A race's answer is kept with the race.
pub(super) fn remember_answer(state: &mut State, id: SessionId) -> Vec<Effect> {
    let at = now_ms(state);
    let Some(draft) = session::find(state, id).and_then(|session| session.draft.take()) else { return Vec::new() };
    let Some(session) = state.domain.sessions.iter().find(|session| session.id == id) else { return Vec::new() };
    if state.domain.race.as_ref().is_some_and(|race| race.has(session)) || !state.domain.settings.history.keep {
        return Vec::new();
    }
    let record = answer::record(&state.domain, session, at);
    let Figures { generation, counters, .. } = session.figures;
    let took = Duration::from_micros(counters.ttft_us.unwrap_or_default() + counters.generation_us);
    let begin = state.domain.now.uptime.saturating_sub(took);
    let draft = Some(draft.id);
    state.domain.held.push(Held { record, session: id, generation, begin, since: state.domain.now, draft });
    let mut effects = keep_settled(state);
    // What waits for its last figure is whole on the disk meanwhile.
    let waits = state.domain.held.last().filter(|held| held.draft == draft);
    effects.extend(
        waits.zip(draft).map(|(held, draft)| Effect::SaveDraft { draft, record: Box::new(held.record.clone()) }),
    );
    effects
}

/// How long text may stand on the screen before it is written down. A tick of the sensors writes down all that is new.
const DRAFT_PERIOD: Duration = Duration::from_millis(500);

/// Open a draft for what a session is asked now, unless one is open.
pub(super) fn open_draft(state: &mut State, id: SessionId) {
    if !state.domain.settings.history.keep {
        return;
    }
    let draft = Draft::new(next_id(state));
    if let Some(session) = session::find(state, id) {
        session.draft.get_or_insert(draft);
    }
}

/// Nothing will be kept of what a session was asked.
pub(super) fn discard_draft(state: &mut State, id: SessionId) -> Option<Effect> {
    let draft = session::find(state, id)?.draft.take()?;
    draft.n_bytes.map(|_| Effect::DiscardDraft(draft.id))
}

/// Write down what has come of answers and of the race that runs.
pub(super) fn save_drafts(state: &mut State, is_tick: bool) -> Vec<Effect> {
    if !state.domain.settings.history.keep {
        return Vec::new();
    }
    let now = state.domain.now.uptime;
    let is_due = |draft: &Draft, n_bytes: usize| match draft.n_bytes {
        None => true,
        Some(written) => written != n_bytes && (is_tick || now.saturating_sub(draft.at) >= DRAFT_PERIOD),
    };
    let mut effects = Vec::new();
    let due: Vec<(SessionId, usize)> = (state.domain.sessions.iter())
        .filter_map(|session| {
            let n_bytes = session.turns.iter().rev().take(2).map(Turn::n_bytes).sum();
            session.draft.as_ref().is_some_and(|draft| is_due(draft, n_bytes)).then_some((session.id, n_bytes))
        })
        .collect();
    for (id, n_bytes) in due {
        let record = state.domain.session(id).map(|session| answer::draft(&state.domain, session, now_ms(state)));
        let draft = session::find(state, id).and_then(|session| session.draft.as_mut());
        if let Some((record, draft)) = record.zip(draft) {
            (draft.n_bytes, draft.at) = (Some(n_bytes), now);
            effects.push(Effect::SaveDraft { draft: draft.id, record: Box::new(record) });
        }
    }
    if let Some(race) = state.domain.race.as_ref().filter(|race| race.is_running()) {
        let n_bytes = race.n_bytes(&state.domain);
        if is_due(&race.draft, n_bytes) {
            let record = race.draft_record(&state.domain, now_ms(state));
            let draft = race.draft.id;
            effects.push(Effect::SaveDraft { draft, record: Box::new(record) });
            if let Some(race) = state.domain.race.as_mut() {
                (race.draft.n_bytes, race.draft.at) = (Some(n_bytes), now);
            }
        }
    }
    effects
}

/// The program ends: what has come of answers and of a race is kept as it is.
pub(super) fn close(state: &mut State) -> Vec<Effect> {
    let now = state.domain.now;
    let mut effects = Vec::new();
    if let Some(race) = state.domain.race.as_ref().filter(|race| race.is_running()) {
        let (record, begin, draft) = (race.draft_record(&state.domain, now_ms(state)), race.at.uptime, race.draft.id);
        effects.extend(remember(state, record, begin, Some(draft)));
    }
    let open: Vec<SessionId> =
        state.domain.sessions.iter().filter(|session| session.draft.is_some()).map(|session| session.id).collect();
    for id in open {
        if let Some(session) = session::find(state, id) {
            session.finish(End::failed("taffrail was closed"), now);
        }
        effects.extend(remember_answer(state, id));
    }
    for held in std::mem::take(&mut state.domain.held) {
        effects.extend(remember(state, held.record, held.begin, held.draft));
    }
    effects
}

/// Keep the answers that have nothing to wait for any more.
pub(super) fn keep_settled(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for mut held in std::mem::take(&mut state.domain.held) {
        let session =
            state.domain.session(held.session).filter(|session| session.figures.generation == held.generation);
        match session {
            Some(session) if !session.figures.is_settled && may_settle(state, held.since) => {
                state.domain.held.push(held);
                continue;
            }
            Some(session) if session.figures.is_settled => {
                held.record.body["energy"] = answer::energy(session, &state.domain.settings.energy);
                let sample = state.domain.machine.sample.as_deref();
                held.record.figures = vec![answer::measured(session, state.domain.settings.engine.wait_policy, sample)];
            }
            // The session is gone, or answers again: what is known has to do.
            _ => {}
        }
        effects.extend(remember(state, held.record, held.begin, held.draft));
    }
    effects
}

/// Keep a record of what began then, with what the machine showed since, unless the user wants none.
pub(super) fn remember(state: &mut State, record: Record, begin: Duration, draft: Option<u64>) -> Vec<Effect> {
    if !state.domain.settings.history.keep {
        return Vec::new();
    }
    let samples = state.domain.machine.readings.since(begin);
    // A record that never was a draft is one from now on: until the history has it, it is on the disk.
    let ask = next_id(state);
    let draft = Some(draft.unwrap_or(ask));
    vec![Effect::Remember { ask, record: Box::new(Record { samples, ..record }), draft }]
}

/// Now by the wall clock, milliseconds since 1970.
pub(super) fn now_ms(state: &State) -> i64 {
    state.domain.now.unix.saturating_mul(1000)
}

/// Take an answer of the history.
pub(super) fn heard(state: &mut State, event: HistoryEvent) -> Vec<Effect> {
    match event {
        HistoryEvent::Measured(latest) => state.domain.library.take_measured(latest),
        HistoryEvent::Kept { ask, id: _, earlier } => bench::compared(state, ask, earlier),
        HistoryEvent::NotKept { ask, reason } => {
            notify(state, reason, true);
            bench::compared(state, ask, Vec::new());
        }
        HistoryEvent::Votes(mut votes) => {
            // Those of this program's life come behind: the history was asked before the first of them.
            votes.append(&mut state.domain.votes);
            votes.drain(..votes.len().saturating_sub(MAX_VOTES));
            state.domain.votes = votes;
            race::rate(state);
        }
        HistoryEvent::Revealed(id) => {
            notify(state, format!("the names of race {id} are revealed"), false);
            return ask(state);
        }
        HistoryEvent::Forgotten { id, vote } => {
            if let Some(vote) = vote
                && let Some(place) = state.domain.votes.iter().position(|known| known.is_same(&vote))
            {
                state.domain.votes.remove(place);
                race::rate(state);
            }
            let list = &mut state.ui.history;
            list.entries.retain(|entry| entry.id != id);
            list.chosen = list.chosen.min(list.entries.len().saturating_sub(1));
            notify(state, format!("record {id} was deleted"), false);
        }
        HistoryEvent::Listed { generation, entries, more } => {
            let list = &mut state.ui.history;
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
        HistoryEvent::TakenIn(n_records) => {
            let text = format!("{} of a run that was interrupted, in the history now", counted(n_records, "record"));
            notify(state, text, false);
        }
        HistoryEvent::Record(record) => open(state, record),
        HistoryEvent::Trouble(reason) => {
            state.ui.history.asked = false;
            notify(state, reason, true);
        }
    }
    Vec::new()
}

/// Rows that are asked for at once: more than a screen has.
const PAGE: usize = 200;

/// Show the history, or the bench again.
pub(super) fn turn(state: &mut State) -> Vec<Effect> {
    state.ui.history.open = state.ui.screen != Screen::Bench || !state.ui.history.open;
    state.ui.screen = Screen::Bench;
    if state.ui.history.open { ask(state) } else { Vec::new() }
}

/// Ask for the newest records that pass the filter.
pub(super) fn ask(state: &mut State) -> Vec<Effect> {
    state.ui.history.generation = next_id(state);
    state.ui.history.before = None;
    state.ui.history.chosen = 0;
    list(state)
}

/// Ask for older records where the choice comes near the last one.
pub(super) fn ask_older(state: &mut State) -> Vec<Effect> {
    let history = &mut state.ui.history;
    if history.asked || !history.more || history.chosen + PAGE / 2 < history.entries.len() {
        return Vec::new();
    }
    history.before = history.entries.last().map(|entry| entry.id);
    list(state)
}

fn list(state: &mut State) -> Vec<Effect> {
    let history = &mut state.ui.history;
    history.asked = true;
    vec![Effect::ListHistory {
        generation: history.generation,
        filter: Filter::parse(history.filter.text()),
        page: Page { before: history.before, rows: PAGE },
    }]
}

/// Ask for the chosen record, to show it.
pub(super) fn choose(state: &State) -> Vec<Effect> {
    let chosen = state.ui.history.entries.get(state.ui.history.chosen).filter(|_| state.ui.history.open);
    chosen.map(|entry| Effect::GetRecord(entry.id)).into_iter().collect()
}

/// Show a record.
fn open(state: &mut State, record: Option<Box<Record>>) {
    let Some(record) = record else { return notify(state, "this record is gone", true) };
    let title = format!("{} {}", record.kind.name(), record.id);
    state.ui.overlay = Some(Overlay::Record { title, text: report::plain_text(&record), scroll: 0 });
}

/// Ask whether the chosen record shall go.
pub(super) fn delete(state: &mut State) -> Vec<Effect> {
    let Some(entry) = state.ui.history.entries.get(state.ui.history.chosen).filter(|_| state.ui.history.open) else {
        return Vec::new();
    };
    let question = format!("Delete {} {} ({}) from the history for good?", entry.kind.name(), entry.id, entry.title);
    state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(What::DeleteRecord(entry.id).into()) });
    Vec::new()
}

/// Ask whether the names of the chosen blind race shall be told.
pub(super) fn reveal(state: &mut State) {
    match state.ui.history.entries.get(state.ui.history.chosen).filter(|_| state.ui.history.open) {
        Some(entry) if entry.is_sealed => {
            let question = format!("Tell the names of race {} ({}) without a vote?", entry.id, entry.title);
            state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(What::RevealRace(entry.id).into()) });
        }
        _ => notify(state, "no names are hidden here", true),
    }
}

/// Esc: the filter goes first, then the face.
pub(super) fn back(state: &mut State) -> Vec<Effect> {
    if state.ui.history.filtering || !state.ui.history.filter.is_empty() {
        state.ui.history.filtering = false;
        state.ui.history.filter = Editor::default();
        return ask(state);
    }
    state.ui.history.open = false;
    Vec::new()
}
