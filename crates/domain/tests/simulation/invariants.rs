//! What must hold after each event, whatever happened.

use std::collections::{HashMap, HashSet};

use domain::command::{CommandId, Force, Value, What};
use domain::energy::EnergyAccount;
use domain::engine_metrics::EngineMetrics;
use domain::event::WorkerEvent;
use domain::ids::StorageJobId;
use domain::lab::race::rating::MAX_VOTES;
use domain::request::Stage;
use domain::requests::EndedRequests;
use domain::session::{Phase, Session, SessionId, Turn, WorkerId};
use domain::storage::CleanupJob;
use domain::units::Bytes;
use domain::{Domain, Effect, Event, admission};
use wire::{Channel, Event as Message, Request, Role, ToolCall};

use crate::demand::Demands;
use crate::energy::Books;

/// The most lines of a worker's log, by the domain's own bound.
const MAX_LOG: usize = 200;
/// The most readings of a ring's level.
const MAX_POINTS: usize = 720;

/// An answer as its worker sees it.
#[derive(Debug)]
struct Answer {
    worker: WorkerId,
    text: String,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    is_running: bool,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draft {
    Open,
    Remembered,
    Discarded,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    answers: HashMap<u64, Answer>,
    running: HashSet<u64>,
    drafts: HashMap<u64, Draft>,
    asks: HashSet<u64>,
    storage_jobs: HashSet<StorageJobId>,
    spawned: HashSet<WorkerId>,
    exited: HashSet<WorkerId>,
    stopped: HashSet<WorkerId>,
    /// Sessions that were started although there is not enough memory.
    forced: HashSet<SessionId>,
    books: Books,
    pub(crate) demands: Demands,
    /// Before the event: what sessions that have a worker were promised.
    planned: HashMap<SessionId, Bytes>,
    command: Option<CommandId>,
    /// Whether the command forces a start.
    forces: bool,
    has_closed: bool,
}

impl Invariants {
    /// Note what is to be compared after the event.
    pub(crate) fn before(&mut self, domain: &Domain, event: &Event) {
        let holds =
            |session: &&Session| !matches!(session.phase, Phase::Queued | Phase::Failed { .. } | Phase::Stopping);
        let live = domain.sessions.iter().filter(holds).filter(|one| one.is_here());
        self.planned = live.map(|session| (session.id, session.planned.total())).collect();
        let command = if let Event::Command(command) = event { Some(command) } else { None };
        self.command = command.map(|command| command.id);
        let force = command.map(|command| &command.what);
        self.forces = matches!(force, Some(What::StartSession { force: Force::All, .. }));
        self.has_closed |= matches!(event, Event::Closing);
        self.books.before(domain, event);
        self.demands.before(event);
        if let Event::Worker(worker, event) = event {
            self.hear(*worker, event);
        }
    }

    /// What a worker says of an answer that runs there is to be the answer's text.
    fn hear(&mut self, worker: WorkerId, event: &WorkerEvent) {
        match event {
            WorkerEvent::Exited { .. } => {
                assert!(self.exited.insert(worker), "the simulation's worker ended twice");
            }
            WorkerEvent::Message(Message::Text { id, pieces, tool_calls, .. }) => {
                let answer = self.answers.get_mut(id).filter(|answer| answer.is_running && answer.worker == worker);
                let Some(answer) = answer else { return };
                for piece in pieces {
                    match piece.channel {
                        Channel::Reasoning => answer.reasoning.push_str(&piece.text),
                        Channel::Answer => answer.text.push_str(&piece.text),
                    }
                }
                wire::add_deltas(&mut answer.tool_calls, tool_calls.clone(), (usize::MAX, usize::MAX));
            }
            _ => {}
        }
    }

    /// Compare.
    pub(crate) fn after(&mut self, domain: &Domain, event: &Event, effects: &[Effect]) {
        self.replies(effects);
        for effect in effects {
            self.effect(effect);
        }
        self.memory(domain, effects);
        if self.has_closed {
            return;
        }
        self.answers(domain);
        self.demands.after(domain, effects);
        self.owners(domain);
        threads(domain);
        bounds(domain);
        engines(domain);
        self.books.after(domain, event);
    }

    /// Each command has one reply, and nothing else has any. The reply to a storage command names the job that it started.
    fn replies(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::Storage(
                CleanupJob::Plan { job, .. } | CleanupJob::Perform { job, .. } | CleanupJob::Undo { job },
            ) = effect
            else {
                continue;
            };
            assert!(self.storage_jobs.insert(*job), "{job:?} is started twice");
            let names =
                |effect: &Effect| matches!(effect, Effect::Reply(reply) if reply.result == Ok(Value::StorageJob(*job)));
            assert!(effects.iter().any(names), "{job:?} is in no reply");
        }
        let replies = effects.iter().filter_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply.id),
            _ => None,
        });
        let replies: Vec<CommandId> = replies.collect();
        let expected: Vec<CommandId> = self.command.into_iter().collect();
        assert_eq!(replies, expected, "replies to one event");
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn { worker, .. } => assert!(self.spawned.insert(*worker), "{worker:?} is spawned twice"),
            Effect::Send { worker, request } => {
                assert!(self.spawned.contains(worker), "{worker:?} was never spawned: {request:?}");
                assert!(!self.exited.contains(worker), "{worker:?} has ended: {request:?}");
                if let Request::Generate(generate) = request {
                    let (text, reasoning) = (String::new(), String::new());
                    let answer = Answer { worker: *worker, text, reasoning, tool_calls: Vec::new(), is_running: true };
                    assert!(self.answers.insert(generate.id, answer).is_none(), "answer {} begins twice", generate.id);
                }
            }
            Effect::Stop { worker } => {
                assert!(!self.exited.contains(worker), "{worker:?} has ended and is stopped");
                self.stopped.insert(*worker);
            }
            Effect::SaveDraft { draft, .. } => {
                let state = self.drafts.entry(*draft).or_insert(Draft::Open);
                assert_eq!(*state, Draft::Open, "draft {draft} is written after its end");
            }
            Effect::DiscardDraft(draft) => {
                let before = self.drafts.insert(*draft, Draft::Discarded);
                assert_eq!(before, Some(Draft::Open), "draft {draft} is discarded");
            }
            Effect::SaveRecord { ask, draft, .. } => {
                assert!(self.asks.insert(*ask), "question {ask} is asked twice");
                if let Some(draft) = draft {
                    let before = self.drafts.insert(*draft, Draft::Remembered);
                    assert!(matches!(before, None | Some(Draft::Open)), "draft {draft} is kept: {before:?}");
                }
            }
            _ => {}
        }
    }

    /// What begins to load was admitted: with it, what is promised is there.
    fn memory(&mut self, domain: &Domain, effects: &[Effect]) {
        let new = effects.iter().filter_map(|effect| match effect {
            Effect::Spawn { worker, .. } => domain.session_of(*worker),
            _ => None,
        });
        let new: Vec<&Session> = new.collect();
        if self.forces {
            self.forced.extend(new.iter().map(|session| session.id));
        }
        let Some(memory) = admission::free_memory(domain) else { return };
        let given = |session: &&&Session| {
            let before = self.planned.get(&session.id).copied().unwrap_or_default();
            !self.forced.contains(&session.id) && session.is_here() && session.planned.total() > before
        };
        if let Some(session) = new.iter().find(given) {
            let admission::Free { available, promised, others, reserve, .. } = memory;
            let taken = promised + others + reserve;
            assert!(taken <= available, "{} is loaded: {taken} are taken of {available}", session.name);
            let holds = |one: &&Session| !matches!(one.phase, Phase::Queued | Phase::Failed { .. } | Phase::Stopping);
            let planned: Bytes =
                domain.sessions.iter().filter(|one| one.is_here()).filter(holds).map(|one| one.planned.total()).sum();
            let limit = domain.settings.budget.memory.unwrap_or(planned);
            assert!(planned <= limit, "{} is loaded: {planned} are promised of {limit}", session.name);
        }
    }

    /// Answers end once, with the text that their workers sent.
    fn answers(&mut self, domain: &Domain) {
        let mut running = HashSet::new();
        for (session, request) in domain.sessions.iter().flat_map(|one| one.requests.iter().map(move |of| (one, of))) {
            let id = request.id.0;
            match request.stage {
                Stage::Queued => assert!(!self.answers.contains_key(&id), "answer {id} is asked for and waits"),
                Stage::Running(_) => {
                    let Some(answer) = self.answers.get(&id) else { panic!("answer {id} was never asked") };
                    assert!(answer.is_running, "answer {id} goes on after its end");
                    assert_eq!(answer.worker, session.worker, "answer {id} is another worker's");
                    assert_eq!(request.answer.end, None, "answer {id} has an end and goes on");
                    running.insert(id);
                    same(id, &request.answer, answer);
                }
                Stage::Ended => {
                    assert!(request.answer.end.is_some(), "answer {id} has no end");
                    if let Some(answer) = self.answers.get(&id) {
                        same(id, &request.answer, answer);
                    }
                }
            }
        }
        for session in &domain.sessions {
            let n_running = session.requests.iter().filter(|request| request.is_running()).count();
            assert!(n_running <= session.n_sequences(), "{n_running} answers run in {}", session.name);
            assert!(session.turns.iter().all(|turn| turn.role != Role::Assistant || turn.end.is_some()));
        }
        // What ended since, or began and ended within one event.
        for (id, answer) in &mut self.answers {
            answer.is_running &= running.contains(id);
        }
        self.running = running;
        let columns = domain.race.iter().flat_map(|race| &race.columns).filter_map(|column| column.answer.as_ref());
        for turn in domain.sessions.iter().flat_map(|session| &session.turns).chain(columns) {
            if let Some(figures) = &turn.figures
                && let Some(answer) = self.answers.get(&figures.request.0)
            {
                same(figures.request.0, turn, answer);
            }
        }
    }

    /// No process is forgotten: each belongs to a session, or was told to stop.
    fn owners(&self, domain: &Domain) {
        let live = self.spawned.iter().filter(|worker| !self.exited.contains(worker));
        for worker in live.filter(|worker| !self.stopped.contains(worker)) {
            let session = domain.session_of(*worker).filter(|session| session.is_live());
            assert!(session.is_some(), "{worker:?} runs for nobody");
        }
    }

    /// After all has become quiet nothing waits.
    pub(crate) fn quiet(&self, domain: &Domain) {
        for session in &domain.sessions {
            let waits = !matches!(session.phase, Phase::Ready | Phase::Failed { .. });
            assert!(!waits, "{} waits for ever: {:?}", session.name, session.phase);
        }
        assert!(!domain.is_racing(), "the race waits for ever: {:?}", domain.race.as_ref().map(|race| &race.columns));
        assert!(!domain.bench.is_running(), "the bench waits for ever: {:?}", domain.bench);
        let suite = domain.suite.as_ref().filter(|run| !run.is_over());
        assert!(suite.is_none(), "the suite waits for ever: {suite:?}");
        let run = domain.perplexity.as_ref().filter(|run| !run.is_over());
        assert!(run.is_none(), "the scoring waits for ever: {run:?}");
        assert!(domain.held.is_empty(), "records wait for ever: {:?}", domain.held);
        let active = domain.downloads.all.iter().find(|download| download.is_active());
        assert!(active.is_none(), "a download waits for ever: {active:?}");
        assert!(!domain.machine.measuring && !domain.cleanup.surveying && domain.cleanup.work.is_none());
        let open = domain.sessions.iter().flat_map(|session| &session.requests).find(|request| request.is_open());
        assert!(open.is_none(), "a request waits for ever: {open:?}");
        assert!(self.running.is_empty());
        self.demands.quiet();
    }

    /// After the end of the program no draft is lost.
    pub(crate) fn closed(&self) {
        assert!(self.has_closed);
        let open: Vec<&u64> =
            self.drafts.iter().filter(|(_, state)| **state == Draft::Open).map(|(draft, _)| draft).collect();
        assert!(open.is_empty(), "drafts {open:?} are neither kept nor discarded");
    }
}

fn same(generation: u64, turn: &Turn, answer: &Answer) {
    assert_eq!(turn.text, answer.text, "the text of answer {generation}");
    assert_eq!(turn.reasoning, answer.reasoning, "the reasoning of answer {generation}");
    assert_eq!(turn.tool_calls, answer.tool_calls, "the calls of answer {generation}");
}

/// Threads of those that answer stay within the budget, unless there are more answers than threads.
fn threads(domain: &Domain) {
    // Those that run elsewhere take none of this machine's.
    let here = |session: &&Session| session.is_busy() && session.is_here() && session.model.remote.is_none();
    let busy: Vec<&Session> = domain.sessions.iter().filter(here).collect();
    let given: u32 = busy.iter().map(|session| session.threads).sum();
    let most = domain.thread_limit().max(busy.len() as u32);
    assert!(given <= most, "{given} threads are given of {most}");
    assert!(busy.iter().all(|session| session.threads > 0), "an answer has no thread");
    let idle = domain.sessions.iter().filter(|session| !here(session));
    assert_eq!(idle.map(|session| session.threads).sum::<u32>(), 0, "idle sessions hold threads");
}

fn bounds(domain: &Domain) {
    let history = domain.history().min(MAX_POINTS);
    let machine = &domain.machine;
    let rings =
        [&machine.cpu, &machine.memory, &machine.power, &machine.throughput, &machine.temperature, &machine.held];
    let sensors = machine.sensors.iter().map(|(_, ring)| ring);
    for ring in rings.into_iter().chain(sensors) {
        assert!(ring.len() <= history);
    }
    for session in &domain.sessions {
        assert!(session.log.len() <= MAX_LOG);
        for ring in [&session.throughput, &session.memory, &session.power] {
            assert!(ring.len() <= history);
        }
    }
    assert!(machine.sensors.len() <= domain::state::Machine::MAX_SENSORS);
    assert!(domain.votes.len() <= MAX_VOTES);
    assert!(domain.ended_requests.len() <= EndedRequests::MAX);
    assert!(domain.attribution.baselines.known.len() <= domain::energy::MAX_BASELINES);
}

/// Engines of other programs stand once each, in order, and no count that falls makes a negative rate; what runs there has no
/// process here, holds no memory and is charged by no meter.
fn engines(domain: &Domain) {
    assert!(domain.engines.len() <= EngineMetrics::MAX);
    assert!(domain.engines.is_sorted_by(|one, next| one.engine < next.engine));
    for engine in &domain.engines {
        let rates = [engine.prompt_rate, engine.generation_rate];
        assert!(rates.into_iter().flatten().all(|rate| rate.is_finite() && rate >= 0.0), "{engine:?}");
    }
    for session in domain.sessions.iter().filter(|session| session.model.remote.is_some()) {
        let name = &session.name;
        assert!(session.memory_held().is_none() && session.engine_memory().is_none(), "{name} holds memory here");
        assert!(session.energy_account == EnergyAccount::default(), "{name} is charged by a meter of this machine");
        assert_eq!(session.threads, 0, "{name} takes threads of this machine");
    }
}
