use proptest::prelude::*;

use crate::figure::{Grade, Graded};

use super::check::Outcome;
use super::tally::{Cost, Tally, front, interval, pick};
use super::*;

fn suite(checks: &str) -> Result<Suite, SuiteError> {
    Suite::parse(&format!("name = \"one\"\njudge = \"m\"\n[[prompt]]\ntext = \"Say it.\"\nchecks = [\n{checks}\n]\n"))
}

fn passes(check: &str, answer: &str) -> bool {
    let suite = suite(check).unwrap_or_else(|problem| panic!("{check}: {problem}"));
    suite.prompts[0].checks[0].check(answer) == Outcome::Passed
}

#[test]
fn checks() {
    for (check, good, bad) in [
        ("{ contains = \"Whale\" }", "the whales", "the ship"),
        ("{ lacks = \"sorry\" }", "of course", "I'm Sorry"),
        ("{ regex = '^\\d{4}$' }", " 1851\n", "in 1851"),
        ("{ exact = \"yes\" }", " yes\n", "yes."),
        ("{ number = 42 }", "17 + 25 = 42.", "42 is more than 41"),
        ("{ number = 3.14, tolerance = 0.01 }", "about 3.142", "3.2"),
        ("{ number = 1234567 }", "1,234,567 men", "1234"),
        ("{ number = -3 }", "it is -3", "10-3"),
        ("{ number = 2000000 }", "2e6", "2"),
        ("{ number = 5 }", "5", "five"),
        ("{ min_words = 2, max_words = 3 }", "two words", "one"),
        ("{ max_words = 3 }", "", "one two three four"),
        ("{ json_schema = { type = \"object\", required = [\"a\"] } }", "```json\n{\"a\": 1}\n```", "{\"b\": 1}"),
        ("{ json_schema = '{\"type\": \"integer\"}' }", "7", "{"),
    ] {
        assert!(passes(check, good), "{check}: {good}");
        assert!(!passes(check, bad), "{check}: {bad}");
    }
    let judged = suite("{ judge = \"Is it polite?\" }").unwrap();
    assert_eq!(judged.prompts[0].checks[0].check("Sir"), Outcome::ToJudge);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line, reason) in [
        ("name = 7", 1, "invalid type"),
        ("name = \"x\"", 1, "1 to 10000 prompts"),
        ("name = \"x\"\nnames = 1", 2, "unknown field"),
        ("name = \"x\"\n[[prompt]]\ntext = \"a\"\n", 2, "has no checks"),
        ("name = \"x\"\n[[prompt]]\ntext = \" \"\nchecks = [{ exact = \"a\" }]\n", 2, "has no text"),
        ("name = \"x\"\n[[prompt]]\ntext = \"a\"\nchecks = [{ judge = \"a\" }]\n", 2, "names no model"),
        (
            "name = \"x\"\n[[prompt]]\ntext = \"a\"\ngrammar = \"b\"\njson_schema = {}\nchecks = [{ exact = \"a\" }]\n",
            2,
            "both",
        ),
        (
            "name = \"x\"\n[[prompt]]\ntext = \"a\"\njson_schema = { type = 7 }\nchecks = [{ exact = \"a\" }]\n",
            4,
            "the schema can't be used: #/type",
        ),
    ] {
        let problem = Suite::parse(text).unwrap_err();
        assert!(problem.line == line && problem.reason.contains(reason), "{text}: {problem}");
    }
    for (check, reason) in [
        ("{ regex = \"(\" }", "unclosed group"),
        ("{ regex = \"a{1000}{1000}{1000}\" }", "size limit"),
        ("{ contain = \"a\" }", "`contain` is not a check; there are contains, lacks"),
        ("{ }", "an empty check is not a check"),
        ("{ exact = 7 }", "`exact` needs a text"),
        ("{ exact = \"a\", contains = \"b\" }", "does not go with"),
        ("{ number = \"a\" }", "need a number"),
        ("{ number = 1, tolerance = -1 }", "not negative"),
        ("{ min_words = 3, max_words = 2 }", "no answer has"),
        ("{ json_schema = \"{\" }", "no JSON"),
        ("{ json_schema = { type = \"whale\" } }", "the schema can't be used: #/type"),
        ("{ json_schema = 7 }", "a JSON schema is an object"),
    ] {
        let problem = suite(check).unwrap_err();
        assert!(problem.line == 6 && problem.reason.contains(reason), "{check}: {problem}");
    }
    let twice = "name = \"x\"\n[[prompt]]\nid = \"a\"\ntext = \"a\"\nchecks = [{ exact = \"a\" }]\n[[prompt]]\nid = \"a\"\ntext = \"a\"\nchecks = [{ exact = \"a\" }]\n";
    assert_eq!(Suite::parse(twice).unwrap_err().line, 6);
}

#[test]
fn the_suites_that_ship_can_be_read() {
    for text in
        [include_str!("../../../../../suites/arithmetic.toml"), include_str!("../../../../../suites/instructions.toml")]
    {
        let suite = Suite::parse(text).unwrap();
        assert!(suite.prompts.len() >= 10, "{}", suite.name);
    }
}

fn tally(name: &str, passed: usize, joules: Option<f64>, seconds: f64) -> Tally {
    let joules = joules.map(|value| Graded { value, grade: Some(Grade::Measured), relative: Some(0.05) });
    Tally { name: name.to_owned(), passed, n: 10, joules, seconds, memory: 1 }
}

#[test]
fn the_frugal_one_is_picked_among_the_good() {
    let all = [
        tally("small", 4, Some(1.0), 1.0),
        tally("middle", 8, Some(3.0), 2.0),
        tally("wasteful", 8, Some(9.0), 1.5),
        tally("large", 9, Some(20.0), 8.0),
        tally("unknown", 10, None, 9.0),
    ];
    assert_eq!(front(&all, Cost::Energy), [true, true, false, true, false]);
    assert_eq!(front(&all, Cost::Time), [true, false, true, true, true]);
    let name = |by, least| pick(&all, by, least).map(|tally| tally.name.as_str());
    assert_eq!(name(Cost::Energy, 0.8), Some("middle"));
    assert_eq!(name(Cost::Time, 0.8), Some("wasteful"));
    assert_eq!(name(Cost::Energy, 0.95), None, "what has no known cost is not called frugal");
    assert_eq!(name(Cost::Time, 0.95), Some("unknown"));
    assert_eq!(name(Cost::Memory, 0.0), Some("unknown"), "of equals the one that passes more");
}

#[test]
fn intervals_are_those_of_the_literature() {
    // Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    for (passed, n, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)] {
        let (from, to) = interval(passed, n);
        assert!((from - low).abs() < 1e-4 && (to - high).abs() < 1e-4, "{passed} of {n}: {from} to {to}");
    }
    assert_eq!(interval(0, 0), (0.0, 1.0));
}

proptest! {
    #[test]
    fn no_text_breaks_a_check(answer in "\\PC{0,60}|[-0-9eE.,_ ]{0,30}") {
        for check in ["{ number = 1 }", "{ json_schema = { type = \"object\" } }", "{ min_words = 1 }"] {
            let _ = suite(check).unwrap().prompts[0].checks[0].check(&answer);
        }
    }

    #[test]
    fn nobody_on_the_front_is_beaten(raw in prop::collection::vec((0_usize..=10, 0.0..9.0_f64), 1..12)) {
        let all: Vec<_> = raw.iter().map(|(passed, cost)| tally("m", *passed, Some(*cost), 1.0)).collect();
        let first = front(&all, Cost::Energy);
        prop_assert!(first.iter().any(|first| *first));
        for (one, _) in all.iter().zip(&first).filter(|(_, first)| **first) {
            let is_cheaper = |other: &Tally| other.joules.unwrap().is_less(one.joules.unwrap());
            prop_assert!(all.iter().all(|other| !is_cheaper(other) || other.passed < one.passed));
        }
    }
}
