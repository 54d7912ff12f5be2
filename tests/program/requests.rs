//! `taffrail requests`: what a server was asked by a program, in the command and on the screen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::{Home, Ran, Terminal, signal, wait_for};

/// A server in the background; gives the address of its APIs.
fn serve(home: &Home) -> String {
    let started = home.run(&["serve", "--detach", "--listen", "127.0.0.1:0"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let address = || {
        let status = home.run(&["serve", "status", "--json"]).json();
        Some(status["address"].as_str()?.trim_start_matches("http://").to_owned())
    };
    // Other programs are answered once the stores were scanned.
    wait_for("an address", || address().is_some(), String::new);
    address().unwrap()
}

/// Begin to ask a server.
fn ask(address: &str, max_tokens: u32) -> TcpStream {
    let body = format!(
        r#"{{"model": "ishmael-1m", "messages": [{{"role": "user", "content": "The sea"}}], "max_tokens": {max_tokens}, "stream": true}}"#
    );
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nUser-Agent: harpoon/1.2\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn requests(home: &Home, arguments: &[&str]) -> Ran {
    home.run(&[&["requests"], arguments].concat())
}

#[test]
fn what_a_program_asked_is_listed_with_its_figures() {
    let home = Home::served();
    assert_eq!(requests(&home, &[]).code, Some(3), "no server is running");
    let address = serve(&home);
    assert_eq!(requests(&home, &[]).stdout.trim(), "no requests yet");
    assert!(read(ask(&address, 5)).contains("200 OK"));
    let listed = requests(&home, &["--json"]).json();
    assert_eq!(listed["schema"], "taffrail/requests/1");
    let request = &listed["requests"][0];
    for (field, expected) in [
        ("client", "local"),
        ("agent", "harpoon/1.2"),
        ("api", "OpenAI"),
        ("model", "ishmael-1m"),
        ("state", "done"),
        ("finish", "length"),
        ("priority", "interactive"),
    ] {
        assert_eq!(request[field], expected, "{field}: {request}");
    }
    assert_eq!(request["tokens"]["generated"], 5, "{request}");
    assert!(request["tokens"]["prompt"].as_u64().unwrap() > 0, "{request}");
    let (queue, ttft) = (request["queue_ms"].as_f64().unwrap(), request["ttft_ms"].as_f64().unwrap());
    assert!(queue > 0.0 && ttft >= queue, "the model was loaded first: {request}");
    assert!(request["energy"]["grade"].is_string(), "{request}");
    if request["energy"]["joules"].is_null() {
        assert!(request["energy"]["reason"].is_string(), "what is unknown says why: {request}");
    }
    // The table, its filter, and what it can't do.
    let table = requests(&home, &[]);
    assert!(table.stdout.contains("harpoon/1.2") && table.stdout.contains("length"), "{table:?}");
    assert_eq!(requests(&home, &["agent:whale"]).stdout.trim(), "no request matches the filter");
    let id = request["id"].to_string();
    assert_eq!(requests(&home, &["--cancel", &id]).code, Some(4), "it has ended");
    assert_eq!(requests(&home, &["--cancel", "99999"]).code, Some(3));
}

#[test]
fn a_request_is_followed_and_cancelled() {
    let home = Home::served();
    let address = serve(&home);
    let mut following = home.command(&["requests", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    let stream = ask(&address, 100_000);
    let first = next();
    let id = first["id"].to_string();
    assert_eq!((&first["agent"], &first["finish"]), (&"harpoon/1.2".into(), &serde_json::Value::Null));
    while next()["state"] != "decoding" {}
    // The screen shows it as well.
    let mut terminal = Terminal::open_with(&home, 120, 40, &[]);
    terminal.send("1Q");
    terminal.see("harpoon/1.2");
    terminal.see("decoding");
    assert_eq!(requests(&home, &["--cancel", &id]).code, Some(0));
    let last = loop {
        let line = next();
        if !line["finish"].is_null() {
            break line;
        }
    };
    assert_eq!((&last["state"], &last["finish"]), (&"cancelled".into(), &"cancelled".into()), "{last}");
    drop(stream);
    terminal.see("cancelled");
    // And cancels the next one by a key.
    let stream = ask(&address, 100_000);
    wait_for("a request", || requests(&home, &["state:decoding"]).stdout.contains("harpoon"), String::new);
    terminal.send("gx");
    wait_for("no request", || !requests(&home, &["state:decoding"]).stdout.contains("harpoon"), String::new);
    drop(stream);
    // What becomes of those that run when their server dies is not known.
    let stream = ask(&address, 100_000);
    wait_for("a request", || requests(&home, &["state:decoding"]).stdout.contains("harpoon"), String::new);
    terminal.see("decoding");
    signal(home.server().unwrap(), "KILL");
    terminal.see("Attach again?");
    terminal.send("\x1b");
    terminal.wait("no request that runs", |screen| screen.contains("lost") && !screen.contains("decoding"));
    let last = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap()).last().unwrap();
    assert_eq!((&last["schema"], &last["state"]), (&"taffrail/request/1".into(), &"lost".into()), "{last}");
    assert_eq!(following.wait().unwrap().code(), Some(1));
    drop(stream);
    assert_eq!(requests(&home, &[]).code, Some(3));
}
