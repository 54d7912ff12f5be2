//! Bodies of every version that wrote some, and what a blind race shows.

use serde_json::{Value, json};

use super::*;
use crate::figure::{Grade, Graded};
use crate::lab::race::Order;
use crate::lab::race::rating::Vote;
use crate::record::Record;
use crate::units::Bytes;

/// Bodies as versions of the program wrote them. The first ones of runs, races and benches were made from a later one by
/// taking away what the program did not write then; the others are rows of a history, with shorter texts.
const FIXTURES: [(Kind, &str); 11] = [
    // Without a grammar, a memory account and a roofline; the energy without an uncertainty.
    (Kind::Run, include_str!("../../../../tests/fixtures/records/run-1.json")),
    // With a grammar and whether it was raw, without errors and stop texts.
    (Kind::Run, include_str!("../../../../tests/fixtures/records/run-2-raw.json")),
    // As it was written before bodies had a version.
    (Kind::Run, include_str!("../../../../tests/fixtures/records/run-3-failed.json")),
    // Without options and lockstep; an unknown energy with its reason.
    (Kind::Race, include_str!("../../../../tests/fixtures/records/race-1.json")),
    // Without stop texts.
    (Kind::Race, include_str!("../../../../tests/fixtures/records/race-2.json")),
    (Kind::Race, include_str!("../../../../tests/fixtures/records/race-3.json")),
    // With `stop_text` as the end of an answer.
    (Kind::Vote, include_str!("../../../../tests/fixtures/records/vote-2.json")),
    // With the grades of its answers alone.
    (Kind::Suite, include_str!("../../../../tests/fixtures/records/suite-1.json")),
    (Kind::Suite, include_str!("../../../../tests/fixtures/records/suite-2.json")),
    // Energies without a grade.
    (Kind::Bench, include_str!("../../../../tests/fixtures/records/bench-1.json")),
    (Kind::Bench, include_str!("../../../../tests/fixtures/records/bench-2.json")),
];

fn fixture(name: usize) -> Body {
    let (kind, text) = FIXTURES[name];
    Body::read(kind, text).unwrap()
}

/// What a field is called since version 4.
fn today(name: &str) -> &str {
    match name {
        "parting" => "divergence",
        "bytes_alike" => "bytes_identical",
        "tainted" => "disturbed",
        "keeps_tainted" => "keeps_disturbed",
        name => name,
    }
}

/// Whether all that one value holds is in another. Numbers were once kept wider than they were.
fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Null, other) => other.is_null(),
        (Value::Object(part), Value::Object(whole)) => part.iter().all(|(name, value)| {
            let same = whole.get(today(name)).is_some_and(|other| is_within(value, other));
            // What a migration says otherwise.
            same || (name == "finish" && value == "stop_text")
        }),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(one, other)| is_within(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= f64::from(f32::EPSILON) * one.abs()
        }
        (one, other) => one == other,
    }
}

#[test]
fn every_earlier_body_is_read_and_loses_nothing() {
    for (index, (kind, text)) in FIXTURES.into_iter().enumerate() {
        let body = Body::read(kind, text).unwrap_or_else(|error| panic!("{index}: {error}"));
        let written = body.to_json().unwrap();
        let (before, after) = (serde_json::from_str::<Value>(text).unwrap(), serde_json::from_str(&written).unwrap());
        assert!(is_within(&before, &after), "{index}: {before:#} became {after:#}");
        assert_eq!(after["version"], VERSION);
        assert_eq!(Body::read(kind, &written).unwrap(), body, "{index}: what is written is read back");
    }
}

#[test]
fn a_run_of_each_version_says_what_it_knew() {
    let (first, raw, failed) = (fixture(0), fixture(1), fixture(2));
    let first = first.run().unwrap();
    let energy = &first.document.energy;
    let expected = Graded { value: 0.41, grade: Some(Grade::Apportioned), relative: None };
    assert_eq!(energy.provenance.graded(energy.joules_per_token), Some(expected));
    assert_eq!((&first.document.roofline, first.document.memory.account, &first.grammar), (&None, None, &None));
    assert!(!first.raw && first.stop.is_empty());
    assert_eq!(raw.run().unwrap().document.finish, Some(Finished::Length));
    assert!(matches!(raw.run().unwrap().document.roofline, Some(RooflineResult::Unknown { .. })));
    let failed = &failed.run().unwrap().document;
    assert_eq!((failed.error.as_deref(), failed.finish), (Some("taffrail was closed"), None));
    assert!(failed.memory.account.is_some());
}

#[test]
fn a_race_of_each_version_says_what_it_knew() {
    let first = fixture(3);
    let race = &first.race().unwrap().document;
    assert_eq!(race.columns[1].energy.as_ref().unwrap().provenance.reason(), Some("no sensor"));
    assert_eq!(race.columns[0].options, None);
    assert_eq!(race.winners.as_ref().unwrap().first, ["truth · threads 1"]);
    assert!(fixture(4).race().unwrap().document.columns[1].options.as_ref().unwrap().contains_key("threads"));
    let vote = fixture(6);
    let column = &vote.race().unwrap().document.columns[0];
    assert_eq!((column.finish, column.stopped_at_stop_text), (Some(Finished::Stop), true));
    let vote = Vote::of(1000, &vote.race().unwrap().document).unwrap();
    assert_eq!((vote.winner, vote.blind, vote.models.len()), (Some(0), true, 2));
}

#[test]
fn energies_without_a_grade_get_the_worst_of_their_parts_or_none() {
    let suite = |grades: [&str; 2]| {
        let answer = |grade: &str| {
            json!({
                "prompt": "p", "text": "x", "checks": [["c", null]], "tokens": 1, "reasoning_tokens": 0,
                "seconds": 1.0, "joules": 2.0, "grade": grade, "memory": 1,
            })
        };
        let answers = grades.map(answer);
        let body = json!({ "models": [{ "name": "m", "joules_per_answer": 2.0, "answers": answers }] });
        let Body::Suite(suite) = Body::from_value(Kind::Suite, body).unwrap() else { panic!("no suite") };
        suite.document.models[0].joules().unwrap().grade
    };
    assert_eq!(suite(["measured", "apportioned"]), Some(Grade::Apportioned));
    assert_eq!(suite(["measured", "unknown"]), None);
    let Body::Bench(bench) = fixture(9) else { panic!("no bench") };
    let row = &bench.document.rows[0];
    assert_eq!(row.joules().map(|joules| joules.grade), Some(None));
    assert_eq!((row.repetitions[0].watts, row.repetitions[0].watts_grade.as_str()), (Some(41.5), "unknown"));
    assert_eq!(row.disturbed, [crate::lab::bench::Disturbance::Throttled, crate::lab::bench::Disturbance::Busy(1.5)]);
}

#[test]
fn what_cannot_be_read_says_why() {
    for text in ["null", "7", "{", "[]", "{\"text\": 7}", "{\"finish\": \"whenever\"}"] {
        assert!(matches!(Body::read(Kind::Run, text), Err(ReadError::Json(_))), "{text}");
    }
    let newer = Body::read(Kind::Run, "{\"version\": 99}").unwrap_err();
    assert_eq!(newer.to_string(), format!("it is of version 99, and this program knows {VERSION} at most"));
}

/// A blind race in which every field is set, each text to what no other holds. Whoever adds a field must set it here.
#[expect(clippy::too_many_lines, reason = "one record, field by field")]
fn complete() -> RaceRecord {
    let provenance = Provenance::Known {
        grade: Grade::Measured,
        relative_uncertainty: Some(0.1),
        range_joules: Some((1.0, 2.0)),
        boundary: Some("SECRET boundary".to_owned()),
        coverage: Some("SECRET coverage".to_owned()),
        source: Some("SECRET source".to_owned()),
        metered_s: Some(1.0),
    };
    let column = RaceColumn {
        name: "SECRET name".to_owned(),
        model: Some(ModelRef {
            id: Some("SECRET id".to_owned()),
            name: Some("SECRET model".to_owned()),
            quant: Some("SECRET quant".to_owned()),
            path: Some("SECRET path".to_owned()),
        }),
        settings: Some(ColumnSettings {
            context: Some(1),
            max_tokens: Some(1),
            sampling: wire::Sampling { seed: Some(7), ..wire::Sampling::default() },
        }),
        text: Some("shown text".to_owned()),
        reasoning: Some("shown reasoning".to_owned()),
        finish: Some(Finished::Stop),
        stopped_at_stop_text: true,
        error: Some(ColumnError {
            reason: "SECRET model can't be loaded".to_owned(),
            hint: Some("shown hint".to_owned()),
        }),
        tokens: TokenCounts { prompt: Some(1), cached: Some(1), generated: Some(1), reasoning: Some(1) },
        load_ms: Some(1.0),
        ttft_ms: Some(1.0),
        ttft_engine_ms: None,
        cost: None,
        prompt_tokens_per_second: Some(1.0),
        generation_tokens_per_second: Some(1.0),
        memory: Some(Bytes(1)),
        energy: Some(RaceEnergy {
            joules: Some(1.0),
            joules_per_token: Some(1.0),
            dynamic_joules_per_token: Some(1.0),
            joules_per_token_of: Some("SECRET of".to_owned()),
            provenance,
        }),
        options: Some(Options::from([("SECRET option".to_owned(), "SECRET value".to_owned())])),
    };
    let names = || vec!["SECRET winner".to_owned()];
    RaceRecord {
        version: VERSION,
        document: RaceDocument {
            schema: "taffrail/race/1".to_owned(),
            at: Some(1),
            prompt: "shown prompt".to_owned(),
            system: Some("shown system".to_owned()),
            stop: vec!["shown stop".to_owned()],
            order: Order::Together,
            blind: true,
            columns: vec![column],
            winners: Some(WinnerNames {
                first: names(),
                fastest: names(),
                most_frugal: names(),
                most_frugal_unknown: Some("SECRET reason".to_owned()),
                shortest: names(),
            }),
            vote: Some(VoteResult { winner: Some("SECRET vote".to_owned()), tie: true }),
        },
        lockstep: true,
        divergence: Some(DivergenceRecord {
            bytes_identical: 1,
            before: "shown before".to_owned(),
            same_tokens: true,
            same_vocabulary: true,
            together: true,
            said: "shown said".to_owned(),
            columns: vec![DivergenceColumn {
                name: Some("SECRET column".to_owned()),
                token: Some("shown token".to_owned()),
                index: Some(1),
                probable: Some(vec![LikelyToken { token: "shown likely".to_owned(), probability: Some(0.5) }]),
            }],
        }),
        interrupted: true,
    }
}

/// The places of a value that hold something.
fn filled(place: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, inner) in fields {
                filled(&format!("{place}.{name}"), inner, found);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => items.iter().for_each(|inner| filled(place, inner, found)),
        _ => found.push(place.trim_start_matches('.').to_owned()),
    }
}

#[test]
fn a_blind_race_shows_what_is_allowed_and_nothing_else() {
    let race = complete();
    let record = Record {
        id: 7,
        models: vec!["SECRET id".to_owned()],
        figures: vec![crate::record::Measured { what: "SECRET what".to_owned(), ..Default::default() }],
        samples: vec![crate::record::Reading { watts: Some(1.0), ..Default::default() }],
        seal: Some("seal".to_owned()),
        ..Record::new(9, "shown title".to_owned(), Body::Race(Box::new(race)))
    };
    let shown = serde_json::to_value(record.redacted()).unwrap();
    let text = shown.to_string();
    assert!(!text.contains("SECRET"), "{text}");
    let mut found = Vec::new();
    filled("", &shown, &mut found);
    found.sort();
    let allowed = [
        "at",
        "body.at",
        "body.blind",
        "body.columns.error.reason",
        "body.columns.finish",
        "body.columns.name",
        "body.columns.reasoning",
        "body.columns.stopped_at_stop_text",
        "body.columns.text",
        "body.columns.tokens.cached",
        "body.columns.tokens.generated",
        "body.columns.tokens.prompt",
        "body.columns.tokens.reasoning",
        "body.divergence.before",
        "body.divergence.bytes_identical",
        "body.divergence.columns.index",
        "body.divergence.columns.probable.probability",
        "body.divergence.columns.probable.token",
        "body.divergence.columns.token",
        "body.divergence.said",
        "body.divergence.same_tokens",
        "body.divergence.same_vocabulary",
        "body.divergence.together",
        "body.interrupted",
        "body.lockstep",
        "body.order",
        "body.prompt",
        "body.schema",
        "body.stop",
        "body.system",
        "body.version",
        "id",
        "kind",
        "models",
        "seal",
        "title",
    ];
    assert_eq!(found, allowed);
    assert_eq!((&shown["models"][0], &shown["body"]["columns"][0]["name"]), (&"model A".into(), &"model A".into()));
}

/// A field that is hidden is in the document as null, so that whoever reads it finds it.
#[test]
fn a_reason_without_a_name_is_shown_and_hidden_fields_are_null() {
    let mut race = complete();
    race.document.columns[0].error = Some(ColumnError { reason: "out of memory".to_owned(), hint: None });
    let shown = RaceRecord::from(BlindRace::of(&race));
    assert_eq!(shown.document.columns[0].error.as_ref().unwrap().reason, "out of memory");
    let shown = serde_json::to_value(&shown).unwrap();
    for name in
        ["model", "settings", "options", "load_ms", "ttft_ms", "memory", "energy", "generation_tokens_per_second"]
    {
        assert!(shown["columns"][0].as_object().unwrap().get(name).unwrap().is_null(), "{name}");
    }
    assert!(shown["winners"].is_null());
}
