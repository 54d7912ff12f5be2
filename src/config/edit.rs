//! Changes of the user's file: one setting at a time, with its comments and its order left alone.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table};

use super::{
    DEFAULT_TEXT, MAX_FILE_BYTES, Origin, SECTIONS, SettingError, Sources, Value, load, read, schema, settings,
};

/// What the file has at its head where the program creates it.
const HEAD: &str = "# Settings of taffrail: all of them with their defaults, which a line without its `#` changes.\n\n";

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such setting, or the value is wrong.
    #[error("{0}")]
    Setting(SettingError),
    /// The file is not as one of settings has to be.
    #[error("{0}")]
    File(String),
}

impl EditError {
    /// What would be right.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Setting(problem) => problem.hint.as_deref(),
            Self::File(_) => Some("`taffrail config edit` opens it"),
        }
    }
}

/// The text of a file; empty where there is none.
///
/// # Errors
///
/// Why it can't be read.
pub fn text_of(path: &Path) -> std::io::Result<String> {
    match read(path, MAX_FILE_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

/// The text with a setting changed, and the value as it is written; `path` is `section.key`.
///
/// # Errors
///
/// What is wrong with the setting or the text.
pub fn set(text: &str, path: &str, value: &str) -> Result<(String, Value), EditError> {
    let (section, key) = known(path)?;
    // The value goes the way that it goes from the command line.
    let loaded = load(&Sources { overrides: vec![format!("{path}={value}")], ..Sources::default() });
    if let Some(problem) = loaded.problems.into_iter().next() {
        return Err(EditError::Setting(SettingError { origin: Origin::Value, ..problem }));
    }
    let shown = match schema::find(section, key) {
        Some(setting) => setting.get(&loaded.settings),
        None => Value::List(loaded.settings.keys.get(key).cloned().unwrap_or_default()),
    };
    let mut document = parse(text)?;
    let new: toml_edit::Value =
        shown.to_string().parse().map_err(|error| EditError::File(format!("{path} can't be written: {error}")))?;
    let table = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        return Err(EditError::File(format!("there is no section `{section}` in the file")));
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
        None => drop(table.insert(key, Item::Value(new))),
    }
    Ok((document.to_string(), shown))
}

/// The text without a setting, so that its default counts again; `None` where it is not in there.
///
/// # Errors
///
/// What is wrong with the setting or the text.
pub fn unset(text: &str, path: &str) -> Result<Option<String>, EditError> {
    let (section, key) = known(path)?;
    let mut document = parse(text)?;
    let table = document.get_mut(section).and_then(Item::as_table_like_mut);
    let removed = table.and_then(|table| table.remove(key));
    Ok(removed.map(|_| document.to_string()))
}

/// What a file has that is to be edited and does not exist yet: every setting, as a comment.
pub fn template() -> String {
    let mut text = HEAD.to_owned();
    for line in DEFAULT_TEXT.lines() {
        // A section stays, so that a line below it can be used as it stands.
        let is_setting = !(line.is_empty() || line.starts_with(['#', '[']));
        text.push_str(if is_setting { "# " } else { "" });
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Section and key of a setting that exists.
fn known(path: &str) -> Result<(&str, &str), EditError> {
    let wrong =
        |what: String, hint: Option<String>| Err(EditError::Setting(SettingError::new(Origin::Value, what, hint)));
    let all = || settings().map(|setting| setting.path());
    let Some((section, key)) = path.split_once('.') else {
        let near = all().find(|known| known.split_once('.').is_some_and(|(_, key)| key == path));
        let hint = near.map_or_else(
            || "write SECTION.KEY, such as `ui.theme`; `taffrail config` lists all".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return wrong(format!("`{path}` is no setting"), Some(hint));
    };
    if section == schema::MODELS {
        let hint = Some("a name for a model is a section of the file: `taffrail config edit` opens it".to_owned());
        return wrong(format!("`{path}` can't be set by a command"), hint);
    }
    if SECTIONS.contains(&section) {
        // Its key is checked with its value.
        let loaded = load(&Sources { overrides: vec![format!("{path}=")], ..Sources::default() });
        let unknown = loaded.problems.into_iter().find(|problem| problem.what.starts_with("unknown "));
        return unknown.map_or(Ok((section, key)), |problem| {
            Err(EditError::Setting(SettingError { origin: Origin::Value, ..problem }))
        });
    }
    let names: Vec<String> = all().collect();
    let near = super::problem::nearest(path, names.iter().map(String::as_str));
    wrong(format!("`{path}` is no setting"), near.map(|near| format!("did you mean `{near}`?")))
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        EditError::File(format!("the file is not TOML, so it is left as it is: {}", error.message()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[ui]\ntheme = \"dark\" # at night\n\n[session]\n# short\ncontext = 4096\n";

    #[test]
    fn comments_and_order_stay() {
        for (path, value, expected) in [
            ("ui.theme", "light", FILE.replace("\"dark\"", "\"light\"")),
            ("session.context", "16384", FILE.replace("4096", "16384")),
            ("session.temperature", "0.5", format!("{FILE}temperature = 0.5\n")),
            ("session.temperature", "auto", format!("{FILE}temperature = \"auto\"\n")),
            ("server.port_of_nothing", "1", String::new()),
            ("keys.stop", "[\"x\", \"ctrl-x\"]", format!("{FILE}\n[keys]\nstop = [\"x\", \"ctrl-x\"]\n")),
            ("library.folders", "/a", format!("{FILE}\n[library]\nfolders = [\"/a\"]\n")),
        ] {
            let new = set(FILE, path, value).map(|(text, _)| text);
            assert_eq!(new.unwrap_or_default(), expected, "{path}");
        }
        assert_eq!(
            set("", "session.mmap", "false").map(|(text, _)| text).unwrap_or_default(),
            "[session]\nmmap = false\n"
        );
        assert_eq!(unset(FILE, "session.context"), Ok(Some(FILE.replace("# short\ncontext = 4096\n", ""))));
        assert_eq!(unset(FILE, "session.seed"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_changes() {
        for (text, path, value, what, hint) in [
            (FILE, "ui.thems", "x", "unknown key `thems` in [ui]", "`theme`"),
            (FILE, "uii.theme", "x", "`uii.theme` is no setting", "`ui.theme`"),
            (FILE, "theme", "x", "`theme` is no setting", "`ui.theme`"),
            (FILE, "session.temperature", "hot", "must be a number from 0 to 10", ""),
            (FILE, "ui.graphs", "brail", "`graphs` in [ui]", "`braille`"),
            (FILE, "models.m.model", "x", "can't be set by a command", "config edit"),
            ("[ui\n", "ui.theme", "x", "the file is not TOML", "config edit"),
            ("ui = 3\n", "ui.theme", "x", "there is no section `ui`", "config edit"),
        ] {
            let error = set(text, path, value).expect_err(path);
            let said = error.hint().unwrap_or_default();
            assert!(error.to_string().contains(what) && said.contains(hint), "{path}: {error}: {said}");
        }
    }

    #[test]
    fn the_template_is_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, template()).unwrap();
        let loaded = load(&Sources { file: Some(file), ..Sources::default() });
        assert_eq!((loaded.problems, loaded.settings), (Vec::new(), domain::settings::Settings::default()));
    }
}
