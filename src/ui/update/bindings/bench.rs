//! The Bench screen: benches, history, suites.

use super::{Binding, HIDDEN, Hint, bind, first_when, shown, when};
use crate::ui::update::{bench, history, list, suite};
use crate::ui::{Action, BenchTab, State};
use domain::record::Kind;

pub(super) const BENCHES: &[Binding] = &[
    bind(Action::Back, &["esc"], |state| first_when(state.domain.bench.is_running(), "cancel"), bench::cancel),
    bind(Action::KeepDisturbed, &["i"], keep_disturbed, bench::keep_disturbed).anywhere(),
];

pub(super) const TABS: &[Binding] = &[
    bind(Action::History, &["H"], |state| tab(state, BenchTab::History, "history"), history::turn).anywhere(),
    bind(Action::Suites, &["V"], |state| tab(state, BenchTab::Suites, "suites"), suite::turn).anywhere(),
];

pub(super) const HISTORY: &[Binding] = &[
    bind(Action::Choose, &["enter"], choose, history::choose),
    bind(Action::Open, &["o"], |state| when(is_answer(state), "read"), history::open),
    bind(Action::Filter, &["/"], |_| shown("filter"), list::filter_history),
    bind(Action::Mark, &["space"], |state| when(has_records(state), "mark"), history::mark),
    bind(Action::DeleteSelected, &["d"], delete, history::delete),
    bind(Action::Reveal, &["B"], reveal, history::reveal),
    bind(Action::Back, &["esc"], back, history::back),
];

pub(super) const HISTORY_FILTER: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("keep"), list::keep_filter),
    bind(Action::Back, &["esc"], |_| shown("show all"), history::back),
];

pub(super) const SUITES: &[Binding] = &[
    bind(Action::Choose, &["enter"], run, suite::run_selected),
    bind(Action::Mark, &["space"], |state| when(state.ui.suites.entry().is_some(), "mark"), suite::mark),
    bind(Action::Back, &["esc"], leave, suite::back),
];

pub(super) const SUITE_RUN: &[Binding] = &[
    bind(Action::Back, &["esc"], |state| first_when(is_running(state), "cancel"), suite::back),
    bind(Action::Choose, &["enter"], |_| shown("open answer"), suite::show_answer),
    bind(Action::NextPrompt, &["right", "l"], |_| shown("next prompt"), |client| suite::move_prompt(client, 1)),
    bind(Action::PreviousPrompt, &["left", "h"], HIDDEN, |client| suite::move_prompt(client, -1)),
    bind(Action::PlotAxis, &["a"], |_| shown("plot axis"), suite::turn_axis).anywhere(),
    bind(Action::PickSuite, &["n"], |state| when(!is_running(state), "other suite"), suite::pick).anywhere(),
    bind(Action::RerunSuite, &["r"], |state| when(!is_running(state), "rerun"), suite::again).anywhere(),
];

fn keep_disturbed(state: &State) -> Hint {
    let bench = &state.domain.bench;
    let is_any = bench.rows.iter().any(|row| !row.disturbed.is_empty());
    first_when(is_any && !bench.plan.keep_disturbed, "count disturbed")
}

fn tab(state: &State, tab: BenchTab, label: &'static str) -> Hint {
    shown(if state.ui.bench_tab == tab { "benches" } else { label })
}

/// Esc in the history.
fn back(state: &State) -> Hint {
    let history = &state.ui.history;
    if history.filter.is_empty() { when(!history.marks.is_empty(), "unmark") } else { shown("show all") }
}

/// Esc in the list of suites.
fn leave(state: &State) -> Hint {
    shown(if state.ui.suites.marks.is_empty() { "back" } else { "unmark" })
}

fn delete(state: &State) -> Hint {
    counted(state.ui.history.marks.len(), has_records(state), "delete")
}

fn run(state: &State) -> Hint {
    counted(state.ui.suites.marks.len(), state.ui.suites.entry().is_some(), "run")
}

/// What is done to the marked rows, where there are any, else to the selected one.
fn counted(n_marked: usize, can: bool, label: &'static str) -> Hint {
    match n_marked {
        0 => when(can, label),
        count => Hint::Counted(label, count),
    }
}

/// Whether the selected record is an answer, which a chat goes on from.
fn is_answer(state: &State) -> bool {
    let selected = state.ui.history.entries.get(state.ui.history.chosen);
    selected.is_some_and(|entry| entry.kind == Kind::Run)
}

fn choose(state: &State) -> Hint {
    when(has_records(state), if is_answer(state) { "continue" } else { "open" })
}

fn has_records(state: &State) -> bool {
    !state.ui.history.entries.is_empty()
}

fn reveal(state: &State) -> Hint {
    let selected = state.ui.history.entries.get(state.ui.history.chosen);
    when(selected.is_some_and(|entry| entry.is_sealed), "reveal names")
}

fn is_running(state: &State) -> bool {
    state.domain.suite.as_ref().is_some_and(|run| !run.is_over())
}
