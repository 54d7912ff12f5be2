//! The README and the book are true: their commands are understood, and their keys are bound.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use taffrail::ui::{Keymap, Mode, Screen};

fn readme() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The commands of a text: what stands in fenced blocks and in backticks.
fn commands(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        let lines = if index % 2 == 1 { part.lines().map(str::to_owned).collect() } else { inline(part) };
        all.extend(lines.into_iter().filter(|line| line.starts_with("taffrail ")));
    }
    all
}

fn inline(text: &str) -> Vec<String> {
    // A code in backticks may go over the end of a line.
    text.split('`').skip(1).step_by(2).map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// A command without what the page says of it, which stands behind at least three blanks.
fn typed(line: &str) -> &str {
    line.split("   ").next().unwrap_or(line).trim()
}

#[test]
fn every_command_is_understood() {
    let command = taffrail::cli::command();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                // What is generated is not typed by hand.
                None if path.file_name().is_some_and(|name| name != "reference") => folders.push(path),
                Some(ending) if ending == "md" => pages.push(path),
                _ => {}
            }
        }
    }
    let mut n_checked = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in commands(&text) {
            let place = format!("{}: {line}", page.display());
            // `rm | prune | dedupe` are three commands.
            let words: Vec<&str> = typed(&line).split(' ').skip(1).collect();
            if words.contains(&"|") && words.iter().all(|word| *word == "|" || !word.starts_with(['-', '"'])) {
                for name in words.iter().filter(|word| **word != "|") {
                    assert!(command.find_subcommand(name).is_some(), "{place}: {name}");
                }
                continue;
            }
            check(&command, &words, &place);
            n_checked += 1;
        }
    }
    assert!(n_checked > 60, "{n_checked}");
}

/// The command exists, and its options do.
fn check(root: &clap::Command, words: &[&str], place: &str) {
    let mut command = root;
    let mut may_name = true;
    for word in words {
        let word = word.trim_matches(['[', ']', '(', ')', '\'', '"', ',', ';', '.']);
        if let Some(option) = word.strip_prefix("--").filter(|option| !option.is_empty()) {
            let name = option.split('=').next().unwrap();
            let is_it = |arg: &clap::Arg| {
                arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|all| all.contains(&name))
            };
            let own = command.get_arguments().any(is_it) || ["help", "version"].contains(&name);
            // What stands behind `--` is another program's.
            let is_others = words.contains(&"--");
            assert!(own || root.get_arguments().any(is_it) || is_others, "{place}: no option --{name}");
        } else if may_name && !word.is_empty() {
            if let Some(subcommand) = command.find_subcommand(word) {
                command = subcommand;
            } else {
                let is_placeholder = word.chars().all(|c| c.is_uppercase() || "…_/:<>=".contains(c));
                let takes_words = command.get_positionals().next().is_some();
                assert!(takes_words || is_placeholder || word.starts_with('-'), "{place}: no command {word}");
                may_name = word.starts_with('-');
            }
        }
    }
}

/// The commands of the first minute are such as can be typed.
#[test]
fn the_first_minute_can_be_typed() {
    let (_, text) = readme();
    let minute = text.split_once("## One minute").unwrap().1.split_once("\n## ").unwrap().0;
    let block = minute.split("```").nth(1).unwrap();
    let lines: Vec<&str> = block.lines().filter(|line| !line.is_empty()).map(typed).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for line in lines {
        let words = shell_words::split(line).unwrap().into_iter().map(Into::into);
        assert!(taffrail::cli::parse(words).is_ok(), "{line}");
    }
}

#[test]
fn every_key_in_the_table_is_bound() {
    use Mode::{Bench, Confirm, Fleet, Form, Help, Library, LibraryFilter, Machine, Palette, Prompt, Race, Refused};
    let keymap = Keymap::default();
    let bound: BTreeSet<String> =
        [Fleet, Library, Bench, Race, Machine, Prompt, LibraryFilter, Palette, Form, Confirm, Refused, Help]
            .into_iter()
            .flat_map(|mode| keymap.all(mode))
            .flat_map(|(_, keys)| keys.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
    let (_, text) = readme();
    let table = text.split_once("| Key |").unwrap().1.split_once("\n\n").unwrap().0;
    let keys: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        // A bar stands for itself only with a backslash in a table.
        assert!(bound.contains(&key.replace("\\|", "|")), "`{key}` does nothing");
    }
}

#[test]
fn the_screens_are_those_that_the_digits_open() {
    let (_, text) = readme();
    let (before, passage) =
        text.split_once("\n## The dashboard\n").unwrap().1.split_once(" screens on `1` to `5`").unwrap();
    assert_eq!(before.trim(), "Five");
    let passage = passage.split_once("| Key |").unwrap().0;
    let named: Vec<&str> = passage.split("**").skip(1).step_by(2).collect();
    let keymap = Keymap::default();
    let there: Vec<String> = Screen::ALL
        .iter()
        .map(|(_, action, name)| format!("{} {name}", keymap.key(Mode::Fleet, *action).unwrap()))
        .collect();
    assert_eq!(named, there);
}
