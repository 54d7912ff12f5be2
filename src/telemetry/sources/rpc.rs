//! Other machines whose devices sessions may use: whether they are reachable, and their memory.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{RpcDevice, RpcMachine, Sample};
use domain::units::Bytes;

/// What the source reads.
pub(in crate::telemetry) const COVERS: &str = "devices of other machines by llama.cpp's RPC";

/// The time between two queries: each is a connection, and memory there changes when models are loaded.
const PERIOD: Duration = Duration::from_secs(10);

/// The machines' source.
pub(in crate::telemetry) struct RpcMachines {
    servers: BTreeMap<String, SocketAddrV4>,
    last: Vec<RpcMachine>,
    at: Option<Duration>,
}

impl RpcMachines {
    /// Of these servers.
    pub(in crate::telemetry) fn new(servers: BTreeMap<String, SocketAddrV4>) -> Self {
        Self { servers, last: Vec::new(), at: None }
    }

    /// Query all servers concurrently, so that an unresponsive one delays no other.
    fn ask(&self) -> Vec<RpcMachine> {
        let asked: Vec<_> = self
            .servers
            .iter()
            .map(|(name, address)| {
                let (name, address) = (name.clone(), *address);
                std::thread::spawn(move || machine(name, address))
            })
            .collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    }
}

/// Query one server.
fn machine(name: String, address: SocketAddrV4) -> RpcMachine {
    let machine = RpcMachine { name, address: address.to_string(), ..RpcMachine::default() };
    match worker::rpc::probe(address) {
        Ok(status) => {
            let device = |device: worker::rpc::RpcDevice| RpcDevice {
                name: device.name,
                description: device.description,
                total: device.total.map(Bytes),
                free: device.free.map(Bytes),
            };
            RpcMachine { version: status.version, devices: status.devices.into_iter().map(device).collect(), ..machine }
        }
        Err(error) => RpcMachine { problem: Some(error.to_string()), remedy: Some(error.hint(address)), ..machine },
    }
}

impl Source for RpcMachines {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        if self.at.is_none_or(|at| tick.at.saturating_sub(at) >= PERIOD) {
            self.last = self.ask();
            self.at = Some(tick.at);
        }
        sample.rpc.clone_from(&self.last);
        let lost: Vec<&RpcMachine> = self.last.iter().filter(|machine| machine.problem.is_some()).collect();
        let reading = match lost.first() {
            None => {
                let n_devices: usize = self.last.iter().map(|machine| machine.devices.len()).sum();
                Figure::measured(format!("{n_devices} on {} machines", self.last.len()), "each server")
            }
            Some(RpcMachine { name, problem, remedy, .. }) => missing(
                format!("{name} {}", problem.as_deref().unwrap_or_default()),
                remedy.as_deref().unwrap_or_default(),
            ),
        };
        let row = tick.row("rpc", COVERS, reading);
        sample.sources.push(domain::machine::Source { period: PERIOD.max(tick.interval), ..row });
    }
}
