//! A repetition of what a bench measures.

use crate::energy::{EnergyAccount, Step};
use crate::figure::{Figure, Graded};
use crate::settings;

/// One clean repetition, or a tainted one that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Repetition {
    /// Tokens per second, all sequences together.
    pub rate: f64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Which it was, by its request's number.
    pub id: u64,
    /// What the worker was charged meanwhile, its share of the idle energy included.
    pub energy_account: EnergyAccount,
    /// Mean clock of the cores, MHz.
    pub mhz: Option<f64>,
    /// The hottest sensor, °C.
    pub celsius: Option<f32>,
    /// Busy cores of all other processes.
    pub others: Option<f64>,
    /// Time until the first token was seen, microseconds, of an engine elsewhere: with the network's part.
    pub ttft_us: Option<u64>,
    /// What that engine spent of it by its own clock, where it tells.
    pub engine_ttft_us: Option<u64>,
}

impl Repetition {
    /// Mean power of the worker.
    pub fn watts(&self) -> Option<Graded> {
        mean_power(&self.energy_account)
    }
}

fn mean_power(energy_account: &EnergyAccount) -> Option<Graded> {
    let seconds = Some(energy_account.seconds()).filter(|seconds| *seconds > 0.0)?;
    let why = Figure::unknown("it was shorter than a sensor's tick");
    let joules = energy_account.step(Step::Prompt, false, &settings::Energy::default(), &why);
    Graded::of(&joules.map(|joules| joules.times(1.0 / seconds)))
}
