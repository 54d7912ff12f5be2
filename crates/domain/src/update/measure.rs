//! What follows for measurements that are made on request: the memory's bandwidth, and what of a model's file is in
//! memory.

use std::time::Duration;

use super::notify;
use crate::effect::Effect;
use crate::roofline::Bandwidth;
use crate::session::Session;
use crate::state::{Residency, State};
use crate::ui::{Face, Screen};
use crate::units::Ratio;

/// How long a file's residency holds: it changes when something reads the file, and asking takes milliseconds.
const FRESH: Duration = Duration::from_secs(5);

/// Measure the memory's bandwidth, unless that would disturb an answer.
pub(super) fn bandwidth(state: &mut State) -> Vec<Effect> {
    if state.domain.machine.measuring {
        notify(state, "the memory is being measured already", false);
        return Vec::new();
    }
    if state.domain.sessions.iter().any(Session::is_busy) {
        notify(state, "a session answers; measure when none does, since each would slow the other", true);
        return Vec::new();
    }
    let Some(sample) = &state.domain.machine.sample else {
        notify(state, "the machine was not read yet", true);
        return Vec::new();
    };
    let (threads, available) = (sample.threads(), sample.available_memory());
    state.domain.machine.measuring = true;
    notify(state, "the memory is being measured", false);
    vec![Effect::MeasureBandwidth { threads, available }]
}

/// Take what was measured.
pub(super) fn measured(state: &mut State, result: Result<Bandwidth, String>) {
    state.domain.machine.measuring = false;
    match result {
        Ok(bandwidth) => {
            notify(state, format!("memory bandwidth: {bandwidth}"), false);
            state.domain.machine.bandwidth = Some(bandwidth);
        }
        Err(reason) => notify(state, format!("the memory can't be measured: {reason}"), true),
    }
}

/// Ask how much of the chosen model is in memory, where it shows and was not asked just now.
pub(super) fn residency(state: &mut State) -> Vec<Effect> {
    if state.ui.screen != Screen::Library || state.ui.library.face != Face::Models {
        return Vec::new();
    }
    let Some(model) = state.chosen_model() else { return Vec::new() };
    let (id, files) = (model.id.clone(), model.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>());
    let now = state.domain.now;
    let residency = &mut state.domain.library.residency;
    let is_fresh = |last: &Residency| last.model == id && now.uptime.saturating_sub(last.at.uptime) < FRESH;
    // One question at a time: files on a slow disk must not pile up threads.
    if residency.as_ref().is_some_and(|last| is_fresh(last) || last.share.is_none()) {
        return Vec::new();
    }
    // What is being asked for again keeps its figure until the answer comes.
    let share = residency.take().filter(|last| last.model == id).and_then(|last| last.share);
    *residency = Some(Residency { model: id.clone(), at: now, share: None, before: share });
    vec![Effect::Residency { model: id, files }]
}

/// Take the answer.
pub(super) fn resident(state: &mut State, model: String, share: Result<Ratio, String>) {
    state.domain.library.residency = Some(Residency { model, at: state.domain.now, share: Some(share), before: None });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::action::Action;
    use crate::event::Event;
    use crate::machine::{Core, Sample};
    use crate::moment::Moment;
    use crate::session::{Phase, SessionId, Step, WorkerId};
    use crate::settings::{SessionSettings, Settings};
    use crate::units::Bytes;
    use crate::update::update;

    fn at(seconds: u64) -> Moment {
        Moment { uptime: Duration::from_secs(seconds), unix: 0 }
    }

    fn tick(state: &mut State, seconds: u64) -> Vec<Effect> {
        let mut sample = Sample { cores: vec![Core { usage: None, mhz: None }; 2], ..Sample::default() };
        sample.memory = Some(crate::machine::Memory { available: Bytes(1 << 34), ..Default::default() });
        update(state, at(seconds), Event::Sample(Box::new(sample)))
    }

    #[test]
    fn the_memory_is_measured_once_and_never_during_an_answer() {
        let mut state = State::new(Settings::default(), Vec::new());
        let measure = |state: &mut State| update(state, at(1), Event::Action(Action::MeasureBandwidth));
        assert!(measure(&mut state).is_empty(), "nothing was read yet");
        tick(&mut state, 1);
        let model = Arc::new(crate::testing::model("x"));
        let settings = SessionSettings::default();
        let mut session = Session::new(SessionId(1), WorkerId(1), model, "x".to_owned(), settings, 1);
        session.phase = Phase::Busy { generation: 1, step: Step::Answer };
        state.domain.sessions.push(session);
        assert!(measure(&mut state).is_empty(), "a session answers");
        state.domain.sessions[0].phase = Phase::Ready;
        let wanted = Effect::MeasureBandwidth { threads: 2, available: Bytes(1 << 34) };
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
        state.domain.library.models = ["a", "b"].map(|name| Arc::new(crate::testing::model(name))).to_vec();
        state.ui.library.rows = vec![0, 1];
        let asks = |effects: Vec<Effect>| match &effects[..] {
            [Effect::Residency { model, .. }] => Some(model.clone()),
            _ => None,
        };
        let answer = |state: &mut State, seconds, model: &str| {
            let share = Ok(Ratio(0.63));
            update(state, at(seconds), Event::Residency { model: model.to_owned(), share });
        };
        assert_eq!(asks(tick(&mut state, 2)).as_deref(), Some("folder:a"));
        state.ui.library.chosen = 1;
        assert_eq!(asks(tick(&mut state, 3)), None, "one question at a time");
        answer(&mut state, 4, "folder:a");
        assert_eq!(asks(tick(&mut state, 5)).as_deref(), Some("folder:b"));
        answer(&mut state, 6, "folder:b");
        assert_eq!(asks(tick(&mut state, 7)), None, "fresh");
        assert_eq!(asks(tick(&mut state, 12)).as_deref(), Some("folder:b"));
        assert_eq!(state.domain.library.residency.as_ref().unwrap().known("folder:b"), Some(&Ok(Ratio(0.63))));
        answer(&mut state, 13, "folder:b");
        state.ui.screen = Screen::Fleet;
        assert_eq!(asks(tick(&mut state, 30)), None, "it does not show");
    }
}
