//! The methods of Python's `str`, `dict`, `list`, `tuple`, `int` and `float`.
//!
//! Owned here: what sandboxed templates may call. Absent: what changes a value, which transformers' sandbox forbids too.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::pieces::{bounds, search, split, strip};
use super::printf::{self, pay};
use super::python::{self, Arguments, DictPart, DictView, is_space, type_of, whole, wrong};

/// The longest line that padding may make.
const MAX_WIDTH: i64 = 1 << 20;

/// What a method gives: the callback for those that minijinja doesn't know.
pub(super) fn call(state: &mut State, value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            pay(state, text.len())?;
            string(state, text, method, values)
        }
        ValueKind::Map if python::is_dict(value) => dict(value, method, values),
        _ if python::is_list(value) => list(state, value, method, values),
        ValueKind::Number => number(value, method, values),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn forbidden(value: &Value, method: &str) -> Error {
    wrong(format!("access to attribute '{method}' of '{}' object is unsafe", type_of(value)))
}

fn dict(value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    match method {
        "get" => {
            let arguments = Arguments::new(values, &["key", "default"])?;
            let key = arguments.get("key").ok_or_else(|| wrong("get expected at least 1 argument"))?;
            let found = value.get_item(&key)?;
            let default = || arguments.get("default").unwrap_or_else(|| Value::from(()));
            Ok(if found.is_undefined() { default() } else { found })
        }
        "keys" | "values" | "items" => {
            Arguments::new(values, &[])?;
            let part = match method {
                "keys" => DictPart::Keys,
                "values" => DictPart::Values,
                _ => DictPart::Items,
            };
            Ok(Value::from_object(DictView { dict: value.clone(), part }))
        }
        "copy" => {
            Arguments::new(values, &[])?;
            Ok(value.clone())
        }
        "clear" | "pop" | "popitem" | "setdefault" | "update" => Err(forbidden(value, method)),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn list(state: &State, value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    match method {
        "index" | "count" => {
            let arguments = Arguments::new(values, &["value", "start", "stop"])?;
            let wanted = arguments.get("value").ok_or_else(|| wrong(format!("{method} expected 1 argument")))?;
            let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            state.consume_fuel(items.len() as u64)?;
            if method == "count" {
                return Ok(Value::from(items.iter().filter(|item| **item == wanted).count()));
            }
            let (start, stop) = bounds(&arguments, "stop", items.len())?;
            let found = (start..stop).find(|index| items.get(*index) == Some(&wanted));
            found.map(Value::from).ok_or_else(|| wrong(format!("{wanted} is not in list")))
        }
        "copy" if !value.is_tuple() => {
            Arguments::new(values, &[])?;
            Ok(value.clone())
        }
        "append" | "clear" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort" if !value.is_tuple() => {
            Err(forbidden(value, method))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn number(value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    match method {
        "is_integer" => {
            Arguments::new(values, &[])?;
            let number = f64::try_from(value.clone()).unwrap_or_default();
            Ok(Value::from(value.is_integer() || number.fract() == 0.0))
        }
        "bit_length" if value.is_integer() => {
            Arguments::new(values, &[])?;
            Ok(Value::from(128 - i128::try_from(value.clone())?.unsigned_abs().leading_zeros()))
        }
        "conjugate" => Ok(value.clone()),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn string(state: &State, text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    match method {
        "strip" | "lstrip" | "rstrip" => strip(text, method, values),
        "split" | "rsplit" | "splitlines" | "partition" | "rpartition" => split(state, text, method, values),
        "find" | "rfind" | "index" | "rindex" | "count" | "startswith" | "endswith" => search(text, method, values),
        "center" | "ljust" | "rjust" | "zfill" | "expandtabs" => pad(state, text, method, values),
        "removeprefix" | "removesuffix" | "replace" | "join" | "format" | "format_map" | "encode" | "translate" => {
            change(state, text, method, values)
        }
        _ => plain(text, method, values),
    }
}

/// Methods without arguments: other cases, and what a text consists of.
fn plain(text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    let made = match method {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "casefold" => {
            // Two steps make of nearly all letters what Unicode's table of folded ones has.
            Value::from(text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>())
        }
        "swapcase" => Value::from(text.chars().map(swapped).collect::<String>()),
        "title" => Value::from(title(text)),
        "capitalize" => Value::from(capitalized(text)),
        "isalnum" => Value::from(all(char::is_alphanumeric)),
        "isalpha" => Value::from(all(char::is_alphabetic)),
        "isascii" => Value::from(text.is_ascii()),
        "isdecimal" => Value::from(all(is_decimal)),
        "isdigit" => Value::from(all(|c| is_decimal(c) || is_raised(c))),
        "isnumeric" => Value::from(all(char::is_numeric)),
        "isspace" => Value::from(all(is_space)),
        "isprintable" => Value::from(text.chars().all(python::is_printable)),
        "islower" => Value::from(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)),
        "isupper" => Value::from(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)),
        "istitle" => Value::from(text.chars().any(|c| c.is_uppercase() || c.is_lowercase()) && title(text) == text),
        "isidentifier" => Value::from(
            text.starts_with(|c: char| c == '_' || c.is_alphabetic())
                && text.chars().all(|c| c == '_' || c.is_alphanumeric()),
        ),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    };
    Arguments::new(values, &[])?;
    Ok(made)
}

fn swapped(character: char) -> String {
    if character.is_uppercase() { character.to_lowercase().collect() } else { character.to_uppercase().collect() }
}

/// Each word with a capital, where a word is a row of letters.
fn title(text: &str) -> String {
    let mut is_inside = false;
    let cased = |character: char| {
        let upper = !std::mem::replace(&mut is_inside, character.is_alphabetic());
        let lower = || character.to_lowercase().collect::<String>();
        if upper { character.to_uppercase().collect() } else { lower() }
    };
    text.chars().map(cased).collect()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().collect::<String>() + &characters.as_str().to_lowercase()
}

/// Digits that count in tens: the scripts that texts for models are written in.
fn is_decimal(character: char) -> bool {
    const ZEROS: [u32; 24] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0xff10,
    ];
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&u32::from(character)))
}

/// Digits that are raised, lowered or in circles.
fn is_raised(character: char) -> bool {
    matches!(character, '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '₀'..='₉' | '①'..='⑨' | '⑴'..='⑼' | '⒈'..='⒐' | '⓪')
}

fn pad(state: &State, text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    if method == "expandtabs" {
        let size = Arguments::new(values, &["tabsize"])?.integer("tabsize")?.unwrap_or(8).clamp(0, 1024) as usize;
        pay(state, text.matches('\t').count().saturating_mul(size))?;
        return Ok(Value::from(expanded(text, size)));
    }
    let arguments = Arguments::new(values, &["width", "fillchar"])?;
    let width = arguments.integer("width")?.ok_or_else(|| wrong(format!("{method} expected a width")))?;
    if width > MAX_WIDTH {
        return Err(wrong(format!("a width of {width} is too much")));
    }
    let fill = arguments.text_or("fillchar", " ")?;
    let mut fills = fill.chars();
    let (Some(fill), None) = (fills.next(), fills.next()) else {
        return Err(wrong("the fill character must be exactly one character long"));
    };
    let length = text.chars().count();
    let width = width.max(0) as usize;
    let missing = width.saturating_sub(length);
    pay(state, missing * fill.len_utf8())?;
    let row = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    Ok(Value::from(match method {
        "ljust" => format!("{text}{}", row(missing)),
        "rjust" => format!("{}{text}", row(missing)),
        "center" => {
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", row(left), row(missing - left))
        }
        _ => {
            let sign = text.len() - text.strip_prefix(['+', '-']).unwrap_or(text).len();
            let (sign, digits) = text.split_at(sign);
            format!("{sign}{}{digits}", "0".repeat(missing))
        }
    }))
}

fn expanded(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for character in text.chars() {
        match character {
            '\t' if size == 0 => {}
            '\t' => {
                let spaces = size - column % size;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\n' | '\r' => {
                out.push(character);
                column = 0;
            }
            _ => {
                out.push(character);
                column += 1;
            }
        }
    }
    out
}

fn change(state: &State, text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    match method {
        "removeprefix" => {
            let prefix = Arguments::new(values, &["prefix"])?.text("prefix")?;
            Ok(Value::from(text.strip_prefix(prefix.as_str()).unwrap_or(text)))
        }
        "removesuffix" => {
            let suffix = Arguments::new(values, &["suffix"])?.text("suffix")?;
            Ok(Value::from(text.strip_suffix(suffix.as_str()).unwrap_or(text)))
        }
        "replace" => {
            let arguments = Arguments::new(values, &["old", "new", "count"])?;
            let (old, new) = (arguments.text("old")?, arguments.text("new")?);
            let most = arguments.integer("count")?.and_then(|most| usize::try_from(most).ok());
            replaced(state, text, &old, &new, most.unwrap_or(usize::MAX)).map(Value::from)
        }
        "join" => {
            let arguments = Arguments::new(values, &["iterable"])?;
            let items = arguments.get("iterable").ok_or_else(|| wrong("join expected 1 argument"))?;
            if items.is_undefined() {
                return Ok(Value::from(""));
            }
            let mut out = String::new();
            for (index, item) in items.try_iter()?.checked().enumerate() {
                let item = item?;
                let other = || wrong(format!("sequence item {index}: expected str, {} found", type_of(&item)));
                let item = item.as_str().ok_or_else(other)?;
                pay(state, text.len() + item.len())?;
                out.push_str(if index == 0 { "" } else { text });
                out.push_str(item);
            }
            Ok(Value::from(out))
        }
        "format" => printf::format(state, text, values).map(Value::from),
        "format_map" => {
            let arguments = Arguments::new(values, &["mapping"])?;
            let map = arguments.get("mapping").ok_or_else(|| wrong("format_map expected 1 argument"))?;
            let mut pairs = Vec::new();
            for key in map.try_iter()?.checked() {
                let key = key?;
                pairs.push((python::text(&key)?, map.get_item(&key)?));
            }
            let named = minijinja::value::Kwargs::from_iter(pairs);
            printf::format(state, text, &[Value::from(named)]).map(Value::from)
        }
        "encode" => {
            let arguments = Arguments::new(values, &["encoding", "errors"])?;
            match arguments.text_or("encoding", "utf-8")?.to_ascii_lowercase().as_str() {
                "utf-8" | "utf8" => Ok(Value::from_bytes(text.as_bytes().to_vec())),
                "ascii" if text.is_ascii() => Ok(Value::from_bytes(text.as_bytes().to_vec())),
                other => Err(wrong(format!("encoding {other} is not there"))),
            }
        }
        _ => translated(state, text, values),
    }
}

/// Python's `replace`, which puts the new text between all characters where the old one is empty.
pub(super) fn replaced(state: &State, text: &str, old: &str, new: &str, most: usize) -> Result<String, Error> {
    let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    pay(state, text.len().saturating_add(found.min(most).saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, most))
}

fn translated(state: &State, text: &str, values: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(values, &["table"])?;
    let table = arguments.get("table").ok_or_else(|| wrong("translate expected 1 argument"))?;
    let mut out = String::new();
    for character in text.chars() {
        let other = table.get_item(&Value::from(u32::from(character)))?;
        if let Some(text) = other.as_str() {
            pay(state, text.len())?;
            out.push_str(text);
        } else if let Some(code) = whole(&other) {
            out.extend(u32::try_from(code).ok().and_then(char::from_u32));
        } else if other.is_undefined() {
            out.push(character);
        }
    }
    Ok(Value::from(out))
}
