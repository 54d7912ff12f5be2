//! Totals of a session's answers since it was created: counts and distributions, for metrics.
//!
//! Absent: the text format for a program that collects metrics (`server::llama::metrics`).

use serde::{Deserialize, Serialize};
use wire::{Counters, Finish};

use super::End;
use crate::request::Request;

/// The upper bounds of the buckets of short times, in seconds: until a request begins, and until its first token comes.
pub const SHORT: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
];

/// The same of whole answers.
pub const LONG: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
];

/// The same of single tokens.
pub const TOKEN: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0];

/// How often a quantity fell between which bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// By bucket; empty before the first. What is larger than all bounds is in none.
    counts: Vec<u64>,
    /// The sum of all.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        self.counts.resize(bounds.len(), 0);
        if let Some(bucket) = bounds.iter().position(|bound| value <= *bound) {
            self.counts[bucket] += 1;
        }
        self.sum += value;
        self.count += 1;
    }

    /// For each of the bounds by which it was made, how many were not above it.
    pub fn cumulative<'a>(&'a self, bounds: &'a [f64]) -> impl Iterator<Item = (f64, u64)> + 'a {
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        bounds.iter().zip(counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }
}

/// What a session has answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Prompt tokens of requests that have ended, cached ones included.
    pub n_prompt: u64,
    /// Of these, tokens that the context had already.
    pub n_cached: u64,
    /// Microseconds spent evaluating prompts.
    pub prompt_us: u64,
    /// Microseconds from the first generated token of each answer to its last.
    pub generation_us: u64,
    /// Decode calls of all its workers.
    pub n_decodes: u64,
    /// Of these, those of the worker that it has now.
    decodes_of_worker: u64,
    /// Requests that ended by a stop token or a stop text, those that called tools included.
    pub n_stopped: u64,
    /// Requests that ended at a limit.
    pub n_length: u64,
    /// Requests that were cancelled.
    pub n_cancelled: u64,
    /// Requests that failed.
    pub n_failed: u64,
    /// Seconds until the worker got a request, by [`SHORT`].
    pub queue_time: Histogram,
    /// Seconds from a request's arrival to its first token, by [`SHORT`].
    pub time_to_first_token: Histogram,
    /// Seconds from a request's arrival to its end, by [`LONG`]; of those that were answered.
    pub latency: Histogram,
    /// Mean seconds of an answer from token to token, by [`TOKEN`].
    pub time_per_token: Histogram,
}

impl Totals {
    /// The worker reported an answer's progress.
    pub(crate) fn counted(&mut self, before: &Counters, now: &Counters) {
        self.prompt_us += now.prompt_us.saturating_sub(before.prompt_us);
        self.generation_us += now.generation_us.saturating_sub(before.generation_us);
        // A new worker counts from 0. What answers elsewhere counts none.
        if now.n_decodes > 0 {
            let is_same = now.n_decodes >= self.decodes_of_worker;
            self.n_decodes += now.n_decodes - if is_same { self.decodes_of_worker } else { 0 };
            self.decodes_of_worker = now.n_decodes;
        }
    }

    /// A request has ended.
    pub(crate) fn ended(&mut self, request: &Request) {
        let is_answered = match &request.answer.end {
            Some(End::Finished(Finish::Stop | Finish::StopText(_))) => {
                self.n_stopped += 1;
                true
            }
            Some(End::Finished(Finish::Length | Finish::ContextFull)) => {
                self.n_length += 1;
                true
            }
            Some(End::Finished(Finish::Cancelled)) => {
                self.n_cancelled += 1;
                false
            }
            Some(End::Failed { .. }) | None => {
                self.n_failed += 1;
                false
            }
        };
        let (figures, counters) = (&request.figures, &request.figures.counters);
        self.n_cached += u64::from(figures.n_cached);
        self.n_prompt += u64::from(figures.n_cached) + u64::from(counters.n_prompt);
        let since = request.since.uptime;
        if let Some(started) = request.started {
            self.queue_time.observe(SHORT, started.uptime.saturating_sub(since).as_secs_f64());
        }
        if let Some(time) = request.time_to_first_token() {
            self.time_to_first_token.observe(SHORT, time.as_secs_f64());
        }
        if let Some(ended) = request.ended.filter(|_| is_answered) {
            self.latency.observe(LONG, ended.uptime.saturating_sub(since).as_secs_f64());
        }
        if is_answered && counters.n_generated > 1 {
            let steps = f64::from(counters.n_generated - 1);
            self.time_per_token.observe(TOKEN, counters.generation_us as f64 / 1e6 / steps);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::moment::Moment;
    use crate::request::{Client, RequestId};

    #[test]
    fn buckets_are_cumulative_and_all_are_counted() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.cumulative(&[1.0, 2.0]).collect::<Vec<_>>(), [(1.0, 0), (2.0, 0)]);
        for value in [0.5, 1.0, 1.5, 9.0] {
            histogram.observe(&[1.0, 2.0], value);
        }
        assert_eq!(histogram.cumulative(&[1.0, 2.0]).collect::<Vec<_>>(), [(1.0, 2), (2.0, 3)]);
        assert_eq!((histogram.count, histogram.sum), (4, 12.0));
    }

    #[test]
    fn a_request_counts_by_its_end_and_its_times_as_far_as_they_are_known() {
        let at = |seconds| Moment { uptime: Duration::from_secs(seconds), unix: 0 };
        let ended = |end, begun: Option<u64>, first: Option<u64>| {
            let mut request = Request::new(RequestId(1), Client::Api, Vec::new(), at(10));
            (request.started, request.first_token) = (begun.map(at), first.map(at));
            request.figures.n_cached = 5;
            request.figures.counters =
                Counters { n_prompt: 3, n_generated: 5, generation_us: 2_000_000, ..Counters::default() };
            request.end(end, at(14));
            request
        };
        let mut totals = Totals::default();
        totals.ended(&ended(End::Finished(Finish::Stop), Some(11), Some(12)));
        totals.ended(&ended(End::Finished(Finish::Length), Some(11), Some(12)));
        totals.ended(&ended(End::Finished(Finish::Cancelled), None, None));
        totals.ended(&ended(End::failed("no"), Some(13), None));
        let Totals { n_stopped, n_length, n_cancelled, n_failed, n_prompt, n_cached, .. } = totals;
        assert_eq!((n_stopped, n_length, n_cancelled, n_failed, n_prompt, n_cached), (1, 1, 1, 1, 32, 20));
        let of = |histogram: &Histogram| (histogram.count, histogram.sum);
        assert_eq!(of(&totals.queue_time), (3, 5.0));
        assert_eq!(of(&totals.time_to_first_token), (2, 4.0));
        assert_eq!(of(&totals.latency), (2, 8.0), "what was cancelled took no time to be answered");
        assert_eq!(of(&totals.time_per_token), (2, 1.0));
    }
}
