//! Engines that answer as documented and ones that do harm, behind a real socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::answer::answer;
use super::client::Client;
use super::{Access, find, list};
use domain::event::WorkerEvent;
use domain::model::remote::EngineKind;
use domain::session::WorkerId;
use domain::settings::{KeySource, RemoteEngine, Settings};
use wire::{Channel, Counters, Event as Said, Finish, Generate, Measure, Measured, Message, Prompt, Role, Sampling};

/// Nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that gives each request the answer for its path, then ends the connection; requests are kept as they came.
async fn server(answers: &'static [(&'static str, &'static str)]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (requests, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let requests = requests.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 1 << 16];
                let mut length = 0;
                let whole = |text: &str| {
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                    let length = head
                        .to_lowercase()
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                    body.len() >= length.unwrap_or(0)
                };
                while !whole(&String::from_utf8_lossy(&bytes[..length])) {
                    match stream.read(&mut bytes[length..]).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => length += read,
                    }
                }
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = answers.iter().find(|(at, _)| *at == path).map(|(_, answer)| *answer);
                let answer =
                    answer.unwrap_or("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                requests.send(text).unwrap();
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (url, asked)
}

fn access(url: &str, kind: EngineKind) -> Access {
    Access { name: "lab".to_owned(), url: url.to_owned(), kind, key: None, is_discovered: false }
}

fn ask() -> Generate {
    Generate {
        id: 7,
        prompt: Prompt::from(vec![Message::new(Role::User, "hello")]),
        max_tokens: Some(8),
        sampling: Sampling::OPEN,
        logit_bias: Vec::new(),
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        credits: None,
        min_room: 0,
        context_shift: false,
    }
}

/// What became of asking an engine: its reasoning, its text, and its end or the reason of its failure.
async fn answered(url: &str, kind: EngineKind) -> (String, String, Result<(Finish, Counters), String>) {
    let client = Client::new(&access(url, kind)).await.unwrap();
    let (news, mut heard) = mpsc::channel(64);
    let (_cancel, cancelled) = oneshot::channel();
    tokio::spawn(answer(WorkerId(1), client, ("m".to_owned(), 0), ask(), cancelled, news));
    let (mut reasoning, mut text) = (String::new(), String::new());
    loop {
        let (_, event) = tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        let WorkerEvent::Message(said) = event else { continue };
        match said {
            Said::Text { pieces, .. } => {
                for piece in pieces {
                    if piece.channel == Channel::Reasoning { &mut reasoning } else { &mut text }.push_str(&piece.text);
                }
            }
            Said::Finished { finish, counters, .. } => return (reasoning, text, Ok((finish, counters))),
            Said::Failed(failure) => return (reasoning, text, Err(failure.message)),
            _ => {}
        }
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn answers_of_all_kinds_are_heard_with_their_own_figures() {
    let openai = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n: keep-alive\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":2}},\"timings\":{\"prompt_ms\":0.001,\"predicted_ms\":5.0,\"cache_n\":2}}\n\ndata: [DONE]\n\n";
    let ollama = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"message\":{\"role\":\"assistant\",\"thinking\":\"hm\",\"content\":\"\"},\"done\":false}\n{\"message\":{\"content\":\"Hi\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":10,\"prompt_eval_duration\":1000,\"eval_count\":3,\"eval_duration\":5000000}\n";
    let anthropic = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nevent: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":2,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    for (kind, path, stream, own) in [
        (EngineKind::LlamaServer, "/v1/chat/completions", openai, true),
        (EngineKind::Vllm, "/v1/chat/completions", openai, true),
        (EngineKind::Ollama, "/api/chat", ollama, true),
        (EngineKind::Anthropic, "/v1/messages", anthropic, false),
    ] {
        let answers: &'static [(&str, &str)] = Box::leak(Box::new([(path, stream)]));
        let (url, _asked) = server(answers).await;
        let (reasoning, text, end) = answered(&url, kind).await;
        let (finish, counters) = end.unwrap();
        assert_eq!((reasoning.as_str(), text.as_str(), finish), ("hm", "Hi", Finish::Length), "{kind:?}");
        assert_eq!((counters.n_prompt, counters.n_generated), (10, 3), "{kind:?}");
        assert_eq!(counters.engine_ttft_us.is_some(), own, "{kind:?}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_harms_nothing() {
    let cut: &'static str =
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let error: &'static str =
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\"error\":{\"message\":\"out of \\u001b[31mmemory\"}}\n\n";
    for (answer, expected) in [
        (cut, "lab: it ended the connection in the middle of the answer"),
        (error, "lab: it says: out of [31mmemory"),
        (STREAM, "lab: it ended the connection before it answered"),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://evil.example/v1\r\ncontent-length: 0\r\n\r\n",
            "lab: it redirects to evil.example",
        ),
        (
            "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            "lab: it takes no more requests at the moment (429)",
        ),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\n\n", "lab: it says: a line of its answer is not JSON"),
    ] {
        let answers: &'static [(&str, &str)] = Box::leak(Box::new([("/v1/chat/completions", answer)]));
        let (url, _asked) = server(answers).await;
        let (_, _, end) = answered(&url, EngineKind::OpenAi).await;
        assert_eq!(end.map(|_| ()), Err(expected.to_owned()));
    }
}

#[tokio::test]
async fn a_key_goes_to_its_engine_alone_and_into_no_message() {
    let refused = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 48\r\nconnection: close\r\n\r\n{\"error\":{\"message\":\"wrong key sk-secret-123!\"}}";
    let answers: &'static [(&str, &str)] = Box::leak(Box::new([("/v1/models", refused)]));
    let (url, mut asked) = server(answers).await;
    let key = Some(KeySource::Command("echo sk-secret-123".to_owned()));
    let client = Client::new(&Access { key: key.clone(), ..access(&url, EngineKind::OpenAi) }).await.unwrap();
    assert!(!format!("{client:?}").contains("sk-secret"));
    let error = list::models(&client).await.unwrap_err();
    assert_eq!(error.reason, "the key was refused (401): wrong key (key)!");
    let request = asked.recv().await.unwrap();
    assert!(request.to_lowercase().contains("authorization: bearer sk-secret-123"), "{request}");

    // It would go unencrypted to another machine.
    let far = Access { key, ..access("http://192.0.2.1:8000", EngineKind::OpenAi) };
    assert_eq!(Client::new(&far).await.unwrap_err().reason, "its key would go unencrypted to another machine");
    let unset = Some(KeySource::Env("TAFFRAIL_NO_SUCH_VARIABLE".to_owned()));
    let error = Client::new(&Access { key: unset, ..access(&url, EngineKind::OpenAi) }).await.unwrap_err();
    assert_eq!(error.reason, "the variable TAFFRAIL_NO_SUCH_VARIABLE with its key is not set");
}

#[tokio::test]
async fn engines_are_listed_with_their_models_and_what_is_wrong_with_them() {
    let listed = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":[{\"id\":\"a\\u001b[2Jb\",\"owned_by\":\"vllm\",\"max_model_len\":4096}]}";
    let answers: &'static [(&str, &str)] = Box::leak(Box::new([("/v1/models", listed)]));
    let (url, _asked) = server(answers).await;
    let mut settings = Settings::default();
    settings.library.discover = false;
    settings.remotes.insert("lab".to_owned(), RemoteEngine { url, ..RemoteEngine::default() });
    let gone = RemoteEngine { url: "http://127.0.0.1:1".to_owned(), ..RemoteEngine::default() };
    settings.remotes.insert("gone".to_owned(), gone);
    let found = find(&settings).await;
    let [model] = &found.models[..] else { panic!("{found:?}") };
    assert_eq!((model.id.as_str(), model.store_name()), ("lab:a[2Jb", "lab"));
    let remote = model.remote.as_ref().unwrap();
    assert_eq!((remote.kind, remote.context, remote.is_loaded), (EngineKind::Vllm, Some(4096), None));
    let problems: Vec<_> = found.stores.iter().map(|store| store.problems.len()).collect();
    assert_eq!(problems, [1, 0], "{:?}", found.stores);
}

/// What a repetition of a bench gives.
async fn measured(url: &str, kind: EngineKind, measure: Measure) -> Result<Measured, String> {
    let client = Client::new(&access(url, kind)).await.unwrap();
    let (news, mut heard) = mpsc::channel(64);
    let (_cancel, cancelled) = oneshot::channel();
    let target = ("m".to_owned(), 0, Arc::default());
    tokio::spawn(super::measure::measure(WorkerId(1), client, target, measure, cancelled, news));
    let (_, event) = tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    match event {
        WorkerEvent::Message(Said::Measured(measured)) => Ok(measured),
        WorkerEvent::Message(Said::Failed(failure)) => Err(failure.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bench_measures_by_the_engines_clock_or_says_that_the_network_is_in_it() {
    let own = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":11},\"timings\":{\"prompt_ms\":0.05,\"predicted_ms\":100.0,\"predicted_n\":11,\"prompt_n\":100}}\n\ndata: [DONE]\n\n";
    let without = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
    let silent = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let plan = |n_prompt, n_generate, n_depth| Measure {
        id: 5,
        n_prompt,
        n_generate,
        n_depth,
        n_parallel: 1,
        n_batch: 512,
        n_ubatch: 512,
        n_ctx: 0,
    };
    let of = async |stream: &'static str, measure| {
        let answers: &'static [(&str, &str)] = Box::leak(Box::new([("/v1/chat/completions", stream)]));
        let (url, mut asked) = server(answers).await;
        let told = measured(&url, EngineKind::LlamaServer, measure).await;
        (told, asked.try_recv().unwrap_or_default())
    };
    // A hundred tokens were read in 50 microseconds; 200 were planned.
    let (told, asked) = of(own, plan(200, 0, 0)).await;
    let told = told.unwrap();
    assert_eq!((told.prompt_us, told.engine_ttft_us), (100, Some(50)));
    assert!(told.ttft_us.unwrap() >= 50 && asked.contains("\"max_tokens\":1"), "{asked}");
    assert!(asked.contains("\"ignore_eos\":true") && asked.contains("\"cache_prompt\":false"), "{asked}");
    // Ten steps in 100 ms make 100 tokens a second; 20 were planned.
    let (told, asked) = of(own, plan(0, 20, 0)).await;
    assert_eq!(told.unwrap().generation_us, Some(200_000));
    assert!(asked.contains("\"max_tokens\":20"), "{asked}");
    // What the engine does not tell is what is seen here.
    let (told, _) = of(without, plan(100, 0, 0)).await;
    let told = told.unwrap();
    assert_eq!((told.ttft_us, told.engine_ttft_us), (Some(told.prompt_us), None));
    for (stream, measure, expected) in [
        (silent, plan(100, 0, 0), "lab: it does not tell how many tokens it read"),
        (silent, plan(0, 20, 0), "lab: it ended its answer after 1 of 20 tokens"),
        (own, plan(100, 0, 50), "lab: a prompt behind others can't be measured at an engine elsewhere"),
    ] {
        assert_eq!(of(stream, measure).await.0.unwrap_err(), expected);
    }
}
