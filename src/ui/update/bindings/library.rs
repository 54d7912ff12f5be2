//! The models of the Library screen, their filter, and the disk usage.

use super::{Binding, HIDDEN, Hint, bind, fleet, shown, when};
use crate::ui::update::{hub, library, list, race, storage, suite};
use crate::ui::{Action, State, Welcome};

pub(super) const MODELS: &[Binding] = &[
    bind(Action::Choose, &["enter"], choose, library::open),
    bind(Action::New, &["n"], |state| when(is_running(state) || is_there(state), "start another"), library::start)
        .anywhere(),
    bind(Action::Mark, &["space"], |state| when(can_start(state), "mark"), race::mark).anywhere(),
    bind(Action::RaceMarked, &["R"], fleet::race_marked, race::race_marked),
    bind(Action::Configure, &["c"], |state| when(can_start(state), "settings"), library::configure).anywhere(),
    bind(Action::Filter, &["/"], |_| shown("filter"), list::filter_models),
    bind(Action::Hub, &["f"], |_| shown("Hub"), hub::show).anywhere(),
    bind(Action::DiskUsage, &["u"], |_| shown("disk usage"), storage::show).anywhere(),
    bind(Action::BenchModel, &["b"], |state| on_marked(state, can_start(state), "bench"), library::bench).anywhere(),
    bind(Action::Suites, &["V"], |state| on_marked(state, can_start(state), "suite"), suite::turn),
    bind(Action::Sort, &["s"], |state| when(state.ui.library.rows.len() > 1, "sort"), list::sort_models),
    bind(Action::Reverse, &["S"], |state| when(state.ui.library.rows.len() > 1, "reverse"), list::reverse_models),
    bind(Action::Rescan, &["ctrl-r"], |state| when(!state.domain.library.scanning, "rescan"), storage::rescan)
        .anywhere(),
    bind(
        Action::DeleteSelected,
        &["d"],
        |state| on_marked(state, state.chosen_model().is_some(), "delete"),
        storage::delete_model,
    ),
    bind(Action::UndoCleanup, &["U"], HIDDEN, storage::undo).anywhere(),
    bind(Action::ScrollUp, &["["], HIDDEN, |client| library::scroll(client, -library::SCROLL)),
    bind(Action::ScrollDown, &["]"], HIDDEN, |client| library::scroll(client, library::SCROLL)),
    bind(Action::Back, &["esc"], back, list::back_in_models),
];

pub(super) const FILTER: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("keep"), list::keep_filter),
    bind(Action::Back, &["esc"], |_| shown("show all"), list::clear_model_filter),
];

pub(super) const DISK_USAGE: &[Binding] = &[
    bind(Action::Choose, &["enter"], clean, storage::clean_up),
    bind(Action::DeleteSelected, &["d"], HIDDEN, storage::clean_up),
    bind(Action::UndoCleanup, &["U"], undo, storage::undo),
    bind(Action::Group, &["tab"], |_| shown("group by"), storage::turn_grouping),
    bind(Action::Back, &["esc"], |_| shown("models"), library::show_models),
    bind(Action::Hub, &["f"], |_| shown("Hub"), hub::show),
    bind(Action::Rescan, &["ctrl-r"], HIDDEN, storage::rescan),
];

fn back(state: &State) -> Hint {
    match (state.ui.library.filter.is_empty(), state.ui.welcome) {
        (false, _) => shown("show all"),
        (true, Welcome::Shown) => shown("close welcome"),
        (true, _) => fleet::unmark(state),
    }
}

/// What is done to the marked models, where there are any, else to the selected one.
fn on_marked(state: &State, can: bool, label: &'static str) -> Hint {
    match state.ui.race.entries.len() {
        0 => when(can, label),
        count => Hint::Counted(label, count),
    }
}

fn is_running(state: &State) -> bool {
    state.chosen_model().is_some_and(|model| state.domain.running(&model.id).is_some())
}

/// Whether the server of its machine has it loaded.
fn is_there(state: &State) -> bool {
    state.chosen_model().is_some_and(|model| state.domain.session_there(model).is_some())
}

fn can_start(state: &State) -> bool {
    state.chosen_model().is_some_and(|model| model.is_runnable())
}

fn choose(state: &State) -> Hint {
    let can_be_tried = state.chosen_model().is_some_and(|model| model.can_be_tried());
    match (is_running(state), can_be_tried) {
        (true, _) => shown("open session"),
        (false, _) if is_there(state) => shown("join session"),
        (false, true) => shown("try anyway"),
        (false, false) => when(can_start(state), "start"),
    }
}

fn clean(state: &State) -> Hint {
    let is_cleanup = state.ui.usage.chosen < state.domain.cleanup.reclaimable().len();
    let label = if is_cleanup { "clean up" } else { "delete" };
    when(state.domain.cleanup.n_rows(state.ui.usage.grouping) > 0, label)
}

fn undo(state: &State) -> Hint {
    when(state.domain.cleanup.disk_usage.as_ref().is_some_and(|disk_usage| disk_usage.undo.is_some()), "undo")
}
