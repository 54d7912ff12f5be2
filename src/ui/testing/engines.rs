//! Engines of other programs with their counters, and a session on one of them.

use std::sync::Arc;
use std::time::Duration;

use crate::ui::State;
use domain::engine_metrics::{EngineMetrics, EngineNews, EngineReading, EngineSilence};
use domain::model::remote::{EngineKind, Remote};
use domain::model::{Model, Store};
use domain::units::{Bytes, Ratio};

/// Put them in. The chosen session runs on the busiest of them.
pub(super) fn add(state: &mut State) {
    let now = state.domain.now;
    let busy = EngineReading {
        n_running: Some(44),
        n_waiting: Some(72),
        kv_cache: Some(Ratio(0.94)),
        n_prompt: Some(5_068_810.0),
        n_generated: Some(425_000.0),
        ..EngineReading::default()
    };
    let later = EngineReading { n_prompt: Some(5_071_810.0), n_generated: Some(426_624.0), ..busy };
    let ollama = EngineReading {
        n_loaded: Some(2),
        memory: Some(Bytes(12_591_830_464)),
        gpu_memory: Some(Bytes(5_333_539_264)),
        ..EngineReading::default()
    };
    let silent = EngineSilence::NotReported {
        reason: "it has no /metrics".to_owned(),
        remedy: Some("start it with --enable-metrics".to_owned()),
    };
    let failed =
        EngineSilence::Failed { reason: "it can't be reached at 10.0.0.7:8080: connection refused".to_owned() };
    let news = |engine: &str, kind, answer, after| EngineNews { engine: engine.to_owned(), kind, after, answer };
    let before = EngineMetrics::new(news("lab", EngineKind::Vllm, Ok(busy), None), None, now);
    let after = Some(Duration::from_secs(2));
    state.domain.engines = vec![
        EngineMetrics::new(news("desk", EngineKind::LlamaServer, Err(failed), None), None, now),
        EngineMetrics::new(news("lab", EngineKind::Vllm, Ok(later), after), Some(&before), now),
        EngineMetrics::new(news("ollama-11434", EngineKind::Ollama, Ok(ollama), None), None, now),
        EngineMetrics::new(news("sgl", EngineKind::Sglang, Err(silent), None), None, now),
    ];
    let Some(session) = state.domain.sessions.first_mut() else { return };
    let remote = Remote {
        engine: "lab".to_owned(),
        url: "https://vllm.example.org".to_owned(),
        kind: EngineKind::Vllm,
        model: "Qwen/Qwen3-8B".to_owned(),
        context: Some(40_960),
        ..Remote::default()
    };
    let model = Model { store: Store::Remote, remote: Some(Box::new(remote)), ..Model::clone(&session.model) };
    session.model = Arc::new(model);
}
