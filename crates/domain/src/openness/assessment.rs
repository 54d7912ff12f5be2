//! What is known about one model's openness: its own license, those that it inherits, and the sources' assessments.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dimension::{Class, Dimension};
use super::license::License;

/// What is known of a model's openness.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
pub struct Card {
    /// The licenses in the model or its accompanying files, in the order found, without duplicates. If it states none,
    /// the one in the table.
    pub declared: Vec<Declared>,
    /// The licences of what it was made from.
    pub inherited: Vec<Inherited>,
    /// Which licence asks for most; `None` where none is known.
    pub strictest: Option<License>,
    /// The declared license is less strict than another one that applies, or differs from it.
    pub conflict: bool,
    /// What each source judged, in the table's order; a source that does not know the model is missing.
    pub judged: Vec<Judged>,
}

/// A licence as the model or its store states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Declared {
    /// The licence.
    pub licence: License,
    /// Where it was found, such as `the file's header`; or the source, if the model does not state it.
    pub place: Arc<str>,
}

/// A licence of something that the model was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Inherited {
    /// What it was made from, as it is written there.
    pub base: String,
    /// Its licence; `None` where it is not known.
    pub licence: Option<License>,
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
    /// Its assessment, in the order of [`Dimension::ALL`].
    #[serde(serialize_with = "by_dimension", deserialize_with = "from_dimensions")]
    pub classes: [Option<Class>; 5],
    /// Its assessment of the base model, where that differs.
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
    /// By its whole name, regardless of owner.
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
        use crate::openness::license::Class;
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
    pub fn licence_class(&self) -> crate::openness::license::Class {
        self.strictest.as_ref().map_or(crate::openness::license::Class::Unknown, |licence| licence.class)
    }

    /// Whether at least one source assesses the dimension as open.
    pub fn is_open(&self, dimension: Dimension) -> bool {
        let index = Dimension::ALL.iter().position(|(_, known, _)| *known == dimension);
        index.is_some_and(|index| self.judged.iter().any(|judged| judged.class(index) == Some(Class::Open)))
    }
}
