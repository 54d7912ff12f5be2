//! Power meters on the board: INA chips, the management controller, a power supply (hwmon/sysfs-interface.rst,
//! ina3221.rst and `acpi_power_meter.rst` in the kernel's documentation).
//!
//! Only the board's vendor knows what such a meter covers, so its power is shown separately and never added to a total.

use std::time::Duration;

use crate::telemetry::meter::between;
use crate::telemetry::{Source, Tick, label};
use domain::figure::Figure;
use domain::machine::{Domain, Power, Sample};
use domain::units::Watts;

/// The meters' source.
#[derive(Default)]
pub(in crate::telemetry) struct Meters {
    meters: Vec<Found>,
    listed_at: Option<Duration>,
}

/// A detected meter.
struct Found {
    name: String,
    input: Input,
    before: Option<(Duration, Watts)>,
}

/// The files of a meter.
enum Input {
    /// One file, in microwatts.
    Power(String),
    /// Millivolts and milliamperes of one rail.
    Rail { volts: String, amperes: String },
}

pub(in crate::telemetry) const COVERS: &str = "power meters on the board";
const FOLDER: &str = "sys/class/hwmon";
/// Chips are seldom added or removed, and listing them reads every folder.
const LIST_PERIOD: Duration = Duration::from_mins(1);
/// Cards, which have sources of their own.
const ELSEWHERE: [&str; 4] = ["amdgpu", "i915", "xe", "nouveau"];
/// More meters than any board has.
const MOST_METERS: usize = 32;
/// No workstation draws more.
const MOST: f64 = 10_000.0;

impl Source for Meters {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let due = self.listed_at.is_none_or(|at| tick.at < at || tick.at.saturating_sub(at) >= LIST_PERIOD);
        if due {
            self.listed_at = Some(tick.at);
            self.list(tick);
        }
        // A meter whose driver was unloaded is removed.
        self.meters.retain_mut(|meter| meter.read(tick, sample));
        // Only meters with a power reading at this tick are counted.
        let n_told = self.meters.iter().filter(|meter| meter.before.is_some()).count();
        let reading = match self.meters.len() {
            0 => tick.nothing(FOLDER, Figure::unknown("none found")),
            _ if n_told == 0 => Figure::unknown("found, but it reports 0 or values that can't be true"),
            1 => Figure::measured(self.meters[0].name.clone(), "hwmon"),
            n if n == n_told => Figure::measured(format!("{n} meters"), "hwmon"),
            n => Figure::measured(format!("{n_told} of {n} meters"), "hwmon"),
        };
        sample.sources.push(tick.row("hwmon", COVERS, reading));
    }
}

impl Meters {
    fn list(&mut self, tick: &Tick<'_>) {
        let mut found: Vec<Found> = Vec::new();
        for folder in tick.files.names(FOLDER).unwrap_or_default() {
            let path = format!("{FOLDER}/{folder}");
            let chip = label(&tick.files.text(&format!("{path}/name")).unwrap_or_default());
            if ELSEWHERE.contains(&&*chip) {
                continue;
            }
            let names = tick.files.names(&path).unwrap_or_default();
            let has = |name: &str| names.iter().any(|other| other == name);
            let own = |file: String| tick.files.text(&format!("{path}/{file}")).ok().map(|text| label(&text));
            for n in 1..=16 {
                let power = [format!("power{n}_input"), format!("power{n}_average")].into_iter().find(|name| has(name));
                let (input, file) = if let Some(power) = power {
                    (Input::Power(format!("{path}/{power}")), format!("power{n}_label"))
                } else if chip == "ina3221" && has(&format!("in{n}_input")) && has(&format!("curr{n}_input")) {
                    // The mapping of voltages to currents differs by chip; for this chip it is documented.
                    let (volts, amperes) = (format!("{path}/in{n}_input"), format!("{path}/curr{n}_input"));
                    (Input::Rail { volts, amperes }, format!("in{n}_label"))
                } else {
                    continue;
                };
                let name = match own(file).filter(|name| !name.is_empty()) {
                    Some(name) => format!("{chip} {name}"),
                    None => format!("{chip} power{n}"),
                };
                // Two chips of the same kind are distinguished by their folders.
                let is_taken = found.iter().any(|meter| meter.name == name);
                found.push(Found {
                    name: if is_taken { format!("{folder} {name}") } else { name },
                    input,
                    before: None,
                });
            }
        }
        found.truncate(MOST_METERS);
        for meter in &mut found {
            meter.before = self.meters.iter().find(|known| known.name == meter.name).and_then(|known| known.before);
        }
        self.meters = found;
    }
}

impl Found {
    /// Read the meter; returns whether it still exists.
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) -> bool {
        let number = |path: &str| tick.files.number(path).ok();
        let watts = match &self.input {
            Input::Power(path) => number(path).map(|microwatts| microwatts as f64 * 1e-6),
            Input::Rail { volts, amperes } => {
                number(volts).zip(number(amperes)).map(|(volts, amperes)| volts as f64 * amperes as f64 * 1e-6)
            }
        };
        let before = self.before.take();
        let Some(watts) = watts else { return false };
        let (figure, energy) = if watts <= 0.0 {
            (Figure::unknown("the meter reports nothing"), None)
        } else if watts > MOST {
            (Figure::unknown(format!("dropped a reading of {}", Watts(watts))), None)
        } else {
            let now = (tick.at, Watts(watts));
            self.before = Some(now);
            let source = format!("hwmon {}", self.name);
            (Figure::measured(now.1, source), before.and_then(|before| between(before, now)))
        };
        let domain = Domain::Meter(self.name.clone());
        sample.power.push(Power { domain, name: self.name.clone(), watts: figure, energy, counted: None, adds: false });
        true
    }
}
