//! `/metrics`: figures in the text format that Prometheus reads, by the names that llama-server and vLLM have for them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::server::error::Result;
use crate::server::shared::Shared;
use domain::Domain;
use domain::energy::per_session;
use domain::figure::Figure;
use domain::request::{Request, Stage, Step};
use domain::session::totals::{self, Histogram};
use domain::session::{Session, Totals};

/// Figures of all sessions.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "llama-server",
    responses((status = 200, description = "Prometheus's text format", content_type = "text/plain"))
)]
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response> {
    let text = shared.handle.read(text).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// A metric of one value for a session: its names, its help, its type and the value.
struct Metric {
    names: &'static [&'static str],
    help: &'static str,
    kind: &'static str,
    value: fn(&Session) -> Option<f64>,
}

/// A distribution: its name, its help, the bounds of its buckets and where it comes from.
struct Distribution {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64],
    of: fn(&Totals) -> &Histogram,
}

/// How many of something a session has.
type Count = fn(&Totals) -> u64;

fn n_in(session: &Session, is_in: fn(&Stage) -> bool) -> f64 {
    session.requests.iter().filter(|request| is_in(&request.stage)).count() as f64
}

/// So many per second, where there was any time.
fn rate(count: u64, micros: u64) -> Option<f64> {
    (micros > 0).then(|| count as f64 * 1e6 / micros as f64)
}

/// The share of the context that running requests have filled; `None` where no context is made.
fn context_used(session: &Session) -> Option<f64> {
    let n_ctx = f64::from(session.loaded.as_ref()?.n_ctx) * session.n_sequences() as f64;
    let filled = |request: &Request| match request.step() {
        Some(Step::Prompt { n_done, .. }) => n_done,
        _ => request.figures.counters.n_past,
    };
    let running = session.requests.iter().filter(|request| request.is_running());
    let used: f64 = running.map(|request| f64::from(filled(request))).sum();
    (n_ctx > 0.0).then(|| (used / n_ctx).min(1.0))
}

static METRICS: &[Metric] = &[
    Metric {
        names: &["llamacpp:prompt_tokens_total"],
        help: "Prompt tokens evaluated, cached ones excluded.",
        kind: "counter",
        value: |session| Some(session.n_prompt as f64),
    },
    Metric {
        names: &["llamacpp:prompt_seconds_total"],
        help: "Time spent evaluating prompts, in seconds.",
        kind: "counter",
        value: |session| Some(session.totals.prompt_us as f64 / 1e6),
    },
    Metric {
        names: &["llamacpp:tokens_predicted_total", "vllm:generation_tokens_total"],
        help: "Tokens generated.",
        kind: "counter",
        value: |session| Some(session.n_generated as f64),
    },
    Metric {
        names: &["llamacpp:tokens_predicted_seconds_total"],
        help: "Time spent generating tokens, in seconds; answers at the same time count each.",
        kind: "counter",
        value: |session| Some(session.totals.generation_us as f64 / 1e6),
    },
    Metric {
        names: &["llamacpp:prompt_tokens_seconds"],
        help: "Prompt tokens evaluated per second of evaluating them.",
        kind: "gauge",
        value: |session| rate(session.n_prompt, session.totals.prompt_us),
    },
    Metric {
        names: &["llamacpp:predicted_tokens_seconds"],
        help: "Tokens generated per second, of the last tick or the last answer.",
        kind: "gauge",
        value: Session::rate,
    },
    Metric {
        names: &["llamacpp:n_decode_total"],
        help: "Decode calls, each for all requests that run.",
        kind: "counter",
        value: |session| Some(session.totals.n_decodes as f64),
    },
    Metric {
        names: &["llamacpp:requests_processing", "vllm:num_requests_running"],
        help: "Requests being answered.",
        kind: "gauge",
        value: |session| Some(n_in(session, |stage| matches!(stage, Stage::Running(_)))),
    },
    Metric {
        names: &["llamacpp:requests_deferred", "vllm:num_requests_waiting"],
        help: "Requests waiting.",
        kind: "gauge",
        value: |session| Some(n_in(session, |stage| *stage == Stage::Queued)),
    },
    Metric {
        names: &["vllm:kv_cache_usage_perc"],
        help: "Share of the context that running requests have filled. 1 means 100 percent.",
        kind: "gauge",
        value: context_used,
    },
    Metric {
        names: &["vllm:prompt_tokens_total", "vllm:prefix_cache_queries_total"],
        help: "Prompt tokens of requests that have ended, cached ones included.",
        kind: "counter",
        value: |session| Some(session.totals.n_prompt as f64),
    },
    Metric {
        names: &["vllm:prefix_cache_hits_total"],
        help: "Cached prompt tokens of requests that have ended.",
        kind: "counter",
        value: |session| Some(session.totals.n_cached as f64),
    },
    Metric {
        names: &["taffrail_session_resident_bytes"],
        help: "Memory of the model's process, on GPUs too.",
        kind: "gauge",
        value: |session| session.memory_held().map(|bytes| bytes.0 as f64),
    },
];

static DISTRIBUTIONS: &[Distribution] = &[
    Distribution {
        name: "vllm:request_queue_time_seconds",
        help: "Time that a request waited in the queue, in seconds.",
        bounds: totals::SHORT,
        of: |totals| &totals.queue_time,
    },
    Distribution {
        name: "vllm:time_to_first_token_seconds",
        help: "Time from a request's arrival to its first token, in seconds.",
        bounds: totals::SHORT,
        of: |totals| &totals.time_to_first_token,
    },
    Distribution {
        name: "vllm:request_time_per_output_token_seconds",
        help: "Mean time per generated token of an answer, in seconds.",
        bounds: totals::TOKEN,
        of: |totals| &totals.time_per_token,
    },
    Distribution {
        name: "vllm:e2e_request_latency_seconds",
        help: "Time from a request's arrival to the end of its answer, in seconds.",
        bounds: totals::LONG,
        of: |totals| &totals.latency,
    },
];

fn text(domain: &Domain) -> String {
    let mut out = String::new();
    for metric in METRICS {
        for name in metric.names {
            let values = domain.sessions.iter().filter_map(|session| Some((session, (metric.value)(session)?)));
            let lines = values.map(|(session, value)| format!("{name}{{{}}} {value}", labels(session)));
            write(name, metric.kind, metric.help, lines, &mut out);
        }
    }
    let ends: [(&str, Count); 4] = [
        ("stop", |totals| totals.n_stopped),
        ("length", |totals| totals.n_length),
        ("abort", |totals| totals.n_cancelled),
        ("error", |totals| totals.n_failed),
    ];
    let name = "vllm:request_success_total";
    let lines = domain.sessions.iter().flat_map(|session| {
        let line = move |(reason, count): (&str, Count)| {
            let count = count(&session.totals);
            format!("{name}{{{},finished_reason=\"{reason}\"}} {count}", labels(session))
        };
        ends.into_iter().map(line)
    });
    write(name, "counter", "Requests that have ended, by finish reason.", lines, &mut out);
    for distribution in DISTRIBUTIONS {
        let lines = domain.sessions.iter().flat_map(|session| buckets(distribution, session));
        write(distribution.name, "histogram", distribution.help, lines, &mut out);
    }
    energy(domain, &mut out);
    out
}

/// Write a metric. One of which nothing is known has no line at all.
fn write(name: &str, kind: &str, help: &str, lines: impl Iterator<Item = String>, out: &mut String) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
}

/// The lines of a distribution.
fn buckets(distribution: &Distribution, session: &Session) -> Vec<String> {
    let Distribution { name, bounds, of, .. } = distribution;
    let (histogram, labels) = (of(&session.totals), labels(session));
    // As the clients of Prometheus write them: 1.0 rather than 1.
    let bucket = |(bound, count)| format!("{name}_bucket{{{labels},le=\"{bound:?}\"}} {count}");
    let mut lines: Vec<String> = histogram.cumulative(bounds).map(bucket).collect();
    let Histogram { count, sum, .. } = histogram;
    lines.push(format!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}"));
    lines.push(format!("{name}_sum{{{labels}}} {sum}"));
    lines.push(format!("{name}_count{{{labels}}} {count}"));
    lines
}

/// What the sessions' answers took so far, with its grade. A session of which nothing was metered has no line.
fn energy(domain: &Domain, out: &mut String) {
    let name = "taffrail_session_energy_joules_total";
    let lines = domain.sessions.iter().filter_map(|session| {
        let Figure::Known { value, grade, .. } = per_session(session, &domain.settings.energy).energy else {
            return None;
        };
        Some(format!("{name}{{{},grade=\"{}\"}} {}", labels(session), grade.word(), value.value))
    });
    write(name, "counter", "Gross energy of the session's answers, in joules.", lines, out);
}

/// What names a session: two of one model differ by the number that vLLM has for its engines.
fn labels(session: &Session) -> String {
    format!("model_name=\"{}\",engine=\"{}\"", label(&session.name), session.id.0)
}

/// A label's value, escaped as the format wants it.
fn label(text: &str) -> String {
    gguf::clean(text, 200).replace('\\', "\\\\").replace('"', "\\\"")
}
