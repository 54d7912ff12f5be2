//! What a blind race may show before its vote: a type of its own, so that whatever is not in it is hidden.
//!
//! A new field of a race is hidden until it is added here.

use super::{
    ColumnError, DivergenceColumn, DivergenceRecord, Finished, RaceColumn, RaceDocument, RaceRecord, TokenCounts,
};
use crate::lab::race::order::Order;

/// A blind race before its vote.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of `RaceDocument` and `RaceRecord`")]
pub struct BlindRace {
    pub at: Option<i64>,
    pub prompt: String,
    pub system: Option<String>,
    pub stop: Vec<String>,
    pub order: Order,
    pub columns: Vec<BlindColumn>,
    pub lockstep: bool,
    /// By place, without names.
    pub divergence: Option<DivergenceRecord>,
    pub interrupted: bool,
}

/// A column of it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of `RaceColumn`")]
pub struct BlindColumn {
    pub text: Option<String>,
    pub reasoning: Option<String>,
    pub finish: Option<Finished>,
    pub stopped_at_stop_text: bool,
    pub error: Option<ColumnError>,
    pub tokens: TokenCounts,
}

/// What is shown in place of a reason that names a model.
const HIDDEN_REASON: &str = "it failed; the reason names a model and is shown after the vote";

impl BlindRace {
    /// What may be shown of a race.
    pub fn of(race: &RaceRecord) -> Self {
        let RaceDocument { at, prompt, system, stop, order, columns, .. } = &race.document;
        Self {
            at: *at,
            prompt: prompt.clone(),
            system: system.clone(),
            stop: stop.clone(),
            order: *order,
            columns: columns.iter().map(|column| BlindColumn::of(column, columns)).collect(),
            lockstep: race.lockstep,
            divergence: race.divergence.as_ref().map(nameless),
            interrupted: race.interrupted,
        }
    }
}

impl BlindColumn {
    fn of(column: &RaceColumn, all: &[RaceColumn]) -> Self {
        Self {
            text: column.text.clone(),
            reasoning: column.reasoning.clone(),
            finish: column.finish,
            stopped_at_stop_text: column.stopped_at_stop_text,
            error: column.error.clone().map(|error| error.without_names(all)),
            tokens: column.tokens,
        }
    }
}

impl ColumnError {
    /// The same where it names none of the models of a race; else that it is hidden.
    #[must_use]
    pub fn without_names(self, columns: &[RaceColumn]) -> Self {
        let is_named = |text: &str| columns.iter().flat_map(identities).any(|identity| text.contains(identity));
        if is_named(&self.reason) || self.hint.as_deref().is_some_and(is_named) {
            return Self { reason: HIDDEN_REASON.to_owned(), hint: None };
        }
        self
    }
}

/// What identifies a column's model in a sentence.
fn identities(column: &RaceColumn) -> impl Iterator<Item = &str> {
    let model = column.model.iter().flat_map(|model| [&model.id, &model.name, &model.path]);
    let own = model.filter_map(|text| text.as_deref());
    // A reason may have the whole path, or the file's name alone.
    let files = own.clone().filter_map(|text| text.rsplit(['/', '\\']).next());
    own.chain(files).chain([column.name.as_str()]).filter(|text| !text.is_empty())
}

fn nameless(divergence: &DivergenceRecord) -> DivergenceRecord {
    let column = |column: &DivergenceColumn| DivergenceColumn {
        name: None,
        token: column.token.clone(),
        index: column.index,
        probable: column.probable.clone(),
    };
    DivergenceRecord { columns: divergence.columns.iter().map(column).collect(), ..divergence.clone() }
}

impl From<BlindRace> for RaceRecord {
    /// As a document, in which letters stand for the names and all else is `None`.
    fn from(race: BlindRace) -> Self {
        let letters = letters(race.columns.len());
        let column = |(column, name): (BlindColumn, String)| RaceColumn {
            name,
            text: column.text,
            reasoning: column.reasoning,
            finish: column.finish,
            stopped_at_stop_text: column.stopped_at_stop_text,
            error: column.error,
            tokens: column.tokens,
            ..RaceColumn::default()
        };
        Self {
            document: RaceDocument {
                at: race.at,
                prompt: race.prompt,
                system: race.system,
                stop: race.stop,
                order: race.order,
                blind: true,
                columns: race.columns.into_iter().zip(letters).map(column).collect(),
                ..RaceDocument::default()
            },
            lockstep: race.lockstep,
            divergence: race.divergence,
            interrupted: race.interrupted,
            ..Self::default()
        }
    }
}

/// A, B, C … for the columns.
pub fn letter(place: usize) -> char {
    char::from(b'A' + (place % 26) as u8)
}

/// Letters in place of the hidden names of this many models.
pub fn letters(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("model {}", letter(place))).collect()
}
