//! How much an engine does, by its own counters.

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::{RemoteError, list, prometheus};
use domain::engine_metrics::{EngineReading, EngineSilence};
use domain::model::remote::EngineKind;
use domain::units::{Bytes, Ratio};

/// How long an engine may take for one request.
const DEADLINE: Duration = Duration::from_millis(1500);

/// The most bytes of a page of counters: vLLM's has 100 kB, with a dozen histograms.
const MAX_PAGE: usize = 2 << 20;

/// The most models of a router that are asked.
const MAX_LOADED: usize = 8;

/// What a counter tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Running,
    Waiting,
    KvCache,
    Prompt,
    Generated,
    Rate,
}

/// The names that engines have for the same, of which the first that is there counts: vLLM, `SGLang`, llama-server,
/// `GPUStack`, TGI. Those of older versions follow.
const NAMES: [(What, &str); 28] = [
    (What::Running, "vllm:num_requests_running"),
    (What::Running, "sglang:num_running_reqs"),
    (What::Running, "sglang:num_requests_running"),
    (What::Running, "llamacpp:requests_processing"),
    (What::Running, "gpustack:num_requests_running"),
    (What::Running, "tgi_batch_current_size"),
    (What::Waiting, "vllm:num_requests_waiting"),
    (What::Waiting, "sglang:num_queue_reqs"),
    (What::Waiting, "sglang:num_requests_waiting"),
    (What::Waiting, "llamacpp:requests_deferred"),
    (What::Waiting, "gpustack:num_requests_waiting"),
    (What::Waiting, "tgi_queue_size"),
    (What::KvCache, "vllm:kv_cache_usage_perc"),
    (What::KvCache, "vllm:gpu_cache_usage_perc"),
    (What::KvCache, "sglang:token_usage"),
    (What::KvCache, "gpustack:kv_cache_usage_ratio"),
    (What::KvCache, "llamacpp:kv_cache_usage_ratio"),
    (What::Prompt, "llamacpp:prompt_tokens_total"),
    (What::Prompt, "vllm:prompt_tokens_total"),
    (What::Prompt, "sglang:prompt_tokens_total"),
    (What::Prompt, "gpustack:prompt_tokens"),
    (What::Prompt, "tgi_request_input_length_sum"),
    (What::Generated, "llamacpp:tokens_predicted_total"),
    (What::Generated, "vllm:generation_tokens_total"),
    (What::Generated, "sglang:generation_tokens_total"),
    (What::Generated, "gpustack:generation_tokens"),
    (What::Generated, "tgi_request_generated_tokens_sum"),
    (What::Rate, "sglang:gen_throughput"),
];

/// Look at an engine once. Several requests may be one look.
pub(super) async fn look(client: &Client) -> Result<EngineReading, EngineSilence> {
    let look = tokio::time::timeout(2 * DEADLINE, read(client)).await;
    look.unwrap_or_else(|_late| Err(EngineSilence::Failed { reason: "no answer in time".to_owned() }))
}

async fn read(client: &Client) -> Result<EngineReading, EngineSilence> {
    match client.kind() {
        EngineKind::LlamaServer => llama_server(client).await,
        EngineKind::Ollama => {
            let loaded = ollama(&json(client, "api/ps").await?);
            let told = if client.is_taffrail { page(client, "metrics").await? } else { None };
            let EngineReading { n_loaded, memory, gpu_memory, .. } = loaded;
            Ok(EngineReading { n_loaded, memory, gpu_memory, ..told.unwrap_or_default() })
        }
        EngineKind::LmStudio => match client.get("api/v1/models", DEADLINE).await {
            Ok(list) if list.get("models").is_some() => Ok(lm_studio(&list)),
            Ok(_) => Err(silent("this version has no counters", None)),
            Err(error) => Err(failed(error)),
        },
        EngineKind::Anthropic => Err(silent("its API has no counters", None)),
        EngineKind::OpenAi if client.host() == "api.openai.com" => Err(silent("its API has no counters", None)),
        kind => match page(client, "metrics").await? {
            Some(reading) => Ok(reading),
            None => Err(silent("it has no /metrics", remedy(kind))),
        },
    }
}

fn silent(reason: &str, remedy: Option<&str>) -> EngineSilence {
    EngineSilence::NotReported { reason: reason.to_owned(), remedy: remedy.map(str::to_owned) }
}

fn remedy(kind: EngineKind) -> Option<&'static str> {
    match kind {
        EngineKind::Sglang => Some("start it with --enable-metrics"),
        EngineKind::LlamaServer => Some("start it with --metrics"),
        EngineKind::Vllm => Some("it is off there: start it without --disable-log-stats"),
        _ => None,
    }
}

fn failed(error: RemoteError) -> EngineSilence {
    EngineSilence::Failed { reason: error.reason }
}

async fn json(client: &Client, path: &str) -> Result<Value, EngineSilence> {
    client.get(path, DEADLINE).await.map_err(failed)
}

/// A page of counters; `None` where there is none.
async fn page(client: &Client, path: &str) -> Result<Option<EngineReading>, EngineSilence> {
    match client.text(path, DEADLINE, MAX_PAGE).await {
        Ok(text) => Ok(Some(counters(&text)).filter(|reading| *reading != EngineReading::default())),
        // It answers, and shows none.
        Err(error) if matches!(error.status, Some(404 | 405 | 501)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// What a page says.
pub(super) fn counters(text: &str) -> EngineReading {
    let found = prometheus::read(text, NAMES.map(|(_, name)| name));
    let first = |what: What| NAMES.iter().zip(found).find_map(|((of, _), series)| series.filter(|_| *of == what));
    let sum = |what: What| first(what).map(|series| series.sum);
    let count = |what: What| sum(what).map(|sum| sum as u32);
    EngineReading {
        n_running: count(What::Running),
        n_waiting: count(What::Waiting),
        kv_cache: first(What::KvCache).map(|series| Ratio(series.most)).filter(|used| used.0 <= 1.0),
        n_prompt: sum(What::Prompt),
        n_generated: sum(What::Generated),
        generation_rate: sum(What::Rate),
        ..EngineReading::default()
    }
}

/// Whether a llama-server sleeps. Looking there neither wakes it nor keeps it awake, which looking at its counters does.
pub(super) async fn sleeps(client: &Client) -> bool {
    client.get("props", DEADLINE).await.is_ok_and(|props| is_asleep(&props))
}

fn is_asleep(props: &Value) -> bool {
    props.get("is_sleeping").is_some_and(|sleeps| sleeps == true)
}

/// One server, or the router of several.
async fn llama_server(client: &Client) -> Result<EngineReading, EngineSilence> {
    let props = json(client, "props").await?;
    if is_asleep(&props) {
        return Ok(EngineReading { is_asleep: true, ..EngineReading::default() });
    }
    if props.get("role").is_none_or(|role| role != "router") {
        return one_server(client, "").await;
    }
    let entries = list::models(client).await.map_err(failed)?;
    let loaded: Vec<_> = entries.into_iter().filter(|entry| entry.is_loaded == Some(true)).collect();
    let mut all = EngineReading { n_loaded: u32::try_from(loaded.len()).ok(), ..EngineReading::default() };
    let mut silence = None;
    for entry in loaded.iter().take(MAX_LOADED) {
        let name = percent_encoding::utf8_percent_encode(&entry.name, percent_encoding::NON_ALPHANUMERIC);
        // Nothing is loaded to be asked.
        match one_server(client, &format!("?model={name}&autoload=false")).await {
            Ok(one) => all = sum(all, one),
            Err(error) => silence = Some(error),
        }
    }
    match silence {
        Some(silence) if all.n_running.is_none() && !loaded.is_empty() => Err(silence),
        _ => Ok(all),
    }
}

/// Two models of one engine together.
fn sum(a: EngineReading, b: EngineReading) -> EngineReading {
    let both = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
    let count = |a: Option<u32>, b: Option<u32>| a.map_or(b, |a| Some(a.saturating_add(b.unwrap_or(0))));
    EngineReading {
        n_running: count(a.n_running, b.n_running),
        n_waiting: count(a.n_waiting, b.n_waiting),
        kv_cache: [a.kv_cache, b.kv_cache].into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0)),
        n_prompt: both(a.n_prompt, b.n_prompt),
        n_generated: both(a.n_generated, b.n_generated),
        ..a
    }
}

/// A server's counters, with what its slots say of answers that are not counted before they end.
async fn one_server(client: &Client, query: &str) -> Result<EngineReading, EngineSilence> {
    let told = page(client, &format!("metrics{query}")).await?;
    let slots = client.get(&format!("slots{query}"), DEADLINE).await.ok().as_ref().and_then(slots);
    match (told, slots) {
        (None, None) => Err(silent("it was started without --metrics", remedy(EngineKind::LlamaServer))),
        (told, slots) => Ok(with_slots(told.unwrap_or_default(), slots)),
    }
}

/// What the slots of a llama-server say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Slots {
    n_running: u32,
    n_decoded: f64,
    kv_cache: Option<Ratio>,
}

/// The most slots that are read.
const MAX_SLOTS: usize = 1024;

pub(super) fn slots(value: &Value) -> Option<Slots> {
    let all = value.as_array()?;
    let mut slots = Slots::default();
    let (mut used, mut room) = (0.0, 0.0);
    for slot in all.iter().take(MAX_SLOTS) {
        let number = |at: &str| slot.pointer(at).and_then(Value::as_f64).filter(|number| *number >= 0.0);
        // A list in newer versions, an object in older ones.
        let decoded = number("/next_token/0/n_decoded").or_else(|| number("/next_token/n_decoded")).unwrap_or(0.0);
        room += number("/n_ctx").unwrap_or(0.0);
        if slot.get("is_processing").is_some_and(|busy| busy == true) {
            slots.n_running += 1;
            slots.n_decoded += decoded;
            let read =
                number("/n_prompt_tokens_processed").unwrap_or(0.0) + number("/n_prompt_tokens_cache").unwrap_or(0.0);
            // What is generated is counted among the prompt's tokens by some versions.
            used += number("/n_prompt_tokens").unwrap_or(0.0).max(read + decoded);
        }
    }
    // Versions that tell no prompt's length would show too little.
    let tells_prompts = all.iter().any(|slot| slot.get("n_prompt_tokens").is_some()) || slots.n_running == 0;
    slots.kv_cache = (room > 0.0 && tells_prompts).then(|| Ratio((used / room).min(1.0)));
    Some(slots)
}

pub(super) fn with_slots(told: EngineReading, slots: Option<Slots>) -> EngineReading {
    let Some(slots) = slots else { return told };
    EngineReading {
        n_running: told.n_running.or(Some(slots.n_running)),
        kv_cache: told.kv_cache.or(slots.kv_cache),
        // Its counter takes an answer at its end.
        n_generated: told.n_generated.map(|ended| ended + slots.n_decoded),
        ..told
    }
}

pub(super) fn ollama(ps: &Value) -> EngineReading {
    let models = ps.get("models").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let size = |model: &Value| model.get("size").and_then(Value::as_u64).filter(|size| *size > 0);
    let memory: Option<Vec<u64>> = models.iter().map(size).collect();
    // What is nothing is left out by some versions.
    let gpu = models.iter().map(|model| model.get("size_vram").and_then(Value::as_u64).unwrap_or(0));
    let sum = |all: Vec<u64>| all.into_iter().map(Bytes).sum::<Bytes>();
    EngineReading {
        n_loaded: u32::try_from(models.len()).ok(),
        gpu_memory: memory.as_ref().map(|_| sum(gpu.collect())),
        memory: memory.map(sum),
        ..EngineReading::default()
    }
}

pub(super) fn lm_studio(list: &Value) -> EngineReading {
    let models = list.get("models").and_then(Value::as_array);
    let instances = models.map(|models| {
        let of = |model: &Value| model.get("loaded_instances").and_then(Value::as_array).map_or(0, Vec::len);
        models.iter().map(of).sum::<usize>()
    });
    EngineReading { n_loaded: instances.and_then(|n| u32::try_from(n).ok()), ..EngineReading::default() }
}
