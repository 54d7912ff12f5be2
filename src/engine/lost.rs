//! The end of a worker whose layers another machine computed: llama.cpp ends its process where that one is lost.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use wire::{Load, RpcServer};
use worker::rpc::{ProbeError, RpcStatus, probe};

/// How often servers are asked whether they are there, while a worker uses them.
const ASK: Duration = Duration::from_secs(5);

/// What llama.cpp says with its last breath where a server is gone, was never there, or is of another version.
const SIGNS: [&str; 4] = [
    "Remote RPC server crashed",
    "Failed to connect to",
    "RPC handshake failed",
    "RPC transport initialization failed",
];

/// The servers that a load uses.
pub(super) fn servers(load: &Load) -> Vec<RpcServer> {
    let devices = load.devices.iter().flatten();
    devices.filter_map(|device| device.server.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// That a server was lost and what could be done, where a worker's last words say so. Asks the servers, each with a deadline.
pub(super) async fn lost(servers: &[RpcServer], last_words: &VecDeque<String>) -> Option<(String, String)> {
    if servers.is_empty() || !last_words.iter().any(|line| SIGNS.iter().any(|sign| line.contains(sign))) {
        return None;
    }
    let answers = ask(servers.to_vec()).await;
    let gone = answers.iter().find_map(|(answer, server)| Some((answer.as_ref().err()?, server)));
    if let Some((error, server)) = gone {
        return Some(words(server, error));
    }
    // It may be there again, and is named all the same.
    let is_named = |server: &&RpcServer| last_words.iter().any(|line| line.contains(&server.address.to_string()));
    let blamed: Vec<RpcServer> = servers.iter().filter(is_named).cloned().collect();
    let servers = if blamed.is_empty() { servers } else { &blamed };
    let reason = if let [RpcServer { name, address }] = servers {
        format!("the RPC server {name} at {address} was lost")
    } else {
        let name = |RpcServer { name, address }: &RpcServer| format!("{name} at {address}");
        let names: Vec<String> = servers.iter().map(name).collect();
        format!("one of the RPC servers was lost: {}", names.join(", "))
    };
    Some((reason, "it answers again: restart the session".to_owned()))
}

/// That a server is gone and what could be done.
fn words(server: &RpcServer, error: &ProbeError) -> (String, String) {
    let RpcServer { name, address } = server;
    let reason = format!("the RPC server {name} at {address} was lost: it {error}");
    (reason, format!("{}; then restart the session", error.hint(*address)))
}

/// Ask servers what they are, all at once and each with a deadline.
async fn ask(servers: Vec<RpcServer>) -> Vec<(Result<RpcStatus, ProbeError>, RpcServer)> {
    let asked = tokio::task::spawn_blocking(move || {
        let ask = |server: RpcServer| std::thread::spawn(move || (probe(server.address), server));
        let threads: Vec<_> = servers.into_iter().map(ask).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    asked.await.unwrap_or_default()
}

/// Wait until one of the servers has not answered for so long; gives what is said of it, and what could be done. A machine that
/// hangs, or whose network is gone, ends no connection, and llama.cpp would wait for it for ever.
///
/// Only servers of taffrail are asked: another one serves a single client, and answers no one else meanwhile.
pub(super) async fn watch(servers: &[RpcServer], patience: Duration) -> (String, String) {
    let mut asks = interval(ASK.min(patience));
    asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Those that have answered, with since when they do no longer.
    let mut known: Vec<(RpcServer, Option<Instant>)> = Vec::new();
    if servers.is_empty() {
        return std::future::pending().await;
    }
    loop {
        asks.tick().await;
        let before = Instant::now();
        for (answer, server) in ask(servers.to_vec()).await {
            let place = known.iter().position(|(one, _)| *one == server);
            match (answer, place.and_then(|place| known.get_mut(place))) {
                (Ok(_), Some((_, since))) => *since = None,
                (Ok(status), None) if status.version.is_some() => known.push((server, None)),
                (Err(error), Some((_, Some(since)))) if since.elapsed() >= patience => return words(&server, &error),
                (Err(_), Some((_, since @ None))) => *since = Some(before),
                _ => {}
            }
        }
    }
}

/// What could be done about a worker that stands still.
pub(super) fn hint(servers: &[RpcServer]) -> Option<String> {
    let first = servers.first()?;
    Some(format!(
        "it may wait for the RPC server {} at {}: see whether that machine and the tunnel to it still answer",
        first.name, first.address
    ))
}
