//! The suites' tab of the Bench screen: which suite, over which models, and what shows of the run.

use std::sync::Arc;

use domain::Domain;
use domain::command::{Force, What};
use domain::lab::suite::run::{Cell, SuiteFile, SuiteOrder};
use domain::lab::suite::tally::Cost;
use domain::model::Model;

use super::{Client, command, notify};
use crate::ui::{BenchTab, Effect, Overlay, Screen, SuiteEntry};

/// Show the suites, or the benches again.
pub(super) fn turn(state: &mut Client<'_>) -> Vec<Effect> {
    let shows = state.ui.screen == Screen::Bench && state.ui.bench_tab == BenchTab::Suites;
    if shows {
        state.ui.bench_tab = BenchTab::Benches;
        return Vec::new();
    }
    // Whoever comes from the models wants to run one.
    if state.ui.screen != Screen::Bench || state.domain.suite.is_none() {
        return pick(state);
    }
    state.ui.bench_tab = BenchTab::Suites;
    Vec::new()
}

/// Show the list of suites, as they are on the disk now; a run that is not over stays on the screen.
pub(super) fn pick(state: &mut Client<'_>) -> Vec<Effect> {
    state.ui.screen = Screen::Bench;
    state.ui.bench_tab = BenchTab::Suites;
    if state.domain.suite.as_ref().is_some_and(|run| !run.is_over()) {
        return Vec::new();
    }
    state.ui.suites.picks = true;
    vec![Effect::ListSuites]
}

/// The suites that there are.
pub(super) fn listed(state: &mut Client<'_>, suites: Vec<SuiteEntry>) {
    let chosen = state.ui.suites.entry().map(|entry| entry.file.clone());
    let place = chosen.and_then(|file| suites.iter().position(|entry| entry.file == file));
    state.ui.suites.chosen = place.unwrap_or(0);
    state.ui.suites.suites = Some(suites);
}

/// Enter: run the selected suite, or show the selected answer.
pub(super) fn choose(state: &mut Client<'_>) -> Vec<Effect> {
    if !state.ui.shows_suites(state.domain) {
        show_answer(state);
        return Vec::new();
    }
    let Some(entry) = state.ui.suites.entry() else { return Vec::new() };
    match entry.suite.clone() {
        Ok(suite) => start(state, suite, false),
        Err(reason) => {
            let text = format!("{}: {reason}", entry.name);
            notify(state, text, true);
            Vec::new()
        }
    }
}

/// Ask all prompts of the last suite again.
pub(super) fn again(state: &mut Client<'_>) -> Vec<Effect> {
    match &state.domain.suite {
        Some(run) if run.is_over() => {
            let order = SuiteOrder { fresh: true, ..run.order.clone() };
            command(What::StartSuite(Box::new(order)))
        }
        _ => Vec::new(),
    }
}

fn start(state: &mut Client<'_>, suite: Arc<SuiteFile>, fresh: bool) -> Vec<Effect> {
    let settings = match suite.settings(state.domain.settings.session) {
        Ok(settings) => settings,
        Err(reason) => {
            notify(state, reason, true);
            return Vec::new();
        }
    };
    let models = state.suite_models();
    let judge = suite.suite.judge.as_deref().and_then(|name| named(state.domain, name));
    let order = SuiteOrder { suite, models, judge, settings, stop: Vec::new(), fresh, force: Force::No };
    command(What::StartSuite(Box::new(order)))
}

/// The suite runs: watch it.
pub(super) fn started(state: &mut Client<'_>) {
    let suites = &mut state.ui.suites;
    (suites.picks, suites.row, suites.prompt) = (false, 0, 0);
    state.ui.screen = Screen::Bench;
    state.ui.bench_tab = BenchTab::Suites;
}

/// The model of this name or id, or the only one whose name contains it.
fn named(domain: &Domain, name: &str) -> Option<Arc<Model>> {
    let models = &domain.library.models;
    let is_exact = |model: &&Arc<Model>| model.id == name || model.name.eq_ignore_ascii_case(name);
    if let Some(model) = models.iter().find(is_exact) {
        return Some(Arc::clone(model));
    }
    let name = name.to_lowercase();
    let mut found = models.iter().filter(|model| model.name.to_lowercase().contains(&name));
    found.next().filter(|_| found.next().is_none()).map(Arc::clone)
}

/// Move the selection by so many rows.
pub(super) fn move_selection(state: &mut Client<'_>, by: i32) {
    let step = |place: usize, count: usize| place.saturating_add_signed(by as isize).min(count.saturating_sub(1));
    if state.ui.shows_suites(state.domain) {
        let count = state.ui.suites.suites.as_ref().map_or(0, Vec::len);
        state.ui.suites.chosen = step(state.ui.suites.chosen, count);
    } else {
        let count = state.domain.suite.as_ref().map_or(0, |run| run.models.len());
        state.ui.suites.row = step(state.ui.suites.row, count);
    }
}

/// Move the selection by so many prompts.
pub(super) fn move_prompt(state: &mut Client<'_>, by: i32) {
    let count = state.domain.suite.as_ref().map_or(0, |run| run.suite().prompts.len());
    let place = state.ui.suites.prompt.saturating_add_signed(by as isize);
    state.ui.suites.prompt = place.min(count.saturating_sub(1));
}

/// Plot the pass rate against something else.
pub(super) fn turn_cost(state: &mut Client<'_>) {
    let Some(run) = &state.domain.suite else { return };
    state.ui.suites.by = Some(match state.ui.suites.cost(run) {
        Cost::Energy => Cost::Time,
        Cost::Time => Cost::Memory,
        Cost::Memory => Cost::Energy,
    });
}

/// Esc: what runs is cancelled; else the list, then the tab is left.
pub(super) fn back(state: &mut Client<'_>) -> Vec<Effect> {
    match &state.domain.suite {
        Some(run) if !run.is_over() => return command(What::CancelSuite),
        Some(_) if state.ui.suites.picks => state.ui.suites.picks = false,
        _ => state.ui.bench_tab = BenchTab::Benches,
    }
    Vec::new()
}

/// Show the selected answer whole, with its prompt and its checks.
fn show_answer(state: &mut Client<'_>) {
    let Some(run) = &state.domain.suite else { return };
    let (row, place) = (state.ui.suites.row, state.ui.suites.prompt);
    let Some((one, prompt)) = run.models.get(row).zip(run.suite().prompts.get(place)) else { return };
    let answer = match run.cell(row, place) {
        Cell::Passed(answer) | Cell::Failed(answer) | Cell::ToJudge(answer) => answer,
        Cell::Waiting | Cell::Running => return notify(state, "it is not answered yet", false),
        Cell::Error(failure) => {
            let text = format!("{}: {}", one.model.name, failure.reason);
            return notify(state, text, true);
        }
    };
    let checks = answer.checks.iter().map(|(check, reason)| match reason {
        None => format!("passed: {check}\n"),
        Some(reason) => format!("failed: {check}: {reason}\n"),
    });
    let text = format!("{}\n\nAnswer\n\n{}\n\nChecks\n\n{}", prompt.text, answer.text, checks.collect::<String>());
    state.ui.overlay = Some(Overlay::Record { title: format!("{} · {}", one.model.name, prompt.id), text, scroll: 0 });
}
