//! Filters, tests and functions where Jinja2 has others than minijinja, or more.

use std::hash::{BuildHasher as _, Hasher as _};

use minijinja::value::{Kwargs, Rest, Tuple, Value, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, State, filters, functions, tests};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::methods;
use super::printf;
use super::python::{self, Arguments, DictView, MAX_DEPTH, is_space, type_of, wrong};
use super::{json, pieces, source};

/// Put all of them into an environment.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("tojson", json::to_json);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("string", |value: &Value| string(value));
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("list", list);
    environment.add_filter("sort", sort);
    environment.add_filter("unique", unique);
    environment.add_filter("trim", trim);
    environment.add_filter("replace", replace);
    environment.add_filter("indent", indent);
    environment.add_filter("center", center);
    environment.add_filter("format", format);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("forceescape", |value: &Value| Ok::<_, Error>(escaped(&python::text(value)?)));
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", wordcount);
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("xmlattr", xmlattr);
    environment.add_filter("pprint", |value: &Value| python::repr(value));
    environment.add_filter("random", random);
    environment.add_filter("attr", attr);
    environment.add_filter("map", map);
    environment.add_filter("striptags", minijinja_contrib::filters::striptags);
    environment.add_filter("filesizeformat", minijinja_contrib::filters::filesizeformat);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_test("callable", is_callable);
    environment.add_test("test", |state: &State, name: &Value| named(state, name, tests::is_test));
    environment.add_test("filter", |state: &State, name: &Value| named(state, name, tests::is_filter));
    // Not Jinja2's own.
    for name in ["startingwith", "endingwith", "int", "safe"] {
        environment.remove_test(name);
    }
    for name in ["split", "lines", "bool", "chain", "zip"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    environment.add_function("dict", dict);
    environment.add_function("namespace", namespace);
    environment.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.to_vec()));
    environment.add_function("joiner", |mark: Option<Value>| {
        minijinja_contrib::globals::joiner(Some(mark.unwrap_or_else(|| Value::from(", "))))
    });
    environment.add_function(source::REMAINDER, |state: &State, left: &Value, right: &Value| {
        printf::remainder(state, left, right)
    });
    environment.add_function(source::EACH, each);
    environment.add_function(source::HELD, |state: &State, value: Value| held(state, value, true));
    environment.add_function(source::KEPT, |state: &State, value: Value| held(state, value, false));
}

fn named(state: &State, name: &Value, is: fn(&State, &str) -> bool) -> bool {
    name.as_str().is_some_and(|name| is(state, name))
}

/// What a loop goes over: Python's `iter` refuses what holds nothing.
fn each(value: Value) -> Result<Value, Error> {
    if is_iterable(&value) { Ok(value) } else { Err(wrong(format!("'{}' object is not iterable", type_of(&value)))) }
}

/// What is given a name. Loops could nest values deeper and deeper, until to write or drop one overflows the stack; a
/// namespace in a namespace could even hold itself.
fn held(state: &State, value: Value, may_hold_namespaces: bool) -> Result<Value, Error> {
    // What is made as it is gone over would nest unseen.
    let is_lazy = value.kind() == ValueKind::Iterable && value.downcast_object_ref::<DictView>().is_none();
    let value = if is_lazy { filters::list(state, value)? } else { value };
    let mut level = vec![value.clone()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for value in level {
            if !may_hold_namespaces && python::is_namespace(&value) {
                return Err(wrong("a namespace can't hold a namespace"));
            }
            if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
                state.consume_fuel(value.len().unwrap_or_default() as u64 / 8 + 1)?;
                for item in value.try_iter()?.checked() {
                    let item = item?;
                    next.extend((value.kind() == ValueKind::Map).then(|| value.get_item(&item)).transpose()?);
                    next.push(item);
                }
            }
        }
        if next.is_empty() {
            return Ok(value);
        }
        level = next;
    }
    Err(wrong("a value is nested too deep"))
}

fn is_iterable(value: &Value) -> bool {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::Plain => false,
        ValueKind::Map => python::is_dict(value) || value.try_iter().is_ok() && !python::is_macro(value),
        _ => value.is_undefined() || value.try_iter().is_ok(),
    }
}

/// What has a length and items by their place or key: texts and dicts as well.
fn is_sequence(value: &Value) -> bool {
    match value.kind() {
        ValueKind::String | ValueKind::Bytes | ValueKind::Undefined => true,
        ValueKind::Map => python::is_dict(value),
        _ => python::is_list(value),
    }
}

fn is_callable(value: &Value) -> bool {
    value.is_undefined()
        || python::is_macro(value)
        || value.kind() == ValueKind::Plain
            && value.as_object().is_some_and(|object| !object.type_name().ends_with("::Cycler"))
}

fn int(value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["default", "base"])?;
    let default = || arguments.get("default").unwrap_or_else(|| Value::from(0));
    let base = arguments.integer("base")?.unwrap_or(10);
    match value.kind() {
        ValueKind::Undefined => Err(wrong("an undefined value is not a number")),
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Ok(value.clone()),
        ValueKind::Number => Ok(truncated(f64::try_from(value.clone())?).unwrap_or_else(default)),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let number = integer(text, base).or_else(|| truncated(real(text)?));
            Ok(number.unwrap_or_else(default))
        }
        _ => Ok(default()),
    }
}

/// A float without its decimals.
fn truncated(number: f64) -> Option<Value> {
    number.is_finite().then(|| Value::from(number as i128))
}

/// Python's `int` of a text.
fn integer(text: &str, base: i64) -> Option<Value> {
    let text = text.trim_matches(is_space);
    let (is_negative, digits) =
        text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |digits| (true, digits));
    let lower = digits.to_ascii_lowercase();
    let prefixed = |mark: &str| lower.strip_prefix(mark).map(|digits| digits.strip_prefix('_').unwrap_or(digits));
    let (base, digits) = match (base, prefixed("0x"), prefixed("0o"), prefixed("0b")) {
        (16 | 0, Some(digits), ..) => (16, digits),
        (8 | 0, _, Some(digits), _) => (8, digits),
        (2 | 0, .., Some(digits)) => (2, digits),
        (0, ..) if lower.len() > 1 && lower.starts_with('0') && !lower.trim_matches(['0', '_']).is_empty() => {
            return None;
        }
        (0, ..) => (10, lower.as_str()),
        (2..=36, ..) => (base as u32, lower.as_str()),
        _ => return None,
    };
    let digits = without_underscores(digits)?;
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(&digits, base).ok()?;
    Some(Value::from(if is_negative { -number } else { number }))
}

/// A number's text without the underscores between its digits; `None` where they stand elsewhere.
fn without_underscores(text: &str) -> Option<String> {
    let is_misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    (!is_misplaced && !text.is_empty()).then(|| text.replace('_', ""))
}

/// Python's `float` of a text.
fn real(text: &str) -> Option<f64> {
    without_underscores(text.trim_matches(is_space))?.parse().ok()
}

fn float(value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["default"])?;
    let number = match value.kind() {
        ValueKind::Undefined => return Err(wrong("an undefined value is not a number")),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => Some(f64::try_from(value.clone())?),
        ValueKind::String => real(value.as_str().unwrap_or_default()),
        _ => None,
    };
    let default = || arguments.get("default").unwrap_or_else(|| Value::from(0.0));
    Ok(number.map_or_else(default, Value::from))
}

fn string(value: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String { Ok(value.clone()) } else { python::text(value).map(Value::from) }
}

fn default(value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["default_value", "boolean"])?;
    if value.is_undefined() || arguments.flag("boolean") && !value.is_true() {
        return Ok(arguments.get("default_value").unwrap_or_else(|| Value::from("")));
    }
    Ok(value.clone())
}

fn list(state: &State, value: Value) -> Result<Value, Error> {
    filters::list(state, each(value)?)
}

fn sort(state: &State, value: Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["reverse", "case_sensitive", "attribute"])?;
    let value = each(value)?;
    if arguments.get("attribute").is_none() && value.kind() == ValueKind::Seq {
        let mut kinds = value.try_iter()?.map(|item| match item.kind() {
            ValueKind::Bool => ValueKind::Number,
            kind => kind,
        });
        let first = kinds.next();
        if let Some(other) = kinds.find(|kind| Some(*kind) != first) {
            return Err(wrong(format!("'<' not supported between {} and {other}", first.unwrap_or(other))));
        }
    }
    filters::sort(state, value, arguments.by_name())
}

fn unique(state: &State, value: Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["case_sensitive", "attribute"])?;
    filters::unique(state, each(value)?, arguments.by_name())
}

fn trim(state: &mut State, value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    methods::call(state, &Value::from(python::text(value)?), "strip", &values.into_values())
}

fn replace(state: &State, value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["old", "new", "count"])?;
    let text_of = |name| {
        let value = arguments.get(name).ok_or_else(|| wrong(format!("argument `{name}` is missing")))?;
        python::text(&value)
    };
    let most = arguments.integer("count")?.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    methods::replaced(state, &python::text(value)?, &text_of("old")?, &text_of("new")?, most).map(Value::from)
}

fn indent(state: &State, value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["width", "first", "blank"])?;
    let indention = match arguments.some("width") {
        Some(width) if width.as_str().is_some() => width.as_str().unwrap_or_default().to_owned(),
        _ => " ".repeat(arguments.integer("width")?.unwrap_or(4).clamp(0, 4096) as usize),
    };
    // A text that ends with a line break has one empty line more.
    let text = python::text(value)? + "\n";
    let lines = pieces::lines(&text, false);
    printf::pay(state, lines.len().saturating_mul(indention.len()))?;
    let mut out = String::with_capacity(text.len());
    for (index, line) in lines.into_iter().enumerate() {
        let is_indented =
            if index == 0 { arguments.flag("first") } else { arguments.flag("blank") || !line.is_empty() };
        out.push_str(if index == 0 { "" } else { "\n" });
        out.push_str(if is_indented { &indention } else { "" });
        out.push_str(line);
    }
    Ok(Value::from(out))
}

fn center(state: &mut State, value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let width = Arguments::of(values, &["width"])?.integer("width")?.unwrap_or(80);
    methods::call(state, &Value::from(python::text(value)?), "center", &[Value::from(width)])
}

fn format(state: &State, value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let values = values.into_values();
    let (placed, named): (&[Value], Kwargs) = from_args(&values)?;
    let has_names = named.args().next().is_some();
    if has_names && !placed.is_empty() {
        return Err(wrong("can't handle positional and keyword arguments at the same time"));
    }
    let given = if has_names {
        Value::from_pairs(named.args().map(|name| (name.to_owned(), named.peek::<Value>(name).unwrap_or_default())))
    } else {
        Value::from(Tuple::from(placed))
    };
    printf::remainder(state, &Value::from(python::text(value)?), &given)
}

fn escaped(text: &str) -> Value {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Value::from_safe_string(text.replace('\'', "&#39;").replace('"', "&#34;"))
}

fn escape(value: &Value) -> Result<Value, Error> {
    if value.is_safe() { Ok(value.clone()) } else { Ok(escaped(&python::text(value)?)) }
}

fn truncate(value: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments = Arguments::of(values, &["length", "killwords", "end", "leeway"])?;
    let text = python::text(value)?;
    let length = arguments.integer("length")?.unwrap_or(255).max(0) as usize;
    let leeway = arguments.integer("leeway")?.unwrap_or(5).max(0) as usize;
    let end = arguments.text_or("end", "...")?;
    let kept = length.checked_sub(end.chars().count()).ok_or_else(|| wrong("expected a length above that of `end`"))?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(Value::from(text));
    }
    let kept: String = text.chars().take(kept).collect();
    let kept =
        if arguments.flag("killwords") { &kept } else { kept.rsplit_once(' ').map_or(&*kept, |(words, _)| words) };
    Ok(Value::from(format!("{kept}{end}")))
}

fn wordcount(value: &Value) -> Result<usize, Error> {
    let text = python::text(value)?;
    Ok(text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty()).count())
}

/// What Python's `urllib.parse.quote` leaves as it is, in a query; in a path a slash as well.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

fn quoted(text: &str, is_query: bool) -> String {
    if !is_query {
        return utf8_percent_encode(text, PATH).to_string();
    }
    let words: Vec<String> = text.split(' ').map(|word| utf8_percent_encode(word, QUERY).to_string()).collect();
    words.join("+")
}

fn urlencode(value: &Value) -> Result<String, Error> {
    let is_pairs = matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable);
    if !is_pairs {
        return Ok(quoted(&python::text(value)?, false));
    }
    let mut parts = Vec::new();
    for item in value.try_iter()?.checked() {
        let item = item?;
        let (key, held) = if value.kind() == ValueKind::Map {
            let held = value.get_item(&item)?;
            (item, held)
        } else {
            (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
        };
        parts.push(format!("{}={}", quoted(&python::text(&key)?, true), quoted(&python::text(&held)?, true)));
    }
    Ok(parts.join("&"))
}

fn xmlattr(value: &Value, autospace: Option<bool>) -> Result<String, Error> {
    let mut parts = Vec::new();
    for key in value.try_iter()?.checked() {
        let key = key?;
        let held = value.get_item(&key)?;
        if held.is_none() || held.is_undefined() {
            continue;
        }
        let name = python::text(&key)?;
        if name.contains(|c: char| is_space(c) || matches!(c, '/' | '>' | '=')) {
            return Err(wrong(format!("invalid character in attribute name: {name:?}")));
        }
        parts.push(format!("{}=\"{}\"", escaped(&name), escape(&held)?));
    }
    let space = if autospace.unwrap_or(true) && !parts.is_empty() { " " } else { "" };
    Ok(format!("{space}{}", parts.join(" ")))
}

fn random(value: &Value) -> Result<Value, Error> {
    let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
    // The standard library's keys of hash tables are random.
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let place = drawn.checked_rem(items.len() as u64).unwrap_or_default();
    Ok(usize::try_from(place).ok().and_then(|place| items.get(place).cloned()).unwrap_or(Value::UNDEFINED))
}

/// As minijinja's, with the named arguments of the filter that it applies.
fn map(state: &mut State, value: Value, values: Rest<ValueOrKwargs>) -> Result<Vec<Value>, Error> {
    let given = values.into_values();
    let (placed, named): (&[Value], Kwargs) = from_args(&given)?;
    let applied = placed.first().and_then(Value::as_str).filter(|_| named.args().next().is_some());
    let Some(filter) = applied else {
        return filters::map(state, each(value)?, Rest(given.into_iter().map(ValueOrKwargs::from).collect()));
    };
    let mut made = Vec::new();
    for item in each(value)?.try_iter()?.checked() {
        state.consume_fuel(1)?;
        let mut arguments = given.clone();
        if let Some(first) = arguments.first_mut() {
            *first = item?;
        }
        made.push(state.apply_filter(filter, &arguments)?);
    }
    Ok(made)
}

/// An attribute, which a dict's item is not.
fn attr(value: &Value, name: &str) -> Result<Value, Error> {
    if python::is_dict(value) { Ok(Value::UNDEFINED) } else { value.get_attr(name) }
}

/// Pairs of a mapping, or of a list of pairs.
fn pairs_of(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let mut pairs = Vec::new();
    for item in value.try_iter()?.checked() {
        let item = item?;
        if value.kind() == ValueKind::Map {
            let held = value.get_item(&item)?;
            pairs.push((item, held));
        } else {
            match item.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?.as_slice() {
                [key, held] => pairs.push((key.clone(), held.clone())),
                other => return Err(wrong(format!("an element has length {}; 2 is required", other.len()))),
            }
        }
    }
    Ok(pairs)
}

fn dict(values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let values = values.into_values();
    let (placed, named): (&[Value], Kwargs) = from_args(&values)?;
    let mut pairs = match placed {
        [] => Vec::new(),
        [value] => pairs_of(value)?,
        _ => return Err(wrong(format!("dict expected at most 1 argument, got {}", placed.len()))),
    };
    for name in named.args() {
        pairs.push((Value::from(name), whole_value(&named, name)));
    }
    Ok(Value::from_pairs(pairs))
}

fn whole_value(named: &Kwargs, name: &str) -> Value {
    named.peek::<Value>(name).unwrap_or_default()
}

fn namespace(values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    functions::namespace(Some(ValueOrKwargs::from(dict(values)?)))
}
