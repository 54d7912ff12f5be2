//! The parts of the machine that are metered separately, and meters without a reading.

use crate::machine::Domain;

/// Parts of the machine that are metered separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MeteredPart {
    Gpu,
    Cpu,
    Dram,
}

impl MeteredPart {
    /// All, in the order of a boundary such as `[gpu+cpu]`.
    pub const ALL: [Self; 3] = [Self::Gpu, Self::Cpu, Self::Dram];

    /// The part that a domain belongs to.
    pub(super) fn of(domain: &Domain) -> Self {
        match domain {
            Domain::Gpu(_) => Self::Gpu,
            Domain::Dram(_) => Self::Dram,
            _ => Self::Cpu,
        }
    }

    /// Its word in a boundary.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
            Self::Dram => "dram",
        }
    }
}

/// A meter without a reading.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MissingMeter {
    /// Of which part of the machine.
    pub part: MeteredPart,
    /// The meter.
    pub meter: String,
    /// Why.
    pub reason: String,
    /// How to fix it.
    pub remedy: Option<String>,
}
