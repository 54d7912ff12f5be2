//! Benches and a history to look at.

use wire::Role;

use super::with_models;
use crate::ui::State;
use crate::ui::{BenchTab, HistoryList, Screen};
use domain::admission::MemoryEstimate;
use domain::energy::EnergyAccount;
use domain::figure::{Grade, Graded};
use domain::lab::bench::{Bench, BenchEntry, Disturbance, EntryPhase, Phase, Plan, Repetition, Row, TestCase};
use domain::lab::job::JobSession;
use domain::record::{Entry, Kind, Measured};

/// Nothing measured yet.
pub(super) fn empty() -> State {
    let mut state = with_models();
    state.ui.screen = Screen::Bench;
    state
}

/// A bench of two models that has ended, with a regression, refused repetitions and a failure.
pub(super) fn done() -> State {
    let mut state = empty();
    let models: Vec<_> = state.domain.library.models.iter().take(2).cloned().collect();
    let entry = |model| BenchEntry {
        model,
        session: JobSession::default(),
        engine: "llama.cpp".to_owned(),
        devices: Vec::new(),
        needed: MemoryEstimate::default(),
        phase: EntryPhase::Done,
        group: 0,
        threads: 8,
        driver: String::new(),
    };
    let cell = |n_prompt, n_generate, depth, parallel| TestCase { n_prompt, n_generate, depth, parallel, batch: 2048 };
    let repetition = |rate: f64| Repetition {
        rate,
        seconds: 512.0 / rate,
        id: 0,
        energy_account: charged(118.0, 512.0 / rate),
        mhz: Some(4700.0),
        celsius: Some(71.0),
        others: Some(0.08),
        ttft_us: None,
        engine_ttft_us: None,
    };
    let row = |entry: usize, cell: TestCase, rate: f64, before: Option<f64>| Row {
        entry,
        cell,
        repetitions: [-0.01, 0.0, 0.004, -0.002, 0.008].map(|by| repetition(rate * (1.0 + by))).to_vec(),
        steps: if cell.n_generate > 0 {
            (0..640).map(|n| (1e6 / rate) as u32 + n % 97 * 12).collect()
        } else {
            Vec::new()
        },
        tries: 5,
        disturbed: Vec::new(),
        earlier: before.map_or_else(Vec::new, |rate| {
            let earlier = |n: u32| Measured {
                rate: Some(rate * (1.0 + f64::from(n % 3) * 0.002)),
                spread: Some(rate * 0.004),
                n: 5,
                ..Measured::default()
            };
            (0..6).map(|n| (i64::from(n), earlier(n))).collect()
        }),
        failed: None,
        aside: Vec::new(),
        aside_steps: Vec::new(),
    };
    let mut rows = vec![
        row(0, cell(512, 0, 0, 1), 1840.0, Some(1842.0)),
        row(1, cell(512, 0, 0, 1), 1905.0, None),
        row(0, cell(0, 128, 0, 1), 42.7, Some(47.9)),
        row(1, cell(0, 128, 0, 1), 44.0, Some(43.9)),
        row(0, cell(0, 128, 4096, 1), 38.2, None),
        row(1, cell(0, 128, 4096, 1), 39.6, None),
        row(0, cell(0, 128, 0, 4), 121.0, None),
        row(1, cell(0, 128, 0, 4), 100.0, None),
    ];
    rows[3].disturbed = vec![Disturbance::Busy(2.1), Disturbance::Throttled];
    // On a busy machine nothing else may have been measured.
    rows[5].disturbed = vec![Disturbance::Busy(1.4); 5];
    rows[5].aside = std::mem::take(&mut rows[5].repetitions);
    rows[5].aside_steps = std::mem::take(&mut rows[5].steps);
    if let Some(last) = rows.last_mut() {
        last.repetitions.clear();
        last.steps.clear();
        last.failed = Some("the context is full: ask for less depth".to_owned());
    }
    state.domain.bench = Bench {
        plan: Plan { depths: vec![0, 4096], parallel: vec![1, 4], ..Plan::default() },
        entries: models.into_iter().map(entry).collect(),
        rows,
        phase: Phase::Done,
        ..Bench::default()
    };
    state.ui.bench_row = 3;
    state
}

/// What a repetition was charged: so many watts over so many seconds, reading a prompt or not.
fn charged(watts: f64, seconds: f64) -> EnergyAccount {
    let energy_account = super::energy::energy_account(watts * seconds, seconds);
    EnergyAccount { prompt: energy_account.generation, ..EnergyAccount::default() }
}

fn graded(joules: f64) -> Graded {
    Graded { value: joules, grade: Some(Grade::Apportioned), relative: Some(0.22) }
}

/// What was run before.
pub(super) fn history() -> State {
    let mut state = empty();
    let now = state.domain.now.unix * 1000;
    let name = |index: usize| state.domain.library.models.get(index).map(|model| model.id.clone()).unwrap_or_default();
    let entry = |id: i64, kind, models: Vec<String>, title: &str, rate, joules| Entry {
        id,
        kind,
        at: now - (240 - id) * 3_700_000,
        models,
        title: title.to_owned(),
        rate,
        joules,
        is_sealed: false,
    };
    let entries = vec![
        entry(240, Kind::Run, vec![name(0)], "Why is the sky blue?", Some(42.7), Some(graded(2.76))),
        entry(239, Kind::Bench, vec![name(0), name(1)], "pp512, tg128 · 5 times", Some(42.9), None),
        entry(238, Kind::Race, vec![name(0), name(1)], "Explain RAPL in two sentences.", Some(41.0), Some(graded(2.8))),
        entry(237, Kind::Vote, vec![name(0), name(1)], "Explain RAPL in two sentences.", None, None),
        entry(
            236,
            Kind::Run,
            vec!["hf:gone/model".to_owned()],
            &format!("{:?} \u{1b}[31m 月食", Role::User),
            None,
            None,
        ),
    ];
    state.ui.bench_tab = BenchTab::History;
    state.ui.history = HistoryList { entries, more: true, chosen: 1, ..HistoryList::default() };
    state
}
