//! What follows from the outcomes of a suite: rates with their intervals, and who is frugal among those who pass.

use serde::Serialize;

/// The two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// The interval in which a rate lies with 95 % confidence, after `passed` of `n` (Wilson 1927): unlike the usual one it
/// holds for few prompts and near 0 and 1. All of 0 to 1 without any.
pub fn interval(passed: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (count, rate) = (n as f64, passed as f64 / n as f64);
    let middle = (rate + Z * Z / (2.0 * count)) / (1.0 + Z * Z / count);
    let spread = Z / (1.0 + Z * Z / count) * (rate * (1.0 - rate) / count + Z * Z / (4.0 * count * count)).sqrt();
    ((middle - spread).max(0.0), (middle + spread).min(1.0))
}

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
    /// Mean joules of an answer; `None` where one of them is not known.
    pub joules: Option<f64>,
    /// The joules are a modelled share or an estimate, not a meter's own.
    pub is_modelled: bool,
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

    /// What it costs; `None` where that is not known.
    pub fn cost(&self, by: Cost) -> Option<f64> {
        match by {
            Cost::Energy => self.joules,
            Cost::Time => Some(self.seconds),
            Cost::Memory => Some(self.memory as f64),
        }
    }
}

/// Which of them nobody beats: no other passes as much for less, or more for as little. One of unknown cost is none.
pub fn front(tallies: &[Tally], by: Cost) -> Vec<bool> {
    let beats = |one: &Tally, other: &Tally| match (one.cost(by), other.cost(by)) {
        (Some(cost), Some(others)) => {
            let no_worse = cost <= others && one.rate() >= other.rate();
            no_worse && (cost < others || one.rate() > other.rate())
        }
        _ => false,
    };
    let is_first = |tally: &Tally| tally.cost(by).is_some() && !tallies.iter().any(|other| beats(other, tally));
    tallies.iter().map(is_first).collect()
}

/// The cheapest of those that pass at least this part of the prompts; of equals the one that passes more.
pub fn pick(tallies: &[Tally], by: Cost, least: f64) -> Option<&Tally> {
    let good = tallies.iter().filter(|tally| tally.rate() >= least);
    let known = good.filter_map(|tally| Some((tally, tally.cost(by)?)));
    let order = |(one, cost): &(&Tally, f64), (other, others): &(&Tally, f64)| {
        cost.total_cmp(others).then(other.passed.cmp(&one.passed)).then(one.name.cmp(&other.name))
    };
    known.min_by(order).map(|(tally, _)| tally)
}
