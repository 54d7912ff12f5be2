//! Intel's graphics cards, through the sensors of the drivers i915 and xe (ABI/testing/sysfs-driver-intel-i915-hwmon
//! and sysfs-driver-intel-xe-hwmon in the kernel's documentation). Integrated graphics have no sensors; their power is
//! part of the package's energy.

use std::collections::BTreeMap;

use crate::telemetry::drm::{self, Card, Holder};
use crate::telemetry::meter::{Meter, Reported};
use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Domain, Gpu, Sample};
use domain::units::{Bytes, Celsius, Watts};

/// The cards' source.
#[derive(Default)]
pub(in crate::telemetry) struct Intel {
    /// By the card's folder and the counter that is used.
    meters: BTreeMap<(String, &'static str), Meter>,
}

pub(in crate::telemetry) const COVERS: &str = "Intel graphics cards";

impl Source for Intel {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let mut cards = drm::cards(tick);
        cards.retain(|card| card.vendor == drm::INTEL);
        let n_cards = cards.len();
        let n_asleep = cards.iter().filter(|card| card.sleeps).count();
        let mut with_sensors: Vec<_> = cards
            .into_iter()
            .filter(|card| !card.sleeps)
            .filter_map(|card| Some((card.hwmon(tick.files)?, card)))
            .collect();
        with_sensors.retain(|(hwmon, _)| {
            let names = tick.files.names(hwmon).unwrap_or_default();
            names.iter().any(|name| name == "energy1_input" || name == "energy2_input")
        });
        self.meters.retain(|(path, _), _| with_sensors.iter().any(|(_, card)| card.path == *path));
        let holders = if with_sensors.is_empty() { Vec::new() } else { drm::holders(tick, &["i915", "xe"]) };
        let mut by = [0; 3];
        for (hwmon, card) in &with_sensors {
            let counts = self.card(tick, card, hwmon, &holders, sample);
            by[counts as usize] += 1;
        }
        let reading = match (with_sensors.len(), n_asleep) {
            (0, 0) if n_cards == 0 => tick.nothing(drm::FOLDER, Figure::unknown("no Intel graphics")),
            (0, 0) => {
                Figure::unknown("graphics in the processor have no meter of their own; the package's includes them")
            }
            (0, _) => missing("asleep, and not woken to be read", "it wakes when a session uses it"),
            (n, 0) if n == by[Counts::Nothing as usize] => tick.stuck(true),
            (n, asleep) => {
                let mut text = format!("{} read", n - by[Counts::Nothing as usize]);
                for (count, what) in [
                    (by[Counts::Package as usize], "by its package's counter, since the card's is stuck at 0"),
                    (by[Counts::Nothing as usize], "found, stuck at 0"),
                    (asleep, "asleep"),
                ] {
                    if count > 0 {
                        text.extend([" · ", &count.to_string(), " ", what]);
                    }
                }
                Figure::measured(text, "hwmon")
            }
        };
        sample.sources.push(tick.row("intel", COVERS, reading));
    }
}

/// Which of a card's counters is used.
#[derive(Clone, Copy)]
enum Counts {
    Card,
    Package,
    /// They stay at zero.
    Nothing,
}

impl Intel {
    fn card(&mut self, tick: &Tick<'_>, card: &Card, hwmon: &str, holders: &[Holder], sample: &mut Sample) -> Counts {
        let text = |file: &str| tick.files.text(&format!("{hwmon}/{file}")).ok();
        let number = |file: &str| tick.files.number(&format!("{hwmon}/{file}")).ok();
        let driver = match text("name") {
            Some(name) if name.trim() == "xe" => "xe",
            _ => "i915",
        };
        // The first counter is the card's. Some cards leave it at zero and count their package, which is nearly the
        // whole.
        let counter = |file: &'static str| number(file).map(|counts| (file, counts));
        let counters = ["energy1_input", "energy2_input"].map(counter);
        let counter = counters.into_iter().flatten().find(|(_, counts)| *counts > 0);
        let by = match counter {
            Some(("energy1_input", _)) => Counts::Card,
            Some(_) if counters[0].is_some() => Counts::Package,
            // Without a counter of its own, nothing can be stuck.
            Some(_) => Counts::Card,
            None => Counts::Nothing,
        };
        let counter = counter.or(counters.into_iter().flatten().next());
        let limit = ["power1_max", "power1_rated_max"].into_iter().find_map(|file| number(file).filter(|max| *max > 0));
        let name = format!("gpu-{}", card.index);
        let (file, energy) = counter.map_or(("", None), |(file, counts)| (file, Some((counts, 1e-6))));
        let told = Reported {
            driver,
            domain: Domain::Gpu(card.index),
            name: if file == "energy2_input" { format!("{name} package") } else { name },
            adds: true,
            energy,
            power: None,
            limit: limit.map(|microwatts| Watts(microwatts as f64 * 1e-6)),
        };
        let meter = self.meters.entry((card.path.clone(), file)).or_default();
        sample.power.push(meter.power(tick.at, told));

        let memory = |file: &str| {
            let folder = card.path.trim_end_matches("/device");
            tick.files.number(&format!("{folder}/{file}")).ok().map(Bytes)
        };
        let (total, free) = (memory("lmem_total_bytes"), memory("lmem_avail_bytes"));
        let used = total.zip(free).map(|(total, free)| total.saturating_sub(free));
        let celsius = number("temp1_input").or_else(|| number("temp2_input"));
        sample.gpus.push(Gpu {
            index: card.index,
            name: card.name(tick.files, "Intel"),
            usage: Figure::unknown("the driver does not report it"),
            memory_total: total,
            memory_used: used,
            temperature: celsius.map(|millidegrees| Celsius(millidegrees as f32 / 1000.0)),
            processes: card.processes(holders, used.unwrap_or_default()),
            shares: Vec::new(),
            mhz: None,
            held_by: String::new(),
        });
        by
    }
}
