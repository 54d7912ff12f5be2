//! The Race screen in its states: nothing marked, ready, running, over, blind, two answers compared, parted, the prompt
//! weighed, the standings.

use std::sync::Arc;

use wire::{Counters, Finish, Role};

use super::{busy, figures, turn, with_models};
use crate::ui::RaceTab;
use crate::ui::State;
use crate::ui::editor::Editor;
use crate::ui::{Overlay, Screen};
use domain::figure::Figure;
use domain::lab::perplexity::{CHUNK, PerplexityOrder, PerplexityRun};
use domain::lab::race::lockstep::{Divergence, Step};
use domain::lab::race::rating::{Contender, Vote};
use domain::lab::race::{self, Column, DecodeMode, Entry, Order, Race, Stage};
use domain::model::Model;
use domain::moment::Moment;
use domain::record::Draft;
use domain::session::{End, SessionId, Turn};
use domain::settings::SessionSettings;

const PROMPT: &str = "Explain RAPL in two sentences.";
const ANSWER: &str = "**RAPL** (Running Average Power Limit) is Intel's interface for *reading* and limiting power.\n\n## What it covers\n\n- the package, `package-0`\n- its memory, where the board says so\n\n1. Read `energy_uj`.\n2. Wait.\n3. Read again; the difference is energy.\n\n```sh\ncat /sys/class/powercap/intel-rapl:0/energy_uj\n```\n> A counter wraps: about every minute under load.\n";
const OTHER: &str =
    "RAPL is a feature of Intel CPUs for reading and limiting power. It covers the package and its memory.";

fn model(state: &State, name: &str) -> Option<Arc<Model>> {
    state.domain.library.models.iter().find(|model| model.name == name).cloned()
}

/// Nothing is marked.
pub(super) fn empty() -> State {
    let mut state = with_models();
    state.ui.screen = Screen::Race;
    state
}

/// Three columns, one of them a twin with another setting, and no prompt yet.
pub(super) fn ready() -> State {
    let mut state = empty();
    for (name, temperature) in [("qwen3-8b", None), ("r1-qwen-1.5b", None), ("r1-qwen-1.5b", Some(0.8))] {
        if let Some(model) = model(&state, name) {
            let mut settings = SessionSettings::default();
            settings.sampling.temperature = temperature;
            state.ui.race.entries.push(Entry::new(model, settings));
        }
    }
    state
}

fn answered(column: &mut Column, text: &str, reasoning: &str, rate: u32, joules: f64) {
    let mut answer = turn(Role::Assistant, text);
    reasoning.clone_into(&mut answer.reasoning);
    answer.figures = Some(figures(rate, if reasoning.is_empty() { 0 } else { 40 }, rate, joules));
    column.answer = Some(answer);
    column.stage = Stage::Done;
}

/// A race whose columns are a finished one, one that thought first, one that died, and one that can't be told.
pub(super) fn over() -> State {
    let mut state = busy();
    state.ui.screen = Screen::Race;
    let names = ["qwen3-8b", "r1-qwen-1.5b", "smollm2-135m", "gemma-3-4b"];
    let models: Vec<_> = names.iter().filter_map(|name| model(&state, name)).collect();
    let entries: Vec<Entry> = models.into_iter().map(|model| Entry::new(model, SessionSettings::default())).collect();
    let names = race::names(&entries);
    let mut columns: Vec<Column> =
        entries.iter().cloned().zip(names).map(|(entry, name)| Column::new(entry, name)).collect();
    for (place, column) in columns.iter_mut().enumerate() {
        column.loaded = state.domain.sessions.first().and_then(|session| session.loaded.clone());
        match place {
            0 => answered(column, ANSWER, "", 43, 168.0),
            1 => answered(column, OTHER, "The user wants two sentences. RAPL, then.", 96, 118.0),
            2 => {
                answered(column, "RAPL is a programming language that is", "", 310, 9.0);
                if let Some(answer) = &mut column.answer {
                    answer.end = Some(End::Finished(Finish::Length));
                }
            }
            _ => {
                column.answer = Some(Turn { end: Some(End::failed("")), ..turn(Role::Assistant, "RAPL sta") });
                column.stage = Stage::Failed { reason: "worker killed by signal 9".to_owned(), hint: None };
            }
        }
    }
    state.ui.race.entries = entries;
    state.ui.race.other = 1;
    state.ui.race.scroll = Some(0);
    state.domain.race = Some(Box::new(Race {
        id: 1,
        at: state.domain.now,
        prompt: PROMPT.to_owned(),
        system: None,
        stop: Vec::new(),
        order: Order::InTurn,
        lockstep: false,
        pace: DecodeMode::Free,
        blind: false,
        awaits_shuffle: false,
        draw: 0,
        is_cancelled: false,
        columns,
        vote: None,
        draft: Draft::new(1),
    }));
    state
}

/// The first column answers, the second thinks, the others wait.
pub(super) fn running() -> State {
    let mut state = over();
    let domain: &mut domain::Domain = &mut state.domain;
    let Some(race) = &mut domain.race else { return state };
    race.order = Order::Together;
    state.ui.race.scroll = None;
    for (place, column) in race.columns.iter_mut().enumerate() {
        column.answer = None;
        let session = SessionId(place as u64 + 1);
        column.session.id = Some(session);
        let asked = domain.sessions.iter().find(|known| known.id == session);
        column.session.request = asked.and_then(|session| Some(session.newest()?.id));
        column.stage = [Stage::Answering, Stage::Answering, Stage::Starting, Stage::Waiting][place.min(3)].clone();
    }
    state
}

/// Names are hidden; energy is known of none.
pub(super) fn blind() -> State {
    let mut state = over();
    if let Some(race) = &mut state.domain.race {
        race.blind = true;
        for figures in race.columns.iter_mut().filter_map(|column| column.answer.as_mut()?.figures.as_mut()) {
            figures.energy = Figure::unknown("energy counters may only be read by root");
            figures.counters = Counters { n_generated: 61, ..figures.counters };
        }
    }
    state.ui.race.blind = true;
    state
}

/// The vote is open.
pub(super) fn voting() -> State {
    let mut state = blind();
    state.ui.overlay = Some(Overlay::Vote { chosen: 1 });
    state
}

/// The first two answers word by word.
pub(super) fn diff() -> State {
    let mut state = over();
    state.ui.race.tab = RaceTab::Diff;
    state.ui.race.scroll = Some(0);
    state.ui.race.diff = Some(race::diff::diff(ANSWER, OTHER));
    state
}

/// Columns in lockstep have parted, and go on for themselves.
pub(super) fn lockstep() -> State {
    let mut state = running();
    if let Some(race) = &mut state.domain.race {
        race.lockstep = true;
    }
    state.ui.race.tab = RaceTab::Lockstep;
    let step = |text: &str, others: &[(&str, f32)]| Step {
        index: 9,
        n_identical: 0,
        text: text.to_owned(),
        probable: others.iter().map(|(text, share)| ((*text).to_owned(), *share)).collect(),
    };
    let columns = vec![
        Some(step(
            " reading",
            &[(" reading", 0.62), (" measuring", 0.21), (" limiting", 0.08), ("\n", 0.04), (" the", 0.01)],
        )),
        Some(step(" limiting", &[(" limiting", 0.334), (" reading", 0.331), (" capping", 0.1), (" power", 0.05)])),
        Some(step(" a", &[(" a", 0.9), (" the", 0.05)])),
        None,
    ];
    state.ui.race.divergence = Some(Divergence {
        n_bytes: 45,
        before: "RAPL is Intel's interface\nfor".to_owned(),
        same_tokens: false,
        same_vocabulary: true,
        together: true,
        columns,
    });
    state
}

/// The standings after some votes, the prompt being written.
pub(super) fn leaderboard() -> State {
    let mut state = over();
    state.ui.race.tab = RaceTab::Leaderboard;
    state.ui.race.prompt = Editor::with_text(PROMPT);
    let names = ["qwen3-8b", "r1-qwen-1.5b", "smollm2-135m"];
    let names = names.map(|name| Contender::new(name, &domain::record::Options::new(), name)).to_vec();
    let vote = |winner| Vote { race: 1, at: Moment::default(), models: names.clone(), winner, blind: true };
    state.domain.votes = [Some(0), Some(0), Some(1), None, Some(0)].map(vote).to_vec();
    state.ui.race.leaderboard = race::rating::ratings(&state.domain.votes);
    state
}

/// The prompt weighed by one model against another, in every step of heat.
pub(super) fn heat() -> State {
    let mut state = over();
    state.ui.race.tab = RaceTab::KlHeatmap;
    let weight = |text: &str, divergence: f32, agrees| wire::Weight {
        bytes: text.as_bytes().to_vec(),
        surprise: 2.0,
        divergence: Some(divergence),
        agrees: Some(agrees),
    };
    let tokens = [("lain", 0.01, true), (" RA", 0.9, false), ("PL", 0.06, true), (" in", 0.0, true)]
        .into_iter()
        .chain([(" two", 0.3, false), (" sentences", 0.07, true), (".", 0.2, true)])
        .map(|(text, divergence, agrees)| weight(text, divergence, agrees))
        .collect();
    let scored = wire::Scored { id: 1, chunk: 0, n_chunks: 1, vocabulary: [1; 32], before: b"Exp".to_vec(), tokens };
    let [Some(model), Some(reference)] = [state.race_entry(0), state.race_entry(1)] else { return state };
    let order = PerplexityOrder {
        model,
        reference: Some(reference),
        text: PROMPT.to_owned(),
        n_chunk: CHUNK,
        max_chunks: Some(8),
        every: true,
        file: std::path::PathBuf::new(),
    };
    state.domain.perplexity = Some(Box::new(PerplexityRun::ended(order, vec![scored.clone()], vec![scored])));
    state
}
