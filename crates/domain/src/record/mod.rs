//! What each kind of record holds: typed, with a version, and read back from whatever earlier versions wrote.
//!
//! Owned here: the types of the bodies and the migrations. Absent: how the bodies of races, benches and
//! suites are made (`lab`), and where they lie (`history` of the program).
//!
//! A body without a field has it from its default: unknown, or none. What an earlier version said otherwise is brought
//! to today's shape by a step of `migrate`, by version.

mod bench;
mod body;
mod common;
mod draft;
mod energy;
mod history;
mod kind;
mod measurement;
mod migrate;
mod race;
mod reading;
mod redact;
pub mod report;
mod run;
pub mod run_record;
mod suite;
pub mod trace;

pub use crate::lab::race::award::Award;
pub use bench::{BenchChange, BenchDocument, BenchRecord, BenchRepetition, BenchRow, EarlierBench, StepTimes};
pub use body::Body;
pub use common::{ModelRef, Options, TokenCounts, options};
pub use draft::Draft;
pub use energy::{AnswerEnergy, LoadEnergy, Provenance, RaceEnergy};
pub use history::{Entry, FigureQuestion, Filter, Page, PendingRecord, Record, RecordFigure};
pub use kind::Kind;
pub(crate) use measurement::joules as energy_fields;
pub use measurement::{Latest, Measured, Series, file_hash, settings_key};
pub use migrate::{ReadError, VERSION};
pub use race::{
    ColumnError, ColumnSettings, DivergenceColumn, DivergenceRecord, LikelyToken, RaceColumn, RaceDocument, RaceRecord,
    VoteResult, WinnerNames,
};
pub use reading::Reading;
pub use redact::{BlindColumn, BlindRace, letter, letters};
pub use run::{Finished, MemoryUse, RooflineResult, RunDocument, RunRecord, RunSettings, SchemaResult, TurnRecord};
pub use suite::{PICK_SCHEMA, PickDocument, PromptText, SuiteDocument, SuiteModel, SuiteRecord};

#[cfg(test)]
mod tests;
