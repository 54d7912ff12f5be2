//! The generated parts of the documentation are what the program says: the reference of commands, settings and keys, and the
//! pictures. `./dev docs` writes them again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Command;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use strum::VariantArray as _;
use taffrail::config;
use taffrail::ui::testing as fixture;
use taffrail::ui::{Keymap, Mode, Theme, ViewState, view};

/// How wide help is printed in the reference.
const COLUMNS: usize = 100;

/// What stands at the head of a generated page.
const HEAD: &str = "<!-- Written by `./dev docs`: changes here are lost. -->\n\n";

/// The pictures: the file, the scene, and its size.
const PICTURES: [(&str, &str, (u16, u16)); 5] = [
    ("fleet", "fleet", (120, 30)),
    ("library", "library", (120, 30)),
    ("race", "race", (120, 30)),
    ("bench", "bench", (120, 30)),
    ("machine", "machine", (120, 30)),
];

/// Hold a file against what it should be; written where `UPDATE_DOCS` is set.
fn hold(file: &str, expected: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/src").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    if there != expected {
        let lines = there.lines().map(Some).chain(std::iter::repeat(None)).zip(expected.lines());
        let first = lines.enumerate().find(|(_, (there, expected))| *there != Some(*expected));
        panic!("{} is not what the program says; `./dev docs` writes it again: {first:?}", path.display());
    }
}

#[test]
fn the_commands_are_those_of_the_program() {
    let mut text = format!("{HEAD}# Commands\n\nWhat `taffrail help COMMAND` says of each.\n");
    let mut root = taffrail::cli::command().term_width(COLUMNS);
    root.build();
    command(&mut text, &mut root, "taffrail");
    hold("reference/commands.md", &text);
}

fn command(text: &mut String, command_of: &mut Command, name: &str) {
    let help = command_of.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim());
    for subcommand in command_of.get_subcommands_mut() {
        if !subcommand.is_hide_set() && subcommand.get_name() != "help" {
            let name = format!("{name} {}", subcommand.get_name());
            command(text, subcommand, &name);
        }
    }
}

/// `config set` knows the themes by name, and the screen what they look like.
#[test]
fn the_settings_know_the_themes_that_come_along() {
    let names: Vec<String> = Theme::load_all(None).0.into_keys().collect();
    assert_eq!(names, config::THEMES);
}

/// The settings stand in config.toml with their defaults and reasons.
#[test]
fn the_settings_are_those_of_the_program() {
    let mut text = format!(
        "{HEAD}# Settings\n\nYour own `config.toml` holds what you want otherwise: `taffrail config path` says where, \
         `taffrail config set KEY VALUE` changes one. A variable of the environment and `--set KEY=VALUE` go before it.\n"
    );
    let (mut section, mut reason) = (String::new(), Vec::new());
    let mut written = Vec::new();
    for line in config::DEFAULT_TEXT.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
            let _ = write!(text, "\n## {section}\n");
            if !reason.is_empty() {
                let _ = write!(text, "\n{}\n", reason.join(" "));
            }
            reason.clear();
            if name == "keys" {
                let _ = write!(text, "\nNames of actions with the keys that do them: [Keys](keys.md).\n");
            }
        } else if let Some(comment) = line.strip_prefix('#') {
            reason.push(comment.trim());
        } else if line.is_empty() {
            reason.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let variable = format!("TAFFRAIL_{section}_{key}").to_uppercase();
            let _ = write!(text, "\n### {section}.{key}\n\n{}\n\n", reason.join(" "));
            let _ = writeln!(text, "Default: `{value}`. Variable: `{variable}`.");
            written.push(format!("{section}.{key}"));
            reason.clear();
        }
    }
    let known: Vec<String> = config::settings().map(|setting| setting.path()).collect();
    let missing: Vec<_> = known.iter().filter(|path| !written.contains(path)).collect();
    assert!(missing.is_empty(), "config.toml does not tell of {missing:?}");
    hold("reference/settings.md", &text);
}

#[test]
fn the_keys_are_those_of_the_program() {
    let keymap = Keymap::default();
    let mut text = format!(
        "{HEAD}# Keys\n\nEach action has a name, by which `[keys]` in config.toml gives it other keys: `stop = [\"x\", \"ctrl-x\"]`. \
         The command palette (`:`) finds all of them by what they do.\n"
    );
    for mode in Mode::VARIANTS {
        let rows: Vec<_> = keymap.all(*mode).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n| Keys | Action | What it does |\n|---|---|---|\n", title(*mode));
        for (action, keys) in rows {
            let keys: Vec<String> = keys.split(' ').map(|key| format!("`{}`", key.replace('|', "\\|"))).collect();
            let _ = writeln!(text, "| {} | `{}` | {} |", keys.join(" "), action.name(), action.help());
        }
    }
    hold("reference/keys.md", &text);
}

/// A mode's name in words: `LibraryFilter` is the library filter.
fn title(mode: Mode) -> String {
    let mut words = String::new();
    for letter in format!("{mode:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

#[test]
fn the_pictures_are_what_the_view_draws() {
    let (themes, _) = Theme::load_all(None);
    for (file, scene, (columns, rows)) in PICTURES {
        let state = fixture::scene(scene).unwrap();
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        view(&state, &mut ViewState::default(), &themes["dark"], &Keymap::default(), area, &mut buffer);
        let title = format!("taffrail: the {file} screen");
        hold(&format!("images/{file}.svg"), &fixture::svg(&buffer, &title));
    }
}

/// Every page is in the table of contents, and every link leads somewhere.
#[test]
fn pages_and_links_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src");
    let summary = std::fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let readme = std::fs::read_to_string(folder.join("../../README.md")).unwrap();
    let pages: Vec<&str> = links(&summary);
    assert!(pages.len() > 10, "{pages:?}");
    for page in &pages {
        let path = folder.join(page);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            assert!(path.parent().unwrap().join(link).exists(), "{page} leads to {link}, which does not exist");
        }
    }
    for link in links(&readme).into_iter().filter(|link| !link.contains("://")) {
        assert!(folder.join("../..").join(link).exists(), "README.md leads to {link}, which does not exist");
    }
}

/// Where the links of a text lead.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}
