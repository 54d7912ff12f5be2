//! Two schemas that both hold, as one.

use serde_json::{Map, Value, json};

use super::error::SchemaError;
use super::reference::join;
use super::rewrite::{Never, Rewriter, asserts};

impl Rewriter<'_> {
    /// One schema for what matches both. Where a keyword of both has no common form, one of them stays and the other is
    /// noted as not held.
    pub(super) fn merge(
        &mut self,
        mut one: Map<String, Value>,
        other: &Value,
        at: &str,
        chain: &[String],
    ) -> Result<Result<Map<String, Value>, Never>, SchemaError> {
        let other = match other {
            Value::Bool(false) => {
                return Ok(Err(Never { at: at.to_owned(), reason: "`false` matches nothing".to_owned() }));
            }
            Value::Object(other) => other,
            _ => return Ok(Ok(one)),
        };
        for (name, value) in other {
            if !asserts(name) {
                continue;
            }
            // A reference beside others is what it refers to.
            if name == "$ref" && one.keys().any(|name| asserts(name)) {
                let (place, target) = self.resolve(value, &join(at, name), chain)?;
                let mut chain = chain.to_vec();
                chain.push(place.clone());
                match self.merge(one, target, &place, &chain)? {
                    Ok(both) => one = both,
                    Err(never) => return Ok(Err(never)),
                }
                continue;
            }
            let Some(before) = one.get(name) else {
                one.insert(name.clone(), value.clone());
                continue;
            };
            if before == value {
                continue;
            }
            match both(name, before, value) {
                Some(both) => drop(one.insert(name.clone(), both)),
                None => self.note(name, at),
            }
            if matches!(name.as_str(), "type" | "enum") && one.get(name) == Some(&json!([])) {
                let reason = format!("`{name}` here and next to it have nothing in common");
                return Ok(Err(Never { at: join(at, name), reason }));
            }
        }
        Ok(Ok(one))
    }
}

/// What a keyword says where both values hold; `None` where that can't be said.
fn both(name: &str, one: &Value, other: &Value) -> Option<Value> {
    let numbers = || Some((one.as_f64()?, other.as_f64()?));
    match name {
        "type" => Some(types(one, other)),
        "required" => {
            let mut all = one.as_array()?.clone();
            all.extend(
                other.as_array()?.iter().filter(|name| !one.as_array().is_some_and(|one| one.contains(name))).cloned(),
            );
            Some(Value::Array(all))
        }
        "properties" => {
            let mut all = one.as_object()?.clone();
            for (name, value) in other.as_object()? {
                let merged = match all.get(name) {
                    Some(before) if before != value => json!({ "allOf": [before, value] }),
                    _ => value.clone(),
                };
                all.insert(name.clone(), merged);
            }
            Some(Value::Object(all))
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            numbers().map(|(one_is, other_is)| if one_is >= other_is { one.clone() } else { other.clone() })
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            numbers().map(|(one_is, other_is)| if one_is <= other_is { one.clone() } else { other.clone() })
        }
        "enum" => {
            let others = other.as_array()?;
            Some(one.as_array()?.iter().filter(|value| others.contains(value)).cloned().collect())
        }
        "items" | "additionalProperties" if one.is_object() || one.is_boolean() => {
            Some(json!({ "allOf": [one, other] }))
        }
        "allOf" => {
            let mut all = one.as_array()?.clone();
            all.extend(other.as_array()?.iter().cloned());
            Some(Value::Array(all))
        }
        _ => None,
    }
}

/// The types that both name.
fn types(one: &Value, other: &Value) -> Value {
    let names = |value: &Value| match value {
        Value::Array(names) => names.clone(),
        name => vec![name.clone()],
    };
    let others = names(other);
    let fits = |name: &Value| {
        if others.contains(name) {
            return Some(name.clone());
        }
        // Whole numbers are numbers.
        let is_pair = (*name == json!("number") && others.contains(&json!("integer")))
            || (*name == json!("integer") && others.contains(&json!("number")));
        is_pair.then(|| json!("integer"))
    };
    names(one).iter().filter_map(fits).collect()
}
