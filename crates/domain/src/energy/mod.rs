//! Whose energy it is: every tick's metered energy, split to answers, sessions, foreign processes and standby.
//!
//! Owned here: the idle baseline of each meter, the weights that split what is above it, what an answer was charged,
//! and what is said about it: joules per token, watt-hours, carbon, cost, each with grade, uncertainty and boundary.
//! Absent: reading meters (`telemetry`), drawing (`ui`).
//!
//! Per meter that overlaps no other (packages, memory, graphics cards), per tick of `dt` seconds with energy `E`:
//!
//! 1. Up to `B dt` of it is idle energy, where `B` is the lowest mean power of 30 s in which no session decoded; empty
//!    idle (no model loaded) and loaded idle are kept apart. The rest is dynamic.
//! 2. Dynamic energy goes by weight: on packages and memory by processor time, on a graphics card by the time that
//!    workers say they computed and the driver says others did.
//! 3. While a session decodes, idle energy goes by the same weights: gross energy, the headline, is both. Otherwise it
//!    is the machine's own, but for what loaded idle needs above empty idle: that is the standby of the loaded models,
//!    by the memory that they hold, and never part of joules per token.
//! 4. What nobody can be shown to have used is unattributed. Sessions, foreign, standby, idle and unattributed energy
//!    together are what was measured.

mod account;
mod attribution;
mod baseline;
mod estimate;
mod footprint;
mod meters;
mod part;
mod report;
mod share;
mod weights;
mod work;

pub use account::{EnergyAccount, EnergyEntry, EnergyUsed, Step};
pub use attribution::{Attribution, Ended, EnergyTotals, MeterAttribution};
pub use baseline::{Baseline, Baselines, Calibration, Idle, MAX_BASELINES, WINDOW};
pub use estimate::{estimated, range};
pub use footprint::{carbon, cost, of_totals, watt_hours};
pub use part::{MeteredPart, MissingMeter};
pub use report::{Report, per_session};
pub use share::{Share, Shared};
pub use work::{Consumer, Done, LOAD, Timer, WorkInterval};

#[cfg(test)]
mod tests;
