//! The one function that changes the state.
//!
//! Owned here: what follows from an event. Absent: how any of it is done; effects leave as data.

mod action;
mod bench;
mod command;
mod context;
mod energy;
mod foreign;
mod graphs;
mod history;
mod house;
mod hub;
mod measure;
mod overlay;
mod quality;
mod race;
mod replay;
mod sample;
mod session;
mod tries;
mod worker;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::effect::Effect;
use crate::event::{Event, LibraryEvent};
use crate::fleet_view;
use crate::library_view;
use crate::model::Model;
use crate::moment::Moment;
use crate::openness::Openness;
use crate::state::{Library, State};
use crate::ui::{Focus, Notice, Overlay, Screen};

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(8);
/// How long a notice of an error stays.
const ERROR_NOTICE: Duration = Duration::from_secs(20);
/// The most models whose cards are made at once: some milliseconds' worth.
const MAX_JUDGED: usize = 500;
/// The most notices that are kept.
const MAX_NOTICES: usize = 20;

/// Change the state by what happened, and say what is to be done.
pub fn update(state: &mut State, now: Moment, event: Event) -> Vec<Effect> {
    state.domain.now = now;
    state.ui.notices.retain(|notice| {
        let stays = if notice.is_error { ERROR_NOTICE } else { NOTICE };
        now.uptime.saturating_sub(notice.at.uptime) < stays
    });
    let is_tick = matches!(event, Event::Sample(_));
    let mut effects = match event {
        Event::Action(action) => action::act(state, action),
        Event::Command(command) => command::answer(state, command),
        Event::Scratch(order) => quality::begin(state, *order),
        Event::Closing => history::close(state),
        Event::Paste(text) => action::paste(state, text),
        Event::Redraw => Vec::new(),
        Event::ScrollLimit(limit) => {
            match &mut state.ui.overlay {
                Some(Overlay::Help { scroll } | Overlay::Record { scroll, .. } | Overlay::Plan { scroll, .. }) => {
                    *scroll = (*scroll).min(limit);
                }
                _ if state.ui.screen == Screen::Library => {
                    state.ui.library.scrolled.iter_mut().for_each(|(_, rows)| *rows = (*rows).min(limit));
                }
                _ if state.ui.screen == Screen::Race => state.ui.race.limit = limit,
                _ => state.ui.fleet.scroll = state.ui.fleet.scroll.min(limit),
            }
            Vec::new()
        }
        Event::Hub(event) => hub::heard(state, event),
        Event::Download(id, event) => hub::download(state, id, event),
        Event::Library(event) => library(state, event),
        Event::Worker(worker, event) => worker::heard(state, worker, event),
        Event::Baselines(kept) => {
            state.domain.attribution.baselines.recall(kept);
            Vec::new()
        }
        Event::Sample(mut sample) => {
            foreign::found(state, &mut sample.foreign);
            let mut effects = sample::sampled(state, sample, now.uptime);
            effects.extend(measure::residency(state));
            effects
        }
        Event::History(event) => history::heard(state, event),
        Event::Drawn(number) => {
            race::drawn(state, number);
            Vec::new()
        }
        Event::Frame(frame) => replay::replayed(state, *frame),
        Event::Signalled { pid, started, kill, result } => {
            foreign::signalled(state, (pid, started), kill, result);
            Vec::new()
        }
        Event::Bandwidth(result) => {
            measure::measured(state, result);
            Vec::new()
        }
        Event::Residency { model, share } => {
            measure::resident(state, model, share);
            Vec::new()
        }
        Event::Trouble(text) => {
            notify(state, text, true);
            Vec::new()
        }
        Event::Notice(text) => {
            notify(state, text, false);
            Vec::new()
        }
    };
    effects.extend(history::keep_settled(state));
    effects.extend(race::advance(state));
    effects.extend(history::save_drafts(state, is_tick));
    effects.extend(quality::advance(state));
    effects.extend(hub::keep_queue(state));
    effects
}

fn library(state: &mut State, event: LibraryEvent) -> Vec<Effect> {
    let is_whole = matches!(event, LibraryEvent::Finished { .. });
    let mut effects = Vec::new();
    let chosen = state.chosen_model().map(|model| model.id.clone());
    let library = &mut state.domain.library;
    match event {
        LibraryEvent::Openness(table) => {
            library.openness.table = table;
            effects.extend(judge(library, None));
        }
        LibraryEvent::Judged { generation, cards } => {
            library.openness.cards.extend(cards);
            library.openness.keep(&library.models);
            library.openness.is_asked = false;
            if generation != library.openness.generation {
                effects.extend(judge(library, None));
            }
        }
        LibraryEvent::Started => library.scanning = true,
        LibraryEvent::Found(models) => {
            if !library.models.is_empty() {
                let ids: HashSet<&str> = models.iter().map(|model| model.id.as_str()).collect();
                library.models.retain(|model| !ids.contains(model.id.as_str()));
            }
            library.models.extend(models.iter().cloned());
            effects.extend(judge(library, Some(&models)));
        }
        LibraryEvent::Finished { models, stores, took } => {
            library.models = models;
            library.openness.keep(&library.models);
            effects.extend(judge(library, None));
            library.stores = stores;
            library.took = Some(took);
            library.scanning = false;
        }
        LibraryEvent::House(news) => return house::heard(state, *news),
    }
    list_models(state, chosen.as_deref());
    if is_whole {
        effects.extend(house::survey(state));
    }
    effects
}

/// Make the cards of these models, or of all of them. Those of many are made aside, since the screen would wait for them.
fn judge(library: &mut Library, models: Option<&[Arc<Model>]>) -> Option<Effect> {
    let Library { models: all, openness, .. } = library;
    openness.generation += 1;
    if all.len() <= MAX_JUDGED {
        openness.refresh(models.unwrap_or(all), all);
        return None;
    }
    // One question at a time: its answer asks the next where something has changed since.
    let is_asked = std::mem::replace(&mut openness.is_asked, true);
    let Openness { table, generation, .. } = openness;
    (!is_asked).then(|| Effect::Judge { generation: *generation, models: all.clone(), table: Arc::clone(table) })
}

/// Filter and sort the library anew; the choice stays on the model of this id where it still shows.
fn list_models(state: &mut State, chosen: Option<&str>) {
    let (library, view) = (&state.domain.library, &mut state.ui.library);
    let facts = library_view::Facts { measured: &library.measured, openness: &library.openness.cards };
    view.rows = library_view::rows(&library.models, view.filter.text(), view.sort, view.reverse, facts);
    let place = chosen.and_then(|id| view.rows.iter().position(|row| library.models[*row].id == id));
    view.chosen = place.unwrap_or(view.chosen).min(view.rows.len().saturating_sub(1));
}

/// Filter and sort the sessions anew, and other programs' processes; a choice that shows no longer goes to the first.
fn list_sessions(state: &mut State) {
    foreign::list(state);
    let fleet = &mut state.ui.fleet;
    fleet.rows = fleet_view::rows(&state.domain.sessions, fleet.filter.text(), fleet.sort, fleet.reverse);
    let is_elsewhere = fleet.chosen.is_none() && fleet.foreign.chosen.is_some();
    if !is_elsewhere && !fleet.chosen.is_some_and(|chosen| fleet.rows.contains(&chosen)) {
        fleet.chosen = fleet.rows.first().copied();
        fleet.scroll = 0;
        fleet.focus = Focus::Table;
    }
}

fn notify(state: &mut State, text: impl Into<String>, is_error: bool) {
    let text = text.into();
    // A key that is pressed again and again says the same once.
    state.ui.notices.retain(|notice| notice.text != text);
    if state.ui.notices.len() == MAX_NOTICES {
        state.ui.notices.pop_front();
    }
    state.ui.notices.push_back(Notice { text, is_error, at: state.domain.now });
}

fn next_id(state: &mut State) -> u64 {
    let id = state.domain.next_id;
    state.domain.next_id += 1;
    id
}

#[cfg(test)]
mod bench_tests;
#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod draft_tests;
#[cfg(test)]
mod energy_tests;
#[cfg(test)]
mod quality_tests;
#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod tests;
