//! The figures of one answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::{Counters, Sampling};

use crate::energy::EnergyAccount;
use crate::figure::Figure;
use crate::ids::RequestId;
use crate::units::Joules;

/// The figures of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Whose they are.
    pub request: RequestId,
    /// The worker's counters.
    pub counters: Counters,
    /// Prompt tokens taken from the context of the request before.
    pub n_cached: u32,
    /// The sampling that was in force.
    pub sampling: Sampling,
    /// Threads that the plan gave its session last.
    pub threads: u32,
    /// What it was charged so far.
    pub energy_account: EnergyAccount,
    /// Gross energy attributed to it so far: the bill's sum, or why there is none.
    pub energy: Figure<Joules>,
    /// Time over which that energy was metered.
    pub metered: Duration,
    /// Whether all of its energy is booked: a tick has passed since it ended.
    pub is_settled: bool,
}

impl Default for Figures {
    /// Before the first answer.
    fn default() -> Self {
        Self {
            request: RequestId::default(),
            counters: Counters::default(),
            n_cached: 0,
            sampling: Sampling::default(),
            threads: 0,
            energy_account: EnergyAccount::default(),
            energy: Figure::unknown("no answer yet"),
            metered: Duration::ZERO,
            is_settled: true,
        }
    }
}
