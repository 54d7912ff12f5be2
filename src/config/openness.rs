//! The user's own table of what others judged of openness.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Origin, SettingError};
use super::{read, user_file};
use domain::openness::{MAX_BYTES, Table};
use domain::settings::Library;

/// The table in force, and what is wrong with the user's own, which then is not used: the program's own stands in.
pub fn judgements(settings: &Library) -> (Arc<Table>, Option<SettingError>) {
    let own = Table::embedded();
    let is_named = settings.openness.is_some();
    let beside = || Some(user_file()?.parent()?.join("openness.json"));
    let Some(path) = settings.openness.as_deref().map(at_home).or_else(beside) else { return (own, None) };
    let text = match read(&path, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => return (own, None),
        Err(error) => {
            let hint = "the built-in table is used".to_owned();
            return (
                own,
                Some(SettingError::new(Origin::whole_file(&path), format!("can't be read: {error}"), Some(hint))),
            );
        }
    };
    match Table::parse(&text) {
        Ok(table) if table.newest() < own.newest() => {
            let what =
                format!("its newest judgements, of {}, are older than those of {}", table.newest(), own.newest());
            let hint = "the newer built-in table is used; remove the file, or fetch a newer one".to_owned();
            (own, Some(SettingError::new(Origin::whole_file(&path), what, Some(hint))))
        }
        Ok(table) => (Arc::new(table), None),
        Err(error) => {
            let hint = "the built-in table is used until this is fixed".to_owned();
            let origin = Origin::File { path, position: error.position };
            (own, Some(SettingError::new(origin, error.what, Some(hint))))
        }
    }
}

/// The path with `~/` spelt out.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), etcetera::home_dir()) {
        (Ok(rest), Ok(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMBEDDED: &str = include_str!("../../data/openness.json");

    /// The table in force with this file of the user's, and what is said of it after its path.
    fn with(text: &str) -> (Arc<Table>, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openness.json");
        std::fs::write(&path, text).unwrap();
        let (table, problem) = judgements(&Library { openness: Some(path.clone()), ..Library::default() });
        let start = path.display().to_string();
        (table, problem.map(|problem| problem.to_string().strip_prefix(&start).unwrap().to_owned()))
    }

    #[test]
    fn a_newer_table_replaces_the_programs_own() {
        let source =
            r#"{"id": "x", "name": "X", "short": "X", "read": "DAY", "licence": "MIT", "link": "", "citation": ""}"#;
        let of = |day: &str| {
            let source = source.replace("DAY", day);
            format!(r#"{{"schema": "taffrail/openness/1", "sources": [{source}], "entries": []}}"#)
        };
        let (table, problem) = with(&of("2999-01-01"));
        assert_eq!((table.sources[0].id.as_str(), table.entries.len(), problem), ("x", 0, None));
        assert_eq!(with(EMBEDDED).1, None, "as new as the program's own");
        let (table, problem) = with(&of("2001-01-01"));
        assert!(table.entries.len() > 400);
        assert_eq!(
            problem.as_deref(),
            Some(": its newest judgements, of 2001-01-01, are older than those of 2026-06-12")
        );
    }

    #[test]
    fn a_broken_table_leaves_the_programs_own() {
        let too_long = " ".repeat(MAX_BYTES as usize + 1);
        for (text, expected) in [
            ("{\n  \"schema\": 3", ":2:13: invalid type: integer `3`, expected a string"),
            ("[]", ":1:2: invalid length 0, expected struct File with 5 elements"),
            (&EMBEDDED.replacen("taffrail/openness/1", "2", 1), ": its `schema` is `2`, not `taffrail/openness/1`"),
            (&too_long, ": can't be read: larger than 8 MiB"),
        ] {
            let (table, problem) = with(text);
            assert_eq!(problem.as_deref(), Some(expected));
            assert!(table.entries.len() > 400);
        }
        let absent = Library { openness: Some("/nowhere/openness.json".into()), ..Library::default() };
        assert!(judgements(&absent).1.is_some_and(|problem| problem.what.starts_with("can't be read")));
    }
}
