//! A race: two to eight columns answer one prompt, at once or in turn.
//!
//! Owned here: what a race is, its figures and who won what. Absent: its course, which is `update::race`'s, and drawing.

pub mod diff;
pub mod export;
pub mod lockstep;
pub mod rating;
mod record;
pub mod winners;

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use wire::{Finish, Loaded};

use crate::energy::Report;
use crate::figure::{Figure, Graded};
use crate::history::{Draft, Measured};
use crate::job::JobSession;
use crate::model::Model;
use crate::moment::Moment;
use crate::record::DivergenceRecord;
use crate::request::{Figures, Request, Step};
use crate::session::{End, Phase, Session, Turn};
use crate::settings::{self, SESSION_FIELDS, SessionSettings};
use crate::state::Domain;
use crate::units::{Bytes, Joules};

/// The fewest columns of a race.
pub const MIN_COLUMNS: usize = 2;
/// The most columns of a race: the names of a theme's series.
pub const MAX_COLUMNS: usize = 8;
/// The most tokens of an answer where the settings leave it open. A model that never ends its turn would fill its whole
/// context while the others wait.
pub const MAX_TOKENS: u32 = 1024;
/// The seed of all columns where the settings leave it open.
pub const SEED: u32 = 1;

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

/// When the columns answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other: each loads, answers and is stopped, so that none disturbs another's figures.
    #[default]
    InTurn,
    /// All at once.
    Together,
}

impl Order {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::InTurn => "in turn",
            Self::Together => "at once",
        }
    }
}

/// A column of the next race.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// The model.
    pub model: Arc<Model>,
    /// How it runs.
    pub settings: SessionSettings,
}

impl Entry {
    /// A column with the settings of a race: the likeliest token always, the same seed for all, answers of bounded
    /// length. What the settings say themselves holds.
    pub fn new(model: Arc<Model>, mut settings: SessionSettings) -> Self {
        settings.sampling.temperature.get_or_insert(0.0);
        settings.sampling.seed.get_or_insert(SEED);
        settings.max_tokens.get_or_insert(MAX_TOKENS);
        let settings = crate::plan::settings_for(&model, settings);
        Self { model, settings }
    }
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
pub enum Pace {
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
    pub pace: Pace,
    /// Names are hidden until the vote.
    pub blind: bool,
    /// The columns wait to be shuffled.
    pub awaits_shuffle: bool,
    /// The random number that it was shuffled by, which tells it from any other race of the same second.
    pub draw: u64,
    /// The user has ended it.
    pub is_cancelled: bool,
    /// The columns, as they show.
    pub lanes: Vec<Lane>,
    /// The vote: the best column, or none of them.
    #[serde(with = "crate::portable::nested")]
    pub vote: Option<Option<usize>>,
    /// What is written down of it while it runs.
    pub draft: Draft,
}

/// A column.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Lane {
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
    pub(super) credits: usize,
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
    Leaving,
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

impl Lane {
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
        rating::Contender::new(&self.model.id, &crate::answer::options(&self.settings), &self.name)
    }

    /// The session that answers now, or is about to.
    pub fn live<'a>(&self, domain: &'a Domain) -> Option<&'a Session> {
        match self.stage {
            Stage::Starting | Stage::Answering => domain.session(self.session.id?),
            _ => None,
        }
    }

    /// What its session is asked now.
    fn asked<'a>(&self, domain: &'a Domain) -> Option<&'a Request> {
        self.live(domain)?.request(self.session.request?)
    }

    /// The answer as far as it is there.
    pub fn turn<'a>(&'a self, domain: &'a Domain) -> Option<&'a Turn> {
        match self.stage {
            Stage::Answering => Some(&self.asked(domain)?.answer),
            _ => self.answer.as_ref(),
        }
    }

    /// The answer's figures as far as they are there.
    pub fn figures<'a>(&'a self, domain: &'a Domain) -> Option<&'a Figures> {
        match self.stage {
            Stage::Answering => Some(&self.asked(domain)?.figures),
            _ => self.ended(),
        }
    }

    /// The figures of an answer that has ended.
    pub fn ended(&self) -> Option<&Figures> {
        self.answer.as_ref()?.figures.as_ref()
    }

    /// Memory that llama.cpp took: weights, context and compute buffers; `None` before it is loaded.
    pub fn memory(&self) -> Option<Bytes> {
        let devices = &self.loaded.as_ref()?.ledger.devices;
        Some(Bytes(devices.iter().map(|device| device.weights + device.context + device.compute).sum()))
    }

    /// Whether the answer came to an end of its own, or to one that was set.
    pub fn has_finished(&self) -> bool {
        let end = self.answer.as_ref().and_then(|turn| turn.end.as_ref());
        matches!(end, Some(End::Finished(Finish::Stop | Finish::StopText | Finish::Length | Finish::ContextFull)))
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Failed { .. })
    }

    /// One clause on what it does or how it ended; `None` for an answer that ended of its own.
    pub fn status(&self, domain: &Domain) -> Option<String> {
        match &self.stage {
            Stage::Waiting => Some("waits for its turn".to_owned()),
            Stage::Starting => Some(match self.live(domain).map(|session| &session.phase) {
                Some(Phase::Loading { fraction }) => format!("loads, {:.0}%", fraction * 100.0),
                Some(Phase::Ready) => "waits for the others to be loaded".to_owned(),
                _ => "waits for its session".to_owned(),
            }),
            Stage::Answering => match self.asked(domain).and_then(Request::step) {
                Some(Step::Prompt { n_done, n_prompt }) if n_prompt > 0 => {
                    Some(format!("reads the prompt, {n_done} of {n_prompt} tokens"))
                }
                Some(Step::Prompt { .. }) => Some("reads the prompt".to_owned()),
                Some(Step::Reasoning) => Some("thinks".to_owned()),
                _ => None,
            },
            Stage::Failed { reason, .. } => Some(reason.clone()),
            Stage::Leaving | Stage::Done => match self.answer.as_ref()?.end.as_ref()? {
                End::Finished(Finish::Stop) if self.answer.as_ref()?.text.trim().is_empty() => {
                    Some("said nothing".to_owned())
                }
                End::Finished(Finish::Stop | Finish::StopText) => None,
                End::Finished(Finish::Length) => Some("cut off at max_tokens".to_owned()),
                End::Finished(Finish::ContextFull) => Some("cut off: the context is full".to_owned()),
                End::Finished(Finish::Cancelled) => Some("cancelled".to_owned()),
                End::Failed { reason, .. } => Some(reason.clone()),
            },
        }
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
        Some(race) if race.lanes.iter().filter(|lane| lane.answer.is_some()).count() >= MIN_COLUMNS => None,
        _ => Some("there are no two answers to vote on"),
    }
}

impl Race {
    /// Whether columns are still to answer.
    pub fn is_running(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_over())
    }

    /// Whether names are hidden now.
    pub fn hides_names(&self) -> bool {
        self.blind && self.vote.is_none()
    }

    /// Where the columns part, as far as they have come; `None` where they tell no tokens, or have said the same.
    pub fn parting(&self, domain: &Domain) -> Option<lockstep::Parting> {
        self.parting_of(|lane| lane.turn(domain))
    }

    fn parting_of<'a>(&'a self, turn: impl Fn(&'a Lane) -> Option<&'a Turn>) -> Option<lockstep::Parting> {
        let tokens: Vec<&[wire::Token]> =
            self.lanes.iter().map(|lane| turn(lane).map_or(&[][..], |turn| &turn.tokens)).collect();
        let same_vocabulary = self.lanes.windows(2).all(|pair| same_vocabulary(&pair[0].model, &pair[1].model));
        let together = self.order == Order::Together;
        lockstep::parting(&tokens).map(|parting| lockstep::Parting { same_vocabulary, together, ..parting })
    }

    /// Where the answers that have ended part, as a record keeps it; `None` for a race that was in no lockstep.
    fn kept_parting(&self) -> Option<DivergenceRecord> {
        let parting = self.parting_of(|lane| lane.answer.as_ref()).filter(|_| self.lockstep);
        parting.map(|parting| lockstep::kept(&parting))
    }

    /// The name of a column as it may be shown now.
    pub fn name(&self, place: usize) -> String {
        let letter = letter(place);
        match self.lanes.get(place) {
            Some(lane) if !self.hides_names() => lane.name.clone(),
            _ => format!("model {letter}"),
        }
    }

    /// Put the columns in an order that `seed` determines.
    pub(super) fn shuffle(&mut self, seed: u64) {
        self.draw = seed;
        self.lanes.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
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

/// A, B, C … for the columns.
pub fn letter(place: usize) -> char {
    char::from(b'A' + (place % 26) as u8)
}

#[cfg(test)]
mod tests;
