//! Metrics that the engines of other programs report: their load, from all clients.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::remote_engine::EngineKind;
use crate::units::{Bytes, Ratio, digits};

/// An engine's counters at one scrape. Missing ones are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EngineReading {
    /// Requests that it answers now.
    pub n_running: Option<u32>,
    /// Requests waiting.
    pub n_waiting: Option<u32>,
    /// How full the KV cache is; of several the fullest.
    pub kv_cache: Option<Ratio>,
    /// Prompt tokens read since it started.
    pub n_prompt: Option<f64>,
    /// Tokens generated since it started.
    pub n_generated: Option<f64>,
    /// Tokens generated per second, if the engine reports the rate itself.
    pub generation_rate: Option<f64>,
    /// Models in its memory.
    pub n_loaded: Option<u32>,
    /// Memory that they take.
    pub memory: Option<Bytes>,
    /// Of that, memory on GPUs.
    pub gpu_memory: Option<Bytes>,
    /// It has freed its memory until the next request comes.
    pub is_asleep: bool,
}

/// Why an engine reports nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineSilence {
    /// It has no counters, or does not show them.
    NotReported {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        remedy: Option<String>,
    },
    /// It could not be asked.
    Failed {
        /// Why, in one clause.
        reason: String,
    },
}

/// An answer of an engine, or that there was none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineNews {
    /// The engine's name.
    pub engine: String,
    /// What it is.
    pub kind: EngineKind,
    /// The time since the answer before this one; `None` for the first.
    pub after: Option<Duration>,
    /// Its answer.
    pub answer: Result<EngineReading, EngineSilence>,
}

/// What is known of an engine's work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineMetrics {
    /// The engine's name.
    pub engine: String,
    /// What it is.
    pub kind: EngineKind,
    /// When it was asked last.
    pub at: Moment,
    /// Its answer then.
    pub answer: Result<EngineReading, EngineSilence>,
    /// Prompt tokens read per second between the last two answers.
    pub prompt_rate: Option<f64>,
    /// Tokens generated per second, by the engine's word or between the last two answers.
    pub generation_rate: Option<f64>,
}

/// Tokens per second between two counts. A count that has fallen is that of an engine which was restarted: how much it did
/// in between is unknown.
fn rate(before: Option<f64>, now: Option<f64>, after: Option<Duration>) -> Option<f64> {
    let (new, seconds) = (now? - before?, after?.as_secs_f64());
    (new >= 0.0 && seconds > 0.0).then(|| new / seconds)
}

impl EngineMetrics {
    /// The most engines: those of config.toml, and those that listen on usual ports.
    pub const MAX: usize = 80;

    /// After so long without an answer nothing is known any more. A still llama-server is asked every twenty minutes.
    pub const STALE: Duration = Duration::from_mins(30);

    /// Of an engine's first answer, or of the one after `before`.
    pub fn new(news: EngineNews, before: Option<&Self>, at: Moment) -> Self {
        let EngineNews { engine, kind, after, answer } = news;
        let before = before.and_then(|before| before.answer.as_ref().ok());
        let rate =
            |of: fn(&EngineReading) -> Option<f64>| rate(before.and_then(of), answer.as_ref().ok().and_then(of), after);
        let told = answer.as_ref().ok().and_then(|reading| reading.generation_rate);
        let generation_rate = told.or_else(|| rate(|reading| reading.n_generated));
        Self { prompt_rate: rate(|reading| reading.n_prompt), generation_rate, engine, kind, at, answer }
    }

    /// How long ago it was asked.
    pub fn age(&self, now: Moment) -> Duration {
        now.uptime.saturating_sub(self.at.uptime)
    }

    /// What it does, in a clause: `3 running · 1 waiting · KV 41% · 812 tok/s`.
    pub fn line(&self) -> String {
        let reading = match &self.answer {
            Ok(reading) if reading.is_asleep => return "asleep: its memory is free until it is asked".to_owned(),
            Ok(reading) => reading,
            Err(EngineSilence::NotReported { reason, .. }) => return format!("not reported: {reason}"),
            Err(EngineSilence::Failed { reason }) => return reason.clone(),
        };
        let parts = [
            reading.n_running.map(|n| format!("{n} running")),
            reading.n_waiting.map(|n| format!("{n} waiting")),
            reading.kv_cache.map(|used| format!("KV {used}")),
            self.generation_rate.map(|rate| format!("{} tok/s", digits(rate))),
            reading.n_loaded.map(|n| if n == 1 { "1 model loaded".to_owned() } else { format!("{n} models loaded") }),
            reading.memory.map(|memory| memory.to_string()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "not reported".to_owned() } else { parts.join(" · ") }
    }
}

/// What is known of an engine's work, in documents. What it does not report is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineDocument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// `reported`, `asleep`, `not_reported` or `failed`.
    pub state: &'static str,
    /// Why it reports nothing.
    pub reason: Option<String>,
    /// What could be done.
    pub remedy: Option<String>,
    /// Requests that it answers now.
    pub requests_running: Option<u32>,
    /// Requests waiting.
    pub requests_waiting: Option<u32>,
    /// 0 to 1.
    pub kv_cache_usage: Option<f64>,
    /// Of all its requests together.
    pub prompt_tokens_per_second: Option<f64>,
    /// The same.
    pub generation_tokens_per_second: Option<f64>,
    /// Models in its memory.
    pub models_loaded: Option<u32>,
    /// What they take.
    pub memory_bytes: Option<Bytes>,
    /// Of that, on GPUs.
    pub gpu_memory_bytes: Option<Bytes>,
    /// How long ago it was asked.
    pub age_s: f64,
}

impl EngineDocument {
    /// Of what is known now.
    pub fn new(engine: &EngineMetrics, now: Moment) -> Self {
        let (state, reason, remedy) = match engine.answer.clone() {
            Ok(reading) => (if reading.is_asleep { "asleep" } else { "reported" }, None, None),
            Err(EngineSilence::NotReported { reason, remedy }) => ("not_reported", Some(reason), remedy),
            Err(EngineSilence::Failed { reason }) => ("failed", Some(reason), None),
        };
        let reading = engine.answer.as_ref().copied().unwrap_or_default();
        Self {
            name: engine.engine.clone(),
            kind: engine.kind.name(),
            state,
            reason,
            remedy,
            requests_running: reading.n_running,
            requests_waiting: reading.n_waiting,
            kv_cache_usage: reading.kv_cache.map(|used| used.0),
            prompt_tokens_per_second: engine.prompt_rate,
            generation_tokens_per_second: engine.generation_rate,
            models_loaded: reading.n_loaded,
            memory_bytes: reading.memory,
            gpu_memory_bytes: reading.gpu_memory,
            age_s: engine.age(now).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(reading: EngineReading, after: Option<u64>) -> EngineNews {
        let after = after.map(Duration::from_secs);
        EngineNews { engine: "lab".to_owned(), kind: EngineKind::Vllm, after, answer: Ok(reading) }
    }

    #[test]
    fn rates_are_what_was_counted_between_two_answers_and_never_negative() {
        let count =
            |n: f64| EngineReading { n_generated: Some(n), n_prompt: Some(2.0 * n), ..EngineReading::default() };
        let told = EngineReading { generation_rate: Some(7.0), ..count(0.0) };
        let nothing = EngineReading::default();
        for (what, before, now, after, expected) in [
            ("the first answer", None, count(100.0), None, None),
            ("100 tokens in 2 s", Some(count(100.0)), count(200.0), Some(2), Some(50.0)),
            ("none", Some(count(100.0)), count(100.0), Some(2), Some(0.0)),
            ("an engine that was started anew", Some(count(100.0)), count(10.0), Some(2), None),
            ("no time", Some(count(100.0)), count(200.0), Some(0), None),
            ("one that tells it no more", Some(count(100.0)), nothing, Some(2), None),
            ("one that tells the rate itself", Some(count(100.0)), told, Some(2), Some(7.0)),
        ] {
            let at = Moment::default();
            let before = before.map(|before| EngineMetrics::new(news(before, None), None, at));
            let now = EngineMetrics::new(news(now, after), before.as_ref(), at);
            assert_eq!(now.generation_rate, expected, "{what}");
            assert!(now.prompt_rate.is_none_or(|rate| rate >= 0.0), "{what}");
        }
    }

    #[test]
    fn what_is_not_told_is_left_out_of_the_line() {
        let of = |answer| {
            let news = EngineNews { answer, ..news(EngineReading::default(), None) };
            EngineMetrics::new(news, None, Moment::default()).line()
        };
        let busy = EngineReading {
            n_running: Some(3),
            n_waiting: Some(0),
            kv_cache: Some(Ratio(0.41)),
            ..EngineReading::default()
        };
        let silent = EngineSilence::NotReported { reason: "it has no counters".to_owned(), remedy: None };
        let ollama =
            EngineReading { n_loaded: Some(1), memory: Some(Bytes(2_000_000_000)), ..EngineReading::default() };
        for (answer, expected) in [
            (Ok(busy), "3 running · 0 waiting · KV 41%"),
            (Ok(ollama), "1 model loaded · 2.0 GB"),
            (Ok(EngineReading::default()), "not reported"),
            (Ok(EngineReading { is_asleep: true, ..busy }), "asleep: its memory is free until it is asked"),
            (Err(silent), "not reported: it has no counters"),
            (Err(EngineSilence::Failed { reason: "no answer within 1 s".to_owned() }), "no answer within 1 s"),
        ] {
            assert_eq!(of(answer), expected);
        }
    }
}
