//! What an engine is, and which models it has.

use std::time::Duration;

use serde_json::Value;

use super::RemoteError;
use super::client::Client;
use domain::model::remote::EngineKind;

/// How long an engine may take for a list.
const LIST: Duration = Duration::from_secs(3);
/// The most models of an engine; a provider of providers has some hundred.
const MAX_MODELS: usize = 2000;
/// The longest name of a model, in bytes.
const MAX_NAME: usize = 256;

/// A model as its engine tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    /// Its name there.
    pub(super) name: String,
    /// Bytes of its weights.
    pub(super) size: Option<u64>,
    /// Its context, in tokens.
    pub(super) context: Option<u32>,
    /// Whether it is in memory.
    pub(super) is_loaded: Option<bool>,
    /// Its quantisation, in the engine's word.
    pub(super) quant: Option<String>,
    /// The name of what is loaded of it, where that is another one.
    pub(super) instance: Option<String>,
}

/// Find out what an engine is.
pub(super) async fn kind_of(client: &Client) -> Result<EngineKind, RemoteError> {
    match client.kind() {
        EngineKind::Auto => {}
        kind => return Ok(kind),
    }
    let host = client.host();
    for (name, kind) in [("api.anthropic.com", EngineKind::Anthropic), ("api.openai.com", EngineKind::OpenAi)] {
        if host == name {
            return Ok(kind);
        }
    }
    let listed = client.get("v1/models", LIST).await;
    let owner = listed.as_ref().ok().and_then(|list| list.pointer("/data/0/owned_by")?.as_str().map(str::to_owned));
    match owner.as_deref() {
        Some("vllm") => return Ok(EngineKind::Vllm),
        Some("sglang") => return Ok(EngineKind::Sglang),
        Some("llamacpp") => return Ok(EngineKind::LlamaServer),
        _ => {}
    }
    // An engine that is not there, or wants a key, is not asked any further.
    if let Err(error) = &listed
        && !error.reason.starts_with("it answers")
    {
        return Err(error.clone());
    }
    let has = async |path: &str, at: &str| client.get(path, LIST).await.is_ok_and(|value| value.pointer(at).is_some());
    if has("api/tags", "/models").await {
        return Ok(EngineKind::Ollama);
    }
    if has("props", "/default_generation_settings").await || has("props", "/role").await {
        return Ok(EngineKind::LlamaServer);
    }
    if has("api/v1/models", "/models").await || has("api/v0/models", "/data/0/compatibility_type").await {
        return Ok(EngineKind::LmStudio);
    }
    listed.map(|_| EngineKind::OpenAi)
}

/// The models of an engine of a known kind.
pub(super) async fn models(client: &Client) -> Result<Vec<Entry>, RemoteError> {
    let mut entries = match client.kind() {
        EngineKind::Ollama => {
            let loaded = client.get("api/ps", LIST).await.ok();
            ollama(&client.get("api/tags", LIST).await?, loaded.as_ref())
        }
        EngineKind::LmStudio => match client.get("api/v1/models", LIST).await {
            Ok(list) if list.get("models").is_some() => lm_studio(&list),
            // Versions before 0.4 have another list, and those before 0.3.6 none.
            _ => match client.get("api/v0/models", LIST).await {
                Ok(list) if list.get("data").is_some() => lm_studio_v0(&list),
                _ => openai(&client.get("v1/models", LIST).await?),
            },
        },
        // It tells twenty at a time where no number is named.
        EngineKind::Anthropic => openai(&client.get("v1/models?limit=1000", LIST).await?),
        EngineKind::LlamaServer => {
            let mut entries = openai(&client.get("v1/models", LIST).await?);
            if let [entry] = &mut entries[..]
                && let Ok(props) = client.get("props", LIST).await
            {
                let context = props.pointer("/default_generation_settings/n_ctx").and_then(count);
                entry.context = context.or(entry.context);
            }
            entries
        }
        _ => openai(&client.get("v1/models", LIST).await?),
    };
    entries.truncate(MAX_MODELS);
    Ok(entries)
}

/// The items of a list. What another taffrail has from an engine elsewhere is that one's, and may be our own.
fn items<'a>(list: &'a Value, at: &str) -> impl Iterator<Item = &'a Value> {
    let all = list.get(at).and_then(Value::as_array).into_iter().flatten().take(MAX_MODELS);
    all.filter(|item| item.get("remote_engine").is_none())
}

/// A name that can be one.
fn name(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|name| (1..=MAX_NAME).contains(&name.len())).map(str::to_owned)
}

/// A count of tokens; nothing is none.
pub(super) fn count(value: &Value) -> Option<u32> {
    value.as_u64().filter(|count| *count > 0).and_then(|count| u32::try_from(count).ok())
}

pub(super) fn openai(list: &Value) -> Vec<Entry> {
    let entry = |item: &Value| {
        let status = item.pointer("/status/value").and_then(Value::as_str);
        let context = ["/max_model_len", "/meta/n_ctx", "/max_input_tokens", "/context_length", "/meta/n_ctx_train"];
        Some(Entry {
            name: name(item.get("id"))?,
            size: item.pointer("/meta/size").and_then(Value::as_u64).filter(|size| *size > 0),
            context: context.iter().find_map(|at| count(item.pointer(at)?)),
            is_loaded: status.map(|status| status == "loaded" || status == "sleeping"),
            ..Entry::default()
        })
    };
    items(list, "data").filter_map(entry).collect()
}

pub(super) fn ollama(tags: &Value, loaded: Option<&Value>) -> Vec<Entry> {
    let entry = |item: &Value| {
        let name = name(item.get("name"))?;
        // Some versions tell the one name, some the other.
        let is_it = |running: &&Value| ["name", "model"].iter().any(|key| running.get(*key) == item.get("name"));
        let running = loaded.map(|list| items(list, "models").find(is_it));
        Some(Entry {
            size: item.get("size").and_then(Value::as_u64).filter(|size| *size > 0),
            context: running.flatten().and_then(|running| count(running.get("context_length")?)),
            is_loaded: running.map(|running| running.is_some()),
            quant: item.pointer("/details/quantization_level").and_then(Value::as_str).map(str::to_owned),
            name,
            ..Entry::default()
        })
    };
    items(tags, "models").filter_map(entry).collect()
}

pub(super) fn lm_studio(list: &Value) -> Vec<Entry> {
    let entry = |item: &Value| {
        let instance = item.pointer("/loaded_instances/0");
        let context = instance.and_then(|instance| instance.pointer("/config/context_length"));
        Some(Entry {
            name: name(item.get("key"))?,
            size: item.get("size_bytes").and_then(Value::as_u64).filter(|size| *size > 0),
            context: context.or_else(|| item.get("max_context_length")).and_then(count),
            is_loaded: item.get("loaded_instances").map(|_| instance.is_some()),
            quant: item.pointer("/quantization/name").and_then(Value::as_str).map(str::to_owned),
            instance: instance.and_then(|instance| name(instance.get("id"))),
        })
    };
    items(list, "models")
        .filter(|item| item.get("type").is_none_or(|kind| kind != "embedding"))
        .filter_map(entry)
        .collect()
}

pub(super) fn lm_studio_v0(list: &Value) -> Vec<Entry> {
    let entry = |item: &Value| {
        let state = item.get("state").and_then(Value::as_str);
        let context = ["loaded_context_length", "max_context_length"];
        Some(Entry {
            name: name(item.get("id"))?,
            context: context.iter().find_map(|at| count(item.get(*at)?)),
            is_loaded: state.map(|state| state == "loaded"),
            quant: item.get("quantization").and_then(Value::as_str).map(str::to_owned),
            ..Entry::default()
        })
    };
    let makes_text = |item: &&Value| item.get("type").is_none_or(|kind| kind != "embeddings");
    items(list, "data").filter(makes_text).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_all_engines_are_read() {
        let entry = |name: &str| Entry { name: name.to_owned(), ..Entry::default() };
        for (what, found, expected) in [
            (
                "vLLM",
                openai(&json!({"object": "list", "data": [
                    {"id": "Qwen/Qwen3-8B", "object": "model", "owned_by": "vllm", "max_model_len": 40960}]})),
                vec![Entry { context: Some(40960), ..entry("Qwen/Qwen3-8B") }],
            ),
            (
                "a router of llama-server",
                openai(
                    &json!({"data": [{"id": "a", "status": {"value": "loaded"}}, {"id": "b", "status": {"value": "unloaded"}}]}),
                ),
                vec![Entry { is_loaded: Some(true), ..entry("a") }, Entry { is_loaded: Some(false), ..entry("b") }],
            ),
            (
                "Ollama",
                ollama(
                    &json!({"models": [{"name": "a:1b", "size": 7, "details": {"quantization_level": "Q4_0"}}, {"name": "b:1b", "size": 0}]}),
                    Some(&json!({"models": [{"name": "a:1b", "context_length": 4096}]})),
                ),
                vec![
                    Entry {
                        size: Some(7),
                        context: Some(4096),
                        is_loaded: Some(true),
                        quant: Some("Q4_0".to_owned()),
                        ..entry("a:1b")
                    },
                    Entry { is_loaded: Some(false), ..entry("b:1b") },
                ],
            ),
            (
                "LM Studio",
                lm_studio(&json!({"models": [
                    {"type": "llm", "key": "a", "size_bytes": 9, "max_context_length": 8192,
                     "quantization": {"name": "Q8_0"}, "loaded_instances": [{"id": "a:2", "config": {"context_length": 4096}}]},
                    {"type": "embedding", "key": "b"}]})),
                vec![Entry {
                    size: Some(9),
                    context: Some(4096),
                    is_loaded: Some(true),
                    quant: Some("Q8_0".to_owned()),
                    instance: Some("a:2".to_owned()),
                    ..entry("a")
                }],
            ),
            ("nonsense", openai(&json!({"data": [{"id": 7}, {"id": ""}, "x", {"id": "y".repeat(999)}]})), vec![]),
            ("no list", openai(&json!([1, 2])), vec![]),
        ] {
            assert_eq!(found, expected, "{what}");
        }
    }
}
