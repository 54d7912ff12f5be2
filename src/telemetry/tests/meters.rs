//! The processor's energy counters and the battery.

use proptest::prelude::*;

use super::*;

const ZONES: &str = "sys/class/powercap/intel-rapl";

fn energy(zone: &str) -> String {
    format!("{ZONES}{zone}/energy_uj")
}

/// One second of the workstation: 40 W in the package, including 30 W in its cores; 5 W in its memory; 90 W in total.
fn second(tree: &Tree) {
    for (zone, joules) in [(":0", 40), (":0:0", 30), (":0:2", 5), (":1", 90), ("-mmio:0", 40)] {
        tree.add(&energy(zone), joules * 1_000_000);
    }
}

/// Two ticks a second apart, with a change before the first and one in between.
fn ticks(before: impl Fn(&Tree), between: impl Fn(&Tree)) -> Sample {
    let tree = Tree::workstation();
    tree.remove("sys/class/power_supply");
    before(&tree);
    let mut sampler = sampler(&tree);
    let first = sampler.sample(at(0), &[]);
    assert_eq!(first.total_power(), None, "power takes two readings");
    between(&tree);
    let sample = sampler.sample(at(1000), &[]);
    no_zero_watts(&sample);
    sample
}

#[test]
fn zones_that_overlap_are_told_apart() {
    let sample = ticks(|_| (), second);
    let expected = [
        "package-0 40.0 W +",
        "package-0 core 30.0 W",
        "package-0 uncore — stuck at 0: the counter is there, and nothing counts in it",
        "package-0 dram 5.00 W +",
        "psys 90.0 W",
    ];
    assert_eq!(powers(&sample), expected);
    assert_eq!(sample.total_power().map(|watts| watts.0.round()), Some(45.0));
    assert_eq!(sample.power[0].energy.map(|energy| energy.0.round()), Some(40.0));
    let text = "package-0, package-0 core, package-0 dram, psys · stuck at 0: package-0 uncore";
    assert_eq!(row(&sample, "powercap"), text);
    // None of them advances: the zones that were found are not meters.
    let text = row(&ticks(|_| (), |_| ()), "powercap");
    assert!(text.starts_with("— found, standing still: nothing counts in it"), "{text}");
}

#[test]
fn a_counter_that_lies_is_dropped() {
    let package = energy(":0");
    let range = format!("{ZONES}:0/max_energy_range_uj");
    let limits = |tree: &Tree| tree.remove(&format!("{ZONES}:0/constraint"));
    let cases: [(&str, Change, Change, &str); 9] = [
        ("wrap", &|tree| tree.set(&package, 262_133_328_850_u64), &|tree| tree.set(&package, 30_000_000), "40.0 W +"),
        (
            "reset",
            &|tree| tree.set(&package, 100_000_000_000_u64),
            &|tree| tree.set(&package, 1_000_000),
            "— dropped a jump of 162144 W: more than 458 W can't be +",
        ),
        (
            "reset without a range",
            &|tree| tree.remove(&range),
            &|tree| tree.set(&package, 1_000_000),
            "— the counter was reset +",
        ),
        (
            "range of zero",
            &|tree| tree.set(&range, 0),
            &|tree| tree.set(&package, 1_000_000),
            "— the counter was reset +",
        ),
        (
            "beyond its own range",
            &|tree| tree.set(&range, 99_000_000),
            &|tree| tree.set(&package, 1_000_000),
            "— the counter was reset +",
        ),
        (
            "jump",
            &|_| (),
            &|tree| tree.add(&package, 459_000_000),
            "— dropped a jump of 459 W: more than 458 W can't be +",
        ),
        ("no limit", &limits, &|tree| tree.add(&package, 459_000_000), "459 W +"),
        (
            "jump without a limit",
            &limits,
            &|tree| tree.add(&package, 2_001_000_000),
            "— dropped a jump of 2001 W: more than 2000 W can't be +",
        ),
        ("stuck", &|_| (), &|_| (), "— the counter does not advance +"),
    ];
    for (name, before, between, expected) in cases {
        assert_eq!(powers(&ticks(before, between))[0], format!("package-0 {expected}"), "{name}");
    }
}

#[test]
fn after_a_dropped_reading_the_next_counts_again() {
    let tree = Tree::workstation();
    let mut sampler = sampler(&tree);
    let mut power = |milliseconds, counts: u64| {
        tree.set(&energy(":0"), counts);
        powers(&sampler.sample(at(milliseconds), &[]))[0].clone()
    };
    assert_eq!(power(0, 100_000_000), "package-0 — first reading; power needs two +");
    assert_eq!(power(1000, 900_000_000), "package-0 — dropped a jump of 800 W: more than 458 W can't be +");
    assert_eq!(power(2000, 940_000_000), "package-0 40.0 W +");
    // Intervals that are too short, or negative.
    assert_eq!(power(2010, 940_400_000), "package-0 — two readings too close to each other +");
    assert_eq!(power(3000, 980_000_000), "package-0 40.0 W +");
    assert_eq!(power(1500, 981_000_000), "package-0 — the clock went backwards +");
    assert_eq!(power(2500, 991_000_000), "package-0 10.0 W +");
    // Energy that a stalled counter withholds is counted once it advances.
    assert_eq!(power(3500, 991_000_000), "package-0 — the counter does not advance +");
    assert_eq!(power(4500, 1_011_000_000), "package-0 10.0 W +");
}

#[test]
fn no_permission_says_how_to_get_it() {
    let refuse = |tree: &Tree, zones: &[&str]| {
        for zone in zones {
            tree.fail(&energy(zone), ErrorKind::PermissionDenied);
        }
    };
    let sample = ticks(|tree| refuse(tree, &[":0", ":0:0", ":0:1", ":0:2", ":1"]), |_| ());
    assert_eq!(sample.total_power(), None);
    assert_eq!(powers(&sample)[0], "package-0 — the energy counters may be read by root only +");
    let text = row(&sample, "powercap");
    assert!(text.starts_with("— the energy counters may be read by root only → `sudo chmod o+r "), "{text}");
    assert!(text.contains("/sys/class/powercap/intel-rapl:*/energy_uj`"), "{text}");
    assert!(text.contains("CVE-2020-8694"), "{text}");

    // Only some of them: the rest is read, and the row reports it.
    let sample = ticks(|tree| refuse(tree, &[":0:2"]), |tree| tree.add(&energy(":0"), 40_000_000));
    assert_eq!(powers(&sample)[3], "package-0 dram — the energy counters may be read by root only +");
    assert!(row(&sample, "powercap").ends_with(" · others can't be read"));
}

#[test]
fn what_is_missing_says_why() {
    let virtual_machine = |tree: &Tree| {
        tree.set("proc/cpuinfo", "model name\t: QEMU\nflags\t\t: fpu hypervisor\n");
        tree.remove("sys/class/powercap");
    };
    let cases: [(Change, &str); 7] = [
        (&|tree| tree.remove("sys/class/powercap"), "— no RAPL counters: the driver is not loaded, or the"),
        (
            &|tree| {
                tree.remove("sys/class/powercap");
                tree.set("sys/class/powercap/", "");
            },
            "— no RAPL counters: the driver is not loaded, or the processor is too old → `sudo modprobe intel_rapl_msr`",
        ),
        (&virtual_machine, "— no RAPL counters: a virtual machine sees none → run taffrail on the host"),
        (&|tree| tree.remove("sys"), "— `/sys` is not there: a container without it → mount `/sys`"),
        (
            &|tree| tree.fail("sys/class/powercap", ErrorKind::PermissionDenied),
            "— `/sys/class/powercap` can't be read: permission denied → run taffrail on the host",
        ),
        (
            // A container whose runtime hides them.
            &|tree| [":0", ":0:0", ":0:1", ":0:2", ":1"].iter().for_each(|zone| tree.remove(&energy(zone))),
            "— the energy counters are hidden from this container → ",
        ),
        (
            &|tree| [":0", ":0:0", ":0:1", ":0:2", ":1"].iter().for_each(|zone| tree.set(&energy(zone), "lots")),
            "— the energy counters can't be read: invalid data → ",
        ),
    ];
    for (before, expected) in cases {
        let sample = ticks(before, |_| ());
        let text = row(&sample, "powercap");
        assert!(text.starts_with(expected), "{text}\ninstead of\n{expected}");
        assert_eq!(sample.total_power(), None);
    }
}

#[test]
fn counters_that_repeat_are_read_once() {
    // First generations of Ryzen Threadripper and EPYC: each die repeats the counter of the package.
    let dies = |tree: &Tree, names: [&str; 2], counters: [u64; 2]| {
        tree.remove("sys/class/powercap");
        for (number, (name, counter)) in names.into_iter().zip(counters).enumerate() {
            tree.set(&format!("{ZONES}:{number}/name"), name);
            tree.set(&format!("{ZONES}:{number}/max_energy_range_uj"), 65_532_610_987_u64);
            tree.set(&energy(&format!(":{number}")), counter);
        }
    };
    let second = |tree: &Tree| [":0", ":1"].iter().for_each(|zone| tree.add(&energy(zone), 50_000_000));
    for (names, counters, expected) in [
        (["package-0-die-0", "package-0-die-1"], [7_000_000, 7_012_000], 50.0),
        (["package-0", "package-0"], [7_000_000, 7_000_000], 50.0),
        (["package-0-die-0", "package-0-die-1"], [7_000_000, 8_000_000], 100.0),
        (["package-0", "package-1"], [7_000_000, 7_000_000], 100.0),
    ] {
        let sample = ticks(|tree| dies(tree, names, counters), second);
        assert_eq!(sample.total_power().map(|watts| watts.0.round()), Some(expected), "{names:?} {counters:?}");
        assert_eq!(row(&sample, "powercap").contains("repeats"), expected < 100.0);
    }
}

/// Two independent dies that both start at 0, as after a boot.
#[test]
fn dies_that_are_equal_once_are_two() {
    let tree = Tree::workstation();
    tree.remove("sys/class/power_supply");
    tree.remove("sys/class/powercap");
    for number in [0, 1] {
        tree.set(&format!("{ZONES}:{number}/name"), format!("package-0-die-{number}"));
        tree.set(&format!("{ZONES}:{number}/max_energy_range_uj"), 65_532_610_987_u64);
        tree.set(&energy(&format!(":{number}")), 1_000_000);
    }
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[]);
    let mut totals = Vec::new();
    for (second, joules) in [(1, [40, 40]), (2, [40, 55]), (3, [50, 50])] {
        for (zone, joules) in [":0", ":1"].iter().zip(joules) {
            tree.add(&energy(zone), joules * 1_000_000);
        }
        let sample = sampler.sample(at(second * 1000), &[]);
        totals.push(sample.total_power().map(|watts| watts.0.round()));
    }
    // While they are equal they can't be distinguished; afterwards both count, even if they advance equally.
    assert_eq!(totals, [Some(40.0), Some(95.0), Some(100.0)]);
}

/// A counter that is updated every four and a half seconds reports the machine's power over the time it covers, even if
/// its first update is within the first tick.
#[test]
fn a_counter_that_tells_late_tells_no_more_than_there_was() {
    for since_step in [2.0, 4.0] {
        let tree = Tree::workstation();
        tree.remove("sys/class/power_supply");
        let package = energy(":0");
        tree.set(&format!("{package}.slow"), "");
        let shown = |second: f64| (1000.0 + (second / 4.5).floor() * 4.5 * 40.0) * 1e6;
        let mut sampler = sampler(&tree);
        let (mut told, mut joules) = (Vec::new(), 0.0);
        for second in 0..60 {
            tree.set(&package, shown(f64::from(second) + since_step) as u64);
            let sample = sampler.sample(at(u64::from(second as u32) * 1000), &[]);
            let power = sample.power.iter().find(|power| power.name == "package-0").unwrap();
            told.extend(power.watts.value().map(|watts| watts.0));
            joules += power.energy.map_or(0.0, |energy| energy.0);
        }
        assert!(told.len() >= 11, "{told:?}");
        assert!(told.iter().skip(1).all(|watts| (watts - 40.0).abs() < 5.0), "{told:?}");
        assert!(told.iter().all(|watts| *watts < 46.0), "{since_step}: {told:?}");
        // Energy counted before its first reading is not reported.
        assert!(joules <= 60.0 * 40.0, "{joules}");
    }
}

#[test]
fn the_second_way_to_the_same_counter_stands_in_for_the_first() {
    let sample = ticks(|tree| tree.remove(&format!("{ZONES}:")), |tree| tree.add(&energy("-mmio:0"), 12_000_000));
    assert_eq!(powers(&sample), ["package-0 12.0 W +"]);
}

#[test]
fn a_battery_meters_what_it_gives() {
    let set = |tree: &Tree, fields: &[(&str, &str)]| {
        tree.remove("sys/class/power_supply/BAT0/power_now");
        for (field, value) in fields {
            tree.set(&format!("sys/class/power_supply/BAT0/{field}"), value);
        }
    };
    let cases: [(&[(&str, &str)], &str); 10] = [
        (&[("power_now", "61500000\n")], "61.5 W"),
        (&[("power_now", "-61500000\n")], "61.5 W"),
        (&[("current_now", "2000000"), ("voltage_now", "11500000")], "23.0 W"),
        (&[("current_now", "-2000000"), ("voltage_now", "11500000")], "23.0 W"),
        (&[("power_now", "0"), ("current_now", "1000000"), ("voltage_now", "12000000")], "12.0 W"),
        (&[("power_now", "0")], "— the battery does not report what it gives"),
        (&[("power_now", "much")], "— the battery does not report what it gives"),
        (&[("status", "Charging"), ("power_now", "40000000")], "— on mains: a battery meters only what it gives → "),
        (&[("status", "Full"), ("power_now", "0")], "— on mains: a battery meters only what it gives → "),
        (&[("scope", "Device"), ("power_now", "1000")], "— no battery"),
    ];
    for (fields, expected) in cases {
        let tree = Tree::workstation();
        tree.remove("sys/class/powercap");
        set(&tree, fields);
        let mut sampler = sampler(&tree);
        sampler.sample(at(0), &[]);
        let sample = sampler.sample(at(2000), &[]);
        assert!(row(&sample, "battery").starts_with(expected), "{fields:?}: {}", row(&sample, "battery"));
        // It includes the processor and everything else, so it is never added.
        assert_eq!(sample.total_power(), None);
        assert_eq!(sample.power.len(), usize::from(!expected.starts_with('—')));
        no_zero_watts(&sample);
        for power in &sample.power {
            let (energy, watts) = (power.energy.expect("two readings"), power.watts.value().expect("known"));
            assert!((energy.0 - 2.0 * watts.0).abs() < 1e-6);
        }
    }
}

#[test]
fn two_batteries_give_together() {
    let tree = Tree::workstation();
    for (field, value) in [("type", "Battery"), ("status", "Discharging"), ("power_now", "10000000")] {
        tree.set(&format!("sys/class/power_supply/BAT1/{field}"), value);
    }
    assert_eq!(row(&sampler(&tree).sample(at(0), &[]), "battery"), "71.5 W");
    // The one that waits for its turn gives nothing.
    tree.set("sys/class/power_supply/BAT0/status", "Not charging");
    assert_eq!(row(&sampler(&tree).sample(at(0), &[]), "battery"), "10.0 W");
}

proptest! {
    /// Whatever zones exist, the total adds the packages and the memory once each.
    #[test]
    fn the_total_adds_no_two_zones_that_overlap(
        packages in prop::collection::vec((1u64..200, 1u64..200, prop::option::of(1u64..50), prop::option::of(1u64..50)), 1..4),
        psys in prop::option::of(1u64..900),
        mmio in any::<bool>(),
        seconds in 1u64..5,
    ) {
        let tree = Tree::workstation();
        tree.remove("sys/class/powercap");
        let mut counters = Vec::new();
        let mut zone = |folder: String, name: &str, watts: u64| {
            tree.set(&format!("sys/class/powercap/{folder}/name"), name);
            tree.set(&format!("sys/class/powercap/{folder}/energy_uj"), 5);
            counters.push((format!("sys/class/powercap/{folder}/energy_uj"), watts * seconds * 1_000_000));
        };
        let mut expected = 0;
        for (number, (package, core, uncore, dram)) in packages.iter().enumerate() {
            zone(format!("intel-rapl:{number}"), &format!("package-{number}"), *package);
            zone(format!("intel-rapl:{number}:0"), "core", *core);
            if let Some(watts) = uncore {
                zone(format!("intel-rapl:{number}:1"), "uncore", *watts);
            }
            if let Some(watts) = dram {
                zone(format!("intel-rapl:{number}:2"), "dram", *watts);
            }
            if mmio {
                zone(format!("intel-rapl-mmio:{number}"), &format!("package-{number}"), *package);
            }
            expected += package + dram.unwrap_or(0);
        }
        if let Some(watts) = psys {
            zone(format!("intel-rapl:{}", packages.len()), "psys", watts);
        }
        let mut sampler = sampler(&tree);
        sampler.sample(at(0), &[]);
        for (path, counts) in &counters {
            tree.add(path, *counts);
        }
        let total = sampler.sample(at(seconds * 1000), &[]).total_power().expect("a package").0;
        prop_assert!((total - expected as f64).abs() < 1e-6, "{total} instead of {expected}");
    }
}
