//! The suites' tab of the Bench screen: which suite, over which models, and what shows of the run.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::Domain;
use domain::command::{Force, What};
use domain::lab::suite::run::{Cell, SuiteFile, SuiteOrder};
use domain::lab::suite::tally::Cost;
use domain::model::Model;

use super::Client;
use super::step::step;
use crate::ui::marks::TOO_MANY_MARKS;
use crate::ui::{BenchTab, Effect, Overlay, RecordView, Screen, SuiteEntry};

/// Show the suites, or the benches again.
pub(super) fn turn(client: &mut Client<'_>) -> Vec<Effect> {
    let shows = client.ui.screen == Screen::Bench && client.ui.bench_tab == BenchTab::Suites;
    if shows {
        client.ui.bench_tab = BenchTab::Benches;
        return Vec::new();
    }
    // Whoever comes from the models wants to run one.
    if client.ui.screen != Screen::Bench || client.domain.suite.is_none() {
        return pick(client);
    }
    client.ui.bench_tab = BenchTab::Suites;
    Vec::new()
}

/// Show the list of suites, as they are on the disk now; a run that is not over stays on the screen.
pub(super) fn pick(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.screen = Screen::Bench;
    client.ui.bench_tab = BenchTab::Suites;
    if client.domain.suite.as_ref().is_some_and(|run| !run.is_over()) {
        return Vec::new();
    }
    client.ui.suites.picks = true;
    vec![Effect::ListSuites]
}

/// The suites that there are.
pub(super) fn listed(client: &mut Client<'_>, suites: Vec<SuiteEntry>) {
    let chosen = client.ui.suites.entry().map(|entry| entry.file.clone());
    let place = chosen.and_then(|file| suites.iter().position(|entry| entry.file == file));
    client.ui.suites.chosen = place.unwrap_or(0);
    client.ui.suites.suites = Some(suites);
}

/// Mark the selected suite, or unmark it.
pub(super) fn mark(client: &mut Client<'_>) -> Vec<Effect> {
    let selected = client.ui.suites.entry().map(|entry| (entry.file.clone(), entry.name.clone()));
    if let Some((file, name)) = selected
        && !client.ui.suites.marks.turn(file, name)
    {
        client.notify(TOO_MANY_MARKS, true);
    }
    Vec::new()
}

/// Run the marked suites one after another, or the selected one where none is marked.
pub(super) fn run_selected(client: &mut Client<'_>) -> Vec<Effect> {
    if !client.ui.suites.marks.is_empty() {
        return run_marked(client);
    }
    let Some(entry) = client.ui.suites.entry() else { return Vec::new() };
    match entry.suite.clone() {
        Ok(suite) => start(client, suite, false),
        Err(reason) => {
            let text = format!("{}: {reason}", entry.name);
            client.notify(text, true);
            Vec::new()
        }
    }
}

fn run_marked(client: &mut Client<'_>) -> Vec<Effect> {
    let suites = &client.ui.suites;
    let marked =
        suites.marks.keys().filter_map(|file| suites.suites.as_ref()?.iter().find(|entry| entry.file == *file));
    let (mut queue, mut wrong) = (VecDeque::new(), Vec::new());
    for entry in marked {
        match &entry.suite {
            Ok(suite) => queue.push_back(Arc::clone(suite)),
            Err(reason) => wrong.push(format!("{}: {reason}", entry.name)),
        }
    }
    for text in wrong {
        client.notify(text, true);
    }
    client.ui.suites.marks.clear();
    let Some(first) = queue.pop_front() else { return Vec::new() };
    client.ui.suites.queue = queue;
    start(client, first, false)
}

/// Once a suite is over, the next one begins that was to follow it; none does where it was cancelled.
pub(super) fn follow(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.suites.queue.is_empty() || client.ui.suites.is_starting {
        return Vec::new();
    }
    match &client.domain.suite {
        Some(run) if run.is_cancelled => client.ui.suites.queue.clear(),
        Some(run) if run.is_over() => {
            if let Some(next) = client.ui.suites.queue.pop_front() {
                return start(client, next, false);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// The suite was refused: none follows.
pub(super) fn refused(client: &mut Client<'_>) {
    client.ui.suites.is_starting = false;
    client.ui.suites.queue.clear();
}

/// Ask all prompts of the last suite again.
pub(super) fn again(client: &mut Client<'_>) -> Vec<Effect> {
    match &client.domain.suite {
        Some(run) if run.is_over() => {
            let order = SuiteOrder { fresh: true, ..run.order.clone() };
            Effect::command(What::StartSuite(Box::new(order)))
        }
        _ => Vec::new(),
    }
}

fn start(client: &mut Client<'_>, suite: Arc<SuiteFile>, fresh: bool) -> Vec<Effect> {
    let settings = match suite.settings(client.domain.settings.session) {
        Ok(settings) => settings,
        Err(reason) => {
            client.notify(reason, true);
            return Vec::new();
        }
    };
    let models = client.suite_models();
    let judge = suite.suite.judge.as_deref().and_then(|name| named(client.domain, name));
    let order = SuiteOrder { suite, models, judge, settings, stop: Vec::new(), fresh, force: Force::No };
    client.ui.suites.is_starting = true;
    Effect::command(What::StartSuite(Box::new(order)))
}

/// The suite runs: watch it.
pub(super) fn started(client: &mut Client<'_>) {
    let suites = &mut client.ui.suites;
    suites.is_starting = false;
    (suites.picks, suites.row, suites.prompt) = (false, 0, 0);
    client.ui.screen = Screen::Bench;
    client.ui.bench_tab = BenchTab::Suites;
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
pub(super) fn move_selection(client: &mut Client<'_>, by: i32) {
    if client.ui.shows_suites(client.domain) {
        let count = client.ui.suites.suites.as_ref().map_or(0, Vec::len);
        client.ui.suites.chosen = step(client.ui.suites.chosen, by, count);
    } else {
        let count = client.domain.suite.as_ref().map_or(0, |run| run.models.len());
        client.ui.suites.row = step(client.ui.suites.row, by, count);
    }
}

/// Move the selection by so many prompts.
pub(super) fn move_prompt(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let count = client.domain.suite.as_ref().map_or(0, |run| run.suite().prompts.len());
    client.ui.suites.prompt = step(client.ui.suites.prompt, by, count);
    Vec::new()
}

/// Plot the pass rate against something else.
pub(super) fn turn_axis(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(run) = &client.domain.suite else { return Vec::new() };
    client.ui.suites.by = Some(match client.ui.suites.cost(run) {
        Cost::Energy => Cost::Time,
        Cost::Time => Cost::Memory,
        Cost::Memory => Cost::Energy,
    });
    Vec::new()
}

/// Esc: what runs is cancelled; else the list, then the tab is left.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    match &client.domain.suite {
        Some(run) if !run.is_over() => return Effect::command(What::CancelSuite),
        _ if client.ui.shows_suites(client.domain) && !client.ui.suites.marks.is_empty() => {
            client.ui.suites.marks.clear();
        }
        Some(_) if client.ui.suites.picks => client.ui.suites.picks = false,
        _ => client.ui.bench_tab = BenchTab::Benches,
    }
    Vec::new()
}

/// Show the selected answer whole, with its prompt and its checks.
pub(super) fn show_answer(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(run) = &client.domain.suite else { return Vec::new() };
    let (row, place) = (client.ui.suites.row, client.ui.suites.prompt);
    let Some((one, prompt)) = run.models.get(row).zip(run.suite().prompts.get(place)) else { return Vec::new() };
    let answer = match run.cell(row, place) {
        Cell::Passed(answer) | Cell::Failed(answer) | Cell::ToJudge(answer) => answer,
        Cell::Waiting | Cell::Running => {
            client.notify("not answered yet", false);
            return Vec::new();
        }
        Cell::Error(failure) => {
            client.notify(format!("{}: {}", one.model.name, failure.reason), true);
            return Vec::new();
        }
    };
    let checks = answer.checks.iter().map(|(check, reason)| match reason {
        None => format!("passed: {check}\n"),
        Some(reason) => format!("failed: {check}: {reason}\n"),
    });
    let text = format!("{}\n\nAnswer\n\n{}\n\nChecks\n\n{}", prompt.text, answer.text, checks.collect::<String>());
    let title = format!("{} · {}", one.model.name, prompt.id);
    client.ui.overlay = Some(Overlay::Record { title, text, view: RecordView::Text, scroll: 0 });
    Vec::new()
}
