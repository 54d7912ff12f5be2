//! What happens in a race: `advance` is called after whatever happened, looks where each column is and takes the next step.
//!
//! A column's session is one that is loaded already, or one that is started for it.

use wire::{Message, Prompt, Role};

use crate::command::{Cause, Force, Refused};
use crate::effect::Effect;
use crate::lab::race::lockstep::{self, Next};
use crate::lab::race::{Column, DecodeMode, Entry, MIN_COLUMNS, Order, Race, Stage};
use crate::notification::Notification;
use crate::request::Client;
use crate::session::{End, Phase, SessionId};
use crate::state::Domain;
use crate::update::common::now_ms;
use crate::update::history;
use crate::update::job::{self, Question, Readiness};
use crate::update::request::RequestOptions;

/// The likeliest tokens that are told of each step in lockstep.
const N_TOP_LOGPROBS: u32 = 5;

/// The most tokens that are decoded together: what a turn keeps of them.
const MAX_STEPS: usize = 1 << 14;

/// Take the next step of each column.
pub(in crate::update) fn advance(domain: &mut Domain) -> Vec<Effect> {
    let Some(mut race) = domain.race.take() else { return Vec::new() };
    let mut effects = Vec::new();
    // Without a reading of the memory nothing is admitted.
    if race.is_running() && !race.awaits_shuffle && domain.machine.sample.is_some() {
        effects.extend(enter_all(domain, &mut race));
        for place in 0..race.columns.len() {
            effects.extend(step(domain, &mut race, place));
        }
        // Where one has ended, the next one's turn has come.
        effects.extend(enter_all(domain, &mut race));
        if race.pace == DecodeMode::Together {
            effects.extend(pace(domain, &mut race));
            if race.pace == DecodeMode::Held && race.is_running() {
                domain.race = Some(race);
                domain.outbox.push(Notification::RaceDiverged);
                return effects;
            }
        }
        if !race.is_running() {
            let record = race.record(now_ms(domain));
            effects.extend(history::remember(domain, record, race.at.uptime, Some(race.draft.id)));
            domain.race = Some(race);
            domain.outbox.push(Notification::RaceEnded);
            return effects;
        }
    }
    domain.race = Some(race);
    effects
}

/// The next step of columns that are decoded together: once each has told what it was allowed, those that are behind may
/// go on, until they part. One that failed takes no part.
fn pace(domain: &Domain, race: &mut Race) -> Vec<Effect> {
    let has_started = race.columns.iter().all(|column| !matches!(column.stage, Stage::Waiting | Stage::Starting));
    let places: Vec<usize> =
        (0..race.columns.len()).filter(|place| !matches!(race.columns[*place].stage, Stage::Failed { .. })).collect();
    let told = |place: &usize| {
        let column = &race.columns[*place];
        (column.turn(domain).map_or(&[][..], |turn| &turn.tokens), column.stage != Stage::Answering)
    };
    let columns: Vec<_> = places.iter().map(told).collect();
    let is_behind = |(place, (tokens, ended)): (&usize, &(&[wire::Token], bool))| {
        !ended && tokens.len() < race.columns[*place].credits
    };
    if !has_started || race.is_cancelled || places.iter().zip(&columns).any(is_behind) {
        return Vec::new();
    }
    let is_full = columns.iter().any(|(tokens, _)| tokens.len() >= MAX_STEPS);
    if columns.len() < MIN_COLUMNS || is_full {
        return release(domain, race);
    }
    match lockstep::next(&columns) {
        Next::Parted => {
            race.pace = DecodeMode::Held;
            Vec::new()
        }
        Next::Draw(drawing) => {
            drawing.into_iter().filter_map(|index| allow(domain, &mut race.columns[places[index]], 1)).collect()
        }
    }
}

/// Let the columns go on, each for itself.
pub(super) fn release(domain: &Domain, race: &mut Race) -> Vec<Effect> {
    race.pace = DecodeMode::Free;
    race.columns.iter_mut().filter_map(|column| allow(domain, column, u32::MAX)).collect()
}

/// Let a column that answers draw so many tokens more.
fn allow(domain: &Domain, column: &mut Column, n_tokens: u32) -> Option<Effect> {
    let session = column.live(domain)?;
    let request = session.request(column.session.request?).filter(|request| request.is_running())?;
    let (worker, id) = (session.worker, request.id.0);
    column.credits = column.credits.saturating_add(n_tokens as usize);
    Some(Effect::Send { worker, request: wire::Request::Continue { id, n_tokens } })
}

/// Columns whose turn it is get their session.
fn enter_all(domain: &mut Domain, race: &mut Race) -> Vec<Effect> {
    let mut effects = Vec::new();
    for place in 0..race.columns.len() {
        if race.columns[place].stage != Stage::Waiting {
            continue;
        }
        if race.is_cancelled {
            race.columns[place].fail("the race was cancelled", None);
        } else if race.order == Order::Together || race.columns[..place].iter().all(Column::is_over) {
            effects.extend(enter(domain, race, place));
        }
    }
    effects
}

/// Look where a column's session is, and go on from there.
fn step(domain: &mut Domain, race: &mut Race, place: usize) -> Vec<Effect> {
    let mut effects = Vec::new();
    let all_are_ready = || {
        race.order == Order::InTurn
            || race.columns.iter().all(|column| {
                match (&column.stage, column.session.id.and_then(|id| domain.session(id))) {
                    (Stage::Waiting, _) => false,
                    (Stage::Starting, Some(session)) => !matches!(session.phase, Phase::Loading { .. } | Phase::Queued),
                    _ => true,
                }
            })
    };
    let may_ask = all_are_ready();
    let column = &mut race.columns[place];
    match column.stage {
        Stage::Starting => match job::readiness(domain, &column.session) {
            Readiness::Ready if race.is_cancelled => {
                column.fail("the race was cancelled", None);
                effects.extend(leave(domain, race, place));
            }
            Readiness::Ready if may_ask => effects.extend(ask(domain, race, place)),
            Readiness::Lost(reason, hint) => column.fail(&reason, hint),
            _ => {}
        },
        Stage::Answering => {
            let Some(answered) = job::take_answer(domain, &column.session) else { return effects };
            // Columns that run at once share the machine: their speeds tell nothing about a model.
            column.measured = answered.measured.filter(|_| race.order == Order::InTurn);
            column.stage = Stage::Done;
            column.answer = answered.request.map(|request| request.answer);
            match column.answer.as_ref().and_then(|turn| turn.end.clone()) {
                Some(End::Failed { reason, hint }) => column.fail(&reason, hint),
                None if answered.is_lost => column.fail("its session was stopped", None),
                _ => {}
            }
            effects.extend(leave(domain, race, place));
        }
        Stage::Unloading if job::has_left(domain, &column.session) => column.stage = Stage::Done,
        _ => {}
    }
    effects
}

/// Ask a column whose session is ready.
fn ask(domain: &mut Domain, race: &mut Race, place: usize) -> Vec<Effect> {
    let column = &mut race.columns[place];
    let session = column.session.id.and_then(|id| domain.session(id));
    column.loaded = session.and_then(|session| session.loaded.clone());
    let ask = RequestOptions {
        max_tokens: column.settings.max_tokens,
        sampling: column.settings.sampling,
        n_top_logprobs: if race.lockstep { N_TOP_LOGPROBS } else { 0 },
        logit_bias: Vec::new(),
        credits: (race.pace == DecodeMode::Together).then_some(0),
    };
    let prompt = Prompt::from(messages(race.system.as_deref(), &race.prompt));
    let question = Question { client: Client::Race, prompt, ask, form: None, stop: race.stop.clone() };
    column.stage = Stage::Answering;
    // What is left of an earlier prompt would flatter the figures of this one.
    let cleared = job::clear_cache(domain, &column.session);
    cleared.into_iter().chain(job::ask(domain, &mut column.session, question)).collect()
}

/// Find or start a column's session.
fn enter(domain: &mut Domain, race: &mut Race, place: usize) -> Vec<Effect> {
    let taken: Vec<SessionId> = race.columns.iter().filter_map(|column| column.session.id).collect();
    let column = &mut race.columns[place];
    let entry = Entry { model: column.model.clone(), settings: column.settings };
    column.stage = Stage::Starting;
    match job::enter(domain, &entry, &taken, Force::No) {
        Ok((session, effects)) => {
            column.session = session;
            effects
        }
        Err(Refused { cause: Cause::Memory(refusal), .. }) => {
            column.fail(&refusal.to_string(), Some(refusal.remedy().to_owned()));
            Vec::new()
        }
        Err(Refused { reason, hint, .. }) => {
            column.fail(&reason, hint);
            Vec::new()
        }
    }
}

/// A column has ended. In turn, a session that was started for it makes room for the next.
fn leave(domain: &mut Domain, race: &mut Race, place: usize) -> Vec<Effect> {
    if race.order == Order::Together {
        return Vec::new();
    }
    let column = &mut race.columns[place];
    let effects = job::leave(domain, &column.session);
    if column.stage == Stage::Done && !effects.is_empty() {
        column.stage = Stage::Unloading;
    }
    effects
}

fn messages(system: Option<&str>, prompt: &str) -> Vec<Message> {
    let system = system.into_iter().map(|text| Message::new(Role::System, text));
    system.chain([Message::new(Role::User, prompt)]).collect()
}

impl Column {
    fn fail(&mut self, reason: &str, hint: Option<String>) {
        self.stage = Stage::Failed { reason: reason.to_owned(), hint };
    }
}
