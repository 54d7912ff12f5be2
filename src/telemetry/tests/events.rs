//! Energy through performance events, with powercap as the fallback.

use super::*;

const PACKAGE: u64 = 2;
const MEMORY: u64 = 3;
const PLATFORM: u64 = 5;

/// A machine with two packages, whose events count from zero, and a sampler over it.
fn machine(change: impl Fn(&Tree, &Counted)) -> (Tree, Counted, Sampler) {
    let (tree, events) = (Tree::workstation(), Counted::default());
    tree.remove("sys/class/power_supply");
    tree.plant(include_str!("../../../tests/fixtures/telemetry/events.tree"));
    for (config, cpu) in [(PACKAGE, 0), (PACKAGE, 8), (MEMORY, 0), (MEMORY, 8), (PLATFORM, 0)] {
        events.0.lock().unwrap().insert((config, cpu), Ok(0));
    }
    change(&tree, &events);
    let sampler = with(&tree, Fake::default(), events.clone());
    (tree, events, sampler)
}

fn add(events: &Counted, config: u64, cpu: u32, joules: u64) {
    if let Some(Ok(count)) = events.0.lock().unwrap().get_mut(&(config, cpu)) {
        *count += joules << 32;
    }
}

#[test]
fn events_go_before_powercap() {
    let (tree, events, mut sampler) = machine(|_, _| ());
    let first = sampler.sample(at(0), &[]);
    assert_eq!(first.total_power(), None);
    for (config, cpu, joules) in [(PACKAGE, 0, 40), (PACKAGE, 8, 30), (MEMORY, 0, 5), (MEMORY, 8, 4), (PLATFORM, 0, 99)]
    {
        add(&events, config, cpu, joules);
    }
    tree.add("sys/class/powercap/intel-rapl:0/energy_uj", 40_000_000);
    let sample = sampler.sample(at(1000), &[]);
    let expected = [
        "package-0 40.0 W +",
        "package-1 30.0 W +",
        "package-0 dram 5.00 W +",
        "package-1 dram 4.00 W +",
        "psys 99.0 W",
    ];
    assert_eq!(powers(&sample), expected);
    assert_eq!(sample.total_power().map(|watts| watts.0.round()), Some(79.0));
    assert_eq!(row(&sample, "perf"), "package-0, package-1, package-0 dram, package-1 dram, psys");
    assert_eq!(row(&sample, "powercap"), "— not needed: `perf` reads its counters");
    assert!(matches!(&sample.power[0].watts, Figure::Known { source, .. } if source == "perf package-0"));
}

#[test]
fn powercap_steps_in_where_events_are_refused_or_end() {
    let refused = |_: &Tree, events: &Counted| {
        events.0.lock().unwrap().insert((PACKAGE, 8), Err(ErrorKind::PermissionDenied));
    };
    let (tree, events, mut sampler) = machine(refused);
    sampler.sample(at(0), &[]);
    tree.add("sys/class/powercap/intel-rapl:0/energy_uj", 40_000_000);
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!(powers(&sample)[0], "package-0 40.0 W +");
    let text = row(&sample, "perf");
    let expected = "— the kernel keeps events of the whole system to root → `sudo sysctl kernel.perf_event_paranoid=0`";
    assert!(text.starts_with(expected) && text.contains("CVE-2020-8694"), "{text}");

    // They are retried after a minute, not at each tick.
    events.0.lock().unwrap().insert((PACKAGE, 8), Ok(0));
    assert_eq!(row(&sampler.sample(at(2000), &[]), "perf"), text);
    assert!(row(&sampler.sample(at(61_000), &[]), "perf").starts_with("package-0, package-1"));

    // The driver is unloaded at run time.
    events.0.lock().unwrap().clear();
    tree.remove("sys/bus/event_source");
    let sample = sampler.sample(at(62_000), &[]);
    assert_eq!(row(&sample, "perf"), "— its events can't be read any more");
    assert!(row(&sample, "powercap").starts_with("package-0"));
    let text = row(&sampler.sample(at(63_000), &[]), "perf");
    assert!(text.starts_with("— no energy events: the driver is not loaded"), "{text}");
}

#[test]
fn events_that_stay_at_zero_leave_the_work_to_powercap() {
    let (_, events, mut sampler) = machine(|_, _| ());
    sampler.sample(at(0), &[]);
    // One of them counts, the others don't.
    events.0.lock().unwrap().insert((PACKAGE, 0), Ok(1 << 32));
    let sample = sampler.sample(at(1000), &[]);
    assert!(row(&sample, "perf").starts_with("package-0 · stuck at 0: package-1, "), "{}", row(&sample, "perf"));
    assert_eq!(row(&sample, "powercap"), "— not needed: `perf` reads its counters");

    // None does.
    let (tree, events, mut sampler) = machine(|_, _| ());
    sampler.sample(at(0), &[]);
    let sample = sampler.sample(at(1000), &[]);
    assert!(row(&sample, "perf").starts_with("— found, stuck at 0: nothing counts in it"), "{}", row(&sample, "perf"));
    tree.add("sys/class/powercap/intel-rapl:0/energy_uj", 40_000_000);
    let sample = sampler.sample(at(2000), &[]);
    assert_eq!(powers(&sample)[0], "package-0 40.0 W +");
    // Energy counted through `powercap` is not counted again by events that start to work.
    add(&events, PACKAGE, 0, 80);
    tree.add("sys/class/powercap/intel-rapl:0/energy_uj", 40_000_000);
    let sample = sampler.sample(at(3000), &[]);
    assert!(row(&sample, "perf").starts_with("— found, stuck at 0"));
    assert_eq!(powers(&sample)[0], "package-0 40.0 W +");
}

#[test]
fn dies_that_share_a_counter_count_once() {
    let one_package = |tree: &Tree, _: &Counted| {
        tree.set("sys/devices/system/cpu/cpu8/topology/physical_package_id", 0);
        tree.set("sys/devices/system/cpu/cpu8/topology/die_id", 1);
    };
    let names = |change: &dyn Fn(&Tree, &Counted)| row(&machine(change).2.sample(at(0), &[]), "perf");
    let dies = "package-0-die-0, package-0-die-1, package-0-die-0 dram, package-0-die-1 dram, psys";
    assert_eq!(names(&one_package), dies);
    // On AMD's first multi-die packages, each die counts the whole package.
    let amd = |tree: &Tree, events: &Counted| {
        one_package(tree, events);
        tree.set("proc/cpuinfo", "vendor_id\t: AuthenticAMD\nmodel name\t: AMD Ryzen Threadripper 1950X\n");
    };
    assert_eq!(names(&amd), "package-0, package-0 dram, psys");
}

#[test]
fn events_that_are_not_described_are_not_used() {
    let unit = "sys/bus/event_source/devices/power/events/energy-pkg.unit";
    let scale = "sys/bus/event_source/devices/power/events/energy-pkg.scale";
    let cases: [(Change, &str); 6] = [
        (&|tree| tree.remove(unit), "— the processor counts no package's energy in events"),
        (&|tree| tree.set(unit, "Calories"), "— the processor counts no package's energy in events"),
        (&|tree| tree.set(scale, "-1"), "— the processor counts no package's energy in events"),
        (&|tree| tree.set(scale, "nan"), "— the processor counts no package's energy in events"),
        (
            &|tree| tree.set("sys/bus/event_source/devices/power/cpumask", ""),
            "— the kernel names no processor to count on",
        ),
        (
            &|tree| {
                tree.remove("sys/bus/event_source");
                tree.set("proc/cpuinfo", "flags\t\t: fpu hypervisor\n");
            },
            "— no energy events: a virtual machine sees none → run taffrail on the host",
        ),
    ];
    for (change, expected) in cases {
        let (_, _, mut sampler) = machine(|tree, _| change(tree));
        let sample = sampler.sample(at(0), &[]);
        assert_eq!(row(&sample, "perf"), expected);
        no_zero_watts(&sample);
    }
}
