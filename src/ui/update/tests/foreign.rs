//! See the module of the same name.

use crate::ui::Screen;
use crate::ui::action::Action;
use crate::ui::{Effect, Focus, Overlay, State, update};
use domain::event::Event;
use domain::foreign::Foreign;
use domain::machine::{Process, Sample};
use domain::moment::Moment;
use domain::settings::Settings;

fn process(pid: u32, started: u64) -> Foreign {
    Foreign {
        process: Process { pid, ..Process::default() },
        started,
        engine: "llama-server".to_owned(),
        model: Some("/m/a.gguf".to_owned()),
        ..Foreign::default()
    }
}

fn sample(state: &mut State, foreign: &[Foreign]) {
    let sample = Sample { foreign: foreign.to_vec(), ..Sample::default() };
    update(state, Moment::default(), Event::Sample(Box::new(sample)));
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    update(state, Moment::default(), crate::ui::Event::Action(action))
}

fn question(state: &State) -> &str {
    let Some(Overlay::Confirm { question, .. }) = &state.ui.overlay else { panic!("no question: {state:?}") };
    question
}

#[test]
fn a_process_is_told_after_a_question_and_killed_after_a_second() {
    let mut state = State::new(Settings::default(), Vec::new());
    state.ui.screen = Screen::Fleet;
    sample(&mut state, &[process(7, 70), process(8, 80)]);
    assert!(act(&mut state, Action::Stop).is_empty() && state.ui.overlay.is_none(), "nothing is chosen");
    act(&mut state, Action::Down);
    act(&mut state, Action::Down);
    assert_eq!(state.chosen_foreign().map(Foreign::id), Some((8, 80)));
    // Keys that would do something to a session do nothing to it.
    for action in [Action::Choose, Action::Restart, Action::Clear, Action::Cancel, Action::Configure, Action::Focus] {
        assert_eq!(act(&mut state, action), [], "{action:?}");
        assert_eq!((state.ui.screen, state.ui.fleet.focus), (Screen::Fleet, Focus::Table), "{action:?}");
    }
    act(&mut state, Action::Stop);
    assert_eq!(
        question(&state),
        "llama-server (process 8, a.gguf) was not started by taffrail. Terminate it (SIGTERM)?"
    );
    assert!(act(&mut state, Action::No).is_empty());
    act(&mut state, Action::Stop);
    let told = |kill| Effect::Domain(domain::Effect::Signal { pid: 8, started: 80, kill });
    assert_eq!(act(&mut state, Action::Yes), [told(false)]);
    update(&mut state, Moment::default(), Event::Signalled { pid: 8, started: 80, kill: false, result: Ok(()) });
    sample(&mut state, &[process(7, 70), process(8, 80)]);
    act(&mut state, Action::Stop);
    assert!(question(&state).contains("still runs. Kill it (SIGKILL)?"));
    assert_eq!(act(&mut state, Action::Yes), [told(true)]);
    sample(&mut state, &[process(7, 70)]);
    assert_eq!(state.ui.notices.back().unwrap().text, "llama-server (process 8, a.gguf) has ended");
    assert_eq!(state.chosen_foreign(), None);
}

#[test]
fn one_that_ends_or_changes_during_the_question_is_not_told() {
    for after in [&[][..], &[process(8, 81)]] {
        let mut state = State::new(Settings::default(), Vec::new());
        state.ui.screen = Screen::Fleet;
        sample(&mut state, &[process(8, 80)]);
        act(&mut state, Action::Down);
        act(&mut state, Action::Stop);
        sample(&mut state, after);
        assert_eq!(act(&mut state, Action::Yes), []);
        assert!(state.ui.notices.back().unwrap().text.contains("has ended"));
    }
}

#[test]
fn a_refusal_is_told() {
    let mut state = State::new(Settings::default(), Vec::new());
    let result = Err("process 8 belongs to another user".to_owned());
    update(&mut state, Moment::default(), Event::Signalled { pid: 8, started: 80, kill: false, result });
    assert!(state.ui.notices.back().unwrap().is_error);
    assert!(state.domain.asked_to_end.is_empty());
}
