//! Models that the check refuses and that are tried all the same.

use super::*;

/// A model that the check refuses, chosen in the Library.
fn refused() -> Program {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.act(Action::Library);
    program.act(Action::Down);
    let odd = Model { status: Status::Damaged("odd".to_owned()), ..Model::clone(&model("beta", 1)) };
    let place = program.state.domain.library.models.iter().position(|model| model.id == "beta").unwrap();
    program.state.domain.library.models[place] = Arc::new(odd);
    program
}

fn remembered(effects: &[Effect]) -> Option<Outcome> {
    effects.iter().find_map(|effect| match effect {
        Effect::SaveTry { tried, .. } => Some(tried.outcome.clone()),
        _ => None,
    })
}

#[test]
fn what_the_check_refuses_is_tried_on_a_key_and_its_end_remembered() {
    let mut program = refused();
    assert!(program.act(Action::Choose).is_empty());
    assert!(matches!(&program.state.ui.overlay, Some(Overlay::TryAnyway { model, .. }) if model == "beta"));
    // Leaving it starts nothing.
    assert!(program.act(Action::Back).is_empty() && program.state.domain.sessions.is_empty());
    program.act(Action::Choose);
    let effects = program.act(Action::StartAnyway);
    assert!(
        matches!(&effects[..], [Effect::Spawn { model, .. }] if model.is_runnable() && model.overridden.is_some()),
        "{effects:?}"
    );
    let worker = program.state.domain.sessions[0].worker;
    program.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: 7 }));
    program.happens(Event::Worker(worker, WorkerEvent::Logged("GGML_ASSERT failed".into())));
    let hint = Some("see the log".to_owned());
    let exited = WorkerEvent::Exited { reason: "killed by signal 6".into(), expected: false, hint };
    let effects = program.happens(Event::Worker(worker, exited));
    let died = Outcome::Died("killed by signal 6: GGML_ASSERT failed".to_owned());
    assert_eq!(remembered(&effects), Some(died.clone()));
    assert_eq!(program.state.domain.model("beta").unwrap().tried.as_ref().unwrap().outcome, died);
}

#[test]
fn a_try_that_answers_or_is_refused_is_remembered_once() {
    let mut program = refused();
    program.act(Action::Choose);
    program.act(Action::StartAnyway);
    let worker = program.state.domain.sessions[0].worker;
    program.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: 7 }));
    program.said(worker, loaded());
    for expected in [Some(Outcome::Ran), None] {
        let id = program.ask("x");
        let effects = program.said(worker, finished(id, Finish::Stop));
        assert_eq!(remembered(&effects), expected);
    }
    let failure = wire::Failure { id: None, kind: wire::FailureKind::Load, message: "no".into(), hint: None };
    assert_eq!(remembered(&program.said(worker, Said::Failed(failure))), Some(Outcome::Refused("no".to_owned())));
    // A worker that said why it ends has not died, and one that was stopped neither.
    let exited = WorkerEvent::Exited { reason: "exited with 1".into(), expected: false, hint: None };
    assert_eq!(remembered(&program.happens(Event::Worker(worker, exited))), None);
    // What nothing speaks against is not worth remembering.
    let mut plain = Program::sampled(2, 64_000_000_000);
    let worker = plain.ready("alpha");
    let id = plain.ask("x");
    assert_eq!(remembered(&plain.said(worker, finished(id, Finish::Stop))), None);
}
