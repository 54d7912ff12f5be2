//! Anthropic's API.

use serde_json::{Value, json};

use crate::support::{Home, MODEL};

fn ask(extra: &[(&str, Value)]) -> Value {
    let mut request = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Tell me of the whale."}],
        "temperature": 0,
        "max_tokens": 12,
    });
    for (name, value) in extra {
        request[*name] = value.clone();
    }
    request
}

#[test]
fn an_answer_is_the_same_whole_and_streamed() {
    let server = Home::new().serve(&[]);
    let whole = server.post("/v1/messages", &ask(&[])).json();
    assert_eq!(
        (&whole["type"], &whole["role"], &whole["model"]),
        (&json!("message"), &json!("assistant"), &json!(MODEL))
    );
    assert_eq!((&whole["stop_reason"], &whole["stop_sequence"]), (&json!("max_tokens"), &Value::Null));
    assert_eq!(whole["usage"]["output_tokens"], 12);
    let text = whole["content"][0]["text"].as_str().unwrap();

    let events = server.post("/v1/messages", &ask(&[("stream", json!(true))])).events();
    for (name, event) in &events {
        assert_eq!(event["type"], json!(name));
    }
    let names: Vec<&str> =
        events.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "content_block_delta").collect();
    assert_eq!(names, ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]);
    let streamed: String = events.iter().filter_map(|(_, event)| event["delta"]["text"].as_str()).collect();
    assert_eq!(streamed, text);
    assert!(events[0].1["message"]["usage"]["input_tokens"].is_u64());
    let delta = &events[events.len() - 2].1;
    assert_eq!((&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]), (&json!("max_tokens"), &json!(12)));
}

#[test]
fn a_stop_sequence_that_is_hit_is_told() {
    let server = Home::new().serve(&[]);
    let whole = server.post("/v1/messages", &ask(&[("max_tokens", json!(40))])).json();
    let text = whole["content"][0]["text"].as_str().unwrap();
    let word = text.split_whitespace().nth(3).unwrap();
    let stopped =
        server.post("/v1/messages", &ask(&[("max_tokens", json!(40)), ("stop_sequences", json!([word]))])).json();
    assert_eq!((&stopped["stop_reason"], &stopped["stop_sequence"]), (&json!("stop_sequence"), &json!(word)));
    let cut = stopped["content"][0]["text"].as_str().unwrap_or_default();
    assert!(text.starts_with(cut) && !cut.contains(word), "{cut} of {text}");
}

#[test]
fn what_is_wrong_is_answered_in_the_apis_shape() {
    let server = Home::new().serve(&[]);
    for (request, status, kind) in [
        (ask(&[("model", json!("claude"))]), 404, "not_found_error"),
        (ask(&[("max_tokens", Value::Null)]), 400, "invalid_request_error"),
        (ask(&[("messages", json!("x"))]), 400, "invalid_request_error"),
    ] {
        let reply = server.post("/v1/messages", &request);
        let document = reply.json();
        assert_eq!((reply.status, &document["type"]), (status, &json!("error")), "{document}");
        assert_eq!(document["error"]["type"], kind, "{document}");
    }
}

#[test]
fn models_have_their_shape() {
    let server = Home::new().serve(&[]);
    let version = [("anthropic-version", "2023-06-01")];
    let models = server.send("GET", "/v1/models", &version, None).json();
    assert_eq!((&models["data"][0]["type"], &models["has_more"]), (&json!("model"), &json!(false)));
    assert!(models["data"][0]["created_at"].as_str().unwrap().ends_with('Z'), "{models}");
    let missing = server.send("GET", "/v1/models/claude", &version, None);
    assert_eq!((missing.status, &missing.json()["error"]["type"]), (404, &json!("not_found_error")));
}
