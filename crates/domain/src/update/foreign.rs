//! What follows for other programs' processes: which is chosen, and that it be asked to end.

use super::notify;
use crate::command::{Cause, Refused, What};
use crate::effect::Effect;
use crate::fleet_view;
use crate::foreign::{Foreign, name_in_library};
use crate::state::State;
use crate::ui::{Focus, Overlay};

/// Name the models of the processes that a sample found, before it becomes the state's; say which of those that were
/// asked to end have.
pub(super) fn found(state: &mut State, foreign: &mut [Foreign]) {
    for one in foreign.iter_mut() {
        let before = processes(state).iter().find(|before| before.id() == one.id() && before.model == one.model);
        let known = before.and_then(|before| before.name.clone());
        one.name = known.or_else(|| {
            let models = state.domain.library.models.iter().map(AsRef::as_ref);
            name_in_library(one.model.as_deref()?, models)
        });
    }
    let is_there = |id: &(u32, u64)| foreign.iter().any(|one| one.id() == *id);
    let ended: Vec<String> = processes(state)
        .iter()
        .filter(|one| state.ui.fleet.foreign.asked.contains(&one.id()) && !is_there(&one.id()))
        .map(Foreign::title)
        .collect();
    let choice = &mut state.ui.fleet.foreign;
    choice.asked.retain(is_there);
    choice.chosen = choice.chosen.filter(is_there);
    for title in ended {
        notify(state, format!("{title} has ended"), false);
    }
}

/// Filter and sort them anew, as the sessions are; a choice that shows no longer is none.
pub(super) fn list(state: &mut State) {
    let fleet = &mut state.ui.fleet;
    let foreign = state.domain.machine.sample.as_ref().map_or(&[][..], |sample| &sample.foreign);
    let choice = &mut fleet.foreign;
    choice.rows =
        fleet_view::foreign_rows(foreign, &state.domain.attribution, fleet.filter.text(), fleet.sort, fleet.reverse);
    choice.chosen = choice.chosen.filter(|chosen| choice.rows.contains(chosen));
}

/// Those of the last sample.
fn processes(state: &State) -> &[Foreign] {
    state.domain.machine.sample.as_ref().map_or(&[], |sample| &sample.foreign)
}

/// Move the choice through the sessions and, below them, the other programs' processes.
pub(super) fn travel(state: &mut State, by: i32) {
    let n_sessions = state.ui.fleet.rows.len();
    let fleet = &mut state.ui.fleet;
    let ids = &fleet.foreign.rows;
    let place = match (fleet.chosen, fleet.foreign.chosen) {
        (Some(chosen), _) => fleet.rows.iter().position(|id| *id == chosen),
        (None, Some(chosen)) => ids.iter().position(|id| *id == chosen).map(|at| n_sessions + at),
        (None, None) => None,
    };
    let last = (n_sessions + ids.len()).saturating_sub(1);
    // With no choice at all the first step leads to the first row.
    let place = place.map_or(0, |place| place.saturating_add_signed(by as isize).min(last));
    let session = fleet.rows.get(place).copied();
    if session.is_none() || session != fleet.chosen {
        fleet.scroll = 0;
    }
    fleet.chosen = session;
    fleet.foreign.chosen = if session.is_none() { ids.get(place - n_sessions.min(place)).copied() } else { None };
    if session.is_none() {
        fleet.focus = Focus::Table;
    }
}

/// Ask whether the chosen process shall be asked to end, or be killed where it was asked before.
pub(super) fn stop(state: &mut State) -> Vec<Effect> {
    let Some(chosen) = state.chosen_foreign() else { return Vec::new() };
    let (id, title) = (chosen.id(), chosen.title());
    let kill = state.ui.fleet.foreign.asked.contains(&id);
    let question = if kill {
        format!("{title} was asked to end and still runs. Kill it? What it has not saved is lost.")
    } else {
        format!("{title} was not started by taffrail. Ask it to end?")
    };
    let then = Box::new(What::Signal { pid: id.0, started: id.1, kill }.into());
    state.ui.overlay = Some(Overlay::Confirm { question, then });
    Vec::new()
}

/// Have it told, once the question was answered.
pub(super) fn signal(state: &State, id: (u32, u64), kill: bool) -> Result<Vec<Effect>, Refused> {
    if !processes(state).iter().any(|one| one.id() == id) {
        return Err(Refused::new(Cause::NotFound, format!("process {} has ended already", id.0)));
    }
    Ok(vec![Effect::Signal { pid: id.0, started: id.1, kill }])
}

/// Take how that went.
pub(super) fn signalled(state: &mut State, id: (u32, u64), kill: bool, result: Result<(), String>) {
    let title = processes(state).iter().find(|one| one.id() == id).map(Foreign::title);
    let title = title.unwrap_or_else(|| format!("process {}", id.0));
    match result {
        Ok(()) => {
            if !state.ui.fleet.foreign.asked.contains(&id) {
                state.ui.fleet.foreign.asked.push(id);
            }
            let text = if kill { format!("{title} was killed") } else { format!("{title} was asked to end") };
            notify(state, text, false);
        }
        Err(reason) => notify(state, reason, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::event::Event;
    use crate::machine::{Process, Sample};
    use crate::moment::Moment;
    use crate::settings::Settings;
    use crate::ui::Screen;
    use crate::update::update;

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
        update(state, Moment::default(), Event::Action(action))
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
        act(&mut state, Action::Move(1));
        act(&mut state, Action::Move(1));
        assert_eq!(state.chosen_foreign().map(Foreign::id), Some((8, 80)));
        // Keys that would do something to a session do nothing to it.
        for action in [Action::Choose, Action::Restart, Action::Clear, Action::Cancel, Action::Configure, Action::Focus]
        {
            assert_eq!(act(&mut state, action.clone()), [], "{action:?}");
            assert_eq!((state.ui.screen, state.ui.fleet.focus), (Screen::Fleet, Focus::Table), "{action:?}");
        }
        act(&mut state, Action::Stop);
        assert_eq!(question(&state), "llama-server (process 8, a.gguf) was not started by taffrail. Ask it to end?");
        assert!(act(&mut state, Action::Confirm(false)).is_empty());
        act(&mut state, Action::Stop);
        let told = |kill| Effect::Signal { pid: 8, started: 80, kill };
        assert_eq!(act(&mut state, Action::Confirm(true)), [told(false)]);
        update(&mut state, Moment::default(), Event::Signalled { pid: 8, started: 80, kill: false, result: Ok(()) });
        sample(&mut state, &[process(7, 70), process(8, 80)]);
        act(&mut state, Action::Stop);
        assert!(question(&state).contains("still runs. Kill it?"));
        assert_eq!(act(&mut state, Action::Confirm(true)), [told(true)]);
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
            act(&mut state, Action::Move(1));
            act(&mut state, Action::Stop);
            sample(&mut state, after);
            assert_eq!(act(&mut state, Action::Confirm(true)), []);
            assert!(state.ui.notices.back().unwrap().text.contains("has ended"));
        }
    }

    #[test]
    fn a_refusal_is_told() {
        let mut state = State::new(Settings::default(), Vec::new());
        let result = Err("process 8 belongs to another user".to_owned());
        update(&mut state, Moment::default(), Event::Signalled { pid: 8, started: 80, kill: false, result });
        assert!(state.ui.notices.back().unwrap().is_error);
        assert!(state.ui.fleet.foreign.asked.is_empty());
    }
}
