//! The end of a worker whose layers another machine computed: llama.cpp ends its process where that one is lost.

use std::collections::{BTreeSet, VecDeque};

use wire::{Load, RpcServer};
use worker::rpc::probe;

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
    let asked = servers.to_vec();
    let asked = tokio::task::spawn_blocking(move || {
        let ask = |server: RpcServer| std::thread::spawn(move || (probe(server.address).err(), server));
        let threads: Vec<_> = asked.into_iter().map(ask).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    let asked = asked.await.unwrap_or_default();
    let gone = asked.iter().find_map(|(error, server)| Some((error.as_ref()?, server)));
    if let Some((error, RpcServer { name, address })) = gone {
        let reason = format!("the RPC server {name} at {address} was lost: it {error}");
        return Some((reason, format!("{}; then restart the session", error.hint(*address))));
    }
    let reason = if let [RpcServer { name, address }] = servers {
        format!("the RPC server {name} at {address} was lost")
    } else {
        let name = |RpcServer { name, address }: &RpcServer| format!("{name} at {address}");
        let names: Vec<String> = servers.iter().map(name).collect();
        format!("one of the RPC servers was lost: {}", names.join(", "))
    };
    Some((reason, "it answers again: restart the session".to_owned()))
}

/// What could be done about a worker that stands still.
pub(super) fn hint(servers: &[RpcServer]) -> Option<String> {
    let first = servers.first()?;
    Some(format!(
        "it may wait for the RPC server {} at {}: see whether that machine and the tunnel to it still answer",
        first.name, first.address
    ))
}
