use std::sync::Arc;
use std::time::Duration;

use wire::{Counters, Event as Message, Finish, Prompt};

use super::*;
use crate::Moment;
use crate::ask::{Api, Asker};
use crate::command::{Command, CommandId, What};
use crate::event::WorkerEvent;
use crate::figure::Figure;
use crate::request::{Client, Request, Stage, Step};
use crate::session::{End, Phase, SessionId, WorkerId};
use crate::settings::{self, SessionSettings, Settings};
use crate::testing::model;
use crate::units::Joules;
use crate::{Effect, Event, StateMachine};

fn at(millis: u64) -> Moment {
    Moment { uptime: Duration::from_millis(millis), unix: 0 }
}

fn session(id: u64, name: &str) -> Session {
    let settings = SessionSettings::default();
    let mut session = Session::new(SessionId(id), WorkerId(id), Arc::new(model(name)), name.to_owned(), settings, 10);
    session.phase = Phase::Ready;
    session
}

fn asked(id: u64, who: &str, agent: &str, api: Api, since: u64) -> Request {
    let mut request = Request::new(RequestId(id), Client::Api, Vec::new(), at(since));
    request.asker = Some(Asker { name: who.to_owned(), agent: agent.to_owned(), api });
    request
}

/// One that waits, one that is read, one that is answered, one that ended well and one that ended badly.
fn sessions() -> Vec<Session> {
    let mut qwen = session(1, "qwen3-8b");
    qwen.requests.push(asked(11, "laptop", "openai-python/1.2", Api::OpenAi, 900));
    let mut reading = asked(12, "ci", "ollama/0.6", Api::Ollama, 100);
    reading.stage = Stage::Running(Step::Prompt { n_done: 10, n_prompt: 500 });
    reading.started = Some(at(400));
    qwen.requests.push(reading);
    let mut answering = asked(13, "laptop", "", Api::Anthropic, 200);
    answering.stage = Stage::Running(Step::Answer);
    (answering.started, answering.first_token) = (Some(at(200)), Some(at(350)));
    answering.figures.n_cached = 80;
    answering.figures.counters =
        Counters { n_prompt: 20, prompt_us: 100_000, n_generated: 41, generation_us: 2_000_000, ..Counters::default() };
    answering.figures.energy = Figure::measured(Joules(50.0), "meter");
    qwen.requests.push(answering);
    let mut smol = session(2, "smollm2");
    let mut done = Request::new(RequestId(5), Client::Chat, Vec::new(), at(10));
    (done.stage, done.started, done.first_token) = (Stage::Ended, Some(at(10)), Some(at(20)));
    (done.ended, done.answer.end) = (Some(at(60)), Some(End::Finished(Finish::Length)));
    done.figures.counters = Counters { n_prompt: 7, n_generated: 3, ..Counters::default() };
    smol.requests.push(done);
    let mut failed = asked(6, "ci", "", Api::OpenAi, 20);
    (failed.stage, failed.ended) = (Stage::Ended, Some(at(30)));
    failed.answer.end = Some(End::failed("the prompt is too long"));
    smol.requests.push(failed);
    vec![qwen, smol]
}

fn ids(filter: &str, sort: RequestSort, reverse: bool) -> Vec<u64> {
    let (sessions, ended, energy) = (sessions(), EndedRequests::default(), settings::Energy::default());
    let facts = Facts { now: at(1000), energy: &energy };
    listed(all(&sessions, &ended), filter, (sort, reverse), facts).iter().map(|row| row.id.0).collect()
}

#[test]
fn filters() {
    for (filter, expected) in [
        ("", vec![11, 13, 12, 6, 5]),
        ("laptop", vec![11, 13]),
        ("client:ci", vec![12, 6]),
        ("agent:python", vec![11]),
        ("api:openai", vec![11, 6]),
        ("model:smol", vec![6, 5]),
        ("state:queued", vec![11]),
        ("state:prefill", vec![12]),
        ("finish:length", vec![5]),
        ("finish:error", vec![6]),
        ("chat", vec![5]),
        ("queue>=300", vec![12]),
        ("ttft<200", vec![13, 5]),
        ("pp>100", vec![13]),
        ("tok/s>10", vec![13]),
        ("cached>0", vec![13]),
        // What was never counted is no small number.
        ("cached<10", vec![12, 5]),
        ("prompt<1k", vec![13, 12, 5]),
        ("tokens>2 model:qwen", vec![13]),
        ("tokens<9999", vec![13, 12, 5]),
        ("ttft<", vec![11, 13, 12, 6, 5]),
        ("client:", vec![11, 13, 12, 6, 5]),
        ("nobody", vec![]),
        ("-laptop", vec![12, 6, 5]),
        ("ttft<1s", vec![13, 5]),
        ("is:queued", vec![11]),
        // What can't be asked hides nothing.
        ("state:nowhere", vec![11, 13, 12, 6, 5]),
        ("klient:ci", vec![11, 13, 12, 6, 5]),
    ] {
        assert_eq!(ids(filter, RequestSort::Arrived, false), expected, "{filter}");
    }
}

#[test]
fn sorts() {
    for (sort, reverse, expected) in [
        (RequestSort::Arrived, false, vec![11, 13, 12, 6, 5]),
        (RequestSort::Arrived, true, vec![5, 6, 12, 13, 11]),
        (RequestSort::Client, false, vec![5, 12, 6, 11, 13]),
        (RequestSort::Model, true, vec![6, 5, 11, 13, 12]),
        (RequestSort::State, false, vec![11, 12, 13, 5, 6]),
        (RequestSort::Queue, false, vec![12, 11, 6, 13, 5]),
        (RequestSort::Ttft, false, vec![13, 5, 11, 12, 6]),
        // Unknown values come last in either order.
        (RequestSort::Ttft, true, vec![5, 13, 11, 12, 6]),
        (RequestSort::Tokens, false, vec![13, 5, 12, 11, 6]),
        (RequestSort::Prompt, false, vec![12, 13, 5, 11, 6]),
        (RequestSort::Rate, false, vec![13, 11, 12, 6, 5]),
    ] {
        assert_eq!(ids("", sort, reverse), expected, "{sort:?} {reverse}");
    }
}

#[test]
fn what_is_not_known_is_none() {
    let (sessions, ended, energy) = (sessions(), EndedRequests::default(), settings::Energy::default());
    for (id, prompt, cached, generated, finish) in [
        (11, None, None, None, None),
        (12, Some(500), Some(0), Some(0), None),
        (13, Some(100), Some(80), Some(41), None),
        (5, Some(7), Some(0), Some(3), Some("length")),
        (6, None, None, None, Some("error")),
    ] {
        let row = find(&sessions, &ended, RequestId(id)).unwrap();
        let told = (row.n_prompt, row.n_cached(), row.n_generated(), row.finish());
        assert_eq!(told, (prompt, cached, generated, finish), "{id}");
        assert_eq!(row.energy(&energy).value(), None, "{id} has no bill");
    }
}

/// A machine with one session that is ready.
fn machine() -> StateMachine {
    let mut machine = StateMachine::new(Settings::default());
    machine.sessions.push(session(1, "qwen3-8b"));
    machine
}

fn generate(machine: &mut StateMachine) -> RequestId {
    let (prompt, form, stop) = (Prompt::Raw("why?".to_owned()), None, Vec::new());
    let what = What::Generate { session: SessionId(1), prompt, form, stop, options: None, record: false };
    let effects = machine.update(at(0), Event::Command(Command { id: CommandId(1), what }));
    let id = effects.iter().find_map(|effect| match effect {
        Effect::Reply(reply) => match reply.result {
            Ok(crate::command::Value::Request(id)) => Some(id),
            _ => None,
        },
        _ => None,
    });
    id.unwrap()
}

fn finish(machine: &mut StateMachine, id: RequestId) {
    let finished = Message::Finished { id: id.0, finish: Finish::Stop, counters: Counters::default() };
    machine.update(at(5), Event::Worker(WorkerId(1), WorkerEvent::Message(finished)));
}

#[test]
fn what_a_session_forgets_is_listed_up_to_a_bound() {
    let mut machine = machine();
    let n_all = EndedRequests::MAX + Session::MAX_ENDED + 5;
    let asked: Vec<u64> = (0..n_all)
        .map(|_| {
            let id = generate(&mut machine);
            finish(&mut machine, id);
            id.0
        })
        .collect();
    assert_eq!(machine.ended_requests.len(), EndedRequests::MAX);
    let mut listed: Vec<u64> = all(&machine.sessions, &machine.ended_requests).map(|row| row.id.0).collect();
    listed.sort_unstable();
    // The newest, each once.
    assert_eq!(listed, asked[asked.len() - listed.len()..]);
    assert!(listed.len() >= EndedRequests::MAX + Session::MAX_ENDED);
}

#[test]
fn what_ended_stays_when_its_session_is_cleared_or_gone() {
    for what in [What::ClearSession(SessionId(1)), What::StopSession(SessionId(1))] {
        let mut machine = machine();
        let id = generate(&mut machine);
        finish(&mut machine, id);
        let is_stop = matches!(what, What::StopSession(_));
        machine.update(at(9), Event::Command(Command { id: CommandId(2), what }));
        let (reason, expected, hint) = ("stopped".to_owned(), true, None);
        if is_stop {
            machine.update(at(10), Event::Worker(WorkerId(1), WorkerEvent::Exited { reason, expected, hint }));
            assert_eq!(machine.sessions.len(), 0);
        }
        let row = find(&machine.sessions, &machine.ended_requests, id).unwrap();
        assert_eq!((row.state, row.model, row.finish()), (RequestState::Done, "qwen3-8b", Some("stop")));
        let energy = row.energy(&settings::Energy::default());
        assert_eq!(energy.value(), None, "nothing was booked");
        // A request that is gone from its session needs no cancel, and is no error that a person could mend.
        assert_eq!(all(&machine.sessions, &machine.ended_requests).count(), 1);
    }
}
