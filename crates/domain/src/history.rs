//! What is kept of runs, races, votes, suites and benches: the shape of a record and of a question to the history.
//!
//! Owned here: the types, the keys by which two measurements compare, and how a filter is read from text. Absent: where
//! records lie (`history`), and who adds them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::figure::{Grade, Graded};
use crate::model::{Model, Store};
use crate::record::{BlindRace, Body, RaceRecord, ReadError};
use crate::settings::{SessionSettings, WaitPolicy};

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One answer of one model.
    Run,
    /// Several models on one prompt.
    Race,
    /// A judgement over the answers of a race.
    Vote,
    /// A suite of prompts with checks.
    Suite,
    /// Speeds, measured.
    Bench,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Run, Self::Race, Self::Vote, Self::Suite, Self::Bench];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Race => "race",
            Self::Vote => "vote",
            Self::Suite => "suite",
            Self::Bench => "bench",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredRecord")]
pub struct Record {
    /// Its number, given by the history; 0 before it is added. Later records have higher numbers.
    pub id: i64,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// Ids of the models that took part.
    pub models: Vec<String>,
    /// One line: the prompt's beginning, or the cells of a bench.
    pub title: String,
    /// All of it, with its kind.
    #[serde(flatten)]
    pub body: Body,
    /// The speeds that it measured.
    pub figures: Vec<Measured>,
    /// What the machine showed meanwhile, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Reading>,
    /// A race with a seal is told without the names of its models until a vote with the same one breaks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// A record as it is written down, by any version.
#[derive(Deserialize)]
struct StoredRecord {
    id: i64,
    kind: Kind,
    at: i64,
    models: Vec<String>,
    title: String,
    body: Value,
    figures: Vec<Measured>,
    #[serde(default)]
    samples: Vec<Reading>,
    #[serde(default)]
    seal: Option<String>,
}

impl TryFrom<StoredRecord> for Record {
    type Error = ReadError;

    fn try_from(stored: StoredRecord) -> Result<Self, ReadError> {
        let StoredRecord { id, kind, at, models, title, body, figures, samples, seal } = stored;
        let body = Body::from_value(kind, body)?;
        Ok(Self { id, at, models, title, body, figures, samples, seal })
    }
}

impl Record {
    /// A record that is not in the history yet.
    pub fn new(at: i64, title: String, body: Body) -> Self {
        Self { id: 0, at, models: Vec::new(), title, body, figures: Vec::new(), samples: Vec::new(), seal: None }
    }

    /// What it is of.
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// What may be shown of a blind race before its vote, with letters for the models. Everything else of the record is
    /// hidden: a speed is one of a model, and the machine's readings show how large each of them is.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let shown = self.body.race().map(BlindRace::of).map(RaceRecord::from).unwrap_or_default();
        Self {
            id: self.id,
            models: letters(self.models.len()),
            seal: self.seal.clone(),
            ..Self::new(self.at, self.title.clone(), Body::Race(Box::new(shown)))
        }
    }
}

/// A record that is whole but for the last of its energy.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// The record so far.
    #[serde(with = "crate::portable::document")]
    pub record: Record,
    /// The session that answered.
    pub session: crate::session::SessionId,
    /// Which of its requests it answers.
    pub request: crate::request::RequestId,
    /// When it began, after the program's start.
    pub begin: std::time::Duration,
    /// When it ended.
    pub since: crate::moment::Moment,
    /// The draft that it was, if it was written down before.
    pub draft: Option<u64>,
}

/// What is written down of a record while its text still comes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Draft {
    /// Its name for the program's life.
    pub id: u64,
    /// Bytes of text when it was written last; `None` before.
    pub n_bytes: Option<usize>,
    /// When that was, after the program's start.
    pub at: std::time::Duration,
}

impl Draft {
    /// One that is not written yet.
    pub fn new(id: u64) -> Self {
        Self { id, n_bytes: None, at: std::time::Duration::ZERO }
    }
}

/// The machine at one instant. What could not be read is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Milliseconds after the begin of what is kept.
    pub after: u64,
    /// Power of what is metered, watts.
    pub watts: Option<f64>,
    /// How sure that is; `None` where it was not kept.
    #[serde(default, with = "grade")]
    pub watts_grade: Option<Grade>,
    /// Main memory that is used, bytes.
    pub memory: Option<u64>,
    /// The hottest sensor, degrees Celsius.
    pub celsius: Option<f64>,
    /// The clock of the fastest core, MHz.
    pub mhz: Option<f64>,
    /// Busy share of all cores, percent.
    pub busy: Option<f64>,
}

/// What stands for so many models whose names are hidden.
pub fn letters(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("model {}", crate::race::letter(place))).collect()
}

/// Under which circumstances a speed was measured: only equal ones compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The model's id.
    pub model: String,
    /// The hash of its file, or its size and time where the store tells none.
    pub hash: String,
    /// taffrail's version and the engine's.
    pub build: String,
    /// Processor, GPUs and their drivers.
    pub driver: String,
    /// Settings that change speed, and the cell of a bench.
    pub settings: String,
}

/// One speed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Under which circumstances.
    #[serde(flatten)]
    pub series: Series,
    /// What was measured: `pp` reads a prompt, `tg` generates.
    pub what: String,
    /// Tokens per second, the mean.
    pub rate: Option<f64>,
    /// Standard deviation of single repetitions, tokens per second; `None` for a single one.
    pub spread: Option<f64>,
    /// Repetitions.
    pub n: u32,
    /// Gross joules per token, with its grade.
    #[serde(flatten, with = "joules")]
    pub joules: Option<Graded>,
}

/// A grade as its word.
mod grade {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::figure::{Grade, UNKNOWN};

    #[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(grade: &Option<Grade>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(grade.map_or(UNKNOWN, Grade::word))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Grade>, D::Error> {
        let word = Option::<String>::deserialize(deserializer)?;
        Ok(word.as_deref().and_then(Grade::from_word))
    }
}

/// An energy as it is written down, and read by who keeps records: nothing leaves without its grade.
mod joules {
    use serde::ser::SerializeMap as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::figure::{Graded, UNKNOWN};

    #[derive(Deserialize)]
    struct Kept {
        #[serde(default)]
        joules: Option<f64>,
        #[serde(default)]
        joules_grade: Option<String>,
        #[serde(default)]
        joules_relative_uncertainty: Option<f64>,
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(joules: &Option<Graded>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("joules", &joules.map(|joules| joules.value))?;
        map.serialize_entry("joules_grade", joules.map_or(UNKNOWN, Graded::word))?;
        map.serialize_entry("joules_relative_uncertainty", &joules.and_then(|joules| joules.relative))?;
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Graded>, D::Error> {
        let Kept { joules, joules_grade, joules_relative_uncertainty } = Kept::deserialize(deserializer)?;
        Ok(Graded::kept(joules, joules_grade.as_deref(), joules_relative_uncertainty))
    }
}

/// A row of the list: a record without its body.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the fields of `Record`")]
pub struct Entry {
    pub id: i64,
    pub kind: Kind,
    pub at: i64,
    pub models: Vec<String>,
    pub title: String,
    /// Generation speed of its first figure that has one, tokens per second.
    pub rate: Option<f64>,
    /// Joules per token, likewise.
    #[serde(flatten, with = "joules")]
    pub joules: Option<Graded>,
    /// A blind race without a vote: its names are hidden.
    pub is_sealed: bool,
}

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// Words that all occur in the title or in the models' ids, in small letters.
    pub words: Vec<String>,
    /// Not before this time, milliseconds since 1970.
    pub since: Option<i64>,
}

impl Filter {
    /// Read from what a user types: words, and `kind:bench`. A kind that there is not is a word like any other.
    pub fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        for word in text.split_whitespace() {
            match word.strip_prefix("kind:").and_then(Kind::from_name) {
                Some(kind) => filter.kind = Some(kind),
                None => filter.words.push(word.to_lowercase()),
            }
        }
        filter
    }
}

/// A window on the list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Only records with lower numbers: the last number of the page before; `None` begins at the newest.
    pub before: Option<i64>,
    /// The most rows.
    pub rows: usize,
}

/// What was measured last of a model.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latest {
    /// Generated tokens per second.
    pub rate: Option<f64>,
    /// Joules per generated token.
    #[serde(flatten, with = "joules")]
    pub joules: Option<Graded>,
    /// When, milliseconds since 1970; `None` where that is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

/// What tells one content of a model's files from another: the store's own hash, else size and time of the first file.
pub fn file_hash(model: &Model) -> String {
    model.files.first().map_or_else(String::new, |file| match file.digest {
        Some(digest) => format!("{}:{digest}", digest.kind()),
        // It ships with the program: when it was written out says nothing about its content.
        None if model.store == Store::Starter => format!("size:{}", file.size.0),
        None => format!("size:{} modified:{}", file.size.0, file.modified),
    })
}

/// The settings that change speed, as one text. `threads` is what the session really had, `wait` what its threads do
/// while they wait for each other.
pub fn settings_key(settings: &SessionSettings, threads: u32, wait: WaitPolicy) -> String {
    const NAMES: [&str; 8] =
        ["context", "batch", "ubatch", "gpu_layers", "cache_type_k", "cache_type_v", "flash_attention", "mmap"];
    let wait = wait.name();
    let mut key = format!("threads={threads} wait={wait}");
    for name in NAMES {
        key.push(' ');
        key.push_str(name);
        key.push('=');
        key.push_str(&settings.get(name).unwrap_or_default());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_words_and_kinds() {
        let filter = Filter::parse("  Why kind:bench QWEN kind:nonsense ");
        assert_eq!(filter.kind, Some(Kind::Bench));
        assert_eq!(filter.words, ["why", "qwen", "kind:nonsense"]);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }
}
