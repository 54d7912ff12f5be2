//! Temperature sensors.

use std::time::Duration;

use sysinfo::Components;

use super::{Source, Tick, label, missing};
use crate::core::figure::Figure;
use crate::core::machine::{self, Sample, Temperature};
use crate::core::units::Celsius;

/// The sensors' source.
#[derive(Default)]
pub(super) struct Temperatures {
    components: Option<Components>,
    listed_at: Option<Duration>,
    read_at: Option<Duration>,
}

pub(super) const COVERS: &str = "chips and drives";
/// A drive may take milliseconds to tell its temperature, and heat moves slowly.
const PERIOD: Duration = Duration::from_secs(2);
/// Sensors seldom come and go; listing them reads every attribute of every chip.
const LIST_PERIOD: Duration = Duration::from_mins(1);

impl Source for Temperatures {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let due =
            |at: Option<Duration>, period| at.is_none_or(|at| tick.at.saturating_sub(at) >= period || tick.at < at);
        if self.components.is_none() {
            self.components = Components::new().ok();
        }
        if let Some(components) = &mut self.components {
            if due(self.listed_at, LIST_PERIOD) {
                components.refresh(true);
                (self.listed_at, self.read_at) = (Some(tick.at), Some(tick.at));
            } else if due(self.read_at, PERIOD) {
                components.iter_mut().for_each(sysinfo::Component::refresh);
                self.read_at = Some(tick.at);
            }
            sample.temperatures = components.iter().filter_map(temperature).collect();
            sample.temperatures.sort_by(|a, b| a.label.cmp(&b.label));
        }
        let reading = match sample.temperatures.len() {
            0 if tick.is_virtual => missing("none: a virtual machine sees no sensors", "look at the host"),
            0 => missing("no sensor found", "load the processor's driver: `sudo modprobe coretemp` or `k10temp`"),
            1 => Figure::measured("1 sensor".to_owned(), "the system"),
            n => Figure::measured(format!("{n} sensors"), "the system"),
        };
        let age = self.read_at.map_or(Duration::ZERO, |at| tick.at.saturating_sub(at));
        let row = tick.row("temperatures", COVERS, reading);
        sample.sources.push(machine::Source { period: PERIOD.max(tick.interval), age, ..row });
    }
}

/// A reading that can be one: chips without a diode report the end of their scale.
fn temperature(component: &sysinfo::Component) -> Option<Temperature> {
    let celsius = component.temperature().filter(|celsius| (-60.0..200.0).contains(celsius))?;
    let critical = component.critical().filter(|critical| (20.0..200.0).contains(critical)).map(Celsius);
    Some(Temperature { label: label(component.label()), celsius: Celsius(celsius), critical })
}
