//! A request as JSON documents have it, without its texts.

use std::time::Duration;

use serde::Serialize;

use super::row::{RequestState, Row};
use crate::ask::Priority;
use crate::energy::Report;
use crate::record::Provenance;
use crate::state::Domain;

/// A request; what is not known is null.
#[derive(Debug, Serialize)]
pub struct RequestDocument<'a> {
    id: u64,
    client: &'a str,
    agent: Option<&'a str>,
    api: Option<&'static str>,
    priority: Priority,
    model: &'a str,
    model_id: &'a str,
    state: RequestState,
    finish: Option<&'static str>,
    error: Option<&'a str>,
    /// Seconds since 1970.
    arrived: i64,
    queue_ms: f64,
    ttft_ms: Option<f64>,
    duration_ms: f64,
    tokens: Tokens,
    prompt_tokens_per_second: Option<f64>,
    generation_tokens_per_second: Option<f64>,
    energy: Energy,
}

#[derive(Debug, Serialize)]
struct Tokens {
    prompt: Option<u32>,
    cached: Option<u32>,
    generated: Option<u32>,
    reasoning: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Energy {
    joules: Option<f64>,
    /// Whether all of it is booked.
    is_whole: bool,
    #[serde(flatten)]
    provenance: Provenance,
}

impl<'a> RequestDocument<'a> {
    /// Of this request.
    pub fn new(row: &Row<'a>, domain: &Domain) -> Self {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let counters = &row.figures.counters;
        Self {
            id: row.id.0,
            client: row.client(),
            agent: row.agent(),
            api: row.api(),
            priority: row.priority,
            model: row.model,
            model_id: row.model_id,
            state: row.state,
            finish: row.finish(),
            error: row.error(),
            arrived: row.since.unix,
            queue_ms: millis(row.queue_time(domain.now)),
            ttft_ms: row.time_to_first_token().map(millis),
            duration_ms: millis(row.duration(domain.now)),
            tokens: Tokens {
                prompt: row.n_prompt,
                cached: row.n_cached(),
                generated: row.n_generated(),
                reasoning: row.n_generated().map(|_| counters.n_reasoning),
            },
            prompt_tokens_per_second: counters.prompt_rate(),
            generation_tokens_per_second: counters.generation_rate(),
            energy: Energy::of(row, domain),
        }
    }
}

impl Energy {
    fn of(row: &Row<'_>, domain: &Domain) -> Self {
        let settings = &domain.settings.energy;
        let energy = row.energy(settings);
        let joules = energy.value().map(|joules| joules.value);
        let provenance = Provenance::of(&Report { energy, ..Report::of_answer(row.figures, settings) });
        Self { joules, is_whole: row.figures.is_settled && !row.is_open(), provenance }
    }
}
