//! The machine of the fixture.

use std::time::Duration;

use super::{NOW, gb};
use domain::figure::{Figure, Grade};
use domain::machine::{Core, Disk, Domain, Gpu, Host, Memory, Power, Process, Sample, Source, Temperature};
use domain::moment::Moment;
use domain::units::{Bytes, Celsius, Ratio, Watts};

/// One tick of a workstation; with a GPU and energy counters, or with nothing that measures power.
#[expect(clippy::too_many_lines, reason = "a machine has many parts")]
pub(super) fn sample(metered: bool) -> Sample {
    let known =
        |value: &str| Figure::Known { value: value.to_owned(), grade: Grade::Measured, source: "fixture".to_owned() };
    let source = |name: &str, covers: &str, reading| Source {
        name: name.to_owned(),
        covers: covers.to_owned(),
        reading,
        period: Duration::from_secs(1),
        age: Duration::from_millis(12),
    };
    let missing = |reason: &str, remedy: &str| Figure::Unknown {
        reason: reason.to_owned(),
        remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
    };
    let denied = missing(
        "energy counters may only be read by root",
        "sudo chmod o+r /sys/class/powercap/intel-rapl:*/energy_uj",
    );
    let no_gpu = missing("no NVIDIA driver is loaded", "");
    let mut sources = vec![
        source("sysinfo", "processor, memory, disks", known("16 cores, 3 disks")),
        source("hwmon", "temperatures", known("2 sensors")),
        source("powercap", "processor energy", if metered { known("34.2 W") } else { denied.clone() }),
        source("nvml", "NVIDIA GPUs: power, memory", if metered { known("143 W, 1 GPU") } else { no_gpu.clone() }),
        source("battery", "whole machine, discharging", missing("no battery is discharging", "")),
    ];
    if let Some(slow) = sources.get_mut(1) {
        slow.age = Duration::from_millis(4200);
    }
    let watts = |value: f64, source: &str| Figure::measured(Watts(value), source);
    let package = if metered { watts(34.2, "powercap package-0") } else { denied.map(|_: String| Watts(0.0)) };
    let power = |domain, name: &str, watts| Power {
        domain,
        name: name.to_owned(),
        watts,
        energy: None,
        counted: None,
        adds: true,
    };
    let mut domains = vec![power(Domain::Package(0), "package-0", package)];
    let mut gpus = Vec::new();
    if metered {
        domains.push(power(Domain::Gpu(0), "GPU 0", watts(143.0, "nvml")));
        gpus.push(Gpu {
            index: 0,
            name: "NVIDIA GeForce RTX 3090".to_owned(),
            usage: Figure::measured(Ratio(0.88), "nvml"),
            memory_total: Some(gb(240)),
            memory_used: Some(gb(191)),
            temperature: Some(Celsius(71.0)),
            processes: vec![],
            shares: vec![],
            mhz: Some(1860),
            held_by: String::new(),
        });
    }
    Sample {
        at: Moment { uptime: Duration::from_mins(10), unix: NOW },
        elapsed: Duration::from_secs(1),
        host: Host {
            name: "bounty".to_owned(),
            processor: "AMD Ryzen 7 5800X 8-Core Processor".to_owned(),
            system: "Debian GNU/Linux 13".to_owned(),
            drivers: Vec::new(),
        },
        cpu: Some(Ratio(0.71)),
        cores: (0..16)
            .map(|index| Core {
                usage: Some(Ratio(f64::from(index * 37 % 101) / 100.0)),
                mhz: Some(3400 + 57 * u64::from(index as u32)),
            })
            .collect(),
        memory: Some(Memory {
            total: gb(640),
            available: gb(457),
            used: gb(183),
            swap_total: gb(80),
            swap_used: Bytes(0),
        }),
        disks: vec![
            Disk {
                name: "nvme0n1p2".to_owned(),
                mount: "/".to_owned(),
                total: gb(5000),
                free: gb(1240),
                read: Some(gb(1)),
                written: Some(Bytes(640_000)),
            },
            Disk {
                name: "sda1".to_owned(),
                mount: "/srv/models".to_owned(),
                total: gb(40_000),
                free: gb(1800),
                read: Some(Bytes(0)),
                written: Some(Bytes(0)),
            },
        ],
        temperatures: vec![
            Temperature { label: "Tctl".to_owned(), celsius: Celsius(68.0), critical: Some(Celsius(95.0)) },
            Temperature { label: "nvme".to_owned(), celsius: Celsius(44.0), critical: Some(Celsius(85.0)) },
        ],
        gpus,
        power: domains,
        processes: vec![],
        own: Some(Process {
            pid: 3999,
            cores: 0.006,
            cpu_share: Some(Ratio(0.0)),
            resident: Bytes(31_000_000),
            anonymous: Bytes(22_000_000),
            ..Process::default()
        }),
        sources,
        ..Sample::default()
    }
}
