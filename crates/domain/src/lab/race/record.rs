//! A race and the vote on it, for the history.

use super::{Race, export};
use crate::record::{Body, RaceRecord, Record, run_record};
use crate::session::Turn;
use crate::state::Domain;

impl Race {
    /// The race as a record, with a figure for each column whose speed none of the others disturbed. `at` is now,
    /// milliseconds since 1970.
    pub fn record(&self, at: i64) -> Record {
        let figures = self.columns.iter().filter_map(|column| column.measured.clone()).collect();
        Record { figures, ..self.kept(at, Body::Race(Box::new(self.race_record()))) }
    }

    /// The race as a record, with the answers as far as they have come.
    pub fn draft_record(&self, domain: &Domain, at: i64) -> Record {
        let mut race = self.clone();
        for (column, running) in race.columns.iter_mut().zip(&self.columns) {
            column.answer = running.turn(domain).cloned();
        }
        let body = Body::Race(Box::new(RaceRecord { interrupted: true, ..race.race_record() }));
        Record { body, ..race.record(at) }
    }

    /// Bytes of all answers so far.
    pub(crate) fn n_bytes(&self, domain: &Domain) -> usize {
        self.columns.iter().filter_map(|column| column.turn(domain)).map(Turn::n_bytes).sum()
    }

    /// The vote as a record: the race with its winner.
    pub fn vote_record(&self, at: i64) -> Record {
        self.kept(at, Body::Vote(Box::new(self.race_record())))
    }

    /// All of the race: what is hidden from a voter is not lost to the history.
    pub(super) fn race_record(&self) -> RaceRecord {
        let named = Self { blind: false, ..self.clone() };
        let mut document = export::complete(&named);
        document.blind = self.blind;
        RaceRecord { document, lockstep: self.lockstep, divergence: self.kept_divergence(), ..RaceRecord::default() }
    }

    fn kept(&self, at: i64, body: Body) -> Record {
        let mut models: Vec<String> = Vec::new();
        for column in &self.columns {
            if !models.contains(&column.model.id) {
                models.push(column.model.id.clone());
            }
        }
        let seal = self.blind.then(|| format!("{}-{:x}", self.at.unix, self.draw));
        Record { models, seal, ..Record::new(at, run_record::title(&self.prompt), body) }
    }
}
