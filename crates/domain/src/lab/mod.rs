//! Measurements and comparisons: races, benches, suites and the scoring of texts.

pub mod bench;
mod entry;
pub mod job;
pub mod perplexity;
pub mod race;
pub mod statistics;
pub mod suite;
pub(crate) mod working;
