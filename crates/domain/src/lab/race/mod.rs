//! A race: two to eight columns answer one prompt, at once or in turn.
//!
//! Owned here: what a race is, its figures and who won what. Absent: its course, which is `update::race`'s, and drawing.

pub(crate) mod award;
pub mod diff;
pub mod export;
pub mod lockstep;
pub(crate) mod order;
mod progress;
pub mod rating;
mod record;
pub(crate) mod vote_snapshot;
pub mod winners;

pub use super::entry::{Entry, MAX_TOKENS, SEED};
pub use crate::record::letter;
pub use order::Order;

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;
use wire::{Finish, Loaded};

use crate::energy::Report;
use crate::figure::{Figure, Graded};
use crate::lab::job::JobSession;
use crate::model::Model;
use crate::moment::Moment;
use crate::record::{Draft, Measured};
use crate::request::Figures;
use crate::session::{End, Turn};
use crate::settings::{self, SESSION_FIELDS, SessionSettings};
use crate::units::{Bytes, Joules};

/// The fewest columns of a race.
pub const MIN_COLUMNS: usize = 2;
/// The most columns of a race: the names of a theme's series.
pub const MAX_COLUMNS: usize = 8;
/// A race that is to be run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RaceOrder {
    /// Its columns.
    pub entries: Vec<Entry>,
    /// When they answer.
    pub order: Order,
    /// What is asked.
    pub prompt: String,
    /// The system prompt.
    pub system: Option<String>,
    /// Texts that end an answer, in place of those of the models' stores.
    pub stop: Vec<String>,
    /// Whether the columns report where they diverge.
    pub lockstep: bool,
    /// Hide the names until the vote.
    pub blind: bool,
}

/// The names of the columns: the models', with what is set otherwise where one runs twice.
pub fn names(entries: &[Entry]) -> Vec<String> {
    let name = |place: usize, entry: &Entry| {
        let twins = || entries.iter().filter(|twin| twin.model.id == entry.model.id);
        let name = &entry.model.name;
        if twins().count() < 2 {
            let same = entries.iter().filter(|other| other.model.name == *name).count() > 1;
            return match (same, entry.model.quant()) {
                (true, Some(quant)) => format!("{name} {quant}"),
                _ => name.clone(),
            };
        }
        let differs = |field: &str| twins().any(|twin| twin.settings.get(field) != entry.settings.get(field));
        let settings: Vec<String> = SESSION_FIELDS
            .iter()
            .filter(|field| differs(field.name))
            .filter_map(|field| Some(format!("{} {}", field.name.replace('_', " "), entry.settings.get(field.name)?)))
            .collect();
        if settings.is_empty() {
            let before = entries.iter().take(place).filter(|twin| twin.model.id == entry.model.id).count();
            return if before == 0 { name.clone() } else { format!("{name} #{}", before + 1) };
        }
        format!("{name} · {}", settings.join(", "))
    };
    entries.iter().enumerate().map(|(place, entry)| name(place, entry)).collect()
}

/// How the columns of a race are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum DecodeMode {
    /// Each for itself.
    #[default]
    Free,
    /// Together, token by token, until they part.
    Together,
    /// They have parted, and wait for the user.
    Held,
}

/// A race that runs or has run.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "two are how it runs, two are what it waits for")]
pub struct Race {
    /// Its name for the program's life.
    pub id: u64,
    /// When it began.
    pub at: Moment,
    /// What was asked.
    pub prompt: String,
    /// What stood before it.
    pub system: Option<String>,
    /// Texts that end an answer, in place of those of the models' stores.
    pub stop: Vec<String>,
    /// When the columns answer.
    pub order: Order,
    /// The columns tell their tokens, and where they part.
    pub lockstep: bool,
    /// How they are decoded.
    pub pace: DecodeMode,
    /// Names are hidden until the vote.
    pub blind: bool,
    /// The columns wait to be shuffled.
    pub awaits_shuffle: bool,
    /// The random number that it was shuffled by, which tells it from any other race of the same second.
    pub draw: u64,
    /// The user has ended it.
    pub is_cancelled: bool,
    /// The columns, as they show.
    pub columns: Vec<Column>,
    /// The vote: the best column, or none of them.
    #[serde(with = "crate::portable::nested")]
    pub vote: Option<Option<usize>>,
    /// What is written down of it while it runs.
    pub draft: Draft,
}

/// A column.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// The model.
    pub model: Arc<Model>,
    /// How it runs.
    pub settings: SessionSettings,
    /// Where it is.
    pub stage: Stage,
    /// The session that answers.
    pub session: JobSession,
    /// The answer, once it has ended.
    pub answer: Option<Turn>,
    /// What the worker said of itself.
    pub loaded: Option<Box<Loaded>>,
    /// Tokens that it was allowed so far, where the columns are decoded together.
    pub(crate) credits: usize,
    /// The speed of the answer, where no other column disturbed it.
    #[serde(with = "crate::portable::document")]
    pub measured: Option<Measured>,
}

/// Where a column is.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Stage {
    /// It is not its turn yet.
    Waiting,
    /// Its model is being loaded, or waits for the others to be.
    Starting,
    /// It answers.
    Answering,
    /// It has answered and makes room for the next.
    Unloading,
    /// It has answered.
    Done,
    /// It has not, or not to the end.
    Failed {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
}

impl Column {
    /// A column that waits for its turn.
    pub fn new(entry: Entry, name: String) -> Self {
        Self {
            name,
            model: entry.model,
            settings: entry.settings,
            stage: Stage::Waiting,
            session: JobSession::default(),
            answer: None,
            loaded: None,
            credits: 0,
            measured: None,
        }
    }

    /// Who is voted on here.
    pub fn contender(&self) -> rating::Contender {
        rating::Contender::new(&self.model.id, &crate::record::options(&self.settings), &self.name)
    }

    /// The figures of an answer that has ended.
    pub fn ended(&self) -> Option<&Figures> {
        self.answer.as_ref()?.figures.as_ref()
    }

    /// Memory that llama.cpp took: weights, context and compute buffers; `None` before it is loaded, and of an engine of another
    /// program, which tells none.
    pub fn memory(&self) -> Option<Bytes> {
        if self.model.remote.is_some() {
            return None;
        }
        let devices = &self.loaded.as_ref()?.ledger.devices;
        Some(Bytes(devices.iter().map(|device| device.weights + device.context + device.compute).sum()))
    }

    /// Whether the answer came to an end of its own, or to one that was set.
    pub fn has_finished(&self) -> bool {
        let end = self.answer.as_ref().and_then(|turn| turn.end.as_ref());
        matches!(end, Some(End::Finished(Finish::Stop | Finish::StopText(_) | Finish::Length | Finish::ContextFull)))
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Failed { .. })
    }
}

/// Joules of the whole answer, with what they may be off by.
fn energy(figures: &Figures) -> Option<Graded> {
    let energy = Graded::of(&Report::of_answer(figures, &settings::Energy::default()).energy);
    // Of a figure without a bill nobody knows how it was split.
    let kept = figures.energy.value().map(|joules| (joules.0, figures.energy.grade()));
    energy.or_else(|| kept.map(|(value, grade)| Graded { value, grade, relative: None }))
}

/// Joules of generation per generated token, as everywhere else: reading the prompt is no part of it, but of the answer's.
pub fn per_token(figures: &Figures) -> Figure<Joules> {
    Report::of_answer(figures, &settings::Energy::default()).per_token.map(|joules| Joules(joules.value))
}

/// Why nobody can vote on this race now; `None` where one can.
pub fn vote_obstacle(race: Option<&Race>) -> Option<&'static str> {
    match race {
        Some(race) if race.is_running() => Some("wait for all answers before you vote"),
        Some(race) if race.vote.is_some() => Some("you have voted on this race"),
        Some(race) if race.columns.iter().filter(|column| column.answer.is_some()).count() >= MIN_COLUMNS => None,
        _ => Some("there are no two answers to vote on"),
    }
}

impl Race {
    /// Whether columns are still to answer.
    pub fn is_running(&self) -> bool {
        self.columns.iter().any(|column| !column.is_over())
    }

    /// Whether names are hidden now.
    pub fn hides_names(&self) -> bool {
        self.blind && self.vote.is_none()
    }

    /// The name of a column as it may be shown now.
    pub fn name(&self, place: usize) -> String {
        let letter = letter(place);
        match self.columns.get(place) {
            Some(column) if !self.hides_names() => column.name.clone(),
            _ => format!("model {letter}"),
        }
    }

    /// Put the columns in an order that `seed` determines.
    pub(crate) fn shuffle(&mut self, seed: u64) {
        self.draw = seed;
        self.columns.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
        self.awaits_shuffle = false;
    }
}

/// Whether two models' headers tell the same vocabulary.
pub fn same_vocabulary(one: &Model, other: &Model) -> bool {
    let vocabulary = |model: &Model| {
        let summary = model.summary.as_ref()?;
        Some((summary.vocabulary, summary.tokenizer.clone(), summary.tokenizer_pre.clone()))
    };
    vocabulary(one) == vocabulary(other)
}

#[cfg(test)]
mod tests;
