//! `tojson` as transformers has it: Python's `json.dumps` with its options, without escapes for HTML.

use std::fmt::Write as _;

use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Error, State};

use super::python::{self, Arguments, MAX_DEPTH, wrong};

/// The longest indentation of one level.
const MAX_INDENT: i64 = 64;

/// The filter.
pub(super) fn to_json(state: &State, value: &Value, options: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let options = Arguments::of(options, &["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let indent = match options.some("indent") {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) if text.len() <= 64 => text.to_owned(),
            Some(_) => return Err(wrong("`indent` is too long")),
            None => " ".repeat(options.integer("indent")?.unwrap_or_default().clamp(0, MAX_INDENT) as usize),
        }),
    };
    let mut separators = (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned());
    if let Some(pair) = options.some("separators") {
        let pair = pair.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
        match pair.iter().map(Value::as_str).collect::<Vec<_>>()[..] {
            [Some(item), Some(key)] if item.len() <= 64 && key.len() <= 64 => {
                separators = (item.to_owned(), key.to_owned());
            }
            _ => return Err(wrong("`separators` must be two texts")),
        }
    }
    let mut writer = Writer {
        state,
        out: String::new(),
        paid: 0,
        indent,
        item: separators.0,
        key: separators.1,
        is_ascii: options.flag("ensure_ascii"),
        is_sorted: options.flag("sort_keys"),
    };
    writer.write(value, 0)?;
    Ok(Value::from(writer.out))
}

struct Writer<'a> {
    state: &'a State<'a, 'a>,
    out: String,
    /// What of the output the fuel has paid for.
    paid: usize,
    indent: Option<String>,
    /// Between two items.
    item: String,
    /// Between a key and its value.
    key: String,
    is_ascii: bool,
    is_sorted: bool,
}

impl Writer<'_> {
    fn write(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(wrong("a value is nested too deep"));
        }
        if self.out.len() > self.paid + 4096 {
            // An item costs more than its bytes.
            self.state.consume_fuel((self.out.len() - self.paid) as u64 / 8)?;
            self.paid = self.out.len();
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.write_text(value.as_str().unwrap_or_default()),
            _ if python::is_list(value) => {
                let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
                self.write_all('[', ']', &items, depth, Self::write)?;
            }
            ValueKind::Map if python::is_dict(value) => self.write_map(value, depth)?,
            _ => return Err(wrong(format!("object of type {} is not JSON serializable", python::type_of(value)))),
        }
        Ok(())
    }

    fn write_map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut pairs = Vec::new();
        for key in value.try_iter()?.checked() {
            let key = key?;
            let held = value.get_item(&key)?;
            pairs.push((key_text(&key)?, held));
        }
        if self.is_sorted {
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        self.write_all('{', '}', &pairs, depth, |this, (key, held), depth| {
            this.write_text(key);
            this.out.push_str(&this.key.clone());
            this.write(held, depth)
        })
    }

    fn write_all<T>(
        &mut self,
        open: char,
        close: char,
        items: &[T],
        depth: usize,
        write: impl Fn(&mut Self, &T, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push_str(&self.item.clone());
            }
            self.begin_line(depth + 1);
            write(self, item, depth + 1)?;
        }
        if !items.is_empty() {
            self.begin_line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn begin_line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            (0..depth).for_each(|_| self.out.push_str(indent));
        }
    }

    fn write_text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                '\0'..='\x1f' => self.write_escape(character),
                '\x7f'.. if self.is_ascii => self.write_escape(character),
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }

    fn write_escape(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string can't fail.
            let _ = write!(self.out, "\\u{unit:04x}");
        }
    }
}

fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(number) if !value.is_integer() => match number {
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            _ if number.is_nan() => "NaN".to_owned(),
            _ => python::float(number),
        },
        _ => value.to_string(),
    }
}

/// A key as JSON's text: Python takes numbers, booleans and `none` as well.
fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(number(key)),
        _ => Err(wrong(format!("keys must be str, int, float, bool or None, not {}", python::type_of(key)))),
    }
}
