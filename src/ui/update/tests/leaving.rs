//! What is asked before sessions are stopped.

use super::*;

#[test]
fn stopping_a_busy_session_is_asked_once() {
    let mut program = Program::sampled(2, 64_000_000_000);
    let worker = program.ready("alpha");
    program.ask("a");
    assert!(program.act(Action::Stop).is_empty());
    assert!(matches!(program.state.ui.overlay, Some(Overlay::Confirm { .. })));
    program.act(Action::No);
    assert!(program.state.ui.overlay.is_none());
    program.act(Action::Stop);
    let effects = program.act(Action::Yes);
    assert_eq!(effects[0], Effect::Stop { worker });
    assert!(matches!(&effects[1..], [Effect::SaveRecord { .. }]), "{effects:?}");
    let exited = WorkerEvent::Exited { reason: "stopped".into(), expected: true, hint: None };
    program.happens(Event::Worker(worker, exited));
    assert!(program.state.domain.sessions.is_empty());
    assert!(program.state.ui.fleet.chosen.is_none());
}

#[test]
fn leaving_asks_while_sessions_run() {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.act(Action::Quit);
    assert!(program.screen.contains(&crate::ui::Effect::Quit));
    let mut program = Program::sampled(2, 64_000_000_000);
    program.ready("alpha");
    program.act(Action::Quit);
    assert!(!program.screen.contains(&crate::ui::Effect::Quit));
    assert!(matches!(program.state.ui.overlay, Some(Overlay::Confirm { .. })));
    let mut program = Program::sampled(2, 64_000_000_000);
    program.ready("alpha");
    program.ask("a");
    program.act(Action::Quit);
    assert!(!program.screen.contains(&crate::ui::Effect::Quit));
    program.act(Action::Yes);
    assert!(program.screen.contains(&crate::ui::Effect::Quit) && program.state.ui.leaving);
}
