//! `/metrics`: figures in the text format that Prometheus reads, by the names that llama-server and vLLM have for them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::server::error::Result;
use crate::server::shared::Shared;
use domain::Domain;
use domain::request::Stage;
use domain::session::Session;

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

/// A metric: its names, its help, its type and its value of a session.
struct Metric {
    names: &'static [&'static str],
    help: &'static str,
    kind: &'static str,
    value: fn(&Session) -> Option<f64>,
}

fn n_in(session: &Session, is_in: fn(&Stage) -> bool) -> f64 {
    session.requests.iter().filter(|request| is_in(&request.stage)).count() as f64
}

static METRICS: &[Metric] = &[
    Metric {
        names: &["llamacpp:prompt_tokens_total", "vllm:prompt_tokens_total"],
        help: "Prompt tokens evaluated.",
        kind: "counter",
        value: |session| Some(session.n_prompt as f64),
    },
    Metric {
        names: &["llamacpp:tokens_predicted_total", "vllm:generation_tokens_total"],
        help: "Tokens generated.",
        kind: "counter",
        value: |session| Some(session.n_generated as f64),
    },
    Metric {
        names: &["llamacpp:requests_processing", "vllm:num_requests_running"],
        help: "Requests that are answered now.",
        kind: "gauge",
        value: |session| Some(n_in(session, |stage| matches!(stage, Stage::Running(_)))),
    },
    Metric {
        names: &["llamacpp:requests_deferred", "vllm:num_requests_waiting"],
        help: "Requests that wait.",
        kind: "gauge",
        value: |session| Some(n_in(session, |stage| *stage == Stage::Queued)),
    },
    Metric {
        names: &["llamacpp:predicted_tokens_seconds"],
        help: "Tokens generated per second, of the last tick or the last answer.",
        kind: "gauge",
        value: Session::rate,
    },
    Metric {
        names: &["taffrail_session_resident_bytes"],
        help: "Memory that the model's process and its part of GPUs hold.",
        kind: "gauge",
        value: |session| session.memory_held().map(|bytes| bytes.0 as f64),
    },
];

fn text(domain: &Domain) -> String {
    let mut out = String::new();
    for metric in METRICS {
        for name in metric.names {
            let values = domain.sessions.iter().filter_map(|session| Some((session, (metric.value)(session)?)));
            // What is unknown has no line.
            let mut values = values.peekable();
            if values.peek().is_none() {
                continue;
            }
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", metric.help, metric.kind);
            for (session, value) in values {
                let _ = writeln!(out, "{name}{{model_name=\"{}\"}} {value}", label(&session.name));
            }
        }
    }
    out
}

/// A label's value, escaped as the format wants it.
fn label(text: &str) -> String {
    gguf::clean(text, 200).replace('\\', "\\\\").replace('"', "\\\"")
}
