//! Values as they are written: in a file, a variable or on the command line.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use toml::de::{DeInteger, DeValue};

use domain::units::Bytes;

/// A value of a setting, before its setting has judged it and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Words, quoted in TOML.
    Text(String),
    /// A number, in decimal as written.
    Number(String),
    /// A truth value.
    Flag(bool),
    /// Several words.
    List(Vec<String>),
    /// Text from a variable or the command line, where nothing tells a word from a number.
    Bare(String),
    /// A table of whatever a template takes, as JSON has it.
    Table(serde_json::Map<String, serde_json::Value>),
    /// A kind of TOML that no setting takes.
    Other(&'static str),
}

impl Value {
    /// A value of a variable or the command line: a TOML list where it looks like one.
    pub(super) fn from_outside(text: &str) -> Self {
        let text = text.trim();
        if text.starts_with('[')
            && let Ok(value) = DeValue::parse(text)
        {
            return Self::from_toml(value.get_ref());
        }
        Self::Bare(text.to_owned())
    }

    /// The entries of a list in a variable or on the command line: of a TOML list, or of `paths` separated as in PATH.
    /// `None` where it is one word.
    pub(super) fn items_from_outside(text: &str, are_paths: bool) -> Option<Vec<Self>> {
        let text = text.trim();
        if text.starts_with('[') {
            let value = DeValue::parse(text).ok()?;
            let items = value.get_ref().as_array()?;
            return Some(items.iter().map(|item| Self::from_toml(item.get_ref())).collect());
        }
        let paths: Vec<_> = std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect();
        (are_paths && paths.len() > 1)
            .then(|| paths.iter().map(|path| Self::Bare(path.to_string_lossy().into_owned())).collect())
    }

    /// A value of a file.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.as_ref().to_owned()),
            DeValue::Integer(number) => Self::Number(decimal(number)),
            DeValue::Float(number) => Self::Number(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map_or(Self::Other("a list with something else than strings"), Self::List),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// What text means that the program itself wrote: a number and a truth value stand without quotes.
    pub(super) fn from_shown(text: String) -> Self {
        match text.parse::<bool>() {
            Ok(flag) => Self::Flag(flag),
            Err(_) if text.parse::<f64>().is_ok() => Self::Number(text),
            Err(_) => Self::Text(text),
        }
    }

    /// The value for a JSON document.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::Bare(text) => json!(text),
            Self::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            Self::Flag(flag) => json!(flag),
            Self::List(items) => json!(items),
            Self::Table(table) => json!(table),
            Self::Other(_) => serde_json::Value::Null,
        }
    }

    /// The words of a value that must be one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// The digits of a value that must be a number.
    pub(super) fn number(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// Text for [`domain::settings::SessionSettings::set`], which takes words and numbers alike.
    pub(super) fn scalar(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => match Self::from_shown(text.clone()) {
                Self::Text(text) => Ok(text),
                _ => Err("must be written without quotes".to_owned()),
            },
            Self::Number(text) | Self::Bare(text) => Ok(text.clone()),
            Self::Flag(flag) => Ok(flag.to_string()),
            Self::List(_) | Self::Table(_) | Self::Other(_) => Err("must be one word or number".to_owned()),
        }
    }

    /// A truth value.
    pub(super) fn flag(&self) -> Result<bool, String> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "must be true or false".to_owned())
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, least: u32, most: u32) -> Result<u32, String> {
        self.number()
            .and_then(|text| text.parse().ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }

    /// A number within bounds.
    pub(super) fn real(&self, least: f64, most: f64) -> Result<f64, String> {
        self.number()
            .and_then(|text| text.parse().ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("must be a number from {least} to {most}"))
    }

    /// `None` for the word none, else what `parse` makes of the value.
    pub(super) fn or_none<T>(&self, parse: impl FnOnce(&Self) -> Result<T, String>) -> Result<Option<T>, String> {
        if self.word() == Some("none") {
            return Ok(None);
        }
        parse(self).map(Some).map_err(|error| format!("{error}, or none"))
    }

    /// A time of 1 to `most` seconds.
    pub(super) fn seconds(&self, least: u32, most: u32) -> Result<Duration, String> {
        match self.whole(least, most) {
            Ok(seconds) => Ok(Duration::from_secs(u64::from(seconds))),
            Err(error) => Err(format!("{error}, in seconds")),
        }
    }

    /// One of several words.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, String> {
        choices.iter().find(|(name, _)| self.word() == Some(name)).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("must be one of {}", names.join(", "))
        })
    }

    /// An amount of memory.
    pub(super) fn bytes(&self) -> Result<Bytes, String> {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Bare(text) => parse_bytes(text),
            _ => None,
        }
        .ok_or_else(|| "must be an amount such as \"2 GB\", \"512 MiB\" or a number of bytes".to_owned())
    }

    /// `None` for the word auto, else what `parse` makes of the value.
    pub(super) fn or_auto<T>(&self, parse: impl FnOnce(&Self) -> Result<T, String>) -> Result<Option<T>, String> {
        if self.word() == Some("auto") {
            return Ok(None);
        }
        parse(self).map(Some).map_err(|error| format!("{error}, or auto"))
    }

    /// A path that means the same wherever the program is started.
    pub(super) fn path(&self) -> Result<PathBuf, String> {
        self.word()
            .and_then(absolute)
            .ok_or_else(|| "must be a path that begins with / or ~/".replace('/', std::path::MAIN_SEPARATOR_STR))
    }

    /// Several such paths; one alone stands for itself, a variable separates them as PATH does.
    pub(super) fn paths(&self) -> Result<Vec<PathBuf>, String> {
        let paths = match self {
            Self::List(items) => items.iter().map(|item| absolute(item)).collect(),
            Self::Text(item) => absolute(item).map(|path| vec![path]),
            Self::Bare(text) => std::env::split_paths(text)
                .filter(|path| !path.as_os_str().is_empty())
                .map(|path| path.to_str().and_then(absolute))
                .collect(),
            _ => None,
        };
        paths.ok_or_else(|| "must be a list of paths that begin with / or ~/".to_owned())
    }

    /// Several words; one alone stands for itself.
    pub(super) fn words(&self) -> Result<Vec<String>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Text(item) | Self::Bare(item) => Ok(vec![item.clone()]),
            _ => Err("must be a string or a list of strings".to_owned()),
        }
    }
}

impl std::fmt::Display for Value {
    /// As TOML writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => toml::Value::from(text.as_str()).fmt(f),
            Self::Number(text) | Self::Bare(text) => f.write_str(text),
            Self::Flag(flag) => flag.fmt(f),
            Self::List(items) => toml::Value::from(items.clone()).fmt(f),
            Self::Table(table) => match toml::Value::try_from(table) {
                Ok(table) => table.fmt(f),
                // JSON's null is nothing that TOML could say.
                Err(_) => f.write_str("a table"),
            },
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// An amount as exactly as TOML can say it: `"1 GB"`, or the bytes where no unit divides it.
pub(super) fn show_bytes(bytes: Bytes) -> Value {
    let unit = UNITS.iter().rev().find(|(_, factor)| *factor > 1 && bytes.0 > 0 && bytes.0.is_multiple_of(*factor));
    match unit {
        Some((name, factor)) => Value::Text(format!("{} {name}", bytes.0 / factor)),
        None => Value::Number(bytes.0.to_string()),
    }
}

/// Units of memory, smallest first.
const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// `2 GB`, `1.5GiB`, `1000000`; `None` for what is no amount or is more than can be counted.
fn parse_bytes(text: &str) -> Option<Bytes> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim();
    let factor = UNITS.iter().find(|(name, _)| unit.is_empty() || name.eq_ignore_ascii_case(unit))?.1;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).map(Bytes);
    }
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    (bytes.is_finite() && bytes < u64::MAX as f64).then_some(Bytes(bytes as u64))
}

fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |number| number.to_string())
}

/// What to write instead of a path that would be another one elsewhere.
pub(super) fn path_hint(text: &str) -> Option<String> {
    let hint = match text.chars().next() {
        None => "leave the entry out",
        Some('~') => "only your own home is known as ~/; write the whole path of another's",
        Some('$' | '%') => "variables are not resolved; write ~/ or the whole path",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn absolute(text: &str) -> Option<PathBuf> {
    let path = match text.strip_prefix("~/") {
        Some(rest) => etcetera::home_dir().ok()?.join(rest),
        None if text == "~" => etcetera::home_dir().ok()?,
        None => PathBuf::from(text),
    };
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("2 GB", Some(2_000_000_000)),
            ("512 MiB", Some(536_870_912)),
            ("1.5gib", Some(1_610_612_736)),
            ("7kb", Some(7000)),
            ("16 EB", None),
            ("-1", None),
            ("GB", None),
            ("1.2.3 GB", None),
            ("99999999 TB", None),
            ("", None),
        ] {
            assert_eq!(parse_bytes(text), bytes.map(Bytes), "{text}");
        }
    }

    #[test]
    fn amounts_read_back() {
        for bytes in [0, 1, 999, 1000, 1024, 2_000_000_000, 536_870_912, u64::MAX] {
            assert_eq!(show_bytes(Bytes(bytes)).bytes(), Ok(Bytes(bytes)));
        }
    }
}
