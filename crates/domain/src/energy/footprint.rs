//! What energy means outside: watt-hours, carbon, money.

use super::attribution::EnergyTotals;
use super::estimate;
use crate::figure::{Figure, Grade, Uncertain};
use crate::settings;

/// Joules in a watt-hour.
const WATT_HOUR: f64 = 3600.0;

/// Watt-hours of an energy in joules.
pub fn watt_hours(energy: Figure<Uncertain>) -> Figure<Uncertain> {
    energy.map(|joules| joules.times(1.0 / WATT_HOUR))
}

/// Grams of CO₂ equivalent: kWh × g/kWh, which the user gives, for nothing here guesses a country.
pub fn carbon(energy: Figure<Uncertain>, settings: &settings::Energy) -> Figure<Uncertain> {
    priced(energy, settings.g_per_kwh, "no carbon intensity", "energy.g_per_kwh")
}

/// Cost in the user's currency: kWh × tariff.
pub fn cost(energy: Figure<Uncertain>, settings: &settings::Energy) -> Figure<Uncertain> {
    priced(energy, settings.price_per_kwh, "no price", "energy.price_per_kwh")
}

fn priced(energy: Figure<Uncertain>, rate: Option<f64>, reason: &str, setting: &str) -> Figure<Uncertain> {
    match rate {
        Some(rate) => energy.map(|joules| joules.times(rate / WATT_HOUR / 1000.0)),
        None if energy.value().is_none() => energy,
        None => Figure::Unknown { reason: reason.to_owned(), remedy: Some(format!("set {setting}")) },
    }
}

/// What a tally means: watt-hours, carbon, cost. `grade` is that of the meters behind it.
pub fn of_totals(tally: &EnergyTotals, grade: Grade, settings: &settings::Energy) -> [Figure<Uncertain>; 3] {
    let relative = if grade == Grade::Estimated { estimate::FACTOR - 1.0 } else { settings.sensor };
    let value = Uncertain { value: tally.measured(), relative };
    let energy = Figure::Known { value, grade, source: "all meters".to_owned() };
    [watt_hours(energy.clone()), carbon(energy.clone(), settings), cost(energy, settings)]
}
