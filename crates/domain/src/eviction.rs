//! What happens when a model is asked for that is not loaded: whether it fits, and which models are unloaded for it.
//!
//! Owned here: the decision and its figures, as a function of what is known, for the scheduler (`update::demand`), for a
//! preview on the screen and for `taffrail serve plan`. Absent: carrying it out.
//!
//! A model that was loaded for a request goes when nothing runs in it and it has been loaded for a while
//! ([`crate::settings::Budget::min_loaded`], or as long as loading it took, whichever is longer), so that two models that
//! don't fit together don't displace each other with every request. Of several, those go first that have been idle for
//! long, free much and are quick to load again: the score is idle time × memory ÷ time to load.

mod preview;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admission::{self, AdmissionError, Free, MemoryEstimate};
use crate::lab::working;
use crate::model::Model;
use crate::request::Request;
use crate::session::{Phase, Session, SessionId};
use crate::settings::SessionSettings;
use crate::state::Domain;
use crate::units::Bytes;

/// What a disk gives, to guess how long loading takes where it has not been measured: bytes per second. A guess that is
/// wrong by a factor changes an order among models of the same kind little.
const DISK: f64 = 5e8;

/// What loading a model now would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// The model's id.
    pub model: String,
    /// Its name.
    pub name: String,
    /// What it needs.
    pub needed: MemoryEstimate,
    /// What is free for it now; `None` before the memory was read.
    pub free: Option<Bytes>,
    /// What it comes to.
    pub outcome: Outcome,
    /// What each device has and who holds it.
    pub devices: Vec<Device>,
}

/// What it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// A session has it, or is about to.
    Loaded(SessionId),
    /// It fits as things are.
    Fits,
    /// It fits once these are unloaded, which can be at once. The first goes first.
    Evicts(Vec<Candidate>),
    /// It fits once these are unloaded or have ended, some of which can't be yet.
    Waits(Vec<Candidate>),
    /// It does not fit, whatever of what was loaded for requests is unloaded. The figures are those after that.
    Refused {
        /// The figures.
        refusal: AdmissionError,
        /// What would be unloaded.
        unloaded: Bytes,
    },
    /// The memory has not been read.
    Unknown,
}

/// A session that may be unloaded, or is ending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Which.
    pub session: SessionId,
    /// Its name.
    pub name: String,
    /// What it frees.
    pub frees: Bytes,
    /// What its process was measured to hold; `None` before it was sampled.
    pub held: Option<Bytes>,
    /// How long nothing has been asked of it.
    pub idle: Option<Duration>,
    /// How long loading it took.
    pub load: Option<Duration>,
    /// The higher, the sooner it goes.
    pub score: f64,
    /// Why it does not go yet.
    pub hold: Option<Hold>,
}

/// Why a session is not unloaded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// This many requests run in it or wait for it.
    Busy(usize),
    /// It is being loaded.
    Loading,
    /// It was loaded a moment ago: so long it stays.
    Recent(Duration),
    /// It ends already.
    Stopping,
    /// A race, a bench, a suite or the scoring of a text needs it.
    Job,
}

/// A device with memory that models are loaded into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// `main memory`, `GPU 0`.
    pub name: String,
    /// Its memory.
    pub total: Bytes,
    /// What is free or can be reclaimed.
    pub free: Bytes,
    /// Which sessions hold how much of it, as measured.
    pub held: Vec<(SessionId, Bytes)>,
}

/// What loading a model with these settings would do now.
pub fn plan_load(domain: &Domain, model: &Arc<Model>, settings: SessionSettings) -> LoadPlan {
    let settings = admission::settings_for(model, settings);
    let needed = admission::planned(domain, model, &settings);
    let machine = model.machine.as_deref();
    let outcome = match serving(domain, &model.id) {
        Some(session) => Outcome::Loaded(session.id),
        None => outcome(domain, machine, needed, &settings),
    };
    let memory =
        if machine.is_some() { admission::free_memory_on(domain, machine) } else { memory(domain, &[], &settings) };
    let free = memory.map(|memory| memory.free);
    LoadPlan {
        model: model.id.clone(),
        name: model.name.clone(),
        needed,
        free,
        outcome,
        devices: devices(domain, machine),
    }
}

/// The session that answers requests for a model: a loaded one before one still loading, then the one with the fewest
/// requests. A session started for a job answers no other requests.
pub fn serving<'a>(domain: &'a Domain, model: &str) -> Option<&'a Session> {
    let jobs = working::sessions(domain);
    let serves = |session: &&Session| {
        session.model.id == model
            && matches!(session.phase, Phase::Queued | Phase::Loading { .. } | Phase::Ready)
            && !jobs.contains(&(session.id, true))
    };
    let key = |session: &&Session| {
        let n_open = session.requests.iter().filter(|request| request.is_open()).count() + session.queries.len();
        (session.phase != Phase::Ready, session.phase == Phase::Queued, n_open)
    };
    domain.sessions.iter().filter(serves).min_by_key(key)
}

/// What a session that needs so much on a machine comes to.
pub(crate) fn outcome(
    domain: &Domain,
    machine: Option<&str>,
    needed: MemoryEstimate,
    settings: &SessionSettings,
) -> Outcome {
    if !settings.on.is_here() {
        return Outcome::Fits;
    }
    if machine.is_some() {
        // What is loaded here takes no room there.
        return match admission::admit_on(domain, machine, needed) {
            Ok(()) => Outcome::Fits,
            Err(refusal) => Outcome::Refused { refusal, unloaded: Bytes(0) },
        };
    }
    let needs = needed.here();
    let free = |without: &[SessionId]| memory(domain, without, settings);
    let Some(now) = free(&[]) else { return Outcome::Unknown };
    if needs <= now.free {
        return Outcome::Fits;
    }
    let mut all = candidates(domain);
    // What goes anyway first, then what can go now, then what has to be waited for.
    let rank = |one: &Candidate| match one.hold {
        Some(Hold::Stopping) => 0,
        None => 1,
        Some(_) => 2,
    };
    all.sort_by(|one, other| rank(one).cmp(&rank(other)).then(other.score.total_cmp(&one.score)));
    let fits = |some: &[Candidate]| {
        let without: Vec<SessionId> = some.iter().map(|one| one.session).collect();
        free(&without).is_some_and(|memory| needs <= memory.free)
    };
    let Some(count) = (1..=all.len()).find(|count| fits(&all[..*count])) else {
        let without: Vec<SessionId> = all.iter().map(|one| one.session).collect();
        let Free { free, available, promised, others, reserve } = free(&without).unwrap_or(now);
        let refusal = AdmissionError { needed, free, available, promised, others, reserve };
        return Outcome::Refused { refusal, unloaded: free.saturating_sub(now.free) };
    };
    all.truncate(count);
    // A later one may have made an earlier one needless: the last that was taken is needed.
    let mut place = all.len() - 1;
    while place > 0 {
        place -= 1;
        let one = all.remove(place);
        if !fits(&all) {
            all.insert(place, one);
        }
    }
    if all.iter().all(|one| one.hold.is_none()) { Outcome::Evicts(all) } else { Outcome::Waits(all) }
}

/// Free memory for a session with these settings once `without` are gone. A session kept off the GPUs can't use their memory.
fn memory(domain: &Domain, without: &[SessionId], settings: &SessionSettings) -> Option<Free> {
    admission::free_memory_without(domain, without, settings.gpu_layers != Some(0))
}

/// The sessions whose memory may be had.
fn candidates(domain: &Domain) -> Vec<Candidate> {
    let jobs = working::sessions(domain);
    let candidate = |session: &Session| {
        let is_of_job = jobs.iter().any(|(id, _)| *id == session.id);
        let is_own = jobs.contains(&(session.id, true));
        let hold = match session.phase {
            Phase::Queued | Phase::Failed { .. } => return None,
            Phase::Stopping => Some(Hold::Stopping),
            _ if is_own => Some(Hold::Job),
            _ if !session.is_evictable() => return None,
            _ if is_of_job => Some(Hold::Job),
            Phase::Loading { .. } => Some(Hold::Loading),
            Phase::Ready => hold(domain, session),
        };
        let measured = session.memory_held();
        let frees = session.planned.here().max(measured.unwrap_or_default());
        let idle = session.idle(domain.now);
        let load = session.loaded.as_ref().map(|loaded| Duration::from_micros(loaded.load_us));
        let score = score(idle.unwrap_or_default(), frees, load, session.planned);
        Some(Candidate {
            session: session.id,
            name: session.name.clone(),
            frees,
            held: measured,
            idle,
            load,
            score,
            hold,
        })
    };
    // A remote one frees nothing here.
    domain
        .sessions
        .iter()
        .filter(|session| session.is_here() && session.machine().is_none())
        .filter_map(candidate)
        .collect()
}

/// Why a loaded session is not unloaded yet.
fn hold(domain: &Domain, session: &Session) -> Option<Hold> {
    // Requests waiting in a draining session will wait elsewhere afterwards.
    let holds = |one: &&Request| one.is_running() || (one.is_open() && !session.demand.is_draining);
    let queries = session.queries.iter().filter(|one| one.is_running() || !session.demand.is_draining);
    match session.requests.iter().filter(holds).count() + queries.count() {
        0 => {}
        count => return Some(Hold::Busy(count)),
    }
    let left = min_loaded(domain, session).saturating_sub(loaded_for(domain, session));
    (!left.is_zero()).then_some(Hold::Recent(left))
}

/// Whether a session may be kept from beginning anything new, since another model has waited long enough for it.
pub(crate) fn may_drain(domain: &Domain, session: &Session) -> bool {
    let is_of_job = || working::sessions(domain).iter().any(|(id, _)| *id == session.id);
    session.phase == Phase::Ready
        && session.is_evictable()
        && loaded_for(domain, session) >= min_loaded(domain, session)
        && !is_of_job()
}

/// How long a session has been loaded.
fn loaded_for(domain: &Domain, session: &Session) -> Duration {
    let since = session.demand.loaded.unwrap_or(session.since);
    domain.now.uptime.saturating_sub(since.uptime)
}

/// How long a session stays loaded at least.
fn min_loaded(domain: &Domain, session: &Session) -> Duration {
    let took = session.loaded.as_ref().map_or(0, |loaded| loaded.load_us);
    // A worker's word for it is no reason to stay for ever.
    domain.settings.budget.min_loaded.max(Duration::from_micros(took).min(MAX_MIN_LOADED))
}

/// The longest that a slow load keeps a model in memory.
const MAX_MIN_LOADED: Duration = Duration::from_mins(5);

/// The higher, the sooner a session goes. Time that was never measured is guessed by the size.
fn score(idle: Duration, frees: Bytes, load: Option<Duration>, planned: MemoryEstimate) -> f64 {
    let load = load.map_or(planned.weights.0 as f64 / DISK, |load| load.as_secs_f64());
    // Nothing loads in no time, and of two that are not idle the larger goes first.
    (1.0 + idle.as_secs_f64()) * frees.gigabytes() / load.max(0.1)
}

/// The devices, with who holds how much.
fn devices(domain: &Domain, machine: Option<&str>) -> Vec<Device> {
    let Some(sample) = domain.sample_on(machine) else { return Vec::new() };
    let live = || domain.sessions.iter().filter(|session| session.pid.is_some() && session.machine() == machine);
    let main = sample.memory.map(|memory| Device {
        name: "main memory".to_owned(),
        total: memory.total,
        free: memory.available,
        held: live().filter_map(|session| Some((session.id, session.process?.resident))).collect(),
    });
    let gpu = |gpu: &crate::machine::Gpu| {
        let (_, total) = gpu.memory()?;
        let held = |session: &Session| {
            let held = gpu.processes.iter().find(|(pid, _)| Some(*pid) == session.pid)?;
            Some((session.id, held.1))
        };
        let held = live().filter_map(held).collect();
        Some(Device { name: format!("GPU {}", gpu.index), total, free: gpu.free_memory()?, held })
    };
    main.into_iter().chain(sample.gpus.iter().filter_map(gpu)).collect()
}
