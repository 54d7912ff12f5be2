mod bed;
mod plans;
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
use bed::Bed;

const GB: u64 = 1_000_000_000;

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
