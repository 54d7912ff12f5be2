//! Meters on the board, pressure, heat and clock limits.

use super::*;

fn machine() -> (Tree, Sampler) {
    let tree = Tree::workstation();
    tree.remove("sys/class/power");
    tree.plant(include_str!("../../../tests/fixtures/telemetry/board.tree"));
    let sampler = sampler(&tree);
    (tree, sampler)
}

#[test]
fn meters_of_the_board_stand_beside_and_never_add() {
    let (tree, mut sampler) = machine();
    let sample = sampler.sample(at(0), &[]);
    let expected =
        ["ina226 power1 12.5 W", "hwmon1 ina226 power1 7.50 W", "ina3221 VDD_GPU 24.0 W", "power_meter power1 210 W"];
    assert_eq!(powers(&sample), expected);
    assert_eq!(row(&sample, "hwmon"), "4 meters");
    assert_eq!(sample.total_power(), None);

    tree.set("sys/class/hwmon/hwmon3/power1_average", 230_000_000);
    tree.set("sys/class/hwmon/hwmon0/power1_input", 0);
    tree.set("sys/class/hwmon/hwmon1/power1_input", 20_000_000_000_u64);
    let sample = sampler.sample(at(2000), &[]);
    assert_eq!(sample.power[3].energy.map(|energy| energy.0), Some(440.0), "the mean of two readings, for two seconds");
    let expected = ["ina226 power1 — the meter reports nothing", "hwmon1 ina226 power1 — dropped a reading of 20000 W"];
    assert_eq!(powers(&sample)[..2], expected);
    assert_eq!(row(&sample, "hwmon"), "2 of 4 meters");
    no_zero_watts(&sample);

    // The meter of an unloaded driver disappears, and that of a loaded one is found after a minute.
    tree.remove("sys/class/hwmon/hwmon3");
    assert_eq!(row(&sampler.sample(at(3000), &[]), "hwmon"), "1 of 3 meters");
    tree.set("sys/class/hwmon/hwmon2/curr1_input", 0);
    let text = row(&sampler.sample(at(3500), &[]), "hwmon");
    assert_eq!(text, "— found, but it reports 0 or values that can't be true");
    tree.set("sys/class/hwmon/hwmon0/power1_input", 12_500_000);
    tree.set("sys/class/hwmon/hwmon1/power1_input", 7_500_000);
    tree.set("sys/class/hwmon/hwmon2/curr1_input", 2000);
    tree.set("sys/class/hwmon/hwmon9/name", "ltc2945");
    tree.set("sys/class/hwmon/hwmon9/power1_input", 1_000_000);
    assert_eq!(row(&sampler.sample(at(4000), &[]), "hwmon"), "3 meters");
    assert_eq!(row(&sampler.sample(at(60_000), &[]), "hwmon"), "4 meters");
    tree.remove("sys/class/hwmon");
    assert_eq!(row(&sampler.sample(at(61_000), &[]), "hwmon"), "— none found");
}

/// Only Linux reports temperatures in files.
#[cfg(target_os = "linux")]
#[test]
fn heat_is_read_and_wakes_no_device() {
    let text = |sample: &Sample| {
        let all = sample.temperatures.iter();
        all.map(|sensor| {
            format!("{} {:.1} {}", sensor.label, sensor.celsius.0, domain::units::or_dash(sensor.critical))
        })
        .collect::<Vec<_>>()
    };
    let (tree, mut sampler) = machine();
    let sample = sampler.sample(at(0), &[]);
    // The end of a scale is not a temperature.
    assert_eq!(text(&sample), ["nct6798 SYSTIN 42.5 —", "nvme Samsung SSD 990 temp1 38.0 85 °C"]);
    assert_eq!(row(&sample, "temperatures"), "2 sensors");
    let asked = tree.asked("sys/class/hwmon/hwmon4/");
    assert!(!asked.iter().any(|file| file.starts_with("temp") && !file.ends_with("label")), "{asked:?}");

    tree.set("sys/class/hwmon/hwmon4/device/power/runtime_status", "active");
    tree.set("sys/class/hwmon/hwmon5/temp1_input", "hot");
    tree.remove("sys/class/hwmon/hwmon6");
    assert_eq!(text(&sampler.sample(at(1000), &[])).len(), 2, "heat moves slowly");
    assert_eq!(text(&sampler.sample(at(2000), &[])), ["amdgpu temp1 31.0 100 °C"]);
}

#[test]
fn pressure_is_told_where_the_kernel_tells_it() {
    let (tree, mut sampler) = machine();
    let sample = sampler.sample(at(0), &[]);
    assert_eq!(row(&sample, "pressure"), "cpu 12%, memory 1%, io 0%");
    assert_eq!(sample.pressure.cpu.map(|share| share.0), Some(0.12));
    tree.set("proc/pressure/memory", "some avg10=lots");
    tree.set("proc/pressure/io", "some avg10=101.00");
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!(row(&sample, "pressure"), "cpu 12%");
    assert_eq!((sample.pressure.memory, sample.pressure.io), (None, None));
    for file in ["cpu", "memory", "io"] {
        tree.fail(&format!("proc/pressure/{file}"), ErrorKind::Unsupported);
    }
    let sample = sampler.sample(at(2000), &[]);
    assert_eq!(row(&sample, "pressure"), "— the kernel does not report it → start it with `psi=1` on its command line");
    assert_eq!(sample.pressure.cpu, None);
}

#[test]
fn heat_that_throttles_is_told() {
    let count =
        |cpu: u32, which: &str| format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{which}_throttle_count");
    let (tree, mut sampler) = machine();
    let sample = sampler.sample(at(0), &[]);
    assert_eq!((sample.limits.n_throttled, row(&sample, "limits").as_str()), (None, "up to 5100 MHz"));
    assert_eq!(row(&sampler.sample(at(2000), &[]), "limits"), "not throttled · up to 5100 MHz");

    // Each core's own, and the package's once.
    tree.add(&count(0, "core"), 3);
    tree.add(&count(0, "package"), 2);
    tree.add(&count(1, "package"), 2);
    tree.set("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", 3_000_000);
    let sample = sampler.sample(at(4000), &[]);
    assert_eq!(sample.limits.n_throttled, Some(5));
    assert_eq!(row(&sample, "limits"), "throttled by heat 5 times · limited to 4000 of 5100 MHz");

    // A counter that went backwards, and cores that went.
    tree.set(&count(0, "core"), 0);
    assert_eq!(sampler.sample(at(6000), &[]).limits.n_throttled, Some(0));
    tree.remove("sys/devices/system/cpu/cpu1/");
    assert_eq!(sampler.sample(at(8000), &[]).limits.n_throttled, None);
    tree.remove("sys/devices/system/cpu");
    assert_eq!(row(&sampler.sample(at(10_000), &[]), "limits"), "— the processor does not report it");
}
