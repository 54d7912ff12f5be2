//! What asking ten engines of other programs for their counters costs: two servers with a dashboard each, side by side, of
//! which one has the engines. Nine answer as recorded, one takes connections and says nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Home, Terminal};
use crate::terminal::{processor_time, watch};
use crate::{Given, tell};

/// Engines that answer.
const ANSWERING: usize = 9;
/// Time over which both are watched.
const WATCHED: Duration = Duration::from_mins(1);
/// The most of a core that it may take, in percent.
const BOUND: f64 = 0.5;
/// Counters as a vLLM showed them.
const METRICS: &str = include_str!("../../tests/remote/vllm-metrics.txt");
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"Qwen/Qwen3-8B","object":"model","owned_by":"vllm","max_model_len":40960}]}"#;

pub(crate) fn measure(_: &Given) {
    let mut engines: Vec<u16> = (0..ANSWERING).map(|_| listen(answer)).collect();
    engines.push(listen(|mut stream| drop(std::io::copy(&mut stream, &mut std::io::sink()))));
    let [with, without] = [true, false].map(|has_engines| {
        let home = Home::served();
        let tables = engines
            .iter()
            .enumerate()
            .filter(|_| has_engines)
            .map(|(at, port)| format!("[remote.engine{at}]\nurl = \"http://127.0.0.1:{port}\"\nkind = \"vllm\"\n"));
        home.write("config/taffrail/config.toml", tables.collect::<String>());
        let terminal = Terminal::open(&home, 120, 40);
        terminal.see(&format!("{} models", 2 + if has_engines { ANSWERING } else { 0 }));
        (home, terminal)
    });
    watch(Duration::from_secs(10));
    let used = || {
        [&with, &without]
            .map(|(home, terminal)| processor_time(home.server().unwrap()) + processor_time(terminal.pid()))
    };
    let (before, begin) = (used(), Instant::now());
    watch(WATCHED);
    let (after, seconds) = (used(), begin.elapsed().as_secs_f64());
    let [with, without] = [0, 1].map(|at| after[at].saturating_sub(before[at]).as_secs_f64() / seconds * 100.0);
    let figure = format!("{:.2} % of one core: {with:.2} rather than {without:.2}", with - without);
    tell("asking ten engines for their counters every 2 s", &figure, &format!("< {BOUND} %"), with - without < BOUND);
}

/// Have each connection to a new port served by a thread of its own; gives the port.
fn listen(serve: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Answer what is asked on a connection, as long as it is open.
fn answer(mut stream: TcpStream) {
    let mut asked = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n_read @ 1..) = stream.read(&mut buffer) {
        asked.extend_from_slice(&buffer[..n_read]);
        while let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = asked.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let (kind, body) = match head.split_whitespace().nth(1) {
                Some("/metrics") => ("text/plain", METRICS),
                Some("/v1/models") => ("application/json", MODELS),
                _ => ("application/json", ""),
            };
            let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
