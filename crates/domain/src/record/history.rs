//! What is kept of runs, races, votes, suites and benches: the shape of a record and of a question to the history.
//!
//! Owned here: the types, the keys by which two measurements compare, and how a filter is read from text. Absent: where
//! records lie (`history`), and who adds them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::Body;
use super::kind::Kind;
use super::measurement::{Measured, joules};
use super::migrate::ReadError;
use super::race::RaceRecord;
use super::reading::Reading;
use super::redact::{BlindRace, letters};
use crate::figure::Graded;

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
pub struct PendingRecord {
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
