//! The filter of the requests.
//!
//! It is words; a row shows when every word fits. A word is a part of the client, its program, its API, the model, the
//! state or the finish reason, or one of the questions `client:laptop`, `agent:python`, `api:openai`, `model:qwen`,
//! `state:queued`, `finish:length`, `queue>500`, `ttft<200`, `pp>100`, `tok/s>20`, `cached>0`, `prompt>1k`, `tokens>100`,
//! `j>50`. A question that is not finished yet fits every row, and one for a figure that is not known fits none.

use super::row::{Facts, Row};
use super::sort::RequestSort;
use crate::model::library_view::{Comparison, comparison};

/// A filter.
#[derive(Debug, Clone)]
pub struct Filter(Vec<Word>);

/// Which text a word asks for.
#[derive(Debug, Clone, Copy)]
enum Field {
    Client,
    Agent,
    Api,
    Model,
    State,
    Finish,
}

impl Field {
    const ALL: [(&str, Self); 6] = [
        ("client", Self::Client),
        ("agent", Self::Agent),
        ("api", Self::Api),
        ("model", Self::Model),
        ("state", Self::State),
        ("finish", Self::Finish),
    ];

    fn of<'a>(self, row: &Row<'a>) -> &'a str {
        match self {
            Self::Client => row.client(),
            Self::Agent => row.agent().unwrap_or_default(),
            Self::Api => row.api().unwrap_or_default(),
            Self::Model => row.model,
            Self::State => row.state.word(),
            Self::Finish => row.finish().unwrap_or_default(),
        }
    }
}

/// One word, in lower case.
#[derive(Debug, Clone)]
enum Word {
    Part(String),
    Text(Field, String),
    Number(RequestSort, Comparison, f64),
    Unfinished,
}

impl Word {
    fn parse(word: &str) -> Self {
        let part = || Self::Part(word.to_owned());
        let Some((key, value)) = word.find([':', '<', '>', '=']).and_then(|place| word.split_at_checked(place)) else {
            return part();
        };
        let value = value.strip_prefix(':').unwrap_or(value);
        if let Some((_, field)) = Field::ALL.iter().find(|(name, _)| *name == key) {
            return if value.is_empty() { Self::Unfinished } else { Self::Text(*field, value.to_owned()) };
        }
        let is_number = |sort: &RequestSort| {
            !matches!(sort, RequestSort::Arrived | RequestSort::Client | RequestSort::Model | RequestSort::State)
        };
        match RequestSort::named(key).filter(is_number) {
            Some(column) => comparison(value)
                .map_or(Self::Unfinished, |(comparison, number)| Self::Number(column, comparison, number)),
            // A model's name can have a colon.
            None => part(),
        }
    }

    fn fits(&self, row: &Row<'_>, facts: Facts<'_>) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        match self {
            Self::Part(part) => Field::ALL.iter().any(|(_, field)| has(field.of(row), part)),
            Self::Text(field, part) => has(field.of(row), part),
            Self::Number(column, comparison, number) => {
                row.figure(*column, facts).is_some_and(|found| comparison.holds(found, *number))
            }
            Self::Unfinished => true,
        }
    }
}

impl Filter {
    /// Read a filter.
    pub fn parse(text: &str) -> Self {
        Self(text.to_lowercase().split_whitespace().map(Word::parse).collect())
    }

    /// Whether a request passes.
    pub fn fits(&self, row: &Row<'_>, facts: Facts<'_>) -> bool {
        self.0.iter().all(|word| word.fits(row, facts))
    }
}
