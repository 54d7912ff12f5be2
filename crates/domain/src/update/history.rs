//! What goes into the history, and what follows from its answers.

use std::time::Duration;

use super::common::{find, next_id, now_ms};
use crate::effect::Effect;
use crate::moment::Moment;
use crate::record::{Body, Draft, PendingRecord, Record, run_record};
use crate::request::{Client, Request, RequestId};
use crate::session::{End, Session, SessionId, Turn};
use crate::state::Domain;

/// With longer periods of sampling the last tick is not waited for, and its energy is missing.
const LONGEST_PERIOD: Duration = Duration::from_secs(2);
/// A tick that is late by more than this, and a period, is waited for no more.
const SLACK: Duration = Duration::from_secs(1);

/// Whether the last part of an answer's energy may still come: with the tick after its end, where a meter of its machine ticks
/// soon.
pub(super) fn may_settle(domain: &Domain, machine: Option<&str>, since: Moment) -> bool {
    let interval = domain.settings.telemetry.interval;
    let is_metered = domain.sample_on(machine).is_some_and(|sample| sample.total_power().is_some());
    let waited = domain.now.uptime.saturating_sub(since.uptime);
    is_metered && interval <= LONGEST_PERIOD && waited < 2 * interval + SLACK
}

/// Keep an answer that has just ended, whole or in part, once its energy is booked. One without a draft is kept by who
/// asked, as a race's is, or by nobody.
pub(super) fn remember_answer(domain: &mut Domain, id: SessionId, request: RequestId) -> Vec<Effect> {
    let known = find(domain, id).and_then(|session| session.request_mut(request));
    let Some(draft) = known.and_then(|request| request.draft.take()) else { return Vec::new() };
    let Some(session) = domain.session(id) else { return Vec::new() };
    let Some(request) = session.request(request) else { return Vec::new() };
    hold(domain, &session.clone(), &request.clone(), draft)
}

/// Keep a prompt that was never asked, since its session has ended.
pub(super) fn remember_prompt(domain: &mut Domain, id: SessionId) -> Vec<Effect> {
    let Some(draft) = find(domain, id).and_then(|session| session.draft.take()) else { return Vec::new() };
    let Some(session) = domain.session(id) else { return Vec::new() };
    hold(domain, &session.clone(), &unasked(session), draft)
}

/// The prompt of a conversation that was sent while its model was being loaded, as the request that it will be.
fn unasked(session: &Session) -> Request {
    Request::new(RequestId::default(), Client::Chat, session.turns.clone(), session.since)
}

fn hold(domain: &mut Domain, session: &Session, request: &Request, draft: Draft) -> Vec<Effect> {
    if !domain.settings.history.keep {
        return Vec::new();
    }
    let record = run_record::record(domain, session, request, now_ms(domain));
    let counters = &request.figures.counters;
    let took = Duration::from_micros(counters.ttft_us.unwrap_or_default() + counters.generation_us);
    let begin = domain.now.uptime.saturating_sub(took);
    let draft = Some(draft.id);
    domain.held.push(PendingRecord {
        record,
        session: session.id,
        request: request.id,
        begin,
        since: domain.now,
        draft,
    });
    let mut effects = keep_settled(domain);
    // What waits for its last figure is whole on the disk meanwhile.
    let waits = domain.held.last().filter(|held| held.draft == draft);
    effects.extend(
        waits.zip(draft).map(|(held, draft)| Effect::SaveDraft { draft, record: Box::new(held.record.clone()) }),
    );
    effects
}

/// How long text may stand on the screen before it is written down. A tick of the sensors writes down all that is new.
const DRAFT_PERIOD: Duration = Duration::from_millis(500);

/// Open a draft for the prompt that was added to a conversation, unless one is open.
pub(super) fn open_draft(domain: &mut Domain, id: SessionId) {
    let Some(draft) = draft(domain) else { return };
    if let Some(session) = find(domain, id) {
        session.draft.get_or_insert(draft);
    }
}

/// A new draft; `None` where nothing is to be kept.
pub(super) fn draft(domain: &mut Domain) -> Option<Draft> {
    domain.settings.history.keep.then(|| Draft::new(next_id(domain)))
}

/// Nothing will be kept of what a session was asked.
pub(super) fn discard_draft(domain: &mut Domain, id: SessionId) -> Option<Effect> {
    let draft = find(domain, id)?.draft.take()?;
    draft.n_bytes.map(|_| Effect::DiscardDraft(draft.id))
}

/// Write down what has come of answers and of the race that runs.
pub(super) fn save_drafts(domain: &mut Domain, is_tick: bool) -> Vec<Effect> {
    if !domain.settings.history.keep {
        return Vec::new();
    }
    let now = domain.now.uptime;
    let is_due = |draft: &Draft, n_bytes: usize| match draft.n_bytes {
        None => true,
        Some(written) => written != n_bytes && (is_tick || now.saturating_sub(draft.at) >= DRAFT_PERIOD),
    };
    let mut effects = Vec::new();
    // What is known of a prompt that waits for its model stands with the session.
    let drafts = |session: &Session| -> Vec<(Option<RequestId>, usize, Draft)> {
        let waiting = session.draft.map(|draft| (None, session.turns.last().map_or(0, Turn::n_bytes), draft));
        let asked = session.requests.iter().filter_map(|one| Some((Some(one.id), one.n_bytes(), one.draft?)));
        waiting.into_iter().chain(asked).filter(|(_, n_bytes, draft)| is_due(draft, *n_bytes)).collect()
    };
    let due: Vec<_> = domain.sessions.iter().map(|session| (session.id, drafts(session))).collect();
    for (id, request, n_bytes) in
        due.into_iter().flat_map(|(id, due)| due.into_iter().map(move |one| (id, one.0, one.1)))
    {
        let Some(session) = domain.session(id) else { continue };
        let asked = request.and_then(|request| session.request(request)).cloned().unwrap_or_else(|| unasked(session));
        let record = Box::new(run_record::draft(domain, session, &asked, now_ms(domain)));
        let Some(session) = find(domain, id) else { continue };
        let draft = match request {
            Some(request) => session.request_mut(request).and_then(|request| request.draft.as_mut()),
            None => session.draft.as_mut(),
        };
        if let Some(draft) = draft {
            (draft.n_bytes, draft.at) = (Some(n_bytes), now);
            effects.push(Effect::SaveDraft { draft: draft.id, record });
        }
    }
    if let Some(race) = domain.race.as_ref().filter(|race| race.is_running()) {
        let n_bytes = race.n_bytes(domain);
        if is_due(&race.draft, n_bytes) {
            let record = race.draft_record(domain, now_ms(domain));
            let draft = race.draft.id;
            effects.push(Effect::SaveDraft { draft, record: Box::new(record) });
            if let Some(race) = domain.race.as_mut() {
                (race.draft.n_bytes, race.draft.at) = (Some(n_bytes), now);
            }
        }
    }
    effects
}

/// The program ends: what has come of answers and of a race is kept as it is.
pub(super) fn close(domain: &mut Domain) -> Vec<Effect> {
    let now = domain.now;
    let mut effects = Vec::new();
    if let Some(race) = domain.race.as_ref().filter(|race| race.is_running()) {
        let (record, begin, draft) = (race.draft_record(domain, now_ms(domain)), race.at.uptime, race.draft.id);
        effects.extend(remember(domain, record, begin, Some(draft)));
    }
    // A race's answers are in its record.
    let open = |session: &Session| -> Vec<(SessionId, RequestId)> {
        let requests = session.requests.iter().filter(|request| request.is_open() && request.client != Client::Race);
        requests.map(|request| (session.id, request.id)).collect()
    };
    let open: Vec<_> = domain.sessions.iter().flat_map(open).collect();
    for (id, request) in open {
        if let Some(session) = find(domain, id) {
            session.finish(request, End::failed("taffrail was closed"), now);
        }
        effects.extend(remember_answer(domain, id, request));
    }
    let all: Vec<SessionId> = domain.sessions.iter().map(|session| session.id).collect();
    for id in all {
        effects.extend(remember_prompt(domain, id));
    }
    for held in std::mem::take(&mut domain.held) {
        effects.extend(remember(domain, held.record, held.begin, held.draft));
    }
    effects
}

/// Keep the answers that have nothing to wait for any more.
pub(super) fn keep_settled(domain: &mut Domain) -> Vec<Effect> {
    let mut effects = Vec::new();
    for mut held in std::mem::take(&mut domain.held) {
        let session = domain.session(held.session);
        let request = session.and_then(|session| session.request(held.request));
        match session.zip(request) {
            Some((session, request))
                if !request.figures.is_settled && may_settle(domain, session.machine(), held.since) =>
            {
                domain.held.push(held);
                continue;
            }
            Some((session, request)) if request.figures.is_settled => {
                if let Body::Run(run) = &mut held.record.body {
                    run.document.energy = run_record::energy(session, request, &domain.settings.energy);
                }
                let (wait, sample) = (domain.settings.engine.wait_policy, domain.sample_on(session.machine()));
                held.record.figures = vec![run_record::measured(session, request, wait, sample)];
            }
            // The session is gone: what is known has to do.
            _ => {}
        }
        effects.extend(remember(domain, held.record, held.begin, held.draft));
    }
    effects
}

/// Keep a record of what began then, with what the machine showed since, unless the user wants none.
pub(super) fn remember(domain: &mut Domain, record: Record, begin: Duration, draft: Option<u64>) -> Vec<Effect> {
    if !domain.settings.history.keep {
        return Vec::new();
    }
    let samples = domain.machine.readings.since(begin);
    // A record that never was a draft is one from now on: until the history has it, it is on the disk.
    let ask = next_id(domain);
    let draft = Some(draft.unwrap_or(ask));
    vec![Effect::SaveRecord { ask, record: Box::new(Record { samples, ..record }), draft }]
}
