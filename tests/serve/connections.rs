//! Connections that end, stall or ask too much.

use std::io::{Read as _, Write as _};

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{Home, MODEL, read_all, wait_until};

/// Answers that take their time: each goes on until its context is full, and one is written at a time.
fn long(is_stream: bool) -> serde_json::Value {
    json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Tell me everything."}],
        "grammar": "root ::= [a-z ]+",
        "stream": is_stream,
        "n": 8,
    })
}

#[test]
fn a_client_that_hangs_up_cancels_its_request_running_or_waiting() {
    let server = Home::new().serve(&[]);
    let n_waiting = || {
        let text = server.get("/metrics").text;
        let mut lines = text.lines().filter(|line| line.starts_with("llamacpp:requests_deferred{"));
        lines.next().map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
    };
    for is_stream in [true, false] {
        let request = server.request("/v1/chat/completions", &long(is_stream));
        let running = server.raw(&request);
        wait_until("one runs", || server.n_processing() == 1);
        let waiting = server.raw(&request);
        wait_until("those of the second wait", || n_waiting() >= 8);
        drop(waiting);
        wait_until("they wait no more", || n_waiting() < 8);
        drop(running);
        wait_until("nothing runs or waits", || server.n_processing() == 0 && n_waiting() == 0);
    }
    let request = json!({"model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(server.post("/v1/chat/completions", &request).status, 200);
}

#[test]
fn what_is_too_much_is_refused() {
    let home = Home::new();
    home.write("config/taffrail/config.toml", "[server]\nmax_body = \"64 KiB\"\n");
    let server = home.serve(&[]);
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "x".repeat(100_000)}]});
    let reply = server.post("/v1/chat/completions", &body);
    assert_eq!(reply.status, 413);
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("server.max_body"));
    let headers = "X: 1\r\n".repeat(200);
    let answer = read_all(server.raw(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer =
        read_all(server.raw(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(300_000))));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = read_all(server.raw("nonsense\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = read_all(server.raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

/// Clients that write their whole request before they read: more than the buffers of a connection hold.
#[test]
fn an_answer_that_comes_before_the_end_of_the_request_is_read() {
    let home = Home::new();
    home.write("config/taffrail/config.toml", "[server]\nmax_body = \"64 KiB\"\n");
    let server = home.serve(&[]);
    let body = vec![b'x'; 8 << 20];
    let blob = format!("/api/blobs/sha256:{}", HEXLOWER.encode(&Sha256::digest(&body)));
    let cases = [
        ("POST", blob.as_str(), 201),
        ("POST", blob.as_str(), 200),
        ("POST", "/api/blobs/sha256:x", 400),
        ("POST", "/nowhere", 404),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/chat/completions", 413),
    ];
    for (method, path, status) in cases.iter().chain(&cases[1..]) {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n", server.address);
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut whole = server.raw(&format!("{head}{length}Connection: close\r\n\r\n"));
        whole.write_all(&body).unwrap();
        let answer = read_all(whole);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        if *status == 404 {
            let waits = server.raw(&format!("{head}{length}Expect: 100-continue\r\n\r\n"));
            assert!(read_all(waits).starts_with("HTTP/1.1 404 "), "what is refused is not asked for");
        }
    }
}

#[test]
fn a_signal_ends_the_server_in_order() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let server = Home::new().serve(&[]);
        let mut stream = server.raw(&server.request("/v1/chat/completions", &long(true)));
        let mut some = [0; 400];
        stream.read_exact(&mut some).unwrap();
        let (code, log) = server.end(signal);
        assert_eq!(code, Some(0), "{log:?}");
        let rest = read_all(stream);
        assert!(rest.contains("the server is shutting down"), "{rest}");
        assert!(!log.iter().any(|line| line.contains("panicked")), "{log:?}");
    }
}

#[test]
fn a_request_that_comes_slowly_is_answered() {
    let server = Home::new().serve(&[]);
    let request = server.request(
        "/v1/chat/completions",
        &json!({"model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": "x"}]}),
    );
    let request = request.replace("Content-Type: application/json", "Connection: close");
    let (first, second) = request.split_at(40);
    let mut stream = server.raw(first);
    for byte in second.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    let answer = read_all(stream);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
