//! The filter of the requests.
//!
//! A word is a part of the client, its program, its API, the model, the state or the finish reason, or a question about
//! one of [`FIELDS`].

use super::row::{Facts, Row};
use super::sort::RequestSort;
use crate::filter::{self, Field, Filter, Kind, Unit};

/// What the filter can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "FIELDS has their names")]
pub enum RequestField {
    Client,
    Agent,
    Api,
    Model,
    On,
    State,
    Finish,
    Figure(RequestSort),
}

/// The words after `state:`.
const STATES: &[&str] =
    &["loading", "queued", "prefill", "reasoning", "decoding", "cancelling", "done", "cancelled", "failed", "lost"];

/// The fields with their names.
pub const FIELDS: &[Field<RequestField>] = &[
    field(RequestField::Client, &["client"], Kind::Text),
    field(RequestField::Agent, &["agent"], Kind::Text),
    field(RequestField::Api, &["api"], Kind::Text),
    field(RequestField::Model, &["model", "name"], Kind::Text),
    field(RequestField::On, &["on", "machine"], Kind::Text),
    field(RequestField::State, &["state", "is"], Kind::Words(STATES)),
    field(RequestField::Finish, &["finish"], Kind::Text),
    figure(RequestSort::Queue, &["queue"], Unit::Millis),
    figure(RequestSort::Ttft, &["ttft"], Unit::Millis),
    figure(RequestSort::PromptRate, &["pp"], Unit::Plain),
    figure(RequestSort::Rate, &["tok/s", "speed"], Unit::Plain),
    figure(RequestSort::Cached, &["cached"], Unit::Tokens),
    figure(RequestSort::Prompt, &["prompt"], Unit::Tokens),
    figure(RequestSort::Tokens, &["tokens"], Unit::Tokens),
    figure(RequestSort::Energy, &["j", "energy"], Unit::Plain),
];

const fn field(field: RequestField, names: &'static [&'static str], kind: Kind) -> Field<RequestField> {
    Field { field, names, kind }
}

const fn figure(column: RequestSort, names: &'static [&'static str], unit: Unit) -> Field<RequestField> {
    field(RequestField::Figure(column), names, Kind::Number(unit))
}

/// The texts that a plain word is looked for in.
const TEXTS: [RequestField; 6] = [
    RequestField::Client,
    RequestField::Agent,
    RequestField::Api,
    RequestField::Model,
    RequestField::State,
    RequestField::Finish,
];

/// Read a filter, and decide about its words by what the requests' texts are.
pub(super) fn parse(text: &str, rows: &[Row<'_>]) -> Filter<RequestField> {
    Filter::parse(text, FIELDS).settle(|part| rows.iter().any(|row| has(row, part)))
}

/// A request that is asked.
pub(super) struct Asked<'r, 'a> {
    pub(super) row: &'r Row<'a>,
    pub(super) facts: Facts<'r>,
}

impl filter::Row<RequestField> for Asked<'_, '_> {
    fn has(&self, part: &str) -> bool {
        has(self.row, part)
    }

    fn is(&self, field: RequestField, part: &str) -> bool {
        match field {
            RequestField::State => self.row.state.word().starts_with(part),
            _ => text(self.row, field).to_lowercase().contains(part),
        }
    }

    fn figure(&self, field: RequestField) -> Option<f64> {
        match field {
            RequestField::Figure(column) => self.row.figure(column, self.facts),
            _ => None,
        }
    }
}

fn has(row: &Row<'_>, part: &str) -> bool {
    TEXTS.iter().any(|field| text(row, *field).to_lowercase().contains(part))
}

fn text<'a>(row: &Row<'a>, field: RequestField) -> &'a str {
    match field {
        RequestField::Client => row.client(),
        RequestField::Agent => row.agent().unwrap_or_default(),
        RequestField::Api => row.api().unwrap_or_default(),
        RequestField::Model => row.model,
        RequestField::On => row.on(),
        RequestField::State => row.state.word(),
        RequestField::Finish => row.finish().unwrap_or_default(),
        RequestField::Figure(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::RequestState;

    #[test]
    fn every_state_can_be_asked() {
        use RequestState as S;
        let all = [
            S::Loading,
            S::Queued,
            S::Prefill,
            S::Reasoning,
            S::Decoding,
            S::Cancelling,
            S::Done,
            S::Cancelled,
            S::Failed,
            S::Lost,
        ];
        assert_eq!(all.map(RequestState::word).as_slice(), STATES);
    }
}
