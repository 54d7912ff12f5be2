//! A schema as llama.cpp's converter takes it.
//!
//! The converter reads a part of JSON Schema: it ignores keywords that stand beside `$ref`, `anyOf` or `oneOf`, takes a
//! boolean schema nowhere, makes objects of most `allOf`, and has no word for what nothing matches. So all of this is
//! worked out here: references become definitions by number, what stands together is merged, and what can't match goes.
//! The result allows nothing less that matters (an object has no properties but those that are named, unless it names
//! none) and may allow more; what is not held is noted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::error::SchemaError;
use super::reference::{References, join};

/// The most schemas within a schema, branches counted each time that they are merged.
const MAX_NODES: usize = 20_000;
/// How deep schemas may nest.
const MAX_DEPTH: usize = 100;

/// Keywords that are not held while an answer is written.
const LOOSE: [&str; 18] = [
    "not",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "patternProperties",
    "minProperties",
    "maxProperties",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "multipleOf",
    "contentSchema",
    "$dynamicRef",
    "$recursiveRef",
];

/// A schema, or that nothing matches: the place and the reason.
pub(super) type Node = Result<Value, Never>;

/// Nothing matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Never {
    pub(super) at: String,
    pub(super) reason: String,
}

/// Rewrite a schema: for the converter, with what is not held.
pub(super) fn rewrite(root: &Value) -> Result<(Value, Vec<String>), SchemaError> {
    let references = References::new(root);
    let mut never = BTreeMap::new();
    loop {
        let mut rewriter = Rewriter {
            references: &references,
            definitions: Vec::new(),
            numbers: BTreeMap::new(),
            never: &never,
            loose: BTreeSet::new(),
            n_nodes: 0,
        };
        let node = rewriter.node(root, "", 0, &[])?;
        let mut definitions = Map::new();
        let mut found = BTreeMap::new();
        let mut next = 0;
        while let Some((place, value)) = rewriter.definitions.get(next).cloned() {
            match rewriter.node(&value, &place, 0, &[])? {
                Ok(node) => drop(definitions.insert(format!("d{next}"), node)),
                Err(reason) => drop(found.insert(place, reason)),
            }
            next += 1;
        }
        if !found.is_empty() {
            // What refers to it can't match either: once more, knowing that. Each round finds one more at least.
            never.extend(found);
            continue;
        }
        let mut schema = node.map_err(|never| {
            SchemaError::new(format!("#{}", never.at), format!("nothing can match: {}", never.reason))
        })?;
        if let Some(object) = schema.as_object_mut().filter(|_| !definitions.is_empty()) {
            object.insert("$defs".to_owned(), Value::Object(definitions));
        }
        return Ok((schema, rewriter.loose.into_iter().collect()));
    }
}

pub(super) struct Rewriter<'a> {
    references: &'a References<'a>,
    /// What is referred to, with its place.
    definitions: Vec<(String, Value)>,
    numbers: BTreeMap<String, usize>,
    never: &'a BTreeMap<String, Never>,
    loose: BTreeSet<String>,
    n_nodes: usize,
}

impl<'a> Rewriter<'a> {
    /// Rewrite the schema at a place. `chain` are the references that led here without a step into the document.
    pub(super) fn node(
        &mut self,
        schema: &Value,
        at: &str,
        depth: usize,
        chain: &[String],
    ) -> Result<Node, SchemaError> {
        self.n_nodes += 1;
        if self.n_nodes > MAX_NODES || depth > MAX_DEPTH {
            let reason =
                format!("the schema is too large: {MAX_NODES} schemas within it, {MAX_DEPTH} deep, are the most");
            return Err(SchemaError::new(format!("#{at}"), reason));
        }
        let object = match schema {
            Value::Bool(true) => return Ok(Ok(json!({}))),
            Value::Bool(false) => return Ok(never(at, "`false` matches nothing")),
            Value::Object(object) => object,
            other => {
                return Err(SchemaError::new(
                    format!("#{at}"),
                    format!("a schema is an object, true or false, not {other}"),
                ));
            }
        };
        if object.get("not").is_some_and(|not| *not == json!(true) || *not == json!({})) {
            return Ok(never(&join(at, "not"), "`not` excludes everything"));
        }
        for keyword in LOOSE {
            if object.get(keyword).is_some_and(|value| !says_nothing(keyword, value)) {
                self.note(keyword, at);
            }
        }
        if let Some(all) = object.get("allOf").and_then(Value::as_array) {
            let mut merged = without(object, &["allOf"]);
            for (index, part) in all.iter().enumerate() {
                match self.merge(merged, part, &join(&join(at, "allOf"), &index.to_string()), chain)? {
                    Ok(both) => merged = both,
                    Err(never) => return Ok(Err(never)),
                }
            }
            return self.node(&Value::Object(merged), at, depth + 1, chain);
        }
        if let Some(reference) = object.get("$ref") {
            return self.reference(object, reference, at, depth, chain);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branches) = object.get(keyword).and_then(Value::as_array) {
                return self.branches(object, keyword, branches, at, depth, chain);
            }
        }
        if object.contains_key("if") {
            return self.condition(object, at, depth, chain);
        }
        self.plain(object, at, depth)
    }

    pub(super) fn note(&mut self, keyword: &str, at: &str) {
        self.loose.insert(format!("{keyword} at #{at}"));
    }

    /// What a reference at a place leads to, and where that is.
    pub(super) fn resolve(
        &self,
        reference: &Value,
        at: &str,
        chain: &[String],
    ) -> Result<(String, &'a Value), SchemaError> {
        let name = reference.as_str().unwrap_or_default();
        let Some((place, target)) = self.references.resolve(name) else {
            return Err(SchemaError::new(format!("#{at}"), format!("`$ref`: there is no `{name}` in this schema")));
        };
        if chain.contains(&place) {
            return Err(SchemaError::new(
                format!("#{at}"),
                format!("`$ref`: `{name}` refers back to itself without end"),
            ));
        }
        Ok((place, target))
    }

    fn reference(
        &mut self,
        object: &Map<String, Value>,
        reference: &Value,
        at: &str,
        depth: usize,
        chain: &[String],
    ) -> Result<Node, SchemaError> {
        let (place, target) = self.resolve(reference, &join(at, "$ref"), chain)?;
        let beside = without(object, &["$ref"]);
        let says_more = beside.keys().any(|keyword| asserts(keyword));
        // Where it only leads on, follow it, so that what leads nowhere is found.
        let leads_on = target.as_object().is_some_and(|target| {
            ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|keyword| target.contains_key(*keyword))
        });
        if says_more || leads_on {
            let mut chain = chain.to_vec();
            chain.push(place.clone());
            if says_more {
                return match self.merge(beside, target, &place, &chain)? {
                    Ok(both) => self.node(&Value::Object(both), at, depth + 1, &chain),
                    Err(never) => Ok(Err(never)),
                };
            }
            let _ = self.node(target, &place, depth + 1, &chain)?;
        }
        if let Some(reason) = self.never.get(&place) {
            return Ok(Err(reason.clone()));
        }
        let number = *self.numbers.entry(place.clone()).or_insert_with(|| {
            self.definitions.push((place, target.clone()));
            self.definitions.len() - 1
        });
        Ok(Ok(json!({ "$ref": format!("#/$defs/d{number}") })))
    }

    /// `anyOf` and `oneOf`: the keywords next to them apply to each branch.
    fn branches(
        &mut self,
        object: &Map<String, Value>,
        keyword: &str,
        branches: &[Value],
        at: &str,
        depth: usize,
        chain: &[String],
    ) -> Result<Node, SchemaError> {
        let mut beside = without(object, &[keyword]);
        if keyword == "oneOf" && branches.len() > 1 {
            self.note("oneOf", at);
        }
        for (name, _) in object.iter().filter(|(name, _)| matches!(name.as_str(), "oneOf" | "if") && *name != keyword) {
            self.note(name, at);
            beside = without(&beside, &["oneOf", "if", "then", "else"]);
        }
        let mut kept: Vec<Value> = Vec::new();
        let mut last = Never { at: join(at, keyword), reason: format!("`{keyword}` has no branch") };
        for (index, branch) in branches.iter().enumerate() {
            let place = join(&join(at, keyword), &index.to_string());
            let node = if beside.keys().any(|keyword| asserts(keyword)) {
                match self.merge(beside.clone(), branch, &place, chain)? {
                    Ok(both) => self.node(&Value::Object(both), &place, depth + 1, chain)?,
                    Err(never) => Err(never),
                }
            } else {
                self.node(branch, &place, depth + 1, chain)?
            };
            match node {
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

    /// `if`, `then`, `else`: either of the two may hold.
    fn condition(
        &mut self,
        object: &Map<String, Value>,
        at: &str,
        depth: usize,
        chain: &[String],
    ) -> Result<Node, SchemaError> {
        self.note("if", at);
        let beside = without(object, &["if", "then", "else"]);
        let branches = ["then", "else"].map(|name| object.get(name).cloned().unwrap_or(Value::Bool(true)));
        if branches.iter().all(|branch| *branch == Value::Bool(true)) {
            return self.node(&Value::Object(beside), at, depth + 1, chain);
        }
        self.branches(&beside, "if", &branches, at, depth, chain)
    }
}

pub(super) fn never(at: &str, reason: &str) -> Node {
    Err(Never { at: at.to_owned(), reason: reason.to_owned() })
}

/// Whether a keyword has no effect with this value, as it mostly stands.
fn says_nothing(keyword: &str, value: &Value) -> bool {
    match keyword {
        "uniqueItems" | "not" => *value == json!(false),
        _ => [json!(true), json!({}), json!(0)].contains(value),
    }
}

/// An object without some keywords.
fn without(object: &Map<String, Value>, keywords: &[&str]) -> Map<String, Value> {
    object
        .iter()
        .filter(|(name, _)| !keywords.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether a keyword says something about values, rather than about the schema.
pub(super) fn asserts(keyword: &str) -> bool {
    !matches!(
        keyword,
        "$schema"
            | "$id"
            | "id"
            | "$anchor"
            | "$dynamicAnchor"
            | "$recursiveAnchor"
            | "$defs"
            | "definitions"
            | "$comment"
            | "$vocabulary"
            | "title"
            | "description"
            | "default"
            | "examples"
            | "example"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "nullable"
            | "discriminator"
            | "contentMediaType"
            | "contentEncoding"
    ) && !keyword.starts_with("x-")
}
