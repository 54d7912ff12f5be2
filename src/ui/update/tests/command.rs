//! Every command is answered once, and says why where it is refused.

use super::{Program, sample, start};
use crate::ui::Screen;
use domain::Event;
use domain::command::{Cause, Command, CommandId, Force, Refused, Value, What};
use domain::download::DownloadId;
use domain::effect::Effect;
use domain::event::WorkerEvent;
use domain::lab::race::{Entry, Order, RaceOrder};
use domain::session::{Phase, SessionId};
use domain::settings::SessionSettings;

/// Give a command as a client does; its result, of which there is one.
fn command(program: &mut Program, what: What) -> Result<Value, Refused> {
    let id = CommandId(77);
    let effects = program.happens(Event::Command(Command { id, what }));
    let reply = |effect| if let Effect::Reply(reply) = effect { Some(reply) } else { None };
    let replies: Vec<_> = effects.into_iter().filter_map(reply).collect();
    let [reply] = &replies[..] else { panic!("one reply: {replies:?}") };
    assert_eq!(reply.id, id);
    reply.result.clone()
}

fn cause(program: &mut Program, what: What) -> Cause {
    command(program, what).expect_err("it is refused").cause
}

fn race(program: &Program, names: &[&str], prompt: &str, order: Order) -> What {
    let entry = |name: &&str| Entry::new(program.state.domain.model(name).unwrap().clone(), SessionSettings::default());
    let entries = names.iter().map(entry).collect();
    let prompt = prompt.to_owned();
    What::StartRace(Box::new(RaceOrder {
        entries,
        order,
        prompt,
        system: None,
        stop: Vec::new(),
        lockstep: false,
        blind: false,
    }))
}

fn bench(models: &[&str]) -> What {
    let models = models.iter().map(|name| (*name).to_owned()).collect();
    What::StartBench(Box::new(domain::lab::bench::Plan { models, ..domain::lab::bench::Plan::default() }))
}

#[test]
fn commands_without_a_target_are_refused() {
    let gone = SessionId(99);
    let set = || What::SetSession { session: gone, name: "seed".to_owned(), value: "1".to_owned() };
    let prompt = || wire::Prompt::Raw("x".to_owned());
    let generate = || What::Generate {
        session: gone,
        prompt: prompt(),
        form: None,
        stop: Vec::new(),
        options: None,
        record: true,
    };
    let mut program = Program::sampled(4, 10_000_000_000);
    for (what, expected) in [
        (start("none"), Cause::NotFound),
        (What::StopSession(gone), Cause::NotFound),
        (What::RestartSession(gone), Cause::NotFound),
        (What::ClearSession(gone), Cause::NotFound),
        (set(), Cause::NotFound),
        (generate(), Cause::NotFound),
        (What::PauseDownload(DownloadId(9)), Cause::NotFound),
        (What::CancelDownload(DownloadId(9)), Cause::NotFound),
        (What::Signal { pid: 7, started: 1, kill: false }, Cause::NotFound),
        (race(&program, &["alpha"], "why?", Order::InTurn), Cause::Invalid),
        (race(&program, &["alpha", "beta"], " ", Order::InTurn), Cause::Invalid),
        (What::Vote(None), Cause::Invalid),
        (bench(&[]), Cause::Invalid),
        (bench(&["none"]), Cause::NotFound),
    ] {
        assert_eq!(cause(&mut program, what.clone()), expected, "{what:?}");
    }
    // What has ended already needs no cancelling.
    for what in [What::CancelAnswer(gone), What::CancelRace, What::ContinueRace, What::CancelBench] {
        assert_eq!(command(&mut program, what), Ok(Value::Accepted));
    }
    assert!(program.state.ui.notices.is_empty(), "a client's refusal is no notice: {:?}", program.state.ui.notices);
}

#[test]
fn a_client_acts_on_what_it_names_and_moves_nobodys_screen() {
    let mut program = Program::sampled(4, 10_000_000_000);
    let Ok(Value::Session(first)) = command(&mut program, start("alpha")) else { panic!("no session") };
    let Ok(Value::Session(second)) = command(&mut program, start("beta")) else { panic!("no session") };
    assert_ne!(first, second);
    assert_eq!(program.state.ui.screen, Screen::Library);
    let set = |session| What::SetSession { session, name: "seed".to_owned(), value: "7".to_owned() };
    assert_eq!(command(&mut program, set(first)), Ok(Value::Effective("with the next answer")));
    let seeds = [first, second].map(|id| program.state.domain.session(id).unwrap().settings.sampling.seed);
    assert_eq!(seeds, [Some(7), None]);
    let bad = What::SetSession { session: first, name: "seed".to_owned(), value: "x".to_owned() };
    assert_eq!(cause(&mut program, bad), Cause::Invalid);
    assert_eq!(command(&mut program, What::StopSession(second)), Ok(Value::Accepted));
    let phases = [first, second].map(|id| program.state.domain.session(id).unwrap().phase.clone());
    assert!(matches!(phases, [Phase::Loading { .. }, Phase::Stopping]), "{phases:?}");
}

#[test]
fn sessions_of_one_model_have_different_names() {
    let mut program = Program::sampled(4, 10_000_000_000);
    let begin = |program: &mut Program| match command(program, start("alpha")) {
        Ok(Value::Session(id)) => id,
        other => panic!("no session: {other:?}"),
    };
    let first = begin(&mut program);
    begin(&mut program);
    command(&mut program, What::StopSession(first)).unwrap();
    let worker = program.state.domain.session(first).unwrap().worker;
    let exited = WorkerEvent::Exited { reason: "stopped".to_owned(), expected: true, hint: None };
    program.happens(Event::Worker(worker, exited));
    begin(&mut program);
    begin(&mut program);
    let names: Vec<_> = program.state.domain.sessions.iter().map(|session| session.name.as_str()).collect();
    assert_eq!(names, ["alpha #2", "alpha", "alpha #3"]);
}

#[test]
fn one_job_that_measures_runs_at_a_time() {
    let mut program = Program::sampled(4, 10_000_000_000);
    let order = race(&program, &["alpha", "beta"], "why?", Order::InTurn);
    assert_eq!(command(&mut program, order.clone()), Ok(Value::Accepted));
    assert_eq!(cause(&mut program, order), Cause::BUSY);
    assert_eq!(cause(&mut program, bench(&["alpha"])), Cause::BUSY);
    program.state.domain.race = None;
    assert_eq!(command(&mut program, bench(&["alpha"])), Ok(Value::Accepted));
    assert_eq!(cause(&mut program, bench(&["alpha"])), Cause::BUSY);
    let order = race(&program, &["alpha", "beta"], "why?", Order::InTurn);
    assert_eq!(cause(&mut program, order), Cause::BUSY);
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_the_figures_unless_forced() {
    let mut program = Program::new();
    let mut model = (**program.state.domain.model("alpha").unwrap()).clone();
    let bytes = gguf::testing::Builder::tiny_llama().build();
    model.summary = Some(gguf::Header::read(bytes.as_slice()).unwrap().summary());
    program.happens(Event::Library(domain::event::LibraryEvent::Found(vec![model.into()])));
    program.happens(Event::Sample(Box::new(sample(4, 1))));
    let refused = command(&mut program, start("alpha")).unwrap_err();
    let Cause::Memory(refusal) = &refused.cause else { panic!("{refused:?}") };
    assert!(refusal.needed.total() > refusal.free && refused.reason.contains("would need about"), "{refused}");
    let forced = What::StartSession { model: "alpha".to_owned(), settings: Box::default(), force: Force::All };
    assert!(matches!(command(&mut program, forced), Ok(Value::Session(_))));
}
