//! The methods of Python's `str` that look for a part of a text or take it apart.

use minijinja::value::{Tuple, Value};
use minijinja::{Error, State};

use super::python::{Arguments, is_space, wrong};

pub(super) fn strip(text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(values, &["chars"])?;
    let characters = match arguments.some("chars") {
        Some(_) => Some(arguments.text("chars")?),
        None => None,
    };
    let is_stripped =
        |character: char| characters.as_ref().map_or_else(|| is_space(character), |all| all.contains(character));
    Ok(Value::from(match method {
        "strip" => text.trim_matches(is_stripped),
        "lstrip" => text.trim_start_matches(is_stripped),
        _ => text.trim_end_matches(is_stripped),
    }))
}

pub(super) fn split(state: &State, text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    let parts: Vec<Value> = match method {
        "splitlines" => {
            let keeps_ends = Arguments::new(values, &["keepends"])?.flag("keepends");
            lines(text, keeps_ends).into_iter().map(Value::from).collect()
        }
        "partition" | "rpartition" => {
            let mark = Arguments::new(values, &["sep"])?.text("sep")?;
            if mark.is_empty() {
                return Err(wrong("empty separator"));
            }
            let found = if method == "partition" { text.split_once(&mark) } else { text.rsplit_once(&mark) };
            let parts = match found {
                Some((before, after)) => [before, &mark, after],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            return Ok(Value::from(Tuple::from(parts.map(Value::from))));
        }
        _ => {
            let arguments = Arguments::new(values, &["sep", "maxsplit"])?;
            let most = arguments.integer("maxsplit")?.and_then(|most| usize::try_from(most).ok());
            let most = most.unwrap_or(usize::MAX);
            let is_reverse = method == "rsplit";
            if arguments.some("sep").is_none() {
                words(text, most, is_reverse)
            } else {
                split_at(text, &arguments.text("sep")?, most, is_reverse)?
            }
        }
    };
    state.consume_fuel(parts.len() as u64)?;
    Ok(Value::from(parts))
}

/// The parts between marks, of which only so many are split off.
fn split_at(text: &str, mark: &str, most: usize, is_reverse: bool) -> Result<Vec<Value>, Error> {
    if mark.is_empty() {
        return Err(wrong("empty separator"));
    }
    let pieces = most.saturating_add(1);
    if !is_reverse {
        return Ok(text.splitn(pieces, mark).map(Value::from).collect());
    }
    let mut parts: Vec<_> = text.rsplitn(pieces, mark).map(Value::from).collect();
    parts.reverse();
    Ok(parts)
}

/// The words between white space, of which only so many are split off.
fn words(text: &str, most: usize, is_reverse: bool) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        rest = if is_reverse { rest.trim_end_matches(is_space) } else { rest.trim_start_matches(is_space) };
        if rest.is_empty() {
            break;
        }
        if parts.len() == most {
            parts.push(Value::from(rest));
            break;
        }
        let (word, others) = if is_reverse {
            let at = rest.char_indices().rev().find(|(_, c)| is_space(*c)).map_or(0, |(at, c)| at + c.len_utf8());
            let (others, word) = rest.split_at(at);
            (word, others)
        } else {
            rest.split_at(rest.find(is_space).unwrap_or(rest.len()))
        };
        parts.push(Value::from(word));
        rest = others;
    }
    if is_reverse {
        parts.reverse();
    }
    parts
}

/// A text's lines by all the ends of line that Python knows.
pub(super) fn lines(text: &str, keeps_ends: bool) -> Vec<&str> {
    let is_end =
        |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let tail = rest.get(at..).unwrap_or_default();
        let end = if tail.starts_with("\r\n") { 2 } else { tail.chars().next().map_or(1, char::len_utf8) };
        lines.push(rest.get(..if keeps_ends { at + end } else { at }).unwrap_or_default());
        rest = rest.get(at + end..).unwrap_or_default();
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Python's `start` and `end` as places in something of this length.
pub(super) fn bounds(arguments: &Arguments, end: &str, length: usize) -> Result<(usize, usize), Error> {
    let length = length as i64;
    let place = |given: Option<i64>, default: i64| match given {
        Some(place) if place < 0 => place.saturating_add(length).max(0),
        Some(place) => place,
        None => default,
    };
    let start = place(arguments.integer("start")?, 0);
    let end = place(arguments.integer(end)?, length).min(length);
    Ok((start.max(0) as usize, end.max(0) as usize))
}

pub(super) fn search(text: &str, method: &str, values: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(values, &["sub", "start", "end"])?;
    let length = text.chars().count();
    let (start, end) = bounds(&arguments, "end", length)?;
    // Where a character begins, in bytes.
    let byte = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    let within = (start <= end && start <= length).then(|| text.get(byte(start)..byte(end)).unwrap_or_default());
    if matches!(method, "startswith" | "endswith") {
        let wanted = arguments.get("sub").ok_or_else(|| wrong("at least 1 argument"))?;
        let candidates =
            if wanted.is_tuple() { wanted.try_iter()?.checked().collect::<Result<Vec<_>, _>>()? } else { vec![wanted] };
        let mut fits = false;
        for candidate in &candidates {
            let refused = || wrong(format!("{method} first arg must be str or a tuple of str"));
            let candidate = candidate.as_str().ok_or_else(refused)?;
            fits |= within.is_some_and(|text| match method {
                "startswith" => text.starts_with(candidate),
                _ => text.ends_with(candidate),
            });
        }
        return Ok(Value::from(fits));
    }
    let wanted = arguments.text("sub")?;
    if method == "count" {
        return Ok(Value::from(within.map_or(0, |text| text.matches(&wanted).count())));
    }
    let found = within.and_then(|text| if method.starts_with('r') { text.rfind(&wanted) } else { text.find(&wanted) });
    let place = found.map(|at| start + within.and_then(|text| text.get(..at)).map_or(0, |text| text.chars().count()));
    match place {
        Some(place) => Ok(Value::from(place)),
        None if method.ends_with("index") => Err(wrong("substring not found")),
        None => Ok(Value::from(-1)),
    }
}
