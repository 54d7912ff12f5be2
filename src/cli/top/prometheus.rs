//! The text format that Prometheus reads (`prometheus.io/docs/instrumenting/exposition_formats`): base units, shares as
//! ratios, counters that end in `_total`, and no line for what is unknown.
//!
//! A counter must go on between two looks, and each look is a program of its own: so what only grows is told where a
//! meter keeps count itself, and of a recording, whose counts begin with it. A look at this machine tells the rest as
//! its mean.

use std::io::{self, Write};

use domain::energy::{EnergyTotals, per_session};
use domain::figure::{Grade, UNKNOWN};
use domain::machine::other_processes::OtherProcess;
use domain::machine::{Domain, Gpu, Power, Sample};
use domain::session::Session;
use domain::units::Ratio;

/// The value of a metric and the labels that tell it from its kin.
type Point = (Vec<(&'static str, String)>, f64);

/// Write all that is known.
pub(super) fn write(
    domain: &domain::Domain,
    sample: &Sample,
    is_recorded: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut put = |name: &str, help: &str, points: Vec<Point>| metric(out, name, help, &points);
    let one = |value: f64| vec![(Vec::new(), value)];
    let ratio = |share: Option<Ratio>| share.map(|share| (Vec::new(), share.0)).into_iter().collect();

    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    put("build_info", "The version of taffrail.", vec![(version, 1.0)])?;
    put("cpu_busy_ratio", "Busy share over all cores.", ratio(sample.cpu))?;
    let mhz = sample.cores.iter().enumerate().filter_map(|(index, core)| Some((index, core.mhz?)));
    let clocks = mhz.map(|(index, mhz)| (vec![("core", index.to_string())], mhz as f64 * 1e6)).collect();
    put("cpu_clock_hertz", "Clock of each core.", clocks)?;
    if !sample.cores.is_empty() {
        put("cpu_usable_cores", "Cores that this program may use.", one(f64::from(sample.threads())))?;
    }
    let throttled = sample.limits.n_throttled.map(|count| (Vec::new(), count as f64)).into_iter().collect();
    put("cpu_throttle_events", "How often heat throttled the processor since the last sample.", throttled)?;

    if let Some(memory) = &sample.memory {
        put("memory_total_bytes", "Main memory that this program may use.", one(memory.total.0 as f64))?;
        put("memory_available_bytes", "Available main memory.", one(memory.available.0 as f64))?;
        put("swap_used_bytes", "Swap in use.", one(memory.swap_used.0 as f64))?;
    }
    let pressure = &sample.pressure;
    let pairs = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
    let waiting = pairs.into_iter().filter_map(|(name, share)| Some((vec![("resource", name.to_owned())], share?.0)));
    put("pressure_waiting_ratio", "Share of ten seconds in which some task waited.", waiting.collect())?;

    let of_gpus = |value: &dyn Fn(&Gpu) -> Option<f64>| {
        let labels = |gpu: &Gpu| vec![("gpu", gpu.index.to_string()), ("name", gpu.name.clone())];
        sample.gpus.iter().filter_map(|gpu| Some((labels(gpu), value(gpu)?))).collect::<Vec<Point>>()
    };
    put("gpu_busy_ratio", "Busy share of the GPU.", of_gpus(&|gpu| gpu.usage.value().map(|share| share.0)))?;
    put("gpu_memory_total_bytes", "Memory of the GPU.", of_gpus(&|gpu| gpu.memory_total.map(|bytes| bytes.0 as f64)))?;
    put(
        "gpu_memory_used_bytes",
        "Memory of the GPU in use.",
        of_gpus(&|gpu| gpu.memory_used.map(|bytes| bytes.0 as f64)),
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

    let disks = |value: &dyn Fn(&domain::machine::Disk) -> Option<f64>| {
        let labels = |disk: &domain::machine::Disk| vec![("device", disk.name.clone()), ("mount", disk.mount.clone())];
        sample.disks.iter().filter_map(|disk| Some((labels(disk), value(disk)?))).collect::<Vec<Point>>()
    };
    put("disk_total_bytes", "Size of the disk.", disks(&|disk| Some(disk.total.0 as f64)))?;
    put("disk_free_bytes", "Free space on the disk.", disks(&|disk| Some(disk.free.0 as f64)))?;
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
    put("source_up", "Whether a sensor reports anything.", up.collect())?;
    let known = sample.sources.iter().filter(|row| row.reading.value().is_some());
    let ages = known.map(|row| (source(&row.name), row.age.as_secs_f64()));
    put("source_age_seconds", "How old a sensor's reading is.", ages.collect())?;
    if let Some(own) = &sample.own {
        put("own_cpu_cores", "taffrail's own processor use.", one(own.cores))?;
        put("own_resident_bytes", "taffrail's own memory use.", one(own.resident.0 as f64))?;
    }
    energy(domain, is_recorded, out)?;
    counters(sample, out)?;
    foreign(domain, sample, out)?;
    sessions(domain, out)?;
    // What node_exporter and others call the same things, so that boards that exist show them.
    usual(sample, out)
}

/// Where the energy went.
fn energy(domain: &domain::Domain, is_recorded: bool, out: &mut impl Write) -> io::Result<()> {
    let attribution = &domain.attribution;
    let grade = attribution.grade();
    let by_owner = |tally: &EnergyTotals, (knows_idle, knows_standby): (bool, bool)| -> Vec<Point> {
        // Without a meter nothing was counted, which is no zero; nor is what no baseline tells apart.
        if tally.measured() <= 0.0 {
            return Vec::new();
        }
        let is_known = |owner: &str| match owner {
            "idle" => knows_idle,
            "standby" => knows_standby,
            _ => true,
        };
        // Sensors measure the whole, and its split is modelled.
        let grade = grade.map_or(UNKNOWN, |grade| grade.max(Grade::Apportioned).word());
        let owners = [
            ("sessions", tally.sessions),
            ("foreign", tally.foreign),
            ("standby", tally.standby),
            ("idle", tally.idle),
            ("unattributed", tally.unattributed),
        ];
        let labels = |owner: &str| vec![("owner", owner.to_owned()), ("grade", grade.to_owned())];
        let known = owners.into_iter().filter(|(owner, _)| is_known(owner));
        known.map(|(owner, amount)| (labels(owner), amount.max(0.0))).collect()
    };
    let mean = by_owner(&attribution.power, attribution.knows());
    metric(out, "owner_power_watts", "Mean metered power by consumer; the sum is what was metered.", &mean)?;
    if !is_recorded {
        return Ok(());
    }
    let total = by_owner(&attribution.total, attribution.ever_known);
    counter(out, "energy_joules_total", "Metered energy since the recording began, by consumer.", &total)
}

/// What the meters themselves have counted.
fn counters(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let counted = |power: &Power| power.counted.map(|joules| joules.0).filter(|joules| *joules > 0.0);
    let points = sample.power.iter().filter_map(|power| {
        let grade = grade_of(power);
        let labels = vec![("domain", power.name.clone()), ("adds", power.adds.to_string()), ("grade", grade)];
        Some((labels, counted(power)?))
    });
    let help = "Energy that a meter has counted since its driver was loaded, or since it wrapped.";
    counter(out, "meter_joules_total", help, &points.collect::<Vec<_>>())?;
    // As node_exporter names the same counters.
    for (name, index) in [
        ("package", (|domain| if let Domain::Package(index) = domain { Some(*index) } else { None }) as Index),
        ("dram", |domain| if let Domain::Dram(index) = domain { Some(*index) } else { None }),
    ] {
        let points = sample.power.iter().filter_map(|power| {
            let index = index(&power.domain)?;
            let labels = [("index", index.to_string()), ("path", power.name.clone()), ("grade", grade_of(power))];
            Some((labels.into(), counted(power)?))
        });
        let help = format!("Energy that RAPL has counted of the {name}.");
        write_metric(out, &format!("node_rapl_{name}_joules_total"), COUNTER, &help, &points.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// What a counter has counted is measured, whether or not this tick had a reading of it.
fn grade_of(power: &Power) -> String {
    power.watts.grade().unwrap_or(Grade::Measured).word().to_owned()
}

/// The number of a domain of one kind.
type Index = fn(&Domain) -> Option<u32>;

/// Processes of other programs.
fn foreign(domain: &domain::Domain, sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let mut put = |name: &str, help: &str, value: &dyn Fn(&OtherProcess) -> Option<f64>| {
        let labels = |one: &OtherProcess| {
            let mut labels = vec![("pid", one.process.pid.to_string()), ("program", one.engine.clone())];
            labels.extend(one.model_name().map(|name| ("model", name.to_owned())));
            labels
        };
        let points: Vec<Point> = sample.foreign.iter().filter_map(|one| Some((labels(one), value(one)?))).collect();
        metric(out, name, help, &points)
    };
    put("foreign_cpu_cores", "Processor use of another program's process.", &|one| Some(one.process.cores))?;
    put("foreign_resident_bytes", "Main memory of another program's process.", &|one| {
        Some(one.process.resident.0 as f64)
    })?;
    put("foreign_gpu_memory_bytes", "GPU memory of another program's process.", &|one| Some(one.gpu_memory?.0 as f64))?;
    let drawn = |one: &OtherProcess| {
        let figure = domain.attribution.foreign_power(&one.process);
        let (watts, grade) = (figure.value()?.0, figure.grade()?);
        let labels =
            [("pid", one.process.pid.to_string()), ("program", one.engine.clone()), ("grade", grade.word().to_owned())];
        let model = one.model_name().map(|name| ("model", name.to_owned()));
        Some((labels.into_iter().chain(model).collect(), watts))
    };
    let points: Vec<Point> = sample.foreign.iter().filter_map(drawn).collect();
    metric(out, "foreign_power_watts", "Power of another program's process.", &points)
}

/// The sessions; their tokens under the names of llama.cpp's server.
fn sessions(domain: &domain::Domain, out: &mut impl Write) -> io::Result<()> {
    let points = |value: &dyn Fn(&Session) -> Option<f64>| {
        let labels =
            |session: &Session| vec![("model", session.model.name.clone()), ("session", session.id.0.to_string())];
        let sessions = domain.sessions.iter();
        sessions.filter_map(|session| Some((labels(session), value(session)?))).collect::<Vec<Point>>()
    };
    let resident = points(&|session| Some(session.process?.resident.0 as f64));
    metric(out, "session_resident_bytes", "Main memory of a session.", &resident)?;
    let on_gpus = points(&|session| Some(session.gpu_memory?.0 as f64));
    metric(out, "session_gpu_memory_bytes", "GPU memory of a session.", &on_gpus)?;
    let graded = |value: &dyn Fn(&Session) -> Option<(f64, Grade)>| {
        let point = |session: &Session| {
            let (value, grade) = value(session)?;
            let labels = [
                ("model", session.model.name.clone()),
                ("session", session.id.0.to_string()),
                ("grade", grade.word().to_owned()),
            ];
            Some((labels.into(), value))
        };
        domain.sessions.iter().filter_map(point).collect::<Vec<Point>>()
    };
    let watts = graded(&|session| Some((session.watts.value()?.0, session.watts.grade()?)));
    metric(out, "session_power_watts", "A session's share of the power.", &watts)?;
    let joules = graded(&|session| {
        let energy = per_session(session, &domain.settings.energy).energy;
        Some((energy.value()?.value, energy.grade()?))
    });
    counter(out, "session_energy_joules_total", "Energy of a session's answers.", &joules)?;
    let ttft = points(&|session| session.figures().counters.ttft_us.map(|micros| micros as f64 / 1e6));
    metric(out, "session_first_token_seconds", "Time to the last answer's first token.", &ttft)?;

    let told = |counted: u64| Some(counted as f64);
    let prompt = points(&|session| told(session.n_prompt));
    write_metric(out, "llamacpp:prompt_tokens_total", COUNTER, "Prompt tokens that were evaluated.", &prompt)?;
    let generated = points(&|session| told(session.n_generated));
    write_metric(out, "llamacpp:tokens_predicted_total", COUNTER, "Tokens that were generated.", &generated)?;
    let rate = points(&|session| session.figures().counters.prompt_rate());
    write_metric(out, "llamacpp:prompt_tokens_seconds", GAUGE, "Prompt tokens per second.", &rate)?;
    let rate = points(&Session::rate);
    write_metric(out, "llamacpp:predicted_tokens_seconds", GAUGE, "Generated tokens per second.", &rate)?;
    let share = points(&|session| {
        Some(session.n_ctx()).filter(|n_ctx| *n_ctx > 0).map(|n_ctx| f64::from(session.n_past) / f64::from(n_ctx))
    });
    write_metric(out, "llamacpp:kv_cache_usage_ratio", GAUGE, "Share of the context in use.", &share)?;
    let tokens = points(&|session| told(u64::from(session.n_past)));
    write_metric(out, "llamacpp:kv_cache_tokens", GAUGE, "Tokens in the context.", &tokens)?;
    let busy = points(&|session| Some(f64::from(u8::from(session.is_busy()))));
    write_metric(out, "llamacpp:requests_processing", GAUGE, "Answers in progress.", &busy)
}

/// Gauges under the names that `node_exporter` and `DCGM-exporter` gave them.
fn usual(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let mut write_metric = |name: &str, help: &str, points: &[Point]| write_metric(out, name, GAUGE, help, points);
    let one = |value: u64| vec![(Vec::new(), value as f64)];
    if let Some(memory) = &sample.memory {
        write_metric("node_memory_MemTotal_bytes", "Main memory.", &one(memory.total.0))?;
        write_metric("node_memory_MemAvailable_bytes", "Available main memory.", &one(memory.available.0))?;
    }
    let labels = |disk: &domain::machine::Disk| vec![("device", disk.name.clone()), ("mountpoint", disk.mount.clone())];
    let size = sample.disks.iter().map(|disk| (labels(disk), disk.total.0 as f64)).collect::<Vec<Point>>();
    write_metric("node_filesystem_size_bytes", "Size of the file system.", &size)?;
    let free = sample.disks.iter().map(|disk| (labels(disk), disk.free.0 as f64)).collect::<Vec<Point>>();
    write_metric("node_filesystem_avail_bytes", "Free space for this user.", &free)?;
    let heat = sample.temperatures.iter().enumerate().map(|(index, sensor)| {
        (vec![("chip", index.to_string()), ("sensor", sensor.label.clone())], f64::from(sensor.celsius.0))
    });
    write_metric("node_hwmon_temp_celsius", "Temperature sensors.", &heat.collect::<Vec<Point>>())?;
    let mut of_gpus = |name: &str, help: &str, value: &dyn Fn(&Gpu) -> Option<f64>| {
        let labels = |gpu: &Gpu| vec![("gpu", gpu.index.to_string()), ("modelName", gpu.name.clone())];
        let points: Vec<Point> = sample.gpus.iter().filter_map(|gpu| Some((labels(gpu), value(gpu)?))).collect();
        write_metric(name, help, &points)
    };
    of_gpus("DCGM_FI_DEV_GPU_UTIL", "Busy share of the GPU, in percent.", &|gpu| Some(gpu.usage.value()?.0 * 100.0))?;
    of_gpus("DCGM_FI_DEV_GPU_TEMP", "Temperature of the GPU, in degrees Celsius.", &|gpu| {
        gpu.temperature.map(|celsius| f64::from(celsius.0))
    })?;
    of_gpus("DCGM_FI_DEV_FB_USED", "Memory of the GPU in use, in MiB.", &|gpu| {
        gpu.memory_used.map(|used| used.0 as f64 / f64::from(1 << 20))
    })?;
    let drawn = |gpu: &Gpu| {
        let mine = &sample.power.iter().find(|power| power.domain == Domain::Gpu(gpu.index))?.watts;
        let grade = mine.grade()?.word().to_owned();
        let labels = [("gpu", gpu.index.to_string()), ("modelName", gpu.name.clone()), ("grade", grade)];
        Some((labels.into(), mine.value()?.0))
    };
    let points: Vec<Point> = sample.gpus.iter().filter_map(drawn).collect();
    write_metric("DCGM_FI_DEV_POWER_USAGE", "Power of the GPU, in watts.", &points)
}

/// One metric of our own; nothing at all where nothing is known.
fn metric(out: &mut impl Write, name: &str, help: &str, points: &[Point]) -> io::Result<()> {
    write_metric(out, &format!("taffrail_{name}"), GAUGE, help, points)
}

/// The same of what only grows.
fn counter(out: &mut impl Write, name: &str, help: &str, points: &[Point]) -> io::Result<()> {
    write_metric(out, &format!("taffrail_{name}"), COUNTER, help, points)
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

/// One metric of a kind.
fn write_metric(out: &mut impl Write, name: &str, kind: &str, help: &str, points: &[Point]) -> io::Result<()> {
    if points.is_empty() {
        return Ok(());
    }
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
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
