//! Temperature sensors.
//!
//! Linux reports them through its hardware monitors (hwmon/sysfs-interface.rst in the kernel's documentation);
//! elsewhere sysinfo is used. The monitor of a sleeping device is skipped, since reading it would wake the device.

use std::cell::OnceCell;
use std::time::Duration;

use sysinfo::Components;

use crate::telemetry::{Source, Tick, label, missing};
use domain::figure::Figure;
use domain::machine::{self, Sample, Temperature};
use domain::units::Celsius;

/// The sensors' source.
#[derive(Default)]
pub(in crate::telemetry) struct Temperatures {
    sensors: Vec<Sensor>,
    /// Used where there are no hardware monitors.
    components: Option<Components>,
    values: Vec<Temperature>,
    listed_at: Option<Duration>,
    read_at: Option<Duration>,
}

/// A sensor of a hardware monitor.
struct Sensor {
    label: String,
    /// The path prefix of its files, including the `_`.
    path: String,
    /// The file with the runtime status of the device.
    status: String,
    /// The critical temperature, once it was read.
    critical: OnceCell<Option<Celsius>>,
}

pub(in crate::telemetry) const COVERS: &str = "chips and drives";
/// A drive may take milliseconds to report its temperature, and temperatures change slowly.
const PERIOD: Duration = Duration::from_secs(2);
/// Sensors are seldom added or removed, and listing them reads every folder.
const LIST_PERIOD: Duration = Duration::from_mins(1);
const FOLDER: &str = "sys/class/hwmon";
/// More sensors than anyone would read.
const MOST: usize = 256;

impl Source for Temperatures {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let due =
            |at: Option<Duration>, period| at.is_none_or(|at| tick.at.saturating_sub(at) >= period || tick.at < at);
        let (list, read) = (due(self.listed_at, LIST_PERIOD), due(self.read_at, PERIOD));
        if list {
            self.listed_at = Some(tick.at);
        }
        if list || read {
            self.read_at = Some(tick.at);
            self.values = if cfg!(target_os = "linux") { self.monitors(tick, list) } else { self.portable(list) };
            self.values.sort_by(|a, b| a.label.cmp(&b.label));
        }
        sample.temperatures.clone_from(&self.values);
        let reading = match sample.temperatures.len() {
            0 if tick.is_virtual => missing("none: a virtual machine sees no sensors", "look at the host"),
            0 => {
                let remedy = "load the processor's driver: `sudo modprobe coretemp` or `k10temp`";
                tick.nothing(FOLDER, missing("no sensor found", remedy))
            }
            1 => Figure::measured("1 sensor".to_owned(), "the system"),
            n => Figure::measured(format!("{n} sensors"), "the system"),
        };
        let age = self.read_at.map_or(Duration::ZERO, |at| tick.at.saturating_sub(at));
        let row = tick.row("temperatures", COVERS, reading);
        sample.sources.push(machine::Source { period: PERIOD.max(tick.interval), age, ..row });
    }
}

impl Temperatures {
    fn monitors(&mut self, tick: &Tick<'_>, list: bool) -> Vec<Temperature> {
        if list {
            self.sensors = sensors(tick);
        }
        self.sensors.iter().filter_map(|sensor| sensor.read(tick)).collect()
    }

    fn portable(&mut self, list: bool) -> Vec<Temperature> {
        if self.components.is_none() {
            self.components = Components::new().ok();
        }
        let Some(components) = &mut self.components else { return Vec::new() };
        if list {
            components.refresh(true);
        } else {
            components.iter_mut().for_each(sysinfo::Component::refresh);
        }
        let value = |component: &sysinfo::Component| {
            let celsius = plausible(component.temperature()?)?;
            let critical = component.critical().and_then(critical);
            Some(Temperature { label: label(component.label()), celsius, critical })
        };
        components.iter().filter_map(value).collect()
    }
}

/// All sensors of all monitors; listing them wakes no device.
fn sensors(tick: &Tick<'_>) -> Vec<Sensor> {
    let mut sensors = Vec::new();
    for monitor in tick.files.names(FOLDER).unwrap_or_default() {
        let folder = format!("{FOLDER}/{monitor}");
        let text = |file: &str| {
            let text = tick.files.text(&format!("{folder}/{file}")).map(|text| label(&text));
            text.ok().filter(|text| !text.is_empty())
        };
        // Drives of the same kind are distinguished by their model.
        let chip = [text("name"), text("device/model")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        for file in tick.files.names(&folder).unwrap_or_default() {
            let Some(name) = file.strip_suffix("_input").filter(|name| name.starts_with("temp")) else { continue };
            let own = text(&format!("{name}_label"));
            sensors.push(Sensor {
                label: label(&format!("{chip} {}", own.as_deref().unwrap_or(name))),
                path: format!("{folder}/{name}"),
                status: format!("{folder}/device/power/runtime_status"),
                critical: OnceCell::new(),
            });
        }
    }
    sensors.truncate(MOST);
    sensors
}

impl Sensor {
    fn read(&self, tick: &Tick<'_>) -> Option<Temperature> {
        let text = |path: &str| tick.files.text(path).ok();
        if text(&self.status).is_some_and(|status| matches!(status.trim(), "suspended" | "suspending")) {
            return None;
        }
        let degrees =
            |file: &str| Some(text(&format!("{}_{file}", self.path))?.trim().parse::<i32>().ok()? as f32 / 1e3);
        let celsius = plausible(degrees("input")?)?;
        let critical = *self.critical.get_or_init(|| degrees("crit").and_then(critical));
        Some(Temperature { label: self.label.clone(), celsius, critical })
    }
}

/// Filter implausible readings: chips without a diode report the end of their scale.
fn plausible(celsius: f32) -> Option<Celsius> {
    (-60.0..200.0).contains(&celsius).then_some(Celsius(celsius))
}

/// Filter implausible limits.
fn critical(celsius: f32) -> Option<Celsius> {
    (20.0..200.0).contains(&celsius).then_some(Celsius(celsius))
}
