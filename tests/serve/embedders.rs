//! Models that only make vectors of texts, by all APIs and on the command line.

use data_encoding::BASE64;
use gguf::testing::embedder;
use serde_json::{Value, json};

use crate::support::{Home, MODEL, Server};

const NAME: &str = "tiny-bert";

fn home() -> Home {
    let home = Home::new();
    let folder = home.path("data/taffrail/models");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{NAME}.gguf")), embedder("bert", 1).build()).unwrap();
    std::fs::write(folder.join("tiny-decoder.gguf"), embedder("qwen2", 3).build()).unwrap();
    home
}

fn numbers(vector: &Value) -> Vec<f64> {
    vector.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn is_close(one: &[f64], other: &[f64]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-3)
}

/// The vector with its first numbers alone, of length 1 again.
fn shortened(vector: &[f64], n: usize) -> Vec<f64> {
    let length = vector[..n].iter().map(|number| number * number).sum::<f64>().sqrt();
    vector[..n].iter().map(|number| number / length).collect()
}

fn post(server: &Server, path: &str, model: &str, mut body: Value) -> Value {
    body["model"] = json!(model);
    let reply = server.post(path, &body);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.json()
}

#[test]
fn they_are_loaded_on_demand_and_answer_all_embedding_routes() {
    let server = home().serve(&[]);
    for model in [NAME, "tiny-decoder"] {
        let texts = json!(["call me", "the white whale ."]);
        let reply = post(&server, "/v1/embeddings", model, json!({"input": texts}));
        let vector = numbers(&reply["data"][1]["embedding"]);
        assert_eq!(vector.len(), 32, "{model}");
        assert!(reply["usage"]["prompt_tokens"].as_u64().unwrap() >= 8, "{reply}");
        let tokens = post(&server, "/tokenize", model, json!({"content": texts[1], "add_special": true}));
        for (name, input) in [("tokens", tokens["tokens"].clone()), ("lists", json!([tokens["tokens"]]))] {
            let reply = post(&server, "/v1/embeddings", model, json!({"input": input}));
            assert!(is_close(&numbers(&reply["data"][0]["embedding"]), &vector), "{model} {name}");
        }
        let short = post(&server, "/v1/embeddings", model, json!({"input": texts[1], "dimensions": 8}));
        assert!(is_close(&numbers(&short["data"][0]["embedding"]), &shortened(&vector, 8)), "{model}");
        let coded = json!({"input": texts[1], "encoding_format": "base64"});
        let coded = post(&server, "/v1/embeddings", model, coded);
        let bytes = BASE64.decode(coded["data"][0]["embedding"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(bytes.len(), 4 * 32, "{model}");

        let ollama = post(&server, "/api/embed", model, json!({"input": texts}));
        assert!(is_close(&numbers(&ollama["embeddings"][1]), &vector), "{model}");
        let short = post(&server, "/api/embed", model, json!({"input": texts[1], "dimensions": 8}));
        assert!(is_close(&numbers(&short["embeddings"][0]), &shortened(&vector, 8)), "{model}");
        let older = post(&server, "/api/embeddings", model, json!({"prompt": texts[1]}));
        assert!(is_close(&shortened(&numbers(&older["embedding"]), 32), &vector), "{model}");
        let cut = post(&server, "/api/embed", model, json!({"input": "whale ".repeat(500)}));
        assert_eq!(cut["prompt_eval_count"], 64, "{model}");

        let shown = server.post("/api/show", &json!({"model": model})).json();
        assert_eq!(shown["capabilities"], json!(["embedding"]), "{model}");
    }
    let tags = server.get("/api/tags").json();
    assert!(tags["models"].as_array().unwrap().iter().any(|one| one["name"] == NAME), "{tags}");
    let models = server.get("/v1/models").json();
    assert!(models["data"].as_array().unwrap().iter().any(|one| one["id"] == NAME), "{models}");
}

#[test]
fn they_answer_nothing_else_and_say_so() {
    let server = home().serve(&[]);
    let messages = json!([{"role": "user", "content": "call me"}]);
    for (path, body) in [
        ("/v1/chat/completions", json!({"messages": messages})),
        ("/v1/chat/completions", json!({"messages": messages, "stream": true})),
        ("/v1/completions", json!({"prompt": "call me"})),
        ("/v1/responses", json!({"input": "call me"})),
        ("/v1/messages", json!({"messages": messages, "max_tokens": 4})),
        ("/v1/messages/count_tokens", json!({"messages": messages})),
        ("/api/chat", json!({"messages": messages})),
        ("/api/generate", json!({"prompt": "call me"})),
    ] {
        let mut body = body;
        body["model"] = json!(NAME);
        let reply = server.post(path, &body);
        assert_eq!(reply.status, 400, "{path}: {}", reply.text);
        assert!(reply.text.contains("embedding"), "{path}: {}", reply.text);
        let error = &reply.json()["error"];
        let message = error.as_str().or_else(|| error["message"].as_str());
        assert!(message.is_some_and(|message| message.contains("can't chat")), "{path}: {}", reply.text);
    }
    let long = json!({"model": NAME, "input": "whale ".repeat(500)});
    let reply = server.post("/v1/embeddings", &long);
    assert!(reply.status == 400 && reply.text.contains("64 are the most"), "{}", reply.text);
    let uncut = json!({"model": NAME, "input": "whale ".repeat(500), "truncate": false});
    let reply = server.post("/api/embed", &uncut);
    assert!(reply.status == 400 && reply.text.contains("64 are the most"), "{}", reply.text);
}

#[test]
fn commands_say_what_they_are_for() {
    let home = home();
    for arguments in [
        &["run", NAME, "--prompt", "call me"][..],
        &["race", NAME, MODEL, "--prompt", "call me"],
        &["bench", NAME],
        &["pick", "--suite", "arithmetic", NAME],
    ] {
        let (code, out, error) = home.run(arguments);
        assert_ne!(code, 0, "{arguments:?}: {out}");
        assert!(error.contains("a model for embeddings"), "{arguments:?}: {error}");
    }
    let (code, shown, error) = home.run(&["show", NAME]);
    assert!(code == 0 && shown.contains("embeddings, mean over the tokens"), "{shown} {error}");
    let (code, listed, _) = home.run(&["ls"]);
    assert!(code == 0 && listed.contains(NAME) && listed.contains("for embeddings"), "{listed}");
}

#[test]
fn a_plan_says_what_a_request_for_a_model_would_do() {
    let home = Home::new();
    let plan = |home: &Home, arguments: &[&str]| home.run(&[&["serve", "plan"], arguments].concat());
    let (code, out, error) = plan(&home, &[MODEL]);
    assert!(code == 0 && out.contains("needs ") && out.contains("no server is running"), "{out}{error}");
    let (code, _, error) = plan(&home, &["no-such-model"]);
    assert!(code != 0 && error.contains("no-such-model"), "{error}");
    let document = |home: &Home| -> Value {
        let (code, out, error) = plan(home, &[MODEL, "--json"]);
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&out).unwrap()
    };
    let before = document(&home);
    assert_eq!((&before["schema"], &before["running"]), (&json!("taffrail/serve-plan/1"), &json!(false)));
    assert_eq!((&before["outcome"], &before["name"]), (&json!("fits"), &json!(MODEL)));
    let total = before["needed"]["total"].as_u64().unwrap();
    let parts = ["weights", "context", "compute", "program"].map(|part| before["needed"][part].as_u64().unwrap());
    assert!(parts.iter().sum::<u64>() <= total, "{before}");

    let server = home.serve(&[]);
    assert_eq!(document(&server.home)["running"], true);
    post(&server, "/v1/completions", MODEL, json!({"prompt": "call me", "max_tokens": 1}));
    assert_eq!(document(&server.home)["outcome"], "loaded");
}
