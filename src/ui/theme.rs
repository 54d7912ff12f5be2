//! Colours by meaning. A theme is a TOML file that says how each meaning looks; the code names meanings only.
//!
//! A look is a text of words: at most one colour (`#rrggbb`, a terminal colour's name, or an index from 0 to 255), and
//! any of `bold`, `dim`, `italic`, `underlined`, `reversed`. What a theme leaves out comes from the theme it inherits,
//! then from the meaning that stands nearest, so that a theme of three lines works.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use ratatui::style::{Color, Modifier, Style};
use toml::de::{DeTable, DeValue};

/// What a part of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "NAMES has a clause for each")]
pub enum Meaning {
    Background,
    Text,
    Muted,
    Heading,
    Accent,
    Good,
    Warn,
    Bad,
    Selection,
    Border,
    Focus,
    Reasoning,
    You,
    Key,
    Series(u8),
}

/// Series that have a look of their own; more begin again with the first.
pub const N_SERIES: usize = 8;

const N_MEANINGS: usize = 14 + N_SERIES;

/// Each meaning by name, with what it falls back to.
const NAMES: [(&str, Meaning, Option<Meaning>); N_MEANINGS] = [
    ("background", Meaning::Background, None),
    ("text", Meaning::Text, None),
    ("muted", Meaning::Muted, Some(Meaning::Text)),
    ("heading", Meaning::Heading, Some(Meaning::Muted)),
    ("accent", Meaning::Accent, Some(Meaning::Text)),
    ("good", Meaning::Good, Some(Meaning::Text)),
    ("warn", Meaning::Warn, Some(Meaning::Text)),
    ("bad", Meaning::Bad, Some(Meaning::Text)),
    ("selection", Meaning::Selection, None),
    ("border", Meaning::Border, Some(Meaning::Muted)),
    ("focus", Meaning::Focus, Some(Meaning::Accent)),
    ("reasoning", Meaning::Reasoning, Some(Meaning::Muted)),
    ("you", Meaning::You, Some(Meaning::Accent)),
    ("key", Meaning::Key, Some(Meaning::Accent)),
    ("series.1", Meaning::Series(0), Some(Meaning::Accent)),
    ("series.2", Meaning::Series(1), Some(Meaning::Good)),
    ("series.3", Meaning::Series(2), Some(Meaning::Warn)),
    ("series.4", Meaning::Series(3), Some(Meaning::Bad)),
    ("series.5", Meaning::Series(4), Some(Meaning::Text)),
    ("series.6", Meaning::Series(5), Some(Meaning::Muted)),
    ("series.7", Meaning::Series(6), Some(Meaning::Accent)),
    ("series.8", Meaning::Series(7), Some(Meaning::Good)),
];

impl Meaning {
    fn index(self) -> usize {
        match self {
            Self::Background => 0,
            Self::Text => 1,
            Self::Muted => 2,
            Self::Heading => 3,
            Self::Accent => 4,
            Self::Good => 5,
            Self::Warn => 6,
            Self::Bad => 7,
            Self::Selection => 8,
            Self::Border => 9,
            Self::Focus => 10,
            Self::Reasoning => 11,
            Self::You => 12,
            Self::Key => 13,
            Self::Series(number) => 14 + usize::from(number) % N_SERIES,
        }
    }

    /// Whether its colour lies behind the text.
    fn is_behind(self) -> bool {
        matches!(self, Self::Background | Self::Selection)
    }
}

/// How each meaning looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    styles: [Style; N_MEANINGS],
}

/// What is wrong with a theme's file. The theme is used without the faulty entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThemeError {
    /// The file, or the built-in theme's name.
    pub file: String,
    /// The line, from 1; 0 where none is to blame.
    pub line: usize,
    /// What is wrong, in one clause.
    pub what: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl fmt::Display for ThemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what)?,
            line => write!(f, "{}:{line}: {}", self.file, self.what)?,
        }
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// The themes that come with taffrail.
const BUILT_IN: [(&str, &str); 5] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("logbook", include_str!("../../themes/logbook.toml")),
    ("terminal", include_str!("../../themes/terminal.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

/// The theme's name that stands in where one is missing, and that is drawn where colour is not wanted.
const MONOCHROME: &str = "mono";

/// The most bytes of a theme's file, and the most files of a folder.
const MAX_BYTES: u64 = 64 * 1024;
const MAX_FILES: usize = 256;

/// A file's entries as they stand.
#[derive(Default)]
struct Sheet {
    inherit: Option<String>,
    looks: [Option<Style>; N_MEANINGS],
}

impl Theme {
    /// How a meaning looks.
    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles[meaning.index()]
    }

    /// The themes that come with taffrail, and those of a folder, which may replace them. What is wrong with a file is
    /// told beside them.
    pub fn load_all(user_folder: Option<&Path>) -> (BTreeMap<String, Self>, Vec<ThemeError>) {
        let mut problems = Vec::new();
        let mut sheets = BTreeMap::new();
        for (name, text) in BUILT_IN {
            sheets.insert(name.to_owned(), read(name, text, &mut problems));
        }
        for (name, file, text) in user_folder.map(|folder| files(folder, &mut problems)).unwrap_or_default() {
            sheets.insert(name, read(&file, &text, &mut problems));
        }
        let themes = sheets.keys().map(|name| (name.clone(), resolve(name, &sheets, &mut problems))).collect();
        (themes, problems)
    }

    /// The theme without any colour: what `NO_COLOR` asks for. Readable by modifiers and glyphs alone.
    pub fn monochrome() -> Self {
        let (mut themes, _) = Self::load_all(None);
        themes.remove(MONOCHROME).unwrap_or(Self { styles: [Style::new(); N_MEANINGS] })
    }
}

/// Where the user's themes are looked for: `themes` beside config.toml.
pub fn user_folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("taffrail").join("themes"))
}

/// The folder's theme files by name, with path and text.
fn files(folder: &Path, problems: &mut Vec<ThemeError>) -> Vec<(String, String, String)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.truncate(MAX_FILES);
    let mut found = Vec::new();
    for path in paths {
        let file = path.display().to_string();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let is_large = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_BYTES);
        match std::fs::read_to_string(&path) {
            Ok(_) if is_large => problems.push(ThemeError {
                file,
                line: 0,
                what: format!("larger than {} kB", MAX_BYTES / 1024),
                hint: None,
            }),
            Ok(text) => found.push((name.to_owned(), file, text)),
            Err(error) => problems.push(ThemeError { file, line: 0, what: error.to_string(), hint: None }),
        }
    }
    found
}

fn read(file: &str, text: &str, problems: &mut Vec<ThemeError>) -> Sheet {
    let mut sheet = Sheet::default();
    let mut report = |at: usize, what: String, hint: Option<String>| {
        let line = 1 + text.get(..at).unwrap_or_default().matches('\n').count();
        problems.push(ThemeError { file: file.to_owned(), line, what, hint });
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            report(error.span().map_or(0, |span| span.start), error.message().to_owned(), None);
            return sheet;
        }
    };
    for (key, value) in table {
        let at = key.span().start;
        match (key.get_ref().as_ref(), value.into_inner()) {
            ("inherit", DeValue::String(name)) => sheet.inherit = Some(name.into_owned()),
            ("series", DeValue::Table(series)) => {
                for (number, value) in series {
                    let at = number.span().start;
                    let name = format!("series.{}", number.get_ref());
                    if let Err((what, hint)) = enter(&mut sheet, &name, value.get_ref()) {
                        report(at, what, hint);
                    }
                }
            }
            (name, value) => {
                if let Err((what, hint)) = enter(&mut sheet, name, &value) {
                    report(at, what, hint);
                }
            }
        }
    }
    sheet
}

fn enter(sheet: &mut Sheet, name: &str, value: &DeValue<'_>) -> Result<(), (String, Option<String>)> {
    let Some((_, meaning, _)) = NAMES.iter().find(|(known, ..)| *known == name) else {
        let known = NAMES.iter().map(|(known, ..)| *known).chain(["inherit"]);
        return Err((format!("there is no style role `{name}`"), nearest(name, known)));
    };
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        _ => return Err((format!("`{name}` must be a text such as \"#8ab4f8 bold\""), None)),
    };
    let look = look(&text, meaning.is_behind()).map_err(|(what, hint)| (format!("`{name}`: {what}"), hint))?;
    sheet.looks[meaning.index()] = Some(look);
    Ok(())
}

const MODIFIERS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

const COLOURS: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "gray",
    "darkgray",
    "lightred",
    "lightgreen",
    "lightyellow",
    "lightblue",
    "lightmagenta",
    "lightcyan",
    "white",
];

fn look(text: &str, behind: bool) -> Result<Style, (String, Option<String>)> {
    let mut style = Style::new();
    for word in text.split_whitespace() {
        if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
            style = style.add_modifier(*modifier);
            continue;
        }
        let colour = match word {
            "default" => Color::Reset,
            _ => word.parse().map_err(|_unsaid: ratatui::style::ParseColorError| {
                let known = COLOURS.into_iter().chain(MODIFIERS.map(|(name, _)| name)).chain(["default"]);
                let right = nearest(word, known);
                let hint = right.unwrap_or_else(|| "colors are #rrggbb, a name such as blue, or 0 to 255".to_owned());
                (format!("`{word}` is not a color"), Some(hint))
            })?,
        };
        style = if behind { style.bg(colour) } else { style.fg(colour) };
    }
    Ok(style)
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.7)?;
    Some(format!("did you mean `{}`?", best.1))
}

/// The sheet with what it inherits, and every gap filled from the nearest meaning.
fn resolve(name: &str, sheets: &BTreeMap<String, Sheet>, problems: &mut Vec<ThemeError>) -> Theme {
    let mut looks = [None; N_MEANINGS];
    let mut seen = vec![name];
    let mut next = sheets.get(name);
    while let Some(sheet) = next {
        for (look, own) in looks.iter_mut().zip(&sheet.looks) {
            *look = look.or(*own);
        }
        next = sheet.inherit.as_ref().and_then(|parent| {
            let found = sheets.get(parent).filter(|_| !seen.contains(&parent.as_str()));
            if found.is_none() {
                let known = sheets.keys().map(String::as_str).filter(|known| !seen.contains(known));
                let (what, hint) = (format!("inherits `{parent}`, which is not another theme"), nearest(parent, known));
                problems.push(ThemeError { file: name.to_owned(), line: 0, what, hint });
            }
            seen.push(parent);
            found
        });
    }
    let mut styles = [Style::new(); N_MEANINGS];
    for (_, meaning, fallback) in NAMES {
        let mut look = looks[meaning.index()];
        let mut step = fallback;
        while let (None, Some(meaning)) = (look, step) {
            look = looks[meaning.index()];
            step = NAMES[meaning.index()].2;
        }
        styles[meaning.index()] = look.unwrap_or_default();
    }
    // A choice that can't be seen is worse than an ugly one.
    if looks[Meaning::Selection.index()].is_none() {
        styles[Meaning::Selection.index()] = Style::new().add_modifier(Modifier::REVERSED);
    }
    // Reversed, a row's colours become patches behind its words; one colour keeps it whole.
    let selection = &mut styles[Meaning::Selection.index()];
    if selection.add_modifier.contains(Modifier::REVERSED) && selection.fg.is_none() {
        selection.fg = Some(Color::Reset);
    }
    Theme { styles }
}

#[cfg(test)]
#[path = "theme_tests.rs"]
mod tests;
