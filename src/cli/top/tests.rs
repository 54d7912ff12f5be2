use std::time::Duration;

use super::*;
use domain::StateMachine;
use domain::energy::{Baseline, Idle};
use domain::figure::Grade;
use domain::machine::other_processes::OtherProcess;
use domain::machine::{Core, Disk, Domain, Gpu, Host, Limits, Memory, Pressure, Process, Source, Temperature};
use domain::moment::Moment;
use domain::request::{Stage, Step};
use domain::session::{Phase, Session, SessionId, WorkerId};
use domain::settings::SessionSettings;
use domain::units::{Celsius, Joules, Watts};

fn power(domain: Domain, name: &str, watts: Figure<Watts>, adds: bool) -> Power {
    let energy = watts.value().map(|watts| Joules(watts.0));
    Power {
        domain,
        name: name.to_owned(),
        counted: energy.map(|energy| Joules(1000.0 + energy.0)),
        energy,
        watts,
        adds,
    }
}

fn source(name: &str, covers: &str, reading: Figure<String>) -> Source {
    let (period, age) = (Duration::from_secs(1), Duration::ZERO);
    Source { name: name.to_owned(), covers: covers.to_owned(), reading, period, age }
}

/// A workstation whose processor may be metered or not.
pub(in crate::cli) fn sample(metered: bool) -> Sample {
    let refused = Figure::Unknown {
        reason: "the energy counters may be read by root only".to_owned(),
        remedy: Some("`sudo chmod o+r /sys/class/powercap/intel-rapl:*/energy_uj`".to_owned()),
    };
    let package = if metered {
        Figure::measured(Watts(40.0), "powercap package-0")
    } else {
        Figure::Unknown { reason: "the energy counters may be read by root only".to_owned(), remedy: None }
    };
    let powercap = if metered { Figure::measured("package-0".to_owned(), "powercap") } else { refused };
    let gb = |gigabytes: u64| Bytes(gigabytes * 1_000_000_000);
    let mut power = vec![
        power(Domain::Package(0), "package-0", package, true),
        power(
            Domain::Meter("ina226 \u{1b}[2J".to_owned()),
            "ina226 \u{1b}[2J",
            Figure::measured(Watts(91.5), "hwmon ina226"),
            false,
        ),
    ];
    let mut gpus = Vec::new();
    if metered {
        power.push(self::power(Domain::Gpu(0), "gpu-0", Figure::measured(Watts(143.0), "nvml energy gpu-0"), true));
        gpus.push(Gpu {
            index: 0,
            name: "NVIDIA \"RTX\" 3090 \\ 24 GB".to_owned(),
            usage: Figure::measured(Ratio(0.88), "nvml"),
            memory_total: Some(gb(24)),
            memory_used: Some(gb(19)),
            temperature: Some(Celsius(71.0)),
            processes: Vec::new(),
            shares: vec![(4242, Ratio(0.86))],
            mhz: Some(1860),
            held_by: "heat".to_owned(),
        });
    }
    Sample {
        at: Moment { uptime: Duration::from_secs(1), unix: 1_800_000_000 },
        elapsed: Duration::from_secs(1),
        host: Host {
            name: "bounty".to_owned(),
            processor: "Ryzen 7".to_owned(),
            system: "Debian 13".to_owned(),
            drivers: Vec::new(),
        },
        cpu: Some(Ratio(0.25)),
        cores: vec![Core { usage: Some(Ratio(0.25)), mhz: Some(3400) }, Core { usage: None, mhz: None }],
        limits: Limits { n_throttled: Some(3), allowed_mhz: Some(3000), highest_mhz: Some(4700) },
        memory: Some(Memory { total: gb(64), available: gb(46), used: gb(18), swap_total: gb(8), swap_used: Bytes(0) }),
        pressure: Pressure { cpu: Some(Ratio(0.5)), memory: None, io: Some(Ratio(0.0)) },
        disks: vec![Disk {
            name: "/dev/sda1".to_owned(),
            mount: "/".to_owned(),
            total: gb(500),
            free: gb(124),
            read: Some(Bytes(1_000_000)),
            written: None,
        }],
        temperatures: vec![Temperature { label: "Tctl".to_owned(), celsius: Celsius(68.0), critical: None }],
        gpus,
        power,
        own: Some(Process { pid: 7, cores: 0.004, resident: Bytes(9_000_000), ..Process::default() }),
        sources: vec![
            source("powercap", "energy of the processor and its memory", powercap),
            source("cpu", "busy time of each core", Figure::measured("2 cores".to_owned(), "/proc/stat")),
            source("battery", "power of the whole machine", Figure::unknown("no battery")),
        ],
        ..Sample::default()
    }
}

/// The state after a tick that told this.
fn after(sample: Sample) -> StateMachine {
    let mut state = StateMachine::new(domain::settings::Settings::default());
    let at = sample.at;
    state.update(at, domain::Event::Sample(Box::new(sample)));
    state
}

/// The same of a recording with sessions and other programs, as `--replay` reads it.
fn with_sessions() -> StateMachine {
    let settings = domain::settings::Settings::default;
    let mut recorded = StateMachine::new(settings());
    let process = |pid: u32, cores: f64, resident: u64| {
        let cpu_share = Some(Ratio(cores / 4.0));
        Process { pid, cores, cpu_share, resident: Bytes(resident), ..Process::default() }
    };
    let mut sample = sample(true);
    let (processor, meter) = (sample.host.processor.clone(), "package-0".to_owned());
    for (id, name) in [(1, "qwen3-8b"), (2, "smollm2-135m")] {
        let model = std::sync::Arc::new(domain::testing::model(name));
        let (id, worker) = (SessionId(id), WorkerId(id));
        let mut session = Session::new(id, worker, model, name.to_owned(), SessionSettings::default(), 10);
        session.phase = Phase::Ready;
        session.pid = Some(4000 + id.0 as u32);
        session.n_prompt = 2_400;
        sample.processes.push(process(4000 + id.0 as u32, 0.5, 600_000_000));
        recorded.sessions.push(session);
    }
    recorded.sessions[0].make_request().stage = Stage::Running(Step::Answer);
    for (pid, engine, model) in [
        (5120, "ollama runner", Some("llama3.2:3b")),
        (5311, "python train.py", None),
        (5422, "llama-server", Some("/srv/models/gemma-3-4b-it-Q4_K_M.gguf")),
    ] {
        let process = process(pid, 0.37, 2_600_000_000);
        let (engine, model) = (engine.to_owned(), model.map(str::to_owned));
        let gpu_memory = (pid == 5120).then_some(Bytes(400_000_000));
        sample.foreign.push(OtherProcess { process, engine, model, gpu_memory, ..OtherProcess::default() });
    }
    let mut state = StateMachine::new(settings());
    let (idle, watts) = (Idle::Loaded, Watts(12.0));
    let known =
        Baseline { meter, device: processor, idle, watts, unix: 0, is_calibrated: true, grade: Grade::Measured };
    state.attribution.baselines.known.push(known);
    recorded.machine.sample = Some(Box::new(sample));
    for second in 0..3 {
        recorded.sessions[0].n_generated += 43;
        let at = Moment { uptime: Duration::from_secs(second), unix: 1_800_000_000 };
        let mut frame = domain::record::trace::Frame::of(&recorded).unwrap();
        frame.uptime_ms = 1000 * second;
        state.update(at, domain::Event::Frame(Box::new(frame)));
    }
    state
}

fn printed(arguments: &Top, metered: bool) -> String {
    written(arguments, &after(sample(metered)))
}

fn written(arguments: &Top, state: &domain::Domain) -> String {
    let mut out = Vec::new();
    run(arguments, state, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\u{1b}'), "what could steer a terminal is gone");
    text
}

#[test]
fn the_text() {
    let once = Top { once: true, ..Top::default() };
    insta::assert_snapshot!("text", printed(&once, true));
    insta::assert_snapshot!("text-unmetered", printed(&once, false));
    insta::assert_snapshot!("text-workload", written(&once, &with_sessions()));
}

#[test]
fn the_prometheus_text() {
    let arguments = Top { prometheus: true, ..Top::default() };
    assert!(arguments.is_once());
    let text = printed(&arguments, true);
    insta::assert_snapshot!("prometheus", text);
    parse(&text);
    // One look tells no count that the next one would begin anew.
    assert!(
        text.contains("taffrail_meter_joules_total{domain=\"package-0\",adds=\"true\",grade=\"measured\"} 1040\n"),
        "{text}"
    );
    assert!(text.contains("owner_power_watts") && !text.contains("energy_joules_total"), "{text}");
    let replay = Some("recording".into());
    let recorded =
        Top { prometheus: true, trace: crate::cli::Trace { replay, ..Default::default() }, ..Top::default() };
    let text = written(&recorded, &with_sessions());
    insta::assert_snapshot!("prometheus-workload", text);
    parse(&text);
    // What is unknown has no line, least of all a zero.
    let text = printed(&arguments, false);
    assert!(!text.contains("package-0") && !text.contains("power_total") && !text.contains("gpu_"), "{text}");
}

/// Reads the exposition format by its grammar: HELP and TYPE once before the first value of each family, names and
/// labels of the allowed letters, base units, no series twice. Gives the number of series.
fn parse(text: &str) -> usize {
    const UNITS: [&str; 9] =
        ["bytes", "bytes_per_second", "seconds", "ratio", "celsius", "hertz", "watts", "cores", "tokens"];
    const BARE: [&str; 4] =
        ["taffrail_build_info", "taffrail_cpu_throttle_events", "taffrail_source_up", "llamacpp:requests_processing"];
    let is_word = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    // Colons are for others' names.
    let is_name = |name: &str| is_word(name.strip_prefix("llamacpp:").unwrap_or(name));
    let (mut families, mut series, mut helped) = (Vec::new(), std::collections::BTreeSet::new(), "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && help.ends_with('.'), "{line}");
            helped = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let is_counter = name.ends_with("_total");
            assert_eq!((name, kind), (helped, if is_counter { "counter" } else { "gauge" }));
            assert!(!families.contains(&name), "{name} twice");
            let named = name.trim_end_matches("_total");
            let is_unit = UNITS.iter().chain(&["joules", "tokens_predicted"]).any(|unit| named.ends_with(unit));
            assert!(BARE.contains(&name) || name.starts_with("DCGM_") || is_unit, "{name} names its unit");
            families.push(name);
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            let (family, labels) = name.split_once('{').unwrap_or((name, ""));
            assert_eq!(families.last(), Some(&family), "{line}");
            assert!(series.insert(name), "{line} twice");
            let mut rest = labels.strip_suffix('}').unwrap_or(labels);
            while !rest.is_empty() {
                let (label, behind) = rest.split_once("=\"").unwrap();
                assert!(is_word(label) && !label.starts_with("__"), "{line}");
                let mut letters = behind.char_indices();
                let end = loop {
                    match letters.next().unwrap() {
                        (_, '\\') => assert!(letters.next().is_some_and(|(_, next)| "\\\"n".contains(next)), "{line}"),
                        (place, '"') => break place,
                        (_, letter) => assert!(!letter.is_control(), "{line}"),
                    }
                };
                rest = behind[end + 1..].trim_start_matches(',');
            }
        }
    }
    assert!(text.ends_with('\n') && families.len() > 20);
    series.len()
}

#[test]
fn the_csv() {
    let arguments = Top { csv: true, ..Top::default() };
    let mut head = Vec::new();
    begin(&arguments, &mut head).unwrap();
    let count = |text: &str| text.trim_end().split(',').count();
    let (known, unknown) = (printed(&arguments, true), printed(&arguments, false));
    assert_eq!(known, "1800000000,0.25,18000000000,0,0.88,19000000000,183,measured,71,0.004,9000000\n");
    assert_eq!(unknown, "1800000000,0.25,18000000000,0,,,,unknown,68,0.004,9000000\n");
    assert_eq!((count(&known), count(&unknown)), (count(std::str::from_utf8(&head).unwrap()), count(&known)));
}

#[test]
fn the_document() {
    let arguments = Top { json: true, ..Top::default() };
    let document = |metered| serde_json::from_str::<serde_json::Value>(&printed(&arguments, metered)).unwrap();
    let known = document(true);
    assert_eq!(known["schema"], "taffrail/top/1");
    assert_eq!(known["total_power"]["value"], 183.0);
    assert_eq!(known["total_power"]["boundary"], "[cpu+gpu]");
    assert_eq!(known["power"][0]["watts"]["grade"], "measured");
    assert_eq!(known["gpus"][0]["memory_used_bytes"], 19_000_000_000_u64);
    assert_eq!(known["memory"]["total_bytes"], 64_000_000_000_u64);
    assert_eq!(known["pressure"]["memory"], serde_json::Value::Null);
    let unknown = document(false);
    assert_eq!(unknown["total_power"]["value"], serde_json::Value::Null);
    assert_eq!(unknown["power"][0]["watts"]["value"], serde_json::Value::Null);
    assert_eq!(unknown["power"][0]["watts"]["grade"], "unknown");
    assert!(unknown["total_power"]["remedy"].as_str().unwrap().contains("chmod"), "{unknown}");
}

/// A machine that tells nothing, as a container without `/proc`: nothing is shown as zero.
#[test]
fn what_is_not_told_is_no_zero() {
    let nothing = Sample { elapsed: Duration::from_secs(1), ..Sample::default() };
    let text = written(&Top { once: true, ..Top::default() }, &after(nothing));
    let digit = |line: &&str| line.chars().any(|c| c.is_ascii_digit());
    assert_eq!(text.lines().filter(digit).collect::<Vec<_>>(), [""; 0], "{text}");
    for line in ["cpu        —", "memory     —", "taffrail itself"] {
        assert!(text.contains(line), "{text}");
    }
    let state = after(Sample { elapsed: Duration::from_secs(1), ..Sample::default() });
    let text = written(&Top { prometheus: true, ..Top::default() }, &state);
    for name in ["own_cpu_cores", "own_resident_bytes", "memory_", "swap_"] {
        assert!(!text.lines().any(|line| line.starts_with(&format!("taffrail_{name}"))), "{name}: {text}");
    }
    let mut row = Vec::new();
    csv::write(state.machine.sample.as_ref().unwrap(), &mut row).unwrap();
    assert_eq!(String::from_utf8(row).unwrap(), "0,,,,,,,unknown,,,\n");
    let text = written(&Top { json: true, ..Top::default() }, &state);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["total_bytes", "available_bytes", "used_bytes", "swap_total_bytes", "swap_used_bytes"] {
        assert_eq!(document["memory"][name], serde_json::Value::Null, "{name}");
    }
    for name in ["cores", "resident_bytes"] {
        assert_eq!(document["taffrail"][name], serde_json::Value::Null, "{name}");
    }
}

#[test]
fn a_source_that_does_not_answer_is_told() {
    let mut late = sample(true);
    late.sources[1].age = Duration::from_secs(5);
    let mut out = Vec::new();
    run(&Top { once: true, ..Top::default() }, &after(late), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\nlate       cpu for 5.0 s\n"), "{text}");
    assert!(!printed(&Top { once: true, ..Top::default() }, true).contains("late"));
}

#[test]
fn the_document_tells_who_works() {
    let text = written(&Top { json: true, ..Top::default() }, &with_sessions());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names = |list: &str, name: &str| {
        let rows = document[list].as_array().unwrap();
        rows.iter().map(|row| row[name].as_str().unwrap_or("—").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("sessions", "state"), ["answering", "ready"]);
    assert_eq!(names("foreign", "program"), ["ollama runner", "python train.py", "llama-server"]);
    assert_eq!(names("foreign", "model"), ["llama3.2:3b", "—", "gemma-3-4b-it-Q4_K_M.gguf"]);
    assert!(document["foreign"][1]["watts"]["value"].as_f64().is_some_and(|watts| watts > 0.0), "{document}");
    assert_eq!(document["sessions"][0]["prompt_tokens"], 2_400);
    assert_eq!(document["taffrail"]["resident_bytes"], 9_000_000);
}

#[test]
fn an_estimate_is_a_range_and_labelled() {
    let mut state = StateMachine::new(domain::settings::Settings::default());
    state.settings.energy.tdp_watts = Some(65.0);
    let mut unmetered = sample(false);
    unmetered.power.retain(|power| power.watts.value().is_none());
    state.update(unmetered.at, domain::Event::Sample(Box::new(unmetered)));
    let text = written(&Top { once: true, ..Top::default() }, &state);
    assert!(text.contains("power      ~8.12–32.5 W estimated [cpu]"), "{text}");
    assert!(text.contains("TDP 65 W x load, no sensor"), "{text}");
}
