mod queries;

use std::sync::Arc;
use std::time::Duration;

use wire::{Channel, Counters, Event as Message, Failure, FailureKind, Finish, Ledger, Loaded, Piece, Sampling};

use crate::StateMachine;
use crate::ask::{Api, Ask, Asker, Generation, Priority};
use crate::command::{Cause, Command, CommandId, Force, Refused, Value, What};
use crate::demand::Wait;
use crate::event::WorkerEvent;
use crate::eviction::{Hold, LoadPlan, Outcome, plan_load};
use crate::keep_alive::KeepAlive;
use crate::machine::{Core, Memory, Process, Sample};
use crate::model::{Model, ModelFile, Status};
use crate::request::{Request, RequestId, Stage};
use crate::session::{End, Phase, Session, SessionId, WorkerId};
use crate::settings::{SessionSettings, Settings};
use crate::units::Bytes;
use crate::{Effect, Event, Moment};

const GB: u64 = 1_000_000_000;

/// A machine with 10 GB that are free, 1 GB of it in reserve, and models of 2, 4, 5, 6 and 20 GB. Its sensors are read by
/// hand, and its workers load when they are told to.
struct Bed {
    machine: StateMachine,
    now: Duration,
    /// Workers whose processes run, with their model's name.
    workers: Vec<(WorkerId, String)>,
    /// What was answered and done by the last event.
    effects: Vec<Effect>,
}

impl Bed {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let machine = StateMachine::new(settings);
        let mut bed = Self { machine, now: Duration::ZERO, workers: Vec::new(), effects: Vec::new() };
        let models = [("tiny", 2), ("small", 4), ("middle", 5), ("large", 6), ("huge", 20)];
        bed.machine.library.models = models.map(|(name, size)| model(name, size)).into();
        bed.machine.library.took = Some(Duration::ZERO);
        bed.sample();
        bed
    }

    fn event(&mut self, event: Event) {
        let now = Moment { uptime: self.now, unix: self.now.as_secs().cast_signed() };
        self.effects = self.machine.update(now, event);
        for effect in &self.effects {
            match effect {
                Effect::Spawn { worker, model, .. } => self.workers.push((*worker, model.name.clone())),
                Effect::Stop { worker } => self.workers.retain(|(known, _)| known != worker),
                _ => {}
            }
        }
    }

    fn give(&mut self, what: What) -> Result<Value, Refused> {
        self.event(Event::Command(Command { id: CommandId(1), what }));
        let reply = self.effects.iter().find_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply.result.clone()),
            _ => None,
        });
        reply.unwrap()
    }

    /// A reading of the sensors: what workers hold is weights that are mapped, which the system counts as available.
    fn sample(&mut self) {
        let sample = Sample {
            cores: vec![Core { usage: None, mhz: None }; 4],
            memory: Some(Memory { total: Bytes(16 * GB), available: Bytes(10 * GB), ..Memory::default() }),
            processes: self.machine.sessions.iter().filter_map(|session| session.pid).map(process).collect(),
            ..Sample::default()
        };
        self.event(Event::Sample(Box::new(sample)));
    }

    /// So many seconds pass, with a reading at the end.
    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.sample();
    }

    fn ask_as(&mut self, model: &str, change: impl FnOnce(&mut Ask)) -> Result<RequestId, Refused> {
        let asker = Asker { name: "local".into(), agent: String::new(), api: Api::OpenAi };
        let generation = Generation::new(wire::Prompt::Raw("why?".into()));
        let (model, priority) = (format!("folder:{model}"), Priority::Interactive);
        let mut ask = Ask { model, settings: None, generation, asker, priority, keep_alive: None };
        change(&mut ask);
        self.give(What::Ask(Box::new(ask))).map(|value| match value {
            Value::Request(id) => id,
            value => panic!("{value:?}"),
        })
    }

    fn ask(&mut self, model: &str) -> RequestId {
        self.ask_as(model, |_| {}).unwrap()
    }

    fn says(&mut self, worker: WorkerId, message: Message) {
        self.event(Event::Worker(worker, WorkerEvent::Message(message)));
    }

    /// The worker of a model that was started last.
    fn worker(&self, model: &str) -> WorkerId {
        self.workers.iter().rev().find(|(_, name)| name == model).unwrap().0
    }

    fn load(&mut self, model: &str) {
        let worker = self.worker(model);
        self.event(Event::Worker(worker, WorkerEvent::Spawned { pid: worker.0 as u32 }));
        self.says(worker, Message::Loaded(Box::new(loaded(1))));
    }

    /// A request is answered.
    fn answer(&mut self, id: RequestId) {
        let worker = self.holder(id).worker;
        let counters = Counters { n_prompt: 10, n_generated: 1, ..Counters::default() };
        let pieces = vec![Piece { channel: Channel::Answer, text: "so".into() }];
        self.says(worker, Message::Text { id: id.0, pieces, tool_calls: Vec::new(), counters, tokens: Vec::new() });
        self.says(worker, Message::Finished { id: id.0, finish: Finish::Stop, counters });
    }

    fn exits(&mut self, worker: WorkerId, expected: bool) {
        self.workers.retain(|(known, _)| *known != worker);
        let reason = if expected { "stopped" } else { "killed by signal 9" }.to_owned();
        self.event(Event::Worker(worker, WorkerEvent::Exited { reason, expected, hint: None }));
    }

    fn start(&mut self, model: &str) -> Result<SessionId, Refused> {
        let settings = Box::new(self.machine.settings.session);
        let started = What::StartSession { model: format!("folder:{model}"), settings, force: Force::No };
        self.give(started).map(|value| match value {
            Value::Session(id) => id,
            value => panic!("{value:?}"),
        })
    }

    /// A model is asked, loaded and has answered.
    fn used(&mut self, model: &str) {
        let request = self.ask(model);
        self.load(model);
        self.answer(request);
    }

    fn holder(&self, id: RequestId) -> &Session {
        self.machine.sessions.iter().find(|session| session.request(id).is_some()).unwrap()
    }

    fn request(&self, id: RequestId) -> &Request {
        self.holder(id).request(id).unwrap()
    }

    fn plan(&self, name: &str) -> LoadPlan {
        let model = self.machine.library.models.iter().find(|model| model.name == name).unwrap();
        plan_load(&self.machine, model, SessionSettings::default())
    }

    /// The sessions as `name phase`, in order.
    fn sessions(&self) -> Vec<String> {
        let word = |session: &Session| match &session.phase {
            Phase::Queued => "queued",
            Phase::Loading { .. } => "loading",
            Phase::Ready => "ready",
            Phase::Stopping => "stopping",
            Phase::Failed { .. } => "failed",
        };
        self.machine.sessions.iter().map(|session| format!("{} {}", session.name, word(session))).collect()
    }
}

fn model(name: &str, gigabytes: u64) -> Arc<Model> {
    let size = Bytes(gigabytes * GB);
    let file = ModelFile { path: format!("/models/{name}.gguf").into(), size, modified: 0, digest: None };
    Arc::new(Model { size, files: vec![file], ..crate::testing::model(name) })
}

fn process(pid: u32) -> Process {
    Process { pid, resident: Bytes(2 * GB), anonymous: Bytes(0), ..Process::default() }
}

fn loaded(seconds: u64) -> Loaded {
    Loaded {
        n_ctx: 512,
        n_ctx_train: 512,
        n_gpu_layers: 0,
        n_layers: 2,
        ledger: Ledger::default(),
        has_template: true,
        embeds_only: false,
        sampling: Sampling::default(),
        load_us: seconds * 1_000_000,
        load_cpu_us: Some(1),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn one_load_serves_all_that_wait_for_it() {
    let mut bed = Bed::new();
    let all: Vec<RequestId> = (0..5).map(|_| bed.ask("small")).collect();
    assert_eq!(bed.workers.len(), 1);
    assert!(all.iter().all(|id| bed.request(*id).stage == Stage::Queued));
    bed.now += seconds(3);
    bed.load("small");
    let running = |bed: &Bed| all.iter().filter(|id| bed.request(**id).is_running()).count();
    assert_eq!((bed.sessions(), running(&bed)), (vec!["small ready".to_owned()], 1));
    for id in &all {
        assert_eq!(running(&bed), 1);
        bed.answer(*id);
        let request = bed.request(*id);
        assert_eq!(request.answer.end, Some(End::Finished(Finish::Stop)));
        assert_eq!(request.queue_time(bed.machine.now), seconds(3));
        assert_eq!(request.time_to_first_token(), Some(seconds(3)));
    }
    assert_eq!(bed.workers.len(), 1);
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_reason() {
    let mut bed = Bed::new();
    let damaged = Model { status: Status::Damaged("cut off".into()), ..crate::testing::model("broken") };
    bed.machine.library.models.push(Arc::new(damaged));
    for (model, cause, reason) in [
        ("gone", "NotFound", "this model is no longer on this machine"),
        ("broken", "NotRunnable", "broken can't be run: cut off"),
        ("huge", "Memory", "huge would need about 20.0 GB"),
    ] {
        let refused = bed.ask_as(model, |_| {}).unwrap_err();
        assert!(format!("{:?}", refused.cause).starts_with(cause), "{refused:?}");
        assert!(refused.reason.starts_with(reason), "{refused:?}");
        assert!(bed.machine.sessions.is_empty());
    }
    // Before the stores have been scanned nothing is known to be gone.
    bed.machine.library.took = None;
    let refused = bed.ask_as("gone", |_| {}).unwrap_err();
    assert_eq!(refused.cause, Cause::Busy { retry_after: Some(seconds(1)) });
}

#[test]
fn queues_are_bounded_and_say_when_to_come_again() {
    let mut settings = Settings::default();
    (settings.budget.max_queued_per_model, settings.budget.max_queued) = (3, 5);
    let mut bed = Bed::with(settings);
    for (model, reason) in [
        ("tiny", None),
        ("tiny", None),
        ("tiny", None),
        ("tiny", Some("3 requests wait for this model already")),
        ("small", None),
        ("small", None),
        ("small", Some("5 requests wait in all already")),
    ] {
        let refused = bed.ask_as(model, |_| {}).err();
        assert_eq!(refused.as_ref().map(|refused| refused.reason.as_str()), reason);
        let causes = refused.map(|refused| refused.cause);
        assert_eq!(causes, reason.map(|_| Cause::Busy { retry_after: Some(seconds(5)) }));
    }
    // One begins, so that another may wait; and an answer took 20 s, so that a place is free after about as long.
    bed.load("tiny");
    let first = bed.machine.sessions[0].requests[0].id;
    bed.ask("tiny");
    bed.pass(20);
    bed.answer(first);
    bed.ask("tiny");
    let refused = bed.ask_as("tiny", |_| {}).unwrap_err();
    assert_eq!(refused.cause, Cause::Busy { retry_after: Some(seconds(20)) });
}

#[test]
fn the_text_that_waits_is_bounded() {
    let mut bed = Bed::new();
    let first = bed.ask("tiny");
    assert_eq!(bed.request(first).prompt_bytes, "why?".len());
    bed.machine.sessions[0].requests[0].prompt_bytes = 256_000_000;
    let refused = bed.ask_as("small", |_| {}).unwrap_err();
    assert_eq!(refused.reason, "requests that wait hold 256 MB of text already");
    // What a worker has waits no more.
    bed.load("tiny");
    bed.ask("small");
}

#[test]
fn idle_models_are_unloaded_in_their_time() {
    let all = |seconds: u64| Some(KeepAlive::For(Duration::from_secs(seconds)));
    let forever = Some(KeepAlive::Forever);
    // The setting, what the request says, pinned, by hand; whether it is still there 1, 61, 301 and 100,000 seconds later.
    for (set, asked, pinned, by_hand, stays) in [
        (None, None, false, false, [true, true, false, false]),
        (all(60), None, false, false, [true, false, false, false]),
        (all(60), all(0), false, false, [false, false, false, false]),
        (all(60), forever, false, false, [true, true, true, true]),
        (forever, None, false, false, [true, true, true, true]),
        (forever, all(30), false, false, [true, false, false, false]),
        (all(60), all(0), true, false, [true, true, true, true]),
        // What was started by hand stays, unless its own setting says otherwise; a client has no say in it.
        (None, all(0), false, true, [true, true, true, true]),
        (all(60), forever, false, true, [true, false, false, false]),
    ] {
        let mut settings = Settings::default();
        (settings.session.residence.keep_alive, settings.session.residence.pinned) = (set, pinned);
        for (seconds, stays) in [1, 61, 301, 100_000].into_iter().zip(stays) {
            let mut bed = Bed::with(settings.clone());
            if by_hand {
                bed.start("small").unwrap();
            }
            let request = bed.ask_as("small", |ask| ask.keep_alive = asked).unwrap();
            bed.load("small");
            bed.answer(request);
            bed.pass(seconds);
            assert_eq!(!bed.workers.is_empty(), stays, "{set:?} {asked:?} {pinned} {by_hand} {seconds}");
        }
    }
}

#[test]
fn a_model_is_not_unloaded_while_something_is_asked_of_it() {
    let mut bed = Bed::new();
    let first = bed.ask_as("small", |ask| ask.keep_alive = Some(KeepAlive::For(Duration::ZERO))).unwrap();
    let second = bed.ask("small");
    bed.pass(400);
    bed.load("small");
    bed.pass(400);
    assert_eq!(bed.sessions(), ["small ready"]);
    bed.answer(first);
    bed.pass(400);
    assert_eq!(bed.sessions(), ["small ready"]);
    bed.answer(second);
    assert_eq!(bed.sessions(), ["small stopping"]);
    bed.exits(bed.holder(first).worker, true);
    assert!(bed.machine.sessions.is_empty());
}

#[test]
fn a_conversation_on_the_screen_keeps_its_model() {
    let mut bed = Bed::new();
    bed.used("small");
    let session = bed.machine.sessions[0].id;
    bed.give(What::SendPrompt { session, text: "and you?".into() }).unwrap();
    let chat = bed.machine.sessions[0].requests.last().unwrap().id;
    bed.answer(chat);
    bed.pass(100_000);
    assert_eq!(bed.sessions(), ["small ready"]);
    assert!(matches!(bed.ask_as("large", |_| {}).unwrap_err().cause, Cause::Memory(_)));
}

#[test]
fn an_idle_model_makes_room_for_another() {
    let mut bed = Bed::new();
    bed.used("small");
    bed.pass(5);
    // It was loaded a moment ago.
    let request = bed.ask("large");
    assert_eq!(bed.sessions(), ["small ready", "large queued"]);
    let wait = bed.holder(request).demand.wait.clone();
    let small = bed.machine.sessions[0].id;
    let needed = Bytes(6 * GB);
    assert_eq!(wait, Some(Wait::Memory { needed, free: Bytes(5 * GB), sessions: vec![(small, "small".to_owned())] }));
    let reason = bed.holder(request).queue_reason().unwrap();
    assert_eq!(reason, "needs 6.0 GB, 5.0 GB are free: waits for small");
    bed.pass(5);
    // Its weights were mapped, so that there is room at once.
    assert_eq!(bed.sessions(), ["small stopping", "large loading"]);
    bed.load("large");
    bed.answer(request);
    assert_eq!(bed.request(request).answer.end, Some(End::Finished(Finish::Stop)));
}

#[test]
fn who_goes_for_whom() {
    // What is loaded: name, by hand, pinned, idle seconds. What is asked for; what happens.
    type Case<'a> = (&'a [(&'a str, bool, bool, u64)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (&[("small", false, false, 60)], "middle", "fits"),
        (&[("small", false, false, 60)], "large", "evicts small"),
        (&[("small", false, false, 60)], "huge", "refused"),
        (&[("small", true, false, 60)], "large", "refused"),
        (&[("small", false, true, 60)], "large", "refused"),
        (&[("small", false, false, 2)], "large", "waits small"),
        // One is enough, and the one that has been idle for longer goes.
        (&[("small", false, false, 20), ("tiny", false, false, 60)], "middle", "evicts tiny"),
        (&[("small", false, false, 600), ("tiny", false, false, 60)], "middle", "evicts small"),
        // The smaller is not enough.
        (&[("tiny", false, false, 600), ("small", false, false, 20)], "large", "evicts small"),
        // Both are needed.
        (&[("tiny", false, false, 60), ("small", false, false, 60)], "large", "evicts small"),
        (&[("small", false, false, 60), ("small", false, false, 60)], "small", "loaded"),
        (&[("middle", false, false, 60), ("tiny", true, false, 60)], "large", "evicts middle"),
        (&[("middle", false, false, 2), ("tiny", false, false, 60)], "large", "waits middle"),
    ];
    for (loaded, wanted, expected) in cases {
        let mut bed = Bed::new();
        let mut loaded = loaded.to_vec();
        loaded.sort_by_key(|(_, _, _, idle)| std::cmp::Reverse(*idle));
        let longest = loaded.first().map_or(0, |one| one.3);
        for (name, by_hand, pinned, idle) in &loaded {
            bed.now = seconds(longest - idle);
            bed.sample();
            if *by_hand {
                bed.start(name).unwrap();
                bed.load(name);
                continue;
            }
            let mut settings = SessionSettings::default();
            settings.residence.pinned = *pinned;
            settings.residence.keep_alive = Some(KeepAlive::Forever);
            let request = bed.ask_as(name, |ask| ask.settings = Some(Box::new(settings))).unwrap();
            if bed.holder(request).phase != Phase::Ready {
                bed.load(name);
            }
            bed.answer(request);
        }
        bed.now = seconds(longest);
        bed.sample();
        let names =
            |all: &[crate::eviction::Candidate]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(" ");
        let plan = bed.plan(wanted);
        let got = match &plan.outcome {
            Outcome::Loaded(_) => "loaded".to_owned(),
            Outcome::Fits => "fits".to_owned(),
            Outcome::Evicts(all) => format!("evicts {}", names(all)),
            Outcome::Waits(all) => format!("waits {}", names(all)),
            Outcome::Refused { .. } => "refused".to_owned(),
            Outcome::Unknown => "unknown".to_owned(),
        };
        assert_eq!(got, *expected, "{loaded:?} {wanted}: {plan:?}");
    }
}

#[test]
fn a_plan_says_who_goes_and_why() {
    let mut bed = Bed::new();
    let told = |bed: &Bed, name: &str| {
        let plan = bed.plan(name);
        let reasons: Vec<String> = plan.candidates().iter().map(crate::eviction::Candidate::reason).collect();
        (plan.summary(), reasons.join("; "))
    };
    assert_eq!(told(&bed, "large"), ("fits".to_owned(), String::new()));
    let request = bed.ask("small");
    bed.load("small");
    assert_eq!(told(&bed, "small"), ("is loaded, or is about to be".to_owned(), String::new()));
    assert_eq!(told(&bed, "large"), ("waits for small".to_owned(), "1 request".to_owned()));
    bed.answer(request);
    let recent = "loaded a moment ago, stays for another 10.0 s".to_owned();
    assert_eq!(told(&bed, "large"), ("waits for small".to_owned(), recent));
    bed.pass(60);
    assert_eq!(told(&bed, "large"), ("unloads small".to_owned(), "idle for 1 min".to_owned()));
    let (refused, _) = told(&bed, "huge");
    assert!(refused.starts_with("would need about 20.0 GB"), "{refused}");
    let plan = bed.plan("large");
    assert_eq!((plan.needed.total(), plan.free), (Bytes(6 * GB), Some(Bytes(5 * GB))));
    // Who holds what on which device is what was measured.
    let small = bed.machine.sessions[0].id;
    assert_eq!(plan.devices[0].held, [(small, Bytes(2 * GB))]);
}

#[test]
fn memory_of_gpus_counts_where_it_is_used() {
    let mut bed = Bed::new();
    let card = |used: u64| crate::machine::Gpu {
        index: 0,
        name: "card".into(),
        usage: crate::figure::Figure::unknown("not told"),
        memory_total: Some(Bytes(24 * GB)),
        memory_used: Some(Bytes(used * GB)),
        temperature: None,
        processes: Vec::new(),
        shares: Vec::new(),
        mhz: None,
        held_by: String::new(),
    };
    bed.machine.machine.sample.as_mut().unwrap().gpus = vec![card(1)];
    // 9 GB of main memory and 23 GB on the card are free.
    assert_eq!(bed.plan("huge").outcome, Outcome::Fits);
    assert_eq!(bed.plan("huge").devices[1].free, Bytes(23 * GB));
    // One that stays off the card has the main memory alone.
    let mut settings = SessionSettings::default();
    settings.set("gpu_layers", "0").unwrap();
    let refused = bed.ask_as("huge", |ask| ask.settings = Some(Box::new(settings))).unwrap_err();
    assert!(matches!(refused.cause, Cause::Memory(_)), "{refused:?}");
    bed.ask("huge");
    assert_eq!(bed.sessions(), ["huge loading"]);
}

#[test]
fn a_busy_model_is_waited_for_and_then_makes_way() {
    let mut bed = Bed::new();
    let first = bed.ask("small");
    bed.load("small");
    let Outcome::Waits(all) = bed.plan("large").outcome else { panic!("{:?}", bed.plan("large")) };
    assert_eq!(all[0].hold, Some(Hold::Busy(1)));
    let large = bed.ask("large");
    assert_eq!(bed.sessions(), ["small ready", "large queued"]);
    // For as long as it is young, those that ask it go on; then what waits is for later.
    bed.pass(9);
    let second = bed.ask("small");
    bed.answer(first);
    assert!(bed.request(second).is_running());
    bed.pass(2);
    let third = bed.ask("small");
    bed.answer(second);
    assert_eq!(bed.sessions(), ["small stopping", "large loading", "small queued"]);
    assert_eq!(bed.request(third).stage, Stage::Queued);
    // And the other way round.
    bed.load("large");
    bed.pass(5);
    assert_eq!(bed.holder(third).phase, Phase::Queued);
    bed.answer(large);
    bed.pass(5);
    bed.load("small");
    bed.answer(third);
    assert_eq!(bed.request(third).answer.end, Some(End::Finished(Finish::Stop)));
}

#[test]
fn who_asks_last_does_not_go_before_who_has_waited_for_long() {
    let mut bed = Bed::new();
    let busy = bed.ask("middle");
    bed.load("middle");
    bed.ask("large");
    // It fits beside the one that is loaded, and goes first for a while.
    bed.pass(5);
    bed.ask("tiny");
    assert_eq!(bed.sessions(), ["middle ready", "large queued", "tiny loading"]);
    let tiny = bed.worker("tiny");
    bed.event(Event::Worker(tiny, WorkerEvent::Exited { reason: "killed".into(), expected: false, hint: None }));
    bed.pass(6);
    let late = bed.ask("tiny");
    let large = bed.machine.sessions[1].id;
    assert_eq!(bed.holder(late).demand.wait, Some(Wait::Turn(large, "large".to_owned())));
    bed.answer(busy);
    assert!(bed.sessions().contains(&"large loading".to_owned()), "{:?}", bed.sessions());
}

#[test]
fn what_is_started_by_hand_has_idle_models_unloaded() {
    let mut bed = Bed::new();
    bed.used("small");
    // It waits for nothing that was just loaded, as it does not for others.
    assert!(matches!(bed.start("large").unwrap_err().cause, Cause::Memory(_)));
    bed.pass(60);
    bed.start("large").unwrap();
    assert_eq!(bed.sessions(), ["small stopping", "large loading"]);
    bed.load("large");
    bed.pass(100_000);
    assert!(bed.sessions().contains(&"large ready".to_owned()));
}

#[test]
fn a_worker_that_dies_with_five_requests_is_loaded_again_at_the_next() {
    let mut bed = Bed::new();
    let all: Vec<RequestId> = (0..5).map(|_| bed.ask("small")).collect();
    bed.load("small");
    bed.exits(bed.worker("small"), false);
    for id in &all {
        let end = bed.request(*id).answer.end.clone();
        assert_eq!(end, Some(End::failed("killed by signal 9")), "{id:?}");
    }
    assert_eq!(bed.sessions(), ["small failed"]);
    // At once after the first time; after the second it takes 2 s, and whoever asks is told.
    bed.ask("small");
    assert_eq!(bed.sessions(), ["small loading"]);
    bed.exits(bed.worker("small"), false);
    let told = bed.effects.iter().any(|effect| format!("{effect:?}").contains("small has ended 2 times in a row"));
    assert!(told, "{:?}", bed.effects);
    let refused = bed.ask_as("small", |_| {}).unwrap_err();
    assert_eq!(refused.cause, Cause::Busy { retry_after: Some(seconds(2)) });
    assert_eq!(refused.reason, "small has ended 2 times in a row (killed by signal 9)");
    bed.pass(2);
    bed.ask("small");
    assert_eq!(bed.sessions(), ["small loading"]);
    // By hand there is no waiting.
    bed.exits(bed.worker("small"), false);
    assert!(bed.ask_as("small", |_| {}).is_err());
    bed.start("small").unwrap();
    assert_eq!(bed.sessions(), ["small failed", "small #2 loading"]);
    // And nobody waits who can be answered.
    bed.ask("small");
}

#[test]
fn a_model_that_cannot_be_loaded_fails_who_waits_for_it() {
    let mut bed = Bed::new();
    let request = bed.ask("small");
    let failure = Failure { id: None, kind: FailureKind::Load, message: "no such tensor".into(), hint: None };
    bed.says(bed.worker("small"), Message::Failed(failure));
    assert_eq!(bed.request(request).answer.end, Some(End::failed("no such tensor")));
    // After a while nobody needs to see it any more.
    bed.pass(601);
    assert!(bed.machine.sessions.is_empty());
}

#[test]
fn a_model_that_nobody_waits_for_any_more_is_not_loaded() {
    let mut bed = Bed::new();
    let busy = bed.ask("small");
    bed.load("small");
    let request = bed.ask("large");
    bed.give(What::CancelRequest(request)).unwrap();
    // Whoever asked sees how it ended.
    assert_eq!(bed.request(request).answer.end, Some(End::Finished(Finish::Cancelled)));
    bed.pass(1);
    assert_eq!(bed.sessions(), ["small ready"]);
    bed.answer(busy);
}

#[test]
fn a_model_is_loaded_and_unloaded_by_command() {
    let mut bed = Bed::new();
    let load = |bed: &mut Bed, model: &str| {
        bed.give(What::LoadModel { model: format!("folder:{model}"), settings: None, keep_alive: None })
    };
    let unload = |bed: &mut Bed, model: &str| bed.give(What::UnloadModel(format!("folder:{model}")));
    assert_eq!(unload(&mut bed, "small").unwrap_err().cause, Cause::NotFound);
    let first = load(&mut bed, "small").unwrap();
    assert_eq!(load(&mut bed, "small").unwrap(), first);
    bed.load("small");
    let request = bed.ask("small");
    assert_eq!(unload(&mut bed, "small"), Ok(Value::Accepted));
    assert_eq!(bed.sessions(), ["small ready"]);
    bed.answer(request);
    assert_eq!(bed.sessions(), ["small stopping"]);
    bed.start("tiny").unwrap();
    assert_eq!(unload(&mut bed, "tiny").unwrap_err().cause, Cause::Invalid);
    // One that waits for memory is loaded when there is some, though nobody asks.
    let mut bed = Bed::new();
    let request = bed.ask("small");
    bed.load("small");
    load(&mut bed, "large").unwrap();
    bed.pass(30);
    assert_eq!(bed.sessions(), ["small ready", "large queued"]);
    bed.answer(request);
    assert_eq!(bed.sessions(), ["small stopping", "large loading"]);
}

#[test]
fn a_longer_context_loads_the_model_again() {
    let with = |context: u32| {
        let mut settings = SessionSettings::default();
        settings.set("context", &context.to_string()).unwrap();
        move |ask: &mut Ask| ask.settings = Some(Box::new(settings))
    };
    let mut bed = Bed::new();
    let short = bed.ask_as("small", with(512)).unwrap();
    bed.load("small");
    let long = bed.ask_as("small", with(4096)).unwrap();
    let other = bed.ask_as("small", with(512)).unwrap();
    assert_eq!((bed.sessions(), bed.workers.len()), (vec!["small ready".to_owned()], 1));
    bed.answer(short);
    assert_eq!(bed.sessions(), ["small stopping", "small loading"]);
    assert_eq!(bed.holder(long).settings.context, 4096);
    bed.load("small");
    bed.answer(long);
    bed.answer(other);
    // A shorter one is none the worse for it.
    let request = bed.ask_as("small", with(512)).unwrap();
    assert!(bed.request(request).is_running());
    // Nobody's own session is loaded again.
    let mut bed = Bed::new();
    bed.start("small").unwrap();
    bed.load("small");
    let request = bed.ask_as("small", with(1 << 20)).unwrap();
    assert!(bed.request(request).is_running());
}

#[test]
fn clients_and_priorities_take_turns() {
    use Priority::{Batch, Interactive};
    // Who asks, in order; in which order they begin where one runs at a time.
    let i = |name| (name, Interactive);
    let b = |name| (name, Batch);
    for (asked, started) in [
        (vec![i("a"), i("a"), i("a"), i("b"), i("b")], "a b a b a"),
        (vec![i("a"), i("b"), i("c"), i("a")], "a b c a"),
        (vec![b("a"), i("b"), b("a"), i("b")], "b b a a"),
        // Batch requests wait for four others at most.
        (vec![b("a"), i("b"), i("b"), i("b"), i("b"), i("b"), i("b")], "b b b b a b b"),
        (vec![b("a"), b("b"), b("a"), b("b")], "a b a b"),
    ] {
        let mut bed = Bed::new();
        let ids: Vec<(RequestId, &str)> = asked
            .iter()
            .map(|(name, priority)| {
                let change = |ask: &mut Ask| (ask.asker.name, ask.priority) = ((*name).to_owned(), *priority);
                (bed.ask_as("small", change).unwrap(), *name)
            })
            .collect();
        bed.load("small");
        let mut order = Vec::new();
        while let Some((id, name)) = ids.iter().find(|(id, _)| bed.request(*id).is_running()) {
            order.push(*name);
            bed.answer(*id);
        }
        assert_eq!(order.join(" "), started, "{asked:?}");
    }
}
