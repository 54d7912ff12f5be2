//! What real engines answer, as published or recorded: `tests/remote` has it, with its sources.

use std::fs;

use serde_json::Value;

use super::events::{self, Usage};
use super::list::{self, Entry};
use super::metrics;
use domain::engine_metrics::EngineReading;
use domain::model::remote::EngineKind;
use domain::units::{Bytes, Ratio};
use wire::{Channel, Finish};

fn file(name: &str) -> String {
    let path = format!("{}/tests/remote/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&file(name)).unwrap()
}

#[test]
fn counters_of_real_engines_are_read() {
    let none = EngineReading::default();
    let llama = metrics::counters(&file("llama-server-metrics.txt"));
    let llama = metrics::with_slots(llama, metrics::slots(&json("llama-server-slots.json")));
    for (what, found, expected) in [
        (
            "vLLM, two engines",
            metrics::counters(&file("vllm-metrics.txt")),
            EngineReading {
                n_running: Some(44),
                n_waiting: Some(72),
                kv_cache: Some(Ratio(0.9415)),
                n_prompt: Some(5_068_810.0),
                n_generated: Some(425_000.0),
                ..none
            },
        ),
        (
            "SGLang",
            metrics::counters(&file("sglang-metrics.txt")),
            EngineReading {
                n_running: Some(162),
                n_waiting: Some(2826),
                kv_cache: Some(Ratio(0.28)),
                n_prompt: Some(8_128_902.0),
                n_generated: Some(7_557_572.0),
                generation_rate: Some(86.508_141_777_269_02),
                ..none
            },
        ),
        (
            "llama-server, in the middle of an answer",
            llama,
            EngineReading {
                n_running: Some(1),
                n_waiting: Some(0),
                kv_cache: Some(Ratio(114.0 / 4096.0)),
                n_prompt: Some(41.0),
                n_generated: Some(73.0),
                ..none
            },
        ),
        (
            "Ollama",
            metrics::ollama(&json("ollama-ps.json")),
            EngineReading {
                n_loaded: Some(2),
                memory: Some(Bytes(12_591_830_464)),
                gpu_memory: Some(Bytes(5_333_539_264)),
                ..none
            },
        ),
        ("LM Studio", metrics::lm_studio(&json("lm-studio-v1.json")), EngineReading { n_loaded: Some(1), ..none }),
        ("something else", metrics::counters("<html>404</html>"), none),
    ] {
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn lists_of_real_engines_are_read() {
    let entry = |name: &str| Entry { name: name.to_owned(), ..Entry::default() };
    let loaded = |is_loaded, context, quant: &str, entry| Entry {
        is_loaded: Some(is_loaded),
        context,
        quant: Some(quant.to_owned()),
        ..entry
    };
    let size = |size, entry| Entry { size: Some(size), ..entry };
    for (what, found, expected) in [
        (
            "Ollama",
            list::ollama(&json("ollama-tags.json"), Some(&json("ollama-ps.json"))),
            vec![
                size(3_338_801_804, loaded(true, Some(4096), "Q4_K_M", entry("gemma3"))),
                size(5_225_388_164, loaded(true, Some(8192), "Q4_K_M", entry("qwen3:8b"))),
                size(384, loaded(false, None, "MXFP4", entry("gpt-oss:120b-cloud"))),
            ],
        ),
        (
            "LM Studio, the older list",
            list::lm_studio_v0(&json("lm-studio-v0.json")),
            vec![
                loaded(false, Some(32768), "4bit", entry("qwen2-vl-7b-instruct")),
                loaded(true, Some(4096), "Q4_K_M", entry("meta-llama-3.1-8b-instruct")),
            ],
        ),
        (
            "LM Studio",
            list::lm_studio(&json("lm-studio-v1.json")),
            vec![Entry {
                instance: Some("gemma-3-270m-it-qat".to_owned()),
                ..size(241_410_208, loaded(true, Some(4096), "Q4_0", entry("gemma-3-270m-it-qat")))
            }],
        ),
        (
            "OpenRouter",
            list::openai(&json("openrouter-models.json")),
            vec![Entry { context: Some(128_000), ..entry("google/gemini-2.5-pro-preview") }],
        ),
    ] {
        assert_eq!(found, expected, "{what}");
    }
}

/// A stream, as it is heard: its reasoning, its text, its calls, why it ended, its figures and what went wrong.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    reasoning: String,
    text: String,
    calls: Vec<(Option<String>, String)>,
    finish: Option<Finish>,
    usage: Usage,
    error: Option<String>,
    is_whole: bool,
}

fn heard(kind: EngineKind, stream: &str) -> Heard {
    let mut heard = Heard::default();
    for line in stream.lines() {
        let Some(delta) = events::read(kind, line) else { continue };
        for (channel, text) in delta.pieces {
            let to = if channel == Channel::Reasoning { &mut heard.reasoning } else { &mut heard.text };
            to.push_str(&text);
        }
        for call in delta.tool_calls {
            match call.id {
                Some(_) => heard.calls.push((call.name, call.arguments)),
                None => heard.calls.last_mut().unwrap().1.push_str(&call.arguments),
            }
        }
        heard.finish = delta.finish.or(heard.finish);
        heard.usage.take(delta.usage);
        heard.error = delta.error.or(heard.error);
        heard.is_whole |= delta.is_last;
    }
    heard
}

#[test]
fn streams_of_a_closed_model_are_heard() {
    let usage = |n_prompt, n_cached, n_generated| Usage {
        n_prompt: Some(n_prompt),
        n_cached,
        n_generated: Some(n_generated),
        ..Usage::default()
    };
    for (name, expected) in [
        (
            "anthropic-tools.sse",
            Heard {
                text: "Okay, let's check.".to_owned(),
                calls: vec![(Some("get_weather".to_owned()), "{\"location\": \"San Francisco, CA\"}".to_owned())],
                finish: Some(Finish::Stop),
                usage: usage(472, None, 89),
                is_whole: true,
                ..Heard::default()
            },
        ),
        (
            "anthropic-thinking.sse",
            Heard {
                reasoning: "I need to find the GCD of 1071 and 462.".to_owned(),
                text: "The greatest common divisor is **21**.".to_owned(),
                finish: Some(Finish::Stop),
                usage: usage(30, Some(5), 41),
                is_whole: true,
                ..Heard::default()
            },
        ),
        (
            "anthropic-error.sse",
            Heard {
                text: "Hello".to_owned(),
                usage: usage(25, None, 1),
                error: Some("Overloaded".to_owned()),
                ..Heard::default()
            },
        ),
    ] {
        assert_eq!(heard(EngineKind::Anthropic, &file(name)), expected, "{name}");
    }
}
