//! Everything the program knows.

use std::sync::Arc;

use crate::demand::Crashes;
use crate::download::{Download, Order};
use crate::energy::Attribution;
use crate::engine_metrics::EngineMetrics;
use crate::figure::Figure;
use crate::lab::bench::Bench;
use crate::lab::perplexity::PerplexityRun;
use crate::lab::race::Race;
use crate::lab::race::rating::Vote;
use crate::lab::suite::run::SuiteRun;
use crate::machine::readings::Readings;
use crate::machine::remote::RemoteMachine;
use crate::machine::{Bandwidth, Sample};
use crate::model::{Library, Model};
use crate::moment::Moment;
use crate::notification::Notification;
use crate::record::PendingRecord;
use crate::requests::EndedRequests;
use crate::ring::Ring;
use crate::session::{Session, SessionId, SessionStatus, WorkerId};
use crate::settings::Settings;
use crate::storage::CleanupState;
use crate::units::{Bytes, Watts};

/// What the program knows.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Domain {
    /// The time of the event handled last.
    pub now: Moment,
    /// The settings in force.
    pub settings: Settings,
    /// The library.
    pub library: Library,
    /// The downloads.
    pub downloads: Downloads,
    /// Housekeeping.
    pub cleanup: CleanupState,
    /// All sessions, in the order they were started.
    pub sessions: Vec<Session>,
    /// The last requests that have ended and that their sessions know no longer.
    pub ended_requests: EndedRequests,
    /// The race that runs, or the last one.
    pub race: Option<Box<Race>>,
    /// All votes, oldest first.
    #[serde(with = "crate::lab::race::vote_snapshot::votes")]
    pub votes: Vec<Vote>,
    /// A text that is being scored.
    pub perplexity: Option<Box<PerplexityRun>>,
    /// The bench that runs, or the last one.
    pub bench: Bench,
    /// The suite that runs, or the last one.
    pub suite: Option<Box<SuiteRun>>,
    /// Answers that wait for the last of their energy before they are kept.
    pub held: Vec<PendingRecord>,
    /// The machine.
    pub machine: Machine,
    /// The other machines, in the order of their names.
    pub machines: Vec<RemoteMachine>,
    /// The latest reports from the engines of other programs, sorted by name.
    pub engines: Vec<EngineMetrics>,
    /// Where its energy goes.
    pub attribution: Attribution,
    /// Models whose workers have died.
    pub crashes: Crashes,
    /// Processes of other programs that were asked to end.
    pub asked_to_end: Vec<(u32, u64)>,
    pub(crate) next_id: u64,
    /// What the event that is being handled has for the clients.
    pub(crate) outbox: Vec<Notification>,
}

/// The downloads.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Downloads {
    /// All of them, oldest first.
    pub all: Vec<Download>,
    /// Orders that had not begun when they were written down last; `None` before it was read what earlier runs kept.
    pub kept: Option<Vec<Order>>,
}

/// The machine's readings.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Machine {
    /// The last sample.
    #[serde(with = "crate::machine::snapshot::last_sample")]
    pub sample: Option<Box<Sample>>,
    /// Busy share of all cores by tick, percent.
    pub cpu: Ring,
    /// Used memory by tick, bytes.
    pub memory: Ring,
    /// Busy share of all GPUs that tell it by tick, percent.
    pub gpu: Ring,
    /// What all disks read and write by tick, bytes per second.
    pub disk: Ring,
    /// What comes and goes by the network by tick, bytes per second.
    pub network: Ring,
    /// Metered power by tick, watts.
    pub power: Ring,
    /// Generated tokens per second of all sessions by tick.
    pub throughput: Ring,
    /// The hottest sensor by tick, degrees Celsius.
    pub temperature: Ring,
    /// What all sessions hold together by tick, bytes.
    pub held: Ring,
    /// Temperature sensors by label, the first [`Machine::MAX_SENSORS`]: degrees Celsius by tick.
    pub sensors: Vec<(String, Ring)>,
    /// Its readings, for the records of what runs.
    pub readings: Readings,
    /// What taffrail itself draws.
    pub own_watts: Figure<Watts>,
    /// What the main memory gives, where it was measured.
    pub bandwidth: Option<Bandwidth>,
    /// It is being measured now.
    pub measuring: bool,
    /// Memory that workers held at the last sample which have ended since.
    pub(crate) released: Bytes,
}

impl Machine {
    /// Sensors with a separate graph. Servers have dozens, and the hottest of all is shown anyway.
    pub const MAX_SENSORS: usize = 8;
}

impl Domain {
    /// What is known at the program's start.
    pub fn new(settings: Settings) -> Self {
        let bound = (settings.telemetry.history.as_millis() / settings.telemetry.interval.as_millis().max(1)) as usize;
        let ring = Ring::new(bound);
        Self {
            now: Moment::default(),
            library: Library::default(),
            downloads: Downloads::default(),
            cleanup: CleanupState::default(),
            sessions: Vec::new(),
            ended_requests: EndedRequests::default(),
            race: None,
            votes: Vec::new(),
            perplexity: None,
            machine: Machine {
                sample: None,
                cpu: ring.clone(),
                memory: ring.clone(),
                gpu: ring.clone(),
                disk: ring.clone(),
                network: ring.clone(),
                power: ring.clone(),
                throughput: ring.clone(),
                temperature: ring.clone(),
                held: ring,
                sensors: Vec::new(),
                readings: Readings::default(),
                own_watts: Figure::unknown("not sampled yet"),
                bandwidth: None,
                measuring: false,
                released: Bytes(0),
            },
            machines: settings.machines.keys().map(|name| RemoteMachine::new(name)).collect(),
            engines: Vec::new(),
            attribution: Attribution::default(),
            bench: Bench::default(),
            suite: None,
            held: Vec::new(),
            crashes: Crashes::default(),
            asked_to_end: Vec::new(),
            next_id: 1,
            outbox: Vec::new(),
            settings,
        }
    }

    /// How many ticks of history are kept.
    pub fn history(&self) -> usize {
        let telemetry = &self.settings.telemetry;
        (telemetry.history.as_millis() / telemetry.interval.as_millis().max(1)).max(1) as usize
    }

    /// The session of this name.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// The newest session of a model that lives; `None` where none does.
    pub fn running(&self, model: &str) -> Option<&Session> {
        self.sessions.iter().rev().find(|session| session.is_live() && session.model.id == model)
    }

    /// The session that a worker belongs to; `None` for an old worker.
    pub fn session_of(&self, worker: WorkerId) -> Option<&Session> {
        self.sessions.iter().find(|session| session.worker == worker)
    }

    /// The model of this id.
    pub fn model(&self, id: &str) -> Option<&Arc<Model>> {
        self.library.models.iter().find(|model| model.id == id)
    }

    /// Whether a race runs.
    pub fn is_racing(&self) -> bool {
        self.race.as_ref().is_some_and(|race| race.is_running())
    }

    /// The other machine of this name.
    pub fn remote(&self, name: &str) -> Option<&RemoteMachine> {
        self.machines.iter().find(|machine| machine.name == name)
    }

    /// The session that the server of a model's machine has of it, where that is another machine.
    pub fn session_there(&self, model: &Model) -> Option<&SessionStatus> {
        let machine = self.remote(model.machine.as_deref()?)?;
        let id = model.id.strip_prefix(machine.name.as_str())?.strip_prefix('/')?;
        machine.sessions.iter().find(|session| session.model == id && session.phase != "failed")
    }

    /// What the engine of another program that runs a session reported; `None` where nothing is known, or it runs here.
    pub fn engine_of(&self, session: &Session) -> Option<&EngineMetrics> {
        let remote = session.model.remote.as_ref()?;
        self.engines.iter().find(|engine| engine.engine == remote.engine)
    }

    /// The last sample of a machine: of this one, or of the other one of this name.
    pub fn sample_on(&self, machine: Option<&str>) -> Option<&Sample> {
        match machine {
            None => self.machine.sample.as_deref(),
            Some(name) => self.remote(name)?.sample.as_deref(),
        }
    }

    /// Where a machine's energy goes: this one's, or that of the other one of this name.
    pub(crate) fn attribution_on(&mut self, machine: Option<&str>) -> Option<&mut Attribution> {
        match machine {
            None => Some(&mut self.attribution),
            Some(name) => {
                let there = self.machines.iter_mut().find(|machine| machine.name == name);
                there.map(|machine| &mut machine.attribution)
            }
        }
    }

    /// Threads that all sessions on a machine may use together. What is set is for this one.
    pub fn thread_limit_on(&self, machine: Option<&str>) -> u32 {
        match machine {
            None => self.thread_limit(),
            Some(_) => self.sample_on(machine).map_or(1, Sample::threads),
        }
    }

    /// Threads that all sessions together may use.
    pub fn thread_limit(&self) -> u32 {
        let usable = self.machine.sample.as_ref().map_or(1, |sample| sample.threads());
        self.settings.budget.threads.unwrap_or(usable)
    }
}
