//! What is wrong with a setting, and where it stands.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// The program.
    #[default]
    Default,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Line and column in characters, both from 1; `None` for the file as such.
        position: Option<(usize, usize)>,
    },
    /// A variable of the environment, by name.
    Variable(String),
    /// `--set` on the command line.
    Flag,
    /// `config set` on the command line.
    Value,
}

impl Origin {
    pub(super) fn whole_file(path: &Path) -> Self {
        Self::File { path: path.to_owned(), position: None }
    }

    /// The place of a byte of a file's text.
    pub(super) fn in_file(path: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self::File { path: path.to_owned(), position: Some((line, column)) }
    }

    pub(super) fn position(&self) -> Option<(usize, usize)> {
        match self {
            Self::File { position, .. } => *position,
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    /// `/home/ada/.config/taffrail/config.toml:12:1`, `TAFFRAIL_UI_THEME`, `--set`, `default`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, position } => {
                f.write_str(&harmless(&path.display().to_string()))?;
                position.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
            }
            Self::Variable(name) => f.write_str(&harmless(name)),
            Self::Flag => f.write_str("--set"),
            Self::Value => f.write_str("config set"),
        }
    }
}

/// Something wrong with a setting; the setting keeps the value of the layer below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong, in one clause, harmless to a terminal.
    pub what: String,
    /// What would be right, in one clause.
    pub hint: Option<String>,
}

impl SettingError {
    /// The error and its hint in a sentence.
    pub fn with_hint(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}: {hint}"),
            None => self.to_string(),
        }
    }

    pub(super) fn new(origin: Origin, what: impl Into<String>, hint: Option<String>) -> Self {
        Self { origin, what: harmless(&what.into()), hint: hint.map(|hint| harmless(&hint)) }
    }

    /// Whether it stands on the command line, where it is wrong usage.
    pub fn is_usage(&self) -> bool {
        self.origin == Origin::Flag
    }
}

impl fmt::Display for SettingError {
    /// `config.toml:12:1: unknown key `thems` in [ui]`, without the hint, which is rendered apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin == Origin::Value {
            return f.write_str(&self.what);
        }
        write!(f, "{}: {}", self.origin, self.what)
    }
}

/// Longest message, in characters; the rest of a quoted value tells nobody more.
const MAX_CHARS: usize = 300;

/// Text from outside on one line of bounded length, without control characters and marks that turn its direction.
fn harmless(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|c| {
            if c.is_control()
                || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        clean.push('…');
    }
    clean
}

/// The name most like `word`, if any is like it.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing costs the product of the lengths, and no name is this long.
    if word.len() > 100 {
        return None;
    }
    names
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(word, name), name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
