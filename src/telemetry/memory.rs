//! Main memory and swap.

use sysinfo::{MemoryRefreshKind, System};

use super::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Memory, Sample};
use domain::units::Bytes;

/// The memory's source.
pub(super) struct MainMemory(pub(super) Option<System>);

impl Source for MainMemory {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        if let Some(system) = &mut self.0 {
            system.refresh_memory_specifics(MemoryRefreshKind::everything());
            sample.memory = Memory {
                total: Bytes(system.total_memory()),
                available: Bytes(system.available_memory()),
                used: Bytes(system.used_memory()),
                swap_total: Bytes(system.total_swap()),
                swap_used: Bytes(system.used_swap()),
            };
        }
        let reading = match sample.memory.total {
            Bytes(0) => missing("the system doesn't tell", "mount `/proc`"),
            total => Figure::measured(format!("{} of {total}", sample.memory.used), "the system"),
        };
        sample.sources.push(tick.row("memory", "main memory and swap", reading));
    }
}
