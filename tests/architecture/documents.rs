//! What ARCHITECTURE.md and the decisions say of the source: each file, name and test that they name exists.

use std::fs;
use std::path::Path;

use super::tokens::tokens;
use super::{files, root};

/// A source file, as far as names go.
struct Source {
    /// Its path from the root.
    path: String,
    text: String,
    tokens: Vec<String>,
}

/// What declares the name behind it.
const KEYWORDS: &[&str] = &["fn", "struct", "enum", "trait", "mod", "const", "static", "type", "macro_rules"];

/// The parts of a decision, in order.
const PARTS: &[&str] = &["Context", "Decision", "Consequence", "Held by"];

impl Source {
    fn new(path: &Path, text: String) -> Self {
        let inside = path.strip_prefix(root()).unwrap_or(path);
        Self { path: inside.to_str().unwrap().to_owned(), tokens: tokens(&text), text }
    }

    /// Whether it declares an item, a field or a variant of this name.
    fn declares(&self, name: &str) -> bool {
        let is_variant = name.starts_with(char::is_uppercase);
        self.tokens.iter().enumerate().any(|(at, token)| {
            let next = self.tokens.get(at + 1).map_or("", String::as_str);
            token == name
                && (at > 0 && KEYWORDS.contains(&self.tokens[at - 1].as_str())
                    || next == ":"
                    || is_variant && matches!(next, "," | "{" | "(" | "}" | "="))
        })
    }

    /// Whether a path such as `telemetry::Tick::stuck` may lead here: what stands before the last name is a folder, the
    /// file, or an item of it.
    fn leads_here(&self, before: &[&str]) -> bool {
        let is_part = |name: &str| self.path.split(['/', '.']).any(|part| part == name);
        before.iter().all(|name| is_part(name) || self.declares(name))
    }

    /// Whether it has a test of this name.
    fn tests(&self, name: &str) -> bool {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        lines.iter().enumerate().any(|(at, line)| {
            let line = line.trim_start_matches("async ");
            let is_it = line
                .strip_prefix("fn ")
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('('));
            let above = lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
            is_it && above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
        })
    }
}

fn sources() -> Vec<Source> {
    files(&["src", "crates", "tests", "benches"])
        .iter()
        .map(|path| Source::new(path, fs::read_to_string(path).unwrap()))
        .collect()
}

/// ARCHITECTURE.md and the decisions, by their paths from the root.
fn documents() -> Vec<(String, String)> {
    let mut all = vec!["ARCHITECTURE.md".to_owned()];
    all.extend(decisions().into_iter().map(|name| format!("docs/decisions/{name}")));
    all.into_iter().map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

fn decisions() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs/decisions")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What stands in backticks, blocks of code left out.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

fn is_file(name: &str) -> bool {
    let has_ending = [".rs", ".md", ".toml"].iter().any(|ending| name.ends_with(ending));
    !name.starts_with(['.', '-']) && !name.contains(' ') && (name.contains('/') || has_ending)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// What is wrong with one thing in backticks; commands, options and examples are not looked at.
fn missing(quoted: &str, sources: &[Source]) -> Option<String> {
    if is_file(quoted) {
        return (!root().join(quoted).exists()).then(|| format!("there is no file `{quoted}`"));
    }
    let path: Vec<&str> = quoted.split("::").collect();
    let (last, before) = path.split_last()?;
    if before.is_empty() || before == ["std"] || !path.iter().all(|name| is_name(name)) {
        return None;
    }
    let is_there = sources.iter().any(|source| source.declares(last) && source.leads_here(before));
    (!is_there).then(|| format!("there is no `{quoted}`"))
}

/// The tests that a text says it is held by, each with its file.
fn held_by(text: &str) -> Vec<(&str, &str)> {
    let mut file = None;
    let mut tests = Vec::new();
    for name in text.split_once("Held by").map(|(_, rest)| quoted(rest)).unwrap_or_default() {
        if is_file(name) {
            file = Some(name);
        } else if is_name(name) {
            tests.push((file.unwrap_or_default(), name));
        }
    }
    tests
}

/// The tests among them that don't exist.
fn no_tests(text: &str, sources: &[Source]) -> Vec<String> {
    let is_there = |file: &str, name: &str| sources.iter().any(|source| source.path == file && source.tests(name));
    let held = held_by(text).into_iter().filter(|(file, name)| !is_there(file, name));
    held.map(|(file, name)| format!("`{file}` has no test `{name}`")).collect()
}

#[test]
fn documents_name_what_exists() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        let names = quoted(&text).into_iter().filter_map(|name| missing(name, &sources));
        let passages = if path.starts_with("docs") { vec![&*text] } else { text.split("\n\n").collect() };
        let tests = passages.into_iter().flat_map(|passage| no_tests(passage, &sources));
        wrong.extend(names.chain(tests).map(|what| format!("{path}: {what}")));
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn each_invariant_names_a_test() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let invariants: Vec<&str> = text.split_once("## Invariants").unwrap().1.trim().split("\n\n").collect();
    assert!(invariants.len() > 10, "the invariants were not found");
    let without = invariants.into_iter().filter(|invariant| held_by(invariant).is_empty());
    assert_eq!(without.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn decisions_are_numbered_and_whole() {
    let names = decisions();
    assert!(!names.is_empty());
    let numbers: Vec<&str> = names.iter().map(|name| name.get(..4).unwrap_or_default()).collect();
    // What is decided at the same time takes its number from a range of its own, so that there are gaps.
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    for (number, name) in numbers.iter().zip(&names) {
        assert!(number.chars().all(|digit| digit.is_ascii_digit()), "{name}");
        assert!(
            name.starts_with(&format!("{number}-")) && Path::new(name).extension().is_some_and(|e| e == "md"),
            "{name}"
        );
        let text = fs::read_to_string(root().join("docs/decisions").join(name)).unwrap();
        assert!(text.starts_with(&format!("# {number}. ")), "{name}");
        let parts: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, PARTS, "{name}");
        let end = text.split_once("## Held by").unwrap().1;
        assert!(
            !held_by(&text).is_empty() || end.contains("No test: "),
            "{name} says neither a test nor why there is none"
        );
    }
}

/// The rules can fail: each is broken here once.
#[test]
fn each_wrong_name_is_seen() {
    let text = "struct Tick { stuck: bool }\nenum Wake { Ping }\n#[test]\nfn it_ticks() {}\nfn helps() {}\n";
    let sources = [Source::new(&root().join("src/telemetry/tick.rs"), text.to_owned())];
    for (name, is_there) in [
        ("telemetry::Tick::stuck", true),
        ("telemetry::Tick", true),
        ("Wake::Ping", true),
        ("telemetry::Tick::moved", false),
        ("engine::Tick", false),
        ("Wake::Pong", false),
        ("src/main.rs", true),
        ("src/gone.rs", false),
        ("docs/decisions", true),
        // None of these is a name of the source.
        ("./dev test", true),
        ("--force", true),
        ("MODEL:QUANT", true),
        ("std::fs", true),
    ] {
        assert_eq!(missing(name, &sources).is_none(), is_there, "{name}");
    }
    assert_eq!(no_tests("Held by `src/telemetry/tick.rs`: `it_ticks`.", &sources), [""; 0]);
    for wrong in ["`src/telemetry/tick.rs`: `helps`", "`src/telemetry/tick.rs`: `is_gone`", "`src/main.rs`: `it_ticks`"]
    {
        assert_eq!(no_tests(&format!("Held by {wrong}."), &sources).len(), 1, "{wrong}");
    }
}
