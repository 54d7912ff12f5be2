//! The one function that changes the domain.
//!
//! Owned here: what follows from an event. Absent: how any of it is done; effects leave as data.

mod alias;
mod bench;
mod command;
mod common;
mod context;
mod conversation;
mod demand;
mod energy;
mod engine_metrics;
#[cfg(test)]
mod faults;
mod graphs;
mod history;
mod history_events;
mod hub;
mod job;
mod judge;
mod load;
mod measure;
mod other_processes;
mod perplexity;
mod query;
mod query_admission;
mod race;
mod remote;
mod replay;
mod request;
mod sample;
mod session;
mod start;
mod storage;
mod suite;
mod thread;
mod tries;
mod watch;
mod worker;

use self::judge::judge;
use std::collections::HashSet;
use std::sync::Arc;

use crate::effect::Effect;
use crate::event::{Event, LibraryEvent};
use crate::model::{Model, Store};
use crate::moment::Moment;
use crate::state::Domain;
use common::notify;

/// Change the domain by what happened, and say what is to be done.
#[expect(clippy::too_many_lines, reason = "one arm for each event, and none is long")]
pub(crate) fn update(domain: &mut Domain, now: Moment, event: Event) -> Vec<Effect> {
    domain.now = now;
    let is_tick = matches!(event, Event::Sample(_));
    let is_replayed = matches!(event, Event::Frame(_));
    let is_closing = matches!(event, Event::Closing);
    let mut effects = match event {
        Event::Command(command) => command::answer(domain, command),
        Event::TempDir(order) => perplexity::prepared(domain, *order),
        Event::Elapsed => Vec::new(),
        Event::Closing => history::close(domain),
        Event::Hub(event) => {
            hub::on_event(domain, event);
            Vec::new()
        }
        Event::Download(id, event) => hub::download(domain, id, event),
        Event::Library(event) => library(domain, event),
        Event::Worker(worker, event) => worker::on_event(domain, worker, event),
        Event::Baselines(kept) => {
            domain.attribution.baselines.recall(kept);
            Vec::new()
        }
        Event::Sample(mut sample) => {
            other_processes::found(domain, &mut sample.foreign);
            let mut effects = sample::sampled(domain, sample, now.uptime);
            // What may be used of the machine changes: the first sample tells it, and a container's limits may be changed.
            // A recording tells the threads that there were.
            effects.extend(start::share_threads(domain));
            effects
        }
        Event::Remote(machine, event) => remote::on_event(domain, &machine, event),
        Event::History(event) => {
            history_events::on_event(domain, event);
            Vec::new()
        }
        Event::Random(number) => {
            race::drawn(domain, number);
            Vec::new()
        }
        Event::SuiteLoaded { run, result } => {
            suite::recalled(domain, run, result);
            Vec::new()
        }
        Event::SuiteSaved { run, error } => {
            suite::kept(domain, run, error);
            Vec::new()
        }
        Event::Frame(frame) => replay::replayed(domain, *frame),
        Event::Signalled { pid, started, kill, result } => {
            other_processes::signalled(domain, (pid, started), kill, result);
            Vec::new()
        }
        Event::KnownBandwidth(bandwidth) => {
            domain.machine.bandwidth = Some(bandwidth);
            Vec::new()
        }
        Event::Bandwidth(result) => {
            measure::measured(domain, result);
            Vec::new()
        }
        Event::Failed(text) => {
            notify(domain, text, true);
            Vec::new()
        }
        Event::Notice(text) => {
            notify(domain, text, false);
            Vec::new()
        }
    };
    if is_closing {
        // What is kept now is kept as it is: nothing goes on.
        effects.extend(thread::save_changed(domain));
        effects.extend(domain.outbox.drain(..).map(Effect::Notify));
        return effects;
    }
    // What a recording shows waits for nothing.
    if !is_replayed {
        effects.extend(demand::advance(domain, is_tick));
    }
    effects.extend(history::keep_settled(domain));
    effects.extend(race::advance(domain));
    effects.extend(suite::advance(domain));
    effects.extend(history::save_drafts(domain, is_tick));
    effects.extend(thread::save_changed(domain));
    effects.extend(bench::advance(domain));
    effects.extend(perplexity::advance(domain));
    effects.extend(hub::keep_queue(domain));
    effects.extend(domain.outbox.drain(..).map(Effect::Notify));
    effects
}

fn library(domain: &mut Domain, event: LibraryEvent) -> Vec<Effect> {
    let mut effects = Vec::new();
    let library = &mut domain.library;
    match event {
        LibraryEvent::Openness(table) => {
            library.openness.table = table;
            effects.extend(judge(library, None));
        }
        LibraryEvent::Rated { generation, cards } => {
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
            // A scan knows nothing of other machines and engines, which tell of themselves.
            let elsewhere = |model: &mut Arc<Model>| model.machine.is_some() || model.remote.is_some();
            let elsewhere: Vec<_> = library.models.extract_if(.., elsewhere).collect();
            library.models = models;
            library.models.extend(elsewhere);
            library.openness.keep(&library.models);
            effects.extend(judge(library, None));
            library.stores.retain(|status| status.store == Store::Remote);
            library.stores.splice(0..0, stores);
            library.took = Some(took);
            library.scanning = false;
        }
        LibraryEvent::Remotes { models, stores } => {
            library.models.retain(|model| model.remote.is_none());
            library.models.extend(models);
            library.stores.retain(|status| status.store != Store::Remote);
            library.stores.extend(stores);
            library.openness.keep(&library.models);
            effects.extend(judge(library, None));
        }
        LibraryEvent::Engine(news) => engine_metrics::on_news(domain, *news),
        LibraryEvent::Storage(news) => return storage::on_event(domain, *news),
    }
    effects
}
