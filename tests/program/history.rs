//! `taffrail history` and `taffrail bench` as a user meets them.

use std::fs;

use domain::record::{Body, Kind, Reading, Record};
use taffrail::history::History;

use crate::support::{Home, starter};

fn with_records(home: &Home, n: i64) {
    let path = home.path("data/taffrail/history.db");
    let mut history = History::open(&path).unwrap();
    for n in 0..n {
        let body = serde_json::json!({ "turns": [{ "role": "user", "text": "Why?" }], "text": "<script>" });
        let body = Body::from_value(Kind::Run, body).unwrap();
        let record = Record { models: vec!["hf:a/b".to_owned()], ..Record::new(n, format!("Why {n}?"), body) };
        history.add(&record).unwrap();
    }
}

#[test]
fn what_was_run_is_listed_shown_exported_and_deleted() {
    let home = Home::new();
    assert_eq!(home.run(&["history"]).stdout, "nothing was run yet\n");
    with_records(&home, 3);
    let listed = home.run(&["history", "why", "2"]);
    assert!(listed.stdout.contains("Why 2?") && !listed.stdout.contains("Why 1?"), "{listed:?}");
    assert_eq!(home.run(&["history", "--rerun", "1"]).stdout, "taffrail run hf:a/b -p 'Why?'\n");
    assert_eq!(home.run(&["history", "--json"]).json()["records"].as_array().unwrap().len(), 3);
    assert_eq!(home.run(&["history", "--csv"]).stdout.lines().count(), 4);
    let page = home.path("report.html");
    assert_eq!(home.run(&["history", "--html", "1", "-o", page.to_str().unwrap()]).code, Some(0));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert_eq!(home.run(&["history", "--show", "9"]).code, Some(3));
    // Nobody is there to answer the question.
    assert_eq!(home.run(&["history", "--delete", "1"]).code, Some(4));
    assert_eq!(home.run(&["history", "--delete", "all", "whale", "--yes"]).code, Some(2));
    assert_eq!(home.run(&["history", "--delete", "1", "--yes"]).code, Some(0));
    assert_eq!(home.run(&["history", "--json"]).json()["records"].as_array().unwrap().len(), 2);
}

/// A report of each kind, of hostile records, and the standings after the votes among them.
#[test]
fn every_kind_has_a_report_and_votes_have_standings() {
    let home = Home::new();
    assert_eq!(home.run(&["history", "--leaderboard", "--json"]).json()["votes"], 0);
    let script = "</pre><script>alert(1)</script>";
    let column = |name: &str| serde_json::json!({ "name": name, "text": script, "model": { "id": name } });
    let mut history = History::open(&home.path("data/taffrail/history.db")).unwrap();
    for (kind, seal) in [
        (Kind::Run, None),
        (Kind::Race, Some("sealed")),
        (Kind::Race, Some("voted")),
        (Kind::Vote, Some("voted")),
        (Kind::Suite, None),
        (Kind::Bench, None),
    ] {
        let body = serde_json::json!({
            "turns": [{ "role": "user", "text": script }], "text": script, "prompt": script, "file": "s.toml",
            "columns": [column("one-7b"), column("two-3b")], "vote": { "winner": "two-3b", "tie": false },
            "prompts": [{ "id": script, "text": script }], "judge": script, "description": script,
            "models": [{ "name": script, "rate": 0.5, "interval_95": [0.2, 0.8], "answers": [
                {
                    "prompt": script, "text": script, "checks": [["c", script]], "tokens": 3, "reasoning_tokens": 0,
                    "seconds": 0.5, "joules": null, "grade": "unknown", "memory": 7,
                },
            ] }],
            "rows": [{ "name": script, "test": script, "tokens_per_second": 3.0 }], "threads": 2, "wanted_repetitions": 5,
        });
        let reading = |after| Reading { after, watts: Some(40.0 + after as f64), ..Reading::default() };
        let record = Record {
            models: vec!["one-7b".to_owned(), "two-3b".to_owned()],
            samples: vec![reading(0), reading(250)],
            seal: seal.map(str::to_owned),
            ..Record::new(1_764_034_200_000, script.to_owned(), Body::from_value(kind, body).unwrap())
        };
        let id = history.add(&record).unwrap();
        let ran = home.run(&["history", "--html", &id.to_string()]);
        let page = &ran.stdout;
        assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script"), "{kind:?}: {page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{kind:?}: {page}");
        // What the machine showed meanwhile shows how large each model is.
        let is_hidden = kind == Kind::Race;
        assert_eq!(page.contains("power, W (unknown): 40.0 to 290"), !is_hidden, "{kind:?}: {page}");
        assert_eq!(page.contains("one-7b"), kind != Kind::Race, "{kind:?}");
    }
    assert!(home.run(&["history", "--html", "3"]).stdout.contains("one-7b"), "the vote has broken the seal");
    assert_eq!(home.run(&["history", "--rerun", "2"]).code, Some(4));
    assert_eq!(home.run(&["history", "--reveal", "2"]).code, Some(0));
    assert!(home.run(&["history", "--rerun", "2"]).stdout.starts_with("taffrail race one-7b two-3b -p "));
    assert_eq!(home.run(&["history", "--rerun", "5"]).stdout, "taffrail suite s.toml one-7b two-3b --fresh\n");
    let standings = home.run(&["history", "--leaderboard", "--json"]).json();
    assert_eq!((&standings["votes"], &standings["models"][0]["model"]), (&1.into(), &"two-3b".into()));
    assert!(home.run(&["history", "--leaderboard"]).stdout.contains("after 1 vote;"));
}

#[cfg(feature = "llama")]
#[test]
fn a_suite_is_kept_once_without_its_answers_and_not_again_when_nothing_was_asked() {
    let home = Home::new();
    let suite = ["suite", "arithmetic", "ishmael-1m", "ishmael-4m", "--max-tokens", "8"];
    assert_eq!(home.run(&suite).code, Some(0));
    assert_eq!(home.run(&suite).code, Some(0));
    let kept = home.run(&["history", "--json"]).json();
    let records = kept["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{kept:#}");
    assert_eq!((&records[0]["kind"], &records[0]["body"]["models"][1]["prompts"]), (&"suite".into(), &12.into()));
    let n_tokens = records[0]["body"]["models"][0]["tokens_per_answer"].as_f64().unwrap();
    assert!(n_tokens > 0.0 && n_tokens <= 8.0, "the suite allows 512, the command line fewer: {n_tokens}");
}

#[test]
fn a_damaged_history_is_told_left_alone_and_stops_nothing() {
    let home = Home::new();
    let content = "no database, though it is long enough to be looked at as one";
    let file = home.write("data/taffrail/history.db", content);
    let told = home.run(&["history"]);
    assert_eq!(told.code, Some(1));
    assert!(told.stderr.contains("is damaged") && told.stderr.contains("hint: "), "{told:?}");
    assert_eq!(home.run(&["ls"]).code, Some(0));
    assert_eq!(fs::read_to_string(file).unwrap(), content);
}

#[test]
fn a_plan_that_can_not_be_is_a_wrong_usage() {
    let home = Home::new();
    for (arguments, told) in [
        (&["bench", "ishmael-1m", "--pp", "0", "--tg", "0"][..], "there is nothing to measure"),
        (&["bench", "ishmael-1m", "-r", "0"], "must be a whole number from 1 to 100"),
        (&["bench", "ishmael-1m", "--parallel", "300"], "must be a whole number from 1 to 256"),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

#[cfg(feature = "llama")]
#[test]
fn a_bench_is_measured_kept_and_compared() {
    let home = Home::new();
    let bench = |format: &str| {
        let arguments = [
            "bench",
            "ishmael-1m",
            "--pp",
            "32",
            "--tg",
            "8",
            "--depth",
            "0,64",
            "--parallel",
            "1,2",
            "-r",
            "2",
            "--keep-outliers",
        ];
        home.run(&[&arguments[..], &[format]].concat())
    };
    let first = bench("--json").json();
    let rows = first["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row["tokens_per_second"].as_f64().unwrap() > 0.0), "{first:#}");
    assert_eq!(rows[0]["earlier"].as_array().unwrap().len(), 0);
    let again = bench("--json").json();
    assert_eq!(again["rows"][0]["earlier"].as_array().unwrap().len(), 1);
    let peer = bench("--llama-bench").json();
    assert_eq!(peer[0]["n_prompt"], 32);
    assert_eq!(peer[0]["samples_ns"].as_array().unwrap().len(), 2);
    let shown = home.run(&["show", "ishmael-1m", "--json"]).json();
    assert!(shown["model"]["measured"]["rate"].as_f64().is_some(), "{shown:#}");
}

/// What can't be measured is named, the others are measured, and that is no whole success.
#[test]
fn a_bench_of_several_measures_those_that_can_be() {
    let home = Home::new();
    let whole = std::fs::read(starter("ishmael-1m")).unwrap();
    let cut = home.write("m/cut.gguf", &whole[..600_000]);
    // llama.cpp knows no such way to split text, and says so when it loads the file.
    let key = b"tokenizer.ggml.pre";
    let place = whole.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len() + 12;
    let mut odd = whole.clone();
    odd[place..place + 5].copy_from_slice(b"nosuc");
    let odd = home.write("m/odd.gguf", odd);
    for (other, said) in
        [(cut.to_str().unwrap(), "cut"), (odd.to_str().unwrap(), "odd"), ("no-such-model", "no-such-model")]
    {
        let arguments =
            ["bench", "ishmael-1m", other, "--pp", "16", "--tg", "8", "-r", "1", "--keep-outliers", "--csv"];
        let ran = home.run(&arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let measured =
            ran.stdout.lines().filter(|line| line.contains("ishmael-1m") && !line.contains(",,,0,0")).count();
        assert!(measured >= 2 && ran.stderr.contains(said), "{ran:?}");
    }
    assert_eq!(home.run(&["bench", cut.to_str().unwrap(), "--pp", "16", "--tg", "8", "-r", "1"]).code, Some(1));
}
