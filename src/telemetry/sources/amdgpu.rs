//! AMD's GPUs, through the files of the driver amdgpu (gpu/amdgpu/thermal.rst and driver-misc.rst in the kernel's
//! documentation; the layout of `gpu_metrics` in its `kgd_pp_interface.h`).
//!
//! A sleeping card is skipped. On an APU, the GPU's meter measures the whole chip including the processor, so its power
//! is shown but never added to a total.

use std::collections::BTreeMap;

use crate::telemetry::drm::{self, Card, Holder};
use crate::telemetry::meter::{Meter, Reported};
use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Domain, Gpu, Sample};
use domain::units::{Bytes, Celsius, Ratio, Watts};

/// The GPUs' source.
#[derive(Default)]
pub(in crate::telemetry) struct Amdgpu {
    /// By the card's folder.
    meters: BTreeMap<String, Meter>,
}

pub(in crate::telemetry) const COVERS: &str = "AMD GPUs";
/// Joules per count of the energy accumulator.
const UNIT: f64 = 1.0 / 65_536.0;

impl Source for Amdgpu {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let mut cards = drm::cards(tick);
        cards.retain(|card| card.vendor == drm::AMD);
        let n_asleep = cards.iter().filter(|card| card.sleeps).count();
        // The counter of a card that was asleep may have been reset.
        cards.retain(|card| !card.sleeps);
        self.meters.retain(|path, _| cards.iter().any(|card| card.path == *path));
        let holders = if cards.is_empty() { Vec::new() } else { drm::holders(tick, &["amdgpu"]) };
        for card in &cards {
            self.card(tick, card, &holders, sample);
        }
        let reading = match (cards.len(), n_asleep) {
            (0, 0) => tick.nothing(drm::FOLDER, Figure::unknown("no AMD GPU")),
            (0, _) => missing("asleep, and not woken to be read", "it wakes when a session uses it"),
            (n, 0) => Figure::measured(format!("{n} read"), "amdgpu"),
            (n, asleep) => Figure::measured(format!("{n} read · {asleep} asleep"), "amdgpu"),
        };
        sample.sources.push(tick.row("amdgpu", COVERS, reading));
    }
}

impl Amdgpu {
    fn card(&mut self, tick: &Tick<'_>, card: &Card, holders: &[Holder], sample: &mut Sample) {
        let number = |file: &str| tick.files.number(&format!("{}/{file}", card.path)).ok();
        let hwmon = card.hwmon(tick.files);
        let sensor = |file: &str| tick.files.number(&format!("{}/{file}", hwmon.as_deref()?)).ok();
        let watts = |file: &str| sensor(file).map(|microwatts| Watts(microwatts as f64 * 1e-6));

        let limit = watts("power1_cap");
        let metrics = tick.files.bytes(&format!("{}/gpu_metrics", card.path)).ok();
        let metrics = metrics.as_deref().and_then(Metrics::read);
        // The driver reports no power limit for an APU.
        let is_apu = metrics.map_or(limit.is_none(), |metrics| metrics.is_apu);
        let name = format!("gpu-{}", card.index);
        let told = Reported {
            driver: "amdgpu",
            domain: Domain::Gpu(card.index),
            name: if is_apu { format!("{name} with its processor") } else { name },
            adds: !is_apu,
            energy: metrics.and_then(|metrics| metrics.energy).map(|counts| (counts, UNIT)),
            power: watts("power1_average").or_else(|| watts("power1_input")),
            limit,
        };
        sample.power.push(self.meters.entry(card.path.clone()).or_default().power(tick.at, told));

        // An APU uses the main memory; its reported VRAM is a reserved part of that.
        let memory = |file| number(file).filter(|_| !is_apu).map(Bytes);
        sample.gpus.push(Gpu {
            index: card.index,
            name: card.name(tick.files, "AMD"),
            usage: match number("gpu_busy_percent") {
                Some(percent) => Figure::measured(Ratio(percent.min(100) as f64 / 100.0), "amdgpu"),
                None => Figure::unknown("the card does not report it"),
            },
            memory_total: memory("mem_info_vram_total"),
            memory_used: memory("mem_info_vram_used"),
            temperature: sensor("temp1_input").map(|millidegrees| Celsius(millidegrees as f32 / 1000.0)),
            processes: card.processes(holders, Bytes(number("mem_info_vram_used").unwrap_or(0))),
            shares: Vec::new(),
            mhz: None,
            held_by: String::new(),
        });
    }
}

/// The energy fields of the firmware's metrics table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Metrics {
    is_apu: bool,
    /// Counts of [`UNIT`].
    energy: Option<u64>,
}

impl Metrics {
    /// The header contains the table's size (16 bits), the format revision and the content revision.
    fn read(bytes: &[u8]) -> Option<Self> {
        let [low, high, format, content] = *bytes.first_chunk()?;
        let size = usize::from(u16::from_le_bytes([low, high]));
        let has_energy = format == 1 && (1..=4).contains(&content) && size >= 32;
        let energy = bytes.get(24..32).filter(|_| has_energy).and_then(|bytes| bytes.try_into().ok());
        // Unsupported fields are all ones.
        let energy = energy.map(u64::from_le_bytes).filter(|counts| *counts != u64::MAX && *counts > 0);
        match format {
            1 => Some(Self { is_apu: false, energy }),
            2 | 3 => Some(Self { is_apu: true, energy: None }),
            _ => None,
        }
    }
}
