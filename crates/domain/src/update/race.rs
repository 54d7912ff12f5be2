//! Races: started, cancelled, voted on. What happens in one is `course`.

mod runner;

use std::collections::BTreeMap;

use super::common::{generate, next_id, notify};
use super::job::loaded_session;
use super::{history, job};
use crate::admission;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::lab::job::JobSession;
use crate::lab::race::rating::{MAX_VOTES, Vote};
use crate::lab::race::{self, Column, DecodeMode, Entry, MIN_COLUMNS, Order, Race, RaceOrder, Stage};
use crate::notification::Notification;
use crate::record::Draft;
use crate::state::Domain;
use crate::units::{Bytes, counted};
pub(super) use runner::advance;

/// Drop the race that has ended.
pub(super) fn dismiss(domain: &mut Domain) -> Result<Vec<Effect>, Refused> {
    if domain.is_racing() {
        return Err(Refused::new(Cause::BUSY, "a race is running: cancel it first"));
    }
    take(domain);
    Ok(Vec::new())
}

/// Take the last race. What nobody voted on is not lost: the history has it.
fn take(domain: &mut Domain) -> Option<Box<Race>> {
    let race = domain.race.take();
    if race.as_ref().is_some_and(|race| race.hides_names()) && domain.settings.history.keep {
        notify(domain, "there was no vote on the blind race: the history can still reveal its names", false);
    }
    race
}

/// Start a race.
pub(super) fn start(domain: &mut Domain, order: RaceOrder) -> Result<Vec<Effect>, Refused> {
    if let Some(refused) = job::running(domain) {
        return Err(refused);
    }
    if order.entries.len() < MIN_COLUMNS {
        return Err(Refused::new(Cause::Invalid, "a race needs at least two columns"));
    }
    generate(order.entries.iter().map(|entry| &*entry.model))?;
    if order.prompt.trim().is_empty() {
        return Err(Refused::new(Cause::Invalid, "the prompt is empty"));
    }
    if order.order == Order::Together
        && let Some(shortfall) = memory_shortfall(domain, &order.entries)
    {
        return Err(Refused::new(Cause::MemoryTogether, shortfall).with_hint("run them in turn"));
    }
    Ok(begin(domain, order))
}

/// Why these columns don't fit in memory at once, with the figures; `None` where they do, or nothing is known.
fn memory_shortfall(domain: &Domain, entries: &[Entry]) -> Option<String> {
    let mut taken = Vec::new();
    let missing: Vec<&Entry> = entries
        .iter()
        .filter(|entry| match loaded_session(domain, entry, &taken) {
            Some(session) => {
                taken.push(session);
                false
            }
            None => true,
        })
        .collect();
    memory_shortfall_of(domain, &missing)
}

/// Why models that are all to be loaded don't fit in memory at once, with the figures.
pub(super) fn memory_shortfall_of(domain: &Domain, missing: &[&Entry]) -> Option<String> {
    // Each machine has its own memory; that of a cluster's nodes is not known.
    let mut by_machine: BTreeMap<Option<&str>, Vec<&Entry>> = BTreeMap::new();
    for entry in missing.iter().filter(|entry| entry.settings.on.is_here()) {
        by_machine.entry(entry.model.machine.as_deref()).or_default().push(entry);
    }
    by_machine.into_iter().find_map(|(machine, entries)| {
        let free = admission::free_memory_on(domain, machine)?.free;
        let needed = entries.iter().map(|entry| admission::planned(domain, &entry.model, &entry.settings).here());
        let needed: Bytes = needed.sum();
        let there = machine.map_or_else(String::new, |machine| format!(" on {machine}"));
        (needed > free).then(|| {
            format!(
                "{} to be loaded would need about {needed} at once{there}, but {free} are free",
                counted(entries.len(), "model")
            )
        })
    })
}

fn begin(domain: &mut Domain, order: RaceOrder) -> Vec<Effect> {
    // Sessions of the last race that failed have been looked at, or never will be.
    let old = take(domain);
    job::forget(domain, old.iter().flat_map(|race| &race.columns).map(|column| &column.session));
    let RaceOrder { entries, order, prompt, system, stop, lockstep, blind } = order;
    let names = race::names(&entries);
    let id = next_id(domain);
    let race = Race {
        id,
        at: domain.now,
        prompt,
        system,
        stop,
        order,
        lockstep,
        pace: if lockstep && order == Order::Together { DecodeMode::Together } else { DecodeMode::Free },
        blind,
        awaits_shuffle: blind,
        draw: 0,
        is_cancelled: false,
        columns: entries.into_iter().zip(names).map(|(entry, name)| Column::new(entry, name)).collect(),
        vote: None,
        draft: Draft::new(id),
    };
    domain.race = Some(Box::new(race));
    // A shuffle takes a random number, which only the driver can draw.
    if blind { vec![Effect::Random] } else { Vec::new() }
}

/// A random number was drawn: the columns of a blind race are shuffled.
pub(super) fn drawn(domain: &mut Domain, number: u64) {
    if let Some(race) = domain.race.as_mut().filter(|race| race.awaits_shuffle) {
        race.shuffle(number);
    }
}

/// End the race that runs; what has come stays.
pub(super) fn cancel(domain: &mut Domain) -> Vec<Effect> {
    let Some(race) = domain.race.as_mut().filter(|race| race.is_running()) else { return Vec::new() };
    race.is_cancelled = true;
    race.awaits_shuffle = false;
    let answering = race.columns.iter().filter(|column| column.stage == Stage::Answering);
    let asked: Vec<JobSession> = answering.map(|column| column.session.clone()).collect();
    asked.iter().flat_map(|session| job::cancel(domain, session)).collect()
}

/// Take the vote: a column, or none for a tie. A column without an answer takes no part.
pub(super) fn vote(domain: &mut Domain, winner: Option<usize>) -> Result<Vec<Effect>, Refused> {
    if let Some(reason) = race::vote_obstacle(domain.race.as_deref()) {
        let cause = if domain.is_racing() { Cause::BUSY } else { Cause::Invalid };
        return Err(Refused::new(cause, reason));
    }
    let at = domain.now;
    let Some(race) = &mut domain.race else { return Ok(Vec::new()) };
    let voted: Vec<usize> = (0..race.columns.len()).filter(|place| race.columns[*place].answer.is_some()).collect();
    if winner.is_some_and(|winner| !voted.contains(&winner)) {
        return Err(Refused::new(Cause::Invalid, "this column has no answer"));
    }
    race.vote = Some(winner);
    let record = race.vote_record(at.unix.saturating_mul(1000));
    let vote = Vote {
        race: race.id,
        at,
        models: voted.iter().map(|place| race.columns[*place].contender()).collect(),
        winner: winner.and_then(|winner| voted.iter().position(|place| *place == winner)),
        blind: race.blind,
    };
    if domain.votes.len() == MAX_VOTES {
        domain.votes.remove(0);
    }
    domain.votes.push(vote);
    domain.outbox.push(Notification::VotesChanged);
    // What the machine shows while someone reads is nothing.
    Ok(history::remember(domain, record, domain.now.uptime, None))
}

/// Let columns that have diverged continue.
pub(super) fn resume(domain: &mut Domain) -> Vec<Effect> {
    let Some(mut race) = domain.race.take() else { return Vec::new() };
    let effects = if race.pace == DecodeMode::Held { runner::release(domain, &mut race) } else { Vec::new() };
    domain.race = Some(race);
    effects
}
