//! Placeholder.
use super::figure::Figure;
use super::machine::Sample;
use super::units::{Joules, Watts};
/// x
pub fn process_power(_: &Sample, _: u32) -> Figure<Watts> {
    Figure::unknown("x")
}
/// x
pub fn process_energy(_: &Sample, _: u32) -> Figure<Joules> {
    Figure::unknown("x")
}
