//! Energy of the fixture: what answers were charged, and where the last tick's went.

use crate::ui::State;
use domain::energy::{Baseline, EnergyAccount, EnergyEntry, EnergyTotals, EnergyUsed, Idle, MeteredPart};
use domain::figure::Grade;
use domain::units::Watts;

/// A bill of so many joules over so many seconds of generating, most of them on a card.
pub(super) fn energy_account(joules: f64, seconds: f64) -> EnergyAccount {
    let charge = |part, meter: &str, gross: f64, covered| EnergyEntry {
        part,
        meter: meter.to_owned(),
        gross,
        dynamic: gross * 0.8,
        covered,
        dynamic_covered: covered,
        shared: gross,
        grade: Grade::Apportioned,
        is_modelled: false,
        source: if part == MeteredPart::Gpu { "nvml energy gpu-0" } else { "perf package-0 by CPU time" }.to_owned(),
        update: if part == MeteredPart::Gpu { 0.1 } else { 0.01 },
        late: 0.0,
    };
    let spent = |joules: f64, seconds: f64| EnergyUsed {
        seconds,
        charges: vec![
            charge(MeteredPart::Gpu, "gpu-0", joules * 0.85, seconds),
            charge(MeteredPart::Cpu, "package-0", joules * 0.15, seconds),
        ],
    };
    let prompt = (joules * 0.05, 1.6);
    EnergyAccount {
        prompt: spent(prompt.0, prompt.1),
        generation: spent(joules - prompt.0, seconds),
        ..EnergyAccount::default()
    }
}

/// Baselines of the processor and the card, one of them calibrated, and where the energy of the last tick went.
pub(super) fn baselines(state: &mut State, unix: i64) {
    let known = |meter: &str, device: &str, idle, watts, ago: i64, is_calibrated| Baseline {
        meter: meter.to_owned(),
        device: device.to_owned(),
        idle,
        watts: Watts(watts),
        unix: unix - ago,
        is_calibrated,
        grade: Grade::Measured,
    };
    let (processor, card) = ("AMD Ryzen 7 5800X 8-Core Processor", "NVIDIA GeForce RTX 3090");
    state.domain.attribution.baselines.known = vec![
        known("package-0", processor, Idle::Empty, 11.8, 190_000, true),
        known("package-0", processor, Idle::Loaded, 12.3, 200, false),
        known("GPU 0", card, Idle::Loaded, 31.0, 200, false),
    ];
    state.domain.attribution.power =
        EnergyTotals { seconds: 1.0, sessions: 148.1, foreign: 3.4, standby: 1.2, idle: 0.0, unattributed: 24.5 };
    state.domain.attribution.tally = state.domain.attribution.power;
    state.domain.attribution.total = EnergyTotals {
        seconds: 600.0,
        sessions: 61_000.0,
        foreign: 2000.0,
        standby: 700.0,
        idle: 21_000.0,
        unattributed: 9000.0,
    };
}
