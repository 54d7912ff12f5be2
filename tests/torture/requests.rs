//! Many clients at once, of which few behave: they hang up, send what is wrong, too long or too deep, and read slowly. Nothing
//! hangs, each request that is taken is answered once, no sequence and no connection is left, and memory stays flat.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

use crate::cases::{pass, say};
use crate::server::{Home, MODEL, Server, wait_until};

/// Requests and clients, in CI and in `./dev torture`.
const FEW: (u64, usize) = (200, 16);
const MANY: (u64, usize) = (10_000, 64);

/// What the server may have grown by at the end, in KiB: buffers that were needed once stay with the allocator.
const MAX_GROWTH: u64 = 48 << 10;

/// The largest body that the server takes here.
const MAX_BODY: usize = 64 << 10;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It waits for the whole answer.
    Whole,
    /// It reads a stream to its end.
    Stream,
    /// The same, some bytes at a time.
    Slow,
    /// It hangs up before anything was answered.
    HangUp,
    /// It hangs up in the middle of a stream.
    HangUpInStream,
    /// It sends half of a request and hangs up.
    Half,
    /// What it sends is no JSON.
    NoJson,
    /// What it sends is too long.
    TooLong,
    /// What it sends is nested too deep.
    TooDeep,
    /// It asks for a model that is not there.
    NoModel,
}

const KINDS: [Kind; 13] = [
    Kind::Whole,
    Kind::Whole,
    Kind::Stream,
    Kind::Stream,
    Kind::Slow,
    Kind::HangUp,
    Kind::HangUp,
    Kind::HangUpInStream,
    Kind::Half,
    Kind::NoJson,
    Kind::TooLong,
    Kind::TooDeep,
    Kind::NoModel,
];

/// The APIs, by their addresses.
const PATHS: [&str; 3] = ["/v1/chat/completions", "/v1/messages", "/api/chat"];

fn body(path: &str, kind: Kind, random: &mut Pcg64Mcg) -> Vec<u8> {
    let is_stream = matches!(kind, Kind::Stream | Kind::Slow | Kind::HangUpInStream);
    let most = if matches!(kind, Kind::HangUp | Kind::HangUpInStream) { 200 } else { random.random_range(1..16) };
    let text = match kind {
        Kind::TooLong => "x".repeat(MAX_BODY + 1),
        _ => format!("Tell me {}", random.random_range(0..50)),
    };
    let model = if kind == Kind::NoModel { "no-such-model" } else { MODEL };
    match kind {
        Kind::NoJson => return br#"{"model":"#.to_vec(),
        Kind::TooDeep => return b"[".repeat(10_000),
        _ => {}
    }
    let messages = json!([{"role": "user", "content": text}]);
    let mut body = json!({"model": model, "messages": messages, "stream": is_stream});
    if path == "/api/chat" {
        body["options"] = json!({"num_predict": most});
    } else {
        body["max_tokens"] = json!(most);
    }
    body.to_string().into_bytes()
}

/// Send one request, and do with its answer what the kind says. Gives the status that was seen, 0 for none.
fn ask(server: &Server, kind: Kind, random: &mut Pcg64Mcg) -> u16 {
    let path = PATHS[random.random_range(0..PATHS.len())];
    let body = body(path, kind, random);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    let mut stream = server.raw(&head);
    let sent = if kind == Kind::Half { &body[..body.len() / 2] } else { &body[..] };
    // A body that is refused may be refused before it was read.
    let is_sent = stream.write_all(sent).is_ok();
    assert!(is_sent || kind == Kind::TooLong, "{kind:?}: nothing takes the body");
    match kind {
        Kind::Half | Kind::HangUp => return 0,
        Kind::HangUpInStream => {
            let mut some = vec![0; random.random_range(1..600)];
            let _ = stream.read(&mut some);
            return 0;
        }
        _ => {}
    }
    let Some(text) = read(stream, kind == Kind::Slow) else {
        assert_eq!(kind, Kind::TooLong, "the connection broke");
        return 0;
    };
    check(path, kind, &text)
}

/// All that comes until the connection ends; `None` where it broke.
fn read(mut stream: TcpStream, is_slow: bool) -> Option<String> {
    let (mut all, mut part) = (Vec::new(), [0; 64]);
    if !is_slow {
        stream.read_to_end(&mut all).ok()?;
        return Some(String::from_utf8_lossy(&all).into_owned());
    }
    loop {
        match stream.read(&mut part) {
            Ok(0) => return Some(String::from_utf8_lossy(&all).into_owned()),
            Ok(n_read) => all.extend_from_slice(&part[..n_read]),
            Err(_) => return None,
        }
        pass(Duration::from_millis(1));
    }
}

/// Whether an answer is whole and the only one.
fn check(path: &str, kind: Kind, text: &str) -> u16 {
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{kind:?} {path}: {text}");
    let status: u16 = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let expected: &[u16] = match kind {
        // A queue may be full.
        Kind::Whole | Kind::Stream | Kind::Slow => &[200, 429],
        Kind::NoJson | Kind::TooDeep => &[400],
        Kind::TooLong => &[413],
        Kind::NoModel => &[404],
        Kind::HangUp | Kind::HangUpInStream | Kind::Half => &[],
    };
    assert!(expected.contains(&status), "{kind:?} {path}: {text}");
    if status != 200 {
        return status;
    }
    let ends = match (path, kind) {
        ("/v1/chat/completions", Kind::Whole) => text.matches("\"finish_reason\":\"").count(),
        ("/v1/messages", Kind::Whole) => text.matches("\"stop_reason\":\"").count(),
        ("/v1/chat/completions", _) => text.matches("data: [DONE]").count(),
        ("/v1/messages", _) => text.matches("event: message_stop").count(),
        _ => text.matches("\"done\":true").count(),
    };
    assert_eq!(ends, 1, "{kind:?} {path}: {text}");
    status
}

/// KiB of memory, and open files, of the server's process.
fn used(server: &Server) -> (u64, usize) {
    let process = format!("/proc/{}", server.child.id());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.split_whitespace().next().unwrap().parse().unwrap();
    (resident, std::fs::read_dir(format!("{process}/fd")).unwrap().count())
}

/// Ask from so many clients at once, until so many requests are done. Gives how often each kind saw each status.
fn hammer(server: &Server, requests: std::ops::Range<u64>, n_clients: usize) -> BTreeMap<(Kind, u16), u64> {
    let next = AtomicU64::new(requests.start);
    let seen = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..n_clients {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < requests.end) {
                    let mut random = Pcg64Mcg::seed_from_u64(seed);
                    let kind = KINDS[random.random_range(0..KINDS.len())];
                    let status = ask(server, kind, &mut random);
                    *seen.lock().unwrap().entry((kind, status)).or_default() += 1;
                }
            });
        }
    });
    wait_until("no sequence generates", || server.n_processing() == 0);
    seen.into_inner().unwrap()
}

#[test]
fn many_clients_that_misbehave_leave_nothing_behind() {
    let is_full = std::env::var_os("TAFFRAIL_TORTURE").is_some_and(|size| size == "full");
    let (n_requests, n_clients) = if is_full { MANY } else { FEW };
    let home = Home::new();
    home.write("config/taffrail/config.toml", &format!("[server]\nmax_body = \"{} KiB\"\n", MAX_BODY >> 10));
    let server = home.serve(&[]);
    let first = n_requests / 4;
    hammer(&server, 0..first, n_clients);
    let (before, n_files) = used(&server);
    let seen = hammer(&server, first..n_requests, n_clients);
    // One for the look itself.
    wait_until("all connections are closed", || used(&server).1 <= n_files + 1);
    let (after, n_files_after) = used(&server);
    say(&format!(
        "{n_requests} requests of {n_clients} clients: {before} KiB and {n_files} files before, {after} KiB and \
         {n_files_after} files after; {seen:?}"
    ));
    assert!(after <= before + MAX_GROWTH, "memory grew from {before} to {after} KiB");
    // It still answers, and nothing waits.
    let request = json!({"model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": "x"}]});
    let answer = server.post("/v1/chat/completions", &request);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let slots = server.get("/slots").json();
    assert!(slots.as_array().unwrap().iter().all(|slot: &Value| slot["is_processing"] == false), "{slots}");
}
