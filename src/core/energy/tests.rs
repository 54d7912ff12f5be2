use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::core::machine::Source;
use crate::core::units::{Bytes, Ratio};

fn power(domain: Domain, watts: f64) -> Power {
    let adds = !matches!(domain, Domain::PackagePart(_) | Domain::Platform | Domain::Battery);
    let name = match &domain {
        Domain::Package(n) => format!("package-{n}"),
        Domain::Dram(n) => format!("package-{n} dram"),
        Domain::Gpu(n) => format!("gpu-{n}"),
        other => format!("{other:?}"),
    };
    let source = if matches!(domain, Domain::Gpu(_)) { "nvml power" } else { "powercap zone" };
    Power { domain, name, watts: Figure::measured(Watts(watts), source), energy: None, adds }
}

fn gpu(index: u32, processes: &[(u32, u64)]) -> Gpu {
    Gpu {
        index,
        name: "card".to_owned(),
        usage: Figure::unknown("test"),
        memory_total: Bytes(100),
        memory_used: Bytes(50),
        temperature: None,
        processes: processes.iter().map(|(pid, bytes)| (*pid, Bytes(*bytes))).collect(),
        shares: Vec::new(),
        mhz: None,
        held_by: String::new(),
    }
}

fn process(pid: u32, share: f64) -> Process {
    Process { pid, cpu_share: Some(Ratio(share)), ..Process::default() }
}

/// Two seconds of a machine whose package draws 40 W and whose memory draws 5 W; process 7 has 60 % of its time.
fn sample() -> Sample {
    Sample {
        elapsed: Duration::from_secs(2),
        power: vec![
            power(Domain::Platform, 90.0),
            power(Domain::Package(0), 40.0),
            power(Domain::PackagePart("core".to_owned()), 30.0),
            power(Domain::Dram(0), 5.0),
        ],
        processes: vec![process(7, 0.6), process(8, 0.1)],
        own: process(1, 0.01),
        sources: vec![
            row("powercap", Figure::measured(String::new(), "test")),
            row("nvml", Figure::Unknown { reason: "no card".to_owned(), remedy: None }),
        ],
        ..Sample::default()
    }
}

fn row(name: &str, reading: Figure<String>) -> Source {
    let (period, age) = (Duration::ZERO, Duration::ZERO);
    Source { name: name.to_owned(), covers: String::new(), reading, period, age }
}

#[track_caller]
fn known(figure: Figure<f64>, expected: f64, grade: Grade, source: &str) {
    let Figure::Known { value, grade: got, source: from } = figure else { panic!("{figure:?}") };
    assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
    assert_eq!((got, from.as_str()), (grade, source));
}

#[track_caller]
fn unknown<T: std::fmt::Debug>(figure: Figure<T>, expected: &str, remedied: bool) {
    let Figure::Unknown { reason, remedy } = figure else { panic!("{figure:?}") };
    assert!(reason.contains(expected), "{reason}");
    assert_eq!(remedy.is_some(), remedied);
}

#[test]
fn a_processor_is_split_by_time() {
    let sample = sample();
    let source = "powercap package-0, package-0 dram · by CPU time [cpu]";
    known(process_power(&sample, 7).map(|w| w.0), 27.0, Grade::Apportioned, source);
    known(process_energy(&sample, 7).map(|j| j.0), 54.0, Grade::Apportioned, source);
    known(process_power(&sample, 1).map(|w| w.0), 0.45, Grade::Apportioned, source);
}

#[test]
fn a_counter_goes_before_power_times_time() {
    let mut sample = sample();
    sample.power[1].energy = Some(Joules(100.0));
    let source = "powercap package-0, package-0 dram · by CPU time [cpu]";
    known(process_energy(&sample, 7).map(|j| j.0), 0.6 * 110.0, Grade::Apportioned, source);
}

#[test]
fn a_gpu_goes_to_its_only_tenant() {
    let mut sample = sample();
    sample.power.push(power(Domain::Gpu(0), 100.0));
    sample.gpus.push(gpu(0, &[(7, 40)]));
    let source = "nvml gpu-0 + powercap package-0, package-0 dram · by CPU time [gpu+cpu]";
    known(process_power(&sample, 7).map(|w| w.0), 127.0, Grade::Apportioned, source);
    // Whoever doesn't use it doesn't pay for it.
    let source = "powercap package-0, package-0 dram · by CPU time [cpu]";
    known(process_power(&sample, 8).map(|w| w.0), 4.5, Grade::Apportioned, source);

    // Without a meter for the processor the GPU stands alone, and is measured.
    sample.power.retain(|power| power.domain == Domain::Gpu(0));
    known(process_power(&sample, 7).map(|w| w.0), 100.0, Grade::Measured, "nvml gpu-0 [gpu]");
    known(process_energy(&sample, 7).map(|j| j.0), 200.0, Grade::Measured, "nvml gpu-0 [gpu]");
}

#[test]
fn a_meter_over_gpu_and_processor_is_not_split() {
    let mut sample = sample();
    sample.power.push(Power { adds: false, ..power(Domain::Gpu(0), 25.0) });
    sample.gpus.push(gpu(0, &[(7, 40)]));
    unknown(process_power(&sample, 7), "one meter covers the GPU and the processor", false);
    // Whoever doesn't use it pays for the processor as before.
    let source = "powercap package-0, package-0 dram · by CPU time [cpu]";
    known(process_power(&sample, 8).map(|w| w.0), 4.5, Grade::Apportioned, source);
}

#[test]
fn a_shared_gpu_is_not_split_by_memory() {
    let mut sample = sample();
    sample.power = vec![power(Domain::Gpu(0), 100.0)];
    for (tenants, expected) in [
        (vec![(7, 91), (50, 9)], Some(Grade::Apportioned)),
        (vec![(7, 80), (50, 20)], None),
        (vec![(7, 0), (50, 0)], None),
        (vec![(7, 0)], Some(Grade::Measured)),
    ] {
        sample.gpus = vec![gpu(0, &tenants)];
        assert_eq!(process_power(&sample, 7).grade(), expected, "{tenants:?}");
    }
    sample.gpus = vec![gpu(0, &[(7, 80), (50, 20)])];
    unknown(process_power(&sample, 7), "gpu-0 is shared by 2 processes", true);
    // The same holds with a meter for the processor: its part alone would flatter.
    sample.power.push(power(Domain::Package(0), 40.0));
    unknown(process_energy(&sample, 7), "gpu-0 is shared by 2 processes", true);
}

#[test]
fn what_is_missing_says_why() {
    fn refused<T>() -> Figure<T> {
        Figure::Unknown { reason: "root only".to_owned(), remedy: Some("`chmod`".to_owned()) }
    }

    let mut no_meter = sample();
    no_meter.power.retain(|power| !power.adds);
    no_meter.sources[0].reading = refused();
    unknown(process_power(&no_meter, 7), "root only", true);

    let mut closed = sample();
    closed.power[1].watts = refused();
    unknown(process_power(&closed, 7), "root only", true);

    let mut no_dram = sample();
    no_dram.power[3].watts = refused();
    let source = "powercap package-0 · by CPU time [cpu]";
    known(process_power(&no_dram, 7).map(|w| w.0), 24.0, Grade::Apportioned, source);

    let mut new = sample();
    new.processes[0].cpu_share = None;
    unknown(process_power(&new, 7), "takes two readings", false);

    unknown(process_power(&sample(), 9), "not read", false);
    unknown(process_power(&Sample::default(), 9), "not read", false);

    let mut no_gpu_meter = sample();
    no_gpu_meter.gpus.push(gpu(0, &[(7, 40)]));
    unknown(process_power(&no_gpu_meter, 7), "no card", false);
}

proptest! {
    /// What all processes are given is what was metered, less what other processes had.
    #[test]
    fn nothing_is_given_twice(
        meters in prop::collection::vec((0u32..6, 0.1f64..500.0), 1..8),
        shares in prop::collection::vec(0.0f64..1.0, 1..6),
    ) {
        let domain = |(kind, watts): &(u32, f64)| power(
            match kind {
                0 | 1 => Domain::Package(*kind),
                2 => Domain::Dram(0),
                3 => Domain::PackagePart("core".to_owned()),
                4 => Domain::Platform,
                _ => Domain::Battery,
            },
            *watts,
        );
        let total: f64 = shares.iter().sum();
        let processes = (10..).zip(&shares).map(|(pid, share)| process(pid, share / total.max(1.0))).collect();
        let sample = Sample {
            elapsed: Duration::from_secs(1),
            power: meters.iter().map(domain).collect(),
            processes,
            ..sample()
        };
        let packages = sample.power.iter().filter(|power| matches!(power.domain, Domain::Package(_) | Domain::Dram(_)));
        let metered: f64 = packages.filter_map(|power| power.watts.value()).map(|watts| watts.0).sum();
        prop_assert!((sample.total_power().map_or(0.0, |watts| watts.0) - metered).abs() < 1e-6);
        let given: f64 = sample.processes.iter().filter_map(|process| {
            let (watts, joules) = (process_power(&sample, process.pid), process_energy(&sample, process.pid));
            // Over one second both are the same number.
            assert!(watts.value().zip(joules.value()).is_none_or(|(watts, joules)| (watts.0 - joules.0).abs() < 1e-9));
            watts.value().copied()
        }).map(|watts| watts.0).sum();
        prop_assert!(given <= metered + 1e-6, "{given} of {metered}");
        if total >= 1.0 && metered > 0.0 {
            prop_assert!((given - metered).abs() < 1e-6);
        }
    }
}
