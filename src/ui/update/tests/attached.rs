//! A screen that is attached to a server.

use super::*;
use crate::ui::{Effect as ScreenEffect, Event as ScreenEvent, Server, Then};
use domain::command::{Command, CommandId};
use domain::settings::OnQuit;

const FIRST: u64 = 7 << 32;

/// A screen with one session, attached from here on.
fn attached() -> Program {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.ready("alpha");
    let server = Server { host: None, pid: 1, first_command: FIRST, is_lost: false };
    program.state.ui.server = Some(server.clone());
    program.happens(ScreenEvent::Attached(Box::new(server)));
    program.effects.clear();
    program.screen.clear();
    program
}

#[test]
fn requests_that_had_not_ended_are_lost_with_the_server() {
    let mut program = attached();
    let session = program.state.domain.sessions[0].id;
    let what = domain::command::What::SendPrompt { session, text: "hello".to_owned() };
    program.happens(Event::Command(Command { id: CommandId(FIRST + (1 << 32) + 1), what }));
    program.act(Action::Fleet);
    program.act(Action::Requests);
    let states = |program: &Program| {
        let state = &program.state;
        let all = crate::ui::requests_view::requests(&state.domain, state.ui.server.as_ref());
        all.map(|row| row.state.word()).collect::<Vec<_>>()
    };
    assert_eq!(states(&program), ["prefill"]);
    program.happens(ScreenEvent::Lost("The server has ended".to_owned()));
    assert_eq!(states(&program), ["lost"]);
    assert_eq!(program.state.ui.requests.known.iter().map(|(_, is_open)| *is_open).collect::<Vec<_>>(), [false]);
}

fn sent(program: &mut Program) -> Vec<Command> {
    let sent = |effect| if let ScreenEffect::Send(command) = effect { Some(command) } else { None };
    std::mem::take(&mut program.screen).into_iter().filter_map(sent).collect()
}

#[test]
fn commands_go_to_the_server_and_come_back_as_events() {
    let mut program = attached();
    let before = serde_json::to_value(&program.state.domain).unwrap();
    program.act(Action::Library);
    program.command(start("beta"));
    assert_eq!(serde_json::to_value(&program.state.domain).unwrap(), before, "the copy is the server's to change");
    let commands = sent(&mut program);
    // Its first command started the session, before it was attached.
    assert_eq!(commands.iter().map(|command| command.id.0).collect::<Vec<_>>(), [FIRST + 2]);
    // Another client's command is no reply to this screen.
    let other = Command { id: CommandId(FIRST + (1 << 32) + 1), what: start("beta") };
    program.happens(Event::Command(other));
    assert_eq!((program.state.domain.sessions.len(), program.state.ui.screen), (2, Screen::Library));
    program.happens(Event::Command(commands[0].clone()));
    assert_eq!((program.state.domain.sessions.len(), program.state.ui.screen), (3, Screen::Fleet));
    assert!(program.effects.is_empty(), "what follows is the server's to do: {:?}", program.effects);
}

#[test]
fn leaving_asks_what_becomes_of_sessions() {
    for (on_quit, actions, n_sent, leaves) in [
        (OnQuit::Ask, vec![], 0, false),
        (OnQuit::Ask, vec![Action::Yes], 0, true),
        (OnQuit::Ask, vec![Action::No], 1, true),
        (OnQuit::Ask, vec![Action::Back], 0, false),
        (OnQuit::Ask, vec![Action::Quit], 0, true),
        (OnQuit::Keep, vec![], 0, true),
        (OnQuit::Stop, vec![], 1, true),
    ] {
        let mut program = attached();
        program.state.ui.on_quit = on_quit;
        program.act(Action::Quit);
        for action in actions.clone() {
            program.act(action);
        }
        let sent = sent(&mut program);
        assert!(sent.iter().all(|command| matches!(command.what, What::StopSession(_))));
        assert_eq!((sent.len(), program.state.ui.leaving), (n_sent, leaves), "{on_quit:?} {actions:?}");
    }
}

#[test]
fn a_lost_server_is_told_and_refuses_what_is_asked_of_it() {
    let mut program = attached();
    program.command(start("beta"));
    program.happens(ScreenEvent::Lost("The server has ended".to_owned()));
    let notices =
        |program: &Program| program.state.ui.notices.iter().map(|notice| notice.text.clone()).collect::<String>();
    assert!(notices(&program).contains("the connection to the server was lost"), "{}", notices(&program));
    let Some(Overlay::Confirm { question, then }) = &program.state.ui.overlay else { panic!("no question") };
    assert!(question.starts_with("The server has ended. Attach again?") && *then == Then::Reattach);
    program.act(Action::No);
    sent(&mut program);
    program.command(start("beta"));
    assert!(notices(&program).contains("the server has ended"));
    assert_eq!(sent(&mut program), []);
    // Nothing is left there to be kept.
    program.act(Action::Quit);
    assert!(program.state.ui.leaving);
    let mut program = attached();
    program.happens(ScreenEvent::Lost("gone".to_owned()));
    program.act(Action::Yes);
    assert!(program.screen.contains(&ScreenEffect::Reattach));
}
