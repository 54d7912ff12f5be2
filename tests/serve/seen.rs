//! What is seen of the server: its metrics, the energy of answers, the status page.

use serde_json::{Value, json};

use crate::support::{Home, MODEL, Server};

/// Ask each API, streamed or not, with these headers; gives the figures of usage by address.
fn usages(server: &Server, headers: &[(&str, &str)], is_stream: bool) -> Vec<(&'static str, Value)> {
    let messages = json!([{"role": "user", "content": "The sea"}]);
    let usages = [
        ("/v1/chat/completions", json!({"messages": messages, "max_tokens": 4, "n": 2})),
        ("/v1/completions", json!({"prompt": "The sea", "max_tokens": 4})),
        ("/v1/responses", json!({"input": "The sea", "max_output_tokens": 16})),
        ("/v1/messages", json!({"messages": messages, "max_tokens": 4})),
        ("/api/chat", json!({"messages": messages, "options": {"num_predict": 4}})),
        ("/api/generate", json!({"prompt": "The sea", "options": {"num_predict": 4}})),
    ];
    let usage = |(path, mut body): (&'static str, Value)| {
        (body["model"], body["stream"]) = (json!(MODEL), json!(is_stream));
        let reply = server.send("POST", path, headers, Some(body.to_string()));
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        if !is_stream {
            return (path, reply.json()["usage"].clone());
        }
        // The last figures that come.
        let parts = if path.starts_with("/api") {
            reply.lines()
        } else {
            reply.events().into_iter().map(|(_, data)| data).collect()
        };
        let of = |part: &Value| {
            let places = [&part["usage"], &part["response"]["usage"]];
            places.into_iter().find(|usage| usage.is_object()).cloned()
        };
        (path, parts.iter().filter_map(of).next_back().unwrap_or_default())
    };
    usages.map(usage).into()
}

#[test]
fn answers_tell_their_energy_to_whoever_asks() {
    let server = Home::new().serve(&["--set", "telemetry.interval_ms=250"]);
    for is_stream in [false, true] {
        for (path, usage) in usages(&server, &[], is_stream) {
            assert!(usage.get("energy").is_none(), "{path}: nobody has asked for it: {usage}");
        }
        for (path, usage) in usages(&server, &[("x-taffrail-energy", "1")], is_stream) {
            let energy = &usage["energy"];
            let grade = energy["grade"].as_str().unwrap_or_else(|| panic!("{path}: {usage}"));
            if grade == "unknown" {
                assert!(energy["joules"].is_null() && energy["reason"].is_string(), "{path}: {energy}");
            } else {
                let range = energy["range_joules"].as_array().unwrap();
                let joules = energy["joules"].as_f64().unwrap();
                assert!(range[0].as_f64().unwrap() <= joules && joules <= range[1].as_f64().unwrap(), "{energy}");
                assert!(energy["boundary"].as_str().unwrap().starts_with('['), "{path}: {energy}");
            }
        }
    }
}

#[test]
fn the_user_can_have_energy_told_to_all() {
    let server = Home::new().serve(&["--set", "server.usage_energy=true", "--set", "telemetry.interval_ms=250"]);
    for (path, usage) in usages(&server, &[], false) {
        assert!(usage["energy"]["grade"].is_string(), "{path}: {usage}");
    }
    for (path, usage) in usages(&server, &[("x-taffrail-energy", "0")], false) {
        assert!(usage.get("energy").is_none(), "{path}: {usage}");
    }
    // Clients that have not asked for usage would take a chunk without choices for an error.
    let chat = &usages(&server, &[], true)[0];
    assert_eq!(chat.1, Value::Null, "{chat:?}");
}

#[test]
fn metrics_have_the_names_of_llama_server_and_vllm() {
    let server = Home::new().serve(&[]);
    assert_eq!(server.get("/metrics").text, "", "nothing is loaded, and nothing is known");
    let ask = |max_tokens: u32| {
        let messages = json!([{"role": "user", "content": "The sea"}]);
        let body = json!({"model": MODEL, "messages": messages, "max_tokens": max_tokens});
        assert_eq!(server.post("/v1/chat/completions", &body).status, 200);
    };
    ask(5);
    ask(7);
    let reply = server.get("/metrics");
    assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"), "{reply:?}");
    let value = |name: &str| {
        let line = reply.text.lines().find(|line| line.split('{').next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {}", reply.text));
        assert!(line.contains(&format!("model_name=\"{MODEL}\"")), "{line}");
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    for (name, expected) in [
        ("llamacpp:tokens_predicted_total", Some(12.0)),
        ("llamacpp:prompt_tokens_total", None),
        ("llamacpp:prompt_seconds_total", None),
        ("llamacpp:tokens_predicted_seconds_total", None),
        ("llamacpp:prompt_tokens_seconds", None),
        ("llamacpp:predicted_tokens_seconds", None),
        ("llamacpp:requests_processing", Some(0.0)),
        ("llamacpp:requests_deferred", Some(0.0)),
        ("vllm:generation_tokens_total", Some(12.0)),
        ("vllm:num_requests_running", Some(0.0)),
        ("vllm:num_requests_waiting", Some(0.0)),
        ("vllm:kv_cache_usage_perc", Some(0.0)),
        ("vllm:time_to_first_token_seconds_count", Some(2.0)),
        ("vllm:e2e_request_latency_seconds_count", Some(2.0)),
        ("vllm:request_queue_time_seconds_count", Some(2.0)),
        ("vllm:request_time_per_output_token_seconds_count", Some(2.0)),
    ] {
        let found = value(name);
        assert!(expected.map_or(found > 0.0, |expected| (found - expected).abs() < 1e-9), "{name}: {found}");
    }
    assert!(value("vllm:prompt_tokens_total") >= value("llamacpp:prompt_tokens_total"), "what was cached counts");
    assert!(reply.text.contains("finished_reason=\"length\"} 2"), "{}", reply.text);
    assert!(reply.text.contains("vllm:e2e_request_latency_seconds_bucket{"), "{}", reply.text);
    // What a name is given twice for, Prometheus refuses as a whole.
    let series: Vec<&str> =
        reply.text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let unique: std::collections::BTreeSet<&&str> = series.iter().collect();
    assert_eq!(unique.len(), series.len(), "{}", reply.text);
}

#[test]
fn a_browser_gets_a_page_that_tells_nothing_by_itself() {
    let home = Home::new();
    let add = |name: &str, scope: &str| home.run(&["keys", "add", name, "--scope", scope]).1.trim().to_owned();
    let (metrics, chat) = (add("graphs", "metrics"), add("laptop", "chat"));
    let server = home.serve(&["--set", "server.require_key=true"]);
    let browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let page = server.send("GET", "/", &browser, None);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.text.contains(MODEL) && page.text.contains("keys add"), "a key is asked for");
    // Another program gets Ollama's word.
    assert_eq!(server.send("GET", "/", &[("accept", "*/*")], None).text, "Ollama is running");
    for (key, status) in [(None, 401), (Some(&chat), 403), (Some(&metrics), 200)] {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let reply = server.send("GET", "/status.json", &headers, None);
        assert_eq!(reply.status, status, "{key:?}: {}", reply.text);
    }
}

#[test]
fn the_status_document_has_what_the_page_draws() {
    let server = Home::new().serve(&[]);
    let messages = json!([{"role": "user", "content": "<b>The sea</b>"}]);
    let body = json!({"model": MODEL, "messages": messages, "max_tokens": 3}).to_string();
    let agent = [("user-agent", "<script>alert(1)</script>")];
    assert_eq!(server.send("POST", "/v1/chat/completions", &agent, Some(body)).status, 200);
    let reply = server.get("/status.json");
    let status = reply.json();
    assert_eq!(status["schema"], "taffrail/status/1");
    assert_eq!((&status["models"][0]["name"], &status["models"][0]["state"]), (&json!(MODEL), &json!("ready")));
    let request = &status["requests"][0];
    assert_eq!((&request["state"], &request["tokens"]["generated"]), (&json!("done"), &json!(3)), "{request}");
    assert_eq!(request["agent"], "<script>alert(1)</script>", "the page shows it as text");
    assert!(!reply.text.contains("The sea"), "no text of anybody is in it");
    let power = &status["machine"]["power"];
    assert!(power["watts"].is_number() || power["reason"].is_string(), "{power}");
}
