//! The course of a bench: load, measure in turn, judge each repetition by what the sensors saw, end.
//!
//! Repetitions take turns between models and cells, so that whatever drifts affects all alike. Models that don't fit
//! together, or whose threads would spin while they wait, are measured one after the other. Each has a session, as in the
//! other jobs.

mod memory;

use std::sync::Arc;

use wire::{Measure, Request};

use self::memory::Needs;
use super::common::{next_id, now_ms};
use super::session::{self, Planned, has_devices};
use super::{history, job};
use crate::admission;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::energy::{Consumer, EnergyAccount, Shared};
use crate::lab::bench::{
    Bench, BenchEntry, COOL_DOWN, EntryPhase, LATE, Phase, Plan, Repetition, Row, Trial, Watch, is_hot, record,
};
use crate::lab::job::JobSession;
use crate::machine::driver;
use crate::model::Model;
use crate::record::Measured;
use crate::session::{Phase as SessionPhase, SessionId};
use crate::settings::SessionSettings;
use crate::state::Domain;

/// Context and batch of the conversation that a bench never has.
const UNUSED: u32 = 256;

/// Begin a bench.
pub(super) fn start(domain: &mut Domain, plan: Plan) -> Result<Vec<Effect>, Refused> {
    if let Some(refused) = job::running(domain) {
        return Err(refused);
    }
    let bench = prepare(domain, plan)?;
    let earlier = std::mem::replace(&mut domain.bench, bench);
    job::forget(domain, earlier.entries.iter().map(|entry| &entry.session));
    Ok(open_group(domain))
}

fn prepare(domain: &Domain, plan: Plan) -> Result<Bench, Refused> {
    let cells = plan.cells().map_err(|reason| Refused::new(Cause::Invalid, reason))?;
    has_devices(domain, &plan.settings)?;
    let mut models: Vec<Arc<Model>> = Vec::new();
    for id in &plan.models {
        let model =
            domain.model(id).ok_or_else(|| Refused::new(Cause::NotFound, "this model is no longer on this machine"))?;
        if !models.iter().any(|known| known.id == model.id) {
            models.push(Arc::clone(model));
        }
    }
    if models.is_empty() {
        return Err(Refused::new(Cause::Invalid, "choose a model to bench first"));
    }
    if domain.sessions.iter().any(crate::session::Session::is_busy) {
        let reason = "a session is answering: wait for it, since it would spoil the figures";
        return Err(Refused::new(Cause::BUSY, reason));
    }
    let Needs { memory, obstacles, apart: note } = memory::needs(domain, &plan, &cells, &models);
    if obstacles.iter().all(Option::is_some) {
        let named = models.iter().zip(&obstacles);
        let named =
            named.map(|(model, obstacle)| format!("{}: {}", model.name, obstacle.as_deref().unwrap_or_default()));
        let can_run = models.iter().any(|model| model.is_runnable() && !model.embeds_only());
        let cause = if can_run { Cause::MemoryTogether } else { Cause::NotRunnable };
        return Err(Refused::new(cause, named.collect::<Vec<_>>().join("; ")));
    }
    let (scheduling, apart) = (domain.settings.bench, note.is_some());
    let entry = |(index, model): (usize, Arc<Model>)| BenchEntry {
        threads: plan.settings.threads.unwrap_or_else(|| domain.thread_limit_on(model.machine.as_deref())),
        driver: domain.sample_on(model.machine.as_deref()).map(driver).unwrap_or_default(),
        model,
        session: JobSession::default(),
        engine: String::new(),
        devices: Vec::new(),
        needed: memory.get(index).copied().unwrap_or_default(),
        phase: match obstacles.get(index).cloned().flatten() {
            Some(obstacle) => EntryPhase::Failed(obstacle),
            None => EntryPhase::Waiting,
        },
        group: if apart { index } else { 0 },
    };
    let row = |entry: usize, cell| Row {
        entry,
        cell,
        repetitions: Vec::new(),
        steps: Vec::new(),
        tries: 0,
        disturbed: Vec::new(),
        aside: Vec::new(),
        aside_steps: Vec::new(),
        earlier: Vec::new(),
        failed: obstacles.get(entry).cloned().flatten(),
    };
    // Cell by cell, so that the models take turns closely.
    let n_models = models.len();
    let rows = cells.iter().flat_map(|cell| (0..n_models).map(move |entry| row(entry, *cell))).collect();
    Ok(Bench {
        entries: models.into_iter().enumerate().map(entry).collect(),
        rows,
        phase: Phase::Running,
        scheduling,
        began: domain.now,
        note,
        plan,
        ..Bench::default()
    })
}

/// Load the next models once those before have left; without any the bench has ended.
fn open_group(domain: &mut Domain) -> Vec<Effect> {
    let entries = &domain.bench.entries;
    let waiting = entries.iter().filter(|entry| entry.phase == EntryPhase::Waiting);
    let Some(group) = waiting.map(|entry| entry.group).min() else { return end(domain) };
    if !entries.iter().all(|entry| job::has_left(domain, &entry.session)) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    // As many as the machines have room for whose devices are named.
    let plan = domain.bench.plan.settings;
    let n_layers = entries.iter().map(|entry| admission::layers(domain, &entry.model, &plan));
    let n_layers: Vec<Option<u32>> = n_layers.collect();
    for (index, gpu_layers) in n_layers.into_iter().enumerate() {
        let entry = &mut domain.bench.entries[index];
        // What can't be measured is not loaded.
        if entry.group != group || entry.phase != EntryPhase::Waiting {
            continue;
        }
        entry.phase = EntryPhase::Loading(0.0);
        let (memory, threads, scheduling) = (entry.needed, entry.threads, domain.bench.scheduling);
        let unused = SessionSettings { context: UNUSED, batch: UNUSED, ubatch: UNUSED, ..plan };
        // An engine elsewhere makes no other context for a bench.
        let unused = if entry.model.remote.is_some() { plan } else { unused };
        let settings = SessionSettings { parallel: 1, gpu_layers, ..unused };
        let model = Arc::clone(&entry.model);
        let planned = Planned { memory, threads, scheduling };
        let (id, spawned) = session::open_planned(domain, &model, settings, &planned);
        domain.bench.entries[index].session = JobSession { id: Some(id), is_own: true, request: None };
        effects.extend(spawned);
    }
    effects
}

/// Follow the sessions. The next sample starts the first repetition of those that are loaded.
pub(super) fn advance(domain: &mut Domain) -> Vec<Effect> {
    let mut effects = Vec::new();
    for index in 0..domain.bench.entries.len() {
        if domain.bench.phase == Phase::Running
            && let Err(reason) = follow(domain, index)
        {
            effects.extend(lost(domain, index, &reason));
        }
    }
    let bench = &domain.bench;
    if bench.phase == Phase::Running && !bench.entries.iter().any(BenchEntry::is_open) {
        effects.extend(open_group(domain));
    }
    effects
}

/// Update an entry from its session, or return why it can't be measured any more.
fn follow(domain: &mut Domain, index: usize) -> Result<(), String> {
    let Domain { bench, sessions, .. } = domain;
    let Some(entry) = bench.entries.get_mut(index).filter(|entry| entry.is_open()) else { return Ok(()) };
    let session = sessions.iter().find(|session| Some(session.id) == entry.session.id);
    let Some(session) = session else { return Err(job::STOPPED.to_owned()) };
    match &session.phase {
        SessionPhase::Failed { reason, hint } => {
            return Err(hint.as_ref().map_or(reason.clone(), |hint| format!("{reason}: {hint}")));
        }
        SessionPhase::Stopping => return Err(job::STOPPED.to_owned()),
        SessionPhase::Queued => {}
        SessionPhase::Loading { fraction } if matches!(entry.phase, EntryPhase::Loading(_)) => {
            entry.phase = EntryPhase::Loading(*fraction);
        }
        SessionPhase::Loading { .. } => return Err(job::RESTARTED.to_owned()),
        SessionPhase::Ready if entry.phase == EntryPhase::Ready => {}
        SessionPhase::Ready => {
            entry.phase = EntryPhase::Ready;
            entry.engine.clone_from(&session.engine);
            entry.devices.clone_from(&session.devices);
        }
    }
    Ok(())
}

/// A worker on a cluster lost its node and starts over on another one, so that earlier figures are not comparable.
pub(super) fn requeued(domain: &mut Domain, session: SessionId, reason: &str) -> Vec<Effect> {
    let is_its = |entry: &BenchEntry| entry.session.id == Some(session) && entry.is_open();
    let index = domain.bench.entries.iter().position(is_its);
    index.map_or_else(Vec::new, |index| lost(domain, index, reason))
}

/// A worker has measured; the sample that covers the end of it will judge it.
pub(super) fn measured(domain: &mut Domain, measured: wire::Measured) {
    let now = domain.now;
    if let Some(trial) = domain.bench.trial.as_mut().filter(|trial| trial.id == measured.id) {
        trial.ended = Some((measured, now));
    }
}

/// A worker could not measure what it was asked to, if that was the bench's.
pub(super) fn failed(domain: &mut Domain, id: u64, message: &str, hint: Option<&str>) -> Vec<Effect> {
    let bench = &mut domain.bench;
    let Some(trial) = bench.trial.take_if(|trial| trial.id == id) else { return Vec::new() };
    bench.rows[trial.row].failed = Some(hint.map_or(message.to_owned(), |hint| format!("{message}: {hint}")));
    go_on(domain)
}

/// A worker is gone: its rows end here, the others go on.
fn lost(domain: &mut Domain, index: usize, reason: &str) -> Vec<Effect> {
    let bench = &mut domain.bench;
    if !bench.is_running() || !bench.entries[index].is_open() {
        return Vec::new();
    }
    bench.entries[index].phase = EntryPhase::Failed(reason.to_owned());
    let plan = bench.plan.clone();
    for row in bench.rows.iter_mut().filter(|row| row.entry == index && !row.is_done(&plan)) {
        row.failed = Some(reason.to_owned());
    }
    if bench.trial.as_ref().is_some_and(|trial| bench.rows[trial.row].entry == index) {
        bench.trial = None;
    }
    let (session, is_free) = (bench.entries[index].session.clone(), bench.trial.is_none());
    let mut effects = job::leave(domain, &session);
    if is_free {
        effects.extend(go_on(domain));
    }
    effects
}

/// Take a machine's sample, `None` is this one's: it belongs to the repetition that runs there; once samples reach its end, it
/// is judged and the next begins.
pub(super) fn sampled(domain: &mut Domain, machine: Option<&str>) -> Vec<Effect> {
    if domain.bench.phase != Phase::Running {
        return Vec::new();
    }
    let now = domain.now;
    let Domain { bench, machine: own, machines, .. } = domain;
    let sample = match machine {
        None => own.sample.as_deref(),
        Some(name) => machines.iter().find(|there| there.name == name).and_then(|there| there.sample.as_deref()),
    };
    let Some(sample) = sample else { return Vec::new() };
    // Some GPUs tell of themselves from the second sample on.
    let told = driver(sample);
    let there = bench.entries.iter_mut().filter(|entry| entry.model.machine.as_deref() == machine);
    there.for_each(|entry| entry.driver.clone_from(&told));
    // One whose sensors are silent is not waited for.
    let is_read = |name: Option<&str>| {
        name.is_none_or(|name| machines.iter().any(|there| there.name == name && there.sample.is_some()))
    };
    let is_its = bench.at_work() == machine;
    if let Some(trial) = &mut bench.trial {
        let ended = trial.ended.as_ref().map(|(_, at)| *at);
        let is_late = ended.is_some_and(|ended| now.uptime.saturating_sub(ended.uptime) > LATE);
        // What happens on another machine tells nothing of it, but that time goes by.
        if !((is_its && trial.watch.take(sample, ended)) || is_late) {
            return Vec::new();
        }
        judge(bench);
    }
    // The next one may be of another machine, whose own sample begins it.
    if bench.at_work() != machine && bench.next_row().is_some() && is_read(bench.at_work()) {
        return Vec::new();
    }
    if is_hot(sample) {
        let since = *bench.cooling.get_or_insert(now);
        if now.uptime.saturating_sub(since.uptime) < COOL_DOWN {
            return Vec::new();
        }
    }
    if let Some(since) = bench.cooling.take() {
        bench.cooled += now.uptime.saturating_sub(since.uptime);
    }
    go_on(domain)
}

/// Count the repetition that has ended, or say why it does not count.
fn judge(bench: &mut Bench) {
    let Some(Trial { row, id, watch, energy_account, ended: Some((measured, _)) }) = bench.trial.take() else { return };
    let keep_disturbed = bench.plan.keep_disturbed;
    let row = &mut bench.rows[row];
    let micros = match row.cell.n_prompt {
        0 => measured.generation_us.unwrap_or_else(|| measured.step_us.iter().map(|step| u64::from(*step)).sum()),
        _ => measured.prompt_us,
    };
    if !measured.is_whole || micros == 0 {
        return;
    }
    let disturbance = watch.disturbance();
    let counts = disturbance.is_none() || keep_disturbed;
    row.disturbed.extend(disturbance);
    let seconds = micros as f64 / 1e6;
    let (repetitions, steps) =
        if counts { (&mut row.repetitions, &mut row.steps) } else { (&mut row.aside, &mut row.aside_steps) };
    repetitions.push(Repetition {
        rate: row.cell.n_tokens() as f64 / seconds,
        seconds,
        id,
        energy_account,
        mhz: watch.mhz(),
        celsius: watch.celsius(),
        others: watch.others(),
        ttft_us: measured.ttft_us,
        engine_ttft_us: measured.engine_ttft_us,
    });
    steps.extend(measured.step_us);
}

/// Count what was disturbed as well, from now on and what was measured so far. Where nothing else was measured, it is
/// what the history keeps.
pub(super) fn keep_disturbed(domain: &mut Domain) -> Vec<Effect> {
    let bench = &mut domain.bench;
    let had_any = bench.rows.iter().any(|row| !row.repetitions.is_empty());
    bench.plan.keep_disturbed = true;
    bench.rows.iter_mut().for_each(Row::count_disturbed);
    match bench.phase {
        Phase::Running => go_on(domain),
        Phase::Done if !had_any => end(domain),
        Phase::Done | Phase::Idle | Phase::Comparing | Phase::Cancelled => Vec::new(),
    }
}

/// Begin the next repetition, if a model is ready for one; else load the next models, or end.
fn go_on(domain: &mut Domain) -> Vec<Effect> {
    let bench = &domain.bench;
    if bench.phase != Phase::Running || bench.trial.is_some() {
        return Vec::new();
    }
    // Those that belong together begin together, so that loading spoils no figure.
    if bench.entries.iter().any(|entry| matches!(entry.phase, EntryPhase::Loading(_))) {
        return Vec::new();
    }
    let Some(index) = bench.next_row() else {
        let mut effects = close_group(domain);
        effects.extend(open_group(domain));
        return effects;
    };
    let machine = bench.rows.get(index).and_then(|row| bench.entries.get(row.entry)?.model.machine.clone());
    let n_throttled = domain.sample_on(machine.as_deref()).and_then(|sample| sample.limits.n_throttled);
    let id = next_id(domain);
    let Domain { bench, sessions, now, .. } = domain;
    let cells: Vec<_> = bench.rows.iter().map(|row| row.cell).collect();
    let row = &mut bench.rows[index];
    let of = bench.entries[row.entry].session.id;
    let Some(session) = sessions.iter().find(|session| Some(session.id) == of) else { return Vec::new() };
    row.tries += 1;
    let cell = row.cell;
    let measure = Measure {
        id,
        n_prompt: cell.n_prompt,
        n_generate: cell.n_generate,
        n_depth: cell.depth,
        n_parallel: cell.parallel,
        n_batch: cell.batch,
        n_ubatch: bench.plan.settings.ubatch.min(cell.batch),
        n_ctx: bench.plan.n_context(&cells, cell.parallel),
    };
    bench.trial = Some(Trial {
        row: index,
        id,
        watch: Watch::new(*now, session.pid, n_throttled),
        energy_account: EnergyAccount::default(),
        ended: None,
    });
    let session = session.id;
    job::measure(domain, session, id, Request::Measure(measure))
}

/// Charge one of its repetitions: the one that runs, or one that has ended and whose meter tells late.
pub(super) fn charge(bench: &mut Bench, consumer: &Consumer, shared: &Shared) {
    let repetitions = bench.rows.iter_mut().flat_map(|row| row.repetitions.iter_mut().chain(&mut row.aside));
    let ended = repetitions.map(|one| (one.id, &mut one.energy_account));
    let running = bench.trial.iter_mut().map(|trial| (trial.id, &mut trial.energy_account));
    for (id, energy_account) in running.chain(ended) {
        for interval in consumer.done.intervals.iter().filter(|interval| interval.generation == id) {
            energy_account.spend(interval);
            energy_account.miss(&shared.absent);
        }
        for share in &shared.shares {
            for interval in share.intervals.iter().filter(|interval| interval.generation == id) {
                energy_account.book(share, interval);
            }
        }
    }
}

/// Stop the sessions that have nothing more to do.
fn close_group(domain: &mut Domain) -> Vec<Effect> {
    let open = domain.bench.entries.iter_mut().filter(|entry| entry.is_open());
    let sessions: Vec<JobSession> = open
        .map(|entry| {
            entry.phase = EntryPhase::Done;
            entry.session.clone()
        })
        .collect();
    sessions.iter().flat_map(|session| job::leave(domain, session)).collect()
}

/// All is measured: keep it, and compare.
fn end(domain: &mut Domain) -> Vec<Effect> {
    for row in &domain.bench.rows {
        let (Some(entry), Some(rate)) = (domain.bench.entries.get(row.entry), row.rate()) else { continue };
        // The plainest speed is the one that a list shows.
        if row.cell.n_generate > 0 && row.cell.depth == 0 && row.cell.parallel == 1 {
            domain.library.measured.insert(entry.model.id.clone(), rate.mean);
            if let Some(joules) = row.joules() {
                domain.library.measured_joules.insert(entry.model.id.clone(), joules);
            }
        }
    }
    if domain.bench.rows.iter().all(|row| row.repetitions.is_empty()) {
        domain.bench.phase = Phase::Done;
        return Vec::new();
    }
    let (at, begin) = (now_ms(domain), domain.bench.began.uptime);
    let effects = history::remember(domain, record(&domain.bench, at), begin, None);
    domain.bench.ask = match effects[..] {
        [Effect::SaveRecord { ask, .. }] => Some(ask),
        _ => None,
    };
    domain.bench.phase = if effects.is_empty() { Phase::Done } else { Phase::Comparing };
    effects
}

/// The history has kept the record of this question, and tells what was measured before, for each figure; it may be
/// another's record.
pub(super) fn compared(domain: &mut Domain, ask: u64, earlier: Vec<Vec<(i64, Measured)>>) {
    let bench = &mut domain.bench;
    if bench.phase != Phase::Comparing || bench.ask != Some(ask) {
        return;
    }
    let measured = bench.rows.iter_mut().filter(|row| !row.repetitions.is_empty());
    for (row, earlier) in measured.zip(earlier) {
        row.earlier = earlier;
    }
    bench.phase = Phase::Done;
}

/// End the bench now. What was measured stays on the screen, and is not kept.
pub(super) fn cancel(domain: &mut Domain) -> Vec<Effect> {
    if domain.bench.phase != Phase::Running {
        return Vec::new();
    }
    domain.bench.phase = Phase::Cancelled;
    domain.bench.trial = None;
    let effects = close_group(domain);
    // A worker leaves its decode call at once when it is stopped.
    domain.bench.entries.iter_mut().for_each(|entry| entry.phase = EntryPhase::Done);
    effects
}
