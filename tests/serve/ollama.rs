//! Ollama's API.

use serde_json::{Value, json};

use crate::support::{Home, MODEL};

fn ask(extra: &[(&str, Value)]) -> Value {
    let mut request = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Tell me of the whale."}],
        "options": {"temperature": 0, "num_predict": 12},
    });
    for (name, value) in extra {
        request[*name] = value.clone();
    }
    request
}

#[test]
fn an_answer_is_the_same_whole_and_streamed() {
    let server = Home::new().serve(&[]);
    let whole = server.post("/api/chat", &ask(&[("stream", json!(false))])).json();
    let reply = server.post("/api/chat", &ask(&[]));
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let lines = reply.lines();
    let text: String = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(whole["message"]["content"], text);
    let (last, others) = lines.split_last().unwrap();
    assert!(others.iter().all(|line| line["done"] == false));
    for end in [last, &whole] {
        assert_eq!(
            (&end["done"], &end["done_reason"], &end["eval_count"]),
            (&json!(true), &json!("length"), &json!(12))
        );
        for name in ["total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_duration"] {
            assert!(end[name].is_u64(), "{name}: {end}");
        }
        end["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
}

#[test]
fn a_prompt_is_answered_with_and_without_a_template() {
    let server = Home::new().serve(&[]);
    for raw in [false, true] {
        let request = json!({
            "model": format!("{MODEL}:latest"), "prompt": "Call me", "raw": raw, "stream": false,
            "options": {"temperature": 0, "num_predict": 4},
        });
        let answer = server.post("/api/generate", &request).json();
        assert!(!answer["response"].as_str().unwrap().is_empty(), "{answer}");
        assert_eq!(answer["eval_count"], 4);
    }
}

#[test]
fn models_are_loaded_told_of_and_unloaded() {
    let server = Home::new().serve(&[]);
    assert_eq!(server.get("/").text, "Ollama is running");
    assert_eq!(server.send("HEAD", "/", &[], None).status, 200);
    assert!(server.get("/api/version").json()["version"].is_string());
    let tags = server.get("/api/tags").json();
    let model = tags["models"].as_array().unwrap().iter().find(|model| model["name"] == MODEL).unwrap().clone();
    assert_eq!((&model["details"]["format"], &model["model"]), (&json!("gguf"), &json!(MODEL)));
    model["modified_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let show = server.post("/api/show", &json!({"model": MODEL})).json();
    assert!(show["model_info"]["general.architecture"].is_string(), "{show}");
    assert!(show["capabilities"].as_array().unwrap().contains(&json!("completion")));

    assert_eq!(server.get("/api/ps").json(), json!({"models": []}));
    let load = server.post("/api/generate", &json!({"model": MODEL})).json();
    assert_eq!((&load["done"], &load["done_reason"]), (&json!(true), &json!("load")));
    let running = server.get("/api/ps").json();
    let running = &running["models"][0];
    assert_eq!((&running["name"], &running["size_vram"]), (&json!(MODEL), &json!(0)));
    assert!(running["size"].as_u64().unwrap() > 1_000_000 && running["context_length"].as_u64().unwrap() > 0);
    running["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let unload = server.post("/api/generate", &json!({"model": MODEL, "keep_alive": 0})).json();
    assert_eq!(unload["done_reason"], "unload");
    crate::support::wait_until("it is unloaded", || server.get("/api/ps").json() == json!({"models": []}));
}

#[test]
fn what_is_wrong_is_answered_in_the_apis_shape() {
    let server = Home::new().serve(&[]);
    for (path, request, status, word) in [
        ("/api/chat", ask(&[("model", json!("llama3"))]), 404, "llama3"),
        ("/api/chat", ask(&[("options", json!({"num_ctx": 0}))]), 400, "options.num_ctx"),
        ("/api/chat", ask(&[("keep_alive", json!("soon"))]), 400, "keep_alive"),
        ("/api/chat", ask(&[("think", json!("perhaps"))]), 400, "think"),
        ("/api/generate", json!({"model": MODEL, "prompt": "x", "images": ["aGk="]}), 400, "images"),
        ("/api/show", json!({}), 400, "model"),
        ("/api/nothing", json!({}), 404, "no such endpoint"),
    ] {
        let reply = server.post(path, &request);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(reply.status == status && error.contains(word), "{path}: {status} {error}");
    }
}
