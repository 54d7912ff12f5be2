//! Python's two ways of formatting: `%` on a text, and `str.format`.

use minijinja::formatting::{self, FormatStyle};
use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Error, State};

use super::python::{self, type_of, whole, wrong};

/// The widest field, and the most decimals.
const MAX_WIDTH: usize = 1_000_000;
/// How deep formats may nest: a field in a field's format, which has an empty format of its own, and no deeper.
const MAX_FIELDS: usize = 3;

/// What stands for the operator `%`: the remainder of numbers, or a text with its fields filled in.
pub(super) fn remainder(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some(format) = left.as_str() {
        return percent(state, format, right).map(Value::from);
    }
    let number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if !number(left) || !number(right) {
        return Err(wrong(format!("unsupported operand types for %: {} and {}", type_of(left), type_of(right))));
    }
    let zero = || wrong("modulo by zero");
    let is_float = |value: &Value| value.kind() == ValueKind::Number && !value.is_integer();
    if is_float(left) || is_float(right) {
        let (left, divisor) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
        if divisor == 0.0 {
            return Err(zero());
        }
        let rest = left % divisor;
        let rest = if rest != 0.0 && (rest < 0.0) != (divisor < 0.0) { rest + divisor } else { rest };
        return Ok(Value::from(if rest == 0.0 { 0.0_f64.copysign(divisor) } else { rest }));
    }
    let (left, divisor) = (i128::try_from(left.clone())?, i128::try_from(right.clone())?);
    let rest = left.checked_rem(divisor).ok_or_else(zero)?;
    Ok(Value::from(if rest != 0 && (rest < 0) != (divisor < 0) { rest + divisor } else { rest }))
}

/// One `%` field.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "Python's flags")]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// What the fields of a format are filled with.
struct Given<'a> {
    /// The one value, or the items of a tuple.
    items: Vec<Value>,
    map: Option<&'a Value>,
    next: usize,
}

impl Given<'_> {
    fn take(&mut self) -> Result<Value, Error> {
        self.next += 1;
        self.items.get(self.next - 1).cloned().ok_or_else(|| wrong("not enough arguments for format string"))
    }

    /// A width or a precision: digits, or `*` for a value.
    fn size(&mut self, format: &mut &str) -> Result<Option<i64>, Error> {
        if let Some(rest) = format.strip_prefix('*') {
            *format = rest;
            return whole(&self.take()?).map(Some).ok_or_else(|| wrong("* wants int"));
        }
        let digits = format.len() - format.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = format.split_at(digits);
        *format = rest;
        Ok((digits > 0).then(|| number.parse().unwrap_or(i64::MAX)))
    }
}

/// Python's `format % values`.
fn percent(state: &State, format: &str, values: &Value) -> Result<String, Error> {
    let items = if values.is_tuple() {
        values.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?
    } else {
        vec![values.clone()]
    };
    // Where there is no field, a mapping or a list may be left over, as in Python.
    let is_open = matches!(values.kind(), ValueKind::Map) || values.kind() == ValueKind::Seq && !values.is_tuple();
    let map = (values.kind() == ValueKind::Map).then_some(values);
    let mut given = Given { items, map, next: 0 };
    let mut used_map = false;
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, field)) = rest.split_once('%') {
        out.push_str(before);
        rest = field;
        let mut value = None;
        if let Some(named) = rest.strip_prefix('(') {
            let (name, after) = named.split_once(')').ok_or_else(|| wrong("incomplete format key"))?;
            let map = given.map.ok_or_else(|| wrong("format requires a mapping"))?;
            let found = map.get_item(&Value::from(name))?;
            if found.is_undefined() {
                return Err(wrong(format!("no key '{name}' for the format")));
            }
            (value, rest, used_map) = (Some(found), after, true);
        }
        let spec = spec(&mut rest, &mut given)?;
        // Such a length has no meaning in Python.
        rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
        let conversion = rest.chars().next().ok_or_else(|| wrong("incomplete format"))?;
        rest = rest.get(conversion.len_utf8()..).unwrap_or_default();
        if conversion == '%' {
            out.push('%');
            continue;
        }
        let value = value.map_or_else(|| given.take(), Ok)?;
        pay(state, spec.width.max(spec.precision.unwrap_or_default()))?;
        let field = convert(&spec, conversion, &value)?;
        pay(state, field.len())?;
        out.push_str(&field);
    }
    out.push_str(rest);
    if given.next < given.items.len() && !is_open && !used_map {
        return Err(wrong("not all arguments converted during string formatting"));
    }
    Ok(out)
}

fn spec(format: &mut &str, given: &mut Given) -> Result<Spec, Error> {
    let mut spec = Spec::default();
    while let Some(flag) = format.chars().next() {
        match flag {
            '-' => spec.left = true,
            '+' => spec.plus = true,
            ' ' => spec.space = true,
            '0' => spec.zero = true,
            '#' => spec.alternate = true,
            _ => break,
        }
        *format = format.get(1..).unwrap_or_default();
    }
    let width = given.size(format)?.unwrap_or_default();
    spec.left |= width < 0;
    spec.width = bounded(width.saturating_abs())?;
    if let Some(rest) = format.strip_prefix('.') {
        *format = rest;
        spec.precision = Some(bounded(given.size(format)?.unwrap_or_default().max(0))?);
    }
    Ok(spec)
}

fn bounded(size: i64) -> Result<usize, Error> {
    usize::try_from(size).ok().filter(|size| *size <= MAX_WIDTH).ok_or_else(|| wrong("a field is too wide"))
}

/// Let the fuel pay for bytes before they are made.
pub(super) fn pay(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(bytes as u64 / 64 + 1)
}

fn convert(spec: &Spec, conversion: char, value: &Value) -> Result<String, Error> {
    let plain = |text: String| {
        let text = spec.precision.map_or_else(|| text.clone(), |most| text.chars().take(most).collect());
        Ok(padded(spec, "", &text, false))
    };
    match conversion {
        's' => plain(python::text(value)?),
        'r' => plain(python::repr(value)?),
        'a' => plain(python::ascii(&python::repr(value)?)),
        'c' => plain(character(value)?),
        'd' | 'i' | 'u' => {
            let number = integer(value, true)?;
            let digits = number.unsigned_abs().to_string();
            Ok(signed(spec, number < 0, "", &at_least(&digits, spec.precision)))
        }
        'x' | 'X' | 'o' => {
            let number = integer(value, false)?;
            let size = number.unsigned_abs();
            let (prefix, digits) = match conversion {
                'x' => ("0x", format!("{size:x}")),
                'X' => ("0X", format!("{size:X}")),
                _ => ("0o", format!("{size:o}")),
            };
            let prefix = if spec.alternate { prefix } else { "" };
            Ok(signed(spec, number < 0, prefix, &at_least(&digits, spec.precision)))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let is_number = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
            let number = if is_number { f64::try_from(value.clone()).ok() } else { None };
            let number = number
                .or_else(|| whole(value).map(|number| number as f64))
                .ok_or_else(|| wrong(format!("must be real number, not {}", type_of(value))))?;
            let text = float(conversion.to_ascii_lowercase(), number.abs(), spec);
            let text = if conversion.is_ascii_uppercase() { text.to_uppercase() } else { text };
            Ok(signed(spec, number.is_sign_negative() && !number.is_nan(), "", &text))
        }
        other => Err(wrong(format!("unsupported format character '{other}'"))),
    }
}

fn character(value: &Value) -> Result<String, Error> {
    let one = |text: &&str| text.chars().count() == 1;
    if let Some(text) = value.as_str() {
        return Some(text).filter(one).map(str::to_owned).ok_or_else(|| wrong("%c requires int or char"));
    }
    let code = whole(value).and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32);
    code.map(String::from).ok_or_else(|| wrong("%c arg not in range"))
}

fn integer(value: &Value, takes_floats: bool) -> Result<i128, Error> {
    let refused = || wrong(format!("%d format: a real number is required, not {}", type_of(value)));
    match value.kind() {
        ValueKind::Bool => Ok(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()),
        ValueKind::Number if takes_floats => {
            let number = f64::try_from(value.clone())?;
            if number.is_finite() { Ok(number as i128) } else { Err(refused()) }
        }
        _ => Err(refused()),
    }
}

fn at_least(digits: &str, precision: Option<usize>) -> String {
    format!("{}{digits}", "0".repeat(precision.unwrap_or_default().saturating_sub(digits.len())))
}

fn signed(spec: &Spec, is_negative: bool, prefix: &str, digits: &str) -> String {
    let sign = match (is_negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    padded(spec, &format!("{sign}{prefix}"), digits, spec.zero)
}

fn padded(spec: &Spec, before: &str, text: &str, with_zeros: bool) -> String {
    let missing = spec.width.saturating_sub(before.chars().count() + text.chars().count());
    match (spec.left, with_zeros) {
        (true, _) => format!("{before}{text}{}", " ".repeat(missing)),
        (_, true) => format!("{before}{}{text}", "0".repeat(missing)),
        _ => format!("{}{before}{text}", " ".repeat(missing)),
    }
}

/// A number without its sign, as C's `printf` writes it.
fn float(conversion: char, number: f64, spec: &Spec) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    // Rust's formatting takes no more.
    let precision = spec.precision.unwrap_or(6).min(usize::from(u16::MAX));
    let scientific = |precision: usize| {
        let text = format!("{number:.precision$e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        (digits.to_owned(), exponent)
    };
    let with_exponent =
        |digits: &str, exponent: i32| format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    match conversion {
        'f' => format!("{number:.precision$}"),
        'e' => {
            let (digits, exponent) = scientific(precision);
            with_exponent(&digits, exponent)
        }
        _ => {
            let precision = precision.max(1);
            let (digits, exponent) = scientific(precision - 1);
            let trim = |text: String| {
                if spec.alternate || !text.contains('.') {
                    text
                } else {
                    text.trim_end_matches('0').trim_end_matches('.').to_owned()
                }
            };
            if exponent < -4 || i64::from(exponent) >= precision as i64 {
                with_exponent(&trim(digits), exponent)
            } else {
                let decimals = usize::try_from(precision as i64 - 1 - i64::from(exponent)).unwrap_or_default();
                trim(format!("{number:.decimals$}"))
            }
        }
    }
}

/// Python's `str.format`, with what it is called with.
pub(super) fn format(state: &State, text: &str, values: &[Value]) -> Result<String, Error> {
    let (placed, named): (&[Value], Kwargs) = from_args(values)?;
    let mut next = Some(0);
    fill(state, text, placed, &named, &mut next, 0)
}

/// Fill the fields of a format. `next` counts those without a name; `None` after the first that has a number.
fn fill(
    state: &State,
    text: &str,
    placed: &[Value],
    named: &Kwargs,
    next: &mut Option<usize>,
    depth: usize,
) -> Result<String, Error> {
    if depth >= MAX_FIELDS {
        return Err(wrong("max string recursion exceeded"));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let bracket = rest.get(at..=at).unwrap_or_default();
        let after = rest.get(at + 1..).unwrap_or_default();
        if let Some(after) = after.strip_prefix(bracket) {
            out.push_str(bracket);
            rest = after;
            continue;
        }
        if bracket == "}" {
            return Err(wrong("single '}' encountered in format string"));
        }
        let end = closing(after).ok_or_else(|| wrong("expected '}' before end of string"))?;
        let (field, after) = (after.get(..end).unwrap_or_default(), after.get(end + 1..).unwrap_or_default());
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = name.split_once('!').map_or((name, None), |(name, how)| (name, Some(how)));
        let value = lookup(name, placed, named, next)?;
        let spec = fill(state, spec, placed, named, next, depth + 1)?;
        let field = field_text(state, &value, conversion, &spec)?;
        pay(state, field.len())?;
        out.push_str(&field);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the bracket closes that was just opened.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn lookup(name: &str, placed: &[Value], named: &Kwargs, next: &mut Option<usize>) -> Result<Value, Error> {
    let first = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut path) = name.split_at(first);
    let missing = || wrong(format!("no value for the field '{name}'"));
    let mut value = if first.is_empty() || first.bytes().all(|byte| byte.is_ascii_digit()) {
        let place = if first.is_empty() {
            let place = next.ok_or_else(|| wrong("cannot switch from manual field specification"))?;
            *next = Some(place + 1);
            place
        } else {
            *next = None;
            first.parse().unwrap_or(usize::MAX)
        };
        placed.get(place).cloned().ok_or_else(missing)?
    } else {
        named.peek::<Value>(first).map_err(|_| missing())?
    };
    while !path.is_empty() {
        if let Some(item) = path.strip_prefix('[') {
            let (key, after) = item.split_once(']').ok_or_else(missing)?;
            let key = key.parse::<usize>().map_or_else(|_| Value::from(key), Value::from);
            value = value.get_item(&key)?;
            path = after;
        } else {
            let name = path.trim_start_matches('.');
            let end = name.find(['.', '[']).unwrap_or(name.len());
            // No attributes of Python's objects are reached from here.
            value = if name.starts_with('_') {
                Value::UNDEFINED
            } else {
                value.get_attr(name.get(..end).unwrap_or_default())?
            };
            path = name.get(end..).unwrap_or_default();
        }
    }
    Ok(value)
}

fn field_text(state: &State, value: &Value, conversion: Option<&str>, spec: &str) -> Result<String, Error> {
    let value = match conversion {
        None => value.clone(),
        Some("s") => Value::from(python::text(value)?),
        Some("r") => Value::from(python::repr(value)?),
        Some("a") => Value::from(python::ascii(&python::repr(value)?)),
        Some(other) => return Err(wrong(format!("unknown conversion specifier '{other}'"))),
    };
    if spec.is_empty() {
        return python::text(&value);
    }
    if !matches!(value.kind(), ValueKind::Number | ValueKind::Bool | ValueKind::String) {
        return Err(wrong(format!("unsupported format string passed to {}.__format__", type_of(&value))));
    }
    for digits in spec.split(|c: char| !c.is_ascii_digit()) {
        pay(state, if digits.is_empty() { 0 } else { bounded(digits.parse().unwrap_or(i64::MAX))? })?;
    }
    if let (Some(before), true) = (spec.strip_suffix('%'), value.kind() != ValueKind::String) {
        let percent = Value::from(f64::try_from(value)? * 100.0);
        let width = before.split('.').next().unwrap_or_default();
        let decimals = before.split_once('.').map_or("6", |(_, decimals)| decimals);
        // One column is the sign's.
        let text = formatting::format(FormatStyle::StrFormat, &format!("{{:.{decimals}f}}"), &[percent])? + "%";
        return formatting::format(FormatStyle::StrFormat, &format!("{{:>{width}}}"), &[Value::from(text)]);
    }
    formatting::format(FormatStyle::StrFormat, &format!("{{:{spec}}}"), &[value])
}
