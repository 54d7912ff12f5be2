//! Why a session is not admitted.

use super::MemoryEstimate;
use crate::units::Bytes;

/// Why a session was not admitted, with the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AdmissionError {
    /// What it would need.
    pub needed: MemoryEstimate,
    /// What is left for it.
    pub free: Bytes,
    /// What the machine has available, before what the others are still to take.
    pub available: Bytes,
    /// What running sessions have been promised and do not hold yet.
    pub promised: Bytes,
    /// Weights in memory that other programs run with.
    pub others: Bytes,
    /// What is left alone.
    pub reserve: Bytes,
}

impl AdmissionError {
    /// What would need less, in one clause: a shorter context only where the rest fits.
    pub fn remedy(&self) -> &'static str {
        if (self.needed.weights + self.needed.compute).saturating_sub(self.needed.elsewhere) > self.free {
            "a smaller model or quantization needs less"
        } else {
            "a smaller context needs less"
        }
    }
}

impl std::fmt::Display for AdmissionError {
    /// The figures as one sentence without its subject.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MemoryEstimate { weights, context, compute, program, prompt_cache, by_size, elsewhere } = self.needed;
        let (total, free) = (self.needed.total(), self.free);
        if by_size {
            write!(f, "would need about {total} (an estimate by the size of its file; its header can't be read)")?;
        } else {
            write!(
                f,
                "would need about {total} (weights {weights}, context {context}, compute {compute}, program {program}"
            )?;
            if prompt_cache > Bytes(0) {
                write!(f, ", up to {prompt_cache} of cached prompts")?;
            }
            write!(f, ")")?;
        }
        if elsewhere > Bytes(0) {
            write!(f, ", {elsewhere} of it on other machines")?;
        }
        write!(f, ", but {free} are free")?;
        let Self { available, promised, others, reserve, .. } = self;
        write!(f, ": {available} available less {promised} promised to running sessions")?;
        if *others > Bytes(0) {
            write!(f, ", {others} that other programs run with")?;
        }
        write!(f, " and {reserve} kept in reserve")
    }
}
