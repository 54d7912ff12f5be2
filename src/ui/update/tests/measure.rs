//! See the module of the same name.

use std::sync::Arc;

use crate::ui::action::Action;
use crate::ui::{Effect, Screen, State, update};
use domain::event::Event;
use domain::machine::Bandwidth;
use domain::machine::{Core, Sample};
use domain::moment::Moment;
use domain::request::{Stage, Step};
use domain::session::{Phase, Session, SessionId, WorkerId};
use domain::settings::{SessionSettings, Settings};
use domain::units::{Bytes, Ratio};
use std::time::Duration;

fn at(seconds: u64) -> Moment {
    Moment { uptime: Duration::from_secs(seconds), unix: 0 }
}

fn tick(state: &mut State, seconds: u64) -> Vec<Effect> {
    let mut sample = Sample { cores: vec![Core { usage: None, mhz: None }; 2], ..Sample::default() };
    sample.memory = Some(domain::machine::Memory { available: Bytes(1 << 34), ..Default::default() });
    update(state, at(seconds), Event::Sample(Box::new(sample)))
}

#[test]
fn the_memory_is_measured_once_and_never_during_an_answer() {
    let mut state = State::new(Settings::default(), Vec::new());
    let measure = |state: &mut State| update(state, at(1), crate::ui::Event::Action(Action::MeasureBandwidth));
    assert!(measure(&mut state).is_empty(), "nothing was read yet");
    tick(&mut state, 1);
    let model = Arc::new(domain::testing::model("x"));
    let settings = SessionSettings::default();
    let mut session = Session::new(SessionId(1), WorkerId(1), model, "x".to_owned(), settings, 1);
    session.phase = Phase::Ready;
    session.make_request().stage = Stage::Running(Step::Answer);
    state.domain.sessions.push(session);
    assert!(measure(&mut state).is_empty(), "a session answers");
    state.domain.sessions[0].make_request().stage = Stage::Ended;
    let wanted = Effect::Domain(domain::Effect::MeasureBandwidth { threads: 2, available: Bytes(1 << 34) });
    assert_eq!(measure(&mut state), std::slice::from_ref(&wanted));
    assert!(measure(&mut state).is_empty(), "one at a time");
    let found = Bandwidth { bytes_per_second: 2.13e10, threads: 2, unix: 1, processor: "p".to_owned() };
    update(&mut state, at(2), Event::Bandwidth(Ok(found)));
    assert_eq!(state.ui.notices.back().unwrap().text, "memory bandwidth: 21.3 GB/s with 2 threads");
    assert_eq!(measure(&mut state), [wanted]);
    update(&mut state, at(3), Event::Bandwidth(Err("no thread".to_owned())));
    assert!(state.domain.machine.bandwidth.is_some() && !state.domain.machine.measuring);
}

#[test]
fn residency_is_asked_for_the_chosen_model_alone() {
    let mut state = State::new(Settings::default(), Vec::new());
    assert!(tick(&mut state, 1).is_empty(), "no model");
    state.domain.library.models = ["a", "b"].map(|name| Arc::new(domain::testing::model(name))).to_vec();
    state.ui.library.rows = vec![0, 1];
    let asks = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Residency { model, .. }] => Some(model.clone()),
        _ => None,
    };
    let answer = |state: &mut State, seconds, model: &str| {
        let share = Ok(Ratio(0.63));
        update(state, at(seconds), crate::ui::Event::Residency { model: model.to_owned(), share });
    };
    assert_eq!(asks(tick(&mut state, 2)).as_deref(), Some("folder:a"));
    state.ui.library.chosen = 1;
    assert_eq!(asks(tick(&mut state, 3)), None, "one question at a time");
    answer(&mut state, 4, "folder:a");
    assert_eq!(asks(tick(&mut state, 5)).as_deref(), Some("folder:b"));
    answer(&mut state, 6, "folder:b");
    assert_eq!(asks(tick(&mut state, 7)), None, "fresh");
    assert_eq!(asks(tick(&mut state, 12)).as_deref(), Some("folder:b"));
    assert_eq!(state.ui.library.residency.as_ref().unwrap().known("folder:b"), Some(&Ok(Ratio(0.63))));
    answer(&mut state, 13, "folder:b");
    state.ui.screen = Screen::Fleet;
    assert_eq!(asks(tick(&mut state, 30)), None, "it does not show");
}
