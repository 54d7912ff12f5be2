//! What the server is asked beside answers: vectors, tokens, conversations as the model is told them.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::{Home, MODEL, Reply, Server};

fn numbers(vector: &Value) -> Vec<f64> {
    vector.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|number| number * number).sum::<f64>().sqrt()
}

/// What the body, with the model's name in it, is answered.
fn ask(server: &Server, path: &str, mut body: Value) -> Reply {
    body["model"] = json!(MODEL);
    server.post(path, &body)
}

fn is_refused(server: &Server, cases: &[(&str, Value, u16, &str)]) {
    for (path, body, status, words) in cases {
        let reply = server.post(path, body);
        assert_eq!(reply.status, *status, "{path} {body}: {}", reply.text);
        assert!(reply.text.contains(words), "{path} {body}: {}", reply.text);
    }
}

#[test]
fn embeddings_of_all_apis_are_the_same() {
    let server = Home::new().serve(&[]);
    let texts = json!(["Call me Ishmael.", "The whale 🐋", "Call me Ishmael."]);
    let reply = ask(&server, "/v1/embeddings", json!({"input": texts})).json();
    assert_eq!((&reply["object"], &reply["model"]), (&json!("list"), &json!(MODEL)));
    let data = reply["data"].as_array().unwrap();
    let vectors: Vec<Vec<f64>> = data.iter().map(|one| numbers(&one["embedding"])).collect();
    assert!(data.iter().enumerate().all(|(index, one)| one["index"] == index && one["object"] == "embedding"));
    assert!(vectors.iter().all(|vector| (length(vector) - 1.0).abs() < 1e-4));
    assert!(vectors[0] == vectors[2] && vectors[0] != vectors[1]);
    assert!(reply["usage"]["prompt_tokens"].as_u64().unwrap() > 6);
    assert_eq!(reply["usage"]["total_tokens"], reply["usage"]["prompt_tokens"]);

    let tokens =
        server.post("/tokenize", &json!({"content": "The whale 🐋", "add_special": true})).json()["tokens"].clone();
    for (name, input) in [("text", texts[1].clone()), ("tokens", tokens.clone()), ("lists", json!([tokens]))] {
        let one = ask(&server, "/v1/embeddings", json!({"input": input, "dimensions": vectors[0].len()})).json();
        assert_eq!(numbers(&one["data"][0]["embedding"]), vectors[1], "{name}");
    }
    let coded = ask(&server, "/v1/embeddings", json!({"input": texts[1], "encoding_format": "base64"})).json();
    let bytes = BASE64.decode(coded["data"][0]["embedding"].as_str().unwrap().as_bytes()).unwrap();
    let decoded: Vec<f64> =
        bytes.chunks(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect();
    let is_close = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-6);
    assert!(decoded.len() == vectors[1].len() && is_close(&decoded, &vectors[1]));

    let many = vec![json!(texts[1]); 70];
    let many = ask(&server, "/v1/embeddings", json!({"input": many})).json();
    assert!((0..70).all(|place| numbers(&many["data"][place]["embedding"]) == vectors[1]), "in several parts");

    let ollama = ask(&server, "/api/embed", json!({"input": texts})).json();
    assert_eq!(numbers(&ollama["embeddings"][1]), vectors[1]);
    assert_eq!(ollama["prompt_eval_count"], reply["usage"]["prompt_tokens"]);
    assert!(ollama["total_duration"].as_u64().unwrap() > 0);
    let older = numbers(&ask(&server, "/api/embeddings", json!({"prompt": texts[1]})).json()["embedding"]);
    let of_length = length(&older);
    let unit: Vec<f64> = older.iter().map(|number| number / of_length).collect();
    assert!(is_close(&unit, &vectors[1]));
    let none = ask(&server, "/api/embed", json!({})).json();
    assert_eq!(none["embeddings"], json!([]));
    let cut = ask(&server, "/api/embed", json!({"input": "whale ".repeat(1000)})).json();
    assert_eq!(cut["prompt_eval_count"], 512);
}

#[test]
fn tokens_go_there_and_back() {
    let server = Home::new().serve(&[]);
    let nothing = server.post("/tokenize", &json!({"content": "a"}));
    assert!(nothing.status == 400 && nothing.text.contains("no model is loaded"), "{}", nothing.text);
    for text in ["Call me Ishmael.", "Ein großer Wal: 🐋🏳️‍🌈 — 鯨", ""] {
        let tokens = ask(&server, "/tokenize", json!({"content": text})).json()["tokens"].clone();
        let back = server.post("/detokenize", &json!({"tokens": tokens})).json();
        assert_eq!(back["content"], text, "{tokens}");
        let pieces = server.post("/tokenize", &json!({"content": text, "with_pieces": true})).json();
        let mut bytes = Vec::new();
        for (piece, token) in pieces["tokens"].as_array().unwrap().iter().zip(tokens.as_array().unwrap()) {
            assert_eq!(piece["id"], *token);
            match &piece["piece"] {
                Value::String(text) => bytes.extend_from_slice(text.as_bytes()),
                piece => bytes.extend(piece.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8)),
            }
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}

#[test]
fn a_conversation_is_counted_as_it_is_answered() {
    let server = Home::new().serve(&[]);
    let messages = json!([{"role": "user", "content": "Who are you? 🐋"}]);
    let counted = ask(&server, "/v1/messages/count_tokens", json!({"messages": messages})).json();
    let body = json!({"messages": messages, "max_tokens": 1});
    let answered = ask(&server, "/v1/messages", body).json();
    let usage = &answered["usage"];
    let n_input: u64 = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
        .iter()
        .filter_map(|name| usage[name].as_u64())
        .sum();
    assert_eq!(counted, json!({"input_tokens": n_input}), "{usage}");
    let prompt = server.post("/apply-template", &json!({"messages": messages})).json();
    assert!(prompt["prompt"].as_str().unwrap().contains("Who are you? 🐋"), "{prompt}");
}

#[test]
fn what_is_wrong_is_refused_by_its_field() {
    let server = Home::new().serve(&[]);
    let long = "whale ".repeat(1000);
    is_refused(
        &server,
        &[
            ("/v1/embeddings", json!({"input": "a"}), 400, "`model` is missing"),
            ("/v1/embeddings", json!({"model": "gone", "input": "a"}), 404, "gone"),
            ("/v1/embeddings", json!({"model": MODEL, "input": {}}), 400, "input"),
            ("/v1/embeddings", json!({"model": MODEL, "input": ""}), 400, "none of them empty"),
            ("/v1/embeddings", json!({"model": MODEL, "input": []}), 400, "1 to 2048 inputs"),
            ("/v1/embeddings", json!({"model": MODEL, "input": vec!["a"; 2049]}), 400, "1 to 2048 inputs"),
            ("/v1/embeddings", json!({"model": MODEL, "input": "a", "dimensions": 0}), 400, "must be at least 1"),
            ("/v1/embeddings", json!({"model": MODEL, "input": "a", "dimensions": 9999}), 400, "must be 1 to "),
            (
                "/v1/embeddings",
                json!({"model": MODEL, "input": "a", "encoding_format": "int8"}),
                400,
                "encoding_format",
            ),
            ("/v1/embeddings", json!({"model": MODEL, "input": [-1]}), 400, "-1 is not a token"),
            ("/v1/embeddings", json!({"model": MODEL, "input": long}), 400, "tokens, and 512 are the most"),
            ("/api/embed", json!({"model": MODEL, "input": long, "truncate": false}), 400, "512 are the most"),
            ("/api/embed", json!({"model": MODEL, "input": [""]}), 400, "none of them empty"),
            ("/tokenize", json!({"model": MODEL}), 400, "`content` is missing"),
            ("/detokenize", json!({"model": MODEL, "tokens": [99_999_999]}), 400, "is not a token"),
            ("/detokenize", json!({"model": "gone", "tokens": []}), 404, "gone"),
            ("/apply-template", json!({"model": MODEL, "messages": []}), 400, "messages"),
            ("/apply-template", json!([]), 400, ""),
            ("/v1/messages/count_tokens", json!({"model": MODEL}), 400, "messages"),
        ],
    );
}
