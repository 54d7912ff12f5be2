//! A race and the vote on it, for the history.

use super::{Race, Stage, export};
use crate::answer;
use crate::history::{Kind, Record};
use crate::session::{Session, Turn};
use crate::state::Domain;

impl Race {
    /// The race as a record, with a figure for each column whose speed none of the others disturbed. `at` is now,
    /// milliseconds since 1970.
    pub fn record(&self, at: i64) -> Record {
        let figures = self.lanes.iter().filter_map(|lane| lane.measured.clone()).collect();
        Record { figures, ..self.kept(Kind::Race, at) }
    }

    /// The race as a record, with the answers as far as they have come.
    pub fn draft_record(&self, domain: &Domain, at: i64) -> Record {
        let mut race = self.clone();
        for (lane, running) in race.lanes.iter_mut().zip(&self.lanes) {
            lane.answer = running.turn(domain).cloned();
        }
        let mut record = race.record(at);
        record.body["interrupted"] = true.into();
        record
    }

    /// Bytes of all answers so far.
    pub(crate) fn n_bytes(&self, domain: &Domain) -> usize {
        self.lanes.iter().filter_map(|lane| lane.turn(domain)).map(Turn::n_bytes).sum()
    }

    /// The vote as a record: the race with its winner.
    pub fn vote_record(&self, at: i64) -> Record {
        self.kept(Kind::Vote, at)
    }

    fn kept(&self, kind: Kind, at: i64) -> Record {
        // What is hidden from a voter is not lost to the history.
        let mut body = export::document(&Self { blind: false, ..self.clone() });
        body["blind"] = self.blind.into();
        body["lockstep"] = self.lockstep.into();
        body["parting"] = self.kept_parting();
        for (lane, column) in self.lanes.iter().zip(body["columns"].as_array_mut().into_iter().flatten()) {
            column["options"] = answer::options(&lane.settings);
        }
        let mut models: Vec<String> = Vec::new();
        for lane in &self.lanes {
            if !models.contains(&lane.model.id) {
                models.push(lane.model.id.clone());
            }
        }
        let seal = self.blind.then(|| format!("{}-{:x}", self.at.unix, self.draw));
        Record { models, seal, ..Record::new(kind, at, answer::title(&self.prompt), body) }
    }

    /// Whether an answer that has just ended is this race's.
    pub(crate) fn has(&self, session: &Session) -> bool {
        self.lanes.iter().any(|lane| lane.session.id == Some(session.id) && lane.stage == Stage::Answering)
    }
}
