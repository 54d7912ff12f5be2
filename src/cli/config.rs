//! `taffrail config`: the settings in force and where each comes from, and changes of the user's own file.

mod change;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::Exit;
use crate::config::{DEFAULT_TEXT, Loaded, Origin, SECTIONS, SettingError, Value, models, settings};

/// Show the settings in force and where each comes from.
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    what: Option<What>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What is asked. `--json` in front of it is what it was once.
#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Print where your own config.toml belongs
    Path(Form),
    /// Print every setting with its default and the reason for it
    Default(Form),
    /// Change a setting in your own config.toml; comments and order stay
    Set {
        /// `SECTION.KEY`, such as `ui.theme`; `taffrail config` lists all
        key: String,
        /// The value: a word, a number, or a TOML list
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a setting from your own config.toml, so that its default counts again
    Unset {
        /// `SECTION.KEY`, such as `ui.theme`
        key: String,
    },
    /// Open your own config.toml in $VISUAL or $EDITOR, and check it afterwards
    Edit,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
struct Form {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Do what was asked for. Problems are part of the JSON document only: the caller prints them for every command.
pub fn config(arguments: &Config, loaded: &Loaded, out: &mut impl Write) -> io::Result<Exit> {
    match &arguments.what {
        Some(What::Set { key, value }) => Ok(super::failure::exit_of(change::set(loaded, key, value))),
        Some(What::Unset { key }) => Ok(super::failure::exit_of(change::unset(loaded, key))),
        Some(What::Edit) => Ok(super::failure::exit_of(change::edit(loaded))),
        what => show(what.as_ref(), arguments.json, loaded, out).map(|()| Exit::Done),
    }
}

fn show(what: Option<&What>, json: bool, loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let json = json || matches!(what, Some(What::Path(form) | What::Default(form)) if form.json);
    match (what, json) {
        (None, false) => list(loaded, out),
        (None, true) => document(loaded, out),
        (Some(What::Path(_)), false) => match &loaded.file {
            Some(file) => writeln!(out, "{}", file.display()),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no home directory is known")),
        },
        (Some(What::Path(_)), true) => print(&json!({ "schema": SCHEMA, "file": file(loaded) }), out),
        (Some(_), false) => out.write_all(DEFAULT_TEXT.as_bytes()),
        (Some(_), true) => document(&Loaded::default(), out),
    }
}

const SCHEMA: &str = "taffrail/config/1";

/// A file that could be read again, each line with its origin.
fn list(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    for (index, section) in SECTIONS.iter().enumerate() {
        writeln!(out, "{}[{section}]", if index == 0 { "" } else { "\n" })?;
        for (key, value) in entries(loaded, section) {
            let line = format!("{key} = {value}");
            writeln!(out, "{line:<40} # {}", loaded.origin(&format!("{section}.{key}")))?;
        }
    }
    for (name, alias) in &loaded.settings.models {
        writeln!(out, "\n[models.{}]", key(name))?;
        for (key, value) in models::entries(alias) {
            let line = format!("{key} = {value}");
            writeln!(out, "{line:<40} # {}", loaded.origin(&format!("models.{name}.{key}")))?;
        }
    }
    for (name, address) in &loaded.settings.rpc {
        writeln!(out, "\n[rpc.{}]", key(name))?;
        let line = format!("address = \"{address}\"");
        writeln!(out, "{line:<40} # {}", loaded.origin(&format!("rpc.{name}.address")))?;
    }
    Ok(())
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_bare { name.to_owned() } else { Value::Text(name.to_owned()).to_string() }
}

fn document(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let section = |section: &&str| {
        let entry = |(key, value): (String, Value)| {
            let origin = loaded.origin(&format!("{section}.{key}"));
            (key, json!({ "value": value.to_json(), "origin": origin.to_string() }))
        };
        ((*section).to_owned(), Json::Object(entries(loaded, section).into_iter().map(entry).collect()))
    };
    let problem = |problem: &SettingError| {
        let (line, column) = match problem.origin {
            Origin::File { position: Some((line, column)), .. } => (Some(line), Some(column)),
            _ => (None, None),
        };
        json!({
            "origin": problem.origin.to_string(),
            "line": line,
            "column": column,
            "what": problem.what,
            "hint": problem.hint,
        })
    };
    let alias = |(name, alias): (&String, &domain::alias::Alias)| {
        let entry = |(key, value): (String, Value)| {
            let origin = loaded.origin(&format!("models.{name}.{key}"));
            (key, json!({ "value": value.to_json(), "origin": origin.to_string() }))
        };
        (name.clone(), Json::Object(models::entries(alias).into_iter().map(entry).collect()))
    };
    let machine = |(name, address): (&String, &std::net::SocketAddrV4)| {
        let origin = loaded.origin(&format!("rpc.{name}.address"));
        (name.clone(), json!({ "address": { "value": address.to_string(), "origin": origin.to_string() } }))
    };
    print(
        &json!({
            "schema": SCHEMA,
            "file": file(loaded),
            "rpc": loaded.settings.rpc.iter().map(machine).collect::<serde_json::Map<_, _>>(),
            "models": loaded.settings.models.iter().map(alias).collect::<serde_json::Map<_, _>>(),
            "settings": SECTIONS.iter().map(section).collect::<serde_json::Map<_, _>>(),
            "problems": loaded.problems.iter().map(problem).collect::<Vec<_>>(),
        }),
        out,
    )
}

/// The keys of a section with their values.
fn entries(loaded: &Loaded, section: &str) -> Vec<(String, Value)> {
    let known = settings()
        .filter(|setting| setting.section == section)
        .map(|setting| (setting.key.to_owned(), setting.get(&loaded.settings)));
    let keys = loaded.settings.keys.iter().filter(|_| section == "keys");
    known.chain(keys.map(|(action, keys)| (action.clone(), Value::List(keys.clone())))).collect()
}

fn file(loaded: &Loaded) -> Json {
    json!({
        "path": loaded.file.as_ref().map(|file| file.display().to_string()),
        "exists": loaded.file.as_ref().is_some_and(|file| file.is_file()),
    })
}

fn print(document: &Json, out: &mut impl Write) -> io::Result<()> {
    crate::json::write(out, document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn printed(what: Option<What>, json: bool, loaded: &Loaded) -> String {
        let mut out = Vec::new();
        config(&Config { what, json }, loaded, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn loaded(overrides: &[&str]) -> Loaded {
        load(&Sources { overrides: overrides.iter().map(|text| (*text).to_owned()).collect(), ..Sources::default() })
    }

    #[test]
    fn the_list_tells_value_and_origin() {
        let text = printed(None, false, &loaded(&["ui.graphs=ascii", "keys.stop=[\"x\", \"'\"]"]));
        for line in [
            "graphs = \"ascii\"                         # --set",
            "theme = \"dark\"                           # default",
            "reserve = \"1 GB\"                         # default",
            "stop = [\"x\", \"'\"]                        # --set",
        ] {
            assert!(text.lines().any(|shown| shown == line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn the_list_can_be_read_again() {
        let before = loaded(&["session.temperature=0.7", "library.folders=/a \"b\"", "keys.stop=[\"x\", \"'\"]"]);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, printed(None, false, &before)).unwrap();
        let after = load(&Sources { file: Some(file), ..Sources::default() });
        assert_eq!(after.problems, []);
        assert_eq!(after.settings, before.settings);
    }

    #[test]
    fn names_of_models_are_listed_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let text = "[models.\"qwen3:8b\"]\nmodel = \"Qwen3-8B\"\nsystem = \"be \\\"brief\\\"\"\n\
                    template_options = { enable_thinking = false, tags = [\"a\", 1] }\ncontext = 512\nkeep_alive = \"10m\"\n\
                    [models.same]\nmodel = \"m\"\npinned = true\n";
        std::fs::write(&file, text).unwrap();
        let before = load(&Sources { file: Some(file.clone()), ..Sources::default() });
        assert_eq!((before.problems.len(), before.settings.models.len()), (0, 2), "{:?}", before.problems);
        let shown = printed(None, false, &before);
        std::fs::write(&file, &shown).unwrap();
        let after = load(&Sources { file: Some(file.clone()), ..Sources::default() });
        assert_eq!((after.problems, after.settings), (before.problems.clone(), before.settings.clone()), "{shown}");
        let document: Json = serde_json::from_str(&printed(None, true, &before)).unwrap();
        let origin = format!("{}:5:11", file.display());
        assert_eq!(document["models"]["qwen3:8b"]["context"], json!({ "value": 512, "origin": origin }));
        let options = &document["models"]["qwen3:8b"]["template_options"]["value"];
        assert_eq!(*options, json!({ "enable_thinking": false, "tags": ["a", 1] }));
    }

    #[test]
    fn the_document_holds_values_origins_and_problems() {
        let text = printed(None, true, &loaded(&["session.temperature=0.5", "ui.thems=x"]));
        let document: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(document["schema"], SCHEMA);
        assert_eq!(document["settings"]["session"]["temperature"], json!({ "value": 0.5, "origin": "--set" }));
        assert_eq!(document["settings"]["session"]["threads"], json!({ "value": "auto", "origin": "default" }));
        assert_eq!(document["settings"]["session"]["context"]["value"], 8192);
        assert_eq!(document["problems"][0]["what"], "unknown key `thems` in [ui]");
        assert_eq!(document["problems"][0]["hint"], "did you mean `theme`?");
    }

    #[test]
    fn the_default_is_the_file() {
        assert_eq!(printed(Some(What::Default(Form::default())), false, &Loaded::default()), DEFAULT_TEXT);
    }

    #[test]
    fn the_path_is_told() {
        let with_file = load(&Sources { file: Some("/nowhere/config.toml".into()), ..Sources::default() });
        assert_eq!(printed(Some(What::Path(Form::default())), false, &with_file), "/nowhere/config.toml\n");
        let document: Json =
            serde_json::from_str(&printed(Some(What::Path(Form::default())), true, &with_file)).unwrap();
        assert_eq!(document["file"], json!({ "path": "/nowhere/config.toml", "exists": false }));
        assert!(
            config(
                &Config { what: Some(What::Path(Form::default())), json: false },
                &Loaded::default(),
                &mut Vec::new()
            )
            .is_err()
        );
    }
}
