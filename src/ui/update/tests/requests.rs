//! Several answers of one session at once.

use wire::{Channel, Finish, Prompt, Request as Said};

use super::{Program, finished, loaded, text};
use crate::ui::{Action, Mode};
use domain::command::{Command, CommandId, Force, Value, What};
use domain::event::WorkerEvent;
use domain::request::{RequestId, Stage};
use domain::session::{End, SessionId, WorkerId};
use domain::settings::SessionSettings;
use domain::{Effect, Event};

/// A session that answers two requests at once.
fn loaded_session() -> (Program, SessionId, WorkerId) {
    let mut program = Program::sampled(4, 64_000_000_000);
    let settings = SessionSettings { parallel: 2, ..SessionSettings::default() };
    program.command(What::StartSession { model: "alpha".into(), settings: Box::new(settings), force: Force::No });
    let (id, worker) = (program.state.domain.sessions[0].id, program.state.domain.sessions[0].worker);
    program.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: 77 }));
    program.said(worker, loaded());
    (program, id, worker)
}

/// Ask for an answer; gives its request, and what the worker is told.
fn ask(program: &mut Program, session: SessionId, prompt: &str) -> (RequestId, Vec<Effect>) {
    let prompt = Prompt::Raw(prompt.to_owned());
    let what = What::Generate { session, prompt, form: None, stop: Vec::new(), options: None, record: false };
    let mut effects = program.happens(Event::Command(Command { id: CommandId(9), what }));
    let place = effects.iter().position(|effect| matches!(effect, Effect::Reply(_))).expect("a reply");
    let Effect::Reply(reply) = effects.remove(place) else { panic!("a reply") };
    let Ok(Value::Request(id)) = reply.result else { panic!("no request: {reply:?}") };
    (id, effects)
}

fn asked(effects: &[Effect]) -> Vec<u64> {
    let id = |effect: &Effect| match effect {
        Effect::Send { request: Said::Generate(generate), .. } => Some(generate.id),
        _ => None,
    };
    effects.iter().filter_map(id).collect()
}

#[test]
fn as_many_run_as_there_are_sequences_and_the_next_follows() {
    let (mut program, session, worker) = loaded_session();
    let (one, effects) = ask(&mut program, session, "one");
    assert_eq!(asked(&effects), [one.0]);
    let (two, effects) = ask(&mut program, session, "two");
    assert_eq!(asked(&effects), [two.0]);
    let (three, effects) = ask(&mut program, session, "three");
    assert!(asked(&effects).is_empty(), "it waits");
    program.said(worker, text(two.0, Channel::Answer, "B", 1));
    program.said(worker, text(one.0, Channel::Answer, "A", 1));
    program.said(worker, text(two.0, Channel::Answer, "b", 2));
    let effects = program.said(worker, finished(two.0, Finish::Stop));
    assert_eq!(asked(&effects), [three.0], "a sequence is free");
    let now = &program.state.domain.sessions[0];
    let known = |id| now.request(id).unwrap();
    assert_eq!((known(one).answer.text.as_str(), known(two).answer.text.as_str()), ("A", "Bb"));
    assert_eq!(known(two).answer.end, Some(End::Finished(Finish::Stop)));
    assert!(known(one).is_running() && known(three).is_running());
    assert_eq!(now.n_generated, 3, "a session's tokens are the sum");
    assert!(now.turns.is_empty(), "none of them is the conversation's");
}

#[test]
fn a_change_of_the_setting_waits_for_the_next_load() {
    let (mut program, session, _) = loaded_session();
    program.command(What::SetSession { session, name: "parallel".into(), value: "3".into() });
    let n_asked: usize =
        ["one", "two", "three"].map(|prompt| asked(&ask(&mut program, session, prompt).1).len()).iter().sum();
    assert_eq!(n_asked, 2, "its worker has two sequences");
}

#[test]
fn a_cancel_disturbs_no_other() {
    let (mut program, session, worker) = loaded_session();
    let ids: Vec<RequestId> = ["one", "two", "three"].map(|prompt| ask(&mut program, session, prompt).0).into();
    let cancel = |program: &mut Program, id| program.command(What::CancelRequest(id));
    assert_eq!(cancel(&mut program, ids[2]), [], "one that waits needs no worker");
    assert_eq!(program.state.domain.sessions[0].request(ids[2]).unwrap().stage, Stage::Ended);
    assert_eq!(cancel(&mut program, ids[0]), [Effect::Send { worker, request: Said::Cancel { id: ids[0].0 } }]);
    program.said(worker, text(ids[1].0, Channel::Answer, "goes on", 1));
    program.said(worker, finished(ids[0].0, Finish::Cancelled));
    let session = &program.state.domain.sessions[0];
    assert!(session.request(ids[1]).unwrap().is_running() && session.is_busy());
    assert_eq!(session.request(ids[1]).unwrap().answer.text, "goes on");
}

#[test]
fn a_worker_that_dies_ends_all_of_them_once() {
    let (mut program, session, worker) = loaded_session();
    let ids: Vec<RequestId> = ["one", "two", "three"].map(|prompt| ask(&mut program, session, prompt).0).into();
    let exited = WorkerEvent::Exited { reason: "killed by signal 9".into(), expected: false, hint: None };
    program.happens(Event::Worker(worker, exited));
    for id in ids {
        let end = program.state.domain.sessions[0].request(id).unwrap().answer.end.clone();
        assert_eq!(end, Some(End::failed("killed by signal 9")));
    }
}

/// The ids of the rows that show.
fn rows(program: &Program) -> Vec<RequestId> {
    program.state.ui.requests.rows.clone()
}

#[test]
fn the_tab_lists_what_comes_and_ends_and_cancels_the_selected_one() {
    let (mut program, session, worker) = loaded_session();
    program.act(Action::Fleet);
    program.act(Action::Requests);
    assert!(program.state.ui.requests.shown && rows(&program).is_empty());
    let ids: Vec<RequestId> = ["one", "two", "three"].map(|prompt| ask(&mut program, session, prompt).0).into();
    assert_eq!(rows(&program), [ids[2], ids[1], ids[0]], "the newest first, without a tick");
    program.said(worker, text(ids[0].0, Channel::Answer, "A", 1));
    program.said(worker, finished(ids[0].0, Finish::Stop));
    assert_eq!(rows(&program), [ids[2], ids[1], ids[0]], "what has ended stands last");
    assert_eq!(program.state.ui.requests.chosen, Some(ids[0]), "the selection stays on its request");
    program.act(Action::First);
    program.act(Action::Down);
    let effects = program.act(Action::Cancel);
    assert_eq!(effects, [Effect::Send { worker, request: Said::Cancel { id: ids[1].0 } }]);
    program.act(Action::Last);
    assert_eq!(program.act(Action::Cancel), [], "what has ended can't be cancelled");
    assert!(program.state.ui.notices.iter().any(|notice| notice.text == "this request has ended"));
}

#[test]
fn the_tab_filters_and_sorts() {
    let (mut program, session, _) = loaded_session();
    let ids: Vec<RequestId> = ["one", "two", "three"].map(|prompt| ask(&mut program, session, prompt).0).into();
    program.act(Action::Requests);
    assert_eq!(program.state.mode(), Mode::Requests);
    program.act(Action::Filter);
    assert_eq!(program.state.mode(), Mode::RequestFilter);
    program.happens(crate::ui::Event::Text("state:queued".to_owned()));
    assert_eq!(rows(&program), [ids[2]]);
    program.act(Action::Choose);
    assert_eq!((program.state.mode(), rows(&program)), (Mode::Requests, vec![ids[2]]));
    program.act(Action::Back);
    assert_eq!(rows(&program).len(), 3, "esc shows all");
    program.act(Action::Reverse);
    assert_eq!(rows(&program), ids);
    // Enter leads to the session, esc to the sessions.
    program.act(Action::Choose);
    assert_eq!((program.state.mode(), program.state.ui.fleet.chosen), (Mode::Fleet, Some(session)));
    program.act(Action::Requests);
    program.act(Action::Back);
    assert_eq!(program.state.mode(), Mode::Fleet);
}
