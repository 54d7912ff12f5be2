//! What is judged of a model, and how open each of it is.

use serde::{Deserialize, Serialize};

/// How open one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Available under an open license.
    Open,
    /// Available in part, or under terms.
    Partial,
    /// Not available.
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

    /// Glyph and word, for an assessed one or not: `● open`, `· not assessed`.
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
