//! The rules of the source: who may import whom, where `unsafe` may stand, how long a file may be.
//!
//! Read from the source as tokens, so that neither a comment nor a string can break a rule, nor hide that one is broken.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/documents.rs"]
mod documents;
#[path = "architecture/tokens.rs"]
mod tokens;

use tokens::{is_name, paths, tokens};

/// What the modules of one folder of `src` may use.
struct Rule {
    /// The folder, or the file without `.rs`.
    module: &'static str,
    /// The other modules of `src` that it may import.
    may: &'static [&'static str],
    /// Paths outside of `src` that it may not name.
    never: &'static [&'static str],
}

const NOTHING: &[&str] = &[];
/// What a pure module has no hand in.
const OUTSIDE: &[&str] = &[
    "clap",
    "tokio",
    "futures_util",
    "ratatui",
    "crossterm",
    "rustix",
    "sysinfo",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];
const SCREEN: &[&str] = &["ratatui", "crossterm"];

#[rustfmt::skip]
const RULES: &[Rule] = &[
    // An adapter knows the crate `domain` and no other of them. A view is a function of the state: it waits for nothing and asks no clock. Themes are read from a folder.
    Rule { module: "ui", may: &["columns"], never: &["tokio", "futures_util", "rustix", "sysinfo", "std::net", "std::process", "std::thread", "std::time::Instant", "std::time::SystemTime"] },
    // `[keys]` takes the names of actions.
    Rule { module: "config", may: &["ui"], never: SCREEN },
    Rule { module: "library", may: &["atomic_file"], never: SCREEN },
    Rule { module: "engine", may: &["atomic_file"], never: SCREEN },
    Rule { module: "telemetry", may: &["atomic_file"], never: SCREEN },
    Rule { module: "history", may: &["json", "atomic_file"], never: SCREEN },
    // How wide the columns of tables are.
    Rule { module: "columns", may: NOTHING, never: SCREEN },
    // How a whole file is written, for all that write one.
    Rule { module: "atomic_file", may: NOTHING, never: SCREEN },
    // How JSON is escaped, for all that write it.
    Rule { module: "json", may: NOTHING, never: SCREEN },
    // Asks the program through a channel alone.
    Rule { module: "server", may: &["atomic_file"], never: SCREEN },
    // The one that knows them all.
    Rule { module: "app", may: &["ui", "config", "library", "engine", "telemetry", "history", "server", "atomic_file"], never: NOTHING },
    // A lean command such as `ls` needs the library and none of the loop.
    Rule { module: "cli", may: &["app", "config", "library", "server", "json", "atomic_file", "columns"], never: SCREEN },
    // Puts the parts together, and does nothing itself.
    Rule { module: "main", may: &["ui", "config", "library", "engine", "app", "cli"], never: SCREEN },
    Rule { module: "headless", may: &["config", "library", "engine", "app", "cli"], never: SCREEN },
];

/// What each crate of the workspace may depend on among the others, and which of them may link llama.cpp.
const CRATES: &[(&str, &[&str], bool)] = &[
    ("domain", &["gguf", "wire"], false),
    ("gguf", &[], false),
    ("wire", &[], false),
    ("worker", &["gguf", "wire"], true),
    (".", &["domain", "gguf", "wire", "worker"], false),
];

/// Signs of a hash, a generator of random numbers, a calendar or an encoder of our own. `std` and small crates have them:
/// `foldhash`, `twox-hash`, `sha2`; `rand` with `rand_pcg`; `jiff`; `data-encoding`, `percent-encoding`, `csv`,
/// `shell-words`, `granit-parser`.
const HOME_MADE: &[(&str, &str)] = &[
    ("wrapping_mul", "a hash or a generator"),
    ("rotate_left", "a hash"),
    ("SplitMix64", "a generator"),
    ("xorshift", "a generator"),
    // Its algorithm may change with the compiler, and it is no checksum.
    ("DefaultHasher", "a hash that decides something"),
    // Constants of well-known hashes and generators, whatever stands between their digits.
    ("9e3779b9", "a hash or a generator"),
    ("bf58476d", "a generator"),
    ("cbf29ce4", "a hash"),
    ("6364136223846793005", "a generator"),
    ("1664525", "a generator"),
    ("146097", "a calendar"),
    ("civil_from_days", "a calendar"),
    ("days_from_civil", "a calendar"),
    ("abcdefghijklmnopqrstuvwxyz0123456789+/", "an encoder"),
    ("\"0123456789abcdef\"", "an encoder"),
    ("{byte:02x}", "an encoder"),
];

/// Files that may have such signs.
const ALLOWED: &[&str] = &[
    // This table.
    "tests/architecture.rs",
    // An error shows the first bytes of a file, which encodes nothing.
    "crates/gguf/src/header.rs",
    "crates/worker/src/clock.rs",
];

/// Calls that write a whole file, or give one its name: `atomic_file` has them, so that none is ever half-written.
const WRITES: &[&str] =
    &["fs::rename", "fs::write", "File::create", "renameat", "renameat_with", "persist", "persist_noclobber"];

/// Files of `src` that may have such calls.
const MAY_WRITE: &[&str] = &[
    "src/atomic_file.rs",
    // Moves what is there already to the trash and back, never over something.
    "src/library/cleanup/files.rs",
];

/// A longer file has more than one purpose.
const MAX_LINES: usize = 500;

#[test]
fn modules_import_only_what_they_may() {
    assert_eq!(in_all_sources(&["src"], |path, text| imports(&module_path(path), text)), [""; 0]);
}

/// A rule about a module that is gone holds nothing.
#[test]
fn each_rule_has_its_module() {
    let is_there = |name: &str| {
        let src = root().join("src");
        src.join(name).join("mod.rs").exists() || src.join(name).with_extension("rs").exists()
    };
    let names = RULES.iter().flat_map(|rule| rule.may.iter().copied().chain([rule.module]));
    assert_eq!(names.filter(|name| !is_there(name)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_domain_knows_neither_the_outside_nor_a_screen() {
    assert_eq!(in_all_sources(&["crates/domain/src"], |_, text| outside(text)), [""; 0]);
}

/// `StateMachine` gives its `Domain` for reading. Only tests and their fixtures have it for writing, behind a feature.
#[test]
fn nothing_but_the_state_machine_changes_the_domain() {
    let check = |path: &Path, text: &str| {
        let is_test = path.components().any(|part| part.as_os_str() == "testing" || part.as_os_str() == "tests");
        if is_test { Vec::new() } else { changed_domains(text) }
    };
    assert_eq!(in_all_sources(&["src"], check), [""; 0]);
    assert_eq!(in_all_sources(&["crates/domain/src"], |_, text| writable_machines(text)), [""; 0]);
}

#[test]
fn unsafe_stands_in_the_worker_only() {
    let folders = ["src", "crates/domain", "crates/gguf", "crates/wire", "tests", "benches", "fuzz"];
    assert_eq!(in_all_sources(&folders, |_, text| unsafe_code(text)), [""; 0]);
}

#[test]
fn files_stay_short() {
    assert_eq!(in_all_sources(&["src", "crates", "tests", "benches", "fuzz"], |_, text| length(text)), [""; 0]);
}

#[test]
fn nothing_is_home_made_that_a_crate_has() {
    let folders = ["src", "crates", "tests", "benches", "examples", "fuzz"];
    assert_eq!(in_all_sources(&folders, home_made), [""; 0]);
}

/// A path that climbs two levels says nothing of where it leads, and breaks when a file moves.
#[test]
fn no_path_climbs_twice() {
    let check = |_: &Path, text: &str| {
        let climbs = tokens(text).windows(3).any(|three| three == ["super", "::", "super"]);
        climbs.then(|| "write `crate::…` instead of `super::super::…`".to_owned()).into_iter().collect()
    };
    assert_eq!(in_all_sources(&["src", "crates"], check), [""; 0]);
}

/// What waits by looking again and again goes through one helper, which has a bound.
#[test]
fn polling_goes_through_one_helper() {
    // Production code that waits for a file or a deadline, a hub that drips, and the helper itself.
    let allowed = [
        "crates/worker/src/run.rs",
        "src/library/hub/fake.rs",
        "src/telemetry/files.rs",
        "tests/program/support.rs",
        "tests/serve/support.rs",
    ];
    let check = |path: &Path, text: &str| {
        let waits = tokens(text).iter().any(|token| token == "park_timeout" || token == "sleep_ms");
        let wrong = waits && !allowed.iter().any(|allowed| path == Path::new(allowed));
        wrong.then(|| "waits by looking; `poll` of tests/program/support.rs does it".to_owned()).into_iter().collect()
    };
    assert_eq!(in_all_sources(&["src", "crates", "tests", "benches"], check), [""; 0]);
}

#[test]
fn whole_files_are_written_in_one_place() {
    assert_eq!(in_all_sources(&["src", "crates/domain/src", "crates/gguf/src"], writes), [""; 0]);
}

#[test]
fn errors_are_printed_in_one_place() {
    assert_eq!(in_all_sources(&["src"], prints_errors), [""; 0]);
}

#[test]
fn crates_depend_only_on_what_they_may() {
    for (name, may, links_llama) in CRATES {
        let folder = if *name == "." { root() } else { root().join("crates").join(name) };
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert_eq!(dependencies(&manifest, may, *links_llama), [""; 0], "{name}");
    }
    let found: BTreeSet<_> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let known = CRATES.iter().map(|(name, ..)| (*name).to_owned()).filter(|name| name != ".").collect();
    assert_eq!(found, known, "each crate has its row in CRATES");
}

/// Every import that the rules forbid to the module at this path, such as `core::update`.
fn imports(module: &[String], text: &str) -> Vec<String> {
    let top = module.first().map_or("", String::as_str);
    // lib.rs only declares.
    if top.is_empty() || top == "lib" {
        return Vec::new();
    }
    let Some(rule) = RULES.iter().find(|rule| rule.module == top) else {
        return vec![format!("`{top}` has no row in RULES")];
    };
    let mut wrong = BTreeSet::new();
    for path in paths(text) {
        if let Some(never) = rule.never.iter().find(|never| leads_to(&path, never)) {
            wrong.insert(format!("`{top}` may not use {never}"));
        }
        if let Some(other) = target(module, &path)
            && other != top
            && RULES.iter().any(|rule| rule.module == other)
            && !rule.may.contains(&other.as_str())
        {
            wrong.insert(format!("`{top}` may not import `{other}`"));
        }
    }
    wrong.into_iter().collect()
}

/// Whatever the domain must not name.
fn outside(text: &str) -> Vec<String> {
    let paths = paths(text);
    let named = OUTSIDE.iter().filter(|never| paths.iter().any(|path| leads_to(path, never)));
    named.map(|never| format!("the domain may not use {never}")).collect()
}

/// A `Domain` that can be changed, as `&mut Domain` or `&'a mut domain::Domain`.
fn changed_domains(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let is_it = |at: usize| {
        let mut path = tokens[at + 1..].iter().take_while(|token| *token == "::" || is_name(token));
        let mut last = None;
        // The path of the type: names with `::` between them.
        while let Some(name) = path.next() {
            last = Some(name);
            if path.next().is_none_or(|next| next != "::") {
                break;
            }
        }
        tokens[at] == "mut" && last.is_some_and(|name| name == "Domain")
    };
    let is_any = (0..tokens.len()).any(is_it);
    is_any.then(|| "only `StateMachine::update` may change a `Domain`".to_owned()).into_iter().collect()
}

/// What gives the domain of a `StateMachine` for writing without being for tests alone.
fn writable_machines(text: &str) -> Vec<String> {
    const FOR_TESTS: &str = "#[cfg(any(test, feature = \"testing\"))]";
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let wrong = lines.iter().enumerate().filter(|(at, line)| {
        let is_open = line.starts_with("impl") && line.contains("DerefMut for StateMachine")
            || line.starts_with("pub") && line.contains("fn ") && line.contains("&mut self) -> &mut Domain");
        is_open && at.checked_sub(1).is_none_or(|above| lines[above] != FOR_TESTS)
    });
    wrong.map(|(_, line)| format!("`{line}` is for tests alone")).collect()
}

/// Whether a path begins with another one.
fn leads_to(path: &[String], start: &str) -> bool {
    start.split("::").enumerate().all(|(place, name)| path.get(place).is_some_and(|own| own == name))
}

/// The folder of `src` that a path leads to: `crate::a::…`, `taffrail::a::…`, or as many `super` as it takes.
fn target(module: &[String], path: &[String]) -> Option<String> {
    let n_supers = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" | "taffrail" => path.get(1).cloned(),
        // `super` in an inline module, such as `tests`, leads one step less far; a step too far only ends outside.
        "super" if n_supers >= module.len() => path.get(n_supers).cloned(),
        _ => None,
    }
}

fn unsafe_code(text: &str) -> Vec<String> {
    let stands = tokens(text).iter().any(|token| token == "unsafe");
    stands.then(|| "`unsafe` may stand in crates/worker only".to_owned()).into_iter().collect()
}

fn home_made(path: &Path, text: &str) -> Vec<String> {
    if ALLOWED.iter().any(|allowed| path == Path::new(allowed)) {
        return Vec::new();
    }
    let text: String = text.chars().filter(|c| *c != '_').collect::<String>().to_lowercase();
    let found = HOME_MADE.iter().filter(|(sign, _)| text.contains(&sign.replace('_', "").to_lowercase()));
    found.map(|(sign, what)| format!("`{sign}` looks like {what} of our own")).collect()
}

/// Calls that write a whole file, outside of tests.
fn writes(path: &Path, text: &str) -> Vec<String> {
    let is_test = path.iter().any(|name| name.to_string_lossy().trim_end_matches(".rs").ends_with("tests"));
    if is_test || path.iter().any(|name| name == "testing") || MAY_WRITE.iter().any(|may| path == Path::new(may)) {
        return Vec::new();
    }
    let tokens = tokens(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
    let is_called = |at: usize| tokens.get(at).is_some_and(|token| token == "(");
    let named = |at: usize, name: &str| match name.split_once("::") {
        Some((of, name)) => tokens[at] == name && at >= 2 && tokens[at - 1] == "::" && tokens[at - 2] == of,
        None => tokens[at] == name && at >= 1 && matches!(tokens[at - 1].as_str(), "::" | "."),
    };
    let found = WRITES.iter().filter(|name| (0..tokens.len()).any(|at| is_called(at + 1) && named(at, name)));
    found.map(|name| format!("`{name}` writes a file: `atomic_file` does that")).collect()
}

/// Errors that a command prints by itself, outside of tests.
fn prints_errors(path: &Path, text: &str) -> Vec<String> {
    // The log's own notice comes after the last error.
    let may = ["src/cli/failure.rs", "src/app/log.rs"].iter().any(|may| path == Path::new(may));
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let found = ["\"taffrail: ", "\\n  hint: "].into_iter().filter(|sign| !may && text.contains(sign));
    found.map(|sign| format!("`{}` is printed: `cli::failure` does that", sign.escape_debug())).collect()
}

fn length(text: &str) -> Vec<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("{lines} lines, more than {MAX_LINES}")).into_iter().collect()
}

fn dependencies(manifest: &str, may: &[&str], links_llama: bool) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let names = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    names
        .filter(|name| {
            let is_ours = CRATES.iter().any(|(ours, ..)| ours == name);
            (is_ours && !may.contains(&name.as_str())) || (name.starts_with("llama") && !links_llama)
        })
        .map(|name| format!("may not depend on `{name}`"))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `src/app/mod.rs` is the module `app`.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let mut names: Vec<_> = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// What is wrong in the Rust files under these folders, each line with its file.
fn in_all_sources(folders: &[&str], check: impl Fn(&Path, &str) -> Vec<String>) -> Vec<String> {
    let mut wrong = BTreeMap::new();
    for path in files(folders) {
        let inside = path.strip_prefix(root()).unwrap();
        wrong.insert(inside.to_owned(), check(inside, &fs::read_to_string(&path).unwrap()));
    }
    wrong.iter().flat_map(|(path, wrong)| wrong.iter().map(move |what| format!("{}: {what}", path.display()))).collect()
}

/// All Rust files under these folders.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut folders: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 10, "the sources were not found");
    files
}

/// The rules can fail: each is broken here once.
#[test]
fn each_broken_rule_is_seen() {
    for (module, text, wrong) in [
        ("engine::process", "use crate::ui::view;", &["`engine` may not import `ui`"][..]),
        ("engine::process", "use super::super::ui;", &["`engine` may not import `ui`"]),
        ("config", "fn f() { crate::app::run() }", &["`config` may not import `app`"]),
        ("ui::screens", "use crate::{ui::State, library::Model};", &["`ui` may not import `library`"]),
        ("ui", "let t = std::time::Instant::now();", &["`ui` may not use std::time::Instant"]),
        ("library::folder", "use crate::engine;", &["`library` may not import `engine`"]),
        ("engine", "use ratatui::Frame;", &["`engine` may not use ratatui"]),
        ("telemetry", "pub use crate::config::Loaded;", &["`telemetry` may not import `config`"]),
        ("config", "use crate::app::App;", &["`config` may not import `app`"]),
        ("app", "use crate::cli::Arguments;", &["`app` may not import `cli`"]),
        ("cli::ls", "use crate::engine::Engine;", &["`cli` may not import `engine`"]),
        ("main", "taffrail::telemetry::read()", &["`main` may not import `telemetry`"]),
        ("novelty", "", &["`novelty` has no row in RULES"]),
    ] {
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        assert_eq!(imports(&module, text), wrong, "{text}");
    }
    for (text, wrong) in [
        ("use {std::fmt, tokio::sync};", &["tokio"][..]),
        ("use std::{fmt, fs::File, time::{Duration, Instant}};", &["std::fs", "std::time::Instant"]),
        ("fn now() -> std::time::SystemTime { todo!() }", &["std::time::SystemTime"]),
        ("use std::{fmt, time::Duration}; use wire::Finish; self.tokio.std::<u8>();", &[]),
    ] {
        let wrong: Vec<_> = wrong.iter().map(|never| format!("the domain may not use {never}")).collect();
        assert_eq!(outside(text), wrong, "{text}");
    }
    for text in ["fn f(domain: &mut Domain)", "fn f(domain: &'a mut domain::Domain)", "struct A<'a>(&'a mut Domain)"] {
        assert_eq!(changed_domains(text).len(), 1, "{text}");
    }
    for text in ["fn f(domain: &Domain)", "fn f(ui: &mut Ui, domain: &Domain)", "let mut domain = Domain::new()"] {
        assert_eq!(changed_domains(text), [""; 0], "{text}");
    }
    for text in ["impl DerefMut for StateMachine {", "    pub fn domain(&mut self) -> &mut Domain {"] {
        assert_eq!(writable_machines(text).len(), 1, "{text}");
    }
    assert_eq!(unsafe_code("fn f() { unsafe { g() } }").len(), 1);
    for text in ["x.wrapping_mul(3)", "0x9e37_79b9_7f4a_7c15", "let days = era * 146_097;", "format!(\"{byte:02x}\")"] {
        assert_eq!(home_made(Path::new("src/app/mod.rs"), text).len(), 1, "{text}");
    }
    assert_eq!(prints_errors(Path::new("src/cli/ls.rs"), "writeln!(err, \"taffrail: {text}\")").len(), 1);
    assert_eq!(prints_errors(Path::new("src/cli/ls.rs"), r#"format!("{a}\n  hint: {b}")"#).len(), 1);
    for text in ["fs::rename(a, b)", "std::fs::write(a, b)", "file.persist(path)", "fs::File::create(path)"] {
        assert_eq!(writes(Path::new("src/app/mod.rs"), text).len(), 1, "{text}");
    }
    assert_eq!(length(&"\n".repeat(MAX_LINES + 1)).len(), 1);
    assert_eq!(dependencies("[dependencies]\nwire = \"1\"\nserde = \"1\"", &[], false), ["may not depend on `wire`"]);
    assert_eq!(dependencies("[dependencies]\nllama-cpp-2 = \"1\"", &[], false), ["may not depend on `llama-cpp-2`"]);
}

/// What only looks like a broken rule is none.
#[test]
fn what_is_allowed_is_not_reported() {
    for (module, text) in [
        ("engine", "// use ratatui::Frame;\n/* crate::ui /* nested */ crate::ui */\n/// See [`crate::ui`]."),
        (
            "engine",
            r##"let a = "crate::ui"; let b = r#"# "crate::ui""#; let c = ('"', '\'', '\u{22}'); fn f<'a>() {}"##,
        ),
        ("engine", "self.ratatui.std::<u8>(); let x = y.ui;"),
        ("ui::widgets::graph", "use super::super::theme::Theme; use taffrail::ui::State; use ratatui::Frame;"),
        ("app", "use crate::{config, engine, library, telemetry, ui}; use tokio::select;"),
        ("cli::config", "use crate::config::{self, Loaded};"),
    ] {
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        assert_eq!(imports(&module, text), [""; 0], "{text}");
    }
    assert_eq!(unsafe_code("#![forbid(unsafe_code)] // unsafe\nlet a = \"unsafe\";"), [""; 0]);
    for text in
        ["files::rename(a, b)", "out.write(a)", "table::write(a)", "File::create_new(path)", "fn rename(a: A) {}"]
    {
        assert_eq!(writes(Path::new("src/app/mod.rs"), text), [""; 0], "{text}");
    }
    assert_eq!(writes(Path::new("src/app/mod.rs"), "#[cfg(test)]\nmod tests { fn f() { fs::write(a, b) } }"), [""; 0]);
    assert_eq!(length(&"\n".repeat(MAX_LINES)), [""; 0]);
}
