//! Models fetched, made, given other names and deleted by Ollama's API.

use std::io::Read as _;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fake_hub::{FakeHub, Repo, Wrong};
use crate::support::{Home, MODEL, Reply, Server};

const REPOSITORY: &str = "pequod/whale-GGUF";

fn starter() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/starter/ishmael-1m-Q8_0.gguf")).unwrap()
}

fn names(server: &Server) -> Vec<String> {
    let tags = server.get("/api/tags").json();
    tags["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

fn delete(server: &Server, name: &str) -> Reply {
    server.send("DELETE", "/api/delete", &[], Some(json!({"model": name}).to_string()))
}

/// What a model says to one prompt, and how many tokens were read before it.
fn says(server: &Server, model: &str) -> (String, u64) {
    let request = json!({
        "model": model, "messages": [{"role": "user", "content": "Call me"}], "stream": false,
        "options": {"temperature": 0, "num_predict": 4},
    });
    let answer = server.post("/api/chat", &request).json();
    let text = answer["message"]["content"].as_str().unwrap_or_else(|| panic!("{answer}"));
    (text.to_owned(), answer["prompt_eval_count"].as_u64().unwrap())
}

#[test]
fn a_model_is_pulled_by_its_name_on_the_hub_and_answers_by_it() {
    let content = starter();
    let hub = FakeHub::start(vec![Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &content)])]);
    let home = Home::new();
    home.write("config/taffrail/config.toml", &format!("[hub]\nendpoint = \"{}\"\n", hub.endpoint));
    let server = home.serve(&[]);
    let name = format!("hf.co/{REPOSITORY}:Q8_0");
    let reply = server.post("/api/pull", &json!({"model": name}));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
    let lines = reply.lines();
    let statuses: Vec<&str> = lines.iter().filter_map(|line| line["status"].as_str()).collect();
    assert_eq!((statuses.first(), statuses.last()), (Some(&"pulling manifest"), Some(&"success")), "{lines:?}");
    assert!(!says(&server, &name).0.is_empty());
    assert!(server.home.path("hub/models--pequod--whale-GGUF/refs/main").is_file());
    // What is here is fetched no more, and a reply may come whole.
    for model in [name.as_str(), MODEL] {
        let reply = server.post("/api/pull", &json!({"name": model, "stream": false}));
        assert_eq!((reply.status, reply.json()), (200, json!({"status": "success"})), "{model}");
    }
    for (model, word) in [
        ("llama3.2", "hf.co/OWNER/REPO:QUANT"),
        ("library/../x", "hf.co/OWNER/REPO:QUANT"),
        ("", "hf.co/OWNER/REPO:QUANT"),
    ] {
        let reply = server.post("/api/pull", &json!({"model": model}));
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(reply.status == 404 && error.contains(word), "{model}: {error}");
    }
    let gone = server.post("/api/pull", &json!({"model": "hf.co/pequod/gone", "stream": false}));
    assert!(gone.status == 404 && gone.json()["error"].as_str().unwrap().contains("pequod/gone"), "{gone:?}");
    let last = server.post("/api/pull", &json!({"model": "hf.co/pequod/gone"})).lines().pop().unwrap();
    assert!(last["error"].as_str().unwrap().contains("pequod/gone"), "{last}");
}

#[test]
fn a_client_that_hangs_up_pauses_its_download_and_the_next_resumes_it() {
    let content = starter();
    let hub = FakeHub::start(vec![Repo::new(REPOSITORY, &[("whale-Q8_0.gguf", &content)])]);
    hub.fault("GET", "/resolve/", 1, Wrong::Drip(20_000, Duration::from_millis(20)));
    let home = Home::new();
    home.write("config/taffrail/config.toml", &format!("[hub]\nendpoint = \"{}\"\n", hub.endpoint));
    let server = home.serve(&[]);
    let request = json!({"model": format!("hf.co/{REPOSITORY}:Q8_0")});
    let mut stream = server.raw(&server.request("/api/pull", &request));
    let (mut text, mut part) = (String::new(), [0; 512]);
    while !text.contains("completed") {
        let n_read = stream.read(&mut part).unwrap();
        assert!(n_read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&part[..n_read]));
    }
    drop(stream);
    crate::support::wait_until("it is fetched", || server.post("/api/pull", &request).text.contains("success"));
    let resumed = hub.seen().into_iter().filter_map(|seen| seen.range).any(|range| !range.starts_with("bytes=0-"));
    assert!(resumed, "{:?}", hub.seen());
}

#[test]
fn a_copy_is_a_name_that_lasts_until_it_is_deleted() {
    let home = Home::new();
    home.write("config/taffrail/config.toml", &format!("[models.written]\nmodel = \"{MODEL}\"\n"));
    let server = home.serve(&[]);
    let copy = |server: &Server, source: &str, destination: &str| {
        server.post("/api/copy", &json!({"source": source, "destination": destination}))
    };
    assert_eq!(copy(&server, MODEL, "ahab:latest").status, 200);
    assert_eq!(copy(&server, "ahab", "ahab/two:q8").status, 200);
    for (source, destination, status, word) in [
        ("gone", "x", 404, "gone"),
        (MODEL, "ishmael-4m", 400, "destination"),
        (MODEL, "written", 400, "config.toml"),
        (MODEL, "a b", 400, "destination"),
        (MODEL, "", 400, "destination"),
    ] {
        let reply = copy(&server, source, destination);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(reply.status == status && error.contains(word), "{source} {destination}: {} {error}", reply.status);
    }
    let server = server.restart();
    let all = names(&server);
    assert!(["ahab", "ahab/two:q8", "written"].iter().all(|name| all.iter().any(|one| one == name)), "{all:?}");
    assert_eq!(says(&server, "ahab"), says(&server, MODEL));
    assert_eq!(delete(&server, "ahab").status, 200);
    for (name, status, word) in [
        ("ahab", 404, "ahab"),
        ("written", 400, "config.toml"),
        // It ships with the program; and a name stands for it.
        (MODEL, 400, "ahab/two:q8"),
        ("ishmael-4m", 400, "ships with taffrail"),
    ] {
        let reply = delete(&server, name);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(reply.status == status && error.contains(word), "{name}: {} {error}", reply.status);
    }
}

#[test]
fn a_model_is_made_of_a_file_and_deleted_with_it() {
    let server = Home::new().serve(&[]);
    let content = starter();
    let digest = format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&content)));
    let blob = format!("/api/blobs/{digest}");
    let put = |content: &[u8]| server.send_bytes("POST", &blob, &[], Some(content.to_vec())).status;
    let has = || server.send("HEAD", &blob, &[], None).status;
    assert_eq!(has(), 404);
    assert_eq!(put(&content[..1000]), 400);
    assert_eq!((has(), put(&content), has(), put(&content)), (404, 201, 200, 200));
    assert_eq!(server.send("HEAD", "/api/blobs/sha256:..", &[], None).status, 400);

    let create = |body: Value| server.post("/api/create", &body);
    let reply = create(json!({"model": "queequeg:v2", "files": {"m.gguf": digest}, "system": "Be brief."}));
    assert_eq!(reply.lines().last(), Some(&json!({"status": "success"})), "{reply:?}");
    assert!(server.home.path("data/taffrail/models/queequeg-v2.gguf").is_file());
    assert_eq!(has(), 404);
    let (text, n_prompt) = says(&server, "queequeg:v2");
    assert!(!text.is_empty() && n_prompt > says(&server, MODEL).1, "the system prompt is read: {n_prompt}");

    let parameters = json!({"temperature": 0.1, "num_ctx": 512});
    let reply = create(json!({"model": "warm", "from": MODEL, "parameters": parameters, "stream": false}));
    assert_eq!(reply.json(), json!({"status": "success"}));
    for (body, status, word) in [
        (json!({"model": "x", "from": "gone"}), 404, "gone"),
        (json!({"model": MODEL, "from": MODEL}), 400, "model"),
        (json!({"model": "x"}), 400, "from"),
        (json!({"model": "x", "from": MODEL, "template": "{{ .Prompt }}"}), 400, "template"),
        (json!({"model": "x", "from": MODEL, "parameters": {"mirostat": 1}}), 400, "parameters.mirostat"),
        (json!({"model": "x", "files": {"../../x": "../../etc/passwd"}}), 400, "files"),
        (json!({"model": "x", "files": {"m": digest}, "stream": false}), 400, "/api/blobs"),
    ] {
        let reply = create(body.clone());
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(reply.status == status && error.contains(word), "{body}: {} {error}", reply.status);
    }
    let server = server.restart();
    let made = server.home.path("data/taffrail/models/queequeg-v2.gguf");
    assert_eq!(says(&server, "queequeg:v2"), (text, n_prompt));
    let deleted = delete(&server, "queequeg:v2");
    assert_eq!((deleted.status, made.exists()), (200, false), "{deleted:?}");
    assert_eq!(delete(&server, "warm").status, 200);
    crate::support::wait_until("they are gone", || !names(&server).iter().any(|name| name.contains("queequeg")));
}

#[test]
fn models_are_changed_with_the_scope_for_it_alone() {
    let home = Home::new();
    let (code, key, _) = home.run(&["keys", "add", "reader", "--scope", "chat"]);
    assert_eq!(code, 0);
    home.write("config/taffrail/config.toml", "[server]\nrequire_key = true\n");
    let server = home.serve(&[]);
    let bearer = format!("Bearer {}", key.trim());
    let digest = format!("/api/blobs/sha256:{}", "0".repeat(64));
    for (method, path, scoped) in [
        ("POST", "/api/pull", 403),
        ("POST", "/api/create", 403),
        ("POST", "/api/copy", 403),
        ("DELETE", "/api/delete", 403),
        ("POST", digest.as_str(), 403),
        ("HEAD", digest.as_str(), 404),
    ] {
        let ask = |headers: &[(&str, &str)]| server.send(method, path, headers, Some("{}".to_owned())).status;
        assert_eq!((ask(&[]), ask(&[("authorization", &bearer)])), (401, scoped), "{method} {path}");
    }
}
