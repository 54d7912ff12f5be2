//! What follows from the outcomes of a suite: rates with their intervals, and who is frugal among those who pass.

use serde::Serialize;

use crate::figure::Graded;
pub use crate::lab::statistics::wilson as interval;

/// What models are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Joules of an answer.
    Energy,
    /// Seconds of an answer.
    Time,
    /// Bytes in memory.
    Memory,
}

/// A model after a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// What it is called.
    pub name: String,
    /// Prompts whose checks all passed.
    pub passed: usize,
    /// Prompts in all.
    pub n: usize,
    /// Mean joules of an answer with the worst of the grades; `None` where one of them is not known.
    pub joules: Option<Graded>,
    /// Mean seconds from the prompt to the answer's end.
    pub seconds: f64,
    /// Bytes in memory, as llama.cpp reports them.
    pub memory: u64,
}

impl Tally {
    /// The part of the prompts that passed.
    pub fn rate(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.passed as f64 / self.n as f64 }
    }

    /// Bytes in memory; `None` where they are not reported, as by an engine elsewhere.
    pub fn known_memory(&self) -> Option<u64> {
        Some(self.memory).filter(|memory| *memory > 0)
    }

    /// What it costs; `None` where that is not known, as of one that has answered nothing.
    pub fn cost(&self, by: Cost) -> Option<f64> {
        if self.n == 0 {
            return None;
        }
        match by {
            Cost::Energy => self.joules.map(|joules| joules.value),
            Cost::Time => Some(self.seconds),
            Cost::Memory => self.known_memory().map(|memory| memory as f64),
        }
    }
}

impl Tally {
    /// Whether it costs less than another; of energy, beyond what both may be off.
    fn is_cheaper(&self, other: &Self, by: Cost) -> bool {
        match by {
            Cost::Energy => self.joules.zip(other.joules).is_some_and(|(own, others)| own.is_less(others)),
            _ => self.cost(by).zip(other.cost(by)).is_some_and(|(own, others)| own < others),
        }
    }

    /// Whether models can be compared by its energy: it is known, and what it may be off by is, and that is less than
    /// the energy itself.
    pub fn tells_energy(&self) -> bool {
        self.joules.and_then(|joules| joules.relative).is_some_and(|relative| relative < 1.0)
    }
}

/// Which of them nobody beats: no other passes as much for less, or more for as little. One of unknown cost is none.
pub fn front(tallies: &[Tally], by: Cost) -> Vec<bool> {
    let beats = |one: &Tally, other: &Tally| match (one.cost(by), other.cost(by)) {
        (Some(_), Some(_)) => {
            let no_worse = !other.is_cheaper(one, by) && one.rate() >= other.rate();
            no_worse && (one.is_cheaper(other, by) || one.rate() > other.rate())
        }
        _ => false,
    };
    let is_first = |tally: &Tally| tally.cost(by).is_some() && !tallies.iter().any(|other| beats(other, tally));
    tallies.iter().map(is_first).collect()
}

/// The cheapest of those that pass at least this part of the prompts; of equals the one that passes more.
pub fn pick(tallies: &[Tally], by: Cost, least: f64) -> Option<&Tally> {
    cheapest(tallies, by, least).first().copied()
}

/// Those of them that nobody beats, for what can't be told apart is a tie: the ones that pass more first, then those that
/// look cheaper.
pub fn cheapest(tallies: &[Tally], by: Cost, least: f64) -> Vec<&Tally> {
    let good: Vec<&Tally> = tallies.iter().filter(|tally| tally.rate() >= least && tally.cost(by).is_some()).collect();
    let mut first: Vec<&Tally> =
        good.iter().copied().filter(|tally| !good.iter().any(|other| other.is_cheaper(tally, by))).collect();
    first.sort_by(|one, other| {
        let cost = |tally: &Tally| tally.cost(by).unwrap_or(f64::INFINITY);
        other.passed.cmp(&one.passed).then(cost(one).total_cmp(&cost(other))).then(one.name.cmp(&other.name))
    });
    first
}
