//! What is loaded, and what it does now.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use crate::server::body::Json;
use crate::server::error::Result;
use crate::server::shared::Shared;
use domain::Domain;
use domain::request::{Request, Step};
use domain::session::{Phase, Session};

/// How the server runs. Of the model that was loaded last, since this server has several.
#[utoipa::path(get, path = "/props", tag = "llama-server", responses((status = 200, description = "How it runs")))]
pub(super) async fn props(State(shared): State<Arc<Shared>>) -> Result<Json<Value>> {
    Ok(Json(shared.handle.read(document).await?))
}

/// The sequences of all loaded models.
#[utoipa::path(get, path = "/slots", tag = "llama-server", responses((status = 200, description = "The sequences")))]
pub(super) async fn slots(State(shared): State<Arc<Shared>>) -> Result<Json<Value>> {
    Ok(Json(shared.handle.read(|domain| Value::Array(ready(domain).flat_map(of_session).collect())).await?))
}

fn ready(domain: &Domain) -> impl DoubleEndedIterator<Item = &Session> {
    domain.sessions.iter().filter(|session| session.phase == Phase::Ready)
}

fn document(domain: &Domain) -> Value {
    let session = ready(domain).next_back();
    let n_slots: usize = ready(domain).map(Session::n_sequences).sum();
    let sampling =
        session.and_then(|session| session.loaded.as_ref()).map(|loaded| loaded.sampling).unwrap_or_default();
    json!({
        "default_generation_settings": {
            "n_ctx": session.and_then(Session::known_context),
            "params": {
                "temperature": sampling.temperature,
                "top_k": sampling.top_k,
                "top_p": sampling.top_p,
                "min_p": sampling.min_p,
                "typical_p": sampling.typical_p,
                "top_n_sigma": sampling.top_n_sigma,
                "xtc_probability": sampling.xtc_probability,
                "xtc_threshold": sampling.xtc_threshold,
                "repeat_penalty": sampling.repeat_penalty,
                "repeat_last_n": sampling.repeat_last_n,
                "frequency_penalty": sampling.frequency_penalty,
                "presence_penalty": sampling.presence_penalty,
                "mirostat": sampling.mirostat,
                "mirostat_tau": sampling.mirostat_tau,
                "mirostat_eta": sampling.mirostat_eta,
            },
        },
        "total_slots": n_slots,
        "model_alias": session.map(|session| &session.name),
        "modalities": {"vision": false, "audio": false},
        "build_info": format!("taffrail {}", env!("CARGO_PKG_VERSION")),
        // No weights are held.
        "is_sleeping": session.is_none(),
    })
}

fn of_session(session: &Session) -> Vec<Value> {
    let running: Vec<&Request> = session.requests.iter().filter(|request| request.is_running()).collect();
    let slot = |place: usize| {
        let request = running.get(place);
        let counters = request.map(|request| request.figures.counters);
        let prompt = request.and_then(|request| match request.step()? {
            Step::Prompt { n_prompt, .. } => Some(n_prompt),
            _ => None,
        });
        json!({
            "id": place,
            "id_task": request.map_or(-1, |request| request.id.0.cast_signed()),
            "model": session.name,
            "n_ctx": session.known_context(),
            "speculative": false,
            "is_processing": request.is_some(),
            "n_prompt_tokens": prompt,
            "next_token": [{"n_decoded": counters.map_or(0, |counters| counters.n_generated)}],
        })
    };
    (0..session.n_sequences().max(running.len())).map(slot).collect()
}
