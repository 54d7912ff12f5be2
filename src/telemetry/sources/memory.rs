//! Main memory and swap.

use sysinfo::{MemoryRefreshKind, System};

use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Memory, Sample};
use domain::units::Bytes;

/// The memory's source.
pub(in crate::telemetry) struct MainMemory(pub(in crate::telemetry) Option<System>);

impl Source for MainMemory {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        if let Some(system) = &mut self.0 {
            system.refresh_memory_specifics(MemoryRefreshKind::everything());
            let memory = Memory {
                total: Bytes(system.total_memory()),
                available: Bytes(system.available_memory()),
                used: Bytes(system.used_memory()),
                swap_total: Bytes(system.total_swap()),
                swap_used: Bytes(system.used_swap()),
            };
            // A total of zero means that the system did not report its memory.
            sample.memory = Some(memory).filter(|memory| memory.total > Bytes(0));
        }
        let reading = match &sample.memory {
            None => missing("the system does not report it", "mount `/proc`"),
            Some(memory) => Figure::measured(format!("{} of {}", memory.used, memory.total), "the system"),
        };
        sample.sources.push(tick.row("memory", "main memory and swap", reading));
    }
}
