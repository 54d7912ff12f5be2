//! Power of the whole machine, measured by its battery while it discharges (ABI/testing/sysfs-class-power in the
//! kernel's documentation).
//!
//! On mains power the battery measures only its charging power, which is not the machine's power.

use std::time::Duration;

use crate::telemetry::meter::between;
use crate::telemetry::{Source, Tick, label, missing};
use domain::figure::Figure;
use domain::machine::{Domain, Power, Sample};
use domain::units::Watts;

/// The battery's source.
#[derive(Default)]
pub(in crate::telemetry) struct Battery {
    /// The last power reading, to compute the energy in between.
    before: Option<(Duration, Watts)>,
}

const FOLDER: &str = "sys/class/power_supply";
pub(in crate::telemetry) const COVERS: &str = "power of the whole machine";

impl Source for Battery {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let before = self.before.take();
        let reading = match discharge(tick) {
            Ok((watts, name)) => {
                self.before = Some((tick.at, watts));
                let energy = before.and_then(|before| between(before, (tick.at, watts)));
                let source = format!("battery {name}");
                let watts = Figure::measured(watts, &source);
                let reading = watts.clone().map(|watts| watts.to_string());
                sample.power.push(Power { domain: Domain::Battery, name, watts, energy, counted: None, adds: false });
                reading
            }
            Err(none) => none,
        };
        sample.sources.push(tick.row("battery", COVERS, reading));
    }
}

/// The total power of all discharging batteries, and their names.
fn discharge(tick: &Tick<'_>) -> Result<(Watts, String), Figure<String>> {
    let field = |name: &str, field: &str| tick.files.text(&format!("{FOLDER}/{name}/{field}")).ok();
    let names = tick.files.names(FOLDER).unwrap_or_default();
    let batteries = names.iter().filter(|name| {
        // A mouse's battery is listed too but powers only the mouse.
        field(name, "type").is_some_and(|kind| kind.trim() == "Battery")
            && field(name, "scope").is_none_or(|scope| scope.trim() != "Device")
    });
    let batteries: Vec<_> = batteries.collect();
    if batteries.is_empty() {
        return Err(tick.nothing(FOLDER, Figure::unknown("no battery")));
    }
    let discharging = batteries.iter().filter(|name| field(name, "status").is_some_and(|s| s.trim() == "Discharging"));
    let discharging: Vec<_> = discharging.collect();
    if discharging.is_empty() {
        return Err(missing("on mains: a battery meters only what it gives", "unplug the charger to meter by battery"));
    }
    let power = |name: &str| {
        let number = |file: &str| field(name, file)?.trim().parse::<i64>().ok().map(i64::unsigned_abs);
        // The sign of the current depends on driver and kernel.
        let product = || Some(number("current_now")? as f64 * number("voltage_now")? as f64 * 1e-12);
        number("power_now").map(|microwatts| microwatts as f64 * 1e-6).filter(|watts| *watts > 0.0).or_else(product)
    };
    let total: Option<f64> = discharging.iter().map(|name| power(name)).sum();
    match total.filter(|watts| *watts > 0.0) {
        Some(watts) => {
            let names: Vec<_> = discharging.iter().map(|name| label(name)).collect();
            Ok((Watts(watts), names.join(" + ")))
        }
        None => Err(Figure::unknown("the battery does not report what it gives")),
    }
}
