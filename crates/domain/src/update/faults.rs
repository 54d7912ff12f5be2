//! Faults that the simulation found, each in its least form.

use std::sync::Arc;
use std::time::Duration;

use wire::{
    Channel, Counters, Event as Message, Failure, FailureKind, Finish, Ledger, Loaded, Piece, Request, Sampling,
};

use crate::command::{Cause, Command, CommandId, Force, Refused, Value, What};
use crate::download::hub::{Failure as HubFailure, FailureKind as HubFailureKind, RemoteFile};
use crate::download::{DownloadEvent, Order, Phase as DownloadPhase};
use crate::event::WorkerEvent;
use crate::figure::Figure;
use crate::lab::perplexity::PerplexityOrder;
use crate::lab::race::{Entry, Order as RaceTurns, RaceOrder};
use crate::machine::{Core, Domain as Meter, Memory, Power, Sample};
use crate::model::{Model, ModelFile};
use crate::session::{Phase, Session, SessionId, WorkerId};
use crate::settings::{SessionSettings, Settings};
use crate::state_machine::StateMachine;
use crate::units::{Bytes, Joules, Watts};
use crate::{Effect, Event, Moment};

const GB: u64 = 1_000_000_000;

/// A model of so many gigabytes.
fn model(name: &str, gigabytes: u64) -> Arc<Model> {
    let size = Bytes(gigabytes * GB);
    let file = ModelFile { path: format!("/models/{name}.gguf").into(), size, modified: 0, digest: None };
    Arc::new(Model { size, files: vec![file], ..crate::testing::model(name) })
}

/// 10 GB that are free, one in reserve; four cores; a package's meter.
fn sample(cores: usize, second: u64) -> Event {
    let watts = Figure::measured(Watts(10.0), "rapl");
    let (domain, name, energy) = (Meter::Package(0), "package-0".to_owned(), Some(Joules(10.0)));
    Event::Sample(Box::new(Sample {
        at: at(second),
        elapsed: Duration::from_secs(1),
        cores: vec![Core { usage: None, mhz: None }; cores],
        memory: Some(Memory { total: Bytes(16 * GB), available: Bytes(10 * GB), ..Memory::default() }),
        power: vec![Power { domain, name, watts, energy, counted: None, adds: true }],
        ..Sample::default()
    }))
}

fn at(second: u64) -> Moment {
    Moment { uptime: Duration::from_secs(second), unix: second.cast_signed() }
}

/// A machine that knows two models and its sensors.
fn machine() -> StateMachine {
    let mut machine = StateMachine::new(Settings::default());
    machine.library.models = vec![model("small", 2), model("large", 6)];
    machine.update(at(0), sample(4, 0));
    machine
}

fn give(machine: &mut StateMachine, what: What) -> (Result<Value, Refused>, Vec<Effect>) {
    let now = machine.now;
    let effects = machine.update(now, Event::Command(Command { id: CommandId(1), what }));
    let reply = effects.iter().find_map(|effect| match effect {
        Effect::Reply(reply) => Some(reply.result.clone()),
        _ => None,
    });
    (reply.unwrap(), effects)
}

fn start(machine: &mut StateMachine, model: &str) -> (SessionId, WorkerId) {
    let settings = Box::new(SessionSettings::default());
    let (reply, _) = give(machine, What::StartSession { model: format!("folder:{model}"), settings, force: Force::No });
    let Ok(Value::Session(id)) = reply else { panic!("{reply:?}") };
    (id, session(machine, id).worker)
}

fn session(machine: &StateMachine, id: SessionId) -> &Session {
    machine.session(id).unwrap()
}

fn says(machine: &mut StateMachine, worker: WorkerId, message: Message) -> Vec<Effect> {
    let now = machine.now;
    machine.update(now, Event::Worker(worker, WorkerEvent::Message(message)))
}

fn exits(machine: &mut StateMachine, worker: WorkerId) -> Vec<Effect> {
    let (reason, now) = ("killed by signal 9".to_owned(), machine.now);
    machine.update(now, Event::Worker(worker, WorkerEvent::Exited { reason, expected: false, hint: None }))
}

fn load(machine: &mut StateMachine, worker: WorkerId) -> Vec<Effect> {
    let now = machine.now;
    machine.update(now, Event::Worker(worker, WorkerEvent::Spawned { pid: worker.0 as u32 }));
    let loaded = Loaded {
        n_ctx: 512,
        n_ctx_train: 512,
        n_gpu_layers: 0,
        n_layers: 2,
        ledger: Ledger::default(),
        has_template: true,
        embeds_only: false,
        sampling: Sampling::default(),
        load_us: 1,
        load_cpu_us: Some(1),
    };
    says(machine, worker, Message::Loaded(Box::new(loaded)))
}

/// The generation that was asked for.
fn asked(effects: &[Effect]) -> u64 {
    let generate = effects.iter().find_map(|effect| match effect {
        Effect::Send { request: Request::Generate(generate), .. } => Some(generate.id),
        _ => None,
    });
    generate.unwrap()
}

fn text(id: u64, text: &str) -> Message {
    let pieces = vec![Piece { channel: Channel::Answer, text: text.to_owned() }];
    let counters = Counters { n_generated: 1, ..Counters::default() };
    Message::Text { id, pieces, tool_calls: Vec::new(), counters, tokens: Vec::new() }
}

fn finished(id: u64) -> Message {
    Message::Finished { id, finish: Finish::Stop, counters: Counters { n_generated: 1, ..Counters::default() } }
}

fn failed(id: Option<u64>, kind: FailureKind) -> Message {
    Message::Failed(Failure { id, kind, message: "it failed".into(), hint: None })
}

fn prompt(machine: &mut StateMachine, id: SessionId) -> Vec<Effect> {
    let (reply, effects) = give(machine, What::SendPrompt { session: id, text: "why?".into() });
    assert_eq!(reply, Ok(Value::Accepted));
    effects
}

/// A draft that is written down: neither kept nor discarded yet.
fn open_drafts(all: &[Effect]) -> Vec<u64> {
    let mut open = Vec::new();
    for effect in all {
        match effect {
            Effect::SaveDraft { draft, .. } if !open.contains(draft) => open.push(*draft),
            Effect::DiscardDraft(ended) | Effect::SaveRecord { draft: Some(ended), .. } => {
                open.retain(|draft| draft != ended);
            }
            _ => {}
        }
    }
    open
}

#[test]
fn a_worker_that_refuses_its_model_is_stopped_and_its_answer_ends() {
    let mut machine = machine();
    let (id, worker) = start(&mut machine, "small");
    load(&mut machine, worker);
    prompt(&mut machine, id);
    let effects = says(&mut machine, worker, failed(None, FailureKind::Load));
    assert!(effects.contains(&Effect::Stop { worker }), "{effects:?}");
    let session = session(&machine, id);
    assert!(session.turns.last().unwrap().end.is_some());
    assert_eq!(session.threads, 0);
}

#[test]
fn threads_follow_what_the_machine_allows() {
    let mut machine = machine();
    let (id, worker) = start(&mut machine, "small");
    load(&mut machine, worker);
    prompt(&mut machine, id);
    assert_eq!(session(&machine, id).threads, 4);
    let effects = machine.update(at(1), sample(2, 1));
    assert_eq!(session(&machine, id).threads, 2);
    assert!(effects.contains(&Effect::Send { worker, request: Request::Threads { n_threads: 2 } }));
}

#[test]
fn a_prompt_that_is_cleared_before_its_model_is_loaded_leaves_no_draft() {
    let mut machine = machine();
    let (id, _) = start(&mut machine, "small");
    let mut all = prompt(&mut machine, id);
    assert_eq!(open_drafts(&all).len(), 1);
    all.extend(give(&mut machine, What::ClearSession(id)).1);
    assert!(open_drafts(&all).is_empty());
}

#[test]
fn a_restart_needs_memory_as_a_start_does() {
    let mut machine = machine();
    let (large, worker) = start(&mut machine, "large");
    // What it was promised is its own.
    assert_eq!(give(&mut machine, What::RestartSession(large)).0, Ok(Value::Accepted));
    let worker = machine.session(large).map_or(worker, |session| session.worker);
    exits(&mut machine, worker);
    start(&mut machine, "small");
    start(&mut machine, "small");
    let (reply, _) = give(&mut machine, What::RestartSession(large));
    assert!(matches!(reply, Err(Refused { cause: Cause::Memory(_), .. })), "{reply:?}");
    assert!(matches!(session(&machine, large).phase, Phase::Failed { .. }));
}

fn scoring(machine: &StateMachine, model: usize, file: &str) -> PerplexityOrder {
    let model = Entry { model: Arc::clone(&machine.library.models[model]), settings: SessionSettings::default() };
    let (text, file) = ("a text".to_owned(), file.into());
    PerplexityOrder { model, reference: None, text, n_chunk: 512, max_chunks: None, every: false, file }
}

#[test]
fn a_text_is_scored_only_where_the_memory_suffices() {
    let mut machine = machine();
    let order = scoring(&machine, 1, "");
    let (reply, effects) = give(&mut machine, What::StartPerplexity(Box::new(order.clone())));
    assert_eq!(reply, Ok(Value::Accepted));
    assert!(matches!(effects.first(), Some(Effect::TempDir(_))));
    // It is taken while the folder is made.
    let (_, worker) = start(&mut machine, "large");
    let effects = machine.update(at(0), Event::TempDir(Box::new(scoring(&machine, 1, "/tmp/file"))));
    assert!(effects.contains(&Effect::RemoveTempDir) && machine.perplexity.is_none(), "{effects:?}");
    // A loaded model is loaded again, so it needs as much again.
    load(&mut machine, worker);
    let (reply, _) = give(&mut machine, What::StartPerplexity(Box::new(order)));
    assert_eq!(reply.map_err(|refused| refused.cause), Err(Cause::MemoryTogether));
}

#[test]
fn an_answer_that_has_begun_is_kept_whatever_its_failure_is_called() {
    let mut machine = machine();
    let (id, worker) = start(&mut machine, "small");
    load(&mut machine, worker);
    let mut all = prompt(&mut machine, id);
    let generation = asked(&all);
    all.extend(says(&mut machine, worker, text(generation, "it is")));
    all.extend(says(&mut machine, worker, failed(Some(generation), FailureKind::PromptTooLong)));
    all.extend(machine.update(at(1), sample(4, 1)));
    assert!(open_drafts(&all).is_empty());
    assert_eq!(session(&machine, id).turns.len(), 2);
}

/// A race of two columns on sessions that are loaded; gives the first one's.
fn race(machine: &mut StateMachine) -> (SessionId, WorkerId, u64) {
    let first = start(machine, "small");
    load(machine, first.1);
    let entry = |machine: &StateMachine| Entry {
        model: Arc::clone(&machine.library.models[0]),
        settings: SessionSettings::default(),
    };
    let order = RaceOrder {
        entries: vec![entry(machine), entry(machine)],
        order: RaceTurns::InTurn,
        prompt: "why?".into(),
        system: None,
        stop: Vec::new(),
        lockstep: false,
        blind: false,
    };
    let (_, effects) = give(machine, What::StartRace(Box::new(order)));
    (first.0, first.1, asked(&effects))
}

#[test]
fn a_races_answer_is_not_replaced_while_its_energy_is_awaited() {
    let mut machine = machine();
    let (id, worker, generation) = race(&mut machine);
    says(&mut machine, worker, text(generation, "because"));
    says(&mut machine, worker, finished(generation));
    assert_eq!(give(&mut machine, What::ClearSession(id)).0, Ok(Value::Accepted));
    // What is asked besides is the user's, and kept.
    let mut all = prompt(&mut machine, id);
    let own = asked(&all);
    all.extend(says(&mut machine, worker, finished(own)));
    all.extend(machine.update(at(1), sample(4, 1)));
    all.extend(machine.update(at(2), sample(4, 2)));
    let records = all.iter().filter(|effect| matches!(effect, Effect::SaveRecord { .. })).count();
    assert_eq!(records, 1);
    let race = machine.race.as_ref().unwrap();
    assert_eq!(race.columns[0].answer.as_ref().map(|turn| turn.text.as_str()), Some("because"));
}

#[test]
fn a_session_that_dies_while_it_stops_is_gone() {
    let mut machine = machine();
    let (id, worker) = start(&mut machine, "small");
    load(&mut machine, worker);
    assert_eq!(give(&mut machine, What::StopSession(id)).0, Ok(Value::Accepted));
    exits(&mut machine, worker);
    assert!(machine.session(id).is_none());
}

#[test]
fn late_news_of_a_download_that_failed_do_not_revive_it() {
    let mut machine = machine();
    let files = vec![RemoteFile { path: "m.gguf".into(), size: Bytes(10) }];
    let order = Order { repository: "a/b".into(), revision: "main".into(), label: "Q8_0".into(), files };
    let Ok(Value::Download(id)) = give(&mut machine, What::Download(order)).0 else { panic!("it is queued") };
    let failure = HubFailure { reason: "gone".into(), hint: None, kind: HubFailureKind::Failed };
    machine.update(at(0), Event::Download(id, DownloadEvent::Failed(failure.clone())));
    machine.update(at(0), Event::Download(id, DownloadEvent::Progress(Bytes(1))));
    assert_eq!(machine.downloads.all[0].phase, DownloadPhase::Failed(failure));
}
