//! No figure of energy leaves the program without its grade: every document is walked, and each figure's grade looked for.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use domain::figure::{Grade, Graded};
use domain::lab::suite::answer::Answer;
use domain::lab::suite::results::{Answered, Results};
use domain::lab::suite::run::SuiteFile;
use domain::lab::suite::tally::{Cost, cheapest};
use domain::record::trace::Frame;
use domain::record::{Body, Filter, Kind, Latest, Measured, Reading, Record, report, run_record};
use domain::settings::SessionSettings;
use serde_json::Value;
use taffrail::cli::{bench, doctor, ls, show, top};
use taffrail::history::{Format, History};
use taffrail::ui::State;
use taffrail::ui::testing::scene;

const GRADES: [&str; 4] = ["measured", "apportioned", "estimated", "unknown"];

/// Whether a name is one of energy, or of what follows from it.
fn is_energy(name: &str) -> bool {
    let is_about =
        ["joules", "watts", "watt_hours", "co2e", "energy", "POWER_USAGE"].iter().any(|word| name.contains(word));
    is_about && !["uncertainty", "range", "grade", "per_token_of", "unknown"].iter().any(|word| name.contains(word))
}

/// Walk a document; gives how many figures of energy it holds.
fn walk(place: &str, value: &Value) -> usize {
    match value {
        Value::Object(fields) => {
            let mut count = 0;
            for (name, inner) in fields {
                if is_energy(name) && inner.is_number() {
                    let own = name.split('_').next().unwrap_or_default();
                    let kin = ["grade", &format!("{name}_grade"), &format!("{own}_grade"), "joules_grade"];
                    let grade = kin.iter().find_map(|kin| fields.get(*kin)?.as_str().map(str::to_owned));
                    let by_power = || fields.get("watts")?["known"]["grade"].as_str().map(str::to_owned);
                    let grade = grade.or_else(by_power);
                    assert!(
                        grade.as_deref().is_some_and(|grade| GRADES.contains(&grade)),
                        "{place}: {name} has no grade beside it: {value:#}"
                    );
                    count += 1;
                }
                // So it is in a recording, where energy has the grade of the power that it gives.
                let known = &inner["known"];
                if is_energy(name) && known["value"].is_number() {
                    assert!(known["grade"].is_string(), "{place}: {name} has no grade: {inner:#}");
                    count += 1;
                }
                // A figure is an object of its own.
                if is_energy(name) && inner["value"].is_number() {
                    assert!(inner["grade"].is_string(), "{place}: {name} has no grade: {inner:#}");
                    count += 1;
                }
                count += walk(&format!("{place}.{name}"), inner);
            }
            count
        }
        Value::Array(items) => items.iter().map(|item| walk(place, item)).sum(),
        _ => 0,
    }
}

/// Walk CSV: a column of energy has a column of grades, which is never empty beside a figure.
fn walk_csv(place: &str, text: &str) -> usize {
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let energies: Vec<usize> = (0..heads.len()).filter(|at| is_energy(heads[*at])).collect();
    let grades: Vec<usize> = (0..heads.len()).filter(|at| heads[*at].ends_with("_grade")).collect();
    assert!(!energies.is_empty() && !grades.is_empty(), "{place}: {heads:?}");
    let mut count = 0;
    for line in lines {
        // No cell of these documents holds a comma between quotes before its energy, but models' ids may be quoted.
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), heads.len(), "{place}: {line}");
        for at in &energies {
            if !cells[*at].is_empty() {
                assert!(grades.iter().all(|grade| GRADES.contains(&cells[*grade])), "{place}: {line}");
                count += 1;
            }
        }
    }
    count
}

/// Walk Prometheus' text: a metric of energy has a label of its grade.
fn walk_prometheus(place: &str, text: &str) -> usize {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let energies = lines.filter(|line| is_energy(line.split(['{', ' ']).next().unwrap()));
    energies
        .map(|line| assert!(GRADES.iter().any(|grade| line.contains(&format!("grade=\"{grade}\""))), "{place}: {line}"))
        .count()
}

/// Walk the tables of a page: below a head of energy no figure stands bare.
fn walk_html(place: &str, page: &str) -> usize {
    let cells = |row: &str, tag: &str| -> Vec<String> {
        let tag = format!("<{tag}");
        let cells = row.split(tag.as_str()).skip(1);
        cells.map(|cell| cell.split_once('>').unwrap().1.split('<').next().unwrap().to_owned()).collect()
    };
    let mut count = 0;
    for table in page.split("<table>").skip(1) {
        let table = table.split("</table>").next().unwrap();
        let (head, body) = table.split_once("</thead>").unwrap();
        let heads = cells(head.split_once("<tr>").unwrap().1, "th");
        for row in body.split("<tr>").skip(1) {
            for (head, cell) in heads.iter().zip(cells(row, "td")) {
                if head.starts_with("J/") && cell != "—" {
                    let is_graded = cell.starts_with(['≈', '~', '?']) || cell.contains('±');
                    assert!(is_graded, "{place}: `{cell}` below {head}");
                    count += 1;
                }
            }
        }
    }
    let bare = page.contains("power, W<") || page.contains("power, W\"");
    assert!(!bare, "{place}: a plot of power without a grade");
    count
}

fn race() -> (State, Value) {
    let state = scene("race").unwrap();
    let document = domain::lab::race::export::document(state.domain.race.as_ref().unwrap());
    (state, serde_json::to_value(document).unwrap())
}

#[test]
fn every_json_document_has_grades() {
    let fleet = scene("fleet").unwrap();
    let asked = fleet.domain.sessions.iter().filter_map(|session| Some((session, session.newest()?)));
    let answers: Vec<_> =
        asked.map(|(session, request)| run_record::document(&fleet.domain, session, request)).collect();
    assert!(walk("run", &serde_json::to_value(answers).unwrap()) > 0);
    assert!(walk("race", &race().1) > 0);
    let benched = scene("bench").unwrap();
    assert!(walk("bench", &serde_json::to_value(domain::lab::bench::document(&benched.domain.bench)).unwrap()) > 0);
    for scene_name in ["machine", "top-sessions", "fleet"] {
        let state = scene(scene_name).unwrap();
        let mut out = Vec::new();
        top::run(&top::Top { json: true, once: true, ..top::Top::default() }, &state.domain, &mut out).unwrap();
        assert!(walk("top", &serde_json::from_slice(&out).unwrap()) > 0, "{scene_name}");
    }
}

/// What the sessions of a machine with meters answered to a suite.
fn suite_results() -> Results {
    let fleet = scene("fleet").unwrap();
    let suite = "name = \"s\"\n[[prompt]]\ntext = \"x\"\nchecks = [{ min_words = 1 }]\n";
    let suite = Arc::new(SuiteFile::parse(PathBuf::from("s"), suite.to_owned()).unwrap());
    let metered = fleet.domain.sessions.iter().filter(|session| session.figures().energy.value().is_some());
    let answered = metered.map(|session| Answered {
        model: session.model.clone(),
        answers: vec![Answer::of(
            session,
            session.newest().unwrap(),
            &suite.suite.prompts[0],
            &fleet.domain.settings.energy,
        )],
    });
    let answered = answered.collect();
    Results { suite, judge: None, answered, settings: SessionSettings::default(), stop: Vec::new() }
}

#[test]
fn suites_and_picks_have_grades() {
    let results = suite_results();
    // An answer's joules, and a model's mean.
    let n_figures = 2 * results.answered.len();
    assert!(n_figures > 0);
    assert_eq!(walk("suite", &serde_json::to_value(results.document()).unwrap()), n_figures);
    let tallies = results.tallies();
    let tied = cheapest(&tallies, Cost::Energy, 0.0);
    assert!(!tied.is_empty(), "the energy is known of each: {tallies:?}");
    let pick = serde_json::to_value(results.pick_document(&tied, Cost::Energy, 0.0)).unwrap();
    assert_eq!((walk("pick", &pick), &pick["schema"]), (n_figures, &"taffrail/pick/1".into()));
    assert_eq!(pick["by"], "energy");
}

#[test]
fn what_is_known_of_a_model_has_grades() {
    let mut state = scene("library").unwrap();
    let model = state.domain.library.models[0].clone();
    let joules = Graded { value: 0.41, grade: Some(Grade::Apportioned), relative: Some(0.2) };
    state.domain.library.measured.insert(model.id.clone(), 40.0);
    state.domain.library.measured_joules.insert(model.id.clone(), joules);
    let mut out = Vec::new();
    show::run(&state.domain, &model, true, 1_700_000_000, &mut out).unwrap();
    assert!(walk("show", &serde_json::from_slice(&out).unwrap()) > 0);
    let latest = Latest { rate: Some(40.0), joules: Some(joules), at: None };
    let measured = HashMap::from([(model.id.clone(), latest)]);
    let options = ls::Options { json: true, measured, ..ls::Options::default() };
    let mut out = Vec::new();
    ls::run(&state.domain.library.models, &[], &state.domain.library.openness.table, &options, &mut out).unwrap();
    assert!(walk("ls", &serde_json::from_slice(&out).unwrap()) > 0);
}

#[test]
fn what_is_found_has_grades() {
    let sample = scene("machine").unwrap().domain.machine.sample.clone().unwrap();
    let findings = doctor::Findings { sample: *sample, ..doctor::Findings::default() };
    let mut out = Vec::new();
    doctor::run(&doctor::Doctor { json: true, ..doctor::Doctor::default() }, &findings, &mut out).unwrap();
    assert!(walk("doctor", &serde_json::from_slice(&out).unwrap()) > 0);
}

#[test]
fn a_recording_has_grades() {
    for scene_name in ["machine", "top-sessions", "fleet"] {
        let frame = Frame::of(&scene(scene_name).unwrap().domain).unwrap();
        assert!(walk("recording", &serde_json::to_value(&frame).unwrap()) > 0, "{scene_name}");
    }
    let frame = Frame::of(&scene("machine").unwrap().domain).unwrap();
    assert!(!frame.baselines.is_empty());
    assert!(walk("baselines", &serde_json::to_value(&frame.baselines).unwrap()) > 0);
}

#[test]
fn every_table_of_a_bench_has_grades() {
    let state = scene("bench").unwrap();
    let mut out = Vec::new();
    bench::write_csv(&state.domain.bench, &mut out).unwrap();
    assert!(walk_csv("bench --csv", &String::from_utf8(out).unwrap()) > 0);
    let mut out = Vec::new();
    bench::write_markdown(&state.domain.bench, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let place = text.lines().next().unwrap().split('|').position(|head| head.trim() == "J/tok").unwrap();
    for line in text.lines().skip(2) {
        let cell = line.split('|').nth(place).unwrap().trim();
        assert!(cell == "—" || cell.starts_with('≈'), "the fixture's energy is apportioned: {line}");
    }
}

#[test]
fn what_is_looked_at_has_grades() {
    for scene_name in ["machine", "top-sessions", "fleet"] {
        let state = scene(scene_name).unwrap();
        let mut out = Vec::new();
        top::run(&top::Top { prometheus: true, ..top::Top::default() }, &state.domain, &mut out).unwrap();
        assert!(walk_prometheus("top --prometheus", &String::from_utf8(out).unwrap()) > 0, "{scene_name}");
        let csv = top::Top { csv: true, once: true, ..top::Top::default() };
        let mut out = Vec::new();
        top::begin(&csv, &mut out).unwrap();
        top::run(&csv, &state.domain, &mut out).unwrap();
        assert!(walk_csv("top --csv", &String::from_utf8(out).unwrap()) > 0, "{scene_name}");
    }
}

/// A record of each kind, with and without a grade that was kept.
fn records() -> Vec<Record> {
    let fleet = scene("fleet").unwrap();
    let session = fleet.domain.sessions.iter().find(|session| session.figures().energy.value().is_some()).unwrap();
    let suite = serde_json::json!({
        "schema": "taffrail/suite/1",
        "models": [
            { "name": "new", "joules_per_answer": 3.5, "joules_grade": "apportioned", "joules_relative_uncertainty": 0.2 },
            { "name": "old", "joules_per_answer": 3.5, "answers": [{
                "prompt": "p", "text": "x", "checks": [], "tokens": 3, "reasoning_tokens": 0, "seconds": 0.5,
                "joules": 3.5, "grade": "estimated", "memory": 7,
            }] },
        ],
    });
    let race = scene("race").unwrap().domain.race.clone().unwrap();
    let bodies = [
        run_record::record(&fleet.domain, session, session.newest().unwrap(), 0).body,
        race.record(0).body,
        domain::lab::bench::record(&scene("bench").unwrap().domain.bench, 0).body,
        Body::from_value(Kind::Suite, suite).unwrap(),
    ];
    let grades = [Some(Grade::Measured), Some(Grade::Apportioned), Some(Grade::Estimated), None];
    let record = |(body, grade): (Body, Option<Grade>)| {
        let joules = Some(Graded { value: 0.41, grade, relative: grade.map(|_| 0.2) });
        let measured = Measured { what: "tg".to_owned(), rate: Some(40.0), n: 1, joules, ..Measured::default() };
        let sample = |after| Reading { after, watts: Some(42.0), watts_grade: grade, ..Reading::default() };
        Record {
            models: vec!["m".to_owned()],
            figures: vec![measured],
            samples: vec![sample(0), sample(1000)],
            ..Record::new(1_700_000_000_000, "title".to_owned(), body)
        }
    };
    bodies.into_iter().zip(grades).map(record).collect()
}

#[test]
fn every_page_has_grades() {
    for record in records() {
        let page = report::html(&record);
        assert!(walk_html(record.kind().name(), &page) > 0, "{}", record.kind().name());
        let text = report::plain_text(&record);
        let line = text.lines().find(|line| line.contains("J/tok")).unwrap();
        assert!(line.contains('±') || line.contains('≈') || line.contains('~') || line.contains('?'), "{line}");
    }
}

#[test]
fn the_history_keeps_grades_and_tells_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&folder.path().join("history.db")).unwrap();
    let records = records();
    for record in &records {
        history.add(record).unwrap();
    }
    let mut out = Vec::new();
    history.export(&Filter::default(), Format::Json, &mut out).unwrap();
    let document: Value = serde_json::from_slice(&out).unwrap();
    // Bodies of an earlier version have the grade that was kept.
    assert!(walk("history --json", &document["records"]) > 10);
    let mut out = Vec::new();
    history.export(&Filter::default(), Format::Csv, &mut out).unwrap();
    assert_eq!(walk_csv("history --csv", &String::from_utf8(out).unwrap()), records.len());
    let found = history.get(1).unwrap().unwrap();
    assert_eq!((found.figures, found.samples), (records[0].figures.clone(), records[0].samples.clone()));
}
