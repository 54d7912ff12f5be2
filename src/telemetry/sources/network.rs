//! Traffic of the network interfaces that lead outside the machine.

use std::time::Duration;

use sysinfo::Networks;

use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Network, Sample};
use domain::units::{Bytes, counted};

pub(in crate::telemetry) const COVERS: &str = "traffic";

/// Interfaces whose traffic stays inside the machine, or also passes through another interface.
const WITHIN: [&str; 7] = ["lo", "veth", "docker", "br-", "virbr", "cni", "flannel"];

/// The network's source.
#[derive(Default)]
pub(in crate::telemetry) struct Interfaces {
    networks: Option<Networks>,
    /// Bytes received and sent as of the last reading, and its time.
    before: Option<(u64, u64, Duration)>,
}

impl Source for Interfaces {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        if self.networks.is_none() {
            self.networks = Networks::new().ok();
        }
        let Some(networks) = &mut self.networks else {
            let reading = missing("this system does not report it", "report it, with the system's name and version");
            sample.sources.push(tick.row("network", COVERS, reading));
            return;
        };
        networks.refresh(true);
        let outward = || networks.iter().filter(|(name, _)| leads_out(&name.to_string_lossy()));
        let (received, sent) = outward().fold((0_u64, 0_u64), |(received, sent), (_, network)| {
            (received.saturating_add(network.total_received()), sent.saturating_add(network.total_transmitted()))
        });
        let before = self.before.replace((received, sent, tick.at));
        let rate = |before: u64, now: u64, elapsed: f64| {
            // The count of a removed interface is lost.
            let bytes = now.checked_sub(before)?;
            (elapsed > 0.0).then(|| Bytes((bytes as f64 / elapsed) as u64))
        };
        let rates = before.map(|(in_before, out_before, at)| {
            let elapsed = tick.at.saturating_sub(at).as_secs_f64();
            (rate(in_before, received, elapsed), rate(out_before, sent, elapsed))
        });
        let count = outward().count();
        sample.network = rates.filter(|_| count > 0).map(|(received, sent)| Network { received, sent });
        let reading = match count {
            0 => missing("no network interface", "connect one"),
            count => Figure::measured(counted(count, "interface"), "the system"),
        };
        sample.sources.push(tick.row("network", COVERS, reading));
    }
}

fn leads_out(name: &str) -> bool {
    !WITHIN.iter().any(|within| name.starts_with(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_within_the_machine_is_no_traffic() {
        for (name, expected) in
            [("lo", false), ("eth0", true), ("enp3s0", true), ("wlan0", true), ("veth12ab", false), ("docker0", false)]
        {
            assert_eq!(leads_out(name), expected, "{name}");
        }
    }
}
