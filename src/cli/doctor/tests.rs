use super::*;
use crate::cli::top::tests::sample;
use domain::engine_metrics::{EngineNews, EngineReading};
use domain::model::Store;
use domain::model::remote::EngineKind;
use domain::moment::Moment;

fn bandwidth() -> Bandwidth {
    Bandwidth { bytes_per_second: 2.13e10, threads: 8, unix: 1_764_000_000, processor: "processor".to_owned() }
}

/// Engines that answer, have no counters, and fail.
fn engines() -> Vec<EngineMetrics> {
    let reading = EngineReading { n_running: Some(2), n_waiting: Some(0), ..EngineReading::default() };
    let silent = EngineSilence::NotReported {
        reason: "it has no /metrics".to_owned(),
        remedy: Some("start it with --enable-metrics".to_owned()),
    };
    let failed = EngineSilence::Failed { reason: "no answer within 1 s".to_owned() };
    let all = [
        ("desk", EngineKind::Vllm, Ok(reading)),
        ("lab", EngineKind::Sglang, Err(silent)),
        ("old", EngineKind::Ollama, Err(failed)),
    ];
    let one = |(engine, kind, answer): (&str, EngineKind, Result<EngineReading, EngineSilence>)| {
        let news = EngineNews { engine: engine.to_owned(), kind, after: None, answer };
        EngineMetrics::new(news, None, Moment::default())
    };
    all.into_iter().map(one).collect()
}

fn findings(well: bool) -> Findings {
    let mut findings = Findings {
        sample: sample(well),
        bandwidth: well.then(|| Ok(bandwidth())),
        engine: Engine { built_in: well, backends: vec!["cuda"], others: vec!["/usr/bin/ollama".into()] },
        stores: vec![
            StoreStatus {
                store: Store::HuggingFace,
                engine: None,
                place: "/hub".to_owned(),
                n_models: 3,
                broken_manifests: 0,
                problems: Vec::new(),
            },
            StoreStatus {
                store: Store::Folder,
                engine: None,
                place: "/models".to_owned(),
                n_models: 1,
                broken_manifests: 0,
                problems: vec!["/models/locked\u{1b}[2J: permission denied".to_owned()],
            },
        ],
        engines: engines(),
        file: Some("/nowhere/config.toml".into()),
        problems: Vec::new(),
        log: Some("/nowhere/log".into()),
        terminal: Terminal {
            is_terminal: (true, true),
            size: Some((120, 40)),
            kind: Some("xterm-256color".to_owned()),
            colours: Some("truecolor".to_owned()),
            no_colour: false,
            locale: Some("en_GB.UTF-8".to_owned()),
        },
    };
    if !well {
        findings.stores.clear();
        findings.problems = crate::config::load(&crate::config::Sources {
            overrides: vec!["ui.no_such_thing=1".to_owned()],
            ..crate::config::Sources::default()
        })
        .problems;
        findings.terminal = Terminal {
            is_terminal: (true, true),
            size: Some((60, 20)),
            kind: Some("xterm".to_owned()),
            locale: Some("C".to_owned()),
            ..Terminal::default()
        };
    }
    findings
}

fn printed(well: bool, json: bool) -> String {
    let mut out = Vec::new();
    run(&Doctor { json, ..Doctor::default() }, &findings(well), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\u{1b}'), "what could steer a terminal is gone");
    text
}

#[test]
fn what_is_well_and_what_is_not() {
    insta::assert_snapshot!("well", printed(true, false));
    insta::assert_snapshot!("unwell", printed(false, false));
}

#[test]
fn an_estimate_is_a_range() {
    let mut findings = findings(false);
    findings.sample.power.retain(|power| power.watts.value().is_none());
    let settings = domain::settings::Energy { tdp_watts: Some(65.0), ..Default::default() };
    findings.sample.power.extend(domain::energy::estimated(&findings.sample, &settings));
    let mut out = Vec::new();
    run(&Doctor::default(), &findings, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("processor     ~8.12–32.5 W (estimated; est: TDP 65 W x load, no sensor)"), "{text}");
    assert!(text.contains("sum           ~8.12–32.5 W (estimated) [cpu]"), "{text}");
}

#[test]
fn access_is_given_to_files_and_never_to_the_program() {
    let text = printed(false, false);
    assert!(text.contains("/etc/udev/rules.d/"), "{text}");
    for (_, command) in LASTING {
        assert!(
            !command.contains("setcap") && !command.contains("chown") && !command.contains("taffrail"),
            "{command}"
        );
    }
}

#[test]
fn access_for_good_is_offered_where_it_is_lacking_only() {
    let row = |reason: &str| {
        let remedy = Some("do".to_owned());
        let reading = Figure::Unknown { reason: reason.to_owned(), remedy };
        Source { name: "perf".to_owned(), reading, ..sample(true).sources.remove(0) }
    };
    assert!(lasting(&row("the kernel keeps events of the whole system to root")).is_some());
    assert!(lasting(&row("no energy events: a virtual machine sees none")).is_none());
}

#[test]
fn the_document() {
    let document: Value = serde_json::from_str(&printed(false, true)).unwrap();
    assert_eq!(document["schema"], "taffrail/doctor/2");
    assert_eq!(document["sources"][0]["reading"]["value"], Value::Null);
    assert!(document["sources"][0]["lasting_remedy"].as_str().unwrap().contains("udevadm"), "{document}");
    assert_eq!(document["sources"][1]["lasting_remedy"], Value::Null);
    assert_eq!(document["engine"]["built_in"], false);
    assert_eq!(document["settings"]["problems"].as_array().unwrap().len(), 1);
    assert_eq!(document["terminal"]["utf8"], false);
    assert_eq!(document["terminal"]["colors"], "16 or 256");
}
