//! Amounts that a filter compares with: a number with a unit, and how it is compared.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// In what a field's number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes: `5gb`, `4gib`; decimal by default.
    Bytes,
    /// How many there are, such as parameters: `7b`, `500m`.
    Count,
    /// Tokens: `32k` are 32768, as lists show them.
    Tokens,
    /// Milliseconds: `200`, `200ms`, `2s`.
    Millis,
    /// A plain number, with the unit of its column behind it or without: `20`, `50%`, `3j`.
    Plain,
}

impl Unit {
    /// What it takes.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Bytes => "an amount of bytes",
            Self::Count => "a count",
            Self::Tokens => "a number of tokens",
            Self::Millis => "a time in milliseconds",
            Self::Plain => "a number",
        }
    }

    /// A valid example.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Bytes => "5gb",
            Self::Count => "7b",
            Self::Tokens => "32k",
            Self::Millis => "200",
            Self::Plain => "20",
        }
    }

    /// What a suffix multiplies by; `None` where it is none of this unit.
    fn factor(self, suffix: &str) -> Option<f64> {
        const KIBI: f64 = 1024.0;
        Some(match (self, suffix) {
            (_, "") | (Self::Millis, "ms") | (Self::Plain, "%" | "w" | "j" | "tok/s") => 1.0,
            (Self::Tokens, "k" | "ki") | (Self::Bytes, "ki" | "kib") => KIBI,
            (Self::Tokens, "m" | "mi") | (Self::Bytes, "mi" | "mib") => KIBI * KIBI,
            (Self::Bytes, "gi" | "gib") => KIBI * KIBI * KIBI,
            (Self::Bytes, "ti" | "tib") => KIBI * KIBI * KIBI * KIBI,
            (Self::Millis, "s") | (Self::Bytes, "kb") | (Self::Bytes | Self::Count | Self::Plain, "k") => 1e3,
            (Self::Millis, _) => return None,
            (Self::Bytes, "mb") | (_, "m") => 1e6,
            (Self::Bytes, "gb") | (_, "g") | (Self::Count, "b") => 1e9,
            (Self::Bytes, "tb") | (_, "t") => 1e12,
            _ => return None,
        })
    }
}

/// How a number is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    wanted: Wanted,
    or_equal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Wanted {
    Less,
    Equal,
    Greater,
}

impl Comparison {
    /// Equal is what is written equal: within half a percent.
    pub fn holds(self, found: f64, number: f64) -> bool {
        let is_equal = (found - number).abs() <= number.abs() * 0.005;
        let order = found.total_cmp(&number);
        match self.wanted {
            Wanted::Equal => is_equal,
            Wanted::Less => order == Ordering::Less || (self.or_equal && is_equal),
            Wanted::Greater => order == Ordering::Greater || (self.or_equal && is_equal),
        }
    }

    /// As SQL has it.
    pub fn operator(self) -> &'static str {
        match (self.wanted, self.or_equal) {
            (Wanted::Less, false) => "<",
            (Wanted::Less, true) => "<=",
            (Wanted::Equal, _) => "=",
            (Wanted::Greater, false) => ">",
            (Wanted::Greater, true) => ">=",
        }
    }
}

/// A number that is asked for, such as `>=32k`; `None` where it is not finished, an error where it never will be one.
pub(super) fn comparison(text: &str, unit: Unit) -> Result<Option<(Comparison, f64)>, ()> {
    let (wanted, text) = match text.split_at_checked(1) {
        Some(("<", rest)) => (Wanted::Less, rest),
        Some((">", rest)) => (Wanted::Greater, rest),
        _ => (Wanted::Equal, text),
    };
    let (or_equal, text) = text.strip_prefix('=').map_or((wanted == Wanted::Equal, text), |rest| (true, rest));
    if text.is_empty() || text == "." {
        return Ok(None);
    }
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let Ok(number) = number.parse::<f64>() else { return Err(()) };
    let factor = unit.factor(suffix).ok_or(())?;
    Ok(Some((Comparison { wanted, or_equal }, number * factor)))
}
