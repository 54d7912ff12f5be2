//! Values as Python writes them.
//!
//! Owned here: `str` and `repr` of what a template can hold, and how arguments are passed to what we add to minijinja.

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::value::{
    Enumerator, Kwargs, Object, ObjectRepr, Rest, Tuple, Value, ValueKind, ValueOrKwargs, from_args,
};
use minijinja::{Error, ErrorKind};

/// How deep a value that is written may nest.
pub(super) const MAX_DEPTH: usize = 200;

/// An error of the kind that Python calls a `TypeError` or `ValueError`.
pub(super) fn wrong(message: impl Into<String>) -> Error {
    let message: String = message.into();
    Error::new(ErrorKind::InvalidOperation, message)
}

/// What Python's `str` makes of a value.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Undefined => Ok(String::new()),
        _ => repr(value),
    }
}

/// What Python's `repr` makes of a value.
pub(super) fn repr(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write_repr(value, &mut out, 0)?;
    Ok(out)
}

fn write_repr(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(wrong("a value is nested too deep"));
    }
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(number) => out.push_str(&float(number)),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::String => write_quoted(value.as_str().unwrap_or_default(), value.is_safe(), out),
        ValueKind::Bytes => write_bytes(value.as_bytes().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable if is_list(value) => {
            let (open, close) = if value.is_tuple() { ("(", ")") } else { ("[", "]") };
            out.push_str(open);
            write_items(value, out, depth)?;
            if value.is_tuple() && value.len() == Some(1) {
                out.push(',');
            }
            out.push_str(close);
        }
        ValueKind::Map if is_dict(value) || is_namespace(value) => {
            out.push_str(if is_dict(value) { "{" } else { "<Namespace {" });
            for (index, key) in value.try_iter()?.checked().enumerate() {
                let key = key?;
                out.push_str(if index == 0 { "" } else { ", " });
                write_repr(&key, out, depth + 1)?;
                out.push_str(": ");
                write_repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push_str(if is_dict(value) { "}" } else { "}>" });
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

fn write_items(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    for (index, item) in value.try_iter()?.checked().enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        write_repr(&item?, out, depth + 1)?;
    }
    Ok(())
}

/// Whether a value is a list or a tuple: minijinja makes sums and multiples of lists as it goes over them.
pub(super) fn is_list(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Seq => true,
        ValueKind::Iterable => value.len().is_some() && value.downcast_object_ref::<DictView>().is_none(),
        _ => false,
    }
}

/// Whether a map is a plain one rather than a namespace, a macro or a loop.
pub(super) fn is_dict(value: &Value) -> bool {
    value.kind() == ValueKind::Map && value.as_object().is_some_and(|object| !is_engines_own(object.type_name()))
}

/// Whether a value is a macro.
pub(super) fn is_macro(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Macro"))
}

/// Whether a value is a namespace.
pub(super) fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

fn is_engines_own(type_name: &str) -> bool {
    ["::Macro", "::Namespace", "::Loop", "::Module"].iter().any(|end| type_name.ends_with(end))
}

/// Python's shortest form of a float that reads back as the same.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let scientific = format!("{number:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default();
    if (-4..16).contains(&exponent) || number == 0.0 {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let digits = scientific.split('e').next().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A text in quotes, with what can't be printed escaped.
fn write_quoted(text: &str, is_safe: bool, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push_str(if is_safe { "Markup(" } else { "" });
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if character == quote => out.extend(['\\', quote]),
            _ if is_printable(character) => out.push(character),
            _ => write_escape(character, out),
        }
    }
    out.push(quote);
    out.push_str(if is_safe { ")" } else { "" });
}

fn write_escape(character: char, out: &mut String) {
    let code = u32::from(character);
    // Writing to a string can't fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    out.push_str("b'");
    for byte in bytes {
        match byte {
            b'\\' | b'\'' => out.extend(['\\', char::from(*byte)]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => write_escape(char::from(*byte), out),
        }
    }
    out.push('\'');
}

/// What is beyond ASCII as escapes, as Python's `ascii` gives it.
pub(super) fn ascii(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            write_escape(character, &mut out);
        }
    }
    out
}

/// Python's `isprintable` of one character, but for what Unicode has left unassigned.
pub(super) fn is_printable(character: char) -> bool {
    let is_space = character.is_whitespace() && character != ' ';
    let is_format = matches!(u32::from(character),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x8e2 | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e
        | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xfff9..=0xfffb | 0xe0001..=0xe007f | 0xf0000..=0x0010_ffff);
    !(character.is_control() || is_space || is_format)
}

/// White space as Python's `str` knows it.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The arguments of a call, by place and by name.
pub(super) struct Arguments {
    placed: Vec<Value>,
    keywords: Kwargs,
    names: &'static [&'static str],
}

impl Arguments {
    /// A filter's or function's arguments: of these names in this order; more, or others, are an error.
    pub(super) fn of(values: Rest<ValueOrKwargs>, names: &'static [&'static str]) -> Result<Self, Error> {
        Self::new(&values.into_values(), names)
    }

    /// A method's arguments.
    pub(super) fn new(values: &[Value], names: &'static [&'static str]) -> Result<Self, Error> {
        let (placed, keywords): (&[Value], Kwargs) = from_args(values)?;
        let placed = placed.to_vec();
        if let Some(name) = keywords.args().find(|name| !names.contains(name)) {
            return Err(wrong(format!("unexpected argument `{name}`")));
        }
        if placed.len() > names.len() {
            return Err(wrong(format!("at most {} arguments, not {}", names.len(), placed.len())));
        }
        Ok(Self { placed, keywords, names })
    }

    /// The argument of this name, if it was given.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let place = self.names.iter().position(|one| *one == name)?;
        self.placed.get(place).cloned().or_else(|| self.keywords.peek::<Value>(name).ok())
    }

    /// As [`Arguments::get`], with `none` as if it were not given.
    pub(super) fn some(&self, name: &str) -> Option<Value> {
        self.get(name).filter(|value| !value.is_none())
    }

    /// All that were given and are not `none`, by their names.
    pub(super) fn by_name(&self) -> Kwargs {
        self.names.iter().filter_map(|name| Some(((*name).to_owned(), self.some(name)?))).collect()
    }

    /// A text that has to be given.
    pub(super) fn text(&self, name: &str) -> Result<String, Error> {
        let value = self.get(name).ok_or_else(|| wrong(format!("argument `{name}` is missing")))?;
        value.as_str().map(str::to_owned).ok_or_else(|| wrong(format!("`{name}` must be str, not {}", type_of(&value))))
    }

    /// A text that may be left out.
    pub(super) fn text_or(&self, name: &str, default: &str) -> Result<String, Error> {
        if self.get(name).is_some() { self.text(name) } else { Ok(default.to_owned()) }
    }

    /// A whole number that may be left out or be `none`.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.some(name) else { return Ok(None) };
        whole(&value).map(Some).ok_or_else(|| wrong(format!("`{name}` must be int, not {}", type_of(&value))))
    }

    /// Whether the argument is given and true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.is_true())
    }
}

/// An integer or boolean as a number; what is beyond 64 bits is as large as can be.
pub(super) fn whole(value: &Value) -> Option<i64> {
    if value.kind() == ValueKind::Bool {
        return Some(i64::from(value.is_true()));
    }
    if !value.is_integer() {
        return None;
    }
    let wide = i128::try_from(value.clone()).unwrap_or(i128::MAX);
    Some(i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX }))
}

/// The name of a value's type in Python.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq if value.is_tuple() => "tuple",
        _ if is_list(value) => "list",
        ValueKind::Map => "dict",
        ValueKind::Iterable => "generator",
        _ => "object",
    }
}

/// Which part of a dict.
#[derive(Debug, Clone, Copy)]
pub(super) enum DictPart {
    Keys,
    Values,
    Items,
}

/// What `keys`, `values` and `items` of a dict give.
#[derive(Debug)]
pub(super) struct DictView {
    pub(super) dict: Value,
    pub(super) part: DictPart,
}

impl DictView {
    fn items(&self) -> Vec<Value> {
        let Ok(keys) = self.dict.try_iter() else { return Vec::new() };
        let held = |key: &Value| self.dict.get_item(key).unwrap_or_default();
        keys.map(|key| match self.part {
            DictPart::Keys => key,
            DictPart::Values => held(&key),
            DictPart::Items => Value::from(Tuple::from([key.clone(), held(&key)])),
        })
        .collect()
    }
}

impl Object for DictView {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.dict.len()
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.part {
            DictPart::Keys => "dict_keys",
            DictPart::Values => "dict_values",
            DictPart::Items => "dict_items",
        };
        write!(f, "{name}({})", repr(&Value::from(self.items())).map_err(|_| std::fmt::Error)?)
    }
}
