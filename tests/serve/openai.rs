//! `OpenAI`'s API.

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
fn models_are_listed_by_the_names_that_ls_shows() {
    let home = Home::new();
    let (_, list, _) = home.run(&["ls", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let shown: Vec<&Value> = list["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    let server = home.serve(&[]);
    let models = server.get("/v1/models").json();
    let ids: Vec<&Value> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, shown);
    for id in ids {
        let model = server.get(&format!("/v1/models/{}", id.as_str().unwrap())).json();
        assert_eq!((&model["id"], &model["object"]), (id, &json!("model")));
    }
    for path in ["/v1/models/gpt-4", "/v1/models/ishmael", "/v1/models/../../etc/passwd"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn an_answer_is_the_same_whole_and_streamed() {
    let server = Home::new().serve(&[]);
    let whole = server.post("/v1/chat/completions", &ask(&[])).json();
    let choice = &whole["choices"][0];
    let text = choice["message"]["content"].as_str().unwrap();
    assert!(!text.is_empty(), "{whole}");
    assert_eq!((&choice["finish_reason"], &whole["object"]), (&json!("length"), &json!("chat.completion")));
    assert_eq!(whole["usage"]["completion_tokens"], 12);
    assert!(whole["usage"]["prompt_tokens"].as_u64().unwrap() > 0);

    let options = [("stream", json!(true)), ("stream_options", json!({"include_usage": true}))];
    let reply = server.post("/v1/chat/completions", &ask(&options));
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let events = reply.events();
    assert!(events.iter().all(|(name, _)| name.is_empty()));
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last.1, "[DONE]");
    assert_eq!(chunks[0].1["choices"][0]["delta"], json!({"role": "assistant", "content": null}));
    let streamed: String =
        chunks.iter().filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(streamed, text);
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!((&usage.1["choices"], &usage.1["usage"]["completion_tokens"]), (&json!([]), &json!(12)));
    let end = &chunks.last().unwrap().1["choices"][0];
    assert_eq!((&end["delta"], &end["finish_reason"]), (&json!({}), &json!("length")));
    for (_, chunk) in chunks {
        assert_eq!((&chunk["object"], &chunk["model"]), (&json!("chat.completion.chunk"), &json!(MODEL)));
        assert!(chunk["usage"].is_null(), "{chunk}");
    }
}

#[test]
fn several_answers_with_a_seed_differ_and_come_again() {
    let server = Home::new().serve(&[]);
    let request = ask(&[("n", json!(3)), ("temperature", json!(1.5)), ("seed", json!(7))]);
    let texts = || -> Vec<String> {
        let answer = server.post("/v1/chat/completions", &request).json();
        let choices = answer["choices"].as_array().unwrap().clone();
        choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap().to_owned()).collect()
    };
    let first = texts();
    assert_eq!(first.len(), 3);
    assert!(first[0] != first[1] && first[1] != first[2], "{first:?}");
    assert_eq!(texts(), first);
}

#[test]
fn what_is_wrong_is_answered_in_the_apis_shape() {
    let server = Home::new().serve(&[]);
    for (path, body, status, kind, param) in [
        (
            "/v1/chat/completions",
            ask(&[("model", json!("gpt-4"))]).to_string(),
            404,
            "invalid_request_error",
            json!("model"),
        ),
        (
            "/v1/chat/completions",
            ask(&[("temperature", json!("hot"))]).to_string(),
            400,
            "invalid_request_error",
            json!("temperature"),
        ),
        ("/v1/chat/completions", "{".to_owned(), 400, "invalid_request_error", Value::Null),
        ("/v1/chat/completions", "[".repeat(100_000), 400, "invalid_request_error", Value::Null),
        ("/v1/completions", json!({"model": MODEL}).to_string(), 400, "invalid_request_error", json!("prompt")),
        ("/v1/nothing", "{}".to_owned(), 404, "invalid_request_error", Value::Null),
        ("/v1/models", "{}".to_owned(), 405, "invalid_request_error", Value::Null),
    ] {
        let reply = server.send("POST", path, &[], Some(body));
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["type"], &error["param"]), (status, &json!(kind), &param), "{path}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn completions_and_their_probabilities() {
    let server = Home::new().serve(&[]);
    let request = json!({
        "model": MODEL, "prompt": ["Call me", "The whale"], "max_tokens": 4, "temperature": 0, "logprobs": 2,
    });
    let answer = server.post("/v1/completions", &request).json();
    assert_eq!((&answer["object"], answer["choices"].as_array().unwrap().len()), (&json!("text_completion"), 2));
    let choice = &answer["choices"][0];
    let logprobs = &choice["logprobs"];
    let tokens = logprobs["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 4);
    let text: String = tokens.iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!(choice["text"], text);
    assert_eq!(logprobs["text_offset"][0], 0);
    assert!(logprobs["token_logprobs"][0].as_f64().unwrap() <= 0.0);
    assert_eq!(logprobs["top_logprobs"][0].as_object().unwrap().len(), 2);
}

#[test]
fn an_answer_is_held_to_its_form() {
    let server = Home::new().serve(&[]);
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let request = ask(&[("response_format", format), ("max_tokens", json!(60))]);
    let answer = server.post("/v1/chat/completions", &request).json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert!(value["a"].is_i64(), "{value}");
    let request = ask(&[("grammar", json!("root ::= \"yes\" | \"no\""))]);
    let answer = server.post("/v1/chat/completions", &request).json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(["yes", "no"].contains(&text), "{answer}");
}

#[test]
fn responses_have_their_events() {
    let server = Home::new().serve(&[]);
    let mut request = json!({"model": MODEL, "input": "Tell me.", "temperature": 0, "max_output_tokens": 8});
    let whole = server.post("/v1/responses", &request).json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("incomplete")));
    let text = &whole["output"][0]["content"][0]["text"];
    request["stream"] = json!(true);
    let events = server.post("/v1/responses", &request).events();
    for (number, (name, event)) in events.iter().enumerate() {
        assert_eq!((&event["type"], &event["sequence_number"]), (&json!(name), &json!(number)));
    }
    let names: Vec<&str> =
        events.iter().map(|(name, _)| name.as_str()).filter(|name| !name.contains(".delta")).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
    let deltas: String = events
        .iter()
        .filter(|(name, _)| name == "response.output_text.delta")
        .filter_map(|(_, event)| event["delta"].as_str())
        .collect();
    assert_eq!(json!(deltas), *text);
    assert_eq!(events.last().unwrap().1["response"]["output"][0]["content"][0]["text"], *text);
}
