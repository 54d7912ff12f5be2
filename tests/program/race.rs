//! Races and the weighing of texts, as a user asks for them on the command line.

use serde_json::Value;

use crate::support::Home;

#[test]
fn a_race_tells_answers_and_figures_in_every_format() {
    let home = Home::new();
    let race = ["race", "ishmael-1m", "ishmael-4m", "-p", "Call me <b>Ishmael</b>", "-n", "12"];
    let with = |more: &[&str]| home.run(&[&race[..], more].concat());
    let ran = with(&["--json", "--lockstep"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&document["schema"], &document["order"]), (&"taffrail/race/1".into(), &"together".into()));
    assert_eq!(document["lockstep"]["together"], true);
    for column in document["columns"].as_array().unwrap() {
        assert_eq!(column["tokens"]["generated"], 12);
        assert_eq!(column["settings"]["sampling"]["temperature"], 0.0);
        assert!(column["ttft_ms"].as_f64().unwrap() > 0.0 && column["memory"].as_u64().unwrap() > 1_000_000);
        assert_eq!(column["energy"]["joules"].is_null(), column["energy"]["grade"] == "unknown");
    }
    assert_eq!(document["lockstep"]["columns"][0]["probable"].as_array().unwrap().len(), 5);
    let page = with(&["--html", "--concurrent"]).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("2 models at once") && !page.contains("<b>Ish"));
    let text = with(&["--markdown"]).stdout;
    assert!(text.starts_with("# Race\n") && text.contains("| ishmael-4m |"), "{text}");
}

#[test]
fn a_race_that_can_not_be_run_says_why() {
    let home = Home::new();
    for (arguments, code, reason) in [
        (&["race", "ishmael-1m", "no-such-model", "-p", "x"][..], 3, "no-such-model"),
        (&["race", "ishmael-1m", "ishmael-4m@top_p=7", "-p", "x"], 2, "top_p"),
        (&["race", "ishmael-1m", "ishmael-4m", "-p", " "], 2, "the prompt is empty"),
        (
            &["--set", "budget.memory=1MB", "race", "ishmael-1m", "ishmael-4m", "--concurrent", "-p", "x"],
            4,
            "without --concurrent they run in turn",
        ),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
    // What is too long for one is said of it; the other answers.
    let long = "whale ".repeat(400);
    let ran = home.run(&["race", "ishmael-1m@context=64", "ishmael-4m", "-p", &long, "-n", "4"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("does not fit the context of"), "{}", ran.stdout);
}

#[test]
fn a_text_is_weighed_alone_and_against_a_reference() {
    let home = Home::new();
    home.write("text.txt", "Call me Ishmael. Some years ago, never mind how long precisely. ".repeat(20));
    let file = home.path("text.txt");
    let file = file.to_str().unwrap();
    let quality = ["perplexity", "ishmael-1m", "--text", file, "--chunk", "64", "--json"];
    let alone: Value = serde_json::from_str(&home.run(&quality).stdout).unwrap();
    assert!(alone["summary"]["perplexity"]["value"].as_f64().unwrap() > 1.0);
    assert!(alone["summary"]["divergence"].is_null());
    let ran = home.run(&[&quality[..], &["--reference", "ishmael-1m"]].concat());
    let same: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(same["summary"]["divergence"]["value"].as_f64().unwrap().abs() < 1e-4, "{same}");
    assert_eq!(same["summary"]["agreement"]["value"], 1.0);
    assert_eq!(same["summary"]["perplexity"], alone["summary"]["perplexity"]);
    let short = home.run(&["perplexity", "ishmael-1m", "--text", file, "--chunk", "8192"]);
    assert!(short.code == Some(1) && short.stderr.contains("too few for a chunk"), "{short:?}");
}
