//! How open a model is, by what others say.
//!
//! Owned here: the licence that a model declares and those that it inherits from what it was made from, and what public
//! projects judged of its weights, data, code, evaluation and report, each with its source and its day. Absent: a score.
//! The sources disagree, and each stands beside the other. What no source judged is `None`, not closed.

mod card;
mod names;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::licence::Licence;
use crate::model::Model;
pub use card::{Known, card};
pub use table::{Broken, Entry, Family, Lineage, MAX_BYTES, SCHEMA, Source, Table};

/// How open one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// To be had under an open licence.
    Open,
    /// To be had in part, or under terms.
    Partial,
    /// Not to be had.
    Closed,
}

impl Class {
    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Partial => "partial",
            Self::Closed => "closed",
        }
    }

    /// Glyph and word, for one that was judged or not: `● open`, `· not assessed`.
    pub fn shown(class: Option<Self>) -> (&'static str, &'static str) {
        match class {
            Some(Self::Open) => ("●", "open"),
            Some(Self::Partial) => ("◐", "partial"),
            Some(Self::Closed) => ("○", "closed"),
            None => ("·", "not assessed"),
        }
    }
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The parameters.
    Weights,
    /// What it was trained on.
    Data,
    /// What it was trained with.
    Code,
    /// How it was tested, and what came out.
    Evaluation,
    /// A report or a paper.
    Report,
}

impl Dimension {
    /// All of them, with their words in filters and their names.
    pub const ALL: [(&'static str, Self, &'static str); 5] = [
        ("weights", Self::Weights, "weights"),
        ("data", Self::Data, "data"),
        ("code", Self::Code, "training code"),
        ("evaluation", Self::Evaluation, "evaluation"),
        ("report", Self::Report, "report"),
    ];
}

/// What is known of a model's openness.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
pub struct Card {
    /// The licences that stand beside or in the model, the first found first; no two alike. Where it states none, what
    /// the table says of it.
    pub declared: Vec<Declared>,
    /// The licences of what it was made from.
    pub inherited: Vec<Inherited>,
    /// Which licence asks for most; `None` where none is known.
    pub strictest: Option<Licence>,
    /// The declared licence asks for less than one that applies as well, or for something else.
    pub conflict: bool,
    /// What each source judged, in the table's order; a source that does not know the model is missing.
    pub judged: Vec<Judged>,
}

/// A licence as the model or its store states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Declared {
    /// The licence.
    pub licence: Licence,
    /// Where it stands, such as `the file's header`; or who says so, where the model does not.
    pub place: Arc<str>,
}

/// A licence of something that the model was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Inherited {
    /// What it was made from, as it is written there.
    pub base: String,
    /// Its licence; `None` where it is not known.
    pub licence: Option<Licence>,
    /// Where that was found.
    pub found: Option<Arc<str>>,
}

/// What one source judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Judged {
    /// The source's name.
    pub source: Arc<str>,
    /// Its name for the head of a column.
    pub short: Arc<str>,
    /// The day on which its judgements were read.
    pub read: Arc<str>,
    /// How the model was found there.
    pub matched: Match,
    /// What was judged, as the source names it.
    pub judged: Arc<str>,
    /// What it says, in the order of [`Dimension::ALL`].
    #[serde(serialize_with = "by_dimension", deserialize_with = "from_dimensions")]
    pub classes: [Option<Class>; 5],
    /// What it says of the model that the judged one was made from, where that differs.
    #[serde(serialize_with = "by_dimension", deserialize_with = "from_dimensions")]
    pub base_classes: [Option<Class>; 5],
}

/// As an object whose keys are the dimensions' words; `null` is not assessed.
/// The classes by their words.
fn from_dimensions<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[Option<Class>; 5], D::Error> {
    let classes = std::collections::BTreeMap::<String, Option<Class>>::deserialize(deserializer)?;
    Ok(Dimension::ALL.map(|(word, ..)| classes.get(word).copied().flatten()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn by_dimension<S: serde::Serializer>(classes: &[Option<Class>; 5], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Dimension::ALL.iter().map(|(word, ..)| word).zip(classes))
}

/// How a model was found in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(tag = "by", content = "which", rename_all = "snake_case")]
pub enum Match {
    /// By its repository.
    Repository(String),
    /// By the repository of something that it was made from.
    BaseModel(String),
    /// By its whole name, whoever owns it.
    Name(String),
    /// By its name without size, stage and quantisation.
    Family(String),
    /// It is taffrail's own.
    Own,
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repository(repository) => write!(f, "by repository {repository}"),
            Self::BaseModel(base) => write!(f, "by base model {base}"),
            Self::Name(name) => write!(f, "by name {name}"),
            Self::Family(family) => write!(f, "by family {family}"),
            Self::Own => f.write_str("taffrail's own model"),
        }
    }
}

impl Judged {
    /// The class of a dimension: partial where the model and what it was made from differ, since both make it up.
    pub fn class(&self, index: usize) -> Option<Class> {
        match (self.classes[index], self.base_classes[index]) {
            (Some(own), Some(base)) if own != base => Some(Class::Partial),
            (own, _) => own,
        }
    }

    /// What is behind a class that is made of two: `base closed, tuning open`.
    pub fn detail(&self, index: usize) -> Option<String> {
        match (self.classes[index], self.base_classes[index]) {
            (Some(own), Some(base)) if own != base => Some(format!("base {}, tuning {}", base.name(), own.name())),
            _ => None,
        }
    }
}

impl Card {
    /// The licence in a table's cell: `mit`, `gemma (terms)`, `mit ⚠llama3.1`. `None` where none is known.
    pub fn licence_cell(&self) -> Option<String> {
        use crate::licence::Class;
        let strictest = self.strictest.as_ref()?;
        let shown = self.declared.first().map_or(strictest, |declared| &declared.licence);
        if self.conflict {
            return Some(format!("{shown} ⚠{strictest}"));
        }
        Some(match shown.class {
            Class::Terms => format!("{shown} (terms)"),
            Class::NonCommercial => format!("{shown} (nc)"),
            Class::Osi | Class::Open | Class::Unknown => shown.to_string(),
        })
    }

    /// What asks for most, of the licences that apply.
    pub fn licence_class(&self) -> crate::licence::Class {
        self.strictest.as_ref().map_or(crate::licence::Class::Unknown, |licence| licence.class)
    }

    /// Whether one source at least says that the dimension is open.
    pub fn is_open(&self, dimension: Dimension) -> bool {
        let index = Dimension::ALL.iter().position(|(_, known, _)| *known == dimension);
        index.is_some_and(|index| self.judged.iter().any(|judged| judged.class(index) == Some(Class::Open)))
    }
}

/// The table in force, and the cards of the library's models.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Openness {
    /// What others judged.
    pub table: Arc<Table>,
    /// The cards by model id.
    #[serde(with = "crate::portable::document")]
    pub cards: Cards,
    /// Counts the changes of models and table, so that cards made aside are known for older than those.
    pub generation: u64,
    /// Cards are being made aside.
    pub is_asked: bool,
}

/// Cards by model id.
pub type Cards = HashMap<String, Arc<Card>>;

impl Default for Openness {
    fn default() -> Self {
        Self { table: Table::embedded(), cards: HashMap::new(), generation: 0, is_asked: false }
    }
}

impl Openness {
    /// Make the cards of these models anew; `all` are the models that licences may be inherited from.
    pub fn refresh(&mut self, models: &[Arc<Model>], all: &[Arc<Model>]) {
        self.cards.extend(cards(models, all, &self.table));
    }

    /// Drop the cards of models that are gone.
    pub fn keep(&mut self, models: &[Arc<Model>]) {
        let ids: std::collections::HashSet<&str> = models.iter().map(|model| model.id.as_str()).collect();
        self.cards.retain(|id, _| ids.contains(id.as_str()));
    }
}

/// The cards of these models; `all` are the models that licences may be inherited from.
pub fn cards(models: &[Arc<Model>], all: &[Arc<Model>], table: &Arc<Table>) -> Cards {
    let known = Known::new(all);
    models.iter().map(|model| (model.id.clone(), Arc::new(card(model, table, &known)))).collect()
}
