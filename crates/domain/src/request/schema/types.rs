//! A schema of one type: objects, lists, texts, numbers, and the values that are listed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::error::SchemaError;
use super::pattern;
use super::reference::join;
use super::rewrite::{Never, Node, Rewriter, never};

/// The most optional properties of one object: the converter takes time with their third power.
const MAX_OPTIONAL: usize = 150;
/// The longest text, and the most items, that are held: each takes llama.cpp a rule.
const MAX_TIMES: u64 = 500;
/// Beyond this, llama.cpp's converter does not count.
const MAX_INTEGER: f64 = 1e15;

impl Rewriter<'_> {
    /// A schema without references and branches.
    pub(super) fn plain(&mut self, object: &Map<String, Value>, at: &str, depth: usize) -> Result<Node, SchemaError> {
        let types: Option<Vec<&str>> = match object.get("type") {
            Some(Value::String(name)) => Some(vec![name]),
            Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str).collect()),
            _ => None,
        };
        if let Some(values) = values(object) {
            let fits = |value: &&Value| types.as_ref().is_none_or(|types| types.iter().any(|name| is_of(value, name)));
            let kept: Vec<&Value> = values.into_iter().filter(fits).collect();
            let keyword = if object.contains_key("const") { "const" } else { "enum" };
            return Ok(match kept.as_slice() {
                [] => never(&join(at, keyword), &format!("no value of `{keyword}` is left")),
                [value] => Ok(json!({ "const": value })),
                values => Ok(json!({ "enum": values })),
            });
        }
        let types = types.or_else(|| implied(object).map(|name| vec![name]));
        let Some(types) = types else { return Ok(Ok(json!({}))) };
        let mut kept: Vec<Value> = Vec::new();
        let mut last = Never { at: join(at, "type"), reason: "`type` names none".to_owned() };
        for name in &types {
            // A number may be whole.
            if *name == "integer" && types.contains(&"number") {
                continue;
            }
            match self.typed(object, name, at, depth)? {
                Ok(node) if !kept.contains(&node) => kept.push(node),
                Ok(_) => {}
                Err(never) => last = never,
            }
        }
        Ok(match kept.len() {
            0 => Err(last),
            1 => kept.pop().ok_or(last),
            _ => Ok(json!({ "anyOf": kept })),
        })
    }

    fn typed(&mut self, object: &Map<String, Value>, name: &str, at: &str, depth: usize) -> Result<Node, SchemaError> {
        match name {
            "object" => self.object(object, at, depth),
            "array" => self.array(object, at, depth),
            "string" => Ok(self.string(object, at)),
            "integer" => Ok(self.integer(object, at)),
            "number" => {
                for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
                    if object.contains_key(keyword) {
                        self.note(keyword, at);
                    }
                }
                let (least, most) = (
                    bound(object, ["minimum", "exclusiveMinimum"], true),
                    bound(object, ["maximum", "exclusiveMaximum"], false),
                );
                Ok(match (least, most) {
                    (Some(least), Some(most)) if least > most => {
                        never(&join(at, "minimum"), "`minimum` is above `maximum`")
                    }
                    _ => Ok(json!({ "type": "number" })),
                })
            }
            "boolean" | "null" => Ok(Ok(json!({ "type": name }))),
            other => {
                Err(SchemaError::new(format!("#{}", join(at, "type")), format!("`type`: there is no type `{other}`")))
            }
        }
    }

    fn object(&mut self, object: &Map<String, Value>, at: &str, depth: usize) -> Result<Node, SchemaError> {
        let required: BTreeSet<&str> =
            object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let empty = Map::new();
        let named = object.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let has_patterns =
            object.get("patternProperties").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
        let others = match object.get("additionalProperties") {
            Some(Value::Bool(true)) => Some(Ok(json!(true))),
            Some(others) => Some(self.node(others, &join(at, "additionalProperties"), depth + 1, &[])?),
            None => None,
        };
        let mut properties = Map::new();
        let is_many = named.len() - named.keys().filter(|name| required.contains(name.as_str())).count() > MAX_OPTIONAL;
        for (name, property) in named {
            let is_required = required.contains(name.as_str());
            if is_many && !is_required {
                continue;
            }
            match self.node(property, &join(&join(at, "properties"), name), depth + 1, &[])? {
                Ok(node) => drop(properties.insert(name.clone(), node)),
                Err(never) if is_required => return Ok(Err(never)),
                Err(_) => {}
            }
        }
        if is_many {
            self.note(&format!("properties (the optional ones, more than {MAX_OPTIONAL})"), at);
        }
        for name in required.iter().filter(|name| !named.contains_key(**name)) {
            match &others {
                Some(Err(_)) if !has_patterns => {
                    return Ok(never(
                        &join(at, "required"),
                        &format!("`{name}` is required, and no such property is allowed"),
                    ));
                }
                Some(Ok(node)) if node.is_object() => drop(properties.insert((*name).to_owned(), node.clone())),
                _ => drop(properties.insert((*name).to_owned(), json!({}))),
            }
        }
        let mut node = json!({ "type": "object" });
        // If no properties are named, any are allowed.
        let others = match others {
            Some(Ok(others)) => others,
            Some(Err(_)) if !has_patterns => json!(false),
            _ => json!(is_many || named.is_empty() || has_patterns),
        };
        let required: Vec<&str> = required.into_iter().collect();
        if !properties.is_empty() {
            node["required"] = json!(required);
            node["properties"] = Value::Object(properties);
        }
        node["additionalProperties"] = others;
        Ok(Ok(node))
    }

    fn array(&mut self, object: &Map<String, Value>, at: &str, depth: usize) -> Result<Node, SchemaError> {
        let least = count(object, "minItems").unwrap_or(0);
        let most = count(object, "maxItems");
        if most.is_some_and(|most| most < least) {
            return Ok(never(&join(at, "minItems"), "`minItems` is above `maxItems`"));
        }
        // A list of schemas is `prefixItems` by its older name.
        let (prefix, prefix_at) = match (object.get("prefixItems"), object.get("items")) {
            (Some(Value::Array(prefix)), _) => (prefix.as_slice(), join(at, "prefixItems")),
            (_, Some(Value::Array(prefix))) => (prefix.as_slice(), join(at, "items")),
            _ => (&[][..], String::new()),
        };
        let (rest, rest_at) = match object.get("items") {
            Some(Value::Array(_)) => (object.get("additionalItems"), join(at, "additionalItems")),
            items => (items, join(at, "items")),
        };
        let rest = rest.map_or(Ok(Ok(json!({}))), |rest| self.node(rest, &rest_at, depth + 1, &[]))?;
        if prefix.is_empty() {
            let Ok(items) = rest else {
                return Ok(match (least, rest) {
                    (1.., Err(never)) => Err(never),
                    _ => Ok(json!({ "type": "array", "maxItems": 0 })),
                });
            };
            let mut node = json!({ "type": "array", "items": items });
            self.times(&mut node, ["minItems", "maxItems"], (least, most), at);
            return Ok(Ok(node));
        }
        // The converter knows lists of one length only: as many as are described, within the bounds.
        let length = (prefix.len() as u64).max(least).min(most.unwrap_or(u64::MAX)).min(MAX_TIMES);
        let mut items = Vec::new();
        for index in 0..length as usize {
            let node = match prefix.get(index) {
                Some(item) => self.node(item, &join(&prefix_at, &index.to_string()), depth + 1, &[])?,
                None => rest.clone(),
            };
            match node {
                Ok(node) => items.push(node),
                // A shorter list does without it.
                Err(_) if index as u64 >= least => break,
                Err(never) => return Ok(Err(never)),
            }
        }
        if items.is_empty() {
            return Ok(Ok(json!({ "type": "array", "maxItems": 0 })));
        }
        Ok(Ok(json!({ "type": "array", "prefixItems": items })))
    }

    fn string(&mut self, object: &Map<String, Value>, at: &str) -> Node {
        let least = count(object, "minLength").unwrap_or(0);
        let most = count(object, "maxLength");
        if most.is_some_and(|most| most < least) {
            return never(
                &join(at, "minLength"),
                &format!("`minLength` {least} is above `maxLength` {}", most.unwrap_or(0)),
            );
        }
        let mut node = json!({ "type": "string" });
        if let Some(pattern) = object.get("pattern").and_then(Value::as_str) {
            if let Some(pattern) = pattern::rewrite(pattern) {
                node["pattern"] = json!(pattern);
                if least > 0 || most.is_some() {
                    self.note("minLength, maxLength next to pattern", at);
                }
                return Ok(node);
            }
            self.note("pattern", at);
        } else if let Some(format) = object.get("format").filter(|_| least == 0 && most.is_none()) {
            node["format"] = format.clone();
        }
        self.times(&mut node, ["minLength", "maxLength"], (least, most), at);
        Ok(node)
    }

    /// Put how often something comes into a node, as far as llama.cpp counts.
    fn times(&mut self, node: &mut Value, names: [&str; 2], (least, most): (u64, Option<u64>), at: &str) {
        if least > MAX_TIMES {
            self.note(names[0], at);
        }
        if least > 0 {
            node[names[0]] = json!(least.min(MAX_TIMES));
        }
        match most {
            Some(most) if most <= MAX_TIMES => node[names[1]] = json!(most),
            Some(_) => self.note(names[1], at),
            None => {}
        }
    }

    fn integer(&mut self, object: &Map<String, Value>, at: &str) -> Node {
        let least = bound(object, ["minimum", "exclusiveMinimum"], true).map(f64::ceil);
        let most = bound(object, ["maximum", "exclusiveMaximum"], false).map(f64::floor);
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            return never(&join(at, "minimum"), "`minimum` is above `maximum`, so that no whole number is left");
        }
        let mut node = json!({ "type": "integer" });
        for (name, value) in [("minimum", least), ("maximum", most)] {
            match value {
                Some(value) if value.abs() <= MAX_INTEGER => node[name] = json!(value as i64),
                Some(_) => self.note(name, at),
                None => {}
            }
        }
        Ok(node)
    }
}

/// The values of `const` and `enum`.
fn values(object: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (object.get("const"), object.get("enum").and_then(Value::as_array)) {
        (Some(value), None) => Some(vec![value]),
        (Some(value), Some(values)) => Some(values.iter().filter(|other| *other == value).take(1).collect()),
        (None, values) => values.map(|values| values.iter().collect()),
    }
}

/// Whether a value is of a type.
fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        _ => false,
    }
}

/// The type that the keywords of a schema without one are about.
fn implied(object: &Map<String, Value>) -> Option<&'static str> {
    const KEYWORDS: [(&str, &[&str]); 4] = [
        (
            "object",
            &["properties", "additionalProperties", "required", "patternProperties", "minProperties", "propertyNames"],
        ),
        ("array", &["items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"]),
        ("string", &["pattern", "minLength", "maxLength", "format"]),
        ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ];
    KEYWORDS
        .into_iter()
        .find(|(_, keywords)| keywords.iter().any(|name| object.contains_key(*name)))
        .map(|(name, _)| name)
}

/// The tightest of two bounds, the second of which the value itself does not reach. For whole numbers: one beyond it.
fn bound(object: &Map<String, Value>, names: [&str; 2], is_least: bool) -> Option<f64> {
    let [inclusive, exclusive] = names.map(|name| object.get(name));
    let open = match exclusive {
        // Draft 4: a flag next to the bound.
        Some(Value::Bool(true)) => inclusive.and_then(Value::as_f64),
        other => other.and_then(Value::as_f64),
    };
    let open = open.map(|open| if is_least { open.floor() + 1.0 } else { open.ceil() - 1.0 });
    match (inclusive.and_then(Value::as_f64), open) {
        (Some(one), Some(other)) => Some(if is_least { one.max(other) } else { one.min(other) }),
        (one, other) => one.or(other),
    }
}

/// A number of times. `2.0` is one, too.
fn count(object: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = object.get(name)?;
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}
