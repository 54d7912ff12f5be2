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
use crate::filter::{self, Asked, Comparison, Field, Unit};

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
    /// A race with a seal is shown without the names of its models until a vote with the same seal breaks it.
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// Of none of these kinds.
    pub not_kinds: Vec<Kind>,
    /// Words that all occur in the title or in the models' ids, in small letters.
    pub words: Vec<String>,
    /// Words of which none occurs there.
    pub not_words: Vec<String>,
    /// What is asked of the figures of the generation.
    pub figures: Vec<FigureQuestion>,
    /// Not before this time, milliseconds since 1970.
    pub since: Option<i64>,
}

/// A question about a figure of a record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FigureQuestion {
    /// Which figure.
    pub figure: RecordFigure,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub number: f64,
    /// Whether those are wanted for which it does not hold.
    pub is_negated: bool,
}

/// A figure of a record that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordFigure {
    /// Generated tokens per second.
    Rate,
    /// Joules per generated token.
    Joules,
}

/// What the filter can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordField {
    Kind,
    Model,
    On,
    Figure(RecordFigure),
}

/// The fields with their names.
const FIELDS: &[Field<RecordField>] = &[
    Field {
        field: RecordField::Kind,
        names: &["kind"],
        kind: filter::Kind::Words(&["run", "race", "vote", "suite", "bench"]),
    },
    Field { field: RecordField::On, names: &["on", "machine"], kind: filter::Kind::Text },
    Field { field: RecordField::Model, names: &["model", "name"], kind: filter::Kind::Text },
    Field {
        field: RecordField::Figure(RecordFigure::Rate),
        names: &["tok/s", "speed"],
        kind: filter::Kind::Number(Unit::Plain),
    },
    Field {
        field: RecordField::Figure(RecordFigure::Joules),
        names: &["j/tok"],
        kind: filter::Kind::Number(Unit::Plain),
    },
];

impl Filter {
    /// Read from what a user types: words, `kind:bench`, `tok/s>20`, and `-` before what is not wanted.
    pub fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        for question in filter::Filter::parse(text, FIELDS).questions() {
            let is_negated = question.is_negated;
            match question.asked {
                Asked::Text(RecordField::Kind, word) => {
                    let mut kinds = Kind::ALL.into_iter().filter(|kind| kind.name().starts_with(word));
                    match (kinds.next(), is_negated) {
                        (Some(kind), true) => filter.not_kinds.push(kind),
                        (kind, _) => filter.kind = kind.or(filter.kind),
                    }
                }
                // Every record has been run from here.
                Asked::Text(RecordField::On, "here") => {}
                Asked::Text(RecordField::On, name) => {
                    let words = if is_negated { &mut filter.not_words } else { &mut filter.words };
                    // As ids of models begin there.
                    words.push(format!("{name}/"));
                }
                Asked::Part(word) | Asked::Text(_, word) => {
                    let words = if is_negated { &mut filter.not_words } else { &mut filter.words };
                    words.push(word.to_owned());
                }
                Asked::Number(RecordField::Figure(figure), comparison, number) => {
                    filter.figures.push(FigureQuestion { figure, comparison, number, is_negated });
                }
                Asked::Number(..) => {}
            }
        }
        filter
    }

    /// What is wrong with a filter, in a sentence; `None` if it is valid.
    pub fn problem(text: &str) -> Option<String> {
        // Records aren't searched to decide whether a colon is a part of a name.
        filter::Filter::parse(text, FIELDS).settle(|_| false).problem().map(str::to_owned)
    }
}

/// A window on the list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Only records with lower numbers: the last number of the page before; `None` starts at the newest.
    pub before: Option<i64>,
    /// The most rows.
    pub rows: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_words_and_kinds() {
        let filter = Filter::parse("  Why kind:bench QWEN kind:nonsense -smol -kind:vote tok/s>20 model:gemma");
        assert_eq!((filter.kind, filter.not_kinds), (Some(Kind::Bench), vec![Kind::Vote]));
        assert_eq!(
            (filter.words, filter.not_words),
            (vec!["why".into(), "qwen".into(), "gemma".into()], vec!["smol".into()])
        );
        assert!(
            filter.figures.iter().all(|asked| asked.figure == RecordFigure::Rate && asked.comparison.operator() == ">")
        );
        assert_eq!(filter.figures.len(), 1);
        for (text, problem) in [
            ("why", None),
            ("kind:", None),
            ("kind:nonsense", Some("`kind` is one of run, race, vote, suite, bench")),
            ("sise:5gb", Some("no field `sise`; there are kind, on, model, tok/s, j/tok")),
            (">7b", Some("`>7b` of what? Put tok/s, j/tok before it")),
        ] {
            assert_eq!(Filter::problem(text).as_deref(), problem, "{text}");
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }
}
