//! The text format that Prometheus reads (`prometheus.io/docs/instrumenting/exposition_formats`): base units, shares as
//! ratios, and no line for what is unknown.

use std::io::{self, Write};

use crate::core::machine::Sample;
use crate::core::units::Ratio;

/// The value of a metric and the labels that tell it from its kin.
type Point = (Vec<(&'static str, String)>, f64);

/// Write all that is known.
pub(super) fn write(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let mut put = |name: &str, help: &str, points: Vec<Point>| metric(out, name, help, &points);
    let one = |value: f64| vec![(Vec::new(), value)];
    let ratio = |share: Option<Ratio>| share.map(|share| (Vec::new(), share.0)).into_iter().collect();

    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    put("build_info", "The program that tells this.", vec![(version, 1.0)])?;
    put("cpu_busy_ratio", "Busy share over all cores.", ratio(sample.cpu))?;
    let mhz = sample.cores.iter().enumerate().filter_map(|(index, core)| Some((index, core.mhz?)));
    let clocks = mhz.map(|(index, mhz)| (vec![("core", index.to_string())], mhz as f64 * 1e6)).collect();
    put("cpu_clock_hertz", "Clock of each core.", clocks)?;
    let throttled = sample.limits.n_throttled.map(|count| (Vec::new(), count as f64)).into_iter().collect();
    put("cpu_throttle_events", "How often heat throttled the processor since the look before.", throttled)?;

    let memory = &sample.memory;
    if memory.total.0 > 0 {
        put("memory_total_bytes", "Main memory.", one(memory.total.0 as f64))?;
        put("memory_available_bytes", "Main memory that can be had.", one(memory.available.0 as f64))?;
        put("swap_used_bytes", "Swap in use.", one(memory.swap_used.0 as f64))?;
    }
    let pressure = &sample.pressure;
    let pairs = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
    let waiting = pairs.into_iter().filter_map(|(name, share)| Some((vec![("resource", name.to_owned())], share?.0)));
    put("pressure_waiting_ratio", "Share of ten seconds in which some task waited.", waiting.collect())?;

    let of_gpus = |value: &dyn Fn(&crate::core::machine::Gpu) -> Option<f64>| {
        let labels = |gpu: &crate::core::machine::Gpu| vec![("gpu", gpu.index.to_string()), ("name", gpu.name.clone())];
        sample.gpus.iter().filter_map(|gpu| Some((labels(gpu), value(gpu)?))).collect::<Vec<Point>>()
    };
    let told = |gpu: &crate::core::machine::Gpu| gpu.memory_total.0 > 0;
    put("gpu_busy_ratio", "Busy share of the GPU.", of_gpus(&|gpu| gpu.usage.value().map(|share| share.0)))?;
    put(
        "gpu_memory_total_bytes",
        "Memory of the GPU.",
        of_gpus(&|gpu| told(gpu).then_some(gpu.memory_total.0 as f64)),
    )?;
    put(
        "gpu_memory_used_bytes",
        "Memory of the GPU in use.",
        of_gpus(&|gpu| told(gpu).then_some(gpu.memory_used.0 as f64)),
    )?;
    put(
        "gpu_temperature_celsius",
        "Temperature of the GPU.",
        of_gpus(&|gpu| gpu.temperature.map(|celsius| f64::from(celsius.0))),
    )?;

    let power = sample.power.iter().filter_map(|power| {
        let (watts, grade) = (power.watts.value()?, power.watts.grade()?);
        let labels =
            vec![("domain", power.name.clone()), ("grade", grade.word().to_owned()), ("adds", power.adds.to_string())];
        Some((labels, watts.0))
    });
    put("power_watts", "Mean power of a domain; only those that add don't overlap.", power.collect())?;
    let total = sample
        .total()
        .map(|(watts, grade)| (vec![("grade", grade.word().to_owned()), ("boundary", sample.boundary())], watts.0));
    put("power_total_watts", "Power of all domains that add.", total.into_iter().collect())?;

    let disks = |value: &dyn Fn(&crate::core::machine::Disk) -> Option<f64>| {
        let labels =
            |disk: &crate::core::machine::Disk| vec![("device", disk.name.clone()), ("mount", disk.mount.clone())];
        sample.disks.iter().filter_map(|disk| Some((labels(disk), value(disk)?))).collect::<Vec<Point>>()
    };
    put("disk_total_bytes", "Size of the disk.", disks(&|disk| Some(disk.total.0 as f64)))?;
    put("disk_free_bytes", "Room on the disk.", disks(&|disk| Some(disk.free.0 as f64)))?;
    put("disk_read_bytes_per_second", "Read from the disk.", disks(&|disk| Some(disk.read?.0 as f64)))?;
    put("disk_written_bytes_per_second", "Written to the disk.", disks(&|disk| Some(disk.written?.0 as f64)))?;

    let heat = sample.temperatures.iter().enumerate();
    let heat = heat.map(|(index, sensor)| {
        let labels = vec![("index", index.to_string()), ("sensor", sensor.label.clone())];
        (labels, f64::from(sensor.celsius.0))
    });
    put("temperature_celsius", "Temperature sensors.", heat.collect())?;

    let source = |name: &str| vec![("source", name.to_owned())];
    let up = sample.sources.iter().map(|row| (source(&row.name), f64::from(u8::from(row.reading.value().is_some()))));
    put("source_up", "Whether a source of readings tells anything.", up.collect())?;
    let known = sample.sources.iter().filter(|row| row.reading.value().is_some());
    let ages = known.map(|row| (source(&row.name), row.age.as_secs_f64()));
    put("source_age_seconds", "How old a source's reading is.", ages.collect())?;
    // What node_exporter and others call the same things, so that boards that exist show them.
    usual(sample, out)?;
    let mut put = |name: &str, help: &str, points: Vec<Point>| metric(out, name, help, &points);
    put("own_cpu_cores", "What taffrail itself takes of the processor.", one(sample.own.cores))?;
    put("own_resident_bytes", "What taffrail itself takes of the memory.", one(sample.own.resident.0 as f64))
}

/// Gauges under the names that `node_exporter` and `DCGM-exporter` gave them.
fn usual(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let one = |value: u64| vec![(Vec::new(), value as f64)];
    let memory = &sample.memory;
    if memory.total.0 > 0 {
        write_metric(out, "node_memory_MemTotal_bytes", "Main memory.", &one(memory.total.0))?;
        write_metric(out, "node_memory_MemAvailable_bytes", "Main memory that can be had.", &one(memory.available.0))?;
    }
    let labels =
        |disk: &crate::core::machine::Disk| vec![("device", disk.name.clone()), ("mountpoint", disk.mount.clone())];
    let size = sample.disks.iter().map(|disk| (labels(disk), disk.total.0 as f64)).collect::<Vec<Point>>();
    write_metric(out, "node_filesystem_size_bytes", "Size of the file system.", &size)?;
    let free = sample.disks.iter().map(|disk| (labels(disk), disk.free.0 as f64)).collect::<Vec<Point>>();
    write_metric(out, "node_filesystem_avail_bytes", "Room for this user.", &free)?;
    let heat = sample.temperatures.iter().enumerate().map(|(index, sensor)| {
        (vec![("chip", index.to_string()), ("sensor", sensor.label.clone())], f64::from(sensor.celsius.0))
    });
    write_metric(out, "node_hwmon_temp_celsius", "Temperature sensors.", &heat.collect::<Vec<Point>>())
}

/// One metric of our own; nothing at all where nothing is known.
fn metric(out: &mut impl Write, name: &str, help: &str, points: &[Point]) -> io::Result<()> {
    write_metric(out, &format!("taffrail_{name}"), help, points)
}

/// One metric; all are gauges, for one look has nothing to count from.
fn write_metric(out: &mut impl Write, name: &str, help: &str, points: &[Point]) -> io::Result<()> {
    if points.is_empty() {
        return Ok(());
    }
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
    for (labels, value) in points {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(out, "{name}{labels} {value}")?;
    }
    Ok(())
}

/// A label's value: its characters are free but for three.
fn escaped(value: &str) -> String {
    gguf::clean(value, 200).replace('\\', "\\\\").replace('"', "\\\"")
}
