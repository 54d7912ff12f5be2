//! Suites to look at: the list, one that runs, one that has ended.

use std::path::PathBuf;
use std::sync::Arc;

use super::with_models;
use crate::ui::{BenchTab, Screen, State, SuiteEntry};
use domain::Event;
use domain::command::{Command, CommandId, Force, What};
use domain::lab::suite::answer::Answer;
use domain::lab::suite::run::{Recalled, Stage, SuiteFile, SuiteOrder};
use domain::model::Model;
use domain::session::Phase;
use domain::settings::SessionSettings;

const ARITHMETIC: &str = include_str!("../../../suites/arithmetic.toml");
const INSTRUCTIONS: &str = include_str!("../../../suites/instructions.toml");
/// A file that is none: a check of an unknown name.
const WRONG: &str = "name = \"mine\"\n[[prompt]]\ntext = \"why?\"\nchecks = [{ starts = \"b\" }]\n";

fn entry(name: &str, text: &str) -> SuiteEntry {
    let suite = SuiteFile::parse(PathBuf::from(name), text.to_owned());
    SuiteEntry {
        name: suite.as_ref().map_or(name, |suite| &suite.suite.name).to_owned(),
        file: PathBuf::from(name),
        suite: suite.map(Arc::new).map_err(|problem| problem.to_string()),
    }
}

/// The suites that could be run over the selected model.
pub(super) fn list() -> State {
    let mut state = with_models();
    state.ui.screen = Screen::Bench;
    state.ui.bench_tab = BenchTab::Suites;
    let suites = [("arithmetic", ARITHMETIC), ("instructions", INSTRUCTIONS), ("mine.toml", WRONG)];
    state.ui.suites.suites = Some(suites.map(|(name, text)| entry(name, text)).to_vec());
    state
}

/// An answer to each of the first so many prompts; those of some places failed their checks.
fn answers(
    suite: &SuiteFile,
    n: usize,
    failed: &[usize],
    (seconds, joules, gigabytes): (f64, f64, u64),
) -> Vec<Answer> {
    let prompts = suite.suite.prompts.iter().take(n).enumerate();
    let answer = |(place, prompt): (usize, &domain::lab::suite::Prompt)| {
        let reason = failed.contains(&place).then(|| "the last number is 41, not 42".to_owned());
        Answer {
            prompt: prompt.id.clone(),
            text: "Let us count them one by one: that makes 41.".to_owned(),
            checks: prompt.checks.iter().map(|check| (check.to_string(), reason.clone())).collect(),
            tokens: 60,
            reasoning_tokens: 0,
            seconds: seconds * (1.0 + place as f64 / 100.0),
            joules: Some(joules),
            grade: "apportioned".to_owned(),
            relative_uncertainty: Some(0.1),
            memory: gigabytes * 1_000_000_000,
        }
    };
    prompts.map(answer).collect()
}

/// A run over three models that have answered so many prompts before.
fn recalled(n_answers: [usize; 3]) -> State {
    let mut state = list();
    let Ok(suite) = SuiteFile::parse(PathBuf::from("arithmetic"), ARITHMETIC.to_owned()) else { return state };
    let suite = Arc::new(suite);
    let models: Vec<Arc<Model>> = state.domain.library.models.iter().take(3).cloned().collect();
    let costs = [(1.9, 96.0, 6), (0.8, 31.0, 2), (0.2, 2.1, 1)];
    let failed: [&[usize]; 3] = [&[7], &[2, 7, 9], &[0, 1, 3, 4, 6, 7, 8, 9, 11]];
    let known = (0..3).map(|place| Recalled {
        name: String::new(),
        answers: answers(&suite, n_answers[place], failed[place], costs[place]),
    });
    let known = known.collect();
    let settings = SessionSettings::default();
    let stop = Vec::new();
    let order = SuiteOrder { suite, models, judge: None, settings, stop, fresh: false, force: Force::All };
    let now = state.domain.now;
    let what = What::StartSuite(Box::new(order));
    state.domain.update(now, Event::Command(Command { id: CommandId(1), what }));
    let run = state.domain.suite.as_ref().map_or(0, |run| run.id);
    state.domain.update(now, Event::SuiteLoaded { run, result: Ok(known) });
    state
}

/// One model has answered all, one answers, one waits.
pub(super) fn running() -> State {
    let mut state = recalled([12, 5, 0]);
    state.ui.suites.row = 1;
    state.ui.suites.prompt = 2;
    if let Some(session) = state.domain.sessions.last_mut() {
        session.phase = Phase::Ready;
    }
    if let Some(one) = state.domain.suite.as_mut().and_then(|run| run.models.get_mut(1)) {
        one.stage = Stage::Answering(5);
    }
    state
}

/// All three have answered.
pub(super) fn done() -> State {
    let mut state = recalled([12, 12, 12]);
    state.ui.suites.row = 1;
    state.ui.suites.prompt = 7;
    state
}
